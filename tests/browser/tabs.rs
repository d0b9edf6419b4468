//! Several tabs of one browser, and the ways through one tab that are not straight.

use crate::{
    scene::{ADA, CONSENT, Scene},
    support::PASSWORD,
};

#[tokio::test]
async fn two_tabs_end_at_the_application_in_either_order() {
    let Some(scene) = Scene::new().await else { return };
    let scopes = ["openid email", "openid email profile", "openid phone", "openid address"];
    for (round, swapped) in [false, true].into_iter().enumerate() {
        scene.browser.driver.delete_all_cookies().await.unwrap();
        let (first, second) = (scopes[round * 2], scopes[round * 2 + 1]);
        let one = scene.browser.tab().await;
        scene.start(&[("scope", first), ("state", "one")]).await;
        scene.browser.page("Sign in").await;
        let two = scene.browser.new_tab().await;
        scene.start(&[("scope", second), ("state", "two")]).await;
        scene.browser.page("Sign in").await;
        let (early, late) = if swapped { ((&two, "two"), (&one, "one")) } else { ((&one, "one"), (&two, "two")) };
        scene.browser.front(early.0).await;
        scene.ada_signs_in().await;
        scene.allow().await;
        let tokens = scene.arrives_with_tokens(early.1).await;
        scene.browser.front(late.0).await;
        scene.ada_signs_in().await;
        scene.allow().await;
        scene.arrives_with_tokens(late.1).await;
        assert!(scene.userinfo(&tokens).await.is_some(), "the first tab's tokens hold");
    }
    scene.end().await;
}

#[tokio::test]
async fn two_tabs_that_take_turns_end_at_the_application() {
    let Some(scene) = Scene::new().await else { return };
    let one = scene.browser.tab().await;
    scene.start(&[("state", "one")]).await;
    scene.browser.page("Sign in").await;
    let two = scene.browser.new_tab().await;
    scene.start(&[("scope", "openid phone"), ("state", "two")]).await;
    for tab in [&one, &two] {
        scene.browser.front(tab).await;
        scene.ada_signs_in().await;
        scene.browser.page(CONSENT).await;
    }
    // by now the first tab's question is about a sign-in that was renewed in the second
    scene.browser.front(&one).await;
    scene.browser.follow("allow").await;
    if scene.browser.driver.title().await.unwrap().starts_with(CONSENT) {
        scene.browser.click("allow").await;
    }
    scene.arrives_with_tokens("one").await;
    scene.browser.front(&two).await;
    scene.allow().await;
    scene.arrives_with_tokens("two").await;
    scene.end().await;
}

#[tokio::test]
async fn a_tab_that_still_asks_to_sign_in_goes_on_when_reloaded_from_the_application() {
    let Some(scene) = Scene::new().await else { return };
    let one = scene.browser.tab().await;
    scene.start(&[]).await;
    scene.browser.page("Sign in").await;
    scene.browser.new_tab().await;
    scene.walk(&[]).await;
    scene.browser.front(&one).await;
    scene.start(&[("state", "later")]).await;
    scene.arrives_with_tokens("later").await;
    scene.end().await;
}

#[tokio::test]
async fn somebody_else_signs_in_in_another_tab_and_nobody_is_taken_for_the_other() {
    let Some(scene) = Scene::new().await else { return };
    let bob = "bob@example.com";
    scene.server.principal(bob, &[], |_| {}).await;
    let one = scene.browser.tab().await;
    scene.start(&[("state", "one")]).await;
    scene.ada_signs_in().await;
    scene.browser.page(CONSENT).await;
    scene.browser.new_tab().await;
    scene.start(&[("prompt", "login"), ("state", "two")]).await;
    scene.browser.page("Sign in").await;
    scene.sign_in(bob, PASSWORD).await;
    scene.browser.page(CONSENT).await;
    // the first tab asked Ada; what is pressed there allows nothing in the name of Bob
    scene.browser.front(&one).await;
    scene.browser.click("allow").await;
    scene.browser.page(CONSENT).await;
    assert!(scene.browser.text("main").await.contains(bob));
    scene.browser.click("allow").await;
    let tokens = scene.arrives_with_tokens("one").await;
    assert_eq!(scene.email(&tokens).await, bob);
    scene.end().await;
}

#[tokio::test]
async fn the_back_button_and_the_same_form_again_end_at_the_application() {
    let Some(scene) = Scene::new().await else { return };
    scene.start(&[]).await;
    scene.ada_signs_in().await;
    scene.browser.page(CONSENT).await;
    // to the request, which needs nobody to sign in any more
    scene.browser.driver.back().await.unwrap();
    scene.browser.page(CONSENT).await;
    scene.allow().await;
    scene.arrives_with_tokens("xyz").await;
    // from the application back to the question, and once more
    scene.browser.driver.back().await.unwrap();
    scene.allow().await;
    scene.arrives_with_tokens("xyz").await;
    scene.end().await;
}

#[tokio::test]
async fn a_form_that_is_sent_twice_ends_at_the_application() {
    let Some(scene) = Scene::new().await else { return };
    let eve = "eve@example.com";
    scene.server.principal(eve, &[], |eve| eve.password_temporary = true).await;
    scene.start(&[]).await;
    scene.browser.page("Sign in").await;
    scene.browser.fill("username", ADA).await;
    scene.browser.fill("password", PASSWORD).await;
    scene.browser.click_twice("sign-in").await;
    scene.browser.page(CONSENT).await;
    scene.browser.click_twice("allow").await;
    scene.browser.page("Application").await;
    // the first may have come too, before the second replaced it
    let mut arrival = scene.arrives().await;
    if scene.application.was_visited().await {
        scene.start(&[]).await;
        arrival = scene.arrives().await;
    }
    scene.redeem(arrival.get("code").unwrap()).await;

    // a temporary password works once, and the second form finds it gone
    scene.browser.driver.delete_all_cookies().await.unwrap();
    scene.start(&[("state", "eve")]).await;
    scene.browser.page("Sign in").await;
    scene.sign_in(eve, PASSWORD).await;
    scene.browser.page("Choose a new password").await;
    let new = "Violet-harbour-91-lantern";
    scene.browser.fill("new_password", new).await;
    scene.browser.fill("password_confirmation", new).await;
    scene.browser.click_twice("save-password").await;
    let next = crate::chrome::wait_for(async || {
        let title = scene.browser.driver.title().await?;
        Ok((!title.starts_with("Choose")).then_some(title))
    });
    if next.await.unwrap().starts_with("Sign in") {
        assert!(scene.browser.text("#notice").await.contains("Your password was changed"));
        scene.sign_in(eve, new).await;
    }
    scene.allow().await;
    scene.arrives_with_tokens("eve").await;
    scene.end().await;
}

#[tokio::test]
async fn every_page_can_be_reloaded() {
    let Some(scene) = Scene::new().await else { return };
    let reload = async |title: &str| {
        scene.browser.page(title).await;
        scene.browser.driver.refresh().await.unwrap();
        scene.browser.page(title).await;
    };
    scene.start(&[]).await;
    reload("Sign in").await;
    scene.sign_in(ADA, "wrong").await;
    reload("Error: Sign in").await;
    scene.sign_in(ADA, PASSWORD).await;
    reload(CONSENT).await;
    scene.browser.click("switch-account").await;
    reload("Sign in").await;
    scene.sign_in(ADA, PASSWORD).await;
    scene.allow().await;
    scene.arrives_with_tokens("xyz").await;
    for (path, title) in
        [("/account", "Your account"), ("/password", "Choose a new password"), ("/logout", "Sign out?")]
    {
        scene.browser.go(&scene.server.url(path)).await;
        reload(title).await;
    }
    scene.browser.click("sign-out").await;
    reload("Signed out").await;
    scene.end().await;
}
