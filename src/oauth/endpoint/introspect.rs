//! Token introspection (RFC 7662): for authenticated clients only, about tokens that are meant for them.

use std::{fmt::Write, sync::Arc};

use actix_web::{
    Error, HttpRequest, HttpResponse,
    http::header::{self, ContentType},
    web,
};
use serde_json::{Value, json};

use crate::{
    app::App,
    identity::{
        personal_access_token,
        token::{self, ActiveToken, live_grant},
    },
    model::{
        secret::{Kind, Secret},
        time::Timestamp,
    },
    oauth::{
        client_auth,
        error::{Code, OAuthError},
        params::Params,
    },
    store::{self, KnownClient},
};

/// The permission to introspect tokens that are meant for others.
const RESOURCE: &str = "oauth/tokens";
const ACTION: &str = "introspect";

/// `POST /oauth/introspect`.
pub async fn post(req: HttpRequest, app: web::Data<App>, body: Result<web::Bytes, Error>) -> HttpResponse {
    match answer(&req, &app, body).await {
        Ok(answer) => HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .content_type(ContentType::json())
            .body(answer),
        Err(error) => error.respond(&req),
    }
}

async fn answer(req: &HttpRequest, app: &App, body: Result<web::Bytes, Error>) -> Result<String, OAuthError> {
    let params = Params::from_body(req, body)?.unrepeated()?;
    let now = app.clock.now();
    let caller = client_auth::authenticate(app, req, &params, now).await?;
    if caller.is_public() {
        // RFC 7662 §2.1: the endpoint must require some form of authorization
        return Err(OAuthError::new(Code::InvalidClient, "introspection is for clients that prove who they are"));
    }
    let presented = params.required("token")?;
    if let Some(refresh) = Secret::presented(Kind::RefreshToken, presented) {
        return Ok(written(refresh_token(app, caller, refresh, now).await?));
    }
    if let Some(secret) = Secret::presented(Kind::PersonalAccessToken, presented) {
        return Ok(written(about_personal(app, &caller, &secret, now).await?));
    }
    let active = token::verify(app, presented, now).await?;
    Ok(match active.filter(|active| may_see(&caller, active)) {
        Some(active) => describe(&active),
        None => written(None),
    })
}

fn written(found: Option<Value>) -> String {
    found.unwrap_or_else(|| json!({ "active": false })).to_string()
}

/// The token's own client, a client that serves one of its audiences, or a client with the permission.
fn may_see(caller: &KnownClient, active: &ActiveToken) -> bool {
    active.client.id == caller.id
        || caller.resources.iter().any(|served| active.is_for(served))
        || caller.access.permissions.allows(RESOURCE, ACTION)
}

/// What is told of an access token (RFC 7662 §2.2), as JSON: its claims, but roles and scopes as they are now.
fn describe(active: &ActiveToken) -> String {
    let told = &active.token.told;
    let mut answer = String::with_capacity(told.len() + 512);
    answer.push_str(r#"{"active":true,"token_type":"Bearer","#);
    let mut tell = |name: &str, value: Value| {
        // to write into a text cannot fail
        let _ = write!(answer, r#""{name}":{value},"#);
    };
    // the username is the email: for those who were granted it
    let person = active.principal.as_ref().filter(|_| active.scope.contains("email"));
    if let Some(username) = person.and_then(|principal| principal.email.as_deref()) {
        tell("username", username.into());
    }
    if active.token.names_roles && !active.roles().is_empty() {
        tell("roles", active.roles().into());
    }
    if !active.scope.is_empty() {
        tell("scope", active.scope.to_string().into());
    }
    answer.push_str(told);
    answer.push('}');
    answer
}

/// Personal access tokens are meant for this server; they are told to clients with the permission only, for gateways
/// that let requests through.
async fn about_personal(
    app: &App,
    caller: &KnownClient,
    presented: &Secret,
    now: Timestamp,
) -> Result<Option<Value>, OAuthError> {
    if !caller.access.permissions.allows(RESOURCE, ACTION) {
        return Ok(None);
    }
    let active = personal_access_token::verify(&app.store, presented, now).await?;
    Ok(active.map(|active| {
        let mut answer = json!({
            "active": true,
            "token_type": "Bearer",
            "iss": app.config.issuer(),
            "aud": app.config.issuer(),
            "sub": active.principal.id,
            "client_id": active.token.client_id,
            "scope": active.scope,
            "iat": active.token.created_at.seconds(),
            "exp": active.token.expires_at.seconds(),
        });
        if !active.roles().is_empty() {
            answer["roles"] = json!(active.roles());
        }
        answer
    }))
}

/// Refresh tokens are told to their own client only.
async fn refresh_token(
    app: &App,
    caller: Arc<KnownClient>,
    presented: Secret,
    now: Timestamp,
) -> Result<Option<Value>, OAuthError> {
    let found = app.store.read(move |conn| {
        let Some(token) = store::refresh_token::find(conn, &presented.hash())? else { return Ok(None) };
        if token.used_at.is_some() || now >= token.expires_at {
            return Ok(None);
        }
        let Some(grant) = live_grant(conn, &token.grant_id, &caller, now)? else { return Ok(None) };
        let holds = store::principal::find(conn, &grant.principal_id)?.is_some_and(|p| p.suspended_at.is_none());
        Ok::<_, store::Error>(holds.then_some((token, grant)))
    });
    Ok(found.await?.map(|(token, grant)| {
        json!({
            "active": true,
            "client_id": grant.client_id,
            "sub": grant.principal_id,
            "scope": grant.scope,
            "iat": token.created_at.seconds(),
            "exp": token.expires_at.seconds(),
            "iss": app.config.issuer(),
        })
    }))
}
