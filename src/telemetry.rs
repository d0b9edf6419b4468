//! Where the log goes: standard error, as text or JSON.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Log, LogFormat};

/// Begins to log as configured. A second call has no effect: the first one holds for the process.
///
/// # Errors
/// The filter cannot be read.
pub fn init(log: &Log) -> anyhow::Result<()> {
    let lines = fmt().with_env_filter(filter(log)?).with_writer(io::stderr);
    let _ = match log.format {
        LogFormat::Text => lines.with_target(false).with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// What is logged. A request that is no HTTP is its sender's error, not ours: anybody could fill the log with such lines.
/// And the level for everybody is not meant for the framework's chatter about its workers.
fn filter(log: &Log) -> anyhow::Result<EnvFilter> {
    let chatter = if log.level.split(',').next() == Some("info") { "actix_server=warn," } else { "" };
    Ok(EnvFilter::builder().parse(format!("actix_http::h1::dispatcher=off,{chatter}{}", log.level))?)
}

/// Logs warnings only, as text: for commands, whose output is what they print.
pub fn init_quiet() {
    let lines = fmt().with_env_filter(EnvFilter::new("warn")).with_writer(io::stderr).with_target(false);
    let _ = lines.with_ansi(io::stderr().is_terminal()).try_init();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn malformed_requests_fill_no_log_unless_that_is_wanted() {
        let shown = |level: &str| {
            let log = Log { level: level.to_owned(), ..Config::defaults().log };
            filter(&log).unwrap().to_string()
        };
        assert!(shown("info").contains("actix_http::h1::dispatcher=off"), "{}", shown("info"));
        let wanted = shown("info,actix_http::h1::dispatcher=error");
        assert!(!wanted.contains("off") && wanted.contains("dispatcher=error"), "{wanted}");
        assert!(filter(&Log { level: "=,=".to_owned(), ..Config::defaults().log }).is_err());
    }
}
