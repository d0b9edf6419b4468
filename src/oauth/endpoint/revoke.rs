//! Token revocation (RFC 7009): of access tokens, JWTs too, and of refresh tokens with everything under their grant.

use actix_web::{Error, HttpRequest, HttpResponse, http::header, web};
use serde_json::Value;

use crate::{
    app::App,
    identity::token,
    model::{
        secret::{Kind, Secret},
        time::Timestamp,
    },
    oauth::{
        client_auth,
        endpoint::refusal,
        error::{Code, OAuthError},
        params::Params,
    },
    store::{self, client::Client},
};

/// `POST /oauth/revoke`.
pub async fn post(req: HttpRequest, app: web::Data<App>, body: Result<web::Bytes, Error>) -> HttpResponse {
    match answer(&req, &app, body).await {
        Ok(()) => HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).finish(),
        Err(error) => error.respond(&req),
    }
}

/// `Ok` means that the token does not work any more, whether it ever did (RFC 7009 §2.2), and that this is on disk.
async fn answer(req: &HttpRequest, app: &App, body: Result<web::Bytes, Error>) -> Result<(), OAuthError> {
    let params = Params::from_body(req, body)?.unrepeated()?;
    let now = app.clock.now();
    let client = client_auth::authenticate(app, req, &params, now).await?;
    let presented = params.required("token")?;
    let name = refusal::proven(&client);
    let revoked = revoke(app, &client, presented, now).await;
    if let Err(error) = &revoked {
        refusal::note(req, app, name, error).await;
    }
    revoked
}

async fn revoke(app: &App, client: &Client, presented: &str, now: Timestamp) -> Result<(), OAuthError> {
    // RFC 7009 §2.1: a token that was issued to another client is refused
    let foreign = || Err(OAuthError::new(Code::InvalidGrant, "the token was issued to another client"));

    if let Some(refresh) = Secret::presented(Kind::RefreshToken, presented) {
        let hash = refresh.hash();
        let found = app.store.read(move |conn| match store::refresh_token::find(conn, &hash)? {
            Some(token) => store::grant::find(conn, &token.grant_id),
            None => Ok(None),
        });
        return match found.await? {
            Some(grant) if grant.client_id != client.id => foreign(),
            Some(grant) => {
                app.store.write(move |tx| store::grant::revoke(tx, &grant.id, now)).await?;
                Ok(())
            }
            None => Ok(()),
        };
    }

    let Some(claims) = token::read(&app.keys.load(), &app.seals, app.config.issuer(), presented, now) else {
        return Ok(());
    };
    if claims.get("client_id").and_then(Value::as_str) != Some(&client.id) {
        return foreign();
    }
    let expires_at = Timestamp::from_seconds(claims.get("exp").and_then(Value::as_i64).unwrap_or(0));
    if let Some(jti) = claims.get("jti").and_then(Value::as_str).map(str::to_owned) {
        app.store.write(move |tx| store::revoked_token::insert(tx, &jti, expires_at)).await?;
    }
    Ok(())
}
