//! Proving a new email address by the secret that was sent to it: the same rule and the same throttle, whether a program
//! presents it or a person presses the button of the page that the mail leads to.

use std::time::Duration;

use actix_web::HttpRequest;

use super::{forwarded::client_address, request::request_id};
use crate::{
    app::App,
    directory::{Actor, Refusal, email},
    identity::throttle::{self, Keys, Throttled},
    model::{
        id,
        secret::{Kind, Secret},
        time::Timestamp,
    },
    store::{self, sending::NewSending},
    telemetry,
};

/// The page that a mail leads to, below the issuer's path.
pub const PAGE: &str = "/email/confirm";
/// The parameter that says who it is about.
pub const IDENTITY: &str = "identity";
/// The parameter that holds the secret.
pub const TOKEN: &str = "token";

/// The page with what proves the address of this person: what follows the issuer in the link of a mail.
pub fn link(identity_id: &str, secret: &Secret) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair(IDENTITY, identity_id).append_pair(TOKEN, secret.reveal());
    format!("{PAGE}?{}", query.finish())
}

/// Why an address is not proven.
#[derive(Debug)]
pub enum NotProven {
    /// There were too many wrong secrets from this address; this one was not looked at.
    Throttled {
        /// When the next one may be presented.
        retry_after: Duration,
    },
    /// As [`email::validate`] has it, or the database failed.
    Refused(Refusal),
}

impl From<Refusal> for NotProven {
    fn from(refusal: Refusal) -> NotProven {
        NotProven::Refused(refusal)
    }
}

impl From<store::Error> for NotProven {
    fn from(error: store::Error) -> NotProven {
        NotProven::Refused(error.into())
    }
}

/// Whether these could prove an address at all, by their form. Nothing is looked up.
pub fn could_prove(identity_id: &str, secret: &str) -> bool {
    presented(identity_id, secret).is_some()
}

fn presented(identity_id: &str, secret: &str) -> Option<(String, Secret)> {
    Some((id::principal(identity_id).ok()?, Secret::presented(Kind::EmailVerification, secret)?))
}

/// Makes the change of email of this person whose secret this is. Wrong ones are counted by the address they come from.
///
/// # Errors
/// See [`NotProven`].
pub async fn prove(app: &App, req: &HttpRequest, identity_id: &str, secret: &str) -> Result<(), NotProven> {
    let (address, now) = (client_address(req, &app.config), app.clock.now());
    let allowed = match throttle::begin(&app.store, &app.config.login, now, Keys::of_verification(address)).await? {
        Ok(allowed) => allowed,
        Err(Throttled { retry_after }) => return Err(NotProven::Throttled { retry_after }),
    };
    let (id, secret) = presented(identity_id, secret).ok_or_else(email::invalid)?;
    let (actor, hash) = (Actor::person(&id, address, request_id(req)), secret.hash());
    let notice = notice(app, &id, now).await?;
    let written = app.store.write(move |tx| {
        let replaced = email::validate(tx, &actor, &id, &hash, now)?;
        if let Some((_, mail)) = notice.as_ref().filter(|(address, _)| replaced.as_ref() == Some(address)) {
            store::sending::insert(tx, mail)?;
        }
        Ok::<_, Refusal>(throttle::succeeded(tx, now, &allowed)?)
    });
    written.await?;
    app.mail.wake();
    Ok(())
}

/// What the address that is replaced is told, so that whoever takes over an account cannot do it silently. Written before
/// the transaction, which seals nothing.
async fn notice(app: &App, id: &str, now: Timestamp) -> Result<Option<(String, NewSending)>, store::Error> {
    if !app.mail.is_configured() {
        return Ok(None);
    }
    let id = id.to_owned();
    let principal = app.store.read(move |conn| store::principal::find(conn, &id)).await?;
    let Some(address) = principal.filter(|principal| principal.email_verified).and_then(|principal| principal.email)
    else {
        return Ok(None);
    };
    Ok(match app.mail.email_changed(&address, now) {
        Ok(mail) => Some((address, mail)),
        Err(problem) => {
            let (code, problem) = (problem.code.as_str(), telemetry::personal(problem.to_string()));
            tracing::warn!(code, problem, "a person could not be told of their new email address");
            None
        }
    })
}
