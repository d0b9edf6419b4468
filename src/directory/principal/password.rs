//! A new password from an administrator: random, shown once, and good only for choosing another.

use serde_json::json;

use super::{PrincipalDocument, RESOURCE, Stored, Terms, changed_meanwhile, note};
use crate::{
    directory::{Actor, Refusal, guard},
    model::{problem::Code, secret::random_text, time::Timestamp},
    store::{self, Tx},
};

/// A generated password, hashed outside of the transaction.
#[derive(Clone)]
pub struct NewPassword {
    /// The PHC string.
    pub hash: String,
    /// Until when it can be used.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewPassword").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Whether the actor may replace this principal's password: asked before one is hashed, and again when it is set.
///
/// # Errors
/// As [`reset_password`].
fn resettable(tx: &mut store::Conn, actor: &Actor, id: &str, terms: &Terms) -> Result<Stored, Refusal> {
    let stored = Stored::of(tx, actor, id, RESOURCE, "write")?;
    terms.precondition.check(Some(&stored.principal.etag), terms.required)?;
    let holdings = stored.holdings(tx)?;
    guard::may_touch(actor, &holdings)?;
    if actor.is(&stored.principal.id) {
        // a token, perhaps one for a script, would become a password
        let message = "nobody resets their own password; /resources/me/password replaces it, with the current one";
        return Err(Refusal::new(Code::PrivilegeEscalation, message));
    }
    if stored.principal.email.is_none() {
        let message = "expected a principal with an email: without one nobody signs in with a password";
        return Err(Refusal::new(Code::FieldInvalid, message));
    }
    Ok(stored)
}

/// Gives a principal a temporary password. The old one stops working, and sessions and grants end.
///
/// # Errors
/// [`Code::NotFound`], [`Code::PermissionMissing`], the precondition's, [`Code::PrivilegeEscalation`],
/// [`Code::FieldInvalid`] where there is no email to sign in with.
pub fn reset_password(
    tx: &mut Tx<'_>,
    actor: &Actor,
    id: &str,
    password: &NewPassword,
    terms: &Terms,
) -> Result<PrincipalDocument, Refusal> {
    tx.raise()?;
    let stored = resettable(tx, actor, id, terms)?;
    let principal = &stored.principal;
    let (etag, now) = (random_text::<12>(), terms.now);
    let set = store::principal::set_temporary_password(tx, principal, &password.hash, password.expires_at, &etag, now)?;
    if !set {
        return Err(changed_meanwhile());
    }
    store::principal::disarm(tx, &principal.id, now)?;
    let after = Stored::find(tx, &principal.id)?.ok_or_else(changed_meanwhile)?.document();
    note(tx, actor, "principal.password.reset", &principal.id, &json!(stored.document()), &json!(after), now)?;
    Ok(after)
}

/// Refuses what [`reset_password`] would refuse, so that no hash is computed for it.
///
/// # Errors
/// As [`reset_password`].
pub fn may_reset_password(conn: &mut store::Conn, actor: &Actor, id: &str, terms: &Terms) -> Result<(), Refusal> {
    resettable(conn, actor, id, terms).map(|_| ())
}
