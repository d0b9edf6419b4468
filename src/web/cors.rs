//! What scripts of other origins may read.

use actix_cors::Cors;
use actix_web::http::header;

/// Browsers' public clients may read these answers, from anywhere, and never with cookies.
pub fn public() -> Cors {
    Cors::default()
        .allow_any_origin()
        .send_wildcard()
        .allowed_methods(["GET", "POST"])
        .allowed_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT])
        .expose_headers([header::WWW_AUTHENTICATE, header::RETRY_AFTER, header::ETAG])
        .max_age(3600)
}
