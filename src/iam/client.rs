//! `/resources/iam/clients`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use super::openapi::RolesBody;
use crate::{
    app::App,
    directory::{
        Precondition,
        client::{self, ClientDocument, ClientInput, Policy},
    },
    web::{
        answer,
        body::Body,
        caller::{
            Caller,
            need::{ClientsDelete, ClientsRead, ClientsWrite},
        },
        problem::Declined,
    },
};

/// A client
#[utoipa::path(
    get, path = "/resources/iam/clients/{id}", tag = "clients",
    params(("id" = String, Path, description = "The client's id")),
    responses(
        (status = 200, body = ClientDocument, headers(("ETag" = String, description = "The version"))),
        (status = 304, description = "The reader has this version")
    ),
    security(("oauth" = ["iam/clients:read"]))
)]
pub async fn get(
    caller: Caller<ClientsRead>,
    req: HttpRequest,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let (actor, id) = (caller.actor, id.into_inner());
    let client = app.store.read(move |conn| client::get(conn, &actor, &id)).await?;
    Ok(answer::read(&req, &client.e_tag, &client))
}

/// Makes a client, or replaces the members that are given
#[utoipa::path(
    put, path = "/resources/iam/clients/{id}", tag = "clients",
    params(("id" = String, Path, description = "A UUID or a slug: [A-Za-z0-9][A-Za-z0-9._-]{0,127}")),
    request_body = ClientInput,
    responses((status = 200, body = ClientDocument), (status = 201, body = ClientDocument)),
    security(("oauth" = ["iam/clients:write"]))
)]
pub async fn put(
    caller: Caller<ClientsWrite>,
    id: web::Path<String>,
    precondition: Precondition,
    body: Body,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let (actor, id, body) = (caller.actor, id.into_inner(), body.object()?);
    let (policy, now) = (Policy::of(&app.config), app.clock.now());
    let put =
        app.store.write(move |tx| client::put(tx, &actor, &id, body.clone(), &precondition, &policy, now)).await?;
    let status = if put.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer::object(status, &put.document.e_tag, &put.document))
}

/// Deletes a client; its id is never used again
#[utoipa::path(
    delete, path = "/resources/iam/clients/{id}", tag = "clients",
    params(("id" = String, Path, description = "The client's id")),
    responses((status = 204, description = "It is gone, with its secrets, grants and tokens")),
    security(("oauth" = ["iam/clients:delete"]))
)]
pub async fn delete(
    caller: Caller<ClientsDelete>,
    id: web::Path<String>,
    precondition: Precondition,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let (actor, id) = (caller.actor, id.into_inner());
    let (policy, now) = (Policy::of(&app.config), app.clock.now());
    app.store.write(move |tx| client::delete(tx, &actor, &id, &precondition, &policy, now)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Gives a client exactly these roles
#[utoipa::path(
    put, path = "/resources/iam/clients/{id}/roles", tag = "clients",
    params(("id" = String, Path, description = "The client's id")),
    request_body = RolesBody,
    responses((status = 200, body = ClientDocument)),
    security(("oauth" = ["iam/clients:write"]))
)]
pub async fn set_roles(
    caller: Caller<ClientsWrite>,
    id: web::Path<String>,
    precondition: Precondition,
    body: Body,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let (actor, id, body) = (caller.actor, id.into_inner(), body.value);
    let (policy, now) = (Policy::of(&app.config), app.clock.now());
    let client = app
        .store
        .write(move |tx| client::set_roles(tx, &actor, &id, body.clone(), &precondition, &policy, now))
        .await?;
    Ok(answer::object(StatusCode::OK, &client.e_tag, &client))
}

/// Suspends a client: it gets nothing any more, its tokens are refused, its grants end for good
#[utoipa::path(
    post, path = "/resources/iam/clients/{id}/suspend", tag = "clients",
    params(("id" = String, Path, description = "The client's id")),
    responses((status = 200, body = ClientDocument)),
    security(("oauth" = ["iam/clients:write"]))
)]
pub async fn suspend(
    caller: Caller<ClientsWrite>,
    id: web::Path<String>,
    precondition: Precondition,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let (actor, id) = (caller.actor, id.into_inner());
    let (policy, now) = (Policy::of(&app.config), app.clock.now());
    let client = app.store.write(move |tx| client::suspend(tx, &actor, &id, &precondition, &policy, now)).await?;
    Ok(answer::object(StatusCode::OK, &client.e_tag, &client))
}

/// Lets a suspended client act again; what it had does not come back
#[utoipa::path(
    post, path = "/resources/iam/clients/{id}/unsuspend", tag = "clients",
    params(("id" = String, Path, description = "The client's id")),
    responses((status = 200, body = ClientDocument)),
    security(("oauth" = ["iam/clients:write"]))
)]
pub async fn unsuspend(
    caller: Caller<ClientsWrite>,
    id: web::Path<String>,
    precondition: Precondition,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let (actor, id) = (caller.actor, id.into_inner());
    let (policy, now) = (Policy::of(&app.config), app.clock.now());
    let client = app.store.write(move |tx| client::unsuspend(tx, &actor, &id, &precondition, &policy, now)).await?;
    Ok(answer::object(StatusCode::OK, &client.e_tag, &client))
}
