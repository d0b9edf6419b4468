//! What the servers of this process log as errors. A test that drops its server fails if there was one, unless it said
//! before that it would happen.
//!
//! `KEYWARD_TEST_LOG=debug` prints the log.

use std::sync::{Mutex, OnceLock};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{EnvFilter, Layer, layer::Context, layer::SubscriberExt, registry::LookupSpan};

static ERRORS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static EXPECTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Begins to record, once per process.
pub fn init() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let printed = std::env::var("KEYWARD_TEST_LOG").ok().map(|filter| {
            tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(EnvFilter::new(filter))
        });
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Errors).with(printed));
    });
}

/// Errors that contain this text are no failure from now on, in any test of this process.
pub fn expect_errors(text: &str) {
    EXPECTED.lock().unwrap().push(text.to_owned());
}

/// The errors since the last call which nobody expects.
pub fn take_unexpected() -> Vec<String> {
    let errors = std::mem::take(&mut *ERRORS.lock().unwrap());
    let expected = EXPECTED.lock().unwrap();
    errors.into_iter().filter(|error| !expected.iter().any(|text| error.contains(text))).collect()
}

struct Errors;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Errors {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if *event.metadata().level() != Level::ERROR {
            return;
        }
        let mut text = Text(format!("{}:", event.metadata().target()));
        event.record(&mut text);
        for span in context.event_scope(event).into_iter().flatten() {
            text.0.push_str(&format!(" in {}", span.name()));
        }
        ERRORS.lock().unwrap().push(text.0);
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}
