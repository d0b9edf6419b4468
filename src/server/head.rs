//! What is refused by the head of a request alone, before anything of its body is read.

use actix_web::{
    Error,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
    middleware::Next,
};

use crate::web::{problem::problem, request};

/// The most bytes that the path, the query and the headers of a request may have together.
pub(super) const MAX_HEAD: usize = 65_536;

/// Refuses a request whose head is too long, or whose body is encoded.
pub(super) async fn check<B: MessageBody>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let Some((status, detail)) = fault(&req) else {
        return next.call(req).await.map(ServiceResponse::map_into_left_body);
    };
    let mut response = problem(status, &detail, &request::request_id(req.request()));
    if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        // RFC 9110 §12.5.3: which codings would have been taken
        response.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    Ok(req.into_response(response).map_into_right_body())
}

fn fault(req: &ServiceRequest) -> Option<(StatusCode, String)> {
    let target = req.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target + size(req.headers()) > MAX_HEAD {
        let detail = format!("expected at most {MAX_HEAD} bytes of path, query and headers");
        // RFC 6585 §5
        return Some((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail));
    }
    // Nothing here unpacks bodies (the framework could, but only a thousand bytes out of one before it asks how many there
    // may be), so that what is encoded would be read as it is and make no sense. Bodies of other methods nobody reads.
    let has_body = matches!(*req.method(), Method::POST | Method::PUT | Method::PATCH);
    let encoded = |coding: &HeaderValue| !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    if has_body && req.headers().get_all(header::CONTENT_ENCODING).any(encoded) {
        let detail = "expected a body that is not encoded, got one with Content-Encoding";
        return Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, detail.to_owned()));
    }
    None
}

fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}
