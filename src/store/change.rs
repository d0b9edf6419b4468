//! What was changed of the things that processes keep in memory: triggers write it down, processes read it and forget.

use std::collections::HashSet;

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};

use super::{Conn, Error};

/// Changes that are read at once; where there are more, everything is forgotten.
const MOST: usize = 5000;
/// Changes that are kept in any case, however old they are.
const KEPT: i64 = 10_000;

/// Something that was changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The kind, as the triggers call it.
    pub(super) kind: String,
    /// Which one of them.
    pub(super) name: String,
}

diesel::table! {
    /// What the embedded database's readers ask for, all the time: a query that is kept prepared.
    change (seq) {
        seq -> BigInt,
        kind -> Text,
        name -> Text,
    }
}

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(diesel::QueryableByName)]
struct Newest {
    #[diesel(sql_type = BigInt)]
    seq: i64,
}

#[derive(diesel::QueryableByName)]
struct Seen {
    #[diesel(sql_type = BigInt)]
    xmin: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    seq: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    kind: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
}

/// How far a reader has come.
#[derive(Clone, Debug, Default)]
pub(super) enum Position {
    /// Nowhere: it does not know what was changed before.
    #[default]
    Unknown,
    /// The last change of the embedded database that it has seen.
    Sequence(i64),
    /// Of PostgreSQL: the oldest transaction that had not ended, and the changes of it and later ones that were seen.
    Snapshot { xmin: i64, seen: HashSet<i64> },
}

/// What was changed since a reader was here last, and moves it on; `None` where that is not known any more or is too much,
/// so that all of it must be forgotten.
///
/// # Errors
/// The database cannot be asked; the reader stays where it was.
pub(super) fn since(conn: &mut Conn, position: &mut Position) -> Result<Option<Vec<Change>>, Error> {
    match conn {
        Conn::Sqlite(conn) => since_sequence(conn, position),
        Conn::Postgres(conn) => since_snapshot(conn, position),
    }
}

fn since_sequence(conn: &mut SqliteConnection, position: &mut Position) -> Result<Option<Vec<Change>>, Error> {
    let Position::Sequence(last) = *position else {
        // the sequence goes on where rows were purged
        let ask = sql_query("SELECT coalesce(max(seq), 0) AS seq FROM sqlite_sequence WHERE name = 'change'");
        let row: Newest = ask.get_result(conn)?;
        *position = Position::Sequence(row.seq);
        return Ok(None);
    };
    let rows: Vec<(i64, String, String)> = change::table
        .filter(change::seq.gt(last))
        .order(change::seq)
        .select((change::seq, change::kind, change::name))
        .limit(MOST as i64 + 1)
        .load(conn)?;
    let Some((newest, ..)) = rows.last().cloned() else { return Ok(Some(Vec::new())) };
    if rows.len() > MOST {
        *position = Position::Unknown;
        return since_sequence(conn, position);
    }
    *position = Position::Sequence(newest);
    Ok(Some(rows.into_iter().map(|(_, kind, name)| Change { kind, name }).collect()))
}

fn since_snapshot(conn: &mut PgConnection, position: &mut Position) -> Result<Option<Vec<Change>>, Error> {
    // one statement, so that the rows and the snapshot's bound are of the same moment
    const ASK: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin, c.seq, c.kind, c.name \
        FROM (SELECT 1) AS one LEFT JOIN change c ON c.xid >= $1::text::xid8 ORDER BY c.seq LIMIT 5001";
    let (from, before) = match &*position {
        Position::Snapshot { xmin, seen } => (*xmin, Some(seen)),
        // nothing has this number yet
        _ => (i64::MAX, None),
    };
    let rows: Vec<Seen> = sql_query(ASK).bind::<Text, _>(from.to_string()).load(conn)?;
    let Some(xmin) = rows.first().map(|row| row.xmin) else {
        return Err(Error::Internal("the changes were not told".to_owned()));
    };
    let known = rows.len() <= MOST;
    let now_seen: HashSet<i64> = rows.iter().filter_map(|row| row.seq).collect();
    let news = before.filter(|_| known).map(|before| {
        rows.into_iter()
            .filter(|row| row.seq.is_some_and(|seq| !before.contains(&seq)))
            .filter_map(|row| Some(Change { kind: row.kind?, name: row.name? }))
            .collect()
    });
    *position = Position::Snapshot { xmin, seen: now_seen };
    Ok(news)
}

/// What the transaction that is open on this connection has changed. For PostgreSQL; the embedded database's one writer
/// reads [`since`].
///
/// # Errors
/// The database failed.
pub(super) fn of_transaction(conn: &mut Conn) -> Result<Option<Vec<Change>>, Error> {
    let Conn::Postgres(conn) = conn else { return Ok(Some(Vec::new())) };
    const ASK: &str = "SELECT kind, name FROM change WHERE xid = pg_current_xact_id_if_assigned() LIMIT 5001";
    let rows: Vec<Row> = sql_query(ASK).load(conn)?;
    let known = rows.len() <= MOST;
    Ok(known.then(|| rows.into_iter().map(|Row { kind, name }| Change { kind, name }).collect()))
}

/// Deletes what every process has read long ago; the number of rows, at most `limit`.
///
/// # Errors
/// The database failed.
pub(super) fn purge(conn: &mut Conn, limit: i64) -> Result<usize, Error> {
    // by the database's own clock: it wrote the times
    let old = match conn {
        Conn::Sqlite(_) => "at < unixepoch() - 600",
        Conn::Postgres(_) => "at < now() - interval '10 minutes'",
    };
    let ask = format!(
        "DELETE FROM change WHERE seq IN (SELECT seq FROM change WHERE seq <= (SELECT max(seq) FROM change) - {KEPT} \
         AND {old} ORDER BY seq LIMIT {limit})"
    );
    let rows = super::connection::per_backend!(conn, conn => sql_query(ask).execute(conn))?;
    Ok(rows)
}
