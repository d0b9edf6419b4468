//! Roles: a key, what it is for, and what it allows.

use diesel::prelude::*;

use super::{Conn, Error, Tx, connection::per_backend, from_json, schema::role, to_json};
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
#[diesel(table_name = role)]
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
pub(super) fn by_keys(conn: &mut Conn, keys: &[String]) -> Result<Vec<Role>, Error> {
    let rows: Vec<Row> = role::table.filter(role::key.eq_any(keys)).select(Row::as_select()).load(conn)?;
    rows.into_iter().map(Role::try_from).collect()
}

/// Adds a role; `Conflict("key")` if there is one with its key.
pub fn insert(tx: &mut Tx<'_>, role: &Role) -> Result<(), Error> {
    diesel::insert_into(role::table).values(row(role)?).execute(&mut **tx).map_err(Error::conflict("key"))?;
    tx.raise()
}

pub(super) fn insert_if_absent(tx: &mut Tx<'_>, role: &Role) -> Result<(), Error> {
    let row = row(role)?;
    per_backend!(&mut **tx, conn => diesel::insert_into(role::table).values(&row).on_conflict_do_nothing().execute(conn))?;
    Ok(())
}
