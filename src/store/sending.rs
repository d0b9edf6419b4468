//! Outgoing mail: a queue from which each mail is taken by one worker at a time, and what became of it.
//!
//! A worker takes a mail under a lease, a random text that is good for a time; whatever it reports counts
//! only while the row still has that lease. What was sent, has failed or was cancelled has no content any more.

use std::time::Duration;

use diesel::prelude::*;
use serde_json::{Map, Value};

use super::{
    Conn, Error, Tx, from_json,
    schema::sending,
    sql::{Count, Sql},
    to_json, won,
};
use crate::model::{secret::random_text, time::Timestamp};

/// What has become of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It waits, or is being delivered.
    Pending,
    /// The server of the next hop has accepted it.
    Sent,
    /// It was refused for good, or once too often.
    Failed,
    /// It was taken back before a worker took it.
    Cancelled,
}

impl Status {
    /// The word in the database and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Sent => "sent",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
        }
    }

    fn stored(text: &str) -> Result<Status, Error> {
        [Status::Pending, Status::Sent, Status::Failed, Status::Cancelled]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| Error::Internal("column sending.status does not hold what it should".to_owned()))
    }
}

/// A mail, without what is in it.
#[derive(Clone, Debug)]
pub struct Sending {
    /// A version 7 UUID.
    pub id: String,
    /// What kind of mail it is; `system:…` is the server's own.
    pub category: Option<String>,
    /// When it was handed in.
    pub created_at: Timestamp,
    /// The addresses in To, separated by a comma and a space.
    pub recipient: String,
    /// What has become of it.
    pub status: Status,
    /// How many attempts followed the first one, or will with the next one.
    pub retry_count: i64,
    /// Why the last attempt failed.
    pub error_message: Option<String>,
    /// When a worker last took it.
    pub processed_at: Option<Timestamp>,
    /// When it was accepted.
    pub sent_at: Option<Timestamp>,
    /// `smtp` or `directory`.
    pub transport: String,
    /// Facts of the caller's.
    pub dynamic: Option<Map<String, Value>>,
    /// When anything of this last changed.
    pub last_modified: Timestamp,
    /// Whose it is; none for the server's own.
    pub created_by: Option<String>,
}

/// A mail that can be handed in.
#[derive(Clone)]
pub struct NewSending {
    /// A version 7 UUID.
    pub id: String,
    /// What kind of mail it is.
    pub category: Option<String>,
    /// Now.
    pub created_at: Timestamp,
    /// The addresses in To.
    pub recipient: String,
    /// `smtp` or `directory`.
    pub transport: &'static str,
    /// Facts of the caller's.
    pub dynamic: Option<Map<String, Value>>,
    /// What is in it, sealed.
    pub sealed_content: String,
    /// Whose it is; none for the server's own.
    pub created_by: Option<String>,
}

impl std::fmt::Debug for NewSending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSending").field("id", &self.id).field("category", &self.category).finish_non_exhaustive()
    }
}

/// A mail that a worker has.
#[derive(Clone)]
pub struct Claimed {
    /// Its id.
    pub id: String,
    /// How many attempts have failed.
    pub retry_count: i64,
    /// What is in it, sealed.
    pub sealed_content: String,
    /// What shows that the worker still has it.
    pub lease: String,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = sending, treat_none_as_default_value = false)]
struct Row {
    id: String,
    category: Option<String>,
    created_at: i64,
    recipient: String,
    status: String,
    retry_count: i64,
    error_message: Option<String>,
    processed_at: Option<i64>,
    sent_at: Option<i64>,
    transport: String,
    dynamic: Option<String>,
    last_modified: i64,
    created_by: Option<String>,
}

impl TryFrom<Row> for Sending {
    type Error = Error;

    fn try_from(row: Row) -> Result<Sending, Error> {
        Ok(Sending {
            status: Status::stored(&row.status)?,
            dynamic: row.dynamic.map(|text| from_json("sending.dynamic", &text)).transpose()?,
            id: row.id,
            category: row.category,
            created_at: Timestamp::from_millis(row.created_at),
            recipient: row.recipient,
            retry_count: row.retry_count,
            error_message: row.error_message,
            processed_at: row.processed_at.map(Timestamp::from_millis),
            sent_at: row.sent_at.map(Timestamp::from_millis),
            transport: row.transport,
            last_modified: Timestamp::from_millis(row.last_modified),
            created_by: row.created_by,
        })
    }
}

/// Hands in a mail: a worker may take it as soon as this transaction is committed.
pub fn insert(tx: &mut Tx<'_>, new: &NewSending) -> Result<(), Error> {
    diesel::insert_into(sending::table)
        .values((
            sending::id.eq(&new.id),
            sending::category.eq(&new.category),
            sending::created_at.eq(new.created_at.millis()),
            sending::recipient.eq(&new.recipient),
            sending::status.eq(Status::Pending.as_str()),
            sending::retry_count.eq(0),
            sending::transport.eq(new.transport),
            sending::dynamic.eq(new.dynamic.as_ref().map(to_json).transpose()?),
            sending::last_modified.eq(new.created_at.millis()),
            sending::sealed_content.eq(&new.sealed_content),
            sending::created_by.eq(&new.created_by),
            sending::due_at.eq(new.created_at.millis()),
        ))
        .execute(&mut **tx)?;
    Ok(())
}

/// The mail with this id.
pub fn find(conn: &mut Conn, id: &str) -> Result<Option<Sending>, Error> {
    let row = sending::table.find(id).select(Row::as_select()).get_result(conn).optional()?;
    row.map(Sending::try_from).transpose()
}

/// A mail that nobody has tried and that was handed in while the clock stood ahead: else it would wait for that time.
#[diesel::dsl::auto_type(no_type_alias)]
fn ahead(now: i64) -> _ {
    sending::created_at
        .gt(now)
        .and(sending::retry_count.eq(0_i64))
        .and(sending::lease.is_null())
        .and(sending::due_at.is_not_null())
}

/// Mails that a worker could take now, the longest due first.
pub fn due(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<Vec<String>, Error> {
    let due: Vec<String> = sending::table
        .filter(sending::due_at.le(now.millis()))
        .order((sending::due_at, sending::id))
        .limit(limit)
        .select(sending::id)
        .load(conn)?;
    if !due.is_empty() {
        return Ok(due);
    }
    // by itself, as each of both has an index
    Ok(sending::table
        .filter(ahead(now.millis()))
        .order((sending::created_at, sending::id))
        .limit(limit)
        .select(sending::id)
        .load(conn)?)
}

/// How many mails wait or are being delivered, counted up to `most`, and since when the oldest has been due or will be.
pub fn pending(conn: &mut Conn, most: i64) -> Result<(i64, Option<Timestamp>), Error> {
    let sql =
        Sql::new("SELECT COUNT(*) AS n FROM (SELECT due_at FROM sending WHERE due_at IS NOT NULL LIMIT ?) AS pending");
    let counted = sql.number(most).load::<Count>(conn)?.first().map_or(0, |count| count.n);
    let oldest: Option<Option<i64>> = sending::table
        .filter(sending::due_at.is_not_null())
        .order(sending::due_at)
        .select(sending::due_at)
        .first(conn)
        .optional()?;
    Ok((counted, oldest.flatten().map(Timestamp::from_millis)))
}

/// Takes a mail that is due for a worker, for `lease`; none if another one was faster.
pub fn claim(tx: &mut Tx<'_>, id: &str, lease: Duration, now: Timestamp) -> Result<Option<Claimed>, Error> {
    let token = random_text::<16>();
    let takeable = sending::table.find(id).filter(sending::due_at.le(now.millis()).or(ahead(now.millis()).nullable()));
    let rows = diesel::update(takeable)
        .set((
            sending::lease.eq(&token),
            sending::due_at.eq((now + lease).millis()),
            sending::processed_at.eq(now.millis()),
            sending::last_modified.eq(now.millis()),
        ))
        .execute(&mut **tx)?;
    if !won(rows) {
        return Ok(None);
    }
    let (retry_count, content): (i64, Option<String>) =
        sending::table.find(id).select((sending::retry_count, sending::sealed_content)).get_result(&mut **tx)?;
    Ok(Some(Claimed { id: id.to_owned(), retry_count, sealed_content: content.unwrap_or_default(), lease: token }))
}

/// Makes the worker's lease last longer; false if it has lost the mail to another one.
pub fn renew(tx: &mut Tx<'_>, claimed: &Claimed, lease: Duration, now: Timestamp) -> Result<bool, Error> {
    let rows = diesel::update(sending::table.find(&claimed.id).filter(sending::lease.eq(&claimed.lease)))
        .set(sending::due_at.eq((now + lease).millis()))
        .execute(&mut **tx)?;
    Ok(won(rows))
}

/// Gives a mail back that was not tried.
pub fn release(tx: &mut Tx<'_>, claimed: &Claimed, now: Timestamp) -> Result<bool, Error> {
    let rows = diesel::update(sending::table.find(&claimed.id).filter(sending::lease.eq(&claimed.lease)))
        .set((sending::lease.eq(None::<String>), sending::due_at.eq(now.millis())))
        .execute(&mut **tx)?;
    Ok(won(rows))
}

/// Gives a mail back whose attempt failed, for another one at `next`.
pub fn retry(tx: &mut Tx<'_>, claimed: &Claimed, error: &str, next: Timestamp, now: Timestamp) -> Result<bool, Error> {
    let rows = diesel::update(sending::table.find(&claimed.id).filter(sending::lease.eq(&claimed.lease)))
        .set((
            sending::lease.eq(None::<String>),
            sending::due_at.eq(next.millis()),
            sending::retry_count.eq(claimed.retry_count + 1),
            sending::error_message.eq(error),
            sending::last_modified.eq(now.millis()),
        ))
        .execute(&mut **tx)?;
    Ok(won(rows))
}

/// Notes that a mail was sent, or with an error that it has failed for good. Its content goes. False if the worker has
/// lost it to another one.
pub fn finish(
    tx: &mut Tx<'_>,
    claimed: &Claimed,
    error: Option<&str>,
    retention: Duration,
    now: Timestamp,
) -> Result<bool, Error> {
    let row = sending::table.find(&claimed.id).filter(sending::lease.eq(&claimed.lease));
    let status = if error.is_none() { Status::Sent } else { Status::Failed };
    let rows = diesel::update(row)
        .set((
            sending::status.eq(status.as_str()),
            sending::error_message.eq(error),
            sending::sent_at.eq(error.is_none().then_some(now.millis())),
            sending::last_modified.eq(now.millis()),
            sending::sealed_content.eq(None::<String>),
            sending::lease.eq(None::<String>),
            sending::due_at.eq(None::<i64>),
            sending::purge_at.eq((now + retention).millis()),
        ))
        .execute(&mut **tx)?;
    Ok(won(rows))
}

/// Takes a mail back that no worker has. Its content goes. False if it is being delivered, or is not pending any more.
pub fn cancel(tx: &mut Tx<'_>, id: &str, retention: Duration, now: Timestamp) -> Result<bool, Error> {
    let pending =
        sending::table.find(id).filter(sending::status.eq(Status::Pending.as_str())).filter(sending::lease.is_null());
    let rows = diesel::update(pending)
        .set((
            sending::status.eq(Status::Cancelled.as_str()),
            sending::last_modified.eq(now.millis()),
            sending::sealed_content.eq(None::<String>),
            sending::due_at.eq(None::<i64>),
            sending::purge_at.eq((now + retention).millis()),
        ))
        .execute(&mut **tx)?;
    Ok(won(rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, Target};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[tokio::test]
    async fn a_mail_that_was_handed_in_while_the_clock_stood_ahead_leaves_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&Target::Sqlite(directory.path().join("mail.db"))).unwrap();
        let new = NewSending {
            id: "a".to_owned(),
            category: None,
            created_at: at(10_000),
            recipient: "somebody@example.org".to_owned(),
            transport: "smtp",
            dynamic: None,
            sealed_content: "sealed".to_owned(),
            created_by: None,
        };
        store.write(move |tx| insert(tx, &new)).await.unwrap();
        let now = at(5_000);
        let take = || {
            store.write(move |tx| {
                let Some(id) = due(tx, now, 10)?.pop() else { return Ok(None) };
                claim(tx, &id, Duration::from_secs(60), now)
            })
        };
        let claimed = take().await.unwrap().unwrap();
        assert!(take().await.unwrap().is_none(), "a worker has it");
        store.write(move |tx| retry(tx, &claimed, "not now", at(5_030), now)).await.unwrap();
        assert!(take().await.unwrap().is_none(), "the next attempt has its time");
    }
}
