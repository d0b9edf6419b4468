//! Suspended principals may do nothing, and what they had begun does not come back.

use super::{PrincipalDocument, RESOURCE, Stored, Terms, save};
use crate::{
    directory::{Actor, Refusal, guard},
    store::{self, Tx},
};

/// Suspends a principal: no sign-in, no token, no refresh; sessions and grants end for good. One who is suspended stays
/// as they are.
///
/// # Errors
/// [`Code::NotFound`](crate::model::problem::Code::NotFound), the permission's and the precondition's, escalation, the
/// last owner.
pub fn suspend(tx: &mut Tx<'_>, actor: &Actor, id: &str, terms: &Terms) -> Result<PrincipalDocument, Refusal> {
    set(tx, actor, id, true, terms)
}

/// Lets a suspended principal act again; they sign in anew. One who is not suspended stays as they are.
///
/// # Errors
/// As [`suspend`].
pub fn unsuspend(tx: &mut Tx<'_>, actor: &Actor, id: &str, terms: &Terms) -> Result<PrincipalDocument, Refusal> {
    set(tx, actor, id, false, terms)
}

fn set(tx: &mut Tx<'_>, actor: &Actor, id: &str, suspended: bool, terms: &Terms) -> Result<PrincipalDocument, Refusal> {
    tx.raise()?;
    let stored = Stored::of(tx, actor, id, RESOURCE, "write")?;
    terms.precondition.check(Some(&stored.principal.etag), terms.required)?;
    let holdings = stored.holdings(tx)?;
    guard::may_touch(actor, &holdings)?;
    if stored.principal.suspended_at.is_some() == suspended {
        return Ok(stored.document());
    }
    let mut principal = stored.principal.clone();
    principal.suspended_at = suspended.then_some(terms.now);
    let action = if suspended { "principal.suspend" } else { "principal.unsuspend" };
    let document = save(tx, actor, action, &stored, principal, stored.roles.clone(), terms.now)?;
    if suspended {
        // an unredeemed code is worth nothing without its session
        store::principal::disarm(tx, &stored.principal.id, terms.now)?;
        if holdings.is_owner() {
            guard::owner_remains(tx)?;
        }
    }
    Ok(document)
}
