//! Short-lived rows go away in small batches, each its own transaction, so that no writer waits long. README has the table
//! of how long which rows stay; a test holds it to [`RULES`] and to the database.

use std::time::{Duration, Instant};

use diesel::{RunQueryDsl, sql_query};

use super::{Error, Store, Tx};
use crate::model::time::Timestamp;

/// How long the statement of one transaction shall take: so many rows go at once as fit into it. Everybody who writes to
/// the embedded database waits for it, and for the disk to take what it has written; on PostgreSQL nobody does.
const GOAL_EMBEDDED: Duration = Duration::from_micros(100);
const GOAL: Duration = Duration::from_millis(10);
/// After so long it may take twice as long, then three times: there is more to purge than such small steps can do.
const BEHIND: Duration = Duration::from_mins(10);
/// The fewest and most rows of one transaction, and those of the first.
const ROWS: (usize, usize) = (10, 500);
const FIRST: usize = 20;
/// After each full batch others write for so many times as long as it took from its beginning to its commit.
const PAUSE: u32 = 6;
const DAY: i64 = 24 * 3600 * 1000;

/// When the rows of a table go.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The table.
    pub table: &'static str,
    /// Its primary key.
    pub key: &'static str,
    /// The column with the time (milliseconds) at which a row has had its day; an index begins with it.
    pub expiry: &'static str,
    /// For how long after that it stays, in milliseconds.
    pub kept: i64,
    /// What is done about it.
    pub act: Act,
}

/// What is done about rows that have had their day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// They are deleted.
    Delete,
    /// This column becomes null; rows where it is count no more.
    Erase(&'static str),
}

const fn delete(table: &'static str, key: &'static str, expiry: &'static str) -> Rule {
    Rule { table, key, expiry, kept: 0, act: Act::Delete }
}

/// All of them. Events of the audit log are not among them: [`crate::audit::cut`] removes those.
pub const RULES: [Rule; 14] = [
    delete("authorization_code", "hash", "purge_at"),
    delete("refresh_token", "hash", "expires_at"),
    delete("oauth_grant", "id", "expires_at"),
    delete("appserver_session", "id", "expires_at"),
    // ended sessions can be looked up for a while
    Rule { kept: 30 * DAY, ..delete("session", "id", "expires_at") },
    delete("personal_access_token", "id", "expires_at"),
    delete("email_change", "principal_id", "expires_at"),
    delete("revoked_token", "jti", "expires_at"),
    delete("assertion_jti", "hash", "expires_at"),
    delete("idempotency", "hash", "expires_at"),
    delete("throttle", "key", "expires_at"),
    delete("sending", "id", "purge_at"),
    delete("mail_pace", "key", "used_until"),
    Rule { act: Act::Erase("sealed_successor"), ..delete("refresh_token", "hash", "replay_until") },
];

impl Rule {
    /// The statement that does one batch of it at this time, of at most so many rows.
    pub fn statement(&self, now: Timestamp, rows: usize) -> String {
        let Rule { table, key, expiry, kept, act } = self;
        let (verb, concerned) = match act {
            Act::Delete => (format!("DELETE FROM {table}"), String::new()),
            Act::Erase(column) => (format!("UPDATE {table} SET {column} = NULL"), format!(" AND {column} IS NOT NULL")),
        };
        let before = now.millis() - kept;
        // The condition stands outside as well: a row may have been given more time meanwhile. The sign keeps SQLite from
        // looking for it there.
        format!(
            "{verb} WHERE {key} IN (SELECT {key} FROM {table} WHERE {expiry} < {before}{concerned} ORDER BY {expiry} \
             LIMIT {rows}) AND +{expiry} < {before}"
        )
    }
}

/// Purges what has had its day; the number of rows that were concerned.
///
/// # Errors
/// Only the database's.
pub async fn run(store: &Store, now: Timestamp) -> Result<usize, Error> {
    let mut total = in_batches(store, |tx, rows| super::change::purge(tx, rows as i64)).await?;
    for rule in RULES {
        let step = move |tx: &mut Tx<'_>, rows| Ok(sql_query(rule.statement(now, rows)).execute(&mut **tx)?);
        total += in_batches(store, step).await?;
    }
    Ok(total)
}

/// Runs a step, which is told how many rows it may touch and says how many it did, until it finds no more.
async fn in_batches<F>(store: &Store, step: F) -> Result<usize, Error>
where
    F: Fn(&mut Tx<'_>, usize) -> Result<usize, Error> + Copy + Send + 'static,
{
    let goal = if store.backend() == "sqlite" { GOAL_EMBEDDED } else { GOAL };
    let (mut total, mut most) = (0, FIRST);
    let first = Instant::now();
    loop {
        let timed = move |tx: &mut Tx<'_>| {
            let begun = Instant::now();
            Ok((step(tx, most)?, begun, begun.elapsed()))
        };
        // what comes back with a machine that went down is purged again
        let (rows, begun, took) = store.note::<_, Error, _>(timed).await?;
        total += rows;
        if rows < most {
            return Ok(total);
        }
        let goal = goal.mul_f64(1.0 + (first.elapsed().as_secs_f64() / BEHIND.as_secs_f64()).floor());
        if took > goal * 2 {
            most = (most / 2).max(ROWS.0);
        } else if took < goal / 2 {
            most = (most * 2).min(ROWS.1);
        }
        tokio::time::sleep(begun.elapsed() * PAUSE).await;
    }
}
