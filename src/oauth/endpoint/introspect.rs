//! Token introspection (RFC 7662): for authenticated clients only, about tokens that are meant for them.

use std::sync::Arc;

use actix_web::{Error, HttpRequest, HttpResponse, http::header, web};
use serde::{Serialize, Serializer, ser::SerializeMap};
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
        Ok(answer) => HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(answer),
        Err(error) => error.respond(&req),
    }
}

/// RFC 7662 §2.2.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    AccessToken(Description),
    Other(Value),
}

impl From<Option<Value>> for Answer {
    fn from(found: Option<Value>) -> Answer {
        Answer::Other(found.unwrap_or_else(|| json!({ "active": false })))
    }
}

async fn answer(req: &HttpRequest, app: &App, body: Result<web::Bytes, Error>) -> Result<Answer, OAuthError> {
    let params = Params::from_body(req, body)?.unrepeated()?;
    let now = app.clock.now();
    let caller = client_auth::authenticate(app, req, &params, now).await?;
    if caller.is_public() {
        // RFC 7662 §2.1: the endpoint must require some form of authorization
        return Err(OAuthError::new(Code::InvalidClient, "introspection is for clients that prove who they are"));
    }
    let presented = params.required("token")?;
    if let Some(refresh) = Secret::presented(Kind::RefreshToken, presented) {
        return Ok(refresh_token(app, caller, refresh, now).await?.into());
    }
    if let Some(secret) = Secret::presented(Kind::PersonalAccessToken, presented) {
        return Ok(about_personal(app, &caller, &secret, now).await?.into());
    }
    let keys = app.keys.load_full();
    let active = token::verify(&keys, &app.seals, &app.store, app.config.issuer(), presented, now).await?;
    Ok(match active.filter(|active| may_see(&caller, active)) {
        Some(active) => Answer::AccessToken(Description(active)),
        None => None.into(),
    })
}

/// The token's own client, a client that serves one of its audiences, or a client with the permission.
fn may_see(caller: &KnownClient, active: &ActiveToken) -> bool {
    active.client.id == caller.id
        || active.audiences().iter().any(|audience| caller.resources.iter().any(|served| served == audience))
        || caller.access.permissions.allows(RESOURCE, ACTION)
}

/// What is told of an access token: its claims, but roles and scopes as they are now.
struct Description(ActiveToken);

impl Serialize for Description {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let active = &self.0;
        let mut answer = serializer.serialize_map(None)?;
        answer.serialize_entry("active", &true)?;
        answer.serialize_entry("token_type", "Bearer")?;
        // the username is the email: for those who were granted it
        let told = active.principal.as_ref().filter(|_| active.scope.contains("email"));
        if let Some(username) = told.and_then(|principal| principal.email.as_ref()) {
            answer.serialize_entry("username", username)?;
        }
        for (name, value) in active.claims.iter() {
            match name.as_str() {
                "grant_id" => {}
                "roles" if active.roles().is_empty() => {}
                "roles" => answer.serialize_entry(name, active.roles())?,
                "scope" if active.scope.is_empty() => {}
                "scope" => answer.serialize_entry(name, &active.scope)?,
                _ => answer.serialize_entry(name, value)?,
            }
        }
        answer.end()
    }
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
