//! What people are told by mail about their account.

use super::visit::Visit;
use crate::store::{self, mail_pace, principal::Principal, session::Session};

/// How many such mails one person gets in a minute: whoever has their password shall not fill their mailbox with them.
const PER_MINUTE: u32 = 3;

/// Tells somebody that they signed in with a browser that was not known, at an address that was proven to be theirs.
/// A sign-in does not fail because of it.
pub(super) async fn new_device(visit: &Visit<'_>, principal: &Principal, session: &Session) {
    let mail = &visit.app.mail;
    let Some(email) = principal.email.as_deref().filter(|_| principal.email_verified) else { return };
    if !visit.app.config.mail.sign_in_notices || !mail.is_configured() {
        return;
    }
    let (user_agent, address) = (session.user_agent.as_deref(), session.ip_address.as_deref());
    let new = match mail.new_device(email, user_agent, address, visit.now) {
        Ok(new) => new,
        Err(problem) => return tracing::warn!(%problem, "a person could not be told of a sign-in"),
    };
    let (bucket, now) = (mail_pace::of_person(&principal.id), visit.now);
    let written = visit.app.store.write(move |tx| {
        if mail_pace::take(tx, &bucket, 1, PER_MINUTE, now)?.is_ok() {
            store::sending::insert(tx, &new)?;
        }
        Ok::<_, store::Error>(())
    });
    match written.await {
        Ok(()) => mail.wake(),
        Err(error) => tracing::warn!(%error, "a person could not be told of a sign-in"),
    }
}
