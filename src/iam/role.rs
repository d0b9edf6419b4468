//! `/resources/iam/roles`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use utoipa::ToSchema;

use crate::{
    app::App,
    directory::{
        Precondition,
        role::{self, RoleDocument, RoleInput},
    },
    model::permission::Attributes,
    store::listing::roles,
    web::{
        answer,
        body::Body,
        caller::{
            Caller,
            need::{RolesDelete, RolesRead, RolesWrite},
        },
        listing::{ListQuery, PageOf, PageParameters, ROLES},
        problem::Declined,
        query::Flags,
    },
};

/// A page of roles, as it is answered.
#[derive(Debug, ToSchema)]
#[allow(dead_code)] // what describes the answer; the envelope writes it
#[serde(rename_all = "camelCase")]
pub struct RoleList {
    roles: Vec<RoleDocument>,
    #[schema(inline)]
    #[serde(flatten)]
    page: PageOf,
}

/// Roles, in the order of their keys
#[utoipa::path(
    get, path = "/resources/iam/roles", tag = "roles", operation_id = "listRoles",
    params(
        ("prefix" = Option<String>, Query, description = "How the key begins", max_length = 200),
        PageParameters,
    ),
    responses((status = 200, body = RoleList)),
    security(("oauth" = ["iam/roles:read"]))
)]
pub async fn list(caller: Caller<RolesRead>, req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Declined> {
    // roles carry no attributes: a permission under a condition shows none of them
    caller.actor.must("iam/roles", "read", &Attributes::new())?;
    let sealer = &app.seals.cursor;
    let query = ListQuery::parse(req.query_string(), &ROLES, sealer)?;
    let (prefix, page) = (query.text("prefix").unwrap_or_default(), query.page.clone());
    let listed = app.store.list(move |conn| roles::list(conn, &prefix, &page)).await?;
    Ok(answer::value(StatusCode::OK, &query.answer(listed.map(|role| role::document(&role)), sealer)))
}

/// A role
#[utoipa::path(
    get, path = "/resources/iam/roles/{key}", tag = "roles",
    params(("key" = String, Path, max_length = 128, pattern = "^[A-Za-z0-9._-]+(:[A-Za-z0-9._-]+)+$",
            description = "The role's key; ':' plain or percent-encoded")),
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
    params(("key" = String, Path, max_length = 128, pattern = "^[A-Za-z0-9._-]+(:[A-Za-z0-9._-]+)+$",
            description = "The role's key; ':' plain or percent-encoded")),
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
        ("key" = String, Path, max_length = 128, pattern = "^[A-Za-z0-9._-]+(:[A-Za-z0-9._-]+)+$",
            description = "The role's key; ':' plain or percent-encoded"),
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
