//! Userinfo (OpenID Connect Core §5.3): the claims that the token's scopes and its request ask for.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde_json::{Value, json};

use crate::{
    app::App,
    identity::token,
    model::key::SigningAlgorithm,
    oauth::{
        claims,
        error::{Challenge, Code, OAuthError},
        id_token::ID_TOKEN_TYPE,
    },
};

/// `GET` and `POST /oauth/userinfo`, with the token in the Authorization header.
pub async fn answer(req: HttpRequest, app: web::Data<App>) -> HttpResponse {
    match userinfo(&req, &app).await {
        Ok(response) => response,
        Err(error) => error.respond(&req),
    }
}

/// The bearer token of a request (RFC 6750 §2.1); in no other place (RFC 9700 §4.3.2).
fn bearer(req: &HttpRequest) -> Result<&str, OAuthError> {
    let mut headers = req.headers().get_all(header::AUTHORIZATION);
    let missing = || {
        OAuthError {
            status: Some(actix_web::http::StatusCode::UNAUTHORIZED),
            ..OAuthError::new(Code::InvalidRequest, "expected an access token in the Authorization header, got none")
        }
        .with(Challenge::BearerWithoutError)
    };
    let value = headers.next().ok_or_else(missing)?;
    if headers.next().is_some() {
        return Err(OAuthError::new(Code::InvalidRequest, "expected one Authorization header, got several")
            .with(Challenge::Bearer));
    }
    match value.to_str().ok().and_then(|value| value.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => Ok(token.trim()),
        _ => Err(missing()),
    }
}

async fn userinfo(req: &HttpRequest, app: &App) -> Result<HttpResponse, OAuthError> {
    let invalid = || {
        OAuthError::new(Code::InvalidToken, "the access token is malformed, expired, revoked, or not for this server")
            .with(Challenge::Bearer)
    };
    let presented = bearer(req)?;
    let now = app.clock.now();
    let keys = app.keys.load_full();
    let issuer = app.config.issuer();
    let active = token::verify(app, presented, now).await?.ok_or_else(invalid)?;
    if !active.is_for(issuer) {
        return Err(invalid());
    }
    let (Some(principal), Some(grant), true) = (&active.principal, &active.grant, active.scope.contains("openid"))
    else {
        return Err(OAuthError::new(Code::InsufficientScope, "expected a person's access token with the scope openid")
            .with(Challenge::Bearer));
    };
    let mut about = claims::about(principal, &active.scope, &grant.details.userinfo_claims);
    about.insert("sub".to_owned(), json!(principal.id));
    let signed_with = active.client.metadata.userinfo_signed_response_alg.as_deref();
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    let Some(algorithm) = signed_with.and_then(|alg| alg.parse::<SigningAlgorithm>().ok()) else {
        return Ok(response.json(about));
    };
    // §5.3.2: a signed answer names who made it and for whom
    about.insert("iss".to_owned(), json!(issuer));
    about.insert("aud".to_owned(), json!(active.client.id));
    let jwt = keys.sign(algorithm, ID_TOKEN_TYPE, &Value::Object(about), now)?;
    Ok(response.content_type("application/jwt").body(jwt))
}
