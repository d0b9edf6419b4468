//! Where the log goes: standard error, as text or JSON.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Log, LogFormat};

/// Begins to log as configured. A second call has no effect: the first one holds for the process.
///
/// # Errors
/// The filter cannot be read.
pub fn init(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(filter(&log.level))?;
    let lines = fmt().with_env_filter(filter).with_writer(io::stderr);
    let _ = match log.format {
        LogFormat::Text => lines.with_target(false).with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// The level for everybody is not meant for the framework's chatter about its workers.
fn filter(level: &str) -> String {
    match level.split(',').next() {
        Some("info") => format!("actix_server=warn,{level}"),
        _ => level.to_owned(),
    }
}

/// Logs warnings only, as text: for commands, whose output is what they print.
pub fn init_quiet() {
    let lines = fmt().with_env_filter(EnvFilter::new("warn")).with_writer(io::stderr).with_target(false);
    let _ = lines.with_ansi(io::stderr().is_terminal()).try_init();
}
