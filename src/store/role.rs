//! Roles: a key, what it is for, and what it allows.

use diesel::prelude::*;

use super::{
    Conn, Error, Tx,
    connection::per_backend,
    from_json, generation,
    schema::{identity_role, role},
    to_json, won,
};
use crate::model::{permission::Acl, time::Timestamp};

/// A role.
#[derive(Clone, Debug)]
pub struct Role {
    /// `{namespace}:{capability}`.
    pub key: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it allows.
    pub acl: Acl,
    /// Built in, and immutable.
    pub system: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Its version.
    pub etag: String,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = role, treat_none_as_default_value = false)]
struct Row {
    key: String,
    description: Option<String>,
    acl: String,
    system: bool,
    created_at: i64,
    updated_at: i64,
    etag: String,
}

impl TryFrom<Row> for Role {
    type Error = Error;

    fn try_from(row: Row) -> Result<Role, Error> {
        Ok(Role {
            acl: from_json("role.acl", &row.acl)?,
            key: row.key,
            description: row.description,
            system: row.system,
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
            etag: row.etag,
        })
    }
}

fn row(role: &Role) -> Result<Row, Error> {
    Ok(Row {
        key: role.key.clone(),
        description: role.description.clone(),
        acl: to_json(&role.acl)?,
        system: role.system,
        created_at: role.created_at.millis(),
        updated_at: role.updated_at.millis(),
        etag: role.etag.clone(),
    })
}

/// The role with this key.
pub fn find(conn: &mut Conn, key: &str) -> Result<Option<Role>, Error> {
    let row = role::table.find(key).select(Row::as_select()).get_result(conn).optional()?;
    row.map(Role::try_from).transpose()
}

/// The roles with these keys, in no order.
pub fn by_keys(conn: &mut Conn, keys: &[String]) -> Result<Vec<Role>, Error> {
    let rows: Vec<Row> = role::table.filter(role::key.eq_any(keys)).select(Row::as_select()).load(conn)?;
    rows.into_iter().map(Role::try_from).collect()
}

/// Adds a role; `Conflict("key")` if there is one with its key.
pub fn insert(tx: &mut Tx<'_>, role: &Role) -> Result<(), Error> {
    diesel::insert_into(role::table).values(row(role)?).execute(&mut **tx).map_err(Error::conflict("key"))?;
    tx.raise()
}

/// Rows that one statement adds; a database takes only so many values at once.
const ROWS: usize = 1000;

/// Adds many roles with few statements; `Conflict("key")` if there is one with one of their keys.
pub fn insert_many(tx: &mut Tx<'_>, roles: &[Role]) -> Result<(), Error> {
    for some in roles.chunks(ROWS) {
        let rows = some.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        per_backend!(&mut **tx, conn => diesel::insert_into(role::table).values(&rows).execute(conn))
            .map_err(Error::conflict("key"))?;
    }
    tx.raise()
}

/// Replaces what a role says, if it is still in the version `etag` (compare-and-set); false if it is not.
pub fn update(tx: &mut Tx<'_>, role: &Role, etag: &str) -> Result<bool, Error> {
    let rows = diesel::update(role::table.find(&role.key).filter(role::etag.eq(etag)))
        .set((
            role::description.eq(&role.description),
            role::acl.eq(to_json(&role.acl)?),
            role::updated_at.eq(role.updated_at.millis()),
            role::etag.eq(&role.etag),
        ))
        .execute(&mut **tx)?;
    generation::raise_roles(tx)?;
    tx.raise()?;
    Ok(won(rows))
}

/// Takes a role away from everybody and deletes it; false if there is none.
pub fn delete(tx: &mut Tx<'_>, key: &str) -> Result<bool, Error> {
    diesel::delete(identity_role::table.filter(identity_role::role_key.eq(key))).execute(&mut **tx)?;
    let rows = diesel::delete(role::table.find(key)).execute(&mut **tx)?;
    generation::raise_roles(tx)?;
    tx.raise()?;
    Ok(won(rows))
}

pub(super) fn insert_if_absent(tx: &mut Tx<'_>, role: &Role) -> Result<(), Error> {
    let row = row(role)?;
    per_backend!(&mut **tx, conn => diesel::insert_into(role::table)
        .values(&row).on_conflict_do_nothing()
        .execute(conn))?;
    Ok(())
}
