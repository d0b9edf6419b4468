//! What an OpenTelemetry collector is told: a span for each request and for each fetch, over OTLP/HTTP, by the project's
//! own exporter and batches. Its tracer is left out, with its spans in a context of its own: what is told is known at the
//! end of a request, where nothing is to be done unless there is a collector.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor},
};
use secrecy::ExposeSecret;
use tokio::runtime::Handle;

use super::trace::Context;
use crate::config;

/// How long the collector may take, also for the last spans of a server that stops.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells a collector of spans, in batches, from a thread of its own. What does not fit into its queue (2048 spans) is
/// dropped: no request waits. Cheap to clone.
#[derive(Clone)]
pub struct Exporter(Arc<Inner>);

struct Inner {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
    /// Of a hundred traces.
    percent: u32,
}

impl Exporter {
    /// An exporter to the configured collector, if one is. To be called within a Tokio runtime, which has to go on running
    /// for as long as anything is told.
    ///
    /// # Errors
    /// The TLS library cannot be set up, or the address cannot be used.
    pub fn new(options: &config::Otlp) -> anyhow::Result<Option<Exporter>> {
        let Some(endpoint) = &options.endpoint else { return Ok(None) };
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
        let client = Client { http, runtime: Handle::current(), fails: AtomicBool::new(false) };
        let headers =
            options.headers.as_ref().map(|headers| config::pairs(headers.expose_secret())).unwrap_or_default();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(PATIENCE)
            .with_headers(headers.into_iter().collect::<HashMap<_, _>>())
            .build()?;
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        let about = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let service = options.service_name.clone();
        processor.set_resource(&Resource::builder_empty().with_service_name(service).with_attribute(about).build());
        let scope = InstrumentationScope::builder("keyward").build();
        Ok(Some(Exporter(Arc::new(Inner { processor, scope, percent: options.sample_percent }))))
    }

    /// Whether a trace that begins here is told of: always the same for the same trace.
    pub fn wants(&self, trace_id: u128) -> bool {
        // the lower half, which is random whoever made it
        (trace_id as u64) % 100 < u64::from(self.0.percent)
    }

    /// Tells of a span.
    pub(super) fn tell(
        &self,
        context: &Context,
        name: String,
        span_kind: SpanKind,
        (start_time, end_time): (SystemTime, SystemTime),
        attributes: Vec<KeyValue>,
        status: Status,
    ) {
        let (trace_id, span_id) = (TraceId::from(context.trace_id), SpanId::from(context.span_id));
        self.0.processor.on_end(SpanData {
            span_context: SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: context.parent_id.map_or(SpanId::INVALID, SpanId::from),
            parent_span_is_remote: context.parent_id.is_some() && span_kind == SpanKind::Server,
            span_kind,
            name: Cow::Owned(name),
            start_time,
            end_time,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: self.0.scope.clone(),
        });
    }

    /// Tells what is left to be told, for a few seconds at most. Nothing is told after that.
    pub async fn stop(&self) {
        let exporter = self.clone();
        let _ = tokio::task::spawn_blocking(move || exporter.0.processor.shutdown_with_timeout(PATIENCE)).await;
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("percent", &self.0.percent).finish_non_exhaustive()
    }
}

/// This server's HTTP client, for the exporter's thread.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: Handle,
    /// Whether the last batch was not accepted.
    fails: AtomicBool,
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (about, body) = request.into_parts();
        let request = self.http.request(about.method, about.uri.to_string()).headers(about.headers).body(body);
        // the client needs the runtime, and the exporter's thread has none
        let answered = self.runtime.spawn(async move {
            let response = request.send().await?;
            let status = response.status();
            Ok::<_, reqwest::Error>((status, response.bytes().await?))
        });
        let answered = answered.await?;
        let problem = match &answered {
            Ok((status, _)) if status.is_success() => None,
            Ok((status, _)) => Some(format!("it answers {status}")),
            Err(error) => {
                Some(if error.is_timeout() { "it takes too long" } else { "it cannot be reached" }.to_owned())
            }
        };
        // said once, not for each batch
        match (self.fails.swap(problem.is_some(), Ordering::Relaxed), problem) {
            (false, Some(problem)) => tracing::warn!(problem, "the OpenTelemetry collector is told nothing"),
            (true, None) => tracing::info!("the OpenTelemetry collector is told again"),
            _ => {}
        }
        let (status, body) = answered?;
        Ok(Response::builder().status(status).body(body)?)
    }
}
