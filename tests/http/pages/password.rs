//! `/password`: in the place of a temporary one, or because its owner wants it.

use std::time::Duration;

use reqwest::StatusCode;

use crate::{
    stage::{ADA, Stage, stage, suspend},
    support::{
        PASSWORD,
        browser::{Browser, Page},
        relying_party::claims_of,
    },
};

const BOB: &str = "bob@example.com";
const NEW: &str = "Quite-another-43-lantern";

/// A stage with Bob, whose password is a temporary one.
async fn with_temporary() -> Stage {
    let s = stage().await;
    let expires = s.app.now() + Duration::from_secs(72 * 3600);
    s.app
        .principal(BOB, &[], |bob| {
            bob.password_temporary = true;
            bob.password_expires_at = Some(expires);
        })
        .await;
    s
}

async fn change(s: &Stage, page: &Page, new: &str, again: &str) -> Page {
    s.browser.press(page, "save-password", &[("new_password", new), ("password_confirmation", again)]).await
}

#[tokio::test]
async fn a_temporary_password_opens_nothing_but_the_page_that_replaces_it() {
    let s = with_temporary().await;
    let authorization = s.rp.authorization(&[]);
    let login = s.browser.open(&authorization.url).await;
    let page = s.browser.press(&login, "sign-in", &[("username", BOB), ("password", PASSWORD)]).await;
    assert_eq!(page.text("h1"), "Choose a new password");
    assert_eq!(s.browser.cookie(&s.app, "keyward_session"), None);
    assert!(s.browser.open(&authorization.url).await.has("#login-form"), "the way around does not work");
    assert_eq!(s.browser.open(&s.app.url("/account")).await.url.path(), "/login");

    let next = change(&s, &page, NEW, NEW).await;
    assert!(next.has("#allow"), "{}", next.text("main"));
    let callback = s.browser.press(&next, "allow", &[]).await.callback();
    s.rp.check(&authorization, &callback);
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    assert_eq!(claims_of(&tokens.id_token)["auth_time"], s.app.now().seconds());
    let elsewhere = Browser::new();
    assert_eq!(elsewhere.sign_in(&s.app, BOB, NEW).await.url.path(), "/account");
    assert_eq!(Browser::new().sign_in(&s.app, BOB, PASSWORD).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn what_is_wrong_with_a_new_password_is_told() {
    let s = with_temporary().await;
    let page = s.browser.sign_in(&s.app, BOB, PASSWORD).await;
    for (new, again, fault) in [
        ("", "", "Choose a password."),
        (NEW, "Different-43-lantern", "Enter the same password twice."),
        ("Ab1", "Ab1", "8"),
        ("Password123", "Password123", ""),
        (PASSWORD, PASSWORD, "Choose another password than the present one."),
    ] {
        let answer = change(&s, &page, new, again).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{new}");
        assert!(answer.text("#error-summary").contains(fault), "{new}: {}", answer.text("#error-summary"));
        assert!(!answer.body.contains(new) || new.is_empty(), "a password is never shown");
    }
    assert_eq!(change(&s, &page, NEW, NEW).await.url.path(), "/account");
}

#[tokio::test]
async fn a_double_submit_asks_to_sign_in_with_the_new_password_and_ends_at_the_application() {
    let s = with_temporary().await;
    let login = s.browser.open(&s.rp.authorization(&[]).url).await;
    let page = s.browser.press(&login, "sign-in", &[("username", BOB), ("password", PASSWORD)]).await;
    let fields = [("new_password", NEW), ("password_confirmation", NEW)];
    s.browser.submit(&page, "save-password", &fields).await;
    let again = s.browser.press(&page, "save-password", &fields).await;
    assert!(again.text("#notice").contains("Sign in with the new one"), "{}", again.text("main"));
    let next = s.browser.press(&again, "sign-in", &[("username", BOB), ("password", NEW)]).await;
    s.browser.agree(next, BOB).await.callback().code();
}

#[tokio::test]
async fn the_ticket_works_in_its_own_browser_for_a_quarter_of_an_hour() {
    let s = with_temporary().await;
    let page = s.browser.sign_in(&s.app, BOB, PASSWORD).await;
    let foreign = Browser::new();
    let elsewhere = foreign.get(page.url.as_str()).await;
    assert!(elsewhere.has("#login-form") && !elsewhere.has("#new_password"), "{}", elsewhere.text("main"));
    // with a browser cookie of its own and the right form
    let form = page.form_of("save-password").filled(&[("new_password", NEW), ("password_confirmation", NEW)]);
    let answer = foreign.send(foreign.form_request(&form)).await;
    assert!(answer.has("#login-form"));
    assert_eq!(foreign.cookie(&s.app, "keyward_session"), None);
    s.app.advance(Duration::from_secs(15 * 60));
    let late = change(&s, &page, NEW, NEW).await;
    assert!(late.has("#login-form") && late.text("#notice").contains("took too long"), "{}", late.text("main"));
    // and nothing was changed
    assert!(s.browser.sign_in(&s.app, BOB, PASSWORD).await.has("#new_password"));
    for ticket in ["x", "AAAA"] {
        assert_eq!(
            s.browser.get(&s.app.url(&format!("/password?ticket={ticket}"))).await.status,
            StatusCode::BAD_REQUEST
        );
    }
}

#[tokio::test]
async fn an_hour_old_request_begins_again_after_the_new_password() {
    let s = with_temporary().await;
    let login = s.browser.open(&s.rp.authorization(&[]).url).await;
    s.app.advance(Duration::from_secs(3590));
    let page = s.browser.press(&login, "sign-in", &[("username", BOB), ("password", PASSWORD)]).await;
    s.app.advance(Duration::from_secs(60));
    let expired = change(&s, &page, NEW, NEW).await;
    assert_eq!(expired.text("h1"), "This page has expired");
    let next = s.browser.press(&expired, "restart", &[]).await;
    assert!(next.has("#allow"), "signed in already: {}", next.text("main"));
    s.browser.press(&next, "allow", &[]).await.callback().code();
}

#[tokio::test]
async fn a_temporary_password_expires() {
    let s = with_temporary().await;
    s.app.advance(Duration::from_secs(72 * 3600));
    assert_eq!(s.browser.sign_in(&s.app, BOB, PASSWORD).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_ticket_of_a_person_who_was_suspended_is_worth_nothing() {
    let s = with_temporary().await;
    let page = s.browser.sign_in(&s.app, BOB, PASSWORD).await;
    let find = |conn: &mut keyward::store::Conn| keyward::store::principal::find_by_email(conn, BOB);
    let bob = s.app.app.store.read(find).await.unwrap().unwrap();
    suspend(&s.app, &bob.id).await;
    assert!(change(&s, &page, NEW, NEW).await.has("#login-form"));
    assert_eq!(s.browser.cookie(&s.app, "keyward_session"), None);
}

#[tokio::test]
async fn changing_ones_own_password_needs_the_present_one_and_renews_the_session() {
    let s = stage().await;
    s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    let elsewhere = Browser::new();
    elsewhere.sign_in(&s.app, ADA, PASSWORD).await;
    let before = s.browser.cookie(&s.app, "keyward_session").unwrap();
    let page = s.browser.open(&s.app.url("/password")).await;
    let fields = |current| [("current_password", current), ("new_password", NEW), ("password_confirmation", NEW)];
    let wrong = s.browser.press(&page, "save-password", &fields("wrong")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text("#error-summary").contains("The current password is not right."));
    let account = s.browser.press(&page, "save-password", &fields(PASSWORD)).await;
    assert_eq!(account.url.path(), "/account");
    assert_ne!(s.browser.cookie(&s.app, "keyward_session").unwrap(), before);
    assert_eq!(elsewhere.open(&s.app.url("/account")).await.url.path(), "/login", "other sessions have ended");
    assert_eq!(Browser::new().sign_in(&s.app, ADA, NEW).await.url.path(), "/account");
}

#[tokio::test]
async fn guesses_at_the_present_password_are_throttled() {
    let s = stage().await;
    s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    let page = s.browser.open(&s.app.url("/password")).await;
    let fields = [("current_password", "wrong"), ("new_password", NEW), ("password_confirmation", NEW)];
    for _ in 0..5 {
        assert_eq!(s.browser.submit(&page, "save-password", &fields).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let answer = s.browser.submit(&page, "save-password", &fields).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "1"));
}

#[tokio::test]
async fn a_forged_form_changes_nothing() {
    let s = stage().await;
    s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    let page = s.browser.open(&s.app.url("/password")).await;
    let fields = [("current_password", PASSWORD), ("new_password", NEW), ("password_confirmation", NEW)];
    let form = page.form_of("save-password").filled(&fields);
    let forged = form.clone().filled(&[("csrf_token", "x")]);
    assert_eq!(s.browser.send(s.browser.form_request(&forged)).await.status, StatusCode::FORBIDDEN);
    let answer = s.browser.send(s.browser.form_request(&form).header("origin", "https://evil.example")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(Browser::new().sign_in(&s.app, ADA, PASSWORD).await.url.path(), "/account");
}

#[tokio::test]
async fn who_is_not_signed_in_is_sent_to_sign_in() {
    let s = stage().await;
    assert_eq!(s.browser.open(&s.app.url("/password")).await.url.path(), "/login");
    assert_eq!(s.browser.post(&s.app.url("/password"), &[]).await.location().unwrap().path(), "/login");
}

#[tokio::test]
async fn a_temporary_password_that_has_expired_cannot_be_replaced_any_more() {
    let s = with_temporary().await;
    let login = s.browser.open(&s.app.url("/login")).await;
    s.app.advance(Duration::from_secs(72 * 3600 - 1));
    let page = s.browser.press(&login, "sign-in", &[("username", BOB), ("password", PASSWORD)]).await;
    assert_eq!(page.text("h1"), "Choose a new password");
    s.app.advance(Duration::from_secs(1));
    change(&s, &page, NEW, NEW).await;
    assert_eq!(s.browser.cookie(&s.app, "keyward_session"), None);
    assert_eq!(Browser::new().sign_in(&s.app, BOB, NEW).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}
