//! The number that every change of in-memory knowledge raises, so that other processes notice.

use diesel::prelude::*;

use super::{Conn, Error, schema::generation::dsl};

/// The current generation.
pub fn current(conn: &mut Conn) -> Result<i64, Error> {
    Ok(dsl::generation.find(1).select(dsl::value).get_result(conn)?)
}

pub(super) fn raise(conn: &mut Conn) -> Result<(), Error> {
    diesel::update(dsl::generation.find(1)).set(dsl::value.eq(dsl::value + 1)).execute(conn)?;
    Ok(())
}
