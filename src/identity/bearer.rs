//! Who is behind a bearer token that is presented to an API of this server (RFC 6750).

use super::{
    activity,
    token::{self, ActiveToken},
};
use crate::{
    app::Parts,
    model::{permission::Permissions, scope::Scope},
    store,
    store::principal::Principal,
};

/// The identity behind a token, and what the token allows now.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// The identity in whose name: the person's, or the client's where it acts for itself.
    pub subject: String,
    /// The person; none where a client acts for itself.
    pub principal: Option<Principal>,
    /// To whom the token was given.
    pub client_id: Option<String>,
    /// The browser session in which it was given.
    pub session_id: Option<String>,
    /// The subject's roles.
    pub roles: Vec<String>,
    /// What of the token's scopes holds.
    pub scope: Scope,
    /// What it allows now.
    pub permissions: Permissions,
}

impl From<ActiveToken> for Bearer {
    fn from(token: ActiveToken) -> Bearer {
        Bearer {
            subject: token.principal.as_ref().map_or(&token.client.id, |principal| &principal.id).clone(),
            session_id: token.grant.and_then(|grant| grant.session_id),
            client_id: Some(token.client.id),
            principal: token.principal,
            roles: token.roles,
            scope: token.scope,
            permissions: token.permissions,
        }
    }
}

/// Who is behind `presented`, if it holds now and is meant for this server; `None` if not, for whatever reason. That a
/// person was active is noted.
///
/// # Errors
/// Only if the database cannot be asked.
pub async fn identify(app: &Parts, presented: &str) -> Result<Option<Bearer>, store::Error> {
    let (keys, issuer, now) = (app.keys.load_full(), app.config.issuer(), app.clock.now());
    let active = token::verify(&keys, &app.seals, &app.store, &app.access, issuer, presented, now).await?;
    let bearer = active.filter(|token| token.audiences().contains(&issuer)).map(Bearer::from);
    if let Some(principal) = bearer.as_ref().and_then(|bearer| bearer.principal.as_ref()) {
        activity::note(app, principal, now);
    }
    Ok(bearer)
}
