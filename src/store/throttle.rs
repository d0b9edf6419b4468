//! Counters of failed guesses. A guess is counted before it is checked, so that guesses in parallel cannot slip past.

use diesel::{QueryableByName, prelude::*, sql_types::BigInt};

use super::{Conn, Error, Tx, schema::throttle, sql::Sql};
use crate::model::time::Timestamp;

/// A counter's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Failures that are remembered.
    pub failures: i64,
    /// Guesses before this are refused.
    pub blocked_until: Timestamp,
    /// When it is forgotten.
    pub expires_at: Timestamp,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    failures: i64,
    #[diesel(sql_type = BigInt)]
    blocked_until: i64,
    #[diesel(sql_type = BigInt)]
    expires_at: i64,
}

/// Reads counters for a change in this transaction, in the order of `keys`, which all differ. On PostgreSQL the rows are
/// locked in that order, so that callers take turns; the embedded database has one writer.
pub fn lock(tx: &mut Tx<'_>, keys: &[&str], now: Timestamp) -> Result<Vec<Counter>, Error> {
    let rows = match &mut **tx {
        Conn::Sqlite(conn) => {
            let row = |key| {
                throttle::table
                    .find(key)
                    .select((throttle::failures, throttle::blocked_until, throttle::expires_at))
                    .get_result(conn)
                    .optional()
            };
            keys.iter().map(row).collect::<Result<Vec<Option<(i64, i64, i64)>>, _>>()?
        }
        conn @ Conn::Postgres(_) => {
            // A row that is not there cannot be locked: it is made. What an upsert changes nothing of it locks and returns.
            let made = keys.iter().map(|key| Sql::new("(?, 0, 0, ?)").text(key).number(now.millis()));
            let mut sql = Sql::kept("INSERT INTO throttle AS t (key, failures, blocked_until, expires_at) VALUES ");
            sql.append(Sql::join(made, ", ", "")).push(
                " ON CONFLICT (key) DO UPDATE SET failures = t.failures \
                 RETURNING failures, blocked_until, expires_at",
            );
            let rows: Vec<Row> = sql.load(conn)?;
            rows.into_iter().map(|row| Some((row.failures, row.blocked_until, row.expires_at))).collect()
        }
    };
    let counter = |row: Option<(i64, i64, i64)>| match row {
        Some((failures, blocked_until, expires_at)) if expires_at > now.millis() => Counter {
            failures,
            blocked_until: Timestamp::from_millis(blocked_until),
            expires_at: Timestamp::from_millis(expires_at),
        },
        _ => Counter { failures: 0, blocked_until: Timestamp::from_millis(0), expires_at: now },
    };
    Ok(rows.into_iter().map(counter).collect())
}

/// Stores counters, whose keys all differ.
pub fn store(tx: &mut Tx<'_>, counters: &[(&str, Counter)]) -> Result<(), Error> {
    if counters.is_empty() {
        return Ok(());
    }
    let rows = counters.iter().map(|(key, counter)| {
        Sql::new("(?, ?, ?, ?)")
            .text(key)
            .number(counter.failures)
            .number(counter.blocked_until.millis())
            .number(counter.expires_at.millis())
    });
    let mut sql = Sql::kept("INSERT INTO throttle (key, failures, blocked_until, expires_at) VALUES ");
    sql.append(Sql::join(rows, ", ", "")).push(
        " ON CONFLICT (key) DO UPDATE \
         SET failures = excluded.failures, blocked_until = excluded.blocked_until, expires_at = excluded.expires_at",
    );
    sql.execute(tx)?;
    Ok(())
}

/// Forgets counters, as after a success.
pub fn clear(tx: &mut Tx<'_>, keys: &[&str]) -> Result<(), Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut sql = Sql::kept("DELETE FROM throttle WHERE key IN (");
    sql.append(Sql::join(keys.iter().map(|key| Sql::new("?").text(key)), ", ", "")).push(")");
    sql.execute(tx)?;
    Ok(())
}
