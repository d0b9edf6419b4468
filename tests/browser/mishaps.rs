//! What happens between a page and its answer, and does not keep anybody from the application.

use std::time::Duration;

use crate::{
    scene::{ADA, CONSENT, Scene},
    support::PASSWORD,
};

const HOUR: Duration = Duration::from_secs(3700);

#[tokio::test]
async fn a_login_page_that_was_open_for_an_hour_starts_again_with_one_button() {
    let Some(scene) = Scene::new().await else { return };
    scene.start(&[]).await;
    scene.browser.page("Sign in").await;
    scene.server.advance(HOUR);
    scene.sign_in(ADA, PASSWORD).await;
    scene.browser.page("This page has expired").await;
    assert_eq!(scene.browser.focused().await, "restart");
    scene.browser.click("restart").await;
    scene.ada_signs_in().await;
    scene.allow().await;
    scene.arrives_with_tokens("xyz").await;
    scene.end().await;
}

#[tokio::test]
async fn a_consent_page_that_was_open_for_an_hour_starts_again_with_one_button() {
    let Some(scene) = Scene::new().await else { return };
    for button in ["allow", "deny", "switch-account"] {
        scene.start(&[]).await;
        if scene.browser.driver.title().await.unwrap().starts_with("Sign in") {
            scene.ada_signs_in().await;
        }
        scene.browser.page(CONSENT).await;
        scene.server.advance(HOUR);
        scene.browser.click(button).await;
        scene.browser.page("This page has expired").await;
        scene.browser.click("restart").await;
        scene.browser.page(CONSENT).await;
    }
    scene.allow().await;
    scene.arrives_with_tokens("xyz").await;
    scene.end().await;
}

#[tokio::test]
async fn a_page_that_was_open_for_too_long_starts_again_when_it_is_reloaded() {
    let Some(scene) = Scene::new().await else { return };
    scene.start(&[("response_mode", "form_post"), ("prompt", "login")]).await;
    scene.browser.page("Sign in").await;
    scene.server.advance(HOUR);
    scene.browser.driver.refresh().await.unwrap();
    scene.ada_signs_in().await;
    scene.browser.page(CONSENT).await;
    scene.server.advance(HOUR);
    scene.browser.driver.refresh().await.unwrap();
    scene.browser.page("This page has expired").await;
    scene.browser.click("restart").await;
    scene.ada_signs_in().await;
    scene.allow().await;
    scene.arrives_with_tokens("xyz").await;
    scene.end().await;
}

#[tokio::test]
async fn who_takes_long_to_choose_a_new_password_still_ends_at_the_application() {
    let Some(scene) = Scene::new().await else { return };
    let (eve, new) = ("eve@example.com", "Violet-harbour-91-lantern");
    scene.server.principal(eve, &[], |eve| eve.password_temporary = true).await;
    // the page that chooses it holds for a quarter of an hour, the request behind it for longer or shorter
    for (wait, again) in [(Duration::from_secs(20 * 60), false), (HOUR, true)] {
        scene.start(&[]).await;
        scene.browser.page("Sign in").await;
        scene.sign_in(eve, PASSWORD).await;
        scene.browser.page("Choose a new password").await;
        scene.server.advance(wait);
        scene.browser.fill("new_password", new).await;
        scene.browser.fill("password_confirmation", new).await;
        scene.browser.click("save-password").await;
        let next = crate::chrome::wait_for(async || {
            let title = scene.browser.driver.title().await?;
            Ok((!title.starts_with("Choose")).then_some(title))
        });
        let title = next.await.unwrap();
        assert_eq!(title.starts_with("This page has expired"), again, "{title}");
        if again {
            scene.browser.click("restart").await;
        }
        scene.browser.page("Sign in").await;
    }
    scene.sign_in(eve, PASSWORD).await;
    scene.browser.page("Choose a new password").await;
    // so that a password manager knows whose it is
    assert_eq!(scene.browser.value("username").await, eve);
    scene.browser.fill("new_password", new).await;
    scene.browser.fill("password_confirmation", new).await;
    scene.browser.click("save-password").await;
    scene.allow().await;
    scene.arrives_with_tokens("xyz").await;
    scene.end().await;
}

#[tokio::test]
async fn a_browser_that_loses_its_cookies_between_page_and_answer_gets_there() {
    let Some(scene) = Scene::new().await else { return };
    scene.start(&[]).await;
    scene.browser.page("Sign in").await;
    scene.browser.driver.delete_all_cookies().await.unwrap();
    scene.sign_in(ADA, PASSWORD).await;
    assert!(scene.browser.text("#notice").await.contains("once more"));
    assert_eq!(scene.browser.value("username").await, ADA);
    scene.browser.fill("password", PASSWORD).await;
    scene.browser.click("sign-in").await;
    scene.browser.page(CONSENT).await;
    scene.browser.driver.delete_all_cookies().await.unwrap();
    scene.browser.click("allow").await;
    scene.ada_signs_in().await;
    scene.allow().await;
    scene.arrives_with_tokens("xyz").await;
    scene.end().await;
}

#[tokio::test]
async fn a_restart_of_the_server_between_page_and_answer_goes_unnoticed() {
    let Some(mut scene) = Scene::new().await else { return };
    let eve = "eve@example.com";
    scene.server.principal(eve, &[], |eve| eve.password_temporary = true).await;
    scene.start(&[]).await;
    scene.browser.page("Sign in").await;
    scene.server = scene.server.restart().await;
    scene.sign_in(eve, PASSWORD).await;
    scene.browser.page("Choose a new password").await;
    scene.server = scene.server.restart().await;
    scene.browser.fill("new_password", "Violet-harbour-91-lantern").await;
    scene.browser.fill("password_confirmation", "Violet-harbour-91-lantern").await;
    scene.browser.click("save-password").await;
    scene.browser.page(CONSENT).await;
    scene.server = scene.server.restart().await;
    scene.browser.click("allow").await;
    let arrival = scene.arrives().await;
    scene.server = scene.server.restart().await;
    scene.redeem(arrival.get("code").unwrap()).await;
    scene.end().await;
}

#[tokio::test]
async fn a_session_that_ended_meanwhile_asks_to_sign_in_and_goes_on() {
    let Some(scene) = Scene::new().await else { return };
    scene.start(&[]).await;
    scene.ada_signs_in().await;
    scene.browser.page(CONSENT).await;
    let tab = scene.browser.tab().await;
    scene.browser.new_tab().await;
    scene.browser.go(&scene.server.url("/logout")).await;
    scene.browser.page("Sign out?").await;
    scene.browser.click("sign-out").await;
    scene.browser.page("Signed out").await;
    scene.browser.front(&tab).await;
    scene.browser.click("allow").await;
    scene.ada_signs_in().await;
    scene.allow().await;
    scene.arrives_with_tokens("xyz").await;
    scene.end().await;
}
