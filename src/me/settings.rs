//! `/resources/me/settings`
//!
//! The object is free-form, so its version stands in the header only: a key `eTag` is a setting like any other.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use crate::{
    app::App,
    directory::{Precondition, settings},
    web::{
        answer,
        body::Body,
        caller::{
            Caller,
            need::{SettingsRead, SettingsWrite},
        },
        problem::Declined,
    },
};

/// A person's settings: whatever applications keep for the person, at most 100 keys of at most 64 characters, 8 levels
/// and 16384 bytes in all. Null removes a key.
#[derive(Debug, utoipa::ToSchema)]
#[schema(example = json!({"theme": "dark"}))]
#[allow(dead_code)] // the description of a free-form object
pub struct SettingsDocument(std::collections::BTreeMap<String, serde_json::Value>);

/// One's own settings
#[utoipa::path(
    get, path = "/resources/me/settings", tag = "me",
    responses((status = 200, body = SettingsDocument, headers(("ETag" = String, description = "The version")))),
    security(("oauth" = ["me/settings:read"]))
)]
pub async fn get(
    caller: Caller<SettingsRead>,
    req: HttpRequest,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let id = caller.person()?.id.clone();
    let settings = app.store.read(move |conn| settings::get(conn, &id)).await?;
    Ok(answer::read(&req, &settings.etag, &settings.values))
}

/// Replaces the settings that are given; null removes one, the others stay
#[utoipa::path(
    put, path = "/resources/me/settings", tag = "me",
    request_body = SettingsDocument,
    responses((status = 200, body = SettingsDocument, headers(("ETag" = String, description = "The version")))),
    security(("oauth" = ["me/settings:write"]))
)]
pub async fn put(
    caller: Caller<SettingsWrite>,
    precondition: Precondition,
    body: Body,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let (id, actor, changes) = (caller.person()?.id.clone(), caller.actor, body.object()?);
    let (required, now) = (app.config.iam.require_if_match, app.clock.now());
    let written =
        app.store.write(move |tx| settings::put(tx, &actor, &id, &changes, &precondition, required, now)).await?;
    Ok(answer::object(StatusCode::OK, &written.etag, &written.values))
}
