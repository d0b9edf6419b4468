//! Which roles a principal has.

use serde_json::Value;

use super::{PrincipalDocument, RESOURCE, RolesInput, Stored, Terms, save};
use crate::{
    directory::{
        Actor, Refusal, document,
        guard::{self, Holdings},
    },
    model::{problem::Code, scope::Scope},
    store::{Conn, Tx, principal::Principal},
};

/// The most roles that one principal has.
const MAX_ROLES: usize = 100;

/// Gives a principal exactly the roles of `body`, which is `{"roles": […]}` or the array alone.
///
/// # Errors
/// [`Code::NotFound`], [`Code::PermissionMissing`], the body's, the precondition's, [`Code::UnknownRole`],
/// [`Code::PrivilegeEscalation`], [`Code::LastOwner`].
pub fn set_roles(
    tx: &mut Tx<'_>,
    actor: &Actor,
    id: &str,
    body: Value,
    terms: &Terms,
) -> Result<PrincipalDocument, Refusal> {
    tx.raise()?;
    let stored = Stored::of(tx, actor, id, RESOURCE, "write")?;
    let (keys, etag) = match body {
        Value::Array(keys) => (keys.into_iter().collect(), None),
        Value::Object(mut members) => {
            let etag = document::take_etag(&mut members)?;
            let input: RolesInput = document::read(Value::Object(members))?;
            (input.roles.into_iter().map(Value::String).collect(), etag)
        }
        other => {
            let message = format!("expected {{\"roles\": […]}} or an array, got {}", document::kind(&other));
            return Err(Refusal::new(Code::BodyMalformed, message));
        }
    };
    let keys: Vec<String> = document::read(keys)?;
    let precondition = terms.precondition.clone().and_body(etag.as_deref())?;
    precondition.check(Some(&stored.principal.etag), terms.required)?;
    let roles = read(keys)?;
    guard_change(tx, actor, Some(&stored), &stored.principal, &roles)?;
    if roles == stored.roles {
        return Ok(stored.document());
    }
    let lost_owner = loses_owner(&stored.roles, &roles);
    let document = save(tx, actor, "principal.roles", &stored, stored.principal.clone(), roles, terms.now)?;
    if lost_owner {
        guard::owner_remains(tx)?;
    }
    Ok(document)
}

/// Role keys as they are kept: each once, in order.
///
/// # Errors
/// [`Code::FieldInvalid`] where there are too many.
pub(super) fn read(mut keys: Vec<String>) -> Result<Vec<String>, Refusal> {
    if keys.len() > MAX_ROLES {
        let message = format!("expected at most {MAX_ROLES} roles, got {}", keys.len());
        return Err(Refusal::at(Code::FieldInvalid, "/roles", message));
    }
    keys.sort();
    keys.dedup();
    Ok(keys)
}

/// Whether the actor may make of `stored` (none: nobody yet) a principal that holds what `after` and `roles` say.
///
/// # Errors
/// [`Code::UnknownRole`], [`Code::PrivilegeEscalation`].
pub(super) fn guard_change(
    conn: &mut Conn,
    actor: &Actor,
    stored: Option<&Stored>,
    after: &Principal,
    roles: &[String],
) -> Result<(), Refusal> {
    let before = stored.map(|stored| stored.holdings(conn)).transpose()?.unwrap_or_default();
    guard::may_touch(actor, &before)?;
    let holdings = Holdings::of(conn, roles, &after.acl, &after.access_attributes, &Scope::empty())?;
    guard::may_give(actor, &after.id, &before, &holdings)
}

/// Whether the role that may do everything is among what goes.
pub(super) fn loses_owner(before: &[String], after: &[String]) -> bool {
    let owner = |roles: &[String]| roles.iter().any(|role| role == crate::model::role_key::OWNER);
    owner(before) && !owner(after)
}
