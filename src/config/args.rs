//! The flags that every command with a configuration takes.

use std::{fmt, path::PathBuf};

/// The heading of these flags in a command's help; at each of them, because one for the struct would pass to the
/// flags of the command that come after it.
const HEADING: &str = "Configuration";

/// Flags that cover the environment and the configuration file.
#[derive(clap::Args, Clone, Default)]
pub struct ConfigArgs {
    /// The configuration file [env: KEYWARD_CONFIG] [default: ./keyward.toml, if there is one]
    #[arg(long, help_heading = HEADING, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The addresses to listen on, separated by commas
    #[arg(long, help_heading = HEADING, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,

    /// The URL by which clients reach this server
    #[arg(long, help_heading = HEADING, value_name = "URL")]
    pub issuer: Option<String>,

    /// The directory of the embedded database
    #[arg(long, help_heading = HEADING, value_name = "DIRECTORY")]
    pub data_dir: Option<String>,

    /// sqlite://path or postgres://user:password@host/database
    #[arg(long, help_heading = HEADING, value_name = "URL")]
    pub database_url: Option<String>,

    /// error, warn, info, debug, trace, or a filter
    #[arg(long, help_heading = HEADING, value_name = "LEVEL")]
    pub log_level: Option<String>,

    /// Any option by its key, for example tokens.access_token_lifetime=5m; may be repeated, the last one counts
    #[arg(long, help_heading = HEADING, value_name = "KEY=VALUE")]
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

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    /// Serve
    #[derive(clap::Parser)]
    struct Serve {
        #[command(flatten)]
        config: ConfigArgs,
        /// Other
        #[arg(long)]
        other: Option<String>,
    }

    #[test]
    fn a_command_that_takes_the_flags_keeps_its_own_help() {
        let command = Serve::command();
        assert_eq!(command.get_about().map(ToString::to_string).as_deref(), Some("Serve"));
        let heading = |id: &str| {
            let arg = command.get_arguments().find(|arg| arg.get_id() == id);
            arg.and_then(|arg| arg.get_help_heading()).map(str::to_owned)
        };
        assert_eq!((heading("listen").as_deref(), heading("other")), (Some("Configuration"), None));
        command.debug_assert();
        let serve = Serve::parse_from(["keyward", "--other", "x", "--set", "a=1", "--set", "b=2"]);
        assert_eq!((serve.other.as_deref(), serve.config.set.len()), (Some("x"), 2));
    }
}
