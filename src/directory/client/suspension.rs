//! Suspended clients get nothing, and what they had does not come back.

use super::{ClientDocument, Policy, document, note, save, touchable};
use crate::{
    directory::{Actor, Precondition, Refusal},
    model::time::Timestamp,
    store::{self, Tx},
};

/// Suspends a client: no sign-in, no token, no refresh; its tokens are refused, its grants and codes end for good. One
/// that is suspended stays as it is.
///
/// # Errors
/// [`Code::NotFound`](crate::model::problem::Code::NotFound),
/// [`Code::SystemClientProtected`](crate::model::problem::Code::SystemClientProtected), the permission's and the
/// precondition's, escalation.
pub fn suspend(
    tx: &mut Tx<'_>,
    actor: &Actor,
    id: &str,
    precondition: &Precondition,
    policy: &Policy,
    now: Timestamp,
) -> Result<ClientDocument, Refusal> {
    tx.raise()?;
    let stored = touchable(tx, actor, id, "write", precondition, policy)?;
    if stored.client.suspended_at.is_some() {
        return Ok(document::document(&stored));
    }
    let mut after = stored.clone();
    after.client.suspended_at = Some(now);
    save(tx, &mut after.client, &stored.client, now)?;
    end_grants(tx, id, now)?;
    note(tx, actor, "client.suspend", Some(&stored), Some(&after), now)?;
    Ok(document::document(&after))
}

/// Lets a suspended client act again, with new tokens. One that is not suspended stays as it is.
///
/// # Errors
/// As [`suspend`].
pub fn unsuspend(
    tx: &mut Tx<'_>,
    actor: &Actor,
    id: &str,
    precondition: &Precondition,
    policy: &Policy,
    now: Timestamp,
) -> Result<ClientDocument, Refusal> {
    tx.raise()?;
    let stored = touchable(tx, actor, id, "write", precondition, policy)?;
    if stored.client.suspended_at.is_none() {
        return Ok(document::document(&stored));
    }
    let mut after = stored.clone();
    after.client.suspended_at = None;
    // its own tokens have no grant that ended: what was handed out before is told by its time
    after.client.metadata.tokens_since = Some(now);
    save(tx, &mut after.client, &stored.client, now)?;
    // whatever was under way when it was suspended, and was written after that
    end_grants(tx, id, now)?;
    note(tx, actor, "client.unsuspend", Some(&stored), Some(&after), now)?;
    Ok(document::document(&after))
}

/// Ends what people granted to a client. In this order: a code that is being redeemed at this moment is waited for, and
/// then its grant is there to end.
fn end_grants(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<(), Refusal> {
    store::authorization_code::spend_of_client(tx, id, now)?;
    store::grant::revoke_of_client(tx, id, now)?;
    Ok(())
}
