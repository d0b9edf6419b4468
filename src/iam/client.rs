//! `/resources/iam/clients`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use utoipa::ToSchema;

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
        listing::{CLIENTS, ListQuery, PageOf, PageParameters},
        problem::Declined,
    },
};

/// A page of clients, as it is answered.
#[derive(Debug, ToSchema)]
#[allow(dead_code)] // what describes the answer; the envelope writes it
#[serde(rename_all = "camelCase")]
pub struct ClientList {
    clients: Vec<ClientDocument>,
    #[schema(inline)]
    #[serde(flatten)]
    page: PageOf,
}

/// Clients, in the order of their registration unless `orderBy` says `name` or `id`
#[utoipa::path(
    get, path = "/resources/iam/clients", tag = "clients", operation_id = "listClients",
    params(
        ("name" = Option<String>, Query, description = "The name contains this, in whatever case", max_length = 200),
        ("q" = Option<String>, Query, description = "Name or id contains this", max_length = 200),
        ("role" = Option<String>, Query, description = "This role is held", max_length = 200),
        ("roles" = Option<Vec<String>>, Query, description = "One of these roles is held; repeated or with commas"),
        ("rolePrefix" = Option<String>, Query, description = "A role is held whose key begins so", max_length = 200),
        ("includeSuspended" = Option<bool>, Query, description = "Suspended clients as well"),
        ("includeSystem" = Option<bool>, Query, description = "Built-in clients as well"),
        PageParameters,
    ),
    responses((status = 200, body = ClientList)),
    security(("oauth" = ["iam/clients:read"]))
)]
pub async fn list(
    caller: Caller<ClientsRead>,
    req: HttpRequest,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let sealer = &app.seals.cursor;
    let query = ListQuery::parse(req.query_string(), &CLIENTS, sealer)?;
    let (filter, page) = (query.clients(client::visible(&caller.actor)), query.page.clone());
    let listed = app.store.list(move |conn| client::list(conn, &filter, &page)).await?;
    Ok(answer::value(StatusCode::OK, &query.answer(listed, sealer)))
}

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
