//! The trace that a request is part of (W3C Trace Context): for log lines, for what this server asks of others, and for
//! the collector, if there is one.

use std::{
    cell::Cell,
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use opentelemetry::{
    KeyValue,
    trace::{SpanKind, Status},
};

use super::export::Exporter;
use crate::model::{secret::fill_random, time::Timestamp};

tokio::task_local! {
    /// Where the request stands that this task is answering.
    static CURRENT: Here;
}

/// A place in a trace, and who is told of it.
#[derive(Clone, Debug)]
pub struct Here {
    /// The place.
    pub context: Context,
    /// None where nobody is.
    recorder: Option<Arc<Recorder>>,
}

#[derive(Debug)]
struct Recorder {
    exporter: Exporter,
    /// What the clock showed when the request began, and the watch.
    wall: SystemTime,
    begun: Instant,
}

impl Here {
    /// The place of a request that begins `now`: within the caller's trace, or in a new one. The exporter, if there is one,
    /// is told of it if the caller has it recorded; of traces that begin here, of as many as it wants.
    pub fn new(caller: Option<Caller>, exporter: Option<&Exporter>, now: impl FnOnce() -> Timestamp) -> Here {
        let mut context = Context::of(caller);
        let wants = |exporter: &&Exporter| match caller {
            Some(caller) => caller.sampled,
            None => exporter.wants(context.trace_id),
        };
        let recorder = exporter.filter(wants).map(|exporter| {
            let since = Duration::from_millis(u64::try_from(now().millis()).unwrap_or(0));
            let (wall, begun) = (SystemTime::UNIX_EPOCH + since, Instant::now());
            Arc::new(Recorder { exporter: exporter.clone(), wall, begun })
        });
        context.sampled |= recorder.is_some();
        Here { context, recorder }
    }

    /// A place below this one, for something that is asked of others.
    pub fn child(&self) -> Here {
        Here { context: self.context.child(), recorder: self.recorder.clone() }
    }

    /// Tells that a request was answered that began at `begun`: its method and route, and the status.
    pub fn answered(&self, begun: Instant, method: &str, route: &str, status: u16) {
        let Some(recorder) = &self.recorder else { return };
        let attributes = vec![
            KeyValue::new("http.request.method", method.to_owned()),
            KeyValue::new("http.route", route.to_owned()),
            KeyValue::new("http.response.status_code", i64::from(status)),
        ];
        let failed = if status >= 500 { Status::error("") } else { Status::Unset };
        self.tell(recorder, begun, format!("{method} {route}"), SpanKind::Server, attributes, failed);
    }

    /// Tells that something was asked of another server, beginning at `begun`.
    pub fn asked(&self, begun: Instant, host: &str, failed: bool) {
        let Some(recorder) = &self.recorder else { return };
        let attributes =
            vec![KeyValue::new("http.request.method", "GET"), KeyValue::new("server.address", host.to_owned())];
        let status = if failed { Status::error("") } else { Status::Unset };
        self.tell(recorder, begun, "GET".to_owned(), SpanKind::Client, attributes, status);
    }

    fn tell(
        &self,
        recorder: &Recorder,
        begun: Instant,
        name: String,
        kind: SpanKind,
        attributes: Vec<KeyValue>,
        status: Status,
    ) {
        let at = |moment: Instant| recorder.wall + moment.saturating_duration_since(recorder.begun);
        recorder.exporter.tell(&self.context, name, kind, (at(begun), at(Instant::now())), attributes, status);
    }
}

/// A place in a trace: the trace, and this server's part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The trace.
    pub trace_id: u128,
    /// This server's part.
    pub span_id: u64,
    /// The caller's part, if the caller told.
    pub parent_id: Option<u64>,
    /// Whether the caller records the trace, or this server does.
    pub sampled: bool,
}

impl Context {
    /// Another place: within the caller's trace, or in a new one.
    pub fn of(caller: Option<Caller>) -> Context {
        match caller {
            Some(Caller { trace_id, span_id, sampled }) => {
                Context { trace_id, span_id: random(), parent_id: Some(span_id), sampled }
            }
            None => {
                let trace_id = (u128::from(random()) << 64) | u128::from(random());
                Context { trace_id, span_id: random(), parent_id: None, sampled: false }
            }
        }
    }

    /// A place below this one, for something that is asked of others.
    pub fn child(&self) -> Context {
        Context { span_id: random(), parent_id: Some(self.span_id), ..*self }
    }

    /// The trace in 32 hexadecimal digits.
    pub fn trace(&self) -> impl fmt::Display {
        Hex::<32>(self.trace_id)
    }

    /// This server's part in 16 hexadecimal digits.
    pub fn span(&self) -> impl fmt::Display {
        Hex::<16>(u128::from(self.span_id))
    }

    /// The value of `traceparent` for whoever is asked from here.
    pub fn header(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace(), self.span(), u8::from(self.sampled))
    }
}

struct Hex<const N: usize>(u128);

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0N$x}", self.0)
    }
}

/// What a caller says of its place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    trace_id: u128,
    span_id: u64,
    sampled: bool,
}

impl Caller {
    /// What a `traceparent` says; `None` unless it is well-formed (W3C Trace Context §3.2.2).
    pub fn parse(header: &str) -> Option<Caller> {
        let mut parts = header.split('-');
        let version = hex::<2>(parts.next()?)?;
        let (trace_id, span_id) = (hex::<32>(parts.next()?)?, hex::<16>(parts.next()?)?);
        let flags = hex::<2>(parts.next()?)?;
        // what later versions add is not known here, what version 00 adds does not exist
        let is_sound = version != 0xff && (version != 0 || parts.next().is_none()) && trace_id != 0 && span_id != 0;
        is_sound.then_some(Caller { trace_id, span_id: span_id as u64, sampled: flags & 1 == 1 })
    }
}

/// Lower-case digits, as many as there have to be.
fn hex<const N: usize>(text: &str) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == N && text.bytes().all(is_digit)).then(|| u128::from_str_radix(text, 16).ok())?
}

/// Eight random bytes that are not all zero. They need not be unpredictable, only different: each thread draws once from
/// the system, and goes on from there (SplitMix64).
fn random() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new({
            let mut bytes = [0; 8];
            fill_random(&mut bytes);
            u64::from_le_bytes(bytes)
        });
    }
    STATE.with(|state| {
        loop {
            let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
            state.set(next);
            let mixed = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let mixed = mixed ^ (mixed >> 31);
            if mixed != 0 {
                return mixed;
            }
        }
    })
}

/// Where the request stands that this task is answering.
pub fn current() -> Option<Here> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Does something at this place.
pub fn within<F: Future>(here: Here, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(here, work)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_caller_is_followed_if_it_is_well_formed() {
        let caller = Caller::parse(GOOD).unwrap();
        let context = Context::of(Some(caller));
        assert_eq!(context.trace().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((context.parent_id, context.sampled), (Some(0x00f0_67aa_0ba9_02b7), true));
        let child = context.child();
        assert_eq!((child.trace_id, child.parent_id), (context.trace_id, Some(context.span_id)));
        assert_eq!(Caller::parse(&child.header()).unwrap().span_id, child.span_id);
        assert!(Caller::parse(&GOOD.replace("-01", "-02")).is_some_and(|caller| !caller.sampled));
        for later in ["-00-x", "-03-", "-01-more-of-it"] {
            let header = GOOD.replacen("00-", "cc-", 1).replace("-01", later);
            assert!(Caller::parse(&header).is_some(), "{header}");
        }
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Caller::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn ids_differ_between_requests_and_threads() {
        let draw = || (0..1000).map(|_| random()).collect::<Vec<_>>();
        let elsewhere = std::thread::spawn(draw).join().unwrap();
        let all: std::collections::BTreeSet<u64> = draw().into_iter().chain(elsewhere).collect();
        assert_eq!(all.len(), 2000);
        let context = Context::of(None);
        assert_eq!((context.trace().to_string().len(), context.span().to_string().len()), (32, 16));
    }

    #[tokio::test]
    async fn a_task_knows_its_place() {
        assert!(current().is_none());
        let here = Here::new(None, None, || Timestamp::from_seconds(0));
        assert!(!here.context.sampled);
        let seen = within(here.clone(), async { current().map(|here| here.context) }).await;
        assert_eq!(seen, Some(here.context));
    }
}
