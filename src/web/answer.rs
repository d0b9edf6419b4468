//! How the APIs answer with objects.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use serde::Serialize;

use super::precondition::is_known;

/// An object in this version, with its strong ETag.
pub fn object(status: StatusCode, etag: &str, object: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::ETAG, format!("\"{etag}\"")))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .json(object)
}

/// An object that was asked for: 304 without a body where the reader has this version (RFC 9110 §15.4.5).
pub fn read(req: &HttpRequest, etag: &str, value: &impl Serialize) -> HttpResponse {
    if is_known(req, etag) {
        return HttpResponse::NotModified().insert_header((header::ETAG, format!("\"{etag}\""))).finish();
    }
    object(StatusCode::OK, etag, value)
}

/// Something without a version, such as a list.
pub fn value(status: StatusCode, value: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status).insert_header((header::CACHE_CONTROL, "no-store")).json(value)
}
