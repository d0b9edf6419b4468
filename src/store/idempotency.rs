//! Answers that were given to requests with an Idempotency-Key, sealed, until they expire.

use diesel::prelude::*;

use super::{Conn, Error, Tx, schema::idempotency};
use crate::model::time::Timestamp;

/// An answer that was given.
#[derive(Clone, Debug)]
pub struct Kept {
    /// SHA-256 of caller, method, path and key.
    pub hash: String,
    /// SHA-256 of the body.
    pub request: String,
    /// The answer.
    pub sealed_answer: String,
    /// Until when it is given again.
    pub expires_at: Timestamp,
}

/// The answer under this hash, if it is still kept.
pub fn find(conn: &mut Conn, hash: &str, now: Timestamp) -> Result<Option<Kept>, Error> {
    let row: Option<(String, String, i64)> = idempotency::table
        .find(hash)
        .filter(idempotency::expires_at.gt(now.millis()))
        .select((idempotency::request, idempotency::sealed_answer, idempotency::expires_at))
        .get_result(conn)
        .optional()?;
    Ok(row.map(|(request, sealed_answer, expires_at)| Kept {
        hash: hash.to_owned(),
        request,
        sealed_answer,
        expires_at: Timestamp::from_millis(expires_at),
    }))
}

/// Keeps an answer, in place of one that has expired; `Conflict("idempotency")` if another one is kept.
pub fn insert(tx: &mut Tx<'_>, kept: &Kept, now: Timestamp) -> Result<(), Error> {
    diesel::delete(idempotency::table.find(&kept.hash).filter(idempotency::expires_at.le(now.millis())))
        .execute(&mut **tx)?;
    diesel::insert_into(idempotency::table)
        .values((
            idempotency::hash.eq(&kept.hash),
            idempotency::request.eq(&kept.request),
            idempotency::sealed_answer.eq(&kept.sealed_answer),
            idempotency::expires_at.eq(kept.expires_at.millis()),
        ))
        .execute(&mut **tx)
        .map_err(Error::conflict("idempotency"))?;
    Ok(())
}
