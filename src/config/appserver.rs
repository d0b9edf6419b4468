//! What must be true of the options of `[appserver]` together, and what they come to.

use std::collections::HashMap;

use super::{Appserver, Config, fault::Report};
use crate::model::{
    auth_module::{AuthModule, Proof},
    auth_string::AuthString,
};

/// The first parts of paths that are other faces'.
const TAKEN: [&str; 13] = [
    "account",
    "consent",
    "email",
    "health",
    "login",
    "logout",
    "oauth",
    "password",
    "resources",
    "setup",
    "static",
    ".well-known",
    "graph",
];

impl Config {
    /// The authentication modules that are activated and can work here, in the configured order.
    pub fn auth_modules(&self) -> Vec<AuthModule> {
        let works = |module: &AuthModule| match module.proof() {
            Proof::Directory => self.ldap.url.is_some(),
            Proof::Header => self.appserver.header.is_some() && !self.appserver.header_proxies.is_empty(),
            Proof::Password { .. } | Proof::OAuth | Proof::Client => true,
        };
        self.appserver.modules.iter().copied().filter(works).collect()
    }

    /// The one that programs preselect; none where there is none at all.
    pub fn default_auth_module(&self) -> Option<AuthModule> {
        let modules = self.auth_modules();
        let wanted = self.appserver.default_module.unwrap_or(AuthModule::DialogUser);
        modules.iter().copied().find(|module| *module == wanted).or(modules.first().copied())
    }
}

impl Appserver {
    /// What programs may leave out, by module.
    pub fn initial(&self) -> HashMap<AuthModule, AuthString> {
        // every loaded configuration was validated
        let read = |text: &String| text.parse::<AuthString>().ok().and_then(|s| Some((s.module.parse().ok()?, s)));
        self.initial_data.iter().filter_map(read).collect()
    }
}

/// Notes everything that does not fit.
pub(super) fn validate(config: &Config, report: &mut Report) {
    let options = &config.appserver;
    if let Err(problem) = check_path(&options.base_path) {
        report.complain(&["appserver.base_path"], format!("got {:?}, {problem}", options.base_path));
    }
    let modules = &options.modules;
    if options.enabled && modules.is_empty() {
        report.complain(&["appserver.modules"], "expected at least one, or appserver.enabled = false");
    }
    if let Some((_, twice)) = modules.iter().enumerate().find(|(at, module)| modules[..*at].contains(module)) {
        report.complain(&["appserver.modules"], format!("got {twice} twice"));
    }
    if let Some(module) = options.default_module.filter(|module| !config.auth_modules().contains(module)) {
        let why = match modules.contains(&module) {
            true => "what it needs is not configured",
            false => "expected one of appserver.modules",
        };
        report.complain(&["appserver.default_module", "appserver.modules"], format!("got {module}, {why}"));
    }
    header(options, report);
    initial_data(options, report);
}

fn header(options: &Appserver, report: &mut Report) {
    match (&options.header, options.header_proxies.is_empty()) {
        (Some(_), true) => {
            let keys = ["appserver.header", "appserver.header_proxies"];
            report.complain(&keys, "expected appserver.header_proxies with it: nobody is believed without");
        }
        (None, false) => {
            report.complain(&["appserver.header_proxies", "appserver.header"], "expected appserver.header with it")
        }
        _ => {}
    }
    // RFC 9110 §5.6.2
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if let Some(name) = options.header.as_ref().filter(|name| name.is_empty() || !name.chars().all(token)) {
        report.complain(&["appserver.header"], format!("got {name:?}, expected the name of a header"));
    }
    // what says something else of a request
    const OTHERS: [&str; 7] =
        ["host", "cookie", "authorization", "origin", "x-forwarded-for", "forwarded", "x-request-id"];
    if let Some(name) = options.header.as_ref().filter(|name| OTHERS.contains(&name.to_ascii_lowercase().as_str())) {
        report.complain(&["appserver.header"], format!("got {name:?}, which says something else"));
    }
    if let Some(network) = options.header_proxies.iter().find(|network| network.prefix_len() == 0) {
        report.complain(&["appserver.header_proxies"], format!("got {network}: then anybody could sign in as anybody"));
    }
}

fn initial_data(options: &Appserver, report: &mut Report) {
    let mut seen: Vec<AuthModule> = Vec::new();
    for (index, text) in options.initial_data.iter().enumerate() {
        let mut complain = |problem: String| {
            report.complain(&["appserver.initial_data"], format!("item {}: {problem}", index + 1));
        };
        let data = match text.parse::<AuthString>() {
            Ok(data) => data,
            Err(problem) => {
                complain(problem);
                continue;
            }
        };
        let Ok(module) = data.module.parse::<AuthModule>() else {
            let names: Vec<&str> = AuthModule::ALL.into_iter().map(AuthModule::as_str).collect();
            complain(format!("got Module={}, expected one of {}", data.module, names.join(", ")));
            continue;
        };
        if seen.contains(&module) {
            complain(format!("got {module} twice"));
        }
        seen.push(module);
        let properties = module.properties();
        for name in data.names() {
            match properties.iter().find(|property| property.name.eq_ignore_ascii_case(name)) {
                Some(property) if property.secret => {
                    complain(format!("got {}: with a secret in it anybody could sign in", property.name));
                }
                Some(_) => {}
                None => {
                    let open: Vec<&str> = properties.iter().filter(|p| !p.secret).map(|p| p.name).collect();
                    complain(match open.is_empty() {
                        true => format!("got {name}, but {module} takes nothing"),
                        false => format!("got {name}, expected one of {}", open.join(", ")),
                    });
                }
            }
        }
    }
}

/// Whether it is a path that nothing else has.
fn check_path(path: &str) -> Result<(), String> {
    let sound = |part: &str| {
        let bytes = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~'));
        !part.is_empty() && bytes && !matches!(part, "." | "..")
    };
    let Some(parts) = path.strip_prefix('/').map(|rest| rest.split('/').collect::<Vec<_>>()) else {
        return Err("expected a path such as /AppServer".to_owned());
    };
    if path.len() > 128 || !parts.iter().all(|part| sound(part)) {
        return Err("expected a path such as /AppServer, without a slash at its end".to_owned());
    }
    match parts.first().filter(|first| TAKEN.iter().any(|taken| taken.eq_ignore_ascii_case(first))) {
        Some(first) => Err(format!("expected a path of its own: /{first} is there already")),
        None => Ok(()),
    }
}
