//! Answers that are posted to the application, and everything without scripts.

use crate::{
    scene::{ADA, CONSENT, Scene},
    support::PASSWORD,
};

const FORM_POST: (&str, &str) = ("response_mode", "form_post");

#[tokio::test]
async fn a_form_post_answer_goes_by_itself() {
    let Some(scene) = Scene::new().await else { return };
    scene.start(&[FORM_POST]).await;
    scene.ada_signs_in().await;
    scene.allow().await;
    let arrival = scene.arrives().await;
    assert_eq!((arrival.method.as_str(), arrival.get("state")), ("POST", Some("xyz")));
    scene.redeem(arrival.get("code").unwrap()).await;
    // also without any page in between, and for an error
    scene.start(&[FORM_POST, ("prompt", "none"), ("state", "silent")]).await;
    scene.arrives_with_tokens("silent").await;
    scene.start(&[FORM_POST, ("prompt", "none"), ("scope", "openid phone")]).await;
    let arrival = scene.arrives().await;
    assert_eq!((arrival.method.as_str(), arrival.get("error")), ("POST", Some("consent_required")));
    scene.start(&[FORM_POST, ("prompt", "login")]).await;
    scene.browser.page("Sign in").await;
    scene.browser.click("cancel").await;
    let arrival = scene.arrives().await;
    assert_eq!((arrival.method.as_str(), arrival.get("error")), ("POST", Some("access_denied")));
    scene.end().await;
}

#[tokio::test]
async fn without_scripts_people_sign_in_allow_and_post_the_answer_with_a_button() {
    let Some(scene) = Scene::without_javascript().await else { return };
    scene.start(&[FORM_POST]).await;
    scene.browser.page("Sign in").await;
    scene.sign_in(ADA, "wrong").await;
    scene.browser.page("Error: Sign in").await;
    scene.sign_in(ADA, PASSWORD).await;
    scene.browser.page(CONSENT).await;
    scene.browser.click("allow").await;
    scene.browser.page("Continue").await;
    assert!(!scene.application.was_visited().await, "scripts are off");
    scene.browser.click("continue").await;
    let arrival = scene.arrives().await;
    assert_eq!((arrival.method.as_str(), arrival.get("state")), ("POST", Some("xyz")));
    assert_eq!(arrival.parameters.len(), 3, "code, state, iss and no button: {arrival:?}");
    scene.redeem(arrival.get("code").unwrap()).await;
    // by redirect, and signing out
    scene.start(&[("scope", "openid phone"), ("state", "redirect")]).await;
    scene.allow().await;
    scene.arrives_with_tokens("redirect").await;
    scene.browser.go(&scene.server.url("/account")).await;
    scene.browser.page("Your account").await;
    scene.browser.click("sign-out").await;
    scene.browser.page("Signed out").await;
    scene.end().await;
}
