//! What was given, and where: the file, then the environment, then the flags, each covering the one before.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::{
    Config, ConfigArgs,
    fault::{Origin, Report},
    table::{About, Described, Visitor, describe, variable},
    value::{Limits, Raw, Value},
};

/// How the faults of the file as a whole are titled.
const FILE: &str = "configuration file";

/// The values that were given, by key, each with its place.
pub(super) struct Layers {
    /// Every key that can be given, the `_file` twins included, with its environment variable.
    known: BTreeMap<String, String>,
    sections: Vec<&'static str>,
    given: BTreeMap<String, (Raw, Origin)>,
}

impl Layers {
    /// Nothing was given.
    pub(super) fn new() -> Layers {
        let all: Vec<Described> = describe(&Config::table_defaults());
        let twins = all.iter().filter(|option| option.secret).map(|option| twin(option.about.key));
        let keys = all.iter().map(|option| option.about.key.to_owned()).chain(twins);
        let known = keys.map(|key| (key.clone(), variable(&key))).collect();
        let sections = all.iter().filter_map(|option| option.opens).map(|(name, _)| name).collect();
        Layers { known, sections, given: BTreeMap::new() }
    }

    /// Reads the configuration file. `named` is where its path was given; the default file may be missing. `None` if
    /// it could not be understood: then nothing can be said of options that it may have set.
    pub(super) fn file(&mut self, path: &Path, named: Option<Origin>, report: &mut Report) -> Option<Option<PathBuf>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if named.is_none() && e.kind() == ErrorKind::NotFound => return Some(None),
            Err(e) => {
                let origin = named.unwrap_or_else(|| Origin::File(path.to_owned(), 1));
                report.add(FILE, origin, format!("cannot read {}: {e}", path.display()));
                return None;
            }
        };
        self.text(path, &text, report).then(|| Some(path.to_owned()))
    }

    /// Takes over the text of a configuration file; false if it is not TOML.
    pub(super) fn text(&mut self, path: &Path, text: &str, report: &mut Report) -> bool {
        let line = |at: usize| text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
        let origin = |at: usize| Origin::File(path.to_owned(), line(at));
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            // Only the message: the full text of the error quotes the line, which may hold a secret
            report.add(FILE, origin(error.span().map_or(0, |span| span.start)), error.message());
        }
        if !errors.is_empty() {
            return false;
        }
        let first = report.faults.len();
        for (name, value) in table.get_ref() {
            match value.get_ref() {
                DeValue::Table(section) if self.sections.contains(&name.get_ref().as_ref()) => {
                    for (inner, value) in section {
                        let key = format!("{}.{}", name.get_ref(), inner.get_ref());
                        self.give(&key, raw(value.get_ref()), origin(inner.span().start), report);
                    }
                }
                _ if self.sections.contains(&name.get_ref().as_ref()) => {
                    let name = name.get_ref();
                    report.add(name.as_ref(), origin(value.span().start), format!("expected a section [{name}]"));
                }
                DeValue::Table(_) if !self.known.contains_key(name.get_ref().as_ref()) => {
                    let name = name.get_ref();
                    let near = suggest(name, self.sections.iter().map(|section| (*section).to_owned()));
                    let problem = near.map_or("unknown section".to_owned(), |near| {
                        format!("unknown section; did you mean [{near}]?")
                    });
                    report.add(format!("[{}]", name.escape_debug()), origin(value.span().start), problem);
                }
                value => self.give(name.get_ref(), raw(value), origin(name.span().start), report),
            }
        }
        // as they stand in the file; the table is sorted by name
        report.faults[first..].sort_by_key(|fault| match fault.origin {
            Origin::File(_, line) => line,
            _ => 0,
        });
        true
    }

    /// Takes over the environment variables of this program.
    pub(super) fn environment(&mut self, variables: &[(String, String)], report: &mut Report) {
        for (name, value) in variables {
            let origin = Origin::Environment(name.clone());
            let key = self.known.iter().find(|(_, variable)| *variable == name).map(|(key, _)| key.clone());
            match key {
                Some(key) if value.contains('\u{FFFD}') => report.add(key, origin, "is not UTF-8"),
                Some(key) => {
                    self.given.insert(key, (Raw::Text(value.clone()), origin));
                }
                None if is_foreign(name, value) => {}
                None => {
                    // without the prefix, which would make all of them alike
                    let bare = |variable: &str| variable.trim_start_matches("KEYWARD_").to_owned();
                    let near = suggest(&bare(name), self.known.values().map(|variable| bare(variable)));
                    report.add(name.as_str(), origin, unknown(near.map(|near| format!("KEYWARD_{near}"))));
                }
            }
        }
    }

    /// Takes over the flags; those with a name of their own cover `--set`.
    pub(super) fn flags(&mut self, args: &ConfigArgs, report: &mut Report) {
        for pair in &args.set {
            match pair.split_once('=') {
                Some((key, value)) => {
                    self.give(key.trim(), Raw::Text(value.to_owned()), Origin::Flag("--set"), report);
                }
                // not quoted: it may be a secret that lost its key
                None => report.add("--set", Origin::Flag("--set"), "expected key=value"),
            }
        }
        for (key, value, flag) in args.named() {
            self.given.insert(key.to_owned(), (Raw::Text(value), Origin::Flag(flag)));
        }
    }

    fn give(&mut self, key: &str, value: Raw, origin: Origin, report: &mut Report) {
        if self.known.contains_key(key) {
            self.given.insert(key.to_owned(), (value, origin));
        } else {
            let near = suggest(key, self.known.keys().cloned());
            report.add(key.escape_debug().to_string(), origin, unknown(near));
        }
    }

    /// Types what was given and puts it in its place.
    pub(super) fn apply(self, config: &mut Config, report: &mut Report) {
        config.visit(&mut Apply { given: self.given, report });
    }
}

struct Apply<'a> {
    given: BTreeMap<String, (Raw, Origin)>,
    report: &'a mut Report,
}

impl Visitor for Apply<'_> {
    fn option<T: Value>(&mut self, about: About, limits: Option<Limits<T>>, value: &mut T) {
        let mut given = self.given.remove(about.key);
        let twin = twin(about.key);
        if let Some((path, origin)) = self.given.remove(&twin).filter(|(path, _)| !is_empty(path)) {
            if let Some((_, other)) = given.as_ref().filter(|(direct, _)| !is_empty(direct)) {
                let problem = format!("{} is given too ({other}), expected only one of them", about.key);
                return self.report.add(twin, origin, problem);
            }
            match read_secret(&path) {
                Ok(text) => {
                    self.report.secret_files.extend(PathBuf::parse(&path).ok().map(|path| (about.key, path)));
                    given = Some((Raw::Text(text), origin));
                }
                Err(problem) => return self.report.add(twin, origin, problem),
            }
        }
        let Some((raw, origin)) = given else { return };
        self.report.origins.insert(about.key, origin.clone());
        let got = if T::SECRET { "(hidden)".to_owned() } else { raw.to_string() };
        match T::parse(&raw) {
            Err(expected) => self.report.add(about.key, origin, format!("got {got}, expected {expected}")),
            Ok(parsed) => match limits.filter(|limits| !limits.hold(&parsed)) {
                Some(limits) => self.report.add(about.key, origin, format!("got {got}, expected {limits}")),
                None => *value = parsed,
            },
        }
    }
}

/// Variables that are not options: the path of the file, the token of commands that go to a server, the switches of
/// tests, and what Kubernetes tells every container of services whose names begin with "keyward".
fn is_foreign(variable: &str, value: &str) -> bool {
    let service = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT_"].iter().any(|part| variable.contains(part))
        || variable.ends_with("_PORT") && value.contains("://");
    matches!(variable, "KEYWARD_CONFIG" | "KEYWARD_TOKEN") || variable.starts_with("KEYWARD_TEST_") || service
}

/// The key under which a secret is given as the name of a file.
pub(super) fn twin(key: &str) -> String {
    format!("{key}_file")
}

fn is_empty(raw: &Raw) -> bool {
    matches!(raw, Raw::Text(text) if text.is_empty())
}

/// The content of the file without the newline at its end that editors and `echo` leave.
fn read_secret(path: &Raw) -> Result<String, String> {
    let path = PathBuf::parse(path).map_err(|expected| format!("got {path}, expected {expected}"))?;
    let text = std::fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() { Err(format!("{} is empty, expected a secret", path.display())) } else { Ok(text.to_owned()) }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Raw::Integer(number),
            Err(_) => Raw::Other("integer beyond 64 bits"),
        },
        DeValue::Boolean(truth) => Raw::Boolean(*truth),
        DeValue::Array(items) => Raw::List(items.iter().map(|item| raw(item.get_ref())).collect()),
        other => Raw::Other(other.type_str()),
    }
}

fn unknown(near: Option<String>) -> String {
    match near {
        Some(near) => format!("unknown option; did you mean {near}?"),
        None => "unknown option".to_owned(),
    }
}

/// The known name that `given` was probably meant to be.
fn suggest(given: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let plain = |name: &str| name.to_ascii_lowercase().replace(['-', '.'], "_");
    let given = plain(given);
    let likeness = |name: &str| {
        let name = plain(name);
        // the right option in the wrong section, or in none
        let end = |text: &str| text.split_once('_').map(|(_, end)| end.to_owned()).filter(|end| end.len() > 3);
        let misplaced = end(&name).is_some_and(|e| e == given || end(&given).is_some_and(|g| g == e));
        if misplaced { 0.95 } else { strsim::normalized_damerau_levenshtein(&name, &given) }
    };
    let best = known.map(|name| (likeness(&name), name)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness > 0.6).map(|(_, name)| name)
}
