//! How fast mail may leave: leaky buckets that all servers of one database share.
//!
//! A row holds the time until which what was taken would last at the allowed pace. Whoever takes more moves it on, but
//! not further ahead of now than a minute's worth.

use std::time::Duration;

use diesel::prelude::*;

use super::{Error, Tx, connection::per_backend, schema::mail_pace, won};
use crate::model::time::Timestamp;

/// What can be taken at once.
const WINDOW: Duration = Duration::from_secs(60);

/// The bucket of everything that leaves.
pub const TRANSPORT: &str = "transport";

/// The bucket of what an identity asks to be sent.
pub fn of_caller(identity: &str) -> String {
    format!("caller:{identity}")
}

/// The bucket of what a person is told about their account.
pub fn of_person(principal: &str) -> String {
    format!("notice:{principal}")
}

/// The bucket of links to addresses that a person wants to have: its own, so that asking for them silences no notice.
pub fn of_verification(principal: &str) -> String {
    format!("verification:{principal}")
}

/// Takes `amount` where `per_minute` are allowed. `Err` is how long to wait until so much can be had; an amount that is
/// more than a minute's worth is taken when a full minute's worth is there.
pub fn take(
    tx: &mut Tx<'_>,
    key: &str,
    amount: u32,
    per_minute: u32,
    now: Timestamp,
) -> Result<Result<(), Duration>, Error> {
    let cost = i64::from(amount) * 60_000 / i64::from(per_minute.max(1));
    let cost = cost.clamp(1, WINDOW.as_millis() as i64);
    per_backend!(&mut **tx, conn => diesel::insert_into(mail_pace::table)
        .values((mail_pace::key.eq(key), mail_pace::used_until.eq(now.millis())))
        .on_conflict_do_nothing()
        .execute(conn))?;
    // what was not used is not saved up; and nobody takes more than a window ahead, but while the clock stood wrong
    let beyond = (now + WINDOW).millis();
    let unsound = mail_pace::used_until.lt(now.millis()).or(mail_pace::used_until.gt(beyond));
    diesel::update(mail_pace::table.find(key).filter(unsound))
        .set(mail_pace::used_until.eq(now.millis()))
        .execute(&mut **tx)?;
    let most = (now + WINDOW).millis() - cost;
    let rows = diesel::update(mail_pace::table.find(key).filter(mail_pace::used_until.le(most)))
        .set(mail_pace::used_until.eq(mail_pace::used_until + cost))
        .execute(&mut **tx)?;
    if won(rows) {
        return Ok(Ok(()));
    }
    let used: i64 = mail_pace::table.find(key).select(mail_pace::used_until).get_result(&mut **tx)?;
    Ok(Err(Duration::from_millis(u64::try_from(used - most).unwrap_or(0).max(1))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, Target};

    #[tokio::test]
    async fn a_clock_that_stood_ahead_stops_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&Target::Sqlite(directory.path().join("pace.db"))).unwrap();
        let taken = |now: i64| {
            let now = Timestamp::from_seconds(now);
            store.write(move |tx| take(tx, TRANSPORT, 1, 1, now))
        };
        assert!(taken(10_000).await.unwrap().is_ok());
        assert!(taken(10_000).await.unwrap().is_err(), "one a minute");
        // set back by an hour
        assert!(taken(6_400).await.unwrap().is_ok());
        assert!(taken(6_401).await.unwrap().is_err());
    }
}
