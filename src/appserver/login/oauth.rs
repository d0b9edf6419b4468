//! By an authorization code, redeemed with its client's registration, or by an access token of this server. The session is
//! as strong as the token: its scope must hold the access that everybody needs here.

use std::sync::Arc;

use super::{Login, SignedIn};
use crate::{
    appserver::{
        answer::LoginAnswer,
        error::{AppserverError, Code},
        session,
    },
    identity::{
        appserver_session::{self, Denied, Redemption},
        client,
        code::{self, CodeFault},
    },
    model::{client_auth::AuthMethod, grant_type::GrantType, id},
    store::{self, KnownClient},
};

/// Signs in the person whose code or token it is, or the client that a token was given to for itself.
pub(super) async fn sign_in(login: &Login<'_>) -> Result<SignedIn, AppserverError> {
    match (login.given.get("Code"), login.given.get("AccessToken")) {
        (Some(code), None) => by_code(login, code).await,
        (None, Some(token)) => {
            let (current, secret, module) = session::open_token(login.app, login.req, login.module, token).await?;
            let answer = LoginAnswer::new(module, &current.whose, &secret);
            Ok(SignedIn { answer, cookies: vec![session::set_cookie(&login.app.config, &secret)] })
        }
        _ => Err(AppserverError::new(Code::PropertyInvalid, "expected one of Code and AccessToken")),
    }
}

async fn by_code(login: &Login<'_>, code: &str) -> Result<SignedIn, AppserverError> {
    let (app, now) = (login.app, login.now);
    let client = proven(login).await?.filter(|client| client.may(GrantType::AuthorizationCode));
    let client = client.ok_or_else(unproven)?;
    let redemption = Redemption {
        code: code.to_owned(),
        redirect_uri: login.get("RedirectUri").map(str::to_owned),
        verifier: login.given.get("CodeVerifier").map(str::to_owned),
    };
    let opening = login.opening();
    match appserver_session::open_by_code(&app.store, &opening, &client, redemption, now).await {
        Ok(principal) => {
            Ok(login.signed_in(LoginAnswer::of_person(login.module, &principal, &opening.secret), &opening))
        }
        Err(Denied::NoAccess(principal)) => Err(session::refuse(app, login.req, Some(&principal), "").await),
        Err(Denied::Fault(CodeFault::Invalid(what))) => Err(AppserverError::new(Code::TokenInvalid, what)),
        Err(Denied::Fault(CodeFault::Replayed { grant_id })) => {
            let what = "the code was used before";
            code::revoke_replayed(&app.store, &grant_id, what, now).await?;
            Err(AppserverError::new(Code::TokenInvalid, format!("{what}; all that was given for it is revoked")))
        }
        Err(Denied::Fault(CodeFault::Store(error))) => Err(error.into()),
    }
}

/// One answer for an unknown client, a wrong secret and a suspended client.
fn unproven() -> AppserverError {
    AppserverError::new(Code::LoginFailed, "The login failed: the client is unknown, or does not prove who it is.")
}

/// The client, by its secret; a public one has none, and its code is bound to the verifier.
async fn proven(login: &Login<'_>) -> Result<Option<Arc<KnownClient>>, AppserverError> {
    let Ok(id) = id::client(login.required("ClientId")?) else { return Ok(None) };
    match login.given.get("ClientSecret") {
        Some(secret) => by_secret(login, &id, secret).await.map(|proven| proven.map(|(client, _)| client)),
        None => {
            let client = login.app.store.client(&id).await?;
            Ok(client.filter(|client| client.suspended_at.is_none() && client.is_public()))
        }
    }
}

/// The client with this secret, if it is registered to prove itself by secrets.
pub(super) async fn by_secret(
    login: &Login<'_>,
    id: &str,
    secret: &str,
) -> Result<Option<(Arc<KnownClient>, store::client_secret::ClientSecret)>, AppserverError> {
    let by_secrets = |method| matches!(method, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost);
    let found = client::by_secret(&login.app.store, id, secret, login.now).await?;
    let found = found.filter(|(client, _)| by_secrets(client.auth_method));
    if let Some((_, proof)) = &found {
        client::note_use(&login.app.store, proof, login.now);
    }
    Ok(found)
}
