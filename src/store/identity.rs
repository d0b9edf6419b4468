//! The one namespace of principals and clients, their roles, and what they may do.

use std::collections::HashMap;

use diesel::prelude::*;

use super::{
    Conn, Error, Tx,
    connection::per_backend,
    from_json, generation,
    one_of::OneOf,
    schema::{client, identity, identity_role, principal, role},
    to_json, won,
};
use crate::model::{
    permission::{Acl, Attributes, Permissions},
    role_key,
    time::Timestamp,
};

/// Which kind of identity an id belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityKind {
    /// A human.
    Principal,
    /// An application or service.
    Client,
}

impl IdentityKind {
    const fn as_str(self) -> &'static str {
        match self {
            IdentityKind::Principal => "principal",
            IdentityKind::Client => "client",
        }
    }
}

/// Takes an id for ever; `Conflict("id")` if it is or was in use.
pub fn claim(tx: &mut Tx<'_>, id: &str, kind: IdentityKind) -> Result<(), Error> {
    diesel::insert_into(identity::table)
        .values((identity::id.eq(id), identity::kind.eq(kind.as_str())))
        .execute(&mut **tx)
        .map_err(Error::conflict("id"))?;
    Ok(())
}

/// Marks an id as deleted; it stays taken.
pub fn delete(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<(), Error> {
    diesel::update(identity::table.find(id)).set(identity::deleted_at.eq(now.millis())).execute(&mut **tx)?;
    Ok(())
}

/// Forgets an id that was deleted, so that it could be taken again. Only for an id that was random and that nobody was
/// told of; false if it is in use or unknown.
pub fn forget(tx: &mut Tx<'_>, id: &str) -> Result<bool, Error> {
    let deleted = identity::table.find(id).filter(identity::deleted_at.is_not_null());
    Ok(won(diesel::delete(deleted).execute(&mut **tx)?))
}

/// The keys of an identity's roles, in order.
pub fn roles(conn: &mut Conn, id: &str) -> Result<Vec<String>, Error> {
    Ok(identity_role::table
        .filter(identity_role::identity_id.eq(id))
        .order(identity_role::role_key)
        .select(identity_role::role_key)
        .load(conn)?)
}

/// The keys of the roles of many identities, each in order, by identity.
pub fn roles_of(conn: &mut Conn, ids: &[&str]) -> Result<HashMap<String, Vec<String>>, Error> {
    let rows = identity_role::table
        .order((identity_role::identity_id, identity_role::role_key))
        .select((identity_role::identity_id, identity_role::role_key));
    let rows: Vec<(String, String)> = match conn {
        Conn::Sqlite(conn) => rows.filter(OneOf::new(identity_role::identity_id, ids)?).load(conn)?,
        Conn::Postgres(conn) => rows.filter(identity_role::identity_id.eq_any(ids)).load(conn)?,
    };
    let mut roles: HashMap<String, Vec<String>> = HashMap::new();
    for (id, key) in rows {
        roles.entry(id).or_default().push(key);
    }
    Ok(roles)
}

/// Takes many ids with one statement; `Conflict("id")` if one of them is or was in use.
pub(super) fn claim_many(tx: &mut Tx<'_>, kind: IdentityKind, ids: &[&str]) -> Result<(), Error> {
    let claimed: Vec<_> = ids.iter().map(|id| (identity::id.eq(*id), identity::kind.eq(kind.as_str()))).collect();
    per_backend!(&mut **tx, conn => diesel::insert_into(identity::table).values(&claimed).execute(conn))
        .map_err(Error::conflict("id"))?;
    Ok(())
}

/// Adds many memberships with few statements; identities and roles must be there.
pub(super) fn give_many(tx: &mut Tx<'_>, held: &[(String, String)]) -> Result<(), Error> {
    let rows: Vec<_> =
        held.iter().map(|(id, key)| (identity_role::identity_id.eq(id), identity_role::role_key.eq(key))).collect();
    per_backend!(&mut **tx, conn => diesel::insert_into(identity_role::table).values(&rows).execute(conn))?;
    Ok(())
}

/// Replaces an identity's roles; a key that is no role answers it.
pub fn set_roles(tx: &mut Tx<'_>, id: &str, keys: &[String]) -> Result<Result<(), String>, Error> {
    let known = match known_roles(tx, keys)? {
        Ok(known) => known,
        Err(unknown) => return Ok(Err(unknown)),
    };
    diesel::delete(identity_role::table.filter(identity_role::identity_id.eq(id))).execute(&mut **tx)?;
    give(tx, id, known)?;
    generation::raise_access(tx, id)?;
    tx.raise()?;
    Ok(Ok(()))
}

/// Gives roles to an identity that was made in this transaction: nobody can have compiled what it may do, and it has
/// none yet. A key that is no role answers it.
pub fn give_first_roles(tx: &mut Tx<'_>, id: &str, keys: &[String]) -> Result<Result<(), String>, Error> {
    let known = match known_roles(tx, keys)? {
        Ok(known) => known,
        Err(unknown) => return Ok(Err(unknown)),
    };
    give(tx, id, known)?;
    tx.raise()?;
    Ok(Ok(()))
}

fn known_roles(conn: &mut Conn, keys: &[String]) -> Result<Result<Vec<String>, String>, Error> {
    if keys.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let known: Vec<String> = role::table.filter(role::key.eq_any(keys)).select(role::key).load(conn)?;
    Ok(match keys.iter().find(|key| !known.contains(key)) {
        Some(unknown) => Err(unknown.clone()),
        None => Ok(known),
    })
}

fn give(tx: &mut Tx<'_>, id: &str, keys: Vec<String>) -> Result<(), Error> {
    let held: Vec<(String, String)> = keys.into_iter().map(|key| (id.to_owned(), key)).collect();
    if held.is_empty() { Ok(()) } else { give_many(tx, &held) }
}

/// What an identity may do: the union of its roles' lists and its own. The roles' keys come along.
pub fn permissions(
    conn: &mut Conn,
    id: &str,
    own: &Acl,
    attributes: &Attributes,
) -> Result<(Vec<String>, Permissions), Error> {
    let rows: Vec<(String, String)> = per_backend!(conn, conn => identity_role::table
        .inner_join(role::table.on(role::key.eq(identity_role::role_key)))
        .filter(identity_role::identity_id.eq(id))
        .order(role::key)
        .select((role::key, role::acl))
        .load(conn))?;
    let mut keys = Vec::with_capacity(rows.len());
    let mut acls = vec![own.clone()];
    for (key, acl) in rows {
        acls.push(from_json("role.acl", &acl)?);
        keys.push(key);
    }
    Ok((keys, Permissions::compile(&acls, attributes)))
}

/// Makes sure that the built-in roles are there and hold what this release says they hold.
pub fn ensure_system_roles(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), Error> {
    let built_in = [
        (role_key::OWNER, "Everything", role_key::OWNER_PERMISSIONS),
        (role_key::PORTAL_FULL, "All of the administrators' console", role_key::PORTAL_PERMISSIONS),
    ];
    for (key, description, permissions) in built_in {
        let acl = to_json(&Acl::of(permissions).map_err(Error::Internal)?)?;
        let stored: Option<String> = role::table.find(key).select(role::acl).get_result(&mut **tx).optional()?;
        match stored {
            Some(stored) if stored == acl => {}
            Some(_) => {
                diesel::update(role::table.find(key))
                    .set((role::acl.eq(&acl), role::updated_at.eq(now.millis())))
                    .execute(&mut **tx)?;
                generation::raise_roles(tx)?;
                tx.raise()?;
            }
            None => {
                let role = super::role::Role {
                    key: key.to_owned(),
                    description: Some(description.to_owned()),
                    acl: Acl::of(permissions).map_err(Error::Internal)?,
                    system: true,
                    created_at: now,
                    updated_at: now,
                    etag: crate::model::secret::random_text::<12>(),
                };
                // another node may be making it at this moment
                super::role::insert_if_absent(tx, &role)?;
                tx.raise()?;
            }
        }
    }
    Ok(())
}

/// The ids of identities with this role, at most `limit`.
pub fn having_role(conn: &mut Conn, key: &str, limit: i64) -> Result<Vec<String>, Error> {
    Ok(identity_role::table
        .filter(identity_role::role_key.eq(key))
        .order(identity_role::identity_id)
        .limit(limit)
        .select(identity_role::identity_id)
        .load(conn)?)
}

/// Whether a principal who can sign in (not suspended, with an email) has the role that may do everything.
pub fn has_owner(conn: &mut Conn) -> Result<bool, Error> {
    let one: Option<String> = identity_role::table
        .inner_join(principal::table.on(principal::id.eq(identity_role::identity_id)))
        .filter(identity_role::role_key.eq(role_key::OWNER))
        .filter(principal::suspended_at.is_null())
        .filter(principal::email.is_not_null())
        .select(principal::id)
        .limit(1)
        .get_result(conn)
        .optional()?;
    Ok(one.is_some())
}

/// Takes all roles away, as before the identity itself goes.
pub fn clear_roles(tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    diesel::delete(identity_role::table.filter(identity_role::identity_id.eq(id))).execute(&mut **tx)?;
    generation::raise_access(tx, id)?;
    tx.raise()
}

/// Gives everybody who has this role a new version, as before they lose it.
pub fn renew_etags_of_holders(tx: &mut Tx<'_>, key: &str, etag: &str, now: Timestamp) -> Result<(), Error> {
    let holders = || identity_role::table.filter(identity_role::role_key.eq(key)).select(identity_role::identity_id);
    diesel::update(principal::table.filter(principal::id.eq_any(holders())))
        .set((principal::etag.eq(etag), principal::updated_at.eq(now.millis())))
        .execute(&mut **tx)?;
    diesel::update(client::table.filter(client::id.eq_any(holders())))
        .set((client::etag.eq(etag), client::updated_at.eq(now.millis())))
        .execute(&mut **tx)?;
    Ok(())
}
