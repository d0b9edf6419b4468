//! Refusals of clients that have proven who they are go to the audit log.

use actix_web::HttpRequest;

use crate::{
    app::App,
    directory::Actor,
    oauth::error::OAuthError,
    store::client::Client,
    web::{forwarded::client_address, refusals, request::request_id},
};

/// The id of a client that has proven who it is; none for a public one, which is whoever says so.
pub(super) fn proven(client: &Client) -> Option<String> {
    (!client.is_public()).then(|| client.id.clone())
}

/// Notes what this client was refused; requests that are merely wrong are no refusals.
pub(super) async fn note(req: &HttpRequest, app: &App, client: Option<String>, error: &OAuthError) {
    if let Some(id) = client.filter(|_| error.is_refusal()) {
        let actor = Actor::client(&id, client_address(req, &app.config), request_id(req));
        refusals::tell(req, app, &actor, error.code.as_str()).await;
    }
}
