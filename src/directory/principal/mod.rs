//! Principals: read, made, changed, suspended, deleted; their passwords and sessions.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{
    Actor, Precondition, Refusal, actor,
    audit::{self, Target},
    guard::{self, Holdings},
};
use crate::{
    model::{id, permission::Visibility, problem::Code, scope::Scope, secret::random_text, time::Timestamp},
    store::{
        self, Conn, Tx,
        listing::{Documents, Kept, Listed, Page, PrincipalFilter, Version, principals},
        principal::Principal,
    },
};

mod document;
mod password;
mod properties;
mod put;
mod roles;
pub mod session;
mod suspension;
pub(super) mod text;

pub use document::{PrincipalDocument, PrincipalInput, RolesInput, TemporaryPassword, document};
pub use password::{NewPassword, may_reset_password, reset_password};
pub use properties::Properties;
pub use put::put;
pub(super) use put::{draft, write};
pub use roles::set_roles;
pub use suspension::{suspend, unsuspend};

/// The resource that permissions name.
const RESOURCE: &str = "iam/principals";

/// What every change is asked under.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What the caller says about the version.
    pub precondition: Precondition,
    /// Whether existing objects are changed only under a precondition.
    pub required: bool,
    /// The time.
    pub now: Timestamp,
}

/// A principal that is there, with its roles.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    principal: Principal,
    roles: Vec<String>,
}

impl Stored {
    /// Those of these that are there, in no order; `emails` name some, too.
    pub(super) fn find_many(conn: &mut Conn, ids: &[&str], emails: &[&str]) -> Result<Vec<Stored>, store::Error> {
        let mut principals = if ids.is_empty() { Vec::new() } else { store::principal::by_ids(conn, ids)? };
        if !emails.is_empty() {
            let named = store::principal::by_emails(conn, emails)?;
            principals.extend(named.into_iter().filter(|named| !ids.contains(&named.id.as_str())));
        }
        let ids: Vec<&str> = principals.iter().map(|principal| principal.id.as_str()).collect();
        let mut roles = if ids.is_empty() { HashMap::new() } else { store::identity::roles_of(conn, &ids)? };
        let found = principals.into_iter().map(|principal| {
            let roles = roles.remove(&principal.id).unwrap_or_default();
            Stored { principal, roles }
        });
        Ok(found.collect())
    }

    /// What it is called.
    pub(super) fn id(&self) -> &str {
        &self.principal.id
    }

    /// Its email.
    pub(super) fn email(&self) -> Option<&str> {
        self.principal.email.as_deref()
    }

    /// Its document, if the actor may see it.
    pub(super) fn seen(&self, actor: &Actor) -> Option<PrincipalDocument> {
        actor.may(RESOURCE, "read", &self.principal.access_attributes).then(|| self.document())
    }

    pub(super) fn find(conn: &mut Conn, id: &str) -> Result<Option<Stored>, store::Error> {
        let found = store::principal::find_with_roles(conn, id)?;
        Ok(found.map(|(principal, roles)| Stored { principal, roles }))
    }

    /// The principal that the actor may do `action` of `resource` with; one that the actor may not even see is not there.
    fn of(conn: &mut Conn, actor: &Actor, id: &str, resource: &str, action: &str) -> Result<Stored, Refusal> {
        let not_found = || Refusal::not_found("principal", id);
        let id = id::principal(id).map_err(|_| not_found())?;
        let stored = Stored::find(conn, &id)?.ok_or_else(not_found)?;
        let attributes = &stored.principal.access_attributes;
        if actor.may(resource, action, attributes) {
            return Ok(stored);
        }
        match actor.may(RESOURCE, "read", attributes) {
            true => Err(actor::missing(resource, action)),
            false => Err(not_found()),
        }
    }

    fn document(&self) -> PrincipalDocument {
        document(&self.principal, &self.roles)
    }

    fn holdings(&self, conn: &mut Conn) -> Result<Holdings, Refusal> {
        let principal = &self.principal;
        Holdings::of(conn, &self.roles, &principal.acl, &principal.access_attributes, &Scope::empty())
    }
}

/// The principal with this id.
///
/// # Errors
/// [`Code::NotFound`], also where the actor may not see it.
pub fn get(conn: &mut Conn, actor: &Actor, id: &str) -> Result<PrincipalDocument, Refusal> {
    Ok(Stored::of(conn, actor, id, RESOURCE, "read")?.document())
}

/// Deletes a principal, whose sessions and grants end. The id is never used again.
///
/// # Errors
/// [`Code::NotFound`], [`Code::PermissionMissing`], the precondition's, [`Code::PrivilegeEscalation`],
/// [`Code::LastOwner`].
pub fn delete(tx: &mut Tx<'_>, actor: &Actor, id: &str, terms: &Terms) -> Result<(), Refusal> {
    tx.raise()?;
    let stored = Stored::of(tx, actor, id, RESOURCE, "delete")?;
    let principal = &stored.principal;
    terms.precondition.check(Some(&principal.etag), terms.required)?;
    let holdings = stored.holdings(tx)?;
    guard::may_touch(actor, &holdings)?;
    if !store::principal::delete(tx, &principal.id, &principal.etag, terms.now)? {
        return Err(changed_meanwhile());
    }
    if holdings.is_owner() {
        guard::owner_remains(tx)?;
    }
    note(tx, actor, "principal.delete", &principal.id, &json!(stored.document()), &Value::Null, terms.now)?;
    Ok(())
}

/// Writes what was changed of an existing principal, under a new version, and notes it.
fn save(
    tx: &mut Tx<'_>,
    actor: &Actor,
    action: &str,
    stored: &Stored,
    mut principal: Principal,
    roles: Vec<String>,
    now: Timestamp,
) -> Result<PrincipalDocument, Refusal> {
    principal.updated_at = now;
    principal.etag = random_text::<12>();
    if !store::principal::update(tx, &principal, &stored.principal.etag).map_err(in_use)? {
        return Err(changed_meanwhile());
    }
    if principal.email != stored.principal.email {
        // a change that the person had begun would undo this one
        store::email_change::forget(tx, &principal.id)?;
    }
    if roles != stored.roles {
        give(tx, &principal.id, &roles)?;
    }
    let after = document(&principal, &roles);
    note(tx, actor, action, &principal.id, &json!(stored.document()), &json!(after), now)?;
    Ok(after)
}

/// Gives exactly these roles.
fn give(tx: &mut Tx<'_>, id: &str, roles: &[String]) -> Result<(), Refusal> {
    store::identity::set_roles(tx, id, roles)?.map_err(|unknown| {
        guard::unknown_role(roles.iter().position(|role| *role == unknown).unwrap_or_default(), &unknown)
    })
}

fn note(
    tx: &mut Tx<'_>,
    actor: &Actor,
    action: &str,
    id: &str,
    before: &Value,
    after: &Value,
    now: Timestamp,
) -> Result<(), store::Error> {
    audit::note(tx, actor, action, Target { kind: "principal", id }, before, after, now)
}

/// What a broken unique constraint means to the caller.
fn in_use(error: store::Error) -> Refusal {
    match error {
        store::Error::Conflict("email") => {
            Refusal::at(Code::EmailInUse, "/email", "expected an email that no other principal has")
        }
        store::Error::Conflict("id") => Refusal::new(
            Code::IdInUse,
            "expected an id that was never used: it belongs, or once belonged, to something else",
        ),
        other => other.into(),
    }
}

fn changed_meanwhile() -> Refusal {
    Refusal::new(Code::EtagMismatch, "somebody has changed it meanwhile; nothing was changed")
}

/// A page of the documents of the principals that the filter asks for and the actor may see. Those that `documents` has
/// are taken from there, and the others are kept.
///
/// # Errors
/// The database cannot be asked.
pub fn list(
    conn: &mut Conn,
    documents: &Documents,
    filter: &PrincipalFilter,
    page: &Page,
) -> Result<Listed<Kept>, store::Error> {
    let Listed { items, total, first, last } = principals::versions(conn, filter, page)?;
    let found: Vec<(i64, Option<Kept>)> = items.iter().map(|version| (version.seq, documents.get(version))).collect();
    let missing: Vec<i64> = found.iter().filter(|(_, kept)| kept.is_none()).map(|(seq, _)| *seq).collect();
    let mut made = HashMap::new();
    if !missing.is_empty() {
        for (seq, (principal, roles)) in principals::with_roles(conn, &missing)? {
            let version = Version { seq, etag: principal.etag.clone(), last_active_at: principal.last_active_at };
            made.insert(seq, documents.keep(version, &document(&principal, &roles))?);
        }
    }
    // one that went away in the meantime is left out
    let items = found.into_iter().filter_map(|(seq, kept)| kept.or_else(|| made.remove(&seq))).collect();
    Ok(Listed { items, total, first, last })
}

/// What of the principals the actor may see in lists.
pub fn visible(actor: &Actor) -> Visibility {
    actor.permissions.visibility(RESOURCE, "read")
}
