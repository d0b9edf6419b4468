//! `keyward log-level`.

use clap::Args;

use super::{Refused, data_dir, load, out};
use crate::{
    config::{ConfigArgs, check_filter},
    telemetry,
};

/// Which level.
#[derive(Args, Debug)]
pub struct LogLevelArgs {
    /// error, warn, info, debug, trace, or a filter such as info,keyward::oauth=debug [default: what is configured]
    level: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Asks the running server to log at another level, or at the configured one again.
///
/// # Errors
/// It is no level, no server uses the data directory, or the request cannot be left there.
pub fn run(args: &LogLevelArgs) -> anyhow::Result<()> {
    let config = load(&args.config)?;
    if let Some(level) = &args.level {
        check_filter(level).map_err(|problem| Refused(vec![problem]))?;
    }
    let path = std::path::absolute(&config.data_dir).unwrap_or_else(|_| config.data_dir.clone());
    if !data_dir::is_in_use(&config)? {
        return Err(Refused(vec![format!("no server runs on the data in {}", path.display())]).into());
    }
    telemetry::request_level(&config.data_dir, args.level.as_deref())?;
    out::print(&match &args.level {
        Some(level) => format!(
            "The server logs at {level} within two seconds, until it is started anew or told otherwise; keyward \
             log-level alone brings back what is configured."
        ),
        None => format!("The server logs at {} again within two seconds.", config.log.level),
    });
    Ok(())
}
