//! `/resources/iam/principals/{id}/sessions`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use crate::{
    app::App,
    directory::{principal::session, session::SessionList},
    web::{
        answer,
        caller::{
            Caller,
            need::{SessionsDelete, SessionsRead},
        },
        problem::Declined,
        query::Flags,
    },
};

/// Where a principal is signed in, the youngest session first
#[utoipa::path(
    get, path = "/resources/iam/principals/{id}/sessions", tag = "principals",
    params(("id" = String, Path, format = "uuid", description = "The principal's id")),
    responses((status = 200, body = SessionList)),
    security(("oauth" = ["iam/sessions:read"]))
)]
pub async fn list(
    caller: Caller<SessionsRead>,
    req: HttpRequest,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    Flags::read(&req, &[])?;
    let (actor, id, now) = (caller.actor, id.into_inner(), app.clock.now());
    let list = app.store.read(move |conn| session::list(conn, &actor, &id, now)).await?;
    Ok(answer::value(StatusCode::OK, &list))
}

/// Ends a session, with what was granted in it
#[utoipa::path(
    delete, path = "/resources/iam/principals/{id}/sessions/{sessionId}", tag = "principals",
    params(
        ("id" = String, Path, format = "uuid", description = "The principal's id"),
        ("sessionId" = String, Path, description = "The session's id")
    ),
    responses((status = 204)),
    security(("oauth" = ["iam/sessions:delete"]))
)]
pub async fn end(
    caller: Caller<SessionsDelete>,
    req: HttpRequest,
    path: web::Path<(String, String)>,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    Flags::read(&req, &[])?;
    let (actor, (id, session), now) = (caller.actor, path.into_inner(), app.clock.now());
    app.store.write(move |tx| session::end(tx, &actor, &id, &session, now)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends all sessions of a principal, and all that was granted
#[utoipa::path(
    delete, path = "/resources/iam/principals/{id}/sessions", tag = "principals",
    params(("id" = String, Path, format = "uuid", description = "The principal's id")),
    responses((status = 204)),
    security(("oauth" = ["iam/sessions:delete"]))
)]
pub async fn end_all(
    caller: Caller<SessionsDelete>,
    req: HttpRequest,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    Flags::read(&req, &[])?;
    let (actor, id, now) = (caller.actor, id.into_inner(), app.clock.now());
    app.store.write(move |tx| session::end_all(tx, &actor, &id, now)).await?;
    Ok(HttpResponse::NoContent().finish())
}
