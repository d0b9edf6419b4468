//! A document that many ask for, with a validator, so that whoever asks again transfers nothing.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, Header, IfNoneMatch},
};
use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// A strong entity tag of a text, with its quotes (RFC 9110 §8.8.3).
pub(super) fn etag(body: &str) -> String {
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, body.as_bytes())))
}

/// Answers with the document, or that it is the one that the client has (RFC 9110 §13.1.2); `etag` has its quotes.
pub(super) fn answer(
    req: &HttpRequest,
    body: &str,
    etag: &str,
    content_type: &'static str,
    cache_control: String,
) -> HttpResponse {
    let known = req.headers().contains_key(header::IF_NONE_MATCH) && is_known(req, etag);
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((header::ETAG, etag)).insert_header((header::CACHE_CONTROL, cache_control));
    match known {
        true => response.finish(),
        false => response.content_type(content_type).body(body.to_owned()),
    }
}

fn is_known(req: &HttpRequest, etag: &str) -> bool {
    match IfNoneMatch::parse(req) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| etag.trim_matches('"') == tag.tag()),
        Err(_) => false,
    }
}
