//! `/resources/iam/principals/{id}/password/reset`

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use secrecy::ExposeSecret;

use super::{nothing, terms};
use crate::{
    app::App,
    directory::{
        Actor, Precondition, Refusal,
        principal::{self, NewPassword, TemporaryPassword, Terms},
    },
    model::{password, problem::Code},
    web::{
        answer,
        body::Body,
        caller::{Caller, need::PrincipalsWrite},
        problem::Declined,
    },
};

/// Replaces a principal's password by a temporary one, shown this once, that has to be replaced at the first sign-in;
/// sessions and grants end
#[utoipa::path(
    post, path = "/resources/iam/principals/{id}/password/reset", tag = "principals",
    params(("id" = String, Path, format = "uuid", description = "The principal's id")),
    responses((status = 200, body = TemporaryPassword, headers(("ETag" = String, description = "The principal's version")))),
    security(("oauth" = ["iam/principals:write"]))
)]
pub async fn reset(
    caller: Caller<PrincipalsWrite>,
    req: HttpRequest,
    id: web::Path<String>,
    precondition: Precondition,
    body: Body,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    nothing(&req, body)?;
    Ok(carry_out(&app, caller.actor, id.into_inner(), terms(&app, precondition)).await?)
}

async fn carry_out(app: &App, actor: Actor, id: String, terms: Terms) -> Result<HttpResponse, Refusal> {
    // a hash costs too much for whoever may not have it
    let asked = (actor.clone(), id.clone(), terms.clone());
    app.store.read(move |conn| principal::may_reset_password(conn, &asked.0, &asked.1, &asked.2)).await?;
    let password = password::generate();
    let busy = |_| Refusal::new(Code::Unavailable, "there are too many passwords to hash now; try again in a moment");
    let hash = app.hasher.hash(password.clone()).await.map_err(busy)?;
    let new = NewPassword { hash, expires_at: terms.now + app.config.passwords.temporary_lifetime };
    let shown = TemporaryPassword {
        temporary_password: password.expose_secret().to_owned(),
        expires_at: new.expires_at.rfc3339(),
    };
    let changed = app.store.write(move |tx| principal::reset_password(tx, &actor, &id, &new, &terms)).await?;
    let mut response = answer::value(StatusCode::OK, &shown);
    if let Ok(etag) = header::HeaderValue::from_str(&format!("\"{}\"", changed.e_tag)) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}
