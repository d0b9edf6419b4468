//! The description of the API in the hands of others: is it valid, and what happens when a program that knows nothing else
//! sends what it says, and what it forbids?
//!
//! `KEYWARD_TEST_SCHEMATHESIS` holds the folder with PyPI's Schemathesis and the Python that has openapi-spec-validator;
//! `tests/run` installs both. Without it these tests say that they are skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)] // as in every test

#[path = "../support/mod.rs"]
mod support;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use support::{TestApp, api::Api, contract::DOCUMENT};

/// Requests for each operation and phase; so many that the whole takes about a minute.
const EXAMPLES: &str = "15";
/// So that a failure comes again.
const SEED: &str = "20261121";

/// The programs, if they are there.
fn programs() -> Option<PathBuf> {
    let folder = std::env::var_os("KEYWARD_TEST_SCHEMATHESIS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!(
            "skipped: Schemathesis is not installed (KEYWARD_TEST_SCHEMATHESIS is not set); tests/run installs it"
        );
    }
    folder
}

fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi").join(name)
}

fn told(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_description_is_valid_openapi() {
    let Some(programs) = programs() else { return };
    let mut command = Command::new(programs.join("python"));
    command.arg(beside("python/validate.py")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(DOCUMENT.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
}

/// Lets Schemathesis send requests with a token of an owner's for everything: to which operations, `arguments` say.
/// The token `holds` to the end, or else much was refused that looks tested.
async fn send_generated(config: &str, arguments: &[&str], holds: bool) {
    let Some(programs) = programs() else { return };
    let mails = tempfile::tempdir().unwrap();
    let directory = mails.path().to_owned();
    // without it every mail is refused with 503, which says that it is the operator's turn
    let app = TestApp::spawn_with(|config| {
        config.mail.directory = Some(directory);
        config.mail.from = Some("keyward@example.com".to_owned());
    })
    .await;
    // headers with bytes that no header may have
    app.expect_errors("request parse error: invalid Header");
    let owner = Api::person(&app, "owner@example.com", &["system:owner"], "iam:* me:* sendings:* graph:*").await;
    app.role("support:agent", &["actors:*"]).await;
    app.client("shop", &[], |_| {}).await;
    app.principal("ada@example.com", &[], |ada| ada.id = "6ba7b810-9dad-41d1-80b4-00c04fd430c8".to_owned()).await;
    let reports = tempfile::tempdir().unwrap();
    let mut command = Command::new(programs.join("schemathesis"));
    command
        .arg("--config-file")
        .arg(beside("python").join(config))
        .arg("--no-color")
        .args(["run", &app.url("/resources/openapi.json"), "--seed", SEED, "--max-examples", EXAMPLES])
        .args(["--header", &format!("Authorization: Bearer {}", owner.token)])
        .args(arguments)
        .current_dir(reports.path())
        .env("NO_PROXY", "*")
        .env("no_proxy", "*");
    // the server answers it meanwhile
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let after = owner.get("/resources/me").await.said();
    assert!(!holds || after == "200", "{after}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_generated_request_that_reads_gets_a_fault_of_the_server_or_an_answer_that_is_not_described() {
    send_generated("schemathesis.toml", &["--include-method", "GET", "--phases", "examples,coverage,fuzzing"], true)
        .await;
}

/// What ends the tester's own session or what its application was granted, as soon as it has learned their ids from other
/// answers.
const ENDS: [&str; 2] = ["deleteMySession", "deleteMyConsent"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_one_that_writes() {
    let [session, consent] = ENDS.map(|operation| ["--exclude-operation-id", operation]);
    send_generated("schemathesis.toml", &[&["--exclude-method", "GET"][..], &session, &consent].concat(), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_one_that_ends_sessions_and_consents() {
    let [session, consent] = ENDS.map(|operation| ["--include-operation-id", operation]);
    send_generated("schemathesis.toml", &[&["--phases", "coverage,fuzzing"][..], &session, &consent].concat(), false)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_one_about_an_object_that_exists() {
    send_generated("known.toml", &["--include-path-regex", "^/resources/iam/.*[{]"], true).await;
}
