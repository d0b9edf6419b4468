//! `/resources/me` and `/resources/me/profile`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use crate::{
    app::App,
    directory::{
        Precondition,
        profile::{self, ProfileDocument, ProfileInput},
    },
    web::{
        answer,
        body::Body,
        caller::{
            Caller,
            need::{ProfileRead, ProfileWrite},
        },
        problem::Declined,
    },
};

/// One's own profile; the same as `/resources/me/profile`
#[utoipa::path(
    get, path = "/resources/me", tag = "me",
    responses((status = 200, body = ProfileDocument, headers(("ETag" = String, description = "The version")))),
    security(("oauth" = ["me/profile:read"]))
)]
pub async fn me(caller: Caller<ProfileRead>, req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Declined> {
    get(caller, req, app).await
}

/// One's own profile
#[utoipa::path(
    get, path = "/resources/me/profile", tag = "me",
    responses((status = 200, body = ProfileDocument, headers(("ETag" = String, description = "The version")))),
    security(("oauth" = ["me/profile:read"]))
)]
pub async fn get(caller: Caller<ProfileRead>, req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Declined> {
    let (id, now) = (caller.person()?.id.clone(), app.clock.now());
    let profile = app.store.read(move |conn| profile::get(conn, &id, now)).await?;
    Ok(answer::read(&req, &profile.e_tag, &profile))
}

/// Replaces the members that are given; a new phone number is not verified
#[utoipa::path(
    put, path = "/resources/me/profile", tag = "me",
    request_body = ProfileInput,
    responses((status = 200, body = ProfileDocument, headers(("ETag" = String, description = "The version")))),
    security(("oauth" = ["me/profile:write"]))
)]
pub async fn put(
    caller: Caller<ProfileWrite>,
    precondition: Precondition,
    body: Body,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let (id, actor, body) = (caller.person()?.id.clone(), caller.actor, body.object()?);
    let (required, now) = (app.config.iam.require_if_match, app.clock.now());
    let written =
        app.store.write(move |tx| profile::put(tx, &actor, &id, body.clone(), &precondition, required, now)).await?;
    Ok(answer::object(StatusCode::OK, &written.e_tag, &written))
}
