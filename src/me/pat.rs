//! `/resources/me/pat`: personal access tokens

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::{Value, json};

use crate::{
    app::App,
    directory::{
        document,
        personal_access_token::{
            self, NewPersonalAccessTokenDocument, PersonalAccessTokenInput, PersonalAccessTokenList,
        },
        profile,
    },
    model::secret::{Kind, Secret},
    store::Tx,
    web::{
        answer,
        body::Body,
        caller::{
            Caller,
            need::{PatDelete, PatRead, PatWrite},
        },
        idempotency::{Once, Reply},
        problem::Declined,
        query::Flags,
    },
};

/// One's own personal access tokens, the youngest first
#[utoipa::path(
    get, path = "/resources/me/pat", tag = "me",
    responses((status = 200, body = PersonalAccessTokenList)),
    security(("oauth" = ["me/pat:read"]))
)]
pub async fn list(caller: Caller<PatRead>, req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Declined> {
    Flags::read(&req, &[])?;
    let (id, now) = (caller.person()?.id.clone(), app.clock.now());
    let tokens = app.store.read(move |conn| personal_access_token::list(conn, &id, now)).await?;
    Ok(answer::value(StatusCode::OK, &tokens))
}

/// Makes a personal access token, whose value is shown this once. A personal access token makes no others.
#[utoipa::path(
    post, path = "/resources/me/pat", tag = "me",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same body makes one token and gets one answer")),
    request_body = PersonalAccessTokenInput,
    responses((status = 201, body = NewPersonalAccessTokenDocument)),
    security(("oauth" = ["me/pat:write"]))
)]
pub async fn create(
    caller: Caller<PatWrite>,
    req: HttpRequest,
    body: Body,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    caller.signed_in()?;
    let once = Once::of(&app, &req, &caller.actor, &body)?;
    let input: PersonalAccessTokenInput = document::read(Value::Object(body.object()?))?;
    let (id, actor, grant) = (caller.person()?.id.clone(), caller.actor, caller.bearer.grant_id);
    // before an answer is given again: this token may be weaker than the one that got it
    personal_access_token::scope(&actor, &input)?;
    if let Some(before) = once.before(&app).await? {
        return Ok(before);
    }
    let (value, config, now) =
        (Secret::generate(Kind::PersonalAccessToken), app.config.tokens.clone(), app.clock.now());
    let act = move |tx: &mut Tx<'_>| {
        let document = personal_access_token::create(tx, &actor, &id, &input, &value, &config, now)?;
        profile::grant_holds(tx, grant.as_deref())?;
        let token = value.reveal().to_owned();
        Ok(Reply { status: 201, etag: None, body: json!(NewPersonalAccessTokenDocument { document, token }) })
    };
    once.run(&app, act).await
}

/// Ends a personal access token
#[utoipa::path(
    delete, path = "/resources/me/pat/{id}", tag = "me",
    params(("id" = String, Path, description = "The token's id")),
    responses((status = 204)),
    security(("oauth" = ["me/pat:delete"]))
)]
pub async fn delete(
    caller: Caller<PatDelete>,
    token: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let (id, actor, token, now) = (caller.person()?.id.clone(), caller.actor, token.into_inner(), app.clock.now());
    app.store.write(move |tx| personal_access_token::delete(tx, &actor, &id, &token, now)).await?;
    Ok(HttpResponse::NoContent().finish())
}
