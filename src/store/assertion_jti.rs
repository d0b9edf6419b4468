//! Identifiers of client assertions (RFC 7523 §3, `jti`): each works once.

use diesel::prelude::*;

use super::{Error, Tx, connection::per_backend, schema::assertion_jti, won};
use crate::model::{secret::SecretHash, time::Timestamp};

/// Takes an identifier of this client; true for exactly one of all callers.
pub fn take(tx: &mut Tx<'_>, client_id: &str, jti: &str, expires_at: Timestamp) -> Result<bool, Error> {
    let hash = SecretHash::of(&format!("{}:{client_id}{jti}", client_id.len()));
    let rows = per_backend!(&mut **tx, conn => diesel::insert_into(assertion_jti::table)
        .values((assertion_jti::hash.eq(hash.as_str()), assertion_jti::expires_at.eq(expires_at.millis())))
        .on_conflict_do_nothing()
        .execute(conn))?;
    Ok(won(rows))
}
