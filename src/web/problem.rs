//! Problem documents (RFC 9457): how programs are told what went wrong.

use std::{fmt, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde_json::{Value, json};

use super::request;
use crate::{
    directory::Refusal,
    model::problem::{Code, Fault, Problem},
    store,
};

/// How many seconds later a client may try again.
const RETRY_AFTER: &str = "5";
/// The same, in seconds, where an operator has to do something first.
const RETRY_AFTER_OPERATOR: &str = "3600";

/// A problem of no further type than its status, with `detail` for whoever sent the request, and with the code that says
/// the same as the status, where there is one.
pub fn problem(status: StatusCode, detail: &str, request_id: &str) -> HttpResponse {
    let code = [
        Code::NotFound,
        Code::MethodNotAllowed,
        Code::BodyTooLarge,
        Code::MediaTypeUnsupported,
        Code::HeadersTooLarge,
        Code::Internal,
    ]
    .into_iter()
    .find(|code| code.status() == status.as_u16());
    answer(status, code.map_or(json!({}), |code| json!({ "code": code.as_str() })), detail, request_id)
}

fn answer(status: StatusCode, more: Value, detail: &str, request_id: &str) -> HttpResponse {
    let mut body = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
        "request_id": request_id,
    });
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    HttpResponse::build(status)
        .content_type("application/problem+json")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(body.to_string())
}

/// How a caller is asked for a token (RFC 6750 §3).
#[derive(Clone, Debug)]
pub enum Challenge {
    /// There was none: no error is named.
    NoToken,
    /// It does not hold.
    InvalidToken,
    /// It lacks this permission: resource and action.
    InsufficientScope(&'static str, &'static str),
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Challenge::NoToken => f.write_str("Bearer realm=\"keyward\""),
            Challenge::InvalidToken => f.write_str("Bearer realm=\"keyward\", error=\"invalid_token\""),
            Challenge::InsufficientScope(resource, action) => {
                write!(f, "Bearer realm=\"keyward\", error=\"insufficient_scope\", scope=\"{resource}:{action}\"")
            }
        }
    }
}

/// What the APIs answer where they do not do what was asked: the error of their handlers.
#[derive(Debug)]
pub struct Declined {
    refusal: Refusal,
    challenge: Option<Challenge>,
    retry_after: Option<Duration>,
}

impl Declined {
    /// The same, asking for another token.
    pub fn challenge(mut self, challenge: Challenge) -> Declined {
        self.challenge = Some(challenge);
        self
    }

    /// The same, telling when it is worth trying again.
    pub fn retry_after(mut self, after: Duration) -> Declined {
        self.retry_after = Some(after);
        self
    }
}

impl<R: Into<Refusal>> From<R> for Declined {
    fn from(refusal: R) -> Declined {
        Declined { refusal: refusal.into(), challenge: None, retry_after: None }
    }
}

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}

/// The code of a declined request, for whoever looks at the answer on its way out.
#[derive(Clone, Copy, Debug)]
pub struct DeclinedWith(pub Code);

impl ResponseError for Declined {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.refusal.problem().code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        match &self.refusal {
            Refusal::Store(error @ (store::Error::Internal(_) | store::Error::Conflict(_))) => {
                tracing::error!(%error, "a request failed");
            }
            Refusal::Store(error) => tracing::warn!(%error, "a request could not be answered"),
            Refusal::Problem(_) => {}
        }
        let problem = self.refusal.problem();
        let mut response = respond(&problem);
        // RFC 9110 §15.5.2: no 401 without a challenge
        let invalid = (problem.code == Code::TokenInvalid).then_some(Challenge::InvalidToken);
        if let Some(value) = self.challenge.clone().or(invalid).and_then(|c| c.to_string().parse().ok()) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        if let Some(after) = self.retry_after {
            // whole seconds, never too early
            let seconds = after.as_millis().div_ceil(1000).max(1);
            if let Ok(value) = seconds.to_string().parse() {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
        }
        response
    }
}

/// The answer that says so, with when to come back where the problem's details know (`retryAfter`, seconds), and the id of
/// the request that this thread is working on.
pub fn respond(problem: &Problem) -> HttpResponse {
    let status = StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut more = json!({ "code": problem.code.as_str() });
    if !problem.errors.is_empty() {
        more["errors"] = problem.errors.iter().map(fault).collect();
    }
    let mut response = answer(status, more, &problem.detail, &request::current_id());
    let usual = match problem.code {
        Code::Unavailable | Code::TooManyRequests => Some(RETRY_AFTER),
        Code::MailNotConfigured => Some(RETRY_AFTER_OPERATOR),
        _ => None,
    };
    if let Some(usual) = usual {
        let known = problem.errors.first().and_then(|fault| fault.details.as_ref()?["retryAfter"].as_u64());
        let after = known.map_or(header::HeaderValue::from_static(usual), header::HeaderValue::from);
        response.headers_mut().insert(header::RETRY_AFTER, after);
    }
    response.extensions_mut().insert(DeclinedWith(problem.code));
    response
}

/// How the APIs say that a resource does not have a method.
pub fn wrong_method(req: &HttpRequest, allow: &str) -> HttpResponse {
    respond(&Problem::new(Code::MethodNotAllowed, format!("expected {allow}, got {}", req.method().as_str())))
}

fn fault(fault: &Fault) -> Value {
    let mut value = json!({ "code": fault.code.as_str(), "message": fault.message });
    if let Some(pointer) = &fault.pointer {
        value["pointer"] = json!(pointer);
    }
    if let Some(details) = &fault.details {
        value["details"] = details.clone();
    }
    value
}
