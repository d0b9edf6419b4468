//! `/`, `/account` and `/logout`.

use reqwest::StatusCode;

use crate::{
    stage::{ADA, stage},
    support::{PASSWORD, browser::Browser},
};

#[tokio::test]
async fn signing_out_takes_a_decision_in_ones_own_browser() {
    let s = stage().await;
    let account = s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    let forged = account.form_of("sign-out").filled(&[("csrf_token", "x")]);
    let answer = s.browser.send(s.browser.form_request(&forged)).await;
    assert_eq!(s.browser.follow(answer).await.text("h1"), "Do you want to sign out?");
    assert!(s.browser.open(&s.app.url("/account")).await.has("#sign-out"));
    let session = s.browser.cookie(&s.app, "keyward_session").unwrap();
    let page = s.browser.press(&account, "sign-out", &[]).await;
    assert_eq!(page.text("h1"), "You are signed out");
    assert_eq!(s.browser.cookie(&s.app, "keyward_session"), None);
    // sent twice
    assert_eq!(s.browser.press(&account, "sign-out", &[]).await.text("h1"), "You are signed out");
    let thief = Browser::new();
    let port = s.app.issuer.rsplit(':').next().unwrap();
    thief.set_cookie(&s.app, &format!("keyward_session_{port}={session}"));
    assert_eq!(
        thief.open(&s.app.url("/account")).await.url.path(),
        "/login",
        "the session is over, not the cookie alone"
    );
}

#[tokio::test]
async fn nobody_elses_request_leads_somewhere_after_signing_out() {
    let s = stage().await;
    s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    let page = s.browser.open(&s.app.url("/logout?request=AAAA&post_logout_redirect_uri=//evil.example")).await;
    let page = s.browser.press(&page, "sign-out", &[]).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/logout"));
}

#[tokio::test]
async fn the_start_page_leads_to_where_somebody_belongs() {
    let s = stage().await;
    let nobody = s.browser.open(&s.app.url("/")).await;
    assert_eq!(nobody.url.path(), "/setup", "no owner was ever made");
    s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    assert_eq!(s.browser.open(&s.app.url("/")).await.url.path(), "/account");
}

#[tokio::test]
async fn no_page_is_cached_framed_or_tells_where_somebody_came_from() {
    let s = stage().await;
    let mut pages = vec![
        s.browser.open(&s.app.url("/login")).await,
        s.browser.open(&s.rp.authorization(&[]).url).await,
        s.browser.open(&s.rp.authorization(&[("client_id", "nobody")]).url).await,
        s.browser.open(&s.app.url("/setup")).await,
        s.browser.open(&s.rp.authorization(&[("response_mode", "form_post"), ("prompt", "none")]).url).await,
    ];
    pages.push(s.browser.sign_in(&s.app, ADA, PASSWORD).await);
    pages.push(s.browser.open(&s.rp.authorization(&[]).url).await);
    pages.push(s.browser.open(&s.app.url("/password")).await);
    pages.push(s.browser.open(&s.app.url("/logout")).await);
    for page in pages {
        assert_eq!(page.header("cache-control"), "no-store", "{}", page.url);
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "strict-origin");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(!page.header("x-request-id").is_empty());
        assert!(!page.headers.contains_key("access-control-allow-origin"));
    }
}
