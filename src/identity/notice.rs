//! What people are told by mail about their account.

use crate::{
    app::Parts,
    model::time::Timestamp,
    store::{self, mail_pace, principal::Principal, session::Session},
    telemetry,
};

/// How many such mails one person gets in a minute: whoever has their password shall not fill their mailbox with them.
const PER_MINUTE: u32 = 3;

/// Tells somebody that they signed in with a browser that was not known, at an address that was proven to be theirs.
/// A sign-in does not fail because of it.
pub async fn new_device(app: &Parts, principal: &Principal, session: &Session, now: Timestamp) {
    let mail = &app.mail;
    let Some(email) = principal.email.as_deref().filter(|_| principal.email_verified) else { return };
    if !app.config.mail.sign_in_notices || !mail.is_configured() {
        return;
    }
    let (user_agent, address) = (session.user_agent.as_deref(), session.ip_address.as_deref());
    let new = match mail.new_device(email, user_agent, address, now) {
        Ok(new) => new,
        Err(problem) => {
            let (code, problem) = (problem.code.as_str(), telemetry::personal(problem.to_string()));
            return tracing::warn!(code, problem, "a person could not be told of a sign-in");
        }
    };
    let bucket = mail_pace::of_person(&principal.id);
    let written = app.store.write(move |tx| {
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
