//! `keyward doctor`, against the real server: all is well where it is, and each check finds its fault.

use std::{future::pending, net::TcpListener};

use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types::BigInt};
use keyward::{
    cli::doctor::{Finding, Report, Status, examine},
    clock::Clock,
    config::{Config, Loaded},
    store,
};

use crate::support::TestApp;

mod inside;
mod login;
mod outside;
mod program;
mod proxy;

/// The checks, in their order.
const CHECKS: [&str; 20] = [
    "issuer",
    "tls",
    "ready",
    "metadata",
    "proxy_headers",
    "https_only",
    "certificate_file",
    "file_modes",
    "disk_space",
    "database",
    "database_latency",
    "database_settings",
    "clock_database",
    "mail",
    "mail_queue",
    "keys",
    "login",
    "client_address",
    "cookies",
    "clock_server",
];

fn loaded(config: &Config) -> Loaded {
    Loaded { config: config.clone(), origins: Default::default(), file: None, secret_files: Vec::new() }
}

/// What the doctor finds about this server, by its own configuration and clock.
async fn examined(app: &TestApp) -> Report {
    Box::pin(examine(&loaded(&app.app.config), false, &app.clock, pending())).await
}

/// The same by a changed configuration, without a sign-in.
async fn examined_as(app: &TestApp, change: impl FnOnce(&mut Loaded)) -> Report {
    let mut loaded = loaded(&app.app.config);
    change(&mut loaded);
    Box::pin(examine(&loaded, true, &app.clock, pending())).await
}

#[track_caller]
fn finding<'r>(report: &'r Report, check: &str) -> &'r Finding {
    report.findings.iter().find(|finding| finding.check == check).unwrap_or_else(|| panic!("{check}: {report:#?}"))
}

/// The check ended like this and said this; whatever is not well says how to fix it.
#[track_caller]
fn expect(report: &Report, check: &str, status: Status, said: &str) {
    let found = finding(report, check);
    assert_eq!(found.status, status, "{found:#?}");
    assert!(found.summary.contains(said), "{found:#?}");
    assert_eq!(found.fix.as_deref().is_some_and(|fix| fix.ends_with('.')), status != Status::Ok, "{found:#?}");
}

/// Nothing but these checks found something; the disk of the machine that runs the tests may be full.
#[track_caller]
fn only(report: &Report, wrong: &[&str]) {
    let found: Vec<&str> = report
        .findings
        .iter()
        .filter(|finding| finding.status > Status::Skipped && finding.check != "disk_space")
        .map(|finding| finding.check)
        .collect();
    assert_eq!(found, wrong, "{}", report.text());
}

/// What is wrong with the PostgreSQL server of the tests, which need not survive a power loss.
async fn careless(app: &TestApp) -> Vec<&'static str> {
    let settings = app.app.store.read(store::diagnosis::postgres).await.unwrap();
    let careless = settings.is_some_and(|s| !s.fsync || s.synchronous_commit == "off");
    if careless { vec!["database_settings"] } else { Vec::new() }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

async fn count(app: &TestApp, from: &str) -> i64 {
    let query = format!("SELECT count(*) AS n FROM {from}");
    let read = app.app.store.read(move |conn| Ok::<Count, store::Error>(sql_query(query).get_result(conn)?));
    read.await.unwrap().n
}

/// How many rows there are where a sign-in leaves some.
async fn traces(app: &TestApp) -> Vec<(&'static str, i64)> {
    let mut traces = Vec::new();
    for table in [
        "identity",
        "principal",
        "client",
        "client_secret",
        "session",
        "oauth_grant",
        "authorization_code",
        "refresh_token",
        "consent",
        "throttle",
        "sending",
    ] {
        traces.push((table, count(app, table).await));
    }
    traces
}

/// A server by the system's clock, as the Date of its answers is.
async fn healthy(change: impl FnOnce(&mut Config)) -> TestApp {
    TestApp::spawn_on(Clock::System, change).await
}

#[tokio::test]
async fn a_healthy_server_is_found_well_and_nothing_is_left_behind() {
    let app = healthy(|_| {}).await;
    app.principal("ada@example.org", &[], |_| {}).await;
    let before = traces(&app).await;
    let report = examined(&app).await;
    only(&report, &careless(&app).await);
    assert_eq!(report.findings.iter().map(|finding| finding.check).collect::<Vec<_>>(), CHECKS);
    let skipped = report.findings.iter().filter(|finding| finding.status == Status::Skipped);
    let skipped: Vec<&str> = skipped.map(|finding| finding.check).collect();
    assert_eq!(skipped, ["tls", "https_only", "certificate_file", "mail"]);

    let login = finding(&report, "login");
    let steps: Vec<&str> = login.steps.iter().map(|step| step.step).collect();
    assert_eq!(
        steps,
        ["authorize", "sign_in", "consent", "token", "verify", "userinfo", "introspect", "refresh", "sign_out"]
    );
    assert!(login.summary.contains("signed in"), "{login:?}");
    assert_eq!(traces(&app).await, before);
    // the audit log says who made them, and that they are gone
    for action in ["principal.create", "client.create", "principal.delete", "client.delete"] {
        let of = format!("audit_event WHERE action = '{action}' AND actor_kind = 'commandLine'");
        assert_eq!(count(&app, &of).await, 1, "{action}");
    }
    assert_eq!(finding(&examined(&app).await, "login").status, Status::Ok, "and once more");
    assert_eq!(traces(&app).await, before);
}

#[tokio::test]
async fn an_issuer_with_a_path_is_found_well() {
    let app = healthy(|config| config.issuer = Some("path:/id".to_owned())).await;
    only(&examined(&app).await, &careless(&app).await);
}

#[tokio::test]
async fn without_a_sign_in_nothing_is_made() {
    let app = healthy(|_| {}).await;
    let before = (traces(&app).await, count(&app, "audit_event").await);
    let report = examined_as(&app, |_| {}).await;
    only(&report, &careless(&app).await);
    for check in ["login", "client_address"] {
        expect(&report, check, Status::Skipped, "not checked: --skip-login");
    }
    assert_eq!((traces(&app).await, count(&app, "audit_event").await), before);
}
