//! The flags that every command with a configuration takes.

use std::{fmt, path::PathBuf};

/// Flags that cover the environment and the configuration file.
#[derive(clap::Args, Clone, Default)]
#[command(next_help_heading = "Configuration")]
pub struct ConfigArgs {
    /// The configuration file [env: KEYWARD_CONFIG] [default: ./keyward.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The addresses to listen on, separated by commas
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,

    /// The URL by which clients reach this server
    #[arg(long, value_name = "URL")]
    pub issuer: Option<String>,

    /// The directory of the embedded database
    #[arg(long, value_name = "DIRECTORY")]
    pub data_dir: Option<String>,

    /// sqlite://path or postgres://user:password@host/database
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,

    /// error, warn, info, debug, trace, or a filter
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,

    /// Any option by its key, for example tokens.access_token_lifetime=5m; may be repeated, the last one counts
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl ConfigArgs {
    /// The flags with a name of their own that were given: key, value, name.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'static str, String, &'static str)> {
        [
            ("listen", &self.listen, "--listen"),
            ("issuer", &self.issuer, "--issuer"),
            ("data_dir", &self.data_dir, "--data-dir"),
            ("database_url", &self.database_url, "--database-url"),
            ("log.level", &self.log_level, "--log-level"),
        ]
        .into_iter()
        .filter_map(|(key, value, flag)| Some((key, value.clone()?, flag)))
    }
}

/// Without the values: some of them may be secrets.
impl fmt::Debug for ConfigArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigArgs").field("config", &self.config).finish_non_exhaustive()
    }
}
