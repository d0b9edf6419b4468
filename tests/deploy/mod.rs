//! What deploy/ says of the server is true of it: its options exist, its configurations are sound, ports and times
//! agree; and the programs that these files are for accept them, where they are installed.

#![allow(clippy::panic)] // as a test does

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use keyward::config::{Config, ConfigArgs, DatabaseTarget, table::describe};

use super::{TOP, names, root};

/// How much the service may be exposed, in tenths of what `systemd-analyze security` counts, from 0 to 10.
const EXPOSURE: &str = "--threshold=12";

fn text(name: &str) -> String {
    fs::read_to_string(root().join("deploy").join(name)).unwrap()
}

/// The words of a text that consist of these characters, without dots and underscores around them.
fn words(text: &str, is_part: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |c| !is_part(c)).map(|word| word.trim_matches(['.', '_'])).filter(|word| !word.is_empty())
}

/// What stands after `name` in the first line that begins with it, blanks apart.
fn after<'t>(text: &'t str, name: &str) -> &'t str {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(name));
    line.unwrap_or_else(|| panic!("there is no line {name}")).trim()
}

fn seconds(text: &str) -> u64 {
    text.strip_suffix('s').unwrap_or(text).parse().unwrap()
}

/// Secrets as files, as a deployment has them.
fn secrets(names: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, secret) in names {
        fs::write(directory.path().join(name), secret).unwrap();
    }
    directory
}

fn load(file: Option<PathBuf>, env: Vec<(String, String)>) -> Config {
    let args = ConfigArgs { config: file, ..ConfigArgs::default() };
    Config::load(&args, env).unwrap_or_else(|errors| panic!("{errors}")).config
}

#[test]
fn every_option_that_is_named_exists() {
    let mut variables = BTreeSet::from(["KEYWARD_CONFIG".to_owned()]);
    let (mut keys, mut sections) = (BTreeSet::new(), BTreeSet::new());
    for option in describe(&Config::defaults()) {
        let key = option.about.key;
        let variable = option.about.variable();
        if option.secret {
            keys.insert(format!("{key}_file"));
            variables.insert(format!("{variable}_FILE"));
        }
        sections.extend(key.split_once('.').map(|(section, _)| section));
        keys.insert(key.to_owned());
        variables.insert(variable);
    }
    let mut unknown = Vec::new();
    // what lies deeper knows the names of numbers, not of options
    for name in names(&root().join("deploy")).into_iter().filter(|name| root().join("deploy").join(name).is_file()) {
        let text = text(&name);
        let capitals = words(&text, |c| c.is_ascii_uppercase() || c == '_');
        let named = capitals.filter(|word| word.starts_with("KEYWARD_") && !variables.contains(*word));
        unknown.extend(named.map(|word| format!("deploy/{name}: {word}")));
        let dotted = words(&text, |c| c.is_ascii_lowercase() || c == '_' || c == '.');
        let is_unknown = |word: &&str| {
            let section = word.split_once('.').map(|(section, _)| section);
            section.is_some_and(|section| sections.contains(section)) && !keys.contains(*word)
        };
        unknown.extend(dotted.filter(is_unknown).map(|word| format!("deploy/{name}: {word}")));
    }
    assert!(unknown.is_empty(), "no such options:\n{}", unknown.join("\n"));
}

#[test]
fn the_configuration_of_the_service_is_sound_with_and_without_what_is_commented_out() {
    let path = root().join("deploy/keyward.toml");
    let config = load(Some(path.clone()), Vec::new());
    assert_eq!(config.database(), DatabaseTarget::Sqlite("/var/lib/keyward/keyward.db".into()));

    let secrets = secrets(&[
        ("database_url", "postgres://keyward:secret@db.example.org/keyward"),
        ("master_key", "0123456789abcdef0123456789abcdef\n"),
        ("smtp_password", "secret"),
    ]);
    let is_option =
        |line: &str| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let given = text("keyward.toml");
    let all = given.lines().map(|line| line.strip_prefix("# ").filter(|rest| is_option(rest)).unwrap_or(line));
    let all = all.collect::<Vec<_>>().join("\n");
    let full = secrets.path().join("keyward.toml");
    fs::write(&full, all.replace("/etc/keyward", secrets.path().to_str().unwrap())).unwrap();
    let config = load(Some(full), Vec::new());
    assert!(matches!(config.database(), DatabaseTarget::Postgres(_)));
    assert!(config.mail.password.is_some());
}

/// The configuration of the container that compose.yaml starts.
fn of_the_container() -> Config {
    let secrets = secrets(&[
        ("database_url", "postgres://keyward:secret@postgres/keyward"),
        ("master_key", "0123456789abcdef0123456789abcdef\n"),
    ]);
    let (image, compose) = (text("Dockerfile"), text("compose.yaml"));
    let set = |line: &str, separator: char| {
        let line = line.trim().trim_start_matches("ENV ").trim_end_matches(" \\");
        let (name, value) = line.split_once(separator).filter(|(name, _)| name.starts_with("KEYWARD_"))?;
        let value = value.trim().replace("/run/secrets", secrets.path().to_str().unwrap());
        let value = if value.starts_with("${KEYWARD_ISSUER:?") { "https://id.example.org".to_owned() } else { value };
        Some((name.to_owned(), value))
    };
    let env = image.lines().filter_map(|line| set(line, '=')).chain(compose.lines().filter_map(|line| set(line, ':')));
    load(None, env.collect())
}

#[test]
fn the_configuration_of_the_container_is_sound() {
    let config = of_the_container();
    assert!(matches!(config.database(), DatabaseTarget::Postgres(_)));
    let compose = text("compose.yaml");
    let gateway: ipnet::IpNet = after(&compose, "gateway:").parse::<std::net::IpAddr>().unwrap().into();
    assert_eq!(config.trusted_proxies, [gateway]);
    let subnet: ipnet::IpNet = after(&compose, "- subnet:").parse().unwrap();
    assert!(subnet.contains(&gateway));
    // what the server makes itself, below the volume
    let image = text("Dockerfile");
    assert_eq!(config.data_dir.parent(), Some(Path::new(after(&image, "VOLUME "))));
    assert!(compose.contains(&format!("user: \"{}\"", after(&image, "USER "))));
}

#[test]
fn the_ports_agree() {
    let port = of_the_container().listen[0].port();
    let service = load(Some(root().join("deploy/keyward.toml")), Vec::new());
    let local = service.listen[0].to_string();
    assert_eq!(local, format!("127.0.0.1:{port}"));
    assert_eq!(after(&text("Dockerfile"), "EXPOSE "), port.to_string());
    assert!(text("Dockerfile").contains(&format!("--publish={local}:{port}")));
    assert_eq!(after(&text("compose.yaml"), "ports:"), format!("[\"{local}:{port}\"]"));
    assert_eq!(after(&text("nginx.conf"), "server 127"), format!("{};", local.trim_start_matches("127")));
    assert_eq!(after(&text("Caddyfile"), "reverse_proxy"), format!("{local} {{"));
    for proxy in ["nginx.conf", "Caddyfile"] {
        assert!(text(proxy).contains(&format!("KEYWARD_LISTEN={local} ")), "{proxy}");
        let trusted = format!("KEYWARD_TRUSTED_PROXIES={} ", service.trusted_proxies[0].addr());
        assert!(text(proxy).contains(&trusted), "{proxy}");
    }
}

#[test]
fn who_stops_the_server_waits_for_it() {
    // first for the requests, then for the mails
    let needed = 2 * Config::defaults().shutdown_timeout.as_secs();
    let (unit, compose, image) = (text("keyward.service"), text("compose.yaml"), text("Dockerfile"));
    let (_, docker) = image.split_once("--stop-timeout=").unwrap();
    let docker = docker.split_whitespace().next().unwrap();
    for waits in [after(&unit, "TimeoutStopSec="), after(&compose, "stop_grace_period:"), docker] {
        assert!(seconds(waits) > needed, "{waits} is too short for twice shutdown_timeout");
    }
}

#[test]
fn threads_that_hash_may_ask_for_their_priority_and_core() {
    let unit = text("keyward.service");
    let filters = unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter="));
    let allowed: BTreeSet<&str> = filters.flat_map(str::split_whitespace).collect();
    // both are of @resources, of which the rest stays forbidden
    for call in ["setpriority", "sched_setaffinity"] {
        assert!(allowed.contains(call), "{call} is not in {allowed:?}");
    }
}

#[test]
fn the_image_is_built_of_everything_that_it_needs() {
    let image = text("Dockerfile");
    let builder = format!("rust:{}.", env!("CARGO_PKG_RUST_VERSION"));
    assert!(after(&image, "FROM ").starts_with(&builder), "expected {builder}");
    let ignore = text("Dockerfile.dockerignore");
    let sent: BTreeSet<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let not_needed = ["tests", "README.md", "deploy"];
    let needed = TOP.into_iter().filter(|name| !not_needed.contains(name)).chain([".cargo"]);
    assert_eq!(sent, needed.collect());
}

/// Where a program is, also where only root looks for it.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).map(|directory| directory.join(name));
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: {name} is not installed");
    }
    found
}

fn passes(command: &mut Command) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(output.status.success(), "{command:?}:\n{said}");
}

#[test]
fn systemd_accepts_the_service_and_finds_it_hardened() {
    let Some(analyze) = program("systemd-analyze") else { return };
    let directory = tempfile::tempdir().unwrap();
    let unit = directory.path().join("keyward.service");
    // the program need not be installed where the tests run
    fs::write(&unit, text("keyward.service").replace("=/usr/local/bin/keyward ", "=/bin/true ")).unwrap();
    passes(Command::new(&analyze).args(["verify", "--man=no"]).arg(&unit));
    passes(Command::new(&analyze).args(["security", "--offline=true", "--no-pager", EXPOSURE]).arg(&unit));
}

#[test]
fn nginx_accepts_its_configuration() {
    let Some(nginx) = program("nginx") else { return };
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().to_str().unwrap();
    let tls = root().join("tests/support/tls");
    let mut sockets = 0;
    let mut site = String::new();
    for line in text("nginx.conf").lines() {
        // nginx binds what it only tests
        match line.trim().strip_prefix("listen ") {
            Some(address) => {
                let kind = if address.contains("ssl") { " ssl" } else { "" };
                sockets += 1;
                site.push_str(&format!("listen unix:{place}/{sockets}{kind};"));
            }
            None => site.push_str(line),
        }
        site.push('\n');
    }
    let certificates = "/etc/letsencrypt/live/id.example.org";
    let site = site
        .replace("/var/log/nginx", place)
        .replace(&format!("{certificates}/fullchain.pem"), tls.join("certificate.pem").to_str().unwrap())
        .replace(&format!("{certificates}/privkey.pem"), tls.join("key.pem").to_str().unwrap());
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = temporary.iter().map(|name| format!("{name}_temp_path {place}/{name};")).collect();
    let whole = format!("pid {place}/pid; error_log stderr; events {{}} http {{ {temporary}\n{site} }}");
    let path = directory.path().join("nginx.conf");
    fs::write(&path, whole).unwrap();
    passes(Command::new(nginx).arg("-t").arg("-p").arg(place).arg("-c").arg(&path).args(["-e", "stderr"]));
}

#[test]
fn caddy_accepts_its_configuration() {
    let Some(caddy) = program("caddy") else { return };
    let home = tempfile::tempdir().unwrap();
    let path = root().join("deploy/Caddyfile");
    let adapt = ["adapt", "--adapter", "caddyfile", "--config"];
    passes(Command::new(&caddy).args(adapt).arg(&path).env("HOME", home.path()));
}
