//! The number that every change of in-memory knowledge raises, so that other processes notice.

use diesel::prelude::*;

use super::{
    Conn, Error, Tx,
    connection::per_backend,
    schema::{generation::dsl, identity, role_generation},
    sql::Sql,
};

/// The current generation.
pub fn current(conn: &mut Conn) -> Result<i64, Error> {
    Ok(per_backend!(conn, conn => dsl::generation.find(1).select(dsl::value).get_result(conn))?)
}

pub(super) fn raise(tx: &mut Tx<'_>) -> Result<(), Error> {
    Sql::kept("UPDATE generation SET value = value + 1 WHERE id = 1").execute(tx)?;
    Ok(())
}

/// The versions of what an identity may do: its own, and that of all roles. What was compiled under the same two still
/// holds. `None` if there is no such identity.
pub fn of_access(conn: &mut Conn, identity_id: &str) -> Result<Option<(i64, i64)>, Error> {
    Ok(per_backend!(conn, conn => identity::table
        .inner_join(role_generation::table.on(role_generation::id.eq(1)))
        .filter(identity::id.eq(identity_id))
        .select((identity::access_version, role_generation::value))
        .get_result(conn))
    .optional()?)
}

/// Says that what an identity may do has changed: its roles, its list or its attributes.
pub(super) fn raise_access(tx: &mut Tx<'_>, identity_id: &str) -> Result<(), Error> {
    if tx.rehearsed {
        return Ok(());
    }
    Sql::kept("UPDATE identity SET access_version = access_version + 1 WHERE id = ?").text(identity_id).execute(tx)?;
    Ok(())
}

/// Says that what a role allows has changed.
pub(super) fn raise_roles(tx: &mut Tx<'_>) -> Result<(), Error> {
    if tx.rehearsed {
        return Ok(());
    }
    diesel::update(role_generation::table.find(1))
        .set(role_generation::value.eq(role_generation::value + 1))
        .execute(&mut **tx)?;
    Ok(())
}
