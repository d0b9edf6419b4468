//! `/resources/iam/principals`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use utoipa::ToSchema;

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
        listing::{ListQuery, PRINCIPALS, PageOf, PageParameters},
        problem::Declined,
        query::Flags,
    },
};

pub mod password;
pub mod session;

fn terms(app: &App, precondition: Precondition) -> Terms {
    Terms { precondition, required: app.config.iam.require_if_match, now: app.clock.now() }
}

/// A page of principals, as it is answered.
#[derive(Debug, ToSchema)]
#[allow(dead_code)] // what describes the answer; the envelope writes it
#[serde(rename_all = "camelCase")]
pub struct PrincipalList {
    principals: Vec<PrincipalDocument>,
    #[schema(inline)]
    #[serde(flatten)]
    page: PageOf,
}

/// Principals, in the order of their registration unless `orderBy` says `name`, `email` or `lastActiveAt`
#[utoipa::path(
    get, path = "/resources/iam/principals", tag = "principals", operation_id = "listPrincipals",
    params(
        ("name" = Option<String>, Query, description = "The name contains this, in whatever case", max_length = 200),
        ("email" = Option<String>, Query, description = "The email contains this, in whatever case", max_length = 200),
        ("q" = Option<String>, Query, description = "Name, email or phone contains this", max_length = 200),
        ("role" = Option<String>, Query, description = "This role is held", max_length = 200),
        ("roles" = Option<Vec<String>>, Query, description = "One of these roles is held; repeated or with commas"),
        ("rolePrefix" = Option<String>, Query, description = "A role is held whose key begins so", max_length = 200),
        ("includeSuspended" = Option<bool>, Query, description = "Suspended principals as well"),
        PageParameters,
    ),
    responses((status = 200, body = PrincipalList)),
    security(("oauth" = ["iam/principals:read"]))
)]
pub async fn list(
    caller: Caller<PrincipalsRead>,
    req: HttpRequest,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let sealer = &app.seals.cursor;
    let query = ListQuery::parse(req.query_string(), &PRINCIPALS, sealer)?;
    let (filter, page) = (query.principals(principal::visible(&caller.actor)), query.page.clone());
    let documents = app.documents.clone();
    let listed = app.store.list(move |conn| principal::list(conn, &documents, &filter, &page)).await?;
    Ok(answer::value(StatusCode::OK, &query.answer(listed, sealer)))
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
