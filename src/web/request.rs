//! Every request has an id: it is answered in `X-Request-Id`, shown on error pages, and stands on every log line.

use std::{
    future::{Ready, ready},
    time::Instant,
};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::Next,
    web,
};
use tracing::Instrument;

use crate::{
    app::App,
    model::{secret::random_text, time::Timestamp},
    telemetry::{
        self,
        trace::{self, Caller, Here},
    },
    web::{
        forwarded::{client_address, through_trusted_proxy},
        metered,
    },
};

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
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

/// Middleware: gives the request its id and its place in a trace, and writes one line when it was answered. Neither the
/// line nor the span around the request has the query or a body, which hold secrets, nor, unless that is wanted, the path or
/// the address, which tell of people. The span has the level of the worst lines, so that they have the id at any level.
pub async fn observe(
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = given(&req).unwrap_or_else(random_text::<12>);
    let here = place(&req);
    req.extensions_mut().insert(RequestId(id.clone()));
    let span = tracing::error_span!(
        "request",
        request_id = %id,
        trace_id = %here.context.trace(),
        span_id = %here.context.span(),
        method = %req.method(),
        path = telemetry::personal(req.path()),
        address = telemetry::personal(()).and_then(|()| address(&req)),
    );
    // probes and style sheets come all the time and tell nothing
    let quiet = req.path().starts_with("/health/") || req.path().contains("/static/") || !has_lines(&req);
    let (current, place) = (id.clone(), here.clone());
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
        let (endpoint, status) = (metered::endpoint(&response), response.status().as_u16());
        here.answered(begun, response.request().method().as_str(), endpoint, status);
        match quiet {
            true => tracing::debug!(endpoint, status, ms, "answered"),
            false => tracing::info!(endpoint, status, ms, "answered"),
        }
        Ok(response)
    };
    CURRENT.scope(current, trace::within(place, answered.instrument(span))).await
}

/// Whether requests have lines in the log.
fn has_lines(req: &ServiceRequest) -> bool {
    req.app_data::<web::Data<App>>().is_none_or(|app| app.config.log.requests)
}

fn address(req: &ServiceRequest) -> Option<String> {
    client_address(req.request(), &req.app_data::<web::Data<App>>()?.config).map(|address| address.to_string())
}

/// The request's place in a trace: the caller's if that is a trusted proxy. Anybody else could put requests of other
/// people into one trace with theirs, and have the collector flooded with traces that it was meant to be spared.
fn place(req: &ServiceRequest) -> Here {
    let Some(app) = req.app_data::<web::Data<App>>() else {
        return Here::new(None, None, || Timestamp::from_seconds(0));
    };
    let mut callers =
        req.headers().get_all(TRACEPARENT).filter(|_| through_trusted_proxy(req.peer_addr(), &app.config));
    let caller = match (callers.next(), callers.next()) {
        (Some(caller), None) => caller.to_str().ok().and_then(Caller::parse),
        _ => None,
    };
    Here::new(caller, app.traces.as_ref(), || app.clock.now())
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
