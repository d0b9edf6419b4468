//! The log: standard error, as text or JSON. And the trace that a request is part of, which an OpenTelemetry collector may
//! be told of.

use std::{
    io::{self, IsTerminal},
    panic,
    sync::atomic::{AtomicBool, Ordering},
};

use tracing::{Level, Metadata, field::display};
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, fmt, fmt::format::JsonFields, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use crate::config::{Log, LogFormat};

pub mod export;
mod json;
mod level;
pub mod trace;

pub use level::{Levels, request as request_level};

/// Whether the log may have what concerns people.
static PERSONAL: AtomicBool = AtomicBool::new(false);

/// Begins to log as configured; what comes back changes the level later. A second call has no effect: the first one holds
/// for the process.
///
/// # Errors
/// The filter cannot be read.
pub fn init(log: &Log) -> anyhow::Result<Levels> {
    let (filter, handle) = reload::Layer::new(filter(&log.level)?);
    let personal = log.personal_data;
    let base = tracing_subscriber::registry().with(filter).with(filter_fn(move |what| is_told(what, personal)));
    let lines = fmt::layer().with_writer(io::stderr);
    let begun = match log.format {
        LogFormat::Text => base.with(lines.with_target(false).with_ansi(io::stderr().is_terminal())).try_init(),
        LogFormat::Json => base.with(lines.event_format(json::Json).fmt_fields(JsonFields::new())).try_init(),
    };
    if begun.is_ok() {
        PERSONAL.store(personal, Ordering::Relaxed);
        // A line of the log as any other, for whoever reads it by program; its message may quote what somebody has sent
        panic::set_hook(Box::new(|panicked| {
            let (place, said) = (panicked.location().map(display), panicked.payload_as_str().and_then(self::personal));
            tracing::error!(target: "keyward::panic", place, said, "a thread has panicked: this is a fault of the program");
        }));
    }
    Ok(Levels::new(log.level.clone(), handle))
}

/// Libraries tell below `info` what passes through them: names, headers, whole messages.
fn is_told(what: &Metadata<'_>, personal: bool) -> bool {
    *what.level() <= Level::INFO || what.target().starts_with("keyward") || personal
}

/// A value for the log that may concern a person (an address, a path, what somebody has sent), or nothing where
/// `log.personal_data` is off.
pub fn personal<T>(value: T) -> Option<T> {
    PERSONAL.load(Ordering::Relaxed).then_some(value)
}

/// What is logged. A request that is no HTTP is its sender's error, not ours: anybody could fill the log with such lines.
/// And the level for everybody is not meant for the framework's chatter about its workers.
fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    let chatter = if level.split(',').next() == Some("info") { "actix_server=warn," } else { "" };
    Ok(EnvFilter::builder().parse(format!("actix_http::h1::dispatcher=off,{chatter}{level}"))?)
}

/// Logs warnings only, as text: for commands, whose output is what they print.
pub fn init_quiet() {
    let lines = fmt().with_env_filter(EnvFilter::new("warn")).with_writer(io::stderr).with_target(false);
    let _ = lines.with_ansi(io::stderr().is_terminal()).try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_requests_fill_no_log_unless_that_is_wanted() {
        let shown = |level: &str| filter(level).unwrap().to_string();
        assert!(shown("info").contains("actix_http::h1::dispatcher=off"), "{}", shown("info"));
        let wanted = shown("info,actix_http::h1::dispatcher=error");
        assert!(!wanted.contains("off") && wanted.contains("dispatcher=error"), "{wanted}");
        assert!(filter("=,=").is_err());
    }
}
