//! `/setup`: the first owner.

use std::time::Duration;

use keyward::{identity::setup::mint_link, model::permission::Attributes, store};
use reqwest::StatusCode;

use crate::support::{PASSWORD, TestApp, browser::Browser};

const FIELDS: [(&str, &str); 4] =
    [("name", "Ada"), ("email", "ada@example.com"), ("new_password", PASSWORD), ("password_confirmation", PASSWORD)];

async fn link(app: &TestApp) -> String {
    let link = mint_link(&app.app.store, app.now()).await.unwrap();
    app.url(&format!("/setup?token={}", link.reveal()))
}

#[tokio::test]
async fn the_holder_of_the_link_becomes_the_owner_and_is_signed_in() {
    let app = TestApp::spawn().await;
    let browser = Browser::new();
    let page = browser.open(&link(&app).await).await;
    assert_eq!(page.text("h1"), "Create the first owner");
    let account = browser.press(&page, "create-owner", &FIELDS).await;
    assert_eq!((account.url.path(), account.text("h1").as_str()), ("/account", "Hello, Ada"));
    let may = app.app.store.read(|conn| {
        let ada = store::principal::find_by_email(conn, "ada@example.com")?.unwrap();
        let (_, permissions) = store::identity::permissions(conn, &ada.id, &ada.acl, &Attributes::new())?;
        Ok::<_, store::Error>(permissions.allows("iam/principals", "delete") && ada.email_verified)
    });
    assert!(may.await.unwrap());
}

#[tokio::test]
async fn without_the_link_nobody_sets_up() {
    let app = TestApp::spawn().await;
    let browser = Browser::new();
    let page = browser.open(&app.url("/")).await;
    assert_eq!((page.url.path(), page.text("h1").as_str()), ("/setup", "This server is not set up yet"));
    let good = link(&app).await;
    for token in ["x", "kwsu_x", "", &good[good.len() - 48..good.len() - 1]] {
        let page = browser.get(&app.url(&format!("/setup?token={token}"))).await;
        assert!(!page.has("#setup-form"), "{token}");
    }
    // nor by a direct post with a form's token
    let page = browser.open(&good).await;
    let form = page.form_of("create-owner").filled(&FIELDS).filled(&[("token", "kwsu_guessed")]);
    assert_eq!(browser.send(browser.form_request(&form)).await.status, StatusCode::FORBIDDEN);
    let forged = page.form_of("create-owner").filled(&FIELDS).filled(&[("csrf_token", "x")]);
    assert_eq!(browser.send(browser.form_request(&forged)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.press(&page, "create-owner", &FIELDS).await.url.path(), "/account");
}

#[tokio::test]
async fn a_link_works_once_for_a_day_and_a_newer_one_replaces_it() {
    let app = TestApp::spawn().await;
    let browser = Browser::new();
    let old = link(&app).await;
    let page = browser.open(&old).await;
    let new = link(&app).await;
    assert_eq!(browser.get(&old).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.submit(&page, "create-owner", &FIELDS).await.status, StatusCode::FORBIDDEN);
    app.advance(Duration::from_secs(24 * 3600));
    assert_eq!(browser.get(&new).await.status, StatusCode::FORBIDDEN);
    let page = browser.open(&link(&app).await).await;
    browser.press(&page, "create-owner", &FIELDS).await;
    // opened again, sent again, by a newer link
    let other = Browser::new();
    for url in [page.url.as_str(), &link(&app).await, &app.url("/setup")] {
        let closed = other.get(url).await;
        assert_eq!((closed.status, closed.text("h1").as_str()), (StatusCode::GONE, "Set-up is closed"));
    }
    // the owner, who is signed in, is led on
    assert_eq!(browser.submit(&page, "create-owner", &FIELDS).await.status, StatusCode::SEE_OTHER);
    assert_eq!(other.open(&app.url("/")).await.text("h1"), "Welcome");
}

#[tokio::test]
async fn opening_the_link_is_not_using_it() {
    let app = TestApp::spawn().await;
    let url = link(&app).await;
    for _ in 0..3 {
        assert!(Browser::new().get(&url).await.has("#setup-form"), "as a mail scanner does");
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_and_what_was_typed_is_kept() {
    let app = TestApp::spawn().await;
    let browser = Browser::new();
    let page = browser.open(&link(&app).await).await;
    let fields =
        [("name", "Ada"), ("email", "no address"), ("new_password", "short"), ("password_confirmation", "other")];
    let again = browser.press(&page, "create-owner", &fields).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(again.attribute("#name", "value").as_deref(), Some("Ada"));
    assert!(again.has("#email-error") && again.has("#password_confirmation-error"));
    assert!(!again.body.contains("short"));
    let weak = [("email", "ada@example.com"), ("new_password", "Password1"), ("password_confirmation", "Password1")];
    let again = browser.press(&again, "create-owner", &weak).await;
    assert!(again.has("#new_password-error"), "{}", again.text("main"));
    let good = [("new_password", PASSWORD), ("password_confirmation", PASSWORD)];
    assert_eq!(browser.press(&again, "create-owner", &good).await.url.path(), "/account");
}

#[tokio::test]
async fn a_restart_between_link_and_form_loses_nothing() {
    let app = TestApp::spawn().await;
    let browser = Browser::new();
    let page = browser.open(&link(&app).await).await;
    let app = app.restart().await;
    assert_eq!(browser.press(&page, "create-owner", &FIELDS).await.url.path(), "/account");
    drop(app);
}

#[tokio::test]
async fn a_suspended_first_owner_does_not_open_the_set_up_again() {
    let app = TestApp::spawn().await;
    let browser = Browser::new();
    let page = browser.open(&link(&app).await).await;
    browser.press(&page, "create-owner", &FIELDS).await;
    let ada = app.app.store.read(|conn| store::principal::find_by_email(conn, "ada@example.com")).await.unwrap();
    crate::stage::suspend(&app, &ada.unwrap().id).await;
    assert_eq!(browser.get(&link(&app).await).await.status, StatusCode::GONE);
}
