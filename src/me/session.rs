//! `/resources/me/sessions`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use crate::{
    app::App,
    directory::session::{self, SessionList},
    web::{
        answer,
        caller::{
            Caller,
            need::{MySessionsDelete, MySessionsRead},
        },
        problem::Declined,
        query::Flags,
    },
};

/// The browsers in which one is signed in
#[utoipa::path(
    get, path = "/resources/me/sessions", tag = "me",
    responses((status = 200, body = SessionList)),
    security(("oauth" = ["me/sessions:read"]))
)]
pub async fn list(
    caller: Caller<MySessionsRead>,
    req: HttpRequest,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    Flags::read(&req, &[])?;
    let (id, own, now) = (caller.person()?.id.clone(), caller.bearer.session_id, app.clock.now());
    let sessions = app.store.read(move |conn| session::list(conn, &id, Some(own.as_deref()), now)).await?;
    Ok(answer::value(StatusCode::OK, &sessions))
}

/// Ends a session, with all that was granted in it
#[utoipa::path(
    delete, path = "/resources/me/sessions/{id}", tag = "me",
    params(("id" = String, Path, description = "The session's id")),
    responses((status = 204)),
    security(("oauth" = ["me/sessions:delete"]))
)]
pub async fn delete(
    caller: Caller<MySessionsDelete>,
    sid: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let (id, actor, sid, now) = (caller.person()?.id.clone(), caller.actor, sid.into_inner(), app.clock.now());
    app.store.write(move |tx| session::end(tx, &actor, &id, &sid, now)).await?;
    Ok(HttpResponse::NoContent().finish())
}
