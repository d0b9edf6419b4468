//! The JWK Set (RFC 7517 §5), with a validator, so that clients that ask again transfer nothing.

use actix_web::{
    HttpResponse,
    http::header::{self, EntityTag, IfNoneMatch},
    web,
};

use crate::app::App;

/// `GET /oauth/jwks`.
pub async fn get(app: web::Data<App>, if_none_match: Option<web::Header<IfNoneMatch>>) -> HttpResponse {
    let jwks = app.keys.load().jwks(app.clock.now());
    let known = match if_none_match.map(web::Header::into_inner) {
        Some(IfNoneMatch::Any) => true,
        Some(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| jwks.etag.trim_matches('"') == tag.tag()),
        None => false,
    };
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    let max_age = app.config.keys.jwks_max_age.as_secs();
    response
        .insert_header(header::ETag(EntityTag::new_strong(jwks.etag.trim_matches('"').to_owned())))
        .insert_header((header::CACHE_CONTROL, format!("public, max-age={max_age}")));
    if known {
        return response.finish();
    }
    response.content_type("application/jwk-set+json").body(jwks.body.clone())
}
