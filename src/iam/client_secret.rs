//! `/resources/iam/clients/{id}/secrets`

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use serde_json::json;

use crate::{
    app::App,
    directory::{
        Precondition,
        client::{
            Policy,
            secrets::{self, NewSecretDocument, Prepared, SecretInput, SecretList},
        },
    },
    model::secret::{Kind, Secret},
    web::{
        answer,
        body::Body,
        caller::{
            Caller,
            need::{ClientsRead, ClientsWrite},
        },
        idempotency::{Once, Reply},
        problem::Declined,
        query::Flags,
    },
};

/// All secrets of a client, without their values
#[utoipa::path(
    get, path = "/resources/iam/clients/{id}/secrets", tag = "clients",
    params(("id" = String, Path, description = "The client's id")),
    responses((status = 200, body = SecretList)),
    security(("oauth" = ["iam/clients:read"]))
)]
pub async fn list(
    caller: Caller<ClientsRead>,
    req: HttpRequest,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    Flags::read(&req, &[])?;
    let (actor, id) = (caller.actor, id.into_inner());
    let secrets = app.store.read(move |conn| secrets::list(conn, &actor, &id)).await?;
    Ok(answer::value(StatusCode::OK, &secrets))
}

/// Makes a secret, whose value is in this answer and never again
#[utoipa::path(
    post, path = "/resources/iam/clients/{id}/secrets", tag = "clients",
    params(("id" = String, Path, description = "The client's id")),
    request_body = Option<SecretInput>,
    responses((
        status = 201, body = NewSecretDocument,
        headers(("ETag" = String, description = "The client's new version"))
    )),
    security(("oauth" = ["iam/clients:write"]))
)]
pub async fn create(
    caller: Caller<ClientsWrite>,
    req: HttpRequest,
    id: web::Path<String>,
    precondition: Precondition,
    body: Body,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let (actor, id) = (caller.actor, id.into_inner());
    let once = Once::of(&app, &req, &actor, &body)?;
    let body = body.object_or_nothing()?;
    let (policy, now) = (Policy::of(&app.config), app.clock.now());
    let secret = Secret::generate(Kind::ClientSecret);
    let prepared = Prepared::of(secret.reveal(), now);
    once.run(&app, move |tx| {
        let (made, etag) = secrets::create(tx, &actor, &id, body.clone(), &prepared, &precondition, &policy)?;
        let shown = NewSecretDocument {
            id: made.id,
            secret: secret.reveal().to_owned(),
            description: made.description,
            hint: made.hint,
            created_at: made.created_at,
            expires_at: made.expires_at,
        };
        Ok(Reply { status: StatusCode::CREATED.as_u16(), etag: Some(etag), body: json!(shown) })
    })
    .await
}

/// Removes a secret, which stops working at once
#[utoipa::path(
    delete, path = "/resources/iam/clients/{id}/secrets/{secretId}", tag = "clients",
    params(
        ("id" = String, Path, description = "The client's id"),
        ("secretId" = String, Path, description = "The secret's id")
    ),
    responses((
        status = 204, description = "It is gone",
        headers(("ETag" = String, description = "The client's new version"))
    )),
    security(("oauth" = ["iam/clients:write"]))
)]
pub async fn delete(
    caller: Caller<ClientsWrite>,
    path: web::Path<(String, String)>,
    precondition: Precondition,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let (actor, (id, secret)) = (caller.actor, path.into_inner());
    let (policy, now) = (Policy::of(&app.config), app.clock.now());
    let etag =
        app.store.write(move |tx| secrets::delete(tx, &actor, &id, &secret, &precondition, &policy, now)).await?;
    let mut response = HttpResponse::NoContent().finish();
    with_version(&mut response, &etag);
    Ok(response)
}

/// The client's version, which changes with its secrets.
fn with_version(response: &mut HttpResponse, etag: &str) {
    if let Ok(value) = header::HeaderValue::from_str(&format!("\"{etag}\"")) {
        response.headers_mut().insert(header::ETAG, value);
    }
}
