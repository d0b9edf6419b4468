//! `/consent`.

use reqwest::StatusCode;

use crate::{
    stage::{ADA, Stage, stage, stage_with},
    support::{
        PASSWORD,
        browser::{Browser, Page},
        relying_party::claims_of,
    },
};

/// The consent page of a request, by somebody who is signed in.
async fn asked(s: &Stage, parameters: &[(&str, &str)]) -> Page {
    if s.browser.cookie(&s.app, "keyward_session").is_none() {
        s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    }
    s.browser.open(&s.rp.authorization(parameters).url).await
}

#[tokio::test]
async fn the_page_tells_who_asks_for_what_and_where_the_answer_goes() {
    let s = stage().await;
    let page = asked(&s, &[("scope", "openid email offline_access")]).await;
    assert_eq!(page.text("h1"), "Allow Client app to use your account?");
    let lead = "You are signed in as Ada Lovelace (ada@example.com). Your answer takes you to app.example.";
    assert_eq!(page.text(".lead"), lead);
    assert_eq!(page.text("#lasts"), "This lasts for up to 180 days, also when you are away.");
    assert_eq!(asked(&s, &[]).await.text("#lasts"), "This lasts until you sign out.");
}

#[tokio::test]
async fn declining_tells_the_application_with_state_and_iss() {
    for mode in ["query", "form_post"] {
        let s = stage().await;
        s.browser.sign_in(&s.app, ADA, PASSWORD).await;
        let authorization = s.rp.authorization(&[("response_mode", mode)]);
        let page = s.browser.open(&authorization.url).await;
        let callback = s.browser.press(&page, "deny", &[]).await.callback();
        s.rp.check(&authorization, &callback);
        assert_eq!(callback.get("error"), "access_denied");
        assert_eq!(callback.form_post, mode == "form_post");
        // and nothing was allowed
        assert!(s.browser.open(&s.rp.authorization(&[]).url).await.has("#allow"));
    }
}

#[tokio::test]
async fn consent_is_remembered_and_only_what_is_new_is_asked_again() {
    let s = stage().await;
    let page = asked(&s, &[("scope", "openid email")]).await;
    s.browser.press(&page, "allow", &[]).await.callback().code();
    asked(&s, &[("scope", "openid email")]).await.callback().code();
    asked(&s, &[("scope", "openid")]).await.callback().code();
    let page = asked(&s, &[("scope", "openid email profile")]).await;
    let items = page.text("ul.list");
    assert_eq!(items.matches("New").count(), 1, "{items}");
    s.browser.press(&page, "allow", &[]).await.callback().code();
    asked(&s, &[("scope", "profile email openid")]).await.callback().code();
}

#[tokio::test]
async fn consent_is_remembered_for_the_client_and_the_host_that_were_shown() {
    let s = stage_with(
        |_| {},
        |client| client.redirect_uris.extend(["https://app.example/other".into(), "https://other.example/cb".into()]),
    )
    .await;
    s.tokens("openid").await;
    asked(&s, &[("redirect_uri", "https://app.example/other")]).await.callback().code();
    let page = asked(&s, &[("redirect_uri", "https://other.example/cb")]).await;
    assert!(page.text(".lead").contains("other.example"));
    let other = s.other("other", |_| {}).await;
    assert!(s.browser.open(&other.authorization(&[]).url).await.has("#allow"));
}

#[tokio::test]
async fn an_application_of_the_house_asks_nobody() {
    let s = stage_with(|_| {}, |client| client.first_party = true).await;
    let page = s.browser.open(&s.rp.authorization(&[("scope", "openid email")]).url).await;
    s.browser.press(&page, "sign-in", &[("username", ADA), ("password", PASSWORD)]).await.callback().code();
    let silent = s.rp.authorization(&[("scope", "openid email"), ("prompt", "none")]);
    s.browser.get(&silent.url).await.callback().code();
    assert!(asked(&s, &[("prompt", "consent")]).await.has("#allow"), "unless the application wants it");
}

#[tokio::test]
async fn a_forged_answer_allows_nothing() {
    let s = stage().await;
    let page = asked(&s, &[]).await;
    let form = page.form_of("allow");
    for (name, value) in [("csrf_token", ""), ("csrf_token", "x"), ("decision", "")] {
        let forged = form.clone().filled(&[(name, value)]);
        let answer = s.browser.send(s.browser.form_request(&forged)).await;
        let page = s.browser.follow(answer).await;
        assert!(page.has("#allow"), "asked again: {}", page.text("main"));
    }
    let answer = s.browser.send(s.browser.form_request(&form).header("origin", "https://evil.example")).await;
    assert!(s.browser.follow(answer).await.has("#allow"));
    let foreign = Browser::new();
    let answer = foreign.send(foreign.form_request(&form)).await;
    assert!(foreign.follow(answer).await.has("#login-form"));
    assert_eq!(
        s.browser.get(&s.rp.authorization(&[("prompt", "none")]).url).await.callback().get("error"),
        "consent_required"
    );
}

#[tokio::test]
async fn one_persons_answer_is_not_anothers() {
    let s = stage().await;
    // answered by a page, what is allowed travels through the browser
    let adas = asked(&s, &[("response_mode", "form_post")]).await;
    s.app.principal("bob@example.com", &[], |_| {}).await;
    let bob = Browser::new();
    bob.sign_in(&s.app, "bob@example.com", PASSWORD).await;
    // Bob opens Ada's question, and is asked himself
    let bobs = bob.open(adas.url.as_str()).await;
    assert!(bobs.text(".lead").contains("bob@example.com"), "{}", bobs.text("main"));
    // Bob answers Ada's form with his own token
    let token = bobs.attribute("[name=csrf_token]", "value").unwrap();
    let form = adas.form_of("allow").filled(&[("csrf_token", &token)]);
    let answer = bob.send(bob.form_request(&form)).await;
    assert!(bob.follow(answer).await.has("#allow"), "still asked");
    // what Ada has allowed, sealed, does not work for Bob
    let continued = s.browser.submit(&adas, "allow", &[]).await.location().unwrap();
    assert!(bob.open(continued.as_str()).await.has("#allow"));
    s.browser.open(continued.as_str()).await.callback().code();
}

#[tokio::test]
async fn an_answer_is_bound_to_the_proof_that_it_was_given_under() {
    let s = stage().await;
    let page = asked(&s, &[]).await;
    s.app.advance(std::time::Duration::from_secs(60));
    // the same person proves again who they are, in another tab
    let login = s.browser.open(&s.rp.authorization(&[("prompt", "login")]).url).await;
    s.browser.press(&login, "sign-in", &[("username", ADA), ("password", PASSWORD)]).await;
    let next = s.browser.press(&page, "allow", &[]).await;
    assert!(next.has("#allow"), "asked anew");
    s.browser.press(&next, "allow", &[]).await.callback().code();
}

#[tokio::test]
async fn another_account_can_be_used_instead() {
    let s = stage().await;
    s.app.principal("bob@example.com", &[], |_| {}).await;
    s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    let authorization = s.rp.authorization(&[("login_hint", ADA)]);
    let page = s.browser.open(&authorization.url).await;
    let login = s.browser.press(&page, "switch-account", &[]).await;
    assert!(login.has("#login-form"));
    assert_eq!(login.attribute("#username", "value").as_deref(), Some(""));
    let callback = s.browser.agree(login, "bob@example.com").await.callback();
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    assert_ne!(claims_of(&tokens.id_token)["sub"], s.ada.as_str());
}

#[tokio::test]
async fn a_sealed_question_cannot_be_made_up() {
    let s = stage().await;
    s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    let page = s.browser.get(&s.app.url("/consent?request=AAAA")).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let page = s.browser.get(&s.app.url("/consent")).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_changed_between_question_and_answer_takes_effect() {
    let s = stage().await;
    let page = asked(&s, &[("scope", "openid email")]).await;
    s.reregister(|client| client.scopes = "openid".parse().unwrap()).await;
    let callback = s.browser.press(&page, "allow", &[]).await.callback();
    callback.code();
    let page = asked(&s, &[("prompt", "consent")]).await;
    s.reregister(|client| client.redirect_uris = vec!["https://new.example/cb".to_owned()]).await;
    let next = s.browser.press(&page, "allow", &[]).await;
    assert_eq!(
        (next.status, next.location()),
        (StatusCode::BAD_REQUEST, None),
        "the address is not registered any more"
    );
    let now = s.app.now();
    s.reregister(|client| client.suspended_at = Some(now)).await;
    let next = s.browser.press(&page, "allow", &[]).await;
    assert_eq!(next.status, StatusCode::BAD_REQUEST);
}
