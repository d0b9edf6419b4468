//! Short-lived rows go away in small batches, each its own transaction, so that no writer waits long.
//!
//! | rows | kept |
//! |---|---|
//! | authorization codes | until a day after they expire, so that a replay is seen |
//! | refresh tokens | until they expire |
//! | sealed successors of refresh tokens | until the replay window closes |
//! | grants | until they expire |
//! | sessions | 30 days after they end |
//! | sessions of the application-server face | until they expire |
//! | events of the audit log | as long as `iam.audit_retention` says; [`crate::audit::cut`] removes them |
//! | personal access tokens, changes of email that nobody confirmed | until they expire |
//! | mails | until the configured time after they were sent, failed or were cancelled |
//! | names of what was changed, for other processes | ten minutes, and the last ten thousand in any case |
//! | revoked tokens, assertion identifiers, repeatable answers, counters | until they expire |

use std::time::Duration;

use diesel::prelude::*;

use super::{
    Error, Store, Tx,
    schema::{
        appserver_session, assertion_jti, authorization_code, email_change, idempotency, mail_pace,
        oauth_grant, personal_access_token, refresh_token, revoked_token, sending, session, throttle,
    },
};
use crate::model::time::Timestamp;

/// Deletes one batch of what expired before a time in milliseconds; the number of rows.
type Step = fn(&mut Tx<'_>, i64) -> Result<usize, Error>;

/// Rows per transaction.
const BATCH: i64 = 500;
/// How long an ended session can still be looked up.
const SESSION_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

macro_rules! batch {
    ($tx:expr, $table:ident, $key:ident, $filter:expr) => {{
        let keys: Vec<String> =
            $table::table.filter($filter).order($table::$key).limit(BATCH).select($table::$key).load(&mut **$tx)?;
        diesel::delete($table::table.filter($table::$key.eq_any(&keys))).execute(&mut **$tx)
    }};
}

/// Deletes what has expired; the number of rows that went.
pub async fn run(store: &Store, now: Timestamp) -> Result<usize, Error> {
    let steps: [Step; 15] = [
        |tx, _| super::change::purge(tx, BATCH),
        |tx, now| Ok(batch!(tx, authorization_code, hash, authorization_code::purge_at.lt(now))?),
        |tx, now| Ok(batch!(tx, refresh_token, hash, refresh_token::expires_at.lt(now))?),
        |tx, now| Ok(batch!(tx, oauth_grant, id, oauth_grant::expires_at.lt(now))?),
        |tx, now| Ok(batch!(tx, appserver_session, id, appserver_session::expires_at.lt(now))?),
        |tx, now| Ok(batch!(tx, session, id, session::expires_at.lt(now - SESSION_KEPT.as_millis() as i64))?),
        |tx, now| Ok(batch!(tx, personal_access_token, id, personal_access_token::expires_at.lt(now))?),
        |tx, now| Ok(batch!(tx, email_change, principal_id, email_change::expires_at.lt(now))?),
        |tx, now| Ok(batch!(tx, revoked_token, jti, revoked_token::expires_at.lt(now))?),
        |tx, now| Ok(batch!(tx, assertion_jti, hash, assertion_jti::expires_at.lt(now))?),
        |tx, now| Ok(batch!(tx, idempotency, hash, idempotency::expires_at.lt(now))?),
        |tx, now| Ok(batch!(tx, throttle, key, throttle::expires_at.lt(now))?),
        |tx, now| Ok(batch!(tx, sending, id, sending::purge_at.lt(now))?),
        |tx, now| Ok(batch!(tx, mail_pace, key, mail_pace::used_until.lt(now))?),
        |tx, now| {
            let keys: Vec<String> = refresh_token::table
                .filter(refresh_token::replay_until.lt(now))
                .filter(refresh_token::sealed_successor.is_not_null())
                .limit(BATCH)
                .select(refresh_token::hash)
                .load(&mut **tx)?;
            Ok(diesel::update(refresh_token::table.filter(refresh_token::hash.eq_any(&keys)))
                .set(refresh_token::sealed_successor.eq(None::<String>))
                .execute(&mut **tx)?)
        },
    ];
    let mut total = 0;
    for step in steps {
        loop {
            let rows = store.write(move |tx| step(tx, now.millis())).await?;
            total += rows;
            if (rows as i64) < BATCH {
                break;
            }
        }
    }
    Ok(total)
}
