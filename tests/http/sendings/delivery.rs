//! What arrives, and over what kind of connection.

#![allow(clippy::disallowed_methods)] // as in every test

use keyward::config::MailSecurity;
use serde_json::json;

use super::{content, mail, send, sending_by, sending_with, status, until_it_is, until_retry};
use crate::support::{
    TestApp,
    api::Api,
    smtp::{Smtp, tls_folder},
};

#[tokio::test]
async fn a_mail_arrives_as_it_was_handed_in_and_its_content_is_forgotten() {
    let Some(mut smtp) = Smtp::start() else { return };
    let (app, api) = sending_with(&smtp, |config| config.mail.from_domains = vec!["shop.example".to_owned()]).await;
    let whole = json!({
        "to": ["ada@example.org", "grace@example.org"], "cc": "eve@example.org", "bcc": ["mallory@example.org"],
        "from": "orders@shop.example", "fromName": "Shop — Zoë", "replyTo": "help@bücher.example",
        "subject": "Your order: crème brûlée",
        "body": { "plainText": "Grüße\n.\nfrom here", "html": "<p>Grüße</p>" },
        "category": "orders:confirmation", "dynamic": { "order": 42 },
    });
    let id = send(&api, whole).await;
    let record = until_it_is(&app, &api, &id, "sent").await;
    let now = app.now().rfc3339();
    assert_eq!(
        record,
        json!({
            "sendingId": id, "category": "orders:confirmation", "createdAt": now,
            "recipient": "ada@example.org, grace@example.org", "status": "sent", "retryCount": 0,
            "errorMessage": null, "processedAt": now, "sentAt": now, "transport": "smtp", "dynamic": { "order": 42 },
            "lastModified": now,
        })
    );
    assert_eq!(content(&app, &id).await, None);

    let received = smtp.received();
    assert_eq!(received.len(), 1);
    let mail = &received[0];
    assert_eq!((mail.from.as_str(), mail.tls, &mail.user), ("no-reply@keyward.example", false, &None));
    assert_eq!(mail.to, ["ada@example.org", "grace@example.org", "eve@example.org", "mallory@example.org"]);
    assert!(!mail.message.contains("mallory"), "{}", mail.message);
    let header = |name: &str| mail.header(name).unwrap_or_default();
    assert_eq!(header("To"), "ada@example.org, grace@example.org");
    assert_eq!(header("Cc"), "eve@example.org");
    assert_eq!(header("Reply-To"), "help@xn--bcher-kva.example");
    assert_eq!(header("Message-ID"), format!("<{id}@keyward.example>"));
    assert!(header("From").ends_with("<orders@shop.example>"), "{}", header("From"));
    assert!(header("Date").starts_with("Sat, 21 Nov 2026 12:00:00"), "{}", header("Date"));
    assert!(header("Content-Type").starts_with("multipart/alternative"), "{}", header("Content-Type"));
    assert!(mail.message.is_ascii());
}

#[tokio::test]
async fn several_mails_share_a_connection() {
    let Some(mut smtp) = Smtp::start() else { return };
    let (app, api) = sending_with(&smtp, |config| config.mail.connections = 1).await;
    for n in 0..5 {
        let id = send(&api, mail(&format!("a{n}@example.org"))).await;
        until_it_is(&app, &api, &id, "sent").await;
    }
    assert_eq!((smtp.received().len(), smtp.count("connect")), (5, 1));
}

async fn encrypted(kind: &str, security: MailSecurity) {
    let Some(mut smtp) = Smtp::start_with(0, Some(kind), Some(("keyward", "open sesame"))) else { return };
    let (app, api) = sending_with(&smtp, |config| {
        config.mail.host = Some("localhost".to_owned());
        config.mail.security = security;
        config.mail.ca_certificates = Some(tls_folder().join("ca.pem"));
        config.mail.user = Some("keyward".to_owned());
        config.mail.password = Some("open sesame".into());
    })
    .await;
    let id = send(&api, mail("ada@example.org")).await;
    until_it_is(&app, &api, &id, "sent").await;
    let received = smtp.received();
    assert_eq!((received.len(), received[0].tls, received[0].user.as_deref()), (1, true, Some("keyward")));
}

#[tokio::test]
async fn a_mail_goes_over_starttls_with_a_password() {
    encrypted("starttls", MailSecurity::StartTls).await;
}

#[tokio::test]
async fn a_mail_goes_over_tls_with_a_password() {
    encrypted("tls", MailSecurity::Tls).await;
}

#[tokio::test]
async fn without_the_encryption_that_was_asked_for_nothing_is_said() {
    // a server that does not offer it, or one whose certificate nobody vouches for
    for tls in [None, Some("starttls")] {
        let Some(mut smtp) = Smtp::start_with(0, tls, None) else { return };
        let (app, api) = sending_with(&smtp, |config| {
            config.mail.host = Some("localhost".to_owned());
            config.mail.security = MailSecurity::StartTls;
        })
        .await;
        let id = send(&api, mail("ada@example.org")).await;
        let record = until_retry(&app, &api, &id, 1).await;
        assert_eq!(record["status"], "pending", "it is not the mail's fault");
        assert_eq!((smtp.count("mail"), smtp.received().len()), (0, 0));
    }
}

#[tokio::test]
async fn a_wrong_password_is_the_operators_fault_not_the_mails() {
    let Some(mut smtp) = Smtp::start_with(0, None, Some(("keyward", "open sesame"))) else { return };
    let (app, api) = sending_with(&smtp, |config| {
        config.mail.user = Some("keyward".to_owned());
        config.mail.password = Some("wrong".into());
    })
    .await;
    let id = send(&api, mail("ada@example.org")).await;
    let record = until_retry(&app, &api, &id, 1).await;
    assert_eq!(record["status"], "pending");
    let error = record["errorMessage"].as_str().unwrap();
    assert!(error.contains("535") && !error.contains("wrong"), "{error}");
    assert_eq!(smtp.count("mail"), 0);
}

#[tokio::test]
async fn in_development_mails_become_files() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("mails");
    let app = TestApp::spawn_with(|config| {
        config.mail.directory = Some(folder.clone());
        config.mail.from = Some("no-reply@keyward.example".to_owned());
    })
    .await;
    let api = Api::holding(&app, "mailer", &["sendings:*"]).await;
    let id = send(&api, mail("ada@example.org")).await;
    let record = until_it_is(&app, &api, &id, "sent").await;
    assert_eq!(record["transport"], "directory");
    let names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [format!("{id}.eml").as_str()]);
    let file = folder.join(format!("{id}.eml"));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("To: ada@example.org\r\n") && text.contains("Good morning"), "{text}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // a folder that is not there now may be there later
    std::fs::remove_dir_all(&folder).unwrap();
    let id = send(&api, mail("ada@example.org")).await;
    until_retry(&app, &api, &id, 1).await;
}

#[tokio::test]
async fn what_a_mail_says_is_nowhere_to_be_read() {
    let Some(mut smtp) = Smtp::start() else { return };
    smtp.rule("mail", "451 later");
    let (app, api) = sending_by(&smtp).await;
    let secret = "Xyzzy-4711-plugh";
    let body = json!({ "plainText": secret, "html": secret });
    let one = json!({ "to": "ada@example.org", "subject": secret, "body": body, "bcc": "hidden@example.org" });
    let id = send(&api, one).await;
    let record = until_retry(&app, &api, &id, 1).await;
    assert!(!record.to_string().contains(secret) && !record.to_string().contains("hidden@"));
    let sealed = content(&app, &id).await.unwrap();
    assert!(!sealed.contains(secret));
    assert!(sealed.len() > 100, "{sealed}");
    for path in [&format!("/resources/sendings/{id}?fields=body"), &format!("/resources/sendings/{id}/body")] {
        assert!(!api.get(path).await.body.contains(secret));
    }
    if !app.is_postgres() {
        let folder = &app.app.config.data_dir;
        for entry in std::fs::read_dir(folder).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    }
    // and gone as soon as it is not needed, however it ends
    smtp.rule("mail", "550 no");
    app.advance(std::time::Duration::from_secs(90));
    until_it_is(&app, &api, &id, "failed").await;
    assert_eq!(content(&app, &id).await, None);
    smtp.rule("mail", "451 later");
    let id = send(&api, mail("ada@example.org")).await;
    until_retry(&app, &api, &id, 1).await;
    assert!(content(&app, &id).await.is_some());
    assert_eq!(api.delete(&super::path(&id)).await.said(), "204");
    assert_eq!(content(&app, &id).await, None);
    assert_eq!(status(&api, &id).await["status"], "cancelled");
    // for as long as it is kept it can be looked up
    app.advance(std::time::Duration::from_secs(91 * 86_400));
    keyward::store::purge::run(&app.app.store, app.now()).await.unwrap();
    let id = id.clone();
    assert!(app.app.store.read(move |conn| keyward::store::sending::find(conn, &id)).await.unwrap().is_none());
}

#[test]
fn an_operator_sees_at_once_whether_mail_arrives() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_keyward"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KEYWARD_")) {
            command.env_remove(name);
        }
        let output = command.current_dir(directory.path()).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), said)
    };
    let test = ["mail", "test", "ada@example.org", "--set", "mail.from=no-reply@keyward.example", "--set"];
    let (status, said) = run(&[&test[..], &["mail.directory=mails"]].concat());
    assert_eq!((status, said.as_str()), (0, "Accepted: into files in mails\n"));
    assert_eq!(std::fs::read_dir(directory.path().join("mails")).unwrap().count(), 1);
    let (status, said) = run(&["mail", "test", "ada@example.org"]);
    assert!(status == 2 && said.contains("mail.host"), "{status} {said}");
    let (status, said) = run(&["mail", "test", "ada", "--set", "mail.directory=x", "--set", "mail.from=a@x.org"]);
    assert!(status == 2 && said.contains("expected an email address"), "{status} {said}");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let there = ["mail.host=127.0.0.1", "--set", "mail.security=none", "--set", &format!("mail.port={nobody}")];
    let (status, said) = run(&[&test[..], &there].concat());
    assert!(status == 1 && said.contains(&nobody.to_string()), "{status} {said}");
    let (status, said) = run(&["config", "check", "--set", "mail.host=smtp.example.org"]);
    assert!(status == 2 && said.contains("mail.from"), "{status} {said}");
}
