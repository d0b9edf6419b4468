//! `/resources/iam/principals/{id}/password/reset`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{nothing, terms};
use crate::{
    app::App,
    directory::{
        Precondition, Refusal,
        principal::{self, NewPassword, TemporaryPassword},
    },
    model::{password, problem::Code},
    web::{
        body::Body,
        caller::{Caller, need::PrincipalsWrite},
        idempotency::{Once, Reply},
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
    let (actor, id, terms) = (caller.actor, id.into_inner(), terms(&app, precondition));
    let once = Once::of(&app, &req, &actor, &body)?;
    nothing(&req, body)?;
    if let Some(answer) = once.before(&app).await? {
        return Ok(answer);
    }
    // a hash costs too much for whoever may not have it
    let asked = (actor.clone(), id.clone(), terms.clone());
    app.store.read(move |conn| principal::may_reset_password(conn, &asked.0, &asked.1, &asked.2)).await?;
    let password = password::generate();
    let busy = |_| Refusal::new(Code::Unavailable, "there are too many passwords to hash now; try again in a moment");
    let hash = app.hasher.hash(password.clone()).await.map_err(busy)?;
    let new = NewPassword { hash, expires_at: terms.now + app.config.passwords.temporary_lifetime };
    let shown = json!(TemporaryPassword {
        temporary_password: password.expose_secret().to_owned(),
        expires_at: new.expires_at.rfc3339(),
    });
    once.run(&app, move |tx| {
        let changed = principal::reset_password(tx, &actor, &id, &new, &terms)?;
        Ok(Reply { status: StatusCode::OK.as_u16(), etag: Some(changed.e_tag), body: shown.clone() })
    })
    .await
}
