//! `keyward doctor`: from outside in, through the issuer, what is wrong and how to fix it.
//!
//! It runs beside a server and speaks with it as clients do, through name, proxy and TLS; what is on the machine itself
//! (configuration, database, files) it looks at directly. It changes nothing that stays, but for events in the audit log.

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::{out, serve::Signals};
use crate::{
    clock::Clock,
    config::{Config, ConfigArgs, Loaded},
    server,
};

mod clocks;
mod cookies;
mod database;
mod files;
pub mod finding;
mod keys;
pub mod login;
mod mail;
mod metadata;
mod proxy;
mod reach;
mod settings;
mod tls;
mod wire;

pub use finding::{Finding, Report, Status, Step};
use wire::Wire;

/// What to examine, and how to tell.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit status: 0 if all is well or there are only warnings, 1 if there is a problem, 2 if the command \
                        or the configuration is wrong."
)]
pub struct DoctorArgs {
    /// As JSON: {"status": …, "findings": [{"check", "status", "summary", "fix", "steps"}]}
    #[arg(long)]
    json: bool,
    /// Do not sign in: nothing is made in the database
    #[arg(long)]
    skip_login: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Examines the server and tells what was found.
///
/// # Errors
/// The configuration is wrong, or there is a problem.
pub async fn run(args: &DoctorArgs) -> anyhow::Result<()> {
    let loaded = Config::load(&args.config, crate::config::environment())?;
    // begins to listen when it is asked for the first time
    let stop = async {
        match Signals::new() {
            Ok(mut signals) => drop(signals.received().await),
            Err(_) => std::future::pending().await,
        }
    };
    let report = Box::pin(examine(&loaded, args.skip_login, &Clock::System, stop)).await;
    match args.json {
        true => out::json(&json!(report)),
        false => out::print(&report.text()),
    }
    match report.count(Status::Problem) {
        0 => Ok(()),
        1 => bail!("the doctor found a problem"),
        problems => bail!("the doctor found {problems} problems"),
    }
}

/// Makes all checks. Whoever ends `stop` ends the sign-in, which then leaves nothing behind.
pub async fn examine(loaded: &Loaded, skip_login: bool, clock: &Clock, stop: impl Future<Output = ()>) -> Report {
    // Fails only if the process has a provider already, which serves as well.
    let _ = server::provider().install_default();
    let config = &loaded.config;
    let mut found = Vec::new();
    let wire = Box::pin(reach::examine(config, clock.now(), &mut found)).await;
    let outside = Box::pin(outside(wire, config, clock, &mut found)).await;

    found.push(tls::examine_file(config, clock.now()));
    found.push(files::modes(loaded));
    found.push(files::space(loaded));

    let (finding, opened) = Box::pin(database::open(config, clock)).await;
    found.push(finding);
    let app = opened.as_ref().map(|opened| &opened.app);
    match &opened {
        Some(opened) => {
            found.push(database::latency(&opened.app).await);
            found.push(settings::examine(opened, config).await);
            found.push(clocks::database(&opened.app).await);
        }
        None => {
            let checks = ["database_latency", "database_settings", "clock_database"];
            found.extend(checks.map(Finding::without_database));
        }
    }
    found.push(Box::pin(mail::server(config)).await);
    match app {
        Some(app) => {
            found.push(mail::queue(app).await);
            found.push(keys::examine(app, config, outside.wire.as_ref()).await);
        }
        None => found.extend(["mail_queue", "keys"].map(Finding::without_database)),
    }

    let login = match (&outside.wire, app) {
        _ if skip_login => Err(not_wanted as fn(_) -> _),
        (None, _) => Err(Finding::unreachable as fn(_) -> _),
        (_, None) => Err(Finding::without_database as fn(_) -> _),
        (Some(_), _) if !outside.right => Err(not_ours as fn(_) -> _),
        (Some(wire), Some(app)) => Ok(Box::pin(login::examine(app, wire, stop)).await),
    };
    let (mut set, mut signed) = (outside.cookies, None);
    match login {
        Ok(outcome) => {
            let login::Outcome { finding, cookies, address, signed: by_tokens } = outcome;
            set.extend(cookies);
            signed = by_tokens;
            found.push(finding);
            found.push(match (address, &outside.wire) {
                (Some(seen), Some(wire)) => proxy::client_address(wire.local, seen, &config.trusted_proxies),
                _ => Finding::skipped("client_address", "nobody signed in", "See to the check login first."),
            });
        }
        Err(why) => found.extend(["login", "client_address"].map(why)),
    }
    match &outside.wire {
        Some(_) => {
            found.push(cookies::judge(&set, config.secure()));
            found.push(clocks::server(outside.answers, signed));
        }
        None => found.extend(["cookies", "clock_server"].map(Finding::unreachable)),
    }
    Report::of(found)
}

fn not_wanted(check: &'static str) -> Finding {
    Finding::skipped(check, "--skip-login was given", "Leave --skip-login out.")
}

fn not_ours(check: &'static str) -> Finding {
    Finding::skipped(
        check,
        "what answers is not the server that is configured here",
        "See to the check metadata first.",
    )
}

/// What was seen from outside.
struct Outside {
    wire: Option<Wire>,
    /// It is the server that is configured here.
    right: bool,
    cookies: Vec<String>,
    answers: Option<clocks::Pair>,
}

async fn outside(wire: Option<Wire>, config: &Config, clock: &Clock, found: &mut Vec<Finding>) -> Outside {
    let Some(wire) = wire else {
        found.extend(["ready", "metadata", "proxy_headers", "https_only"].map(Finding::unreachable));
        return Outside { wire: None, right: false, cookies: Vec::new(), answers: None };
    };
    found.push(metadata::ready(&wire).await);
    let (finding, right) = metadata::examine(&wire, config).await;
    found.push(finding);
    let page = proxy::page(&wire, false).await;
    found.push(proxy::headers(&wire, config, &page).await);
    found.push(proxy::https_only(&wire, page.as_ref().ok()).await);
    let cookies = page.map(|page| page.cookies()).unwrap_or_default();
    let answers = clocks::of_answers(&wire, clock).await;
    Outside { wire: Some(wire), right, cookies, answers }
}
