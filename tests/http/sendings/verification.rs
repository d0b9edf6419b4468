//! A new email address, proven by the link that the server mails.

use std::{path::Path, time::Duration};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    eventually,
    notices::{mails, queued, writing},
};
use crate::{
    me::{ADA, Person, ada_on},
    support::{
        PASSWORD, TestApp,
        browser::{Browser, Page},
        smtp,
    },
};

const CHANGE: &str = "/resources/me/email/change";
const VALIDATE: &str = "/resources/me/email/validate";
const NEW: &str = "ada@example.org";
const INVALID: &str = "This link does not work any more";

/// The link in a mail, as its text has it.
fn link(app: &TestApp, mail: &str) -> String {
    let text = smtp::decoded(mail);
    let begin = text.find(&app.url("/email/confirm?")).unwrap_or_else(|| panic!("no link in {text}"));
    text[begin..].split_whitespace().next().unwrap().to_owned()
}

async fn ask(ada: &Person, email: &str) {
    let change = ada.api.post(CHANGE, json!({ "email": email })).await.object(200);
    assert_eq!(change, json!({ "identityId": ada.id, "email": email, "secret": null }));
}

/// The link in the mail to this address, which is there once it is written.
async fn mailed(ada: &Person, folder: &Path, to: &str) -> String {
    let to = format!("To: {to}\r\n");
    eventually(|| mails(folder).iter().any(|mail| mail.contains(&to))).await;
    let mail = mails(folder).into_iter().find(|mail| mail.contains(&to)).unwrap();
    link(&ada.app, &mail)
}

async fn email(ada: &Person) -> Value {
    let profile = ada.api.get("/resources/me").await.object(200);
    json!([profile["email"], profile["pendingEmail"]])
}

fn said(page: &Page) -> (u16, String) {
    (page.status.as_u16(), page.text("h1"))
}

/// Attack 24: who opens the link is perhaps only a scanner.
#[tokio::test]
async fn an_address_is_changed_by_the_link_that_the_server_mails() {
    let Some(mut smtp) = smtp::Smtp::start() else { return };
    let ada = ada_on(TestApp::spawn_with(|config| smtp.configure(config)).await, &[], "me:*").await;
    ask(&ada, NEW).await;
    eventually(|| !smtp.received().is_empty()).await;
    let received = smtp.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].to, [NEW]);
    let link = link(&ada.app, &received[0].message);

    let profile = ada.api.get("/resources/me").await.header("etag").to_owned();
    let browser = Browser::new();
    for _ in 0..3 {
        let scanned = Browser::new().get(&link).await;
        assert_eq!(said(&scanned), (200, "Is this your email address?".to_owned()));
        // what the address of the page holds goes nowhere else
        assert_eq!((scanned.header("referrer-policy"), scanned.header("cache-control")), ("strict-origin", "no-store"));
        assert!(scanned.header("content-security-policy").contains("form-action 'self'"));
        let head = browser.send(browser.request(Method::HEAD, &link)).await;
        assert_eq!(head.status, StatusCode::OK);
    }
    assert_eq!(email(&ada).await, json!([ADA, NEW]));
    assert_eq!(ada.api.get("/resources/me").await.header("etag"), profile, "opening changes nothing");

    let page = browser.get(&link).await;
    let done = browser.submit(&page, "confirm", &[]).await;
    assert_eq!(said(&done), (200, "Your email address is confirmed".to_owned()));
    assert!(!done.body.contains("kwev_"));
    assert_eq!(email(&ada).await, json!([NEW, null]));
    assert_eq!(said(&Browser::new().sign_in(&ada.app, NEW, PASSWORD).await), (200, "Hello, Ada Lovelace".to_owned()));
    assert_eq!(Browser::new().sign_in(&ada.app, ADA, PASSWORD).await.status.as_u16(), 422);
    // once more, by the button that was pressed, and by the link
    assert_eq!(said(&browser.submit(&page, "confirm", &[]).await), (403, INVALID.to_owned()));
    let again = browser.get(&link).await;
    assert_eq!(said(&browser.submit(&again, "confirm", &[]).await), (403, INVALID.to_owned()));
    // the mailbox that the account had is told, so that nobody takes it over silently
    eventually(|| smtp.received().iter().any(|mail| mail.to == [ADA])).await;
    let told = smtp.received().into_iter().find(|mail| mail.to == [ADA]).unwrap().message;
    assert!(told.contains("another email address") && !told.contains(NEW), "{told}");
    let events = [ada.audited("principal.email.change").await, ada.audited("principal.email.verify").await].concat();
    assert_eq!(events.len(), 2);
    assert!(!format!("{events:?}").contains("kwev_"), "no secrets in the audit log");
}

#[tokio::test]
async fn only_the_form_of_the_page_confirms_and_only_with_its_link() {
    let directory = tempfile::tempdir().unwrap();
    let ada = ada_on(writing(directory.path(), |_| {}).await, &[], "me:*").await;
    ask(&ada, NEW).await;
    let link = mailed(&ada, directory.path(), NEW).await;
    let browser = Browser::new();
    // without what the link holds, or with a part of it, there is nothing to press
    for wrong in [ada.app.url("/email/confirm"), link[..link.len() - 1].to_owned(), link.replace("kwev_", "kwsu_")] {
        let page = browser.get(&wrong).await;
        assert_eq!(said(&page), (403, INVALID.to_owned()), "{wrong}");
        assert!(!page.has("#confirm"), "{wrong}");
    }
    let page = browser.get(&link).await;
    let forged = browser.submit(&page, "confirm", &[("csrf_token", "x")]).await;
    assert_eq!(said(&forged), (403, "Is this your email address?".to_owned()));
    let elsewhere = Browser::new();
    assert_eq!(elsewhere.submit(&page, "confirm", &[]).await.status.as_u16(), 403, "another browser's form");
    let grace = ada.app.principal("grace@example.com", &[], |_| {}).await.id;
    assert_eq!(said(&browser.submit(&page, "confirm", &[("identity", &grace)]).await), (403, INVALID.to_owned()));
    assert_eq!(email(&ada).await, json!([ADA, NEW]));
    // the page that came instead works
    assert_eq!(browser.submit(&forged, "confirm", &[]).await.status.as_u16(), 200);
    assert_eq!(email(&ada).await, json!([NEW, null]));
}

#[tokio::test]
async fn a_link_that_has_expired_or_was_replaced_or_whose_address_is_taken_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let ada = ada_on(writing(directory.path(), |_| {}).await, &[], "me:*").await;
    let browser = Browser::new();
    ask(&ada, "first@example.org").await;
    let replaced = mailed(&ada, directory.path(), "first@example.org").await;
    ask(&ada, "grace@example.org").await;
    let taken = mailed(&ada, directory.path(), "grace@example.org").await;
    ada.app.principal("grace@example.org", &[], |_| {}).await;
    let press = async |link: &str| said(&browser.submit(&browser.get(link).await, "confirm", &[]).await);
    assert_eq!(press(&replaced).await, (403, INVALID.to_owned()));
    assert_eq!(press(&taken).await, (409, "This address belongs to another account".to_owned()));
    assert_eq!(email(&ada).await, json!([ADA, "grace@example.org"]));
    ask(&ada, NEW).await;
    let expired = mailed(&ada, directory.path(), NEW).await;
    ada.app.advance(Duration::from_secs(24 * 3600));
    assert_eq!(press(&expired).await, (403, INVALID.to_owned()));
}

#[tokio::test]
async fn guesses_on_the_page_and_by_the_api_are_counted_together() {
    let directory = tempfile::tempdir().unwrap();
    let app = writing(directory.path(), |config| config.login.free_attempts_address = 3).await;
    let ada = ada_on(app, &[], "me:*").await;
    ask(&ada, NEW).await;
    let link = mailed(&ada, directory.path(), NEW).await;
    let browser = Browser::new();
    let page = browser.get(&link).await;
    for _ in 0..2 {
        let wrong = json!({ "identityId": ada.id, "secret": "x" });
        assert_eq!(ada.nobody().post(VALIDATE, wrong).await.said(), "422 VERIFICATION_INVALID");
    }
    assert_eq!(browser.submit(&page, "confirm", &[("token", "x")]).await.status.as_u16(), 403);
    let blocked = browser.submit(&page, "confirm", &[]).await;
    assert_eq!((blocked.status.as_u16(), blocked.header("retry-after")), (429, "1"));
    ada.app.advance(Duration::from_secs(1));
    assert_eq!(browser.submit(&blocked, "confirm", &[]).await.status.as_u16(), 200);
}

#[tokio::test]
async fn nobody_floods_a_stranger_with_links_and_a_request_made_again_mails_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let ada = ada_on(writing(directory.path(), |_| {}).await, &[], "me:*").await;
    let keyed =
        || ada.api.send(Method::POST, CHANGE, &[("idempotency-key", "k1")], json!({ "email": "one@example.org" }));
    assert_eq!(keyed().await.object(200), keyed().await.object(200));
    assert_eq!(queued(&ada.app).await, 1);
    ask(&ada, "two@example.org").await;
    ask(&ada, "three@example.org").await;
    let refused = ada.api.post(CHANGE, json!({ "email": "four@example.org" })).await;
    assert_eq!((refused.said().as_str(), refused.header("retry-after")), ("429 TOO_MANY_REQUESTS", "20"));
    assert_eq!(email(&ada).await, json!([ADA, "three@example.org"]), "what was refused has changed nothing");
    assert_eq!(queued(&ada.app).await, 3);
    ada.app.advance(Duration::from_secs(20));
    ask(&ada, "four@example.org").await;
}

#[tokio::test]
async fn an_application_that_sends_the_link_itself_is_told_the_secret_and_nothing_is_mailed() {
    let directory = tempfile::tempdir().unwrap();
    let ada = ada_on(writing(directory.path(), |_| {}).await, &[], "me:*").await;
    ada.app.role("house:mailer", &["me/email:verify"]).await;
    crate::stage::set_roles(&ada.app, "portal", &["house:mailer"]).await;
    let change = ada.api.post(CHANGE, json!({ "email": NEW })).await.object(200);
    assert!(change["secret"].as_str().unwrap().starts_with("kwev_"));
    assert_eq!(queued(&ada.app).await, 0);
}
