//! Token introspection (RFC 7662): for authenticated clients only, about tokens that are meant for them.

use std::sync::Arc;

use actix_web::{Error, HttpRequest, HttpResponse, http::header, web};
use serde_json::{Map, Value, json};

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
            .json(answer.unwrap_or_else(|| json!({ "active": false }))),
        Err(error) => error.respond(&req),
    }
}

async fn answer(req: &HttpRequest, app: &App, body: Result<web::Bytes, Error>) -> Result<Option<Value>, OAuthError> {
    let params = Params::from_body(req, body)?.unrepeated()?;
    let now = app.clock.now();
    let caller = client_auth::authenticate(app, req, &params, now).await?;
    if caller.is_public() {
        // RFC 7662 §2.1: the endpoint must require some form of authorization
        return Err(OAuthError::new(Code::InvalidClient, "introspection is for clients that prove who they are"));
    }
    let presented = params.required("token")?;
    if let Some(refresh) = Secret::presented(Kind::RefreshToken, presented) {
        return refresh_token(app, caller, refresh, now).await;
    }
    if let Some(secret) = Secret::presented(Kind::PersonalAccessToken, presented) {
        return about_personal(app, &caller, &secret, now).await;
    }
    let keys = app.keys.load_full();
    let active = token::verify(&keys, &app.seals, &app.store, app.config.issuer(), presented, now).await?;
    let Some(active) = active else { return Ok(None) };
    if !may_see(&caller, &active) {
        return Ok(None);
    }
    Ok(Some(describe(active)))
}

/// The token's own client, a client that serves one of its audiences, or a client with the permission.
fn may_see(caller: &KnownClient, active: &ActiveToken) -> bool {
    active.client.id == caller.id
        || active.audiences().iter().any(|audience| caller.resources.iter().any(|served| served == audience))
        || caller.access.permissions.allows(RESOURCE, ACTION)
}

fn describe(active: ActiveToken) -> Value {
    let mut answer = Map::new();
    answer.insert("active".to_owned(), json!(true));
    answer.insert("token_type".to_owned(), json!("Bearer"));
    // the username is the email: for those who were granted it
    let told = active.principal.as_ref().filter(|_| active.scope.contains("email"));
    if let Some(username) = told.and_then(|principal| principal.email.as_ref()) {
        answer.insert("username".to_owned(), json!(username));
    }
    let roles = active.access.roles.clone();
    for (name, value) in active.claims {
        // what the subject's roles and its scopes are now, not when the token was made
        let value = match name.as_str() {
            "grant_id" => continue,
            "roles" if roles.is_empty() => continue,
            "roles" => json!(roles),
            "scope" if active.scope.is_empty() => continue,
            "scope" => json!(active.scope),
            _ => value,
        };
        answer.insert(name, value);
    }
    Value::Object(answer)
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
