//! Schema migrations, embedded in the binary; both folders hold the same names.

use diesel::{PgConnection, RunQueryDsl, SqliteConnection, sql_query};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Conn, Error};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The advisory lock under which one of several starting nodes migrates while the others wait ("keyward" in ASCII).
const LOCK: i64 = 0x006b_6579_7761_7264;

/// Runs what has not run yet; the number of migrations that did.
pub fn run(conn: &mut Conn) -> Result<usize, Error> {
    match conn {
        Conn::Sqlite(conn) => sqlite(conn),
        Conn::Postgres(conn) => postgres(conn),
    }
}

fn sqlite(conn: &mut SqliteConnection) -> Result<usize, Error> {
    conn.run_pending_migrations(SQLITE).map(|done| done.len()).map_err(|e| Error::Internal(e.to_string()))
}

fn postgres(conn: &mut PgConnection) -> Result<usize, Error> {
    // Another node may hold the lock for as long as its migration takes: no time-out here.
    sql_query("SET statement_timeout = 0").execute(conn)?;
    sql_query("SET lock_timeout = 0").execute(conn)?;
    sql_query(format!("SELECT pg_advisory_lock({LOCK})")).execute(conn)?;
    let done = conn.run_pending_migrations(POSTGRES).map(|done| done.len());
    sql_query(format!("SELECT pg_advisory_unlock({LOCK})")).execute(conn)?;
    done.map_err(|e| Error::Internal(e.to_string()))
}
