//! Access tokens that were revoked one by one, until they would have expired.

use diesel::prelude::*;

use super::{Conn, Error, Tx, connection::per_backend, schema::revoked_token};
use crate::model::time::Timestamp;

/// Revokes the access token with this `jti`.
pub fn insert(tx: &mut Tx<'_>, jti: &str, expires_at: Timestamp) -> Result<(), Error> {
    per_backend!(&mut **tx, conn => diesel::insert_into(revoked_token::table)
        .values((revoked_token::jti.eq(jti), revoked_token::expires_at.eq(expires_at.millis())))
        .on_conflict_do_nothing()
        .execute(conn))?;
    tx.changes_known();
    Ok(())
}

/// Whether the access token with this `jti` was revoked.
pub fn contains(conn: &mut Conn, jti: &str) -> Result<bool, Error> {
    Ok(per_backend!(conn, conn => revoked_token::table.find(jti).select(revoked_token::jti).get_result::<String>(conn))
        .optional()?
        .is_some())
}
