//! Where a value came from, and what is wrong with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

use super::table::variable;

/// Where a value came from. For a secret from a file it is the place that named the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave it.
    Default,
    /// The configuration file, at this line.
    File(PathBuf, usize),
    /// The environment variable of this name.
    Environment(String),
    /// The flag of this name.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Environment(name) => f.write_str(name),
            Origin::Flag(name) => f.write_str(name),
        }
    }
}

/// The origins of the options that somebody gave.
pub type Origins = BTreeMap<&'static str, Origin>;

/// One thing that is wrong with the configuration. It never holds the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The option; or the unknown name, or `configuration file`.
    pub key: String,
    /// Where the faulty value came from.
    pub origin: Origin,
    /// What was given and what is expected.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            // there is no place to point at, so tell a way to set it
            Origin::Default => write!(f, "{} (not set; {}): {}", self.key, variable(&self.key), self.problem),
            // a name that is no option is its own place
            origin if origin.to_string() == self.key => write!(f, "{}: {}", self.key, self.problem),
            origin => write!(f, "{} ({origin}): {}", self.key, self.problem),
        }
    }
}

/// Everything that is wrong with the configuration, at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Fault>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "the configuration has a fault:")?,
            number => write!(f, "the configuration has {number} faults:")?,
        }
        self.0.iter().try_for_each(|fault| write!(f, "\n  - {fault}"))
    }
}

impl std::error::Error for ConfigErrors {}

/// The faults so far, and the origins that they are told with.
#[derive(Default)]
pub(super) struct Report {
    pub(super) origins: Origins,
    pub(super) faults: Vec<Fault>,
    /// The files that secrets were read from, by option.
    pub(super) secret_files: Vec<(&'static str, PathBuf)>,
    /// The options that could not be read.
    unread: BTreeSet<String>,
}

impl Report {
    /// Notes that what was given for `key` could not be read.
    pub(super) fn add(&mut self, key: impl Into<String>, origin: Origin, problem: impl Into<String>) {
        let key = key.into();
        self.unread.insert(key.strip_suffix("_file").unwrap_or(&key).to_owned());
        self.faults.push(Fault { key, origin, problem: problem.into() });
    }

    /// Notes that the options `keys` do not fit, at the first of them that somebody gave.
    pub(super) fn complain(&mut self, keys: &[&'static str], problem: impl Into<String>) {
        if let Some(key) = keys.iter().find(|key| self.origins.contains_key(*key)).or(keys.first()) {
            self.complain_at(key, keys, problem);
        }
    }

    /// Notes a fault of `key` that follows from the options `because_of`. Silent if one of them could not be read: its
    /// value is not the one that was meant, so nothing can be said of it.
    pub(super) fn complain_at(&mut self, key: &str, because_of: &[&str], problem: impl Into<String>) {
        if !self.unread.contains(key) && !because_of.iter().any(|key| self.unread.contains(*key)) {
            let origin = self.origins.get(key).cloned().unwrap_or(Origin::Default);
            self.faults.push(Fault { key: key.to_owned(), origin, problem: problem.into() });
        }
    }
}
