//! What is known of the request that is answered.

use actix_web::{HttpMessage, HttpRequest};

/// The id of a request, put into its extensions where it comes in.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// The request's id; empty where none was given to it.
pub fn request_id(req: &HttpRequest) -> String {
    req.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}
