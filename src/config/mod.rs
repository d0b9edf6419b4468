//! The one configuration: flags > `KEYWARD_*` environment > `keyward.toml` > defaults, typed and checked once, with
//! all complaints at once.
//!
//! An option is one entry in the table of [`options`]: its type, default, limits and documentation. From it follow its
//! field in [`Config`], its key in the file, its environment variable, `--set key=value`, the output of `config show`
//! and the reference.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

mod appserver;
pub mod args;
pub mod database;
pub mod duration;
pub mod fault;
mod issuer;
mod layers;
mod ldap;
mod mail;
pub mod options;
pub mod table;
mod validate;
pub mod value;

#[cfg(test)]
mod tests;

pub use args::ConfigArgs;
pub use database::{DatabaseTarget, DatabaseUrl};
pub use fault::{ConfigErrors, Fault, Origin, Origins};
pub use options::{
    Appserver, Bootstrap, Branding, Config, Fetch, HeaderField, Keys, Ldap, Limits, Log, LogFormat, Login, Mail,
    MailSecurity, Metrics, Otlp, Passwords, Sessions, Tokens,
};

pub use validate::{check_filter, pairs};

use fault::Report;
use layers::Layers;

/// The file that is read from the working directory where none is named.
const DEFAULT_FILE: &str = "keyward.toml";

/// A configuration that has been checked, and where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// Where the values came from; an option that is missing here has its default.
    pub origins: Origins,
    /// The configuration file that was read.
    pub file: Option<PathBuf>,
    /// The files that secrets were read from, by option.
    pub secret_files: Vec<(&'static str, PathBuf)>,
}

impl Loaded {
    /// Where the value of the option `key` came from.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }
}

/// The variables of this program's environment. Bytes that are not UTF-8 become U+FFFD, which [`Config::load`]
/// refuses.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
}

impl Config {
    /// Everything at its default, as a start without any configuration has it.
    pub fn defaults() -> Config {
        let mut config = Config::table_defaults();
        config.issuer = issuer::derived(&config).ok();
        config
    }

    /// Reads and checks the configuration from the flags, the environment `env` and the configuration file; or tells
    /// everything that is wrong with it.
    pub fn load(args: &ConfigArgs, env: impl IntoIterator<Item = (String, String)>) -> Result<Loaded, ConfigErrors> {
        Config::load_from(Path::new(DEFAULT_FILE), args, env)
    }

    /// The same with another default file, so that a test does not depend on what lies in the working directory.
    pub(crate) fn load_from(
        default_file: &Path,
        args: &ConfigArgs,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Loaded, ConfigErrors> {
        let env: Vec<_> = env.into_iter().filter(|(name, _)| name.starts_with("KEYWARD_")).collect();
        let in_env = env.iter().find(|(name, value)| name == "KEYWARD_CONFIG" && !value.is_empty());
        let (path, named) = match (&args.config, in_env) {
            (Some(path), _) => (path.as_path(), Some(Origin::Flag("--config"))),
            (None, Some((name, path))) => (Path::new(path), Some(Origin::Environment(name.clone()))),
            (None, None) => (default_file, None),
        };

        let mut report = Report::default();
        let mut config = Config::table_defaults();
        let mut layers = Layers::new();
        let file = layers.file(path, named, &mut report);
        layers.environment(&env, &mut report);
        layers.flags(args, &mut report);
        layers.apply(&mut config, &mut report);
        // A file that could not be read may have set anything: no complaint about what it did not set
        if file.is_some() {
            validate::validate(&mut config, &mut report);
        }
        match report.faults.is_empty() {
            true => {
                let Report { origins, secret_files, .. } = report;
                Ok(Loaded { config, origins, file: file.flatten(), secret_files })
            }
            false => Err(ConfigErrors(report.faults)),
        }
    }

    /// The issuer: the `iss` of every token and the beginning of every URL. Every loaded configuration has one.
    pub fn issuer(&self) -> &str {
        self.issuer.as_deref().unwrap_or_default()
    }

    /// The path under which everything is mounted: that of the issuer, without a slash at the end; mostly empty.
    pub fn base_path(&self) -> &str {
        let after_scheme = self.issuer().split_once("://").map_or("", |(_, rest)| rest);
        after_scheme.find('/').map_or("", |slash| &after_scheme[slash..])
    }

    /// Host and port under which this server is reached, as the issuer has them.
    pub fn authority(&self) -> &str {
        let after_scheme = self.issuer().split_once("://").map_or("", |(_, rest)| rest);
        after_scheme.split('/').next().unwrap_or_default()
    }

    /// The port under which this server is reached.
    pub fn port(&self) -> u16 {
        let told = self.authority().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        told.unwrap_or(if self.secure() { 443 } else { 80 })
    }

    /// Whether this server is reached by https, so that cookies can say so.
    pub fn secure(&self) -> bool {
        self.issuer().starts_with("https://")
    }

    /// The database to open.
    pub fn database(&self) -> DatabaseTarget {
        let configured = self.database_url.as_ref().and_then(|url| url.target().ok());
        configured.unwrap_or_else(|| DatabaseTarget::Sqlite(self.data_dir.join("keyward.db")))
    }

    /// The addresses to listen on, and whether the server must not start without. To `127.0.0.1` the same port of
    /// `[::1]` is added, which may fail: a machine need not have IPv6, but where it has, `localhost` may mean it.
    pub fn listen_addresses(&self) -> Vec<(SocketAddr, bool)> {
        let mut addresses: Vec<_> = self.listen.iter().map(|address| (*address, true)).collect();
        for address in &self.listen {
            let twin = SocketAddr::from((Ipv6Addr::LOCALHOST, address.port()));
            let has_twin = address.ip() == Ipv4Addr::LOCALHOST && address.port() != 0;
            if has_twin && !addresses.iter().any(|(known, _)| *known == twin) {
                addresses.push((twin, false));
            }
        }
        addresses
    }
}
