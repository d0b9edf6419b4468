//! The grants: one file each, and the one match that picks it.
//!
//! To add a grant: a variant of [`GrantType`] (registration and discovery follow from it), its file here, an arm below.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header;
use serde::Serialize;

use super::{
    access_token::{self, AccessToken},
    error::{Code, OAuthError},
    flow::{Issued, Lifetimes, PreparedRefresh, Refreshed, Rejection},
    id_token,
    params::Params,
};
use crate::{
    app::App,
    identity::code,
    model::{
        grant_type::GrantType,
        scope::Scope,
        secret::{Kind, Secret},
        time::Timestamp,
    },
    store::{self, KnownClient, client::Client},
};

mod authorization_code;
mod client_credentials;
mod refresh_token;

/// A successful token response (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3).
#[derive(Serialize)]
pub struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    /// RFC 6749 §3.3: a scope has at least one token.
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
}

impl TokenResponse {
    /// The answer.
    pub fn respond(self) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::PRAGMA, "no-cache"))
            .json(self)
    }
}

/// Redeems whatever grant this request presents, for its authenticated client.
///
/// # Errors
/// As RFC 6749 §5.2 has them.
pub async fn redeem(
    app: &App,
    client: Arc<KnownClient>,
    grant: GrantType,
    params: &Params,
    now: Timestamp,
) -> Result<TokenResponse, OAuthError> {
    if !client.may(grant) {
        return Err(OAuthError::new(
            Code::UnauthorizedClient,
            format!("the client is not registered for the grant {}", grant.as_str()),
        ));
    }
    match grant {
        GrantType::AuthorizationCode => authorization_code::redeem(app, client, params, now).await,
        GrantType::RefreshToken => refresh_token::redeem(app, client, params, now).await,
        GrantType::ClientCredentials => client_credentials::redeem(app, client, params, now).await,
    }
}

fn scope_parameter(params: &Params) -> Result<Option<Scope>, OAuthError> {
    params
        .get("scope")
        .map(|text| text.parse().map_err(|e| OAuthError::new(Code::InvalidScope, format!("scope: {e}"))))
        .transpose()
}

fn lifetimes(app: &App, client: &Client) -> Lifetimes {
    let tokens = &app.config.tokens;
    Lifetimes {
        refresh_idle: tokens.refresh_idle,
        refresh_absolute: tokens.refresh_absolute,
        // A public client proves nothing besides the token itself: a thief looks the same as the owner.
        replay_window: match client.is_public() {
            true => tokens.refresh_replay_window_public,
            false => tokens.refresh_replay_window,
        },
        session_idle: app.config.sessions.idle,
    }
}

/// A refresh token for this request, sealed for the case that its response is lost.
fn prepare(app: &App, replaces: Option<&str>) -> (Secret, PreparedRefresh) {
    let token = Secret::generate(Kind::RefreshToken);
    let sealed = match replaces {
        Some(old) => app.seals.refresh_successor.with_secret(old).seal_text(b"", token.reveal().as_bytes()),
        None => String::new(),
    };
    let prepared = PreparedRefresh { hash: token.hash(), sealed };
    (token, prepared)
}

/// Turns a rejection into its answer. A replay revokes the grant first, in a transaction of its own that stays; if that
/// fails, the answer says so, not that the replay was dealt with.
async fn reject(app: &App, rejection: Rejection, now: Timestamp) -> OAuthError {
    match rejection {
        Rejection::Refused(error) => error,
        Rejection::Replay { grant_id, what } => match code::revoke_replayed(&app.store, &grant_id, what, now).await {
            Ok(()) => OAuthError::new(Code::InvalidGrant, format!("{what}; all tokens of its grant are revoked")),
            Err(error) => error.into(),
        },
    }
}

/// Makes the tokens of a person's grant, after its transaction.
fn tokens(
    app: &App,
    client: &Client,
    issued: &Issued,
    refresh_token: Option<String>,
    audience: &[String],
    refreshed: bool,
    now: Timestamp,
) -> Result<TokenResponse, OAuthError> {
    let keys = app.keys.load();
    let access =
        AccessToken { client, grant: Some(&issued.grant), scope: &issued.scope, roles: &issued.roles, audience };
    let signed = access_token::sign(app, &keys, &access, now)?;
    let id_token = match issued.scope.contains("openid") {
        true => Some(id_token::sign(app, &keys, client, issued, &signed.token, refreshed, now)?),
        false => None,
    };
    Ok(TokenResponse {
        access_token: signed.token,
        token_type: "Bearer",
        expires_in: signed.expires_in,
        refresh_token,
        id_token,
        scope: issued.scope.to_string(),
    })
}

/// The refresh token that the client is to have, in clear.
fn reveal(app: &App, refresh: &Refreshed, prepared: &Secret, presented: &str) -> Result<Option<String>, OAuthError> {
    match refresh {
        Refreshed::No => Ok(None),
        Refreshed::Prepared => Ok(Some(prepared.reveal().to_owned())),
        Refreshed::Again { sealed } => {
            let opened = app.seals.refresh_successor.with_secret(presented).open_text(b"", sealed);
            let token = opened.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
            let broken = || store::Error::Internal("a sealed refresh token does not open".to_owned()).into();
            token.map(Some).ok_or_else(broken)
        }
    }
}
