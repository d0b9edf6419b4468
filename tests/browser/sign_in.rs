//! Signing in and answering.

use std::time::Duration;

use crate::{
    scene::{ADA, CONSENT, Scene},
    support::PASSWORD,
};

#[tokio::test]
async fn signing_in_and_allowing_leads_to_the_application_with_a_code_that_redeems() {
    let Some(scene) = Scene::new().await else { return };
    scene.start(&[]).await;
    scene.browser.page("Sign in").await;
    assert_eq!(scene.browser.focused().await, "username");
    assert!(scene.browser.text(".lead").await.contains("Ledger"));
    scene.sign_in(ADA, PASSWORD).await;
    scene.browser.page(CONSENT).await;
    let page = scene.browser.text("main").await;
    // without the port, which means nothing on loopback (RFC 8252 §7.3)
    let place = "takes you to localhost.";
    for told in
        ["Ledger", "Ada Lovelace", ADA, "Know who you are", "See your email address", place, "until you sign out"]
    {
        assert!(page.contains(told), "{told:?} is not told: {page}");
    }
    scene.browser.click("allow").await;
    let tokens = scene.arrives_with_tokens("xyz").await;
    assert_eq!(scene.email(&tokens).await, ADA);
    // it is remembered, and so is who is signed in: no page at all
    scene.start(&[("state", "again")]).await;
    scene.arrives_with_tokens("again").await;
    // what was not allowed yet is asked for, and marked
    scene.start(&[("scope", "openid email profile"), ("state", "more")]).await;
    scene.browser.page(CONSENT).await;
    assert_eq!(scene.browser.count(".badge").await, 1);
    scene.browser.click("allow").await;
    scene.arrives_with_tokens("more").await;
    scene.end().await;
}

#[tokio::test]
async fn who_does_not_allow_it_is_taken_back_to_the_application() {
    let Some(scene) = Scene::new().await else { return };
    scene.start(&[]).await;
    scene.ada_signs_in().await;
    scene.browser.page(CONSENT).await;
    scene.browser.click("deny").await;
    let arrival = scene.arrives().await;
    assert_eq!(arrival.get("error"), Some("access_denied"));
    assert_eq!(arrival.get("state"), Some("xyz"));
    assert_eq!(arrival.get("code"), None);
    // nothing is remembered: the next time asks again
    scene.start(&[]).await;
    scene.allow().await;
    scene.arrives_with_tokens("xyz").await;
    scene.end().await;
}

#[tokio::test]
async fn who_cancels_instead_of_signing_in_is_taken_back_to_the_application() {
    let Some(scene) = Scene::new().await else { return };
    scene.start(&[]).await;
    scene.browser.page("Sign in").await;
    scene.browser.click("cancel").await;
    let arrival = scene.arrives().await;
    assert_eq!((arrival.get("error"), arrival.get("state")), (Some("access_denied"), Some("xyz")));
    scene.end().await;
}

#[tokio::test]
async fn a_wrong_password_shows_one_message_and_keeps_the_username() {
    let Some(scene) = Scene::new().await else { return };
    let mut messages = Vec::new();
    for (email, password) in [(ADA, "wrong"), ("nobody@example.com", PASSWORD)] {
        scene.start(&[]).await;
        scene.browser.page("Sign in").await;
        scene.browser.click("stay_signed_in").await;
        scene.sign_in(email, password).await;
        scene.browser.page("Error: Sign in").await;
        assert_eq!(scene.browser.count("[role=alert]").await, 1);
        messages.push(scene.browser.text("#error-summary").await);
        assert_eq!(scene.browser.value("username").await, email);
        assert_eq!(scene.browser.value("password").await, "");
        assert_eq!(scene.browser.focused().await, "password");
        assert!(scene.browser.find("#stay_signed_in").await.is_selected().await.unwrap());
        assert_eq!(
            scene.browser.js("return document.activeElement.getAttribute('aria-describedby')").await.unwrap(),
            "error-summary"
        );
    }
    assert_eq!(messages[0], messages[1], "whether an account exists is not told");
    scene.sign_in(ADA, PASSWORD).await;
    scene.allow().await;
    scene.arrives_with_tokens("xyz").await;
    scene.end().await;
}

#[tokio::test]
async fn who_guesses_too_often_is_told_how_long_to_wait() {
    let Some(scene) = Scene::new().await else { return };
    scene.start(&[]).await;
    scene.browser.page("Sign in").await;
    let mut tries = 0;
    while !scene.browser.text("main").await.contains("too many attempts") {
        scene.sign_in(ADA, "wrong").await;
        scene.browser.page("Error: Sign in").await;
        tries += 1;
        assert!(tries < 20, "guessing never ends");
    }
    assert!(tries > 3);
    assert!(scene.browser.text("#error-summary").await.contains("Please wait"));
    // the right password has to wait too
    scene.sign_in(ADA, PASSWORD).await;
    scene.browser.page("Error: Sign in").await;
    scene.server.advance(Duration::from_secs(20 * 60));
    scene.sign_in(ADA, PASSWORD).await;
    scene.allow().await;
    scene.arrives_with_tokens("xyz").await;
    scene.end().await;
}

#[tokio::test]
async fn prompt_login_asks_for_the_password_of_who_is_signed_in() {
    let Some(scene) = Scene::new().await else { return };
    scene.walk(&[]).await;
    scene.server.advance(Duration::from_secs(60));
    scene.start(&[("prompt", "login"), ("state", "proof")]).await;
    scene.browser.page("Sign in").await;
    assert!(scene.browser.text("#notice").await.contains("sign in once more"));
    assert_eq!(scene.browser.count("#account-form").await, 0);
    scene.ada_signs_in().await;
    scene.arrives_with_tokens("proof").await;
    scene.start(&[("max_age", "600"), ("state", "fresh")]).await;
    scene.arrives_with_tokens("fresh").await;
    scene.server.advance(Duration::from_secs(601));
    scene.start(&[("max_age", "600"), ("state", "old")]).await;
    scene.ada_signs_in().await;
    scene.arrives_with_tokens("old").await;
    scene.end().await;
}

#[tokio::test]
async fn prompt_select_account_offers_the_account_that_is_signed_in_and_another_one() {
    let Some(scene) = Scene::new().await else { return };
    let bob = "bob@example.com";
    scene.server.principal(bob, &[], |_| {}).await;
    scene.walk(&[]).await;
    let select = ("prompt", "select_account");
    scene.start(&[select, ("state", "same")]).await;
    scene.browser.page("Sign in").await;
    assert!(scene.browser.text("#continue").await.contains("Ada Lovelace"));
    scene.browser.click("continue").await;
    scene.arrives_with_tokens("same").await;

    scene.start(&[select, ("state", "other")]).await;
    scene.browser.page("Sign in").await;
    scene.sign_in(bob, PASSWORD).await;
    scene.browser.page(CONSENT).await;
    assert!(scene.browser.text("main").await.contains(bob));
    scene.browser.click("allow").await;
    let tokens = scene.arrives_with_tokens("other").await;
    assert_eq!(scene.email(&tokens).await, bob);
    scene.end().await;
}

#[tokio::test]
async fn the_account_can_be_changed_from_the_consent_page() {
    let Some(scene) = Scene::new().await else { return };
    let bob = "bob@example.com";
    scene.server.principal(bob, &[], |_| {}).await;
    scene.start(&[("login_hint", ADA)]).await;
    scene.browser.page("Sign in").await;
    assert_eq!(scene.browser.value("username").await, ADA);
    assert_eq!(scene.browser.focused().await, "password");
    scene.browser.fill("password", PASSWORD).await;
    scene.browser.click("sign-in").await;
    scene.browser.page(CONSENT).await;
    scene.browser.click("switch-account").await;
    scene.browser.page("Sign in").await;
    assert_eq!(scene.browser.value("username").await, "");
    scene.sign_in(bob, PASSWORD).await;
    scene.allow().await;
    let tokens = scene.arrives_with_tokens("xyz").await;
    assert_eq!(scene.email(&tokens).await, bob);
    scene.end().await;
}

#[tokio::test]
async fn who_signs_in_as_somebody_else_than_the_application_expects_is_told_so() {
    let Some(scene) = Scene::new().await else { return };
    let bob = "bob@example.com";
    scene.server.principal(bob, &[], |_| {}).await;
    let tokens = scene.walk(&[]).await;
    let hint = ("id_token_hint", tokens["id_token"].as_str().unwrap());
    scene.browser.driver.delete_all_cookies().await.unwrap();
    scene.start(&[hint, ("state", "hinted")]).await;
    scene.browser.page("Sign in").await;
    scene.sign_in(bob, PASSWORD).await;
    assert!(scene.browser.text("#notice").await.contains("another account"));
    scene.ada_signs_in().await;
    let tokens = scene.arrives_with_tokens("hinted").await;
    assert_eq!(scene.email(&tokens).await, ADA);
    scene.end().await;
}

#[tokio::test]
async fn staying_signed_in_outlives_the_browser_and_otherwise_nothing_does() {
    let Some(scene) = Scene::new().await else { return };
    scene.start(&[]).await;
    scene.ada_signs_in().await;
    scene.browser.page(CONSENT).await;
    let cookie = scene.browser.cookie("keyward_session_").await.unwrap();
    assert_eq!(cookie.expiry, None, "it ends with the browser");
    assert_eq!(cookie.http_only, Some(true));
    assert_eq!(cookie.same_site, Some(thirtyfour::SameSite::Lax));
    scene.start(&[("prompt", "login")]).await;
    scene.browser.page("Sign in").await;
    scene.browser.click("stay_signed_in").await;
    scene.sign_in(ADA, PASSWORD).await;
    scene.browser.page(CONSENT).await;
    let kept = scene.browser.cookie("keyward_session_").await.unwrap();
    assert!(kept.expiry.is_some(), "it is kept");
    assert_ne!(kept.value, cookie.value);
    assert_eq!(kept.http_only, Some(true));
    scene.end().await;
}

#[tokio::test]
async fn a_temporary_password_is_replaced_on_the_way_to_the_application() {
    let Some(scene) = Scene::new().await else { return };
    let eve = "eve@example.com";
    scene.server.principal(eve, &[], |eve| eve.password_temporary = true).await;
    scene.start(&[]).await;
    scene.browser.page("Sign in").await;
    scene.sign_in(eve, PASSWORD).await;
    scene.browser.page("Choose a new password").await;
    assert_eq!(scene.browser.focused().await, "new_password");
    assert_eq!(scene.browser.value("username").await, eve);
    assert!(scene.browser.cookie("keyward_session_").await.is_none(), "nobody is signed in yet");
    let choose = async |new: &str, again: &str| {
        scene.browser.fill("new_password", new).await;
        scene.browser.fill("password_confirmation", again).await;
        scene.browser.click("save-password").await;
    };
    for (new, again) in [("short", "short"), ("Violet-harbour-91-lantern", "another"), (PASSWORD, PASSWORD)] {
        choose(new, again).await;
        scene.browser.page("Error: Choose a new password").await;
        assert_eq!(scene.browser.focused().await, "error-summary");
        assert_eq!(scene.browser.count("[aria-invalid=true]").await, 1);
        // the page with the error before looks the same: a fresh one is waited for
        scene.browser.driver.refresh().await.unwrap();
        scene.browser.page("Error: Choose a new password").await;
        scene.browser.driver.back().await.unwrap();
        scene.browser.page("Choose a new password").await;
    }
    choose("Violet-harbour-91-lantern", "Violet-harbour-91-lantern").await;
    scene.allow().await;
    let tokens = scene.arrives_with_tokens("xyz").await;
    assert_eq!(scene.email(&tokens).await, eve);
    scene.end().await;
}

#[tokio::test]
async fn the_setup_page_makes_the_owner_and_is_closed_then() {
    let Some(scene) = Scene::new().await else { return };
    let now = scene.server.now();
    let link = keyward::identity::setup::mint_link(&scene.server.app.store, now).await.unwrap();
    let address = scene.server.url(&format!("/setup?token={}", link.reveal()));
    scene.browser.go(&scene.server.url("/")).await;
    scene.browser.page("This server is not set up yet").await;
    scene.browser.go(&address).await;
    scene.browser.page("Set up").await;
    assert_eq!(scene.browser.focused().await, "name");
    let fill = async |email: &str| {
        scene.browser.fill("name", "Grace Hopper").await;
        scene.browser.fill("email", email).await;
        scene.browser.fill("new_password", "Violet-harbour-91-lantern").await;
        scene.browser.fill("password_confirmation", "Violet-harbour-91-lantern").await;
        scene.browser.click("create-owner").await;
    };
    fill("no address").await;
    scene.browser.page("Error: Set up").await;
    assert_eq!(scene.browser.focused().await, "error-summary");
    assert_eq!(scene.browser.value("name").await, "Grace Hopper");
    fill("grace@example.com").await;
    scene.browser.page("Your account").await;
    assert!(scene.browser.text("main").await.contains("Grace Hopper"));
    // who comes back to the link is signed in, and others find it closed
    scene.browser.go(&address).await;
    scene.browser.page("Your account").await;
    scene.browser.driver.delete_all_cookies().await.unwrap();
    scene.browser.go(&address).await;
    scene.browser.page("Set-up is closed").await;
    scene.browser.click("continue").await;
    scene.browser.page("Sign in").await;
    scene.sign_in("grace@example.com", "Violet-harbour-91-lantern").await;
    scene.browser.page("Your account").await;
    scene.end().await;
}

#[tokio::test]
async fn who_changes_the_password_stays_signed_in_here() {
    let Some(scene) = Scene::new().await else { return };
    scene.browser.go(&scene.server.url("/login")).await;
    scene.ada_signs_in().await;
    scene.browser.page("Your account").await;
    scene.browser.click("change-password").await;
    scene.browser.page("Choose a new password").await;
    assert_eq!(scene.browser.focused().await, "current_password");
    let change = async |current: &str| {
        scene.browser.fill("current_password", current).await;
        scene.browser.fill("new_password", "Violet-harbour-91-lantern").await;
        scene.browser.fill("password_confirmation", "Violet-harbour-91-lantern").await;
        scene.browser.click("save-password").await;
    };
    change("wrong").await;
    scene.browser.page("Error: Choose a new password").await;
    change(PASSWORD).await;
    scene.browser.page("Your account").await;
    assert!(scene.browser.text("main").await.contains("Your password was changed"));
    scene.end().await;
}
