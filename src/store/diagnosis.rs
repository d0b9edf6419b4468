//! What a database says of itself: settings, clock, damage. For an operator who asks how it is.

use diesel::{
    QueryableByName, RunQueryDsl, sql_query,
    sql_types::{BigInt, Bool, Text},
};

use super::{Conn, Error, Tx, throttle};
use crate::model::time::Timestamp;

/// The key of the counter that [`write_nothing`] makes and takes away; no counter of guesses has one that short.
const NOTHING: &str = "doctor";
/// The most faults of a file that are told.
const MOST_FAULTS: usize = 3;

/// How the embedded database writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteSettings {
    /// `wal`, `delete`, …
    pub journal_mode: String,
    /// 0 is OFF, 1 NORMAL, 2 FULL, 3 EXTRA.
    pub synchronous: i64,
    /// Whether references are kept.
    pub foreign_keys: bool,
}

/// How a PostgreSQL server is set up, as far as it concerns us.
#[derive(Clone, Debug, QueryableByName, PartialEq, Eq)]
pub struct PostgresSettings {
    /// Its version as a number: 150004 is 15.4.
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    /// Whether what it acknowledges reaches the disk at all.
    #[diesel(sql_type = Bool)]
    pub fsync: bool,
    /// Whether torn pages are mended after a crash.
    #[diesel(sql_type = Bool)]
    pub full_page_writes: bool,
    /// `on`, `off`, `local`, …: what a commit waits for.
    #[diesel(sql_type = Text)]
    pub synchronous_commit: String,
    /// The most connections from everybody.
    #[diesel(sql_type = BigInt)]
    pub max_connections: i64,
    /// How many of them are kept for superusers.
    #[diesel(sql_type = BigInt)]
    pub reserved: i64,
    /// From how many addresses servers of ours are connected to this database, this machine's own included.
    #[diesel(sql_type = BigInt)]
    pub nodes: i64,
    /// Whether it follows another server and refuses writes.
    #[diesel(sql_type = Bool)]
    pub standby: bool,
    /// Whether this connection is encrypted.
    #[diesel(sql_type = Bool)]
    pub encrypted: bool,
    /// Whether this connection stays on one machine.
    #[diesel(sql_type = Bool)]
    pub local: bool,
}

const POSTGRES: &str = "SELECT current_setting('server_version_num')::bigint AS version, \
    current_setting('fsync') = 'on' AS fsync, \
    current_setting('full_page_writes') = 'on' AS full_page_writes, \
    current_setting('synchronous_commit') AS synchronous_commit, \
    current_setting('max_connections')::bigint AS max_connections, \
    current_setting('superuser_reserved_connections')::bigint AS reserved, \
    (SELECT count(DISTINCT coalesce(client_addr::text, '')) FROM pg_stat_activity \
        WHERE application_name = 'keyward' AND datname = current_database()) AS nodes, \
    pg_is_in_recovery() AS standby, \
    coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS encrypted, \
    (inet_client_addr() IS NULL OR inet_client_addr() = inet_server_addr() \
        OR inet_client_addr() <<= '127.0.0.0/8' OR inet_client_addr() = '::1') AS local";

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    word: String,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// How the embedded database's file keeps its journal; none on PostgreSQL.
///
/// # Errors
/// Only the database's.
pub fn journal_mode(conn: &mut Conn) -> Result<Option<String>, Error> {
    let Conn::Sqlite(conn) = conn else { return Ok(None) };
    let row: Word = sql_query("SELECT journal_mode AS word FROM pragma_journal_mode").get_result(conn)?;
    Ok(Some(row.word))
}

/// How this program's own writer is set up on the embedded database; none on PostgreSQL.
///
/// # Errors
/// Only the database's.
pub fn sqlite(tx: &mut Tx<'_>) -> Result<Option<SqliteSettings>, Error> {
    let Some(journal_mode) = journal_mode(tx)? else { return Ok(None) };
    let Conn::Sqlite(conn) = &mut **tx else { return Ok(None) };
    let synchronous: Number =
        sql_query("SELECT CAST(synchronous AS INTEGER) AS number FROM pragma_synchronous").get_result(conn)?;
    let keys: Number =
        sql_query("SELECT CAST(foreign_keys AS INTEGER) AS number FROM pragma_foreign_keys").get_result(conn)?;
    Ok(Some(SqliteSettings { journal_mode, synchronous: synchronous.number, foreign_keys: keys.number == 1 }))
}

/// How the PostgreSQL server is set up; none on the embedded database.
///
/// # Errors
/// Only the database's.
pub fn postgres(conn: &mut Conn) -> Result<Option<PostgresSettings>, Error> {
    let Conn::Postgres(conn) = conn else { return Ok(None) };
    Ok(Some(sql_query(POSTGRES).get_result(conn)?))
}

/// The first few faults in the structure of the embedded database's file; none where it is sound, or on PostgreSQL. It
/// reads the whole file.
///
/// # Errors
/// Only the database's.
pub fn faults(conn: &mut Conn) -> Result<Vec<String>, Error> {
    let Conn::Sqlite(conn) = conn else { return Ok(Vec::new()) };
    let query = format!("SELECT quick_check AS word FROM pragma_quick_check LIMIT {MOST_FAULTS}");
    let rows: Vec<Word> = sql_query(query).load(conn)?;
    Ok(rows.into_iter().map(|row| row.word).filter(|word| word != "ok").collect())
}

/// What time the database server has; none where it runs in this process.
///
/// # Errors
/// Only the database's.
pub fn clock(conn: &mut Conn) -> Result<Option<Timestamp>, Error> {
    let Conn::Postgres(conn) = conn else { return Ok(None) };
    let query = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS number";
    let row: Number = sql_query(query).get_result(conn)?;
    Ok(Some(Timestamp::from_millis(row.number)))
}

/// A write as small as any, of which nothing stays: a row that is made and taken away in one transaction.
///
/// # Errors
/// Only the database's.
pub fn write_nothing(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), Error> {
    let counter = throttle::Counter { failures: 0, blocked_until: now, expires_at: now };
    throttle::store(tx, &[(NOTHING, counter)])?;
    throttle::clear(tx, &[NOTHING])
}
