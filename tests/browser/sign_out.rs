//! Signing out.

use url::Url;

use crate::scene::Scene;

async fn sign_out(scene: &Scene, more: &[(&str, &str)]) {
    let bye = scene.application.bye();
    let defaults = [("post_logout_redirect_uri", bye.as_str()), ("state", "out")];
    let url = Url::parse_with_params(&scene.server.url("/oauth/logout"), defaults.iter().chain(more)).unwrap();
    scene.browser.go(url.as_str()).await;
}

async fn is_back_at_the_application(scene: &Scene) {
    let arrival = scene.application.arrival().await;
    scene.browser.page("Application").await;
    assert_eq!((arrival.path.as_str(), arrival.get("state")), ("/bye", Some("out")));
}

async fn is_signed_out(scene: &Scene) {
    assert!(scene.browser.cookie("keyward_session_").await.is_none());
    scene.start(&[]).await;
    scene.browser.page("Sign in").await;
}

#[tokio::test]
async fn an_application_that_proves_whose_session_it_means_signs_out_without_a_question() {
    let Some(scene) = Scene::new().await else { return };
    let tokens = scene.walk(&[]).await;
    sign_out(&scene, &[("id_token_hint", tokens["id_token"].as_str().unwrap())]).await;
    is_back_at_the_application(&scene).await;
    assert!(scene.userinfo(&tokens).await.is_none(), "the tokens ended with the session");
    scene.browser.go(&scene.server.url("/login")).await;
    is_signed_out(&scene).await;
    scene.end().await;
}

#[tokio::test]
async fn without_proof_the_person_is_asked_and_may_stay() {
    let Some(scene) = Scene::new().await else { return };
    let tokens = scene.walk(&[]).await;
    sign_out(&scene, &[("client_id", "ledger")]).await;
    scene.browser.page("Sign out?").await;
    let page = scene.browser.text("main").await;
    assert!(page.contains("Ledger") && page.contains("Ada Lovelace"), "{page}");
    scene.browser.click("stay").await;
    scene.browser.page("Your account").await;
    assert!(scene.userinfo(&tokens).await.is_some());
    sign_out(&scene, &[("client_id", "ledger")]).await;
    scene.browser.page("Sign out?").await;
    scene.browser.click("sign-out").await;
    is_back_at_the_application(&scene).await;
    assert!(scene.userinfo(&tokens).await.is_none());
    scene.browser.go(&scene.server.url("/login")).await;
    is_signed_out(&scene).await;
    scene.end().await;
}

#[tokio::test]
async fn the_account_page_signs_out_and_says_so() {
    let Some(scene) = Scene::new().await else { return };
    scene.browser.go(&scene.server.url("/account")).await;
    scene.ada_signs_in().await;
    scene.browser.page("Your account").await;
    scene.browser.click("sign-out").await;
    scene.browser.page("Signed out").await;
    // Chromium's back button may show a page that it kept, `no-store` or not; nothing can be done there any more
    scene.browser.driver.back().await.unwrap();
    scene.browser.driver.refresh().await.unwrap();
    scene.browser.page("Sign in").await;
    is_signed_out(&scene).await;
    scene.end().await;
}
