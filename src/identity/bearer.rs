//! Who is behind a bearer token that is presented to an API of this server (RFC 6750): an access token, or one that a
//! person made for a script.

use std::sync::Arc;

use super::{
    activity,
    personal_access_token::{self, ActivePersonalAccessToken},
    token::{self, ActiveToken},
};
use crate::{
    app::Parts,
    model::{
        permission::Permissions,
        scope::Scope,
        secret::{Kind, Secret},
    },
    store::{self, KnownPrincipal},
};

/// The identity behind a token, and what the token allows now.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// The identity in whose name: the person's, or the client's where it acts for itself.
    pub subject: String,
    /// The person; none where a client acts for itself.
    pub principal: Option<Arc<KnownPrincipal>>,
    /// To whom the token was given.
    pub client_id: Option<String>,
    /// The browser session in which it was given.
    pub session_id: Option<String>,
    /// The grant by which it was given; none where there is no person, and for personal access tokens.
    pub grant_id: Option<String>,
    /// The id of the personal access token that it is; none for access tokens.
    pub personal_access_token: Option<String>,
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
            grant_id: token.grant.as_ref().map(|grant| grant.id.clone()),
            session_id: token.grant.as_ref().and_then(|grant| grant.session_id.clone()),
            personal_access_token: None,
            client_id: Some(token.client.id.clone()),
            roles: token.roles().to_vec(),
            permissions: token.permissions(),
            principal: token.principal,
            scope: token.scope,
        }
    }
}

impl From<ActivePersonalAccessToken> for Bearer {
    fn from(active: ActivePersonalAccessToken) -> Bearer {
        Bearer {
            subject: active.principal.id.clone(),
            session_id: None,
            grant_id: None,
            personal_access_token: Some(active.token.id.clone()),
            roles: active.roles().to_vec(),
            permissions: active.permissions(),
            client_id: Some(active.token.client_id),
            principal: Some(active.principal),
            scope: active.scope,
        }
    }
}

/// Who is behind `presented`, if it holds now and is meant for this server; `None` if not, for whatever reason. That a
/// person was active is noted.
///
/// # Errors
/// Only if the database cannot be asked.
pub async fn identify(app: &Parts, presented: &str) -> Result<Option<Bearer>, store::Error> {
    if presented.starts_with(Kind::PersonalAccessToken.prefix()) {
        let Some(secret) = Secret::presented(Kind::PersonalAccessToken, presented) else { return Ok(None) };
        let active = personal_access_token::verify(&app.store, &secret, app.clock.now()).await?;
        let bearer = active.map(Bearer::from);
        note(app, bearer.as_ref());
        return Ok(bearer);
    }
    let active = token::verify(app, presented, app.clock.now()).await?;
    let bearer = active.filter(|token| token.is_for(app.config.issuer())).map(Bearer::from);
    note(app, bearer.as_ref());
    Ok(bearer)
}

fn note(app: &Parts, bearer: Option<&Bearer>) {
    if let Some(principal) = bearer.and_then(|bearer| bearer.principal.as_ref()) {
        activity::note(app, principal, app.clock.now());
    }
}
