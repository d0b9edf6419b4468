//! Counters of failed guesses. A guess is counted before it is checked, so that guesses in parallel cannot slip past.

use diesel::prelude::*;

use super::{Error, Tx, schema::throttle, sql::Sql};
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

/// Reads a counter for a change in this transaction. On PostgreSQL the row is locked, so that callers take turns; the
/// embedded database has one writer.
pub fn lock(tx: &mut Tx<'_>, key: &str, now: Timestamp) -> Result<Counter, Error> {
    let select = throttle::table.find(key).select((throttle::failures, throttle::blocked_until, throttle::expires_at));
    let row: Option<(i64, i64, i64)> = match &mut **tx {
        super::Conn::Sqlite(conn) => select.get_result(conn).optional()?,
        super::Conn::Postgres(conn) => {
            // A row that is not there cannot be locked: make it first.
            diesel::insert_into(throttle::table)
                .values((
                    throttle::key.eq(key),
                    throttle::failures.eq(0),
                    throttle::blocked_until.eq(0),
                    throttle::expires_at.eq(now.millis()),
                ))
                .on_conflict_do_nothing()
                .execute(conn)?;
            select.for_update().get_result(conn).optional()?
        }
    };
    Ok(match row {
        Some((failures, blocked_until, expires_at)) if expires_at > now.millis() => Counter {
            failures,
            blocked_until: Timestamp::from_millis(blocked_until),
            expires_at: Timestamp::from_millis(expires_at),
        },
        _ => Counter { failures: 0, blocked_until: Timestamp::from_millis(0), expires_at: now },
    })
}

/// Stores a counter.
pub fn store(tx: &mut Tx<'_>, key: &str, counter: Counter) -> Result<(), Error> {
    Sql::kept(
        "INSERT INTO throttle (key, failures, blocked_until, expires_at) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE \
         SET failures = excluded.failures, blocked_until = excluded.blocked_until, expires_at = excluded.expires_at",
    )
    .text(key)
    .number(counter.failures)
    .number(counter.blocked_until.millis())
    .number(counter.expires_at.millis())
    .execute(tx)?;
    Ok(())
}

/// Forgets a counter, as after a success.
pub fn clear(tx: &mut Tx<'_>, key: &str) -> Result<(), Error> {
    Sql::kept("DELETE FROM throttle WHERE key = ?").text(key).execute(tx)?;
    Ok(())
}
