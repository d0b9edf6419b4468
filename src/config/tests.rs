//! The configuration as a whole. What single types and files do is tested beside them.

use std::time::Duration;

use clap::Parser;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::{table::describe, *};
use crate::model::key::SigningAlgorithm;

/// 32 characters that are seen nowhere else.
const SECRET: &str = "hush-hush-hush-hush-hush-hush-32";

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    config: ConfigArgs,
}

/// A directory with a configuration file, an environment and flags.
struct Given {
    directory: TempDir,
    env: Vec<(String, String)>,
    flags: Vec<String>,
}

/// A configuration file with this text, and nothing else.
fn file(text: &str) -> Given {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(DEFAULT_FILE), text).unwrap();
    Given { directory, env: Vec::new(), flags: Vec::new() }
}

/// Nothing at all.
fn nothing() -> Given {
    Given { directory: tempfile::tempdir().unwrap(), env: Vec::new(), flags: Vec::new() }
}

impl Given {
    fn env(mut self, name: &str, value: impl Into<String>) -> Given {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    fn set(mut self, option: &str) -> Given {
        self.flags.extend(["--set".to_owned(), option.to_owned()]);
        self
    }

    fn flag(mut self, flag: &str, value: &str) -> Given {
        self.flags.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    /// Writes another file and tells its path.
    fn with_file(self, name: &str, text: &str) -> (Given, String) {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap().to_owned();
        (self, path)
    }

    fn load(&self) -> Result<Loaded, ConfigErrors> {
        let args = Command::parse_from(std::iter::once("keyward".to_owned()).chain(self.flags.clone())).config;
        Config::load_from(&self.directory.path().join(DEFAULT_FILE), &args, self.env.clone())
    }

    fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn config(&self) -> Config {
        self.loaded().config
    }

    /// The faults as text, one a line, the directory's name cut away.
    fn faults(&self) -> Vec<String> {
        let directory = format!("{}/", self.directory.path().display());
        let errors = self.load().map(|_| ()).expect_err("a fault");
        errors.0.iter().map(|fault| fault.to_string().replace(&directory, "")).collect()
    }

    #[track_caller]
    fn is_refused(&self, faults: &[&str]) {
        assert_eq!(self.faults(), faults);
    }
}

#[test]
fn a_start_without_any_configuration_works() {
    let loaded = nothing().loaded();
    assert_eq!(format!("{:?}", loaded.config), format!("{:?}", Config::defaults()));
    assert!(loaded.origins.is_empty() && loaded.file.is_none());
    assert_eq!(loaded.config.issuer(), "http://localhost:8080");
    assert!(!loaded.config.secure());
    assert_eq!(loaded.config.database(), DatabaseTarget::Sqlite("./keyward-data/keyward.db".into()));
    let addresses = [("127.0.0.1:8080".parse().unwrap(), true), ("[::1]:8080".parse().unwrap(), false)];
    assert_eq!(loaded.config.listen_addresses(), addresses);
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = Config::defaults();
    assert_eq!(config.keys.signing_algorithms, [SigningAlgorithm::RS256, SigningAlgorithm::ES256]);
    assert_eq!(config.tokens.access_token_lifetime, Duration::from_secs(600));
    assert_eq!(config.tokens.authorization_code_lifetime, Duration::from_secs(60));
    assert_eq!(config.tokens.refresh_absolute, Duration::from_secs(180 * 86_400));
    assert_eq!(config.passwords.argon2_memory_kib, 19_456);
    assert_eq!(config.fetch.max_bytes, 262_144);
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(config.branding.name, "Keyward");
}

#[test]
fn flags_cover_the_environment_which_covers_the_file_which_covers_the_defaults() {
    let key = "tokens.access_token_lifetime";
    let lifetime = |given: &Given| {
        let loaded = given.loaded();
        let origin = loaded.origin(key).to_string();
        let origin = origin.rsplit('/').next().unwrap().to_owned();
        (loaded.config.tokens.access_token_lifetime.as_secs(), origin)
    };
    assert_eq!(lifetime(&nothing()), (600, "default".into()));

    let given = file("\n[tokens]\naccess_token_lifetime = \"1m\"\n");
    assert_eq!(lifetime(&given), (60, "keyward.toml:3".into()));

    let given = given.env("KEYWARD_TOKENS_ACCESS_TOKEN_LIFETIME", "2m");
    assert_eq!(lifetime(&given), (120, "KEYWARD_TOKENS_ACCESS_TOKEN_LIFETIME".into()));

    let given = given.set("tokens.access_token_lifetime=3m");
    assert_eq!(lifetime(&given), (180, "--set".into()));

    let given = given.set("tokens.access_token_lifetime=4m");
    assert_eq!(lifetime(&given), (240, "--set".into()), "the last one counts");
}

#[test]
fn flags_with_a_name_of_their_own_cover_set() {
    let given = nothing().set("listen=127.0.0.1:1").flag("--listen", "127.0.0.1:2, [::1]:3");
    let given = given.flag("--issuer", "https://a.example").flag("--data-dir", "/d").flag("--log-level", "warn");
    let loaded = given.flag("--database-url", "sqlite:///x.db").loaded();
    let listen: Vec<String> = loaded.config.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:2", "[::1]:3"]);
    assert_eq!((loaded.config.issuer(), loaded.config.secure()), ("https://a.example", true));
    assert_eq!(loaded.config.data_dir, Path::new("/d"));
    assert_eq!(loaded.config.log.level, "warn");
    assert_eq!(loaded.config.database(), DatabaseTarget::Sqlite("/x.db".into()));
    assert_eq!(loaded.origin("log.level"), Origin::Flag("--log-level"));
}

#[test]
fn every_option_can_be_given_in_each_place() {
    for option in describe(&Config::defaults()) {
        let key = option.about.key;
        // from the file, as TOML; options without a default have nothing to try
        let Some(value) = option.value.filter(|_| key != "issuer") else { continue };
        let (section, name) = key.split_once('.').unwrap_or(("", key));
        let head = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
        let loaded = file(&format!("{head}{name} = {value}\n")).loaded();
        assert!(matches!(loaded.origin(key), Origin::File(..)), "{key}");
        let text = value.replace(['"', '[', ']'], "");
        assert_eq!(nothing().env(&option.about.variable(), &text).loaded().origins.len(), 1, "{key}");
        assert_eq!(nothing().set(&format!("{key}={text}")).loaded().origin(key), Origin::Flag("--set"), "{key}");
    }
}

#[test]
fn what_a_file_says_is_typed() {
    let config = file(
        "listen = [\"127.0.0.1:1234\"]\ntrusted_proxies = [\"10.0.0.0/8\", \"192.0.2.1\"]\nworkers = 3\n\
         tokens.refresh_idle = 90\n[log]\nformat = \"json\"\n[fetch]\nmax_bytes = 0x1000\n",
    )
    .config();
    assert_eq!(config.issuer(), "http://localhost:1234");
    assert_eq!(config.trusted_proxies.len(), 2);
    assert_eq!(config.workers, Some(3));
    assert_eq!(config.tokens.refresh_idle, Duration::from_secs(90), "an integer means seconds");
    assert_eq!((config.log.format, config.fetch.max_bytes), (LogFormat::Json, 4096));
}

#[test]
fn a_named_file_is_read_instead_and_must_exist() {
    let (given, other) = file("workers = 1\n").with_file("other.toml", "workers = 2\n");
    let given = given.env("KEYWARD_CONFIG", &other);
    assert_eq!(given.config().workers, Some(2));
    let (given, third) = given.with_file("third.toml", "workers = 3\n");
    assert_eq!(given.flag("--config", &third).config().workers, Some(3));
    assert_eq!(file("workers = 1\n").env("KEYWARD_CONFIG", "").config().workers, Some(1));

    let faults = nothing().env("KEYWARD_CONFIG", "/nowhere/keyward.toml").faults();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].starts_with("configuration file (KEYWARD_CONFIG): cannot read /nowhere/keyward.toml: "));
}

#[test]
fn all_faults_are_told_at_once() {
    let given = file(
        "listen = \"here\"\nworkers = 0\nissuer = \"http://login.example.com/\"\n\n[tokens]\naccess_token_lifetime = \
         \"25h\"\nid_token_lifetime = \"long\"\nfoo = 1\n[bootstrap]\nclient_id = \"c\"\n",
    );
    let given = given.env("KEYWARD_LOG_FORMAT", "xml").env("KEYWARD_LOGIN_FREE_ATTEMPTS", "-3");
    given.set("keys.signing_algorithms=ES256").set("oops").is_refused(&[
        "tokens.foo (keyward.toml:8): unknown option",
        "--set: expected key=value",
        "listen (keyward.toml:1): got \"here\", expected a list: an address and a port such as 127.0.0.1:8080 or \
         [::1]:8080",
        "tokens.access_token_lifetime (keyward.toml:6): got \"25h\", expected from 1s to 24h",
        "tokens.id_token_lifetime (keyward.toml:7): got \"long\", expected a duration such as 500ms, 60s, 10m, 12h or 30d",
        "login.free_attempts (KEYWARD_LOGIN_FREE_ATTEMPTS): got \"-3\", expected a whole number from 0 to 4294967295",
        "log.format (KEYWARD_LOG_FORMAT): got \"xml\", expected text or json",
        "workers (keyward.toml:2): got 0, expected from 1 to 1024",
        "issuer (keyward.toml:3): got \"http://login.example.com/\", expected https: plain http is only for loopback \
         hosts",
        "issuer (keyward.toml:3): got \"http://login.example.com/\", expected no '/' at its end",
        "keys.signing_algorithms (--set): expected RS256 among them (OpenID Connect Core §15.1)",
        "bootstrap.client_id (keyward.toml:10): expected bootstrap.client_secret with it",
    ]);
    let text = given_errors("workers = 0\nkeys = 1\n");
    assert!(text.starts_with("the configuration has 2 faults:\n  - keys ("), "{text}");
    assert!(text.contains("expected a section [keys]"), "{text}");
}

fn given_errors(text: &str) -> String {
    file(text).load().unwrap_err().to_string()
}

#[test]
fn a_misspelt_option_is_refused_with_the_likely_one() {
    file(
        "lisen = \"127.0.0.1:1\"\nrefresh_idle = 5\nquux = 1\n[tokns]\nrefresh_idle = 5\n[log]\naccess_token_lifetime = 5\n\
         level.deep = 1\n",
    )
    .is_refused(&[
        "lisen (keyward.toml:1): unknown option; did you mean listen?",
        "refresh_idle (keyward.toml:2): unknown option; did you mean tokens.refresh_idle?",
        "quux (keyward.toml:3): unknown option",
        "[tokns] (keyward.toml:4): unknown section; did you mean [tokens]?",
        "log.access_token_lifetime (keyward.toml:7): unknown option; did you mean tokens.access_token_lifetime?",
        "log.level (keyward.toml:8): got a TOML table, expected text",
    ]);
    nothing().set("log-level=info").set("mater_key=x").is_refused(&[
        "log-level (--set): unknown option; did you mean log.level?",
        "mater_key (--set): unknown option; did you mean master_key?",
    ]);
}

#[test]
fn a_misspelt_variable_is_refused_with_the_likely_one() {
    nothing()
        .env("KEYWARD_ISUER", "https://x.example")
        .env("KEYWARD_ACCESS_TOKEN_LIFETIME", "5m")
        .env("KEYWARD_MASTERKEY_FILE", "/x")
        .env("KEYWARD_XYZZY", "1")
        .is_refused(&[
            "KEYWARD_ISUER: unknown option; did you mean KEYWARD_ISSUER?",
            "KEYWARD_ACCESS_TOKEN_LIFETIME: unknown option; did you mean \
             KEYWARD_TOKENS_ACCESS_TOKEN_LIFETIME?",
            "KEYWARD_MASTERKEY_FILE: unknown option; did you mean KEYWARD_MASTER_KEY_FILE?",
            "KEYWARD_XYZZY: unknown option",
        ]);
    // Kubernetes describes a service called "keyward" to every container beside it
    nothing().env("KEYWARD_SERVICE_HOST", "10.0.0.1").env("KEYWARD_PORT", "tcp://10.0.0.1:80").loaded();
    nothing()
        .env("KEYWARD_POSTGRES_SERVICE_HOST", "10.0.0.2")
        .env("KEYWARD_POSTGRES_PORT", "tcp://10.0.0.2:5432")
        .loaded();
    nothing().env("KEYWARD_POSTGRES_PORT_5432_TCP_ADDR", "10.0.0.2").loaded();
    nothing().env("KEYWARD_SERVICE_PORT_HTTP", "80").env("KEYWARD_PORT_80_TCP_PORT", "80").loaded();
    // what commands present to a server is no option of one
    nothing().env("KEYWARD_TOKEN", "x").loaded();
    // other programs' variables are none of our business
    nothing().env("KEYWARD_TEST_DATABASE", "x").env("PATH", "/bin").env("KEYWARDEN", "x").loaded();
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    nothing()
        .env("KEYWARD_BRANDING_NAME", "caf\u{FFFD}")
        .is_refused(&["branding.name (KEYWARD_BRANDING_NAME): is not UTF-8"]);
}

#[test]
fn an_empty_value_unsets_what_need_not_be_set() {
    let config = file("workers = 3\n").env("KEYWARD_WORKERS", "").env("KEYWARD_MASTER_KEY_FILE", "").config();
    assert_eq!(config.workers, None);
    assert!(config.master_key.is_none());
    assert_eq!(nothing().env("KEYWARD_ISSUER", "").config().issuer(), "http://localhost:8080");
}

#[test]
fn a_file_that_is_not_toml_is_told_by_its_line_without_quoting_it() {
    let text = format!("workers = 1\n[bootstrap]\nclient_secret = \"{SECRET}\n");
    let given = file(&text).env("KEYWARD_WORKERS", "x");
    let faults = given.faults();
    assert!(faults[0].starts_with("configuration file (keyward.toml:3): "), "{faults:?}");
    assert!(faults.iter().any(|fault| fault.starts_with("workers (KEYWARD_WORKERS)")), "{faults:?}");
    assert!(!faults.concat().contains("hush"), "{faults:?}");
    // nothing can be said of what the file may have set
    assert!(file("issuer = \"").flag("--listen", "0.0.0.0:1").faults().iter().all(|f| !f.starts_with("issuer")));
}

#[test]
fn secrets_come_from_files_too() {
    let (given, path) = nothing().with_file("secret", &format!("{SECRET}\r\n"));
    let (given, other) = given.with_file("other", &format!("{SECRET}\n\n"));
    let given = given.env("KEYWARD_BOOTSTRAP_OWNER_PASSWORD_FILE", &path).set("bootstrap.owner_email=o@example.com");
    let given = given.set(&format!("master_key_file={other}"));
    let loaded = given.loaded();
    let password = loaded.config.bootstrap.owner_password.as_ref().unwrap();
    assert_eq!(password.expose_secret(), SECRET);
    assert_eq!(loaded.config.master_key.as_ref().unwrap().expose_secret(), format!("{SECRET}\n"), "one newline is cut");
    let origin = loaded.origin("bootstrap.owner_password").to_string();
    assert_eq!(origin, "KEYWARD_BOOTSTRAP_OWNER_PASSWORD_FILE");

    let config = file(&format!("[bootstrap]\nclient_id = \"c\"\nclient_secret_file = {path:?}\n")).config();
    assert_eq!(config.bootstrap.client_secret.unwrap().expose_secret(), SECRET);

    let (given, url) = nothing().with_file("url", "sqlite:///y.db\n");
    let given = given.set(&format!("database_url_file={url}"));
    assert_eq!(given.config().database(), DatabaseTarget::Sqlite("/y.db".into()));
}

#[test]
fn a_secret_and_its_file_exclude_each_other() {
    file("master_key_file = \"/x\"\n").env("KEYWARD_MASTER_KEY", SECRET).is_refused(&[
        "master_key_file (keyward.toml:1): master_key is given too (KEYWARD_MASTER_KEY), expected only one \
                       of them",
    ]);
    let faults = nothing().set("bootstrap.client_secret_file=/nowhere/x").set("bootstrap.client_id=c").faults();
    assert_eq!(faults.len(), 1, "that it is missing follows and is not told: {faults:?}");
    assert!(faults[0].starts_with("bootstrap.client_secret_file (--set): cannot read /nowhere/x: "), "{faults:?}");
    let (given, path) = nothing().with_file("empty", "\n");
    let faults = given.set(&format!("master_key_file={path}")).faults();
    assert!(faults[0].ends_with("empty is empty, expected a secret"), "{faults:?}");
    // only secrets have a file
    nothing()
        .set("branding.name_file=/x")
        .is_refused(&["branding.name_file (--set): unknown option; did you mean branding.name?"]);
}

#[test]
fn secrets_are_never_printed() {
    let url = "postgres://keyward:hush@db/keyward?password=hush";
    let given = file(&format!("master_key = \"{SECRET}\"\ndatabase_url = \"{url}\"\n"))
        .set(&format!("bootstrap.client_secret={SECRET}"))
        .set("bootstrap.client_id=c")
        .env("KEYWARD_BOOTSTRAP_OWNER_PASSWORD", SECRET)
        .env("KEYWARD_BOOTSTRAP_OWNER_EMAIL", "o@example.com");
    let loaded = given.loaded();
    let args = Command::parse_from(["keyward", "--set", &format!("master_key={SECRET}"), "--database-url", url]).config;
    let said = format!(
        "{loaded:?} {:#?} {:?} {args:?} {:?}",
        loaded.config,
        loaded.config.database(),
        describe(&loaded.config),
    );
    assert!(!said.contains("hush"), "{said}");

    let wrong =
        file("master_key = \"hush\"\ndatabase_url = \"mysql://u:hush@h\"\n[bootstrap]\nclient_secret = [\"hush\"]\n");
    let wrong = wrong.env("KEYWARD_BOOTSTRAP_OWNER_PASSWORD", "hush").set("hush");
    let errors = wrong.load().unwrap_err();
    let said = format!("{errors} {errors:?}");
    assert!(!said.contains("hush"), "{said}");
    assert_eq!(errors.0.len(), 6, "{said}");
}

#[test]
fn an_issuer_is_written_in_the_one_right_way() {
    for issuer in [
        "https://login.example.com",
        "https://login.example.com:8443",
        "https://example.com/login",
        "http://localhost:8080",
        "http://localhost",
        "http://127.0.0.1:9",
        "http://127.8.7.6",
        "http://[::1]:8080",
        "https://10.0.0.1",
    ] {
        assert_eq!(nothing().flag("--issuer", issuer).config().issuer(), issuer);
    }
    for (issuer, expected) in [
        ("login.example.com", "expected a URL"),
        ("ftp://example.com", "expected a URL"),
        ("https://", "expected a URL"),
        ("http://example.com", "expected https"),
        ("http://localhost.example.com", "expected https"),
        ("http://10.0.0.1", "expected https"),
        ("http://[::2]", "expected https"),
        ("https://example.com/", "no '/' at its end"),
        ("https://example.com/login/", "no '/' at its end"),
        ("https://example.com?x=1", "no query"),
        ("https://example.com?", "no query"),
        ("https://example.com#x", "no fragment"),
        ("https://u@example.com", "no user"),
        ("https://u:p@example.com", "no user"),
        ("https://EXAMPLE.com", "normal form https://example.com"),
        ("https://example.com:443", "normal form https://example.com"),
        (" https://example.com", "normal form https://example.com"),
        ("https://example.com/a/../b", "normal form https://example.com/b"),
        ("http://127.1", "normal form http://127.0.0.1"),
    ] {
        let faults = nothing().flag("--issuer", issuer).faults();
        assert!(faults.len() == 1 && faults[0].contains(expected), "{issuer}: {faults:?}");
    }
    assert_eq!(nothing().flag("--issuer", "http://u@example.com/?a#b").faults().len(), 4, "all of them at once");
}

#[test]
fn without_an_issuer_it_follows_from_the_address() {
    for (listen, issuer) in [
        ("127.0.0.1:9000", "http://localhost:9000"),
        ("127.0.0.1:80", "http://localhost"),
        ("[::1]:9000", "http://localhost:9000"),
        ("127.0.0.2:9000", "http://127.0.0.2:9000"),
    ] {
        assert_eq!(nothing().flag("--listen", listen).config().issuer(), issuer);
    }
    nothing().flag("--listen", "127.0.0.1:1,0.0.0.0:2").is_refused(&[
        "issuer (not set; KEYWARD_ISSUER): must be set to the URL by which clients reach this server, because it listens \
         on 0.0.0.0:2",
    ]);
    nothing().flag("--listen", "127.0.0.1:0").is_refused(&[
        "issuer (not set; KEYWARD_ISSUER): must be set, because port 0 of `listen` is another port each time",
    ]);
    nothing()
        .flag("--listen", "")
        .is_refused(&["listen (--listen): expected at least one address and port such as 127.0.0.1:8080"]);
    nothing().flag("--listen", "0.0.0.0:2").flag("--issuer", "https://a.example").loaded();
}

#[test]
fn a_certificate_and_its_key_come_together() {
    let (given, certificate) = nothing().with_file("c.pem", "c");
    let (given, key) = given.with_file("k.pem", "k");
    let given = given.set(&format!("tls_certificate={certificate}"));
    given.is_refused(&["tls_certificate (--set): expected tls_key with it"]);
    let given = given.set(&format!("tls_key={key}"));
    assert_eq!(given.config().issuer(), "https://localhost:8080");
    assert!(given.config().secure());
    given.flag("--issuer", "http://localhost:8080").is_refused(&[
        "issuer (--issuer): got \"http://localhost:8080\", expected https, because tls_certificate is set",
    ]);
    nothing().set("tls_key=/nowhere/k.pem").is_refused(&[
        "tls_key (--set): expected tls_certificate with it",
        "tls_key (--set): got /nowhere/k.pem, which is not a file that exists",
    ]);
}

#[test]
fn postgresql_needs_a_master_key() {
    let given = nothing().flag("--database-url", "postgres://u:p@h/d");
    given.is_refused(&[
        "master_key (not set; KEYWARD_MASTER_KEY): must be set (or master_key_file), because the database is PostgreSQL",
    ]);
    let config = given.env("KEYWARD_MASTER_KEY", SECRET).config();
    assert_eq!(config.database(), DatabaseTarget::Postgres("postgres://u:p@h/d".into()));
    nothing()
        .env("KEYWARD_DATABASE_URL", "/var/k.db")
        .is_refused(&["database_url (KEYWARD_DATABASE_URL): got ***, expected sqlite://path/to/file or \
         postgres://user:password@host/database"]);
    nothing().set("data_dir=").is_refused(&["data_dir (--set): got \"\", expected a path"]);
}

#[test]
fn short_secrets_are_refused() {
    let short = &SECRET[1..];
    let given = nothing().set(&format!("master_key={short}"));
    let given = given.set("bootstrap.client_id=c").set(&format!("bootstrap.client_secret={short}"));
    let given = given.set("bootstrap.owner_email=o@example.com").set(&format!("bootstrap.owner_password={short}"));
    given.is_refused(&[
        "master_key (--set): got 31 characters, expected at least 32",
        "bootstrap.owner_password (--set): got 31 characters, expected at least 32",
        "bootstrap.client_secret (--set): got 31 characters, expected at least 32",
    ]);
}

#[test]
fn a_bootstrap_identity_has_both_parts() {
    nothing().set(&format!("bootstrap.owner_password={SECRET}")).set("bootstrap.client_id=c").is_refused(&[
        "bootstrap.owner_password (--set): expected bootstrap.owner_email with it",
        "bootstrap.client_id (--set): expected bootstrap.client_secret with it",
    ]);
    let given = nothing().set("bootstrap.owner_email=nobody").set(&format!("bootstrap.owner_password={SECRET}"));
    given.set("bootstrap.client_id=café").set(&format!("bootstrap.client_secret={SECRET}é")).is_refused(&[
        "bootstrap.owner_email (--set): got \"nobody\", expected an email address",
        "bootstrap.client_id (--set): got \"café\", expected visible ASCII characters",
        "bootstrap.client_secret (--set): got (hidden), expected visible ASCII characters",
    ]);
}

#[test]
fn numbers_that_do_not_fit_together_are_refused() {
    nothing()
        .set("tokens.refresh_absolute=1d")
        .set("sessions.idle=31d")
        .set("login.max_delay=1s")
        .set("login.first_delay=2s")
        .set("passwords.argon2_memory_kib=8")
        .set("passwords.argon2_parallelism=4")
        .set("passwords.hash_threads=0")
        .is_refused(&[
            "tokens.refresh_absolute (--set): tokens.refresh_idle is 30d, longer than tokens.refresh_absolute, 24h",
            "sessions.idle (--set): sessions.idle is 31d, longer than sessions.absolute, 30d",
            "login.first_delay (--set): login.first_delay is 2s, longer than login.max_delay, 1s",
            "passwords.argon2_memory_kib (--set): passwords.argon2_memory_kib is 8, expected at least 32, 8 for each of \
             the 4 lanes of passwords.argon2_parallelism",
            "passwords.hash_threads (--set): got 0, expected from 1 to 1024",
        ]);
    nothing().set("passwords.argon2_memory_kib=8").set("passwords.argon2_iterations=1").loaded();
}

#[test]
fn lifetimes_have_sane_limits() {
    for option in [
        "tokens.access_token_lifetime=0s",
        "tokens.access_token_lifetime=25h",
        "tokens.authorization_code_lifetime=601s",
        "tokens.authorization_code_lifetime=0",
        "tokens.refresh_idle=0s",
        "tokens.refresh_absolute=200000000d",
        "sessions.browser=0",
        "shutdown_timeout=1d",
        "passwords.min_strength=5",
        "database_pool=0",
    ] {
        let faults = nothing().set(option).faults();
        assert!(faults.len() == 1 && faults[0].contains("expected from "), "{option}: {faults:?}");
    }
    let config = nothing().set("tokens.refresh_replay_window_public=0s").set("passwords.answer_floor=0").config();
    assert_eq!(config.tokens.refresh_replay_window_public, Duration::ZERO);
}

#[test]
fn signing_algorithms_are_each_named_once() {
    let config = nothing().env("KEYWARD_KEYS_SIGNING_ALGORITHMS", "RS256,EdDSA").config();
    assert_eq!(config.keys.signing_algorithms, [SigningAlgorithm::RS256, SigningAlgorithm::EdDSA]);
    nothing()
        .set("keys.signing_algorithms=RS256,RS256")
        .is_refused(&["keys.signing_algorithms (--set): got RS256 twice"]);
    nothing().set("keys.signing_algorithms=RS256,none").is_refused(&[
        "keys.signing_algorithms (--set): got \"RS256,none\", expected a list: one or more of RS256, ES256, EdDSA",
    ]);
}

#[test]
fn a_misspelt_log_level_is_refused() {
    for level in ["info", "WARN", "off", "info,keyward::oauth=debug", "keyward=trace"] {
        nothing().flag("--log-level", level).loaded();
    }
    for level in ["", "wran", "info,keyward", "keyward=loud", "info,,"] {
        let faults = nothing().flag("--log-level", level).faults();
        assert!(faults.len() == 1 && faults[0].contains("expected one of off, error"), "{level}: {faults:?}");
    }
    nothing().set("branding.name= ").is_refused(&["branding.name (--set): expected a name"]);
}

#[test]
fn what_watches_the_server_is_given_in_the_right_way() {
    let good = nothing().set("otlp.endpoint=https://c.example:4318").set("otlp.headers=a=b,authorization=Bearer x=");
    good.set("metrics.listen=127.0.0.1:9464").loaded();
    for endpoint in ["c.example:4318", "ftp://c.example", "http://c.example?x", "http://u:secret@c.example"] {
        let faults = nothing().set(&format!("otlp.endpoint={endpoint}")).faults();
        assert!(faults.len() == 1 && faults[0].contains("expected an address"), "{endpoint}: {faults:?}");
        assert!(!faults[0].contains("secret"), "{faults:?}");
    }
    for headers in ["a=b,,c=d", "=b", "a=\u{e9}", "a=b\nc=d"] {
        let faults = nothing().set(&format!("otlp.headers={headers}")).faults();
        assert!(faults.len() == 1 && faults[0].contains("expected name=value"), "{headers}: {faults:?}");
    }
    let faults = nothing().set("metrics.listen=127.0.0.1:8080").faults();
    assert!(faults.len() == 1 && faults[0].contains("expected an address of its own"), "{faults:?}");
}

#[test]
fn the_other_loopback_address_is_added_once() {
    let addresses = |listen: &str| {
        let mut config = Config::defaults();
        config.listen = listen.split(',').map(|a| a.parse().unwrap()).collect();
        config.listen_addresses().iter().map(|(a, must)| format!("{a} {must}")).collect::<Vec<_>>()
    };
    assert_eq!(addresses("127.0.0.1:1,[::1]:1"), ["127.0.0.1:1 true", "[::1]:1 true"]);
    assert_eq!(addresses("127.0.0.1:1,127.0.0.1:2").len(), 4);
    assert_eq!(addresses("127.0.0.1:0"), ["127.0.0.1:0 true"], "another port would be drawn for it");
    assert_eq!(addresses("0.0.0.0:1"), ["0.0.0.0:1 true"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_file_makes_it_panic(text in "\\PC*|([a-z_.\\[\\]]{1,12} ?= ?[\"\\[{]?[^\u{0}]{0,9}[\"\\]}]?\n){0,6}") {
        let _ = file(&text).load().map_err(|errors| errors.to_string());
    }

    #[test]
    fn no_value_makes_it_panic(values in prop::collection::vec(("[A-Z_]{0,12}|WORKERS|ISSUER|LISTEN", "\\PC*"), 0..5)) {
        let given = values.iter().fold(nothing(), |given, (name, value)| given.env(&format!("KEYWARD_{name}"), value.as_str()));
        // a named file would be read from wherever the name leads
        let given = Given { env: given.env.into_iter().filter(|(name, _)| name != "KEYWARD_CONFIG").collect(), ..given };
        let _ = given.load().map_err(|errors| errors.to_string());
    }

    #[test]
    fn no_value_of_any_option_makes_it_panic(at in any::<prop::sample::Index>(), value in "\\PC*|[0-9]{1,25}[a-z]?") {
        let all = describe(&Config::defaults());
        let option = &all[at.index(all.len())];
        let _ = nothing().env(&option.about.variable(), value).load().map_err(|errors| errors.to_string());
    }

    #[test]
    fn no_issuer_makes_it_panic(issuer in "(https?://)?[a-zA-Z0-9@:/?#%.\\[\\]é -]{0,30}") {
        if let Ok(loaded) = nothing().env("KEYWARD_ISSUER", issuer.as_str()).load() {
            let accepted = loaded.config.issuer();
            prop_assert!(issuer.is_empty() || accepted == issuer);
            prop_assert!(!accepted.ends_with('/') && !accepted.contains(['?', '#', '@', ' ']));
        }
    }
}

#[test]
fn what_does_not_fit_together_about_mail_is_told_at_once() {
    let mail = |text: &str| file(&format!("[mail]\n{text}"));
    let sound = "host = 'smtp.example.org'\nfrom = 'no-reply@example.org'\n";
    let config = mail(sound).config();
    assert_eq!((config.mail.smtp_port(), config.mail.is_configured()), (587, true));
    assert_eq!(config.mail.to_string(), "by smtp.example.org:587 (starttls) from no-reply@example.org");
    assert_eq!(mail(&format!("{sound}security = 'tls'\n")).config().mail.smtp_port(), 465);
    assert!(!Config::defaults().mail.is_configured());
    mail("host = 'localhost'\nsecurity = 'none'\nfrom = 'a@example.org'\n").config();
    mail(&format!("{sound}security = 'none'\nallow_unencrypted = true\n")).config();
    for (text, keys) in [
        ("host = 'smtp.example.org'\n", &["mail.from"][..]),
        ("directory = '/tmp'\n", &["mail.from"]),
        ("from = 'no-reply@example.org'\n", &["mail.from"]),
        ("user = 'x'\npassword = 'y'\n", &["mail.user", "mail.password"]),
        ("host = 'smtp://x'\nfrom = 'example.org'\nport = 70000\n", &["mail.port", "mail.host", "mail.from"]),
        (&format!("{sound}directory = '/tmp'\n"), &["mail.directory"]),
        (&format!("{sound}user = 'x'\n"), &["mail.user"]),
        (&format!("{sound}password = 'hush'\n"), &["mail.password"]),
        (&format!("{sound}security = 'none'\n"), &["mail.security"]),
        (&format!("{sound}ca_certificates = '/no/such/file'\n"), &["mail.ca_certificates"]),
        (&format!("{sound}from_name = ' '\n"), &["mail.from_name"]),
        (&format!("{sound}from_domains = ['a b']\n"), &["mail.from_domains"]),
        (&format!("{sound}retry_delays = ['1m', '1m', '1m', '1m']\n"), &["mail.retry_delays"]),
        (&format!("{sound}retry_delays = ['2m', '1m']\n"), &["mail.retry_delays"]),
        (&format!("{sound}retry_delays = ['0s']\n"), &["mail.retry_delays"]),
    ] {
        let errors = mail(text).load().map(|_| ()).expect_err(text);
        let found: Vec<&str> = errors.0.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(found, keys, "{text}");
        assert!(!errors.to_string().contains("hush"));
    }
}

/// The keys of the complaints about this text of a file.
fn complaints(text: &str) -> Vec<String> {
    let errors = file(text).load().map(|_| ()).expect_err(text);
    assert!(!errors.to_string().contains("hush"), "{errors}");
    errors.0.iter().map(|fault| fault.key.clone()).collect()
}

#[test]
fn what_does_not_fit_together_about_the_application_server_is_told_at_once() {
    use crate::model::auth_module::AuthModule;
    let appserver = |text: &str| format!("[appserver]\n{text}");
    let defaults = Config::defaults();
    assert_eq!(
        defaults.auth_modules(),
        [
            AuthModule::DialogUser,
            AuthModule::RoleBasedPerson,
            AuthModule::OAuthRoleBased,
            AuthModule::ComponentAuthenticator
        ]
    );
    assert_eq!(defaults.default_auth_module(), Some(AuthModule::DialogUser));
    let sound = "base_path = '/D/One-Identity'\nmodules = ['HTTPHeader', 'oauth']\nheader = 'X-Remote-User'\n\
                 header_proxies = ['10.0.0.1']\ndefault_module = 'HTTPHeader'\n\
                 initial_data = [\"Module=OAuth;ClientId=shop;RedirectUri='https://x/;a'\"]\n";
    let config = file(&appserver(sound)).config();
    assert_eq!(config.auth_modules(), [AuthModule::HttpHeader, AuthModule::OAuth]);
    assert_eq!(config.default_auth_module(), Some(AuthModule::HttpHeader));
    assert_eq!(config.appserver.initial()[&AuthModule::OAuth].get("redirecturi"), Some("https://x/;a"));
    for (text, keys) in [
        ("base_path = 'AppServer'", &["appserver.base_path"][..]),
        ("base_path = '/'", &["appserver.base_path"]),
        ("base_path = '/AppServer/'", &["appserver.base_path"]),
        ("base_path = '/a/../b'", &["appserver.base_path"]),
        ("base_path = '/{id}'", &["appserver.base_path"]),
        ("base_path = '/OAuth/x'", &["appserver.base_path"]),
        ("modules = []", &["appserver.modules"]),
        ("modules = ['DialogUser', 'dialoguser']", &["appserver.modules"]),
        ("modules = ['Nothing']", &["appserver.modules"]),
        ("default_module = 'OAuth'", &["appserver.default_module"]),
        ("default_module = 'RoleBasedHTTPHeader'", &["appserver.default_module"]),
        ("header = 'X-Remote-User'", &["appserver.header"]),
        ("header_proxies = ['10.0.0.1']", &["appserver.header_proxies"]),
        ("header = 'a b'\nheader_proxies = ['10.0.0.1']", &["appserver.header"]),
        ("header = 'Cookie'\nheader_proxies = ['10.0.0.1']", &["appserver.header"]),
        ("header = 'X-User'\nheader_proxies = ['0.0.0.0/0']", &["appserver.header_proxies"]),
        ("header_field = 'name'", &["appserver.header_field"]),
        ("initial_data = ['ClientId=shop']", &["appserver.initial_data"]),
        ("initial_data = ['Module=Nothing']", &["appserver.initial_data"]),
        ("initial_data = ['Module=OAuth;ClientId=a', 'Module=OAuth;ClientId=b']", &["appserver.initial_data"]),
        ("initial_data = ['Module=OAuth;Client=a']", &["appserver.initial_data"]),
        ("initial_data = ['Module=OAuth;ClientSecret=hush']", &["appserver.initial_data"]),
        ("initial_data = ['Module=DialogUser;User=a;Password=hush']", &["appserver.initial_data"]),
        ("initial_data = ['Module=HTTPHeader;User=a']", &["appserver.initial_data"]),
    ] {
        assert_eq!(complaints(&appserver(text)), keys, "{text}");
    }
    file(&appserver("enabled = false\nmodules = []")).config();
}

#[test]
fn what_does_not_fit_together_about_the_directory_is_told_at_once() {
    let ldap = |text: &str| format!("[ldap]\n{text}");
    let base = "base_dn = 'dc=example,dc=org'\n";
    for sound in [
        "url = 'ldaps://directory.example.org'\n",
        "url = 'ldap://directory.example.org:1389'\n",
        "url = 'ldap://127.0.0.1:389'\nstarttls = false\n",
        "url = 'ldap://[::1]'\nstarttls = false\n",
        "url = 'ldap://localhost/'\nstarttls = false\n",
        "url = 'ldap://directory.example.org'\nstarttls = false\nallow_unencrypted = true\n",
        "url = 'ldaps://x'\nbind_dn = 'cn=x'\nbind_password = 'hush'\nuser_filter = '(&(uid={user})(a=b))'\n",
    ] {
        assert!(file(&ldap(&format!("{sound}{base}"))).config().ldap.url.is_some(), "{sound}");
    }
    for (text, keys) in [
        ("url = 'ldaps://x'\n".to_owned(), &["ldap.base_dn"][..]),
        (base.to_owned(), &["ldap.base_dn"]),
        ("bind_dn = 'cn=x'\nbind_password = 'hush'\n".to_owned(), &["ldap.bind_dn", "ldap.bind_password"]),
        (format!("url = 'directory'\n{base}"), &["ldap.url"]),
        (format!("url = 'https://directory'\n{base}"), &["ldap.url"]),
        (format!("url = 'ldap:///'\n{base}"), &["ldap.url"]),
        (format!("url = 'ldaps://x/dc=example??sub'\n{base}"), &["ldap.url"]),
        (format!("url = 'ldaps://user@x'\n{base}"), &["ldap.url"]),
        (format!("url = 'ldaps://[::1]'\n{base}"), &["ldap.url"]),
        (format!("url = 'ldap://directory.example.org'\nstarttls = false\n{base}"), &["ldap.starttls"]),
        (format!("url = 'ldap://10.0.0.1'\nstarttls = false\n{base}"), &["ldap.starttls"]),
        (format!("url = 'ldaps://x'\nbind_dn = 'cn=x'\n{base}"), &["ldap.bind_dn"]),
        (format!("url = 'ldaps://x'\nbind_password = 'hush'\n{base}"), &["ldap.bind_password"]),
        (format!("url = 'ldaps://x'\nbind_dn = ' '\nbind_password = 'hush'\n{base}"), &["ldap.bind_dn"]),
        (format!("url = 'ldaps://x'\nca_certificates = '/no/such/file'\n{base}"), &["ldap.ca_certificates"]),
        ("user_filter = '(uid=ada)'".to_owned(), &["ldap.user_filter"]),
        ("user_filter = 'uid={user}('".to_owned(), &["ldap.user_filter"]),
        ("mail_attribute = 'm ail'".to_owned(), &["ldap.mail_attribute"]),
    ] {
        assert_eq!(complaints(&ldap(&text)), keys, "{text}");
    }
}
