//! Token revocation (RFC 7009): of access tokens, JWTs too, and of refresh tokens with everything under their grant.

use actix_web::{Error, HttpRequest, HttpResponse, http::header, web};

use crate::{
    app::App,
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

    let (keys, sealer) = (app.keys.load_full(), &app.seals.access_token);
    let Some(token) = app.tokens.read(&keys, sealer, app.config.issuer(), presented, now) else { return Ok(()) };
    if *token.client_id != *client.id {
        return foreign();
    }
    app.store.write(move |tx| store::revoked_token::insert(tx, &token.jti, token.expires_at)).await?;
    Ok(())
}
