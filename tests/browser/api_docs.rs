//! The viewer of the API: who signs in there can try the API.

use thirtyfour::{By, Key};

use crate::{chrome::wait_for, scene::Scene, support::PASSWORD};

/// The box that asks for a permission in the dialog.
const SCOPE: &str = "iam/roles:read-authorizationCode-checkbox-oauth";

#[tokio::test]
async fn an_owner_signs_in_to_the_documentation_and_calls_the_api() {
    let Some(scene) = Scene::new().await else { return };
    scene.server.principal("grace@example.com", &["system:owner"], |_| {}).await;
    let (browser, driver) = (&scene.browser, &scene.browser.driver);
    // the page scrolls, and what is fixed to its edges would get the clicks
    let press = async |selector: &str| browser.find(selector).await.send_keys(Key::Enter + "").await.unwrap();
    browser.go(&scene.server.url("/resources/docs")).await;
    browser.page("API").await;
    let docs = browser.tab().await;
    press("button.authorize").await;
    browser.find(&format!("[for='{SCOPE}']")).await;
    browser.js(&format!("document.getElementById('{SCOPE}').click()")).await.unwrap();
    let authorize = format!("(//label[@for='{SCOPE}']/following::button[contains(@class, 'authorize')])[1]");
    driver.find(By::XPath(&authorize)).await.unwrap().send_keys(Key::Enter + "").await.unwrap();

    let popup = wait_for(async || Ok(driver.windows().await?.into_iter().find(|window| *window != docs))).await;
    browser.front(&popup.expect("a window to sign in")).await;
    browser.page("Sign in").await;
    scene.sign_in("grace@example.com", PASSWORD).await;
    browser.page("Allow API documentation to use your account?").await;
    browser.click("allow").await;
    // the window has told the page its code, and closes
    let closed = wait_for(async || Ok((driver.windows().await?.len() == 1).then_some(()))).await;
    closed.expect("the window closes");
    browser.front(&docs).await;
    browser.find(".auth-container button[aria-label='Remove authorization'], .auth-container .logout").await;
    press("button.btn-done").await;

    press("#operations-roles-getRole .opblock-summary-control").await;
    press("#operations-roles-getRole .try-out__btn").await;
    browser.find("#operations-roles-getRole input[placeholder='key']").await.send_keys("system:owner").await.unwrap();
    press("#operations-roles-getRole .execute").await;
    let status = browser.text("#operations-roles-getRole .live-responses-table tbody .response-col_status").await;
    assert!(status.lines().any(|line| line.trim() == "200"), "{status}");
    scene.end().await;
}
