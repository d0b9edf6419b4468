//! The JWK Set (RFC 7517 §5).

use actix_web::{HttpRequest, HttpResponse, web};

use super::document;
use crate::app::App;

/// `GET /oauth/jwks`.
pub async fn get(req: HttpRequest, app: web::Data<App>) -> HttpResponse {
    let jwks = app.keys.load().jwks(app.clock.now());
    let cache = format!("public, max-age={}", app.config.keys.jwks_max_age.as_secs());
    document::answer(&req, &jwks.body, &jwks.etag, "application/jwk-set+json", cache)
}
