//! The command as an operator runs it: what it prints, and with what it ends.

use std::process::Stdio;

use serde_json::Value;

use super::CHECKS;
use crate::{
    program::{Served, program, text},
    support::smtp::tls_folder,
};

fn json(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(output)))
}

fn status(report: &Value, check: &str) -> String {
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["check"] == check).unwrap();
    found["status"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_healthy_server_ends_it_with_0_and_json_has_a_stable_form() {
    let served = Served::start("http", &[]).await;
    let output = served.run(&["doctor", "--json", "--issuer", &served.issuer]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let report = json(&output);
    let mut members: Vec<&String> = report.as_object().unwrap().keys().collect();
    members.sort();
    assert_eq!(members, ["findings", "status"]);
    assert!(["ok", "warning"].contains(&report["status"].as_str().unwrap()), "{report}");
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.iter().map(|finding| finding["check"].as_str().unwrap()).collect::<Vec<_>>(), CHECKS);
    for finding in findings {
        let status = finding["status"].as_str().unwrap();
        assert!(["ok", "skipped", "warning", "problem"].contains(&status), "{finding}");
        assert!(!finding["summary"].as_str().unwrap().is_empty());
        assert_eq!(finding.get("fix").is_some(), status != "ok", "{finding}");
        let known = ["check", "status", "summary", "fix", "steps"];
        assert!(finding.as_object().unwrap().keys().all(|name| known.contains(&name.as_str())), "{finding}");
    }
    let login = findings.iter().find(|finding| finding["check"] == "login").unwrap();
    assert!(login["steps"].as_array().unwrap().iter().all(|step| step["milliseconds"].is_u64()), "{login}");
    let listed = served.run(&["principal", "list", "--json"]);
    assert!(listed.status.success() && !text(&listed).contains("keyward-doctor"), "{}", text(&listed));

    let output = served.run(&["doctor", "--skip-login", "--issuer", &served.issuer]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("✓ issuer"), "{said}");
    assert!(said.contains("\n– login") && said.trim_end().ends_with(" not checked."), "{said}");
}

#[tokio::test]
async fn a_problem_ends_it_with_1_and_a_wrong_command_with_2() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| program(directory.path(), arguments).stdin(Stdio::null()).output().unwrap();
    let nobody = "http://localhost:1";
    let output = run(&["doctor", "--issuer", nobody]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("✗ issuer") && said.contains("✗ database ") && said.contains("What to do:"), "{said}");
    assert!(!directory.path().join("keyward-data").exists(), "it begins no data");
    for wrong in [&["doctor", "--jason"][..], &["doctor", "--set", "isuer=x"]] {
        assert_eq!(run(wrong).status.code(), Some(2), "{wrong:?}");
    }
    let help = text(&run(&["doctor", "--help"]));
    for word in ["--json", "--skip-login", "Exit status", "client_address"] {
        assert!(help.contains(word), "{word}: {help}");
    }
}

#[tokio::test]
async fn https_is_well_where_the_authority_is_known_and_a_problem_where_it_is_not() {
    let folder = tls_folder();
    let directory = tempfile::tempdir().unwrap();
    // files of a repository may be read by others
    let key = directory.path().join("key.pem");
    std::fs::copy(folder.join("key.pem"), &key).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let settings =
        [format!("tls_certificate={}", folder.join("certificate.pem").display()), format!("tls_key={}", key.display())];
    let settings = ["--set", &settings[0], "--set", &settings[1]];
    let served = Served::start("https", &settings).await;
    let examine = |authorities: &str| {
        let mut arguments = vec!["doctor", "--json", "--issuer", &served.issuer];
        arguments.extend(settings);
        let mut command = program(served.directory.path(), &arguments);
        let output = command.env("SSL_CERT_FILE", folder.join(authorities)).stdin(Stdio::null()).output().unwrap();
        (output.status.code(), json(&output))
    };
    let (code, report) = examine("ca.pem");
    assert_eq!(code, Some(0), "{report:#}");
    for check in ["issuer", "tls", "certificate_file", "https_only", "cookies", "login", "client_address"] {
        assert_eq!(status(&report, check), "ok", "{report:#}");
    }
    assert!(report.to_string().contains("__Host-keyward_session"), "{report:#}");
    let (code, report) = examine("certificate.pem");
    assert_eq!(code, Some(1), "{report:#}");
    assert_eq!((status(&report, "tls"), status(&report, "login")), ("problem".to_owned(), "skipped".to_owned()));
    assert_eq!(status(&report, "database"), "ok");
}
