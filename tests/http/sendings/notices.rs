//! Mails of the server's own.

use std::{path::Path, time::Duration};

use super::eventually;
use crate::{
    stage::ADA,
    support::{PASSWORD, TestApp, browser::Browser},
};

/// A server that writes its mails into this folder.
pub(super) async fn writing(folder: &Path, change: impl FnOnce(&mut keyward::config::Config)) -> TestApp {
    TestApp::spawn_with(|config| {
        config.mail.directory = Some(folder.to_owned());
        config.mail.from = Some("no-reply@keyward.example".to_owned());
        config.branding.name = "Acme & <Sons>".to_owned();
        change(config);
    })
    .await
}

pub(super) fn mails(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mails = entries.filter(|path| path.extension().is_some_and(|extension| extension == "eml"));
    mails.map(|path| std::fs::read_to_string(path).unwrap().replace("=\r\n", "")).collect()
}

#[tokio::test]
async fn who_signs_in_with_another_browser_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    let app = writing(folder, |_| {}).await;
    app.principal(ADA, &[], |_| {}).await;
    app.principal("unproven@example.com", &[], |person| person.email_verified = false).await;
    let known = Browser::new();
    known.sign_in(&app, ADA, PASSWORD).await;
    app.advance(Duration::from_secs(25 * 3600));
    known.sign_in(&app, ADA, PASSWORD).await;
    for _ in 0..2 {
        Browser::new().sign_in(&app, "unproven@example.com", PASSWORD).await;
    }
    Browser::new().sign_in(&app, ADA, PASSWORD).await;
    eventually(|| !mails(folder).is_empty()).await;
    let written = mails(folder);
    assert_eq!(
        written.len(),
        1,
        "neither the first sign-in nor a known browser, nor an unproven address: {written:#?}"
    );
    let mail = &written[0];
    for part in ["To: ada@example.com", "Auto-Submitted: auto-generated", "127.0.0.1", "Acme &#38; &#60;Sons&#62;"] {
        assert!(mail.contains(part), "{part}\n{mail}");
    }
    assert!(mail.contains(&app.url("/account")), "{mail}");
}

#[tokio::test]
async fn notices_can_be_turned_off_and_do_not_flood() {
    let directory = tempfile::tempdir().unwrap();
    let app = writing(directory.path(), |config| config.mail.sign_in_notices = false).await;
    app.principal(ADA, &[], |_| {}).await;
    for _ in 0..2 {
        Browser::new().sign_in(&app, ADA, PASSWORD).await;
    }
    assert_eq!(queued(&app).await, 0);

    let directory = tempfile::tempdir().unwrap();
    let app = writing(directory.path(), |_| {}).await;
    app.principal(ADA, &[], |_| {}).await;
    for _ in 0..8 {
        Browser::new().sign_in(&app, ADA, PASSWORD).await;
    }
    assert_eq!(queued(&app).await, 3);
}

/// How many mails there are, sent or not.
pub(super) async fn queued(app: &TestApp) -> i64 {
    use diesel::{QueryDsl, RunQueryDsl};
    use keyward::store::{Conn, Error, schema::sending};
    let count = |conn: &mut Conn| -> Result<i64, Error> { Ok(sending::table.count().get_result(conn)?) };
    app.app.store.read(count).await.unwrap()
}

#[tokio::test]
async fn a_verification_link_begins_with_the_configured_issuer() {
    let directory = tempfile::tempdir().unwrap();
    let app = writing(directory.path(), |_| {}).await;
    let mailer = &app.app.mail;
    let day = Duration::from_secs(24 * 3600);
    let mail = mailer.email_verification("new@example.org", "/verify-email?token=a&x=<b>", day, app.now()).unwrap();
    assert_eq!(
        (mail.category.as_deref(), mail.recipient.as_str()),
        (Some("system:email_verification"), "new@example.org")
    );
    app.app.store.write(move |tx| keyward::store::sending::insert(tx, &mail)).await.unwrap();
    mailer.wake();
    eventually(|| mails(directory.path()).len() == 1).await;
    let mail = mails(directory.path()).remove(0).replace("=3D", "=");
    let link = app.url("/verify-email?token=a");
    assert!(mail.contains(&format!("{link}&x=<b>")), "as text\n{mail}");
    assert!(mail.contains(&format!("href=\"{link}&#38;x=&#60;b&#62;\"")), "as HTML\n{mail}");
    assert!(mail.contains("24 hours"), "{mail}");
    assert!(mailer.email_verification("a@x.org\r\nBcc: b@x.org", "/", day, app.now()).is_err());
}
