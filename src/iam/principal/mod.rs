//! `/resources/iam/principals`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use super::openapi::RolesBody;
use crate::{
    app::App,
    directory::{
        Precondition,
        principal::{self, PrincipalDocument, PrincipalInput, Terms},
    },
    web::{
        answer,
        body::Body,
        caller::{
            Caller,
            need::{PrincipalsDelete, PrincipalsRead, PrincipalsWrite},
        },
        problem::Declined,
        query::Flags,
    },
};

pub mod password;
pub mod session;

fn terms(app: &App, precondition: Precondition) -> Terms {
    Terms { precondition, required: app.config.iam.require_if_match, now: app.clock.now() }
}

/// A principal
#[utoipa::path(
    get, path = "/resources/iam/principals/{id}", tag = "principals",
    params(("id" = String, Path, format = "uuid", description = "The principal's id")),
    responses(
        (status = 200, body = PrincipalDocument, headers(("ETag" = String, description = "The version"))),
        (status = 304, description = "The version of If-None-Match is the present one")
    ),
    security(("oauth" = ["iam/principals:read"]))
)]
pub async fn get(
    caller: Caller<PrincipalsRead>,
    req: HttpRequest,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    Flags::read(&req, &[])?;
    let (actor, id) = (caller.actor, id.into_inner());
    let principal = app.store.read(move |conn| principal::get(conn, &actor, &id)).await?;
    Ok(answer::read(&req, &principal.e_tag, &principal))
}

/// Makes a principal, or replaces the members that are given
#[utoipa::path(
    put, path = "/resources/iam/principals/{id}", tag = "principals",
    params(("id" = String, Path, format = "uuid", description = "The principal's id, chosen by whoever makes it")),
    request_body = PrincipalInput,
    responses(
        (status = 200, body = PrincipalDocument, headers(("ETag" = String, description = "The version"))),
        (status = 201, body = PrincipalDocument, headers(("ETag" = String, description = "The version")))
    ),
    security(("oauth" = ["iam/principals:write"]))
)]
pub async fn put(
    caller: Caller<PrincipalsWrite>,
    req: HttpRequest,
    id: web::Path<String>,
    precondition: Precondition,
    body: Body,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    Flags::read(&req, &[])?;
    let (actor, id, body, terms) = (caller.actor, id.into_inner(), body.object()?, terms(&app, precondition));
    let put = app.store.write(move |tx| principal::put(tx, &actor, &id, body.clone(), &terms)).await?;
    let status = if put.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer::object(status, &put.document.e_tag, &put.document))
}

/// Deletes a principal, whose sessions and grants end; the id is never used again
#[utoipa::path(
    delete, path = "/resources/iam/principals/{id}", tag = "principals",
    params(("id" = String, Path, format = "uuid", description = "The principal's id")),
    responses((status = 204)),
    security(("oauth" = ["iam/principals:delete"]))
)]
pub async fn delete(
    caller: Caller<PrincipalsDelete>,
    req: HttpRequest,
    id: web::Path<String>,
    precondition: Precondition,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    Flags::read(&req, &[])?;
    let (actor, id, terms) = (caller.actor, id.into_inner(), terms(&app, precondition));
    app.store.write(move |tx| principal::delete(tx, &actor, &id, &terms)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Gives a principal exactly these roles; the body may also be the bare array of their keys
#[utoipa::path(
    put, path = "/resources/iam/principals/{id}/roles", tag = "principals",
    params(("id" = String, Path, format = "uuid", description = "The principal's id")),
    request_body = RolesBody,
    responses((status = 200, body = PrincipalDocument, headers(("ETag" = String, description = "The version")))),
    security(("oauth" = ["iam/principals:write"]))
)]
pub async fn put_roles(
    caller: Caller<PrincipalsWrite>,
    req: HttpRequest,
    id: web::Path<String>,
    precondition: Precondition,
    body: Body,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    Flags::read(&req, &[])?;
    let (actor, id, body, terms) = (caller.actor, id.into_inner(), body.value, terms(&app, precondition));
    let changed = app.store.write(move |tx| principal::set_roles(tx, &actor, &id, body.clone(), &terms)).await?;
    Ok(answer::object(StatusCode::OK, &changed.e_tag, &changed))
}

/// Suspends a principal: no sign-in and no token any more; sessions and grants end for good
#[utoipa::path(
    post, path = "/resources/iam/principals/{id}/suspend", tag = "principals",
    params(("id" = String, Path, format = "uuid", description = "The principal's id")),
    responses((status = 200, body = PrincipalDocument, headers(("ETag" = String, description = "The version")))),
    security(("oauth" = ["iam/principals:write"]))
)]
pub async fn suspend(
    caller: Caller<PrincipalsWrite>,
    req: HttpRequest,
    id: web::Path<String>,
    precondition: Precondition,
    body: Body,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    nothing(&req, body)?;
    let (actor, id, terms) = (caller.actor, id.into_inner(), terms(&app, precondition));
    let changed = app.store.write(move |tx| principal::suspend(tx, &actor, &id, &terms)).await?;
    Ok(answer::object(StatusCode::OK, &changed.e_tag, &changed))
}

/// Lets a suspended principal act again, who signs in anew
#[utoipa::path(
    post, path = "/resources/iam/principals/{id}/unsuspend", tag = "principals",
    params(("id" = String, Path, format = "uuid", description = "The principal's id")),
    responses((status = 200, body = PrincipalDocument, headers(("ETag" = String, description = "The version")))),
    security(("oauth" = ["iam/principals:write"]))
)]
pub async fn unsuspend(
    caller: Caller<PrincipalsWrite>,
    req: HttpRequest,
    id: web::Path<String>,
    precondition: Precondition,
    body: Body,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    nothing(&req, body)?;
    let (actor, id, terms) = (caller.actor, id.into_inner(), terms(&app, precondition));
    let changed = app.store.write(move |tx| principal::unsuspend(tx, &actor, &id, &terms)).await?;
    Ok(answer::object(StatusCode::OK, &changed.e_tag, &changed))
}

/// Such a request says all in its address; an empty object is as good as no body.
fn nothing(req: &HttpRequest, body: Body) -> Result<(), Declined> {
    Flags::read(req, &[])?;
    match body.object_or_nothing()?.keys().next() {
        None => Ok(()),
        Some(name) => {
            use crate::{directory::Refusal, model::problem::Code};
            let message = format!("expected no body, got the field {}", crate::model::id::shown(name));
            Err(Refusal::new(Code::UnknownField, message).into())
        }
    }
}
