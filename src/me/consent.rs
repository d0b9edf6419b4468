//! `/resources/me/consents`: connected applications

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use crate::{
    app::App,
    directory::consent::{self, ConsentList},
    web::{
        answer,
        caller::{
            Caller,
            need::{ConsentsDelete, ConsentsRead},
        },
        problem::Declined,
        query::Flags,
    },
};

/// The applications that one has allowed something
#[utoipa::path(
    get, path = "/resources/me/consents", tag = "me",
    responses((status = 200, body = ConsentList)),
    security(("oauth" = ["me/consents:read"]))
)]
pub async fn list(
    caller: Caller<ConsentsRead>,
    req: HttpRequest,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    Flags::read(&req, &[])?;
    let id = caller.person()?.id.clone();
    let consents = app.store.read(move |conn| consent::list(conn, &id)).await?;
    Ok(answer::value(StatusCode::OK, &consents))
}

/// Disconnects an application: all that it holds in one's name ends
#[utoipa::path(
    delete, path = "/resources/me/consents/{clientId}", tag = "me",
    params(("clientId" = String, Path, description = "The application")),
    responses((status = 204)),
    security(("oauth" = ["me/consents:delete"]))
)]
pub async fn delete(
    caller: Caller<ConsentsDelete>,
    client: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let (id, actor, client, now) = (caller.person()?.id.clone(), caller.actor, client.into_inner(), app.clock.now());
    app.store.write(move |tx| consent::withdraw(tx, &actor, &id, &client, now)).await?;
    Ok(HttpResponse::NoContent().finish())
}
