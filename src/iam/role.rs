//! `/resources/iam/roles`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use crate::{
    app::App,
    directory::{
        Precondition,
        role::{self, RoleDocument, RoleInput},
    },
    web::{
        answer,
        body::Body,
        caller::{
            Caller,
            need::{RolesDelete, RolesRead, RolesWrite},
        },
        problem::Declined,
        query::Flags,
    },
};

/// All roles, in the order of their keys
#[utoipa::path(
    get, path = "/resources/iam/roles", tag = "roles",
    responses((status = 501)),
    security(("oauth" = ["iam/roles:read"]))
)]
pub async fn list(_caller: Caller<RolesRead>, _app: web::Data<App>) -> Result<HttpResponse, Declined> {
    Ok(HttpResponse::NotImplemented().finish())
}

/// A role
#[utoipa::path(
    get, path = "/resources/iam/roles/{key}", tag = "roles",
    params(("key" = String, Path, description = "The role's key; ':' plain or percent-encoded")),
    responses((status = 200, body = RoleDocument, headers(("ETag" = String, description = "The version")))),
    security(("oauth" = ["iam/roles:read"]))
)]
pub async fn get(
    caller: Caller<RolesRead>,
    req: HttpRequest,
    key: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let (actor, key) = (caller.actor, key.into_inner());
    let role = app.store.read(move |conn| role::get(conn, &actor, &key)).await?;
    Ok(answer::read(&req, &role.e_tag, &role))
}

/// Makes a role, or replaces the members that are given
#[utoipa::path(
    put, path = "/resources/iam/roles/{key}", tag = "roles",
    params(("key" = String, Path, description = "The role's key; ':' plain or percent-encoded")),
    request_body = RoleInput,
    responses((status = 200, body = RoleDocument), (status = 201, body = RoleDocument)),
    security(("oauth" = ["iam/roles:write"]))
)]
pub async fn put(
    caller: Caller<RolesWrite>,
    key: web::Path<String>,
    precondition: Precondition,
    body: Body,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let (actor, key, body) = (caller.actor, key.into_inner(), body.object()?);
    let (required, now) = (app.config.iam.require_if_match, app.clock.now());
    let put =
        app.store.write(move |tx| role::put(tx, &actor, &key, body.clone(), &precondition, required, now)).await?;
    let status = if put.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer::object(status, &put.document.e_tag, &put.document))
}

/// Deletes a role
#[utoipa::path(
    delete, path = "/resources/iam/roles/{key}", tag = "roles",
    params(
        ("key" = String, Path, description = "The role's key; ':' plain or percent-encoded"),
        ("force" = Option<bool>, Query, description = "Also where somebody has the role, who then has it no more")
    ),
    responses((status = 204)),
    security(("oauth" = ["iam/roles:delete"]))
)]
pub async fn delete(
    caller: Caller<RolesDelete>,
    req: HttpRequest,
    key: web::Path<String>,
    precondition: Precondition,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let (actor, key) = (caller.actor, key.into_inner());
    let force = Flags::read(&req, &["force"])?.is_set("force");
    let (required, now) = (app.config.iam.require_if_match, app.clock.now());
    app.store.write(move |tx| role::delete(tx, &actor, &key, force, &precondition, required, now)).await?;
    Ok(HttpResponse::NoContent().finish())
}
