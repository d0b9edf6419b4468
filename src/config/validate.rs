//! What must be true of the configuration as a whole. Limits of single options stand in the table.

use secrecy::{ExposeSecret, SecretString};
use tracing_subscriber::EnvFilter;

use super::{Config, DatabaseTarget, appserver, duration, fault::Report, issuer, ldap, mail};
use crate::model::key::SigningAlgorithm;

/// The fewest characters of a secret that a machine is configured with: nothing slows down the guessing of it.
const SECRET_LENGTH: usize = 32;

/// The most threads of one kind.
const THREADS: usize = 1024;

/// Notes everything that does not fit, and fills in the issuer where none was given.
pub(super) fn validate(config: &mut Config, report: &mut Report) {
    network(config, report);
    database(config, report);
    keys(config, report);
    ordered(config, report);
    passwords(config, report);
    bootstrap(config, report);
    mail::validate(config, report);
    appserver::validate(config, report);
    ldap::validate(&config.ldap, report);
    if let Err(problem) = check_filter(&config.log.level) {
        report.complain(&["log.level"], problem);
    }
    otlp(config, report);
    if config.branding.name.trim().is_empty() {
        report.complain(&["branding.name"], "expected a name");
    }
}

fn network(config: &mut Config, report: &mut Report) {
    if config.listen.is_empty() {
        report.complain(&["listen"], "expected at least one address and port such as 127.0.0.1:8080");
    }
    threads("workers", config.workers, report);
    if let Some(address) =
        config.metrics.listen.filter(|address| address.port() != 0 && config.listen.contains(address))
    {
        report
            .complain(&["metrics.listen", "listen"], format!("got {address} for both, expected an address of its own"));
    }

    match (&config.tls_certificate, &config.tls_key) {
        (Some(_), None) => report.complain(&["tls_certificate", "tls_key"], "expected tls_key with it"),
        (None, Some(_)) => report.complain(&["tls_key", "tls_certificate"], "expected tls_certificate with it"),
        _ => {}
    }
    for (key, path) in [("tls_certificate", &config.tls_certificate), ("tls_key", &config.tls_key)] {
        if let Some(path) = path.as_ref().filter(|path| !path.is_file()) {
            report.complain(&[key], format!("got {}, which is not a file that exists", path.display()));
        }
    }

    match &config.issuer {
        Some(given) => {
            for fault in issuer::faults(given) {
                report.complain(&["issuer"], format!("got {given:?}, {fault}"));
            }
            if config.tls_certificate.is_some() && given.starts_with("http://") {
                report.complain(&["issuer"], format!("got {given:?}, expected https, because tls_certificate is set"));
            }
        }
        None if !config.listen.is_empty() => match issuer::derived(config) {
            Ok(derived) => config.issuer = Some(derived),
            Err(problem) => report.complain_at("issuer", &["listen"], problem),
        },
        None => {}
    }
}

fn database(config: &Config, report: &mut Report) {
    match config.database_url.as_ref().map(|url| (url, url.target())) {
        Some((url, Err(expected))) => {
            report.complain(&["database_url"], format!("got {}, expected {expected}", url.masked()));
        }
        // The embedded store keeps a key of its own beside it; several servers of one database need the same one
        Some((_, Ok(DatabaseTarget::Postgres(_)))) if config.master_key.is_none() => {
            report.complain(&["master_key"], "must be set (or master_key_file), because the database is PostgreSQL");
        }
        _ => {}
    }
    long_enough("master_key", config.master_key.as_ref(), report);
}

fn keys(config: &Config, report: &mut Report) {
    let algorithms = &config.keys.signing_algorithms;
    // OpenID Connect Core §15.1: mandatory to implement, and the default of every client
    if !algorithms.contains(&SigningAlgorithm::RS256) {
        report.complain(&["keys.signing_algorithms"], "expected RS256 among them (OpenID Connect Core §15.1)");
    }
    if let Some(twice) = algorithms.iter().enumerate().find(|(at, alg)| algorithms[..*at].contains(alg)) {
        report.complain(&["keys.signing_algorithms"], format!("got {} twice", twice.1.as_str()));
    }
}

/// Durations of which one cannot be longer than the other.
fn ordered(config: &Config, report: &mut Report) {
    let pairs = [
        ("tokens.refresh_idle", config.tokens.refresh_idle, "tokens.refresh_absolute", config.tokens.refresh_absolute),
        ("sessions.idle", config.sessions.idle, "sessions.absolute", config.sessions.absolute),
        ("login.first_delay", config.login.first_delay, "login.max_delay", config.login.max_delay),
    ];
    for (short_key, short, long_key, long) in pairs {
        if short > long {
            let (short, long) = (duration::format(short), duration::format(long));
            report.complain(&[short_key, long_key], format!("{short_key} is {short}, longer than {long_key}, {long}"));
        }
    }
}

fn passwords(config: &Config, report: &mut Report) {
    let passwords = &config.passwords;
    // RFC 9106 §3.1: at least 8 KiB for each lane
    let least = passwords.argon2_parallelism.saturating_mul(8);
    if passwords.argon2_memory_kib < least {
        report.complain(
            &["passwords.argon2_memory_kib", "passwords.argon2_parallelism"],
            format!(
                "passwords.argon2_memory_kib is {}, expected at least {least}, 8 for each of the {} lanes of \
                 passwords.argon2_parallelism",
                passwords.argon2_memory_kib, passwords.argon2_parallelism
            ),
        );
    }
    threads("passwords.hash_threads", passwords.hash_threads, report);
}

fn bootstrap(config: &Config, report: &mut Report) {
    let bootstrap = &config.bootstrap;
    let pairs = [
        ("bootstrap.owner_email", &bootstrap.owner_email, "bootstrap.owner_password", &bootstrap.owner_password),
        ("bootstrap.client_id", &bootstrap.client_id, "bootstrap.client_secret", &bootstrap.client_secret),
    ];
    for (name_key, name, secret_key, secret) in pairs {
        match (name, secret) {
            (Some(_), None) => report.complain(&[name_key, secret_key], format!("expected {secret_key} with it")),
            (None, Some(_)) => report.complain(&[secret_key, name_key], format!("expected {name_key} with it")),
            _ => {}
        }
        long_enough(secret_key, secret.as_ref(), report);
    }
    if let Some(email) = &bootstrap.owner_email
        && !email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
    {
        report.complain(&["bootstrap.owner_email"], format!("got {email:?}, expected an email address"));
    }
    // RFC 6749 appendix A.1 and A.2: visible ASCII and the space
    let is_visible = |text: &str| text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    if let Some(id) = bootstrap.client_id.as_ref().filter(|id| !is_visible(id)) {
        report.complain(&["bootstrap.client_id"], format!("got {id:?}, expected visible ASCII characters"));
    }
    if bootstrap.client_secret.as_ref().is_some_and(|secret| !is_visible(secret.expose_secret())) {
        report.complain(&["bootstrap.client_secret"], "got (hidden), expected visible ASCII characters");
    }
}

fn long_enough(key: &'static str, secret: Option<&SecretString>, report: &mut Report) {
    if let Some(length) = secret.map(|secret| secret.expose_secret().chars().count()).filter(|n| *n < SECRET_LENGTH) {
        report.complain(&[key], format!("got {length} characters, expected at least {SECRET_LENGTH}"));
    }
}

fn threads(key: &'static str, threads: Option<usize>, report: &mut Report) {
    if let Some(number) = threads.filter(|number| !(1..=THREADS).contains(number)) {
        report.complain(&[key], format!("got {number}, expected from 1 to {THREADS}"));
    }
}

fn otlp(config: &Config, report: &mut Report) {
    let otlp = &config.otlp;
    let is_address = |text: &str| {
        url::Url::parse(text).is_ok_and(|url| {
            let login = url.username().is_empty() && url.password().is_none();
            matches!(url.scheme(), "http" | "https") && url.query().is_none() && login
        })
    };
    if let Some(endpoint) = otlp.endpoint.as_ref().filter(|endpoint| !is_address(endpoint)) {
        let got = if endpoint.contains('@') { "(hidden)".to_owned() } else { format!("{endpoint:?}") };
        let expected = "an address such as http://127.0.0.1:4318; a login for it belongs in otlp.headers";
        report.complain(&["otlp.endpoint"], format!("got {got}, expected {expected}"));
    }
    let is_header = |text: &str| text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    if otlp.headers.as_ref().is_some_and(|headers| {
        let pairs = pairs(headers.expose_secret());
        pairs.is_empty() || pairs.iter().any(|(name, value)| name.is_empty() || !is_header(name) || !is_header(value))
    }) {
        report.complain(&["otlp.headers"], "got (hidden), expected name=value, separated by commas");
    }
}

/// The `name=value` pairs of a text that has commas between them; what has no `=` is all name.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split(',').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

/// Whether this is a filter for the log; what was expected if not. A misspelt level would pass as the name of a module and
/// silence everything else, so a word alone must be a level.
///
/// # Errors
/// What was expected.
pub fn check_filter(filter: &str) -> Result<(), String> {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |word: &str| levels.iter().any(|level| level.eq_ignore_ascii_case(word.trim()));
    let misspelt = filter.split(',').find(|part| !part.contains(['=', '[', ']', '{', '}']) && !is_level(part));
    match (misspelt, EnvFilter::builder().parse(filter)) {
        (None, Ok(_)) => Ok(()),
        _ => Err(format!(
            "got {filter:?}, expected one of {}, or a filter such as info,keyward=debug",
            levels.join(", ")
        )),
    }
}
