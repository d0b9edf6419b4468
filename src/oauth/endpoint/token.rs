//! The token endpoint (RFC 6749 §3.2).

use actix_web::{Error, HttpRequest, HttpResponse, web};

use crate::{
    app::App,
    model::grant_type::GrantType,
    oauth::{
        client_auth,
        endpoint::refusal,
        error::{Code, OAuthError},
        grant::{self, TokenResponse},
        params::Params,
    },
};

/// `POST /oauth/token`: parameters come from the body only, never from the query.
pub async fn post(req: HttpRequest, app: web::Data<App>, body: Result<web::Bytes, Error>) -> HttpResponse {
    match answer(&req, &app, body).await {
        Ok(tokens) => tokens.respond(),
        Err(error) => {
            app.metrics.token_refusals.count([error.code.as_str()]);
            error.respond(&req)
        }
    }
}

async fn answer(req: &HttpRequest, app: &App, body: Result<web::Bytes, Error>) -> Result<TokenResponse, OAuthError> {
    let params = Params::from_body(req, body)?.unrepeated()?;
    let now = app.clock.now();
    let client = client_auth::authenticate(app, req, &params, now).await?;
    let grant: GrantType = params
        .required("grant_type")?
        .parse()
        .map_err(|e| OAuthError::new(Code::UnsupportedGrantType, format!("grant_type: {e}")))?;
    let name = refusal::proven(&client);
    let granted = grant::redeem(app, client, grant, &params, now).await;
    match &granted {
        Ok(_) => app.metrics.tokens_issued.count([grant.as_str()]),
        Err(error) => refusal::note(req, app, name, error).await,
    }
    granted
}
