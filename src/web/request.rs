//! Every request has an id: it is answered in `X-Request-Id`, shown on error pages, and stands on every log line.

use std::future::{Ready, ready};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::Next,
    web,
};
use tokio::time::Instant;
use tracing::Instrument;

use crate::{
    app::App,
    model::secret::random_text,
    web::{forwarded::through_trusted_proxy, metered},
};

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// No id that a proxy gives is longer.
const MAX_LEN: usize = 64;

/// The id of the request; also an extractor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

impl FromRequest for RequestId {
    type Error = Error;
    type Future = Ready<Result<RequestId, Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(RequestId(request_id(req))))
    }
}

tokio::task_local! {
    /// The id of the request that this task is answering.
    static CURRENT: String;
}

/// The id of the request that this task is answering, for errors that become answers where no request is at hand.
pub fn current_id() -> String {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// The id of the request; empty where [`observe`] did not see it.
pub fn request_id(req: &HttpRequest) -> String {
    req.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}

/// Middleware: gives the request its id, and writes one line when it was answered. Neither the line nor the span
/// around the request has the query or a body, which hold secrets.
pub async fn observe(
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = given(&req).unwrap_or_else(random_text::<12>);
    req.extensions_mut().insert(RequestId(id.clone()));
    let span = tracing::info_span!("request", id = %id, method = %req.method(), path = %req.path());
    // probes and style sheets come all the time and tell nothing
    let quiet = req.path().starts_with("/health/") || req.path().contains("/static/");
    let current = id.clone();
    let answered = async move {
        let begun = Instant::now();
        let result = next.call(req).await;
        let took = begun.elapsed();
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let mut response = result.inspect_err(|error| {
            tracing::info!(status = error.as_response_error().status_code().as_u16(), ms, "answered");
        })?;
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(HEADER, value);
        }
        metered::note(&response, took);
        let status = response.status().as_u16();
        match quiet {
            true => tracing::debug!(status, ms, "answered"),
            false => tracing::info!(status, ms, "answered"),
        }
        Ok(response)
    };
    CURRENT.scope(current, answered.instrument(span)).await
}

/// The id that a trusted proxy gave, so that its log and ours fit together.
fn given(req: &ServiceRequest) -> Option<String> {
    let app = req.app_data::<web::Data<App>>()?;
    let id = req.headers().get(&HEADER)?.to_str().ok()?;
    (through_trusted_proxy(req.request().peer_addr(), &app.config) && is_sound(id)).then(|| id.to_owned())
}

fn is_sound(id: &str) -> bool {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    (1..=MAX_LEN).contains(&id.len()) && id.bytes().all(harmless)
}

#[cfg(test)]
mod tests {
    use actix_web::{
        middleware::from_fn,
        test::{TestRequest, call_service, init_service, read_body},
    };

    use super::*;

    #[actix_web::test]
    async fn a_request_has_one_id_for_handler_and_answer() {
        let echo = |id: RequestId| async move { id.0 };
        let app = init_service(actix_web::App::new().wrap(from_fn(observe)).route("/", web::get().to(echo))).await;
        let mut seen = Vec::new();
        for _ in 0..2 {
            let request = TestRequest::get().uri("/").insert_header((HEADER, "chosen-by-the-client")).to_request();
            let response = call_service(&app, request).await;
            let header = response.headers().get(HEADER).unwrap().to_str().unwrap().to_owned();
            assert_eq!(header.len(), 16);
            assert_eq!(read_body(response).await, header.as_bytes());
            seen.push(header);
        }
        assert_ne!(seen[0], seen[1]);
    }

    #[test]
    fn an_id_from_outside_must_be_harmless() {
        for good in ["a", "4bf92f35-77b3:4da6.a3ce_929d", &"x".repeat(64)] {
            assert!(is_sound(good), "{good}");
        }
        for bad in ["", " ", "a b", "a\tb", "ä", "<b>", "a\"b", &"x".repeat(65)] {
            assert!(!is_sound(bad), "{bad}");
        }
    }
}
