//! A client that acts for itself, by its id and secret. Its session ends with the secret.

use super::{Login, SignedIn, oauth::by_secret};
use crate::{
    appserver::{answer::LoginAnswer, error::AppserverError, session},
    identity::appserver_session::{self, has_access},
    model::{grant_type::GrantType, id},
};

/// Signs in a client that is registered to act for itself (RFC 6749 §4.4).
pub(super) async fn sign_in(login: &Login<'_>) -> Result<SignedIn, AppserverError> {
    let (id, secret) = (login.required("ClientId")?, login.required("ClientSecret")?);
    let id = id::client(id).map_err(|_| AppserverError::login_failed())?;
    let proven = by_secret(login, &id, secret).await?;
    let proven = proven.filter(|(client, _)| client.may(GrantType::ClientCredentials));
    let (client, secret) = proven.ok_or_else(AppserverError::login_failed)?;
    if !has_access(&client.access.permissions) {
        return Err(session::refuse(login.app, login.req, None, &client.id).await);
    }
    let opening = login.opening();
    appserver_session::open_client(&login.app.store, &opening, &client, &secret, login.now).await?;
    Ok(login.signed_in(LoginAnswer::of_client(login.module, &client, &opening.secret), &opening))
}
