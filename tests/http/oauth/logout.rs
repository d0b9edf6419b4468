//! `/oauth/logout` (OpenID Connect RP-Initiated Logout 1.0).

use std::time::Duration;

use reqwest::{StatusCode, Url};

use crate::{
    stage::{Stage, stage},
    support::{
        browser::{Browser, Page},
        relying_party::claims_of,
    },
};

const BYE: &str = "https://app.example/bye";

fn address(s: &Stage, parameters: &[(&str, &str)]) -> String {
    Url::parse_with_params(&s.app.url("/oauth/logout"), parameters).unwrap().into()
}

async fn is_signed_in(s: &Stage, browser: &Browser) -> bool {
    browser.open(&s.app.url("/account")).await.has("#sign-out")
}

fn leads_to(page: &Page, expected: &str) {
    assert_eq!(page.location().map(String::from).as_deref(), Some(expected), "{}", page.text("main"));
}

#[tokio::test]
async fn an_id_token_of_the_session_signs_out_and_leads_back_with_state() {
    let s = stage().await;
    let tokens = s.tokens("openid offline_access").await;
    let parameters =
        [("id_token_hint", tokens.id_token.as_str()), ("post_logout_redirect_uri", BYE), ("state", "a b&c")];
    let page = s.browser.get(&address(&s, &parameters)).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    leads_to(&page, "https://app.example/bye?state=a+b%26c");
    assert!(!is_signed_in(&s, &s.browser).await);
    assert!(!s.rp.is_active(&tokens.access_token).await);
    assert_eq!(s.rp.refresh(&tokens.refresh_token).await.outcome(), "400 invalid_grant");
}

#[tokio::test]
async fn it_works_by_post_too_and_with_an_id_token_that_has_expired() {
    let s = stage().await;
    let tokens = s.tokens("openid").await;
    s.app.advance(Duration::from_secs(3600));
    let fields = [("id_token_hint", tokens.id_token.as_str()), ("client_id", "app"), ("post_logout_redirect_uri", BYE)];
    let page = s.browser.post(&s.app.url("/oauth/logout"), &fields).await;
    leads_to(&page, BYE);
    assert!(!is_signed_in(&s, &s.browser).await);
}

#[tokio::test]
async fn without_parameters_the_person_is_asked_and_then_signed_out() {
    let s = stage().await;
    s.tokens("openid").await;
    let page = s.browser.open(&s.app.url("/oauth/logout")).await;
    assert_eq!(page.text("h1"), "Do you want to sign out?");
    assert!(is_signed_in(&s, &s.browser).await, "asking is not doing");
    let page = s.browser.press(&page, "sign-out", &[]).await;
    assert_eq!((page.status, page.text("h1").as_str()), (StatusCode::OK, "You are signed out"));
    assert!(!is_signed_in(&s, &s.browser).await);
}

#[tokio::test]
async fn an_application_that_proves_nothing_has_the_person_asked() {
    let s = stage().await;
    s.tokens("openid").await;
    let parameters = [("client_id", "app"), ("post_logout_redirect_uri", BYE), ("state", "x")];
    let page = s.browser.open(&address(&s, &parameters)).await;
    assert!(page.text("main").contains("Client app asks to sign you out"), "{}", page.text("main"));
    let stayed = s.browser.press(&page, "stay", &[]).await;
    assert_eq!(stayed.url.path(), "/account");
    assert!(is_signed_in(&s, &s.browser).await);
    let gone = s.browser.press(&page, "sign-out", &[]).await;
    leads_to(&gone, "https://app.example/bye?state=x");
    assert!(!is_signed_in(&s, &s.browser).await);
}

#[tokio::test]
async fn an_address_that_is_not_registered_to_the_letter_gets_a_page() {
    let s = stage().await;
    let hint = s.tokens("openid").await.id_token;
    for uri in [
        "https://evil.example/",
        "https://app.example/bye/",
        "https://app.example/bye?x=1",
        "https://app.example/BYE",
        "https://app.example/bye#x",
        "https://app.example/cb",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
    ] {
        let page = s.browser.get(&address(&s, &[("id_token_hint", &hint), ("post_logout_redirect_uri", uri)])).await;
        assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None), "{uri}");
    }
    let page = s.browser.get(&address(&s, &[("post_logout_redirect_uri", BYE)])).await;
    assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None), "whose address is it?");
    assert!(is_signed_in(&s, &s.browser).await);
}

#[tokio::test]
async fn a_bad_or_foreign_hint_gets_a_page() {
    let s = stage().await;
    let tokens = s.tokens("openid").await;
    let other = s.other("other", |_| {}).await;
    for hint in ["x", "a.b.c", &tokens.access_token, &format!("{}x", tokens.id_token)] {
        let page = s.browser.get(&address(&s, &[("id_token_hint", hint), ("post_logout_redirect_uri", BYE)])).await;
        assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None), "{hint:.40}");
    }
    let parameters = [("id_token_hint", tokens.id_token.as_str()), ("client_id", &other.client.client.id)];
    assert_eq!(s.browser.get(&address(&s, &parameters)).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(s.browser.get(&address(&s, &[("client_id", "nobody")])).await.status, StatusCode::BAD_REQUEST);
    let twice = format!("{}&client_id=app", address(&s, &[("client_id", "app")]));
    assert_eq!(s.browser.get(&twice).await.status, StatusCode::BAD_REQUEST);
    assert!(is_signed_in(&s, &s.browser).await);
}

#[tokio::test]
async fn another_persons_hint_does_not_sign_out() {
    let s = stage().await;
    s.app.principal("bob@example.com", &[], |_| {}).await;
    let bob = Browser::new();
    let hint = s.rp.sign_in(&bob, "bob@example.com", "openid").await.id_token;
    s.tokens("openid").await;
    let page = s.browser.open(&address(&s, &[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE)])).await;
    assert!(page.has("#sign-out"), "Ada is asked");
    assert!(is_signed_in(&s, &s.browser).await);
    assert!(is_signed_in(&s, &bob).await);
}

#[tokio::test]
async fn an_id_token_without_the_browsers_cookie_ends_nothing() {
    let s = stage().await;
    let tokens = s.tokens("openid").await;
    let parameters = [("id_token_hint", tokens.id_token.as_str()), ("post_logout_redirect_uri", BYE)];
    leads_to(&Browser::new().get(&address(&s, &parameters)).await, BYE);
    assert!(is_signed_in(&s, &s.browser).await);
    assert!(s.rp.is_active(&tokens.access_token).await);
}

#[tokio::test]
async fn whoever_is_signed_out_already_is_led_back() {
    let s = stage().await;
    let hint = s.tokens("openid").await.id_token;
    let parameters = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE)];
    for _ in 0..2 {
        leads_to(&s.browser.get(&address(&s, &parameters)).await, BYE);
    }
    let page = s.browser.open(&s.app.url("/oauth/logout")).await;
    assert_eq!(page.text("h1"), "You are signed out");
}

#[tokio::test]
async fn the_next_person_in_the_browser_starts_afresh() {
    let s = stage().await;
    let hint = s.tokens("openid").await.id_token;
    s.browser.get(&address(&s, &[("id_token_hint", &hint)])).await;
    s.app.principal("bob@example.com", &[], |_| {}).await;
    let tokens = s.rp.sign_in(&s.browser, "bob@example.com", "openid").await;
    assert_ne!(claims_of(&tokens.id_token)["sub"], s.ada.as_str());
}

#[tokio::test]
async fn an_application_that_was_suspended_gets_nobody_back() {
    let s = stage().await;
    let hint = s.tokens("openid").await.id_token;
    s.reregister(|client| client.suspended_at = Some(crate::support::START)).await;
    let parameters = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE)];
    let page = s.browser.get(&address(&s, &parameters)).await;
    assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None));
    assert!(is_signed_in(&s, &s.browser).await);
}
