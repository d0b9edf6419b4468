//! What people do on their way through the pages: all of it ends at the application.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;

use crate::{
    stage::{ADA, Stage, stage},
    support::{
        PASSWORD,
        api::Api,
        browser::{Browser, Page},
    },
};

const SIGN_IN: [(&str, &str); 2] = [("username", ADA), ("password", PASSWORD)];

async fn login_page(s: &Stage) -> Page {
    let page = s.browser.open(&s.rp.authorization(&[]).url).await;
    assert!(page.has("#login-form"));
    page
}

#[tokio::test]
async fn the_back_button_and_another_sign_in_end_at_the_application() {
    let s = stage().await;
    let login = login_page(&s).await;
    let consent = s.browser.press(&login, "sign-in", &SIGN_IN).await;
    s.browser.press(&consent, "allow", &[]).await.callback().code();
    // back twice, and once more
    s.browser.press(&login, "sign-in", &SIGN_IN).await.callback().code();
    let again = s.browser.press(&consent, "allow", &[]).await;
    s.browser.agree(again, ADA).await.callback().code();
    // opened again from the history
    s.browser.open(login.url.as_str()).await;
    let page = s.browser.open(consent.url.as_str()).await;
    s.browser.agree(page, ADA).await.callback().code();
}

#[tokio::test]
async fn an_authorization_request_shows_the_login_page_at_once() {
    let s = stage().await;
    let authorization = s.rp.authorization(&[("login_hint", "ada@example.org")]);
    let login = s.browser.get(&authorization.url).await;
    assert_eq!(login.status, StatusCode::OK);
    assert_eq!(login.headers["cache-control"], "no-store");
    assert_eq!(login.attribute("input[name=username]", "value").as_deref(), Some("ada@example.org"));
    // the policy lets the form lead to the application, and nothing frames the page
    let policy = login.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("form-action"), "{policy}");
    // a reload asks anew, and both pages can be sent
    let reloaded = s.browser.get(&authorization.url).await;
    for page in [reloaded, login] {
        let next = s.browser.press(&page, "sign-in", &SIGN_IN).await;
        let callback = if next.has("#allow") { s.browser.press(&next, "allow", &[]).await } else { next }.callback();
        s.rp.check(&authorization, &callback);
    }

    // a request that was posted has an address from then on
    let fields: Vec<_> = authorization.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let elsewhere = Browser::new();
    let posted = elsewhere.post(&s.app.url("/oauth/authorize"), &fields).await;
    assert_eq!((posted.status, posted.location().unwrap().path()), (StatusCode::SEE_OTHER, "/oauth/authorize"));
    let login = elsewhere.get(posted.location().unwrap().as_str()).await;
    assert_eq!((login.status, login.has("#sign-in")), (StatusCode::OK, true));
    // who is not whom the application asks for is shown the page again, at an address that a reload does not post to
    let other = ("claims", r#"{"id_token":{"sub":{"value":"somebody-else"}}}"#);
    let login = s.browser.get(&s.rp.authorization(&[other]).url).await;
    let answer = s.browser.submit(&login, "sign-in", &SIGN_IN).await;
    assert_eq!((answer.status, answer.location().unwrap().path()), (StatusCode::SEE_OTHER, "/oauth/authorize"));
    let login = s.browser.follow(answer).await;
    assert!(login.body.contains("asks for another account"), "{}", login.text("main"));
    // without a page where none may be shown
    let silent = elsewhere.get(&s.rp.authorization(&[("prompt", "none")]).url).await.callback();
    assert_eq!(silent.get("error"), "login_required");
}

#[tokio::test]
async fn an_answer_leads_straight_to_what_is_next() {
    let s = stage().await;
    let authorization = s.rp.authorization(&[]);
    let login = s.browser.open(&authorization.url).await;
    let signed_in = s.browser.submit(&login, "sign-in", &SIGN_IN).await;
    assert_eq!((signed_in.status, signed_in.location().unwrap().path()), (StatusCode::SEE_OTHER, "/consent"));
    let consent = s.browser.follow(signed_in).await;
    let callback = s.browser.submit(&consent, "allow", &[]).await.callback();
    s.rp.check(&authorization, &callback);
    s.rp.redeem(&authorization, callback.code()).await.tokens();

    // in another browser nothing is left to ask, and it is signed in by the same answer
    let elsewhere = Browser::new();
    let authorization = s.rp.authorization(&[]);
    let login = elsewhere.open(&authorization.url).await;
    let answer = elsewhere.submit(&login, "sign-in", &SIGN_IN).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["referrer-policy"], "no-referrer");
    let callback = answer.callback();
    s.rp.check(&authorization, &callback);
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    assert!(s.rp.is_active(&tokens.access_token).await);
    assert!(elsewhere.open(&s.app.url("/account")).await.has("#sign-out"));

    // what is declined is told at once, too
    let login = elsewhere.open(&s.rp.authorization(&[("prompt", "login")]).url).await;
    let declined = elsewhere.submit(&login, "cancel", &[]).await.callback();
    assert_eq!(declined.get("error"), "access_denied");
    // a page of the endpoint's own has its address, so that a reload does not post the password again
    let login = elsewhere.open(&s.rp.authorization(&[("prompt", "login"), ("response_mode", "form_post")]).url).await;
    let answer = elsewhere.submit(&login, "sign-in", &SIGN_IN).await;
    assert_eq!(answer.location().unwrap().path(), "/oauth/authorize");
    assert!(elsewhere.follow(answer).await.callback().form_post);
}

#[tokio::test]
async fn a_client_that_is_switched_off_meanwhile_gets_no_answer() {
    let s = stage().await;
    let login = login_page(&s).await;
    let suspended = Api::owner(&s.app).await.post("/resources/iam/clients/app/suspend", json!({})).await;
    assert_eq!(suspended.status, StatusCode::OK, "{}", suspended.body);
    let page = s.browser.press(&login, "sign-in", &SIGN_IN).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::BAD_REQUEST, "/oauth/authorize"));
    assert_eq!(page.text("h1"), "This sign-in request does not work");
}

#[tokio::test]
async fn a_double_submit_ends_at_the_application() {
    let s = stage().await;
    let login = login_page(&s).await;
    s.browser.submit(&login, "sign-in", &SIGN_IN).await;
    let consent = s.browser.press(&login, "sign-in", &SIGN_IN).await;
    s.browser.submit(&consent, "allow", &[]).await;
    s.browser.press(&consent, "allow", &[]).await.callback().code();
}

#[tokio::test]
async fn a_reload_ends_at_the_application() {
    let s = stage().await;
    let login = login_page(&s).await;
    let login = s.browser.open(login.url.as_str()).await;
    // a wrong password answers the post itself: reloading posts again
    s.browser.submit(&login, "sign-in", &[("username", ADA), ("password", "wrong")]).await;
    let wrong = s.browser.submit(&login, "sign-in", &[("username", ADA), ("password", "wrong")]).await;
    assert_eq!(wrong.attribute("#username", "value").as_deref(), Some(ADA));
    let consent = s.browser.press(&wrong, "sign-in", &[("password", PASSWORD)]).await;
    let consent = s.browser.open(consent.url.as_str()).await;
    s.browser.press(&consent, "allow", &[]).await.callback().code();
}

#[tokio::test]
async fn an_hour_old_login_page_begins_again_with_one_button() {
    let s = stage().await;
    let login = login_page(&s).await;
    s.app.advance(Duration::from_secs(3600));
    let page = s.browser.press(&login, "sign-in", &SIGN_IN).await;
    assert_eq!((page.text("h1").as_str(), page.location()), ("This page has expired", None));
    let page = s.browser.press(&page, "restart", &[]).await;
    s.browser.agree(page, ADA).await.callback().code();
    // a reload of it asks anew by itself
    let elsewhere = Browser::new();
    let page = elsewhere.open(login.url.as_str()).await;
    elsewhere.agree(page, ADA).await.callback().code();
}

#[tokio::test]
async fn an_hour_old_consent_page_begins_again_with_one_button() {
    let s = stage().await;
    let authorization = s.rp.authorization(&[("scope", "openid email")]);
    let page = s.browser.open(&authorization.url).await;
    let consent = s.browser.press(&page, "sign-in", &SIGN_IN).await;
    s.app.advance(Duration::from_secs(3601));
    let expired = s.browser.press(&consent, "allow", &[]).await;
    assert_eq!(expired.text("h1"), "This page has expired");
    let page = s.browser.press(&expired, "restart", &[]).await;
    let callback = s.browser.agree(page, ADA).await.callback();
    s.rp.check(&authorization, &callback);
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    assert_eq!(tokens.scope, "openid email", "the request is the one that was made");
}

#[tokio::test]
async fn a_page_that_was_almost_an_hour_old_still_works() {
    let s = stage().await;
    let login = login_page(&s).await;
    s.app.advance(Duration::from_secs(3599));
    let page = s.browser.press(&login, "sign-in", &SIGN_IN).await;
    s.browser.agree(page, ADA).await.callback().code();
}

#[tokio::test]
async fn a_restart_of_the_server_between_any_two_steps_ends_at_the_application() {
    let mut s = stage().await;
    let authorization = s.rp.authorization(&[("scope", "openid offline_access")]);
    let login = s.browser.open(&authorization.url).await;
    s.app = s.app.restart().await;
    let consent = s.browser.press(&login, "sign-in", &SIGN_IN).await;
    s.app = s.app.restart().await;
    let answer = s.browser.submit(&consent, "allow", &[]).await;
    s.app = s.app.restart().await;
    let callback = s.browser.follow(answer).await.callback();
    s.app = s.app.restart().await;
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    s.app = s.app.restart().await;
    s.rp.refresh(&tokens.refresh_token).await.tokens();
    assert!(s.rp.is_active(&tokens.access_token).await);
    assert!(s.browser.open(&s.app.url("/account")).await.has("#sign-out"));
}

#[tokio::test]
async fn two_tabs_do_not_disturb_each_other() {
    let s = stage().await;
    let other = s.other("other", |_| {}).await;
    let (a, b) = (s.rp.authorization(&[]), other.authorization(&[]));
    let (first, second) = (s.browser.open(&a.url).await, s.browser.open(&b.url).await);
    let first = s.browser.press(&first, "sign-in", &SIGN_IN).await;
    let second = s.browser.press(&second, "sign-in", &SIGN_IN).await;
    // the second sign-in renewed the session: the first question is asked anew
    let callback = s.browser.agree(first, ADA).await.callback();
    s.rp.check(&a, &callback);
    s.rp.redeem(&a, callback.code()).await.tokens();
    let callback = s.browser.agree(second, ADA).await.callback();
    other.check(&b, &callback);
    other.redeem(&b, callback.code()).await.tokens();
}

#[tokio::test]
async fn who_signs_out_in_another_tab_signs_in_again_and_ends_at_the_application() {
    let s = stage().await;
    let login = login_page(&s).await;
    let consent = s.browser.press(&login, "sign-in", &SIGN_IN).await;
    let account = s.browser.open(&s.app.url("/account")).await;
    s.browser.press(&account, "sign-out", &[]).await;
    let page = s.browser.press(&consent, "allow", &[]).await;
    assert!(page.has("#login-form"));
    s.browser.agree(page, ADA).await.callback().code();
}

#[tokio::test]
async fn who_was_switched_to_in_another_tab_is_asked_and_not_the_one_before() {
    let s = stage().await;
    s.app.principal("bob@example.com", &[], |_| {}).await;
    let login = login_page(&s).await;
    let consent = s.browser.press(&login, "sign-in", &SIGN_IN).await;
    let other = s.browser.open(&s.rp.authorization(&[("prompt", "login")]).url).await;
    s.browser.press(&other, "sign-in", &[("username", "bob@example.com"), ("password", PASSWORD)]).await;
    let page = s.browser.press(&consent, "allow", &[]).await;
    assert!(page.text(".lead").contains("bob@example.com"), "{}", page.text("main"));
}

#[tokio::test]
async fn steps_that_are_skipped_lead_back_to_what_is_missing() {
    let s = stage().await;
    let login = login_page(&s).await;
    let sealed = login.attribute("[name=request]", "value").unwrap();
    // the consent page and the end without having signed in
    let page = s.browser.open(&s.app.url(&format!("/consent?request={sealed}"))).await;
    assert!(page.has("#login-form"));
    let page = s.browser.open(&s.app.url(&format!("/oauth/authorize?continue={sealed}"))).await;
    assert!(page.has("#login-form"));
    // signed in, but the question skipped
    let consent = s.browser.press(&login, "sign-in", &SIGN_IN).await;
    let sealed = consent.attribute("[name=request]", "value").unwrap();
    let page = s.browser.open(&s.app.url(&format!("/oauth/authorize?continue={sealed}"))).await;
    assert!(page.has("#allow"));
}

#[tokio::test]
async fn an_expired_continuation_begins_again_with_one_button() {
    let s = stage().await;
    let login = s.browser.open(&s.rp.authorization(&[("response_mode", "form_post")]).url).await;
    let continued = s.browser.submit(&login, "sign-in", &SIGN_IN).await.location().unwrap();
    assert!(continued.query().is_some_and(|query| query.starts_with("continue=")), "{continued}");
    s.app.advance(Duration::from_secs(3600));
    let page = s.browser.open(continued.as_str()).await;
    assert_eq!((page.status, page.text("h1").as_str()), (StatusCode::BAD_REQUEST, "This page has expired"));
    let page = s.browser.press(&page, "restart", &[]).await;
    s.browser.agree(page, ADA).await.callback().code();
}

#[tokio::test]
async fn a_request_as_long_as_they_may_be_ends_at_the_application() {
    let s = stage().await;
    let state = "\u{e4}\"<\\".repeat(1500);
    let authorization = s.rp.authorization(&[("state", &state), ("response_mode", "form_post")]);
    let page = s.browser.open(&authorization.url).await;
    let callback = s.browser.agree(page, ADA).await.callback();
    assert_eq!(callback.get("state"), state);
    let longer = s.rp.authorization(&[("state", &"x".repeat(13_000))]);
    let page = s.browser.get(&longer.url).await;
    assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None));
}
