//! The first owner: one row decides, for one process or many.

use diesel::prelude::*;

use super::{
    Conn, Error, Tx,
    connection::per_backend,
    schema::{setup, setup_link},
    won,
};
use crate::model::{secret::SecretHash, time::Timestamp};

/// Whether an owner was ever made.
pub fn is_done(conn: &mut Conn) -> Result<bool, Error> {
    Ok(setup::table.find(1).select(setup::identity_id).get_result::<String>(conn).optional()?.is_some())
}

/// Says that this identity is the first owner; `Conflict("setup")` if there was one. To be called in the transaction
/// that makes the identity.
pub fn complete(tx: &mut Tx<'_>, identity_id: &str, now: Timestamp) -> Result<(), Error> {
    diesel::insert_into(setup::table)
        .values((setup::id.eq(1), setup::identity_id.eq(identity_id), setup::created_at.eq(now.millis())))
        .execute(&mut **tx)
        .map_err(Error::conflict("setup"))?;
    diesel::delete(setup_link::table).execute(&mut **tx)?;
    tx.raise()
}

/// Replaces the set-up link.
pub fn mint_link(tx: &mut Tx<'_>, hash: &SecretHash, expires_at: Timestamp) -> Result<(), Error> {
    per_backend!(&mut **tx, conn => diesel::insert_into(setup_link::table)
        .values((setup_link::id.eq(1), setup_link::hash.eq(hash.as_str()), setup_link::expires_at.eq(expires_at.millis())))
        .on_conflict(setup_link::id)
        .do_update()
        .set((setup_link::hash.eq(hash.as_str()), setup_link::expires_at.eq(expires_at.millis())))
        .execute(conn))?;
    Ok(())
}

/// Makes a set-up link where none holds now; false where one does, which then goes on to. Exactly one of several that
/// start at once makes one.
pub fn mint_first_link(
    tx: &mut Tx<'_>,
    hash: &SecretHash,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<bool, Error> {
    let expired = setup_link::table.filter(setup_link::expires_at.le(now.millis()));
    let set = (setup_link::hash.eq(hash.as_str()), setup_link::expires_at.eq(expires_at.millis()));
    if won(diesel::update(expired).set(set).execute(&mut **tx)?) {
        return Ok(true);
    }
    let rows = per_backend!(&mut **tx, conn => diesel::insert_into(setup_link::table)
        .values((setup_link::id.eq(1), setup_link::hash.eq(hash.as_str()), setup_link::expires_at.eq(expires_at.millis())))
        .on_conflict_do_nothing()
        .execute(conn))?;
    Ok(won(rows))
}

/// Whether this is the set-up link that holds now.
pub fn link_holds(conn: &mut Conn, hash: &SecretHash, now: Timestamp) -> Result<bool, Error> {
    let stored: Option<String> = setup_link::table
        .filter(setup_link::expires_at.gt(now.millis()))
        .select(setup_link::hash)
        .get_result(conn)
        .optional()?;
    Ok(stored.is_some_and(|stored| SecretHash::stored(stored).matches(hash)))
}

/// Uses the set-up link up; true for exactly one of all callers.
pub fn use_link(tx: &mut Tx<'_>, hash: &SecretHash, now: Timestamp) -> Result<bool, Error> {
    let rows = diesel::delete(
        setup_link::table.filter(setup_link::hash.eq(hash.as_str())).filter(setup_link::expires_at.gt(now.millis())),
    )
    .execute(&mut **tx)?;
    Ok(won(rows))
}
