//! Problem documents (RFC 9457), for programs that ask for what no face answers.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use serde_json::json;

/// A problem of no further type than its status, with `detail` for whoever sent the request.
pub fn problem(status: StatusCode, detail: &str, request_id: &str) -> HttpResponse {
    let body = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
        "request_id": request_id,
    });
    HttpResponse::build(status)
        .content_type("application/problem+json")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(body.to_string())
}
