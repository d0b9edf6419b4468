//! The protocol face: what client programs talk to (RFC 6749, OpenID Connect).

/// Mounts the endpoints.
pub fn routes(_: &mut actix_web::web::ServiceConfig) {}
