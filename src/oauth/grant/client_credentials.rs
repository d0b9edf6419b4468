//! client_credentials (RFC 6749 §4.4): a client acts for itself. Nothing is written.

use std::sync::Arc;

use super::{TokenResponse, scope_parameter};
use crate::{
    app::App,
    model::{scope::Scope, time::Timestamp},
    oauth::{
        access_token::{self, AccessToken},
        error::{Code, OAuthError},
        flow,
        params::Params,
        resource,
    },
    store::KnownClient,
};

pub(super) async fn redeem(
    app: &App,
    client: Arc<KnownClient>,
    params: &Params,
    now: Timestamp,
) -> Result<TokenResponse, OAuthError> {
    // RFC 6749 §4.4: confidential clients only
    if client.is_public() {
        return Err(OAuthError::new(Code::UnauthorizedClient, "a public client cannot act for itself"));
    }
    let scope = scope_parameter(params)?;
    let mut resources = vec![app.config.issuer().to_owned()];
    if params.get("resource").is_some() {
        let (asked, issuer) = (params.clone(), app.config.issuer().to_owned());
        resources = app.store.read(move |conn| resource::requested(conn, &asked, &issuer)).await?;
    }
    let access = &client.access;
    // Without a scope: what is registered. Where nothing is, the token names no scope and holds whatever the client's
    // roles give at the time of use.
    let grant = |asked: Option<&Scope>| access.grant(asked.unwrap_or(&client.scopes), &client, false);
    let granted = flow::client_credentials(&client, scope.as_ref(), &grant)?;
    let token =
        AccessToken { client: &client, grant: None, scope: &granted, roles: &access.roles, audience: &resources };
    let signed = access_token::sign(app, &app.keys.load(), &token, now)?;
    Ok(TokenResponse {
        access_token: signed.token,
        token_type: "Bearer",
        expires_in: signed.expires_in,
        refresh_token: None,
        id_token: None,
        scope: granted.to_string(),
    })
}
