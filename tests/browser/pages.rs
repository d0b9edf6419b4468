//! What holds for every page: weight, contrast, narrow screens, accessibility by axe-core, light and dark.

use std::{env, time::Duration};

use serde_json::{Value, json};

use crate::{
    chrome::Chrome,
    scene::{ADA, CONSENT, Scene},
    support::PASSWORD,
};

/// Looks at the page that is there.
struct Inspector {
    axe: Option<String>,
}

impl Inspector {
    fn new() -> Inspector {
        let axe = env::var("KEYWARD_TEST_AXE").ok().filter(|path| !path.is_empty());
        if axe.is_none() {
            eprintln!("skipped: axe-core, since KEYWARD_TEST_AXE is not set");
        }
        Inspector { axe: axe.map(|path| std::fs::read_to_string(path).unwrap()) }
    }

    async fn look(&self, browser: &Chrome, title: &str) {
        browser.page(title).await;
        let weight = browser.js(WEIGHT).await.unwrap();
        let bytes = weight["bytes"].as_u64().unwrap();
        assert!(bytes > 1000 && bytes <= 20 * 1024, "{title}: {weight}");
        let mut grounds = Vec::new();
        for scheme in ["light", "dark"] {
            let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
            browser.devtools("Emulation.setEmulatedMedia", features).await;
            grounds.push(browser.js("return getComputedStyle(document.body).backgroundColor").await.unwrap());
            self.accessible(browser, &format!("{title} ({scheme})")).await;
        }
        browser.devtools("Emulation.setEmulatedMedia", json!({"features": []})).await;
        assert_ne!(grounds[0], grounds[1], "{title}: light and dark are the same");
        // WCAG 2.2 SC 1.4.10
        let narrow = json!({"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": false});
        browser.devtools("Emulation.setDeviceMetricsOverride", narrow).await;
        let width = browser.js("return document.documentElement.scrollWidth").await.unwrap();
        assert!(width.as_u64().unwrap() <= 320, "{title}: {width} pixels wide on a screen of 320");
        browser.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
    }

    async fn accessible(&self, browser: &Chrome, page: &str) {
        let Some(axe) = &self.axe else { return };
        let found = browser.js(&format!("{axe};{AXE}")).await.unwrap();
        assert!(found["passes"].as_u64().unwrap() > 5, "{page}: {found}");
        assert_eq!(found["violations"], Value::Array(Vec::new()), "{page}");
    }
}

/// Everything that the page fetched, itself included, as it was before any compression.
const WEIGHT: &str = "
    const entries = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
    return {
        bytes: entries.reduce((sum, entry) => sum + entry.decodedBodySize, 0),
        parts: entries.map(entry => [entry.name, entry.decodedBodySize]),
    };";

const AXE: &str = "
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    return axe.run(document, {runOnly: {type: 'tag', values: tags}}).then(result => ({
        passes: result.passes.length,
        violations: result.violations.map(v => [v.id, v.help, v.nodes.map(n => n.html + ' ' + n.failureSummary)]),
    }));";

#[tokio::test]
async fn the_pages_of_a_sign_in_are_light_and_accessible() {
    let Some(scene) = Scene::new().await else { return };
    let (inspector, browser) = (Inspector::new(), &scene.browser);
    scene.start(&[]).await;
    inspector.look(browser, "Sign in").await;
    scene.sign_in(ADA, "wrong").await;
    inspector.look(browser, "Error: Sign in").await;
    scene.sign_in(ADA, PASSWORD).await;
    inspector.look(browser, CONSENT).await;
    browser.click("allow").await;
    scene.arrives_with_tokens("xyz").await;
    scene.start(&[("prompt", "select_account")]).await;
    inspector.look(browser, "Sign in").await;
    scene.start(&[("prompt", "login")]).await;
    inspector.look(browser, "Sign in").await;
    let all = "openid profile email phone address offline_access";
    scene.start(&[("scope", all)]).await;
    inspector.look(browser, CONSENT).await;
    scene.server.advance(Duration::from_secs(3700));
    browser.driver.refresh().await.unwrap();
    inspector.look(browser, "This page has expired").await;
    scene.end().await;
}

#[tokio::test]
async fn the_pages_of_an_account_are_light_and_accessible() {
    let Some(scene) = Scene::new().await else { return };
    let (inspector, browser) = (Inspector::new(), &scene.browser);
    let owner = scene.server.now();
    let link = keyward::identity::setup::mint_link(&scene.server.app.store, owner).await.unwrap();
    let setup = scene.server.url(&format!("/setup?token={}", link.reveal()));
    browser.go(&scene.server.url("/setup")).await;
    inspector.look(browser, "This server is not set up yet").await;
    browser.go(&scene.server.url("/setup?token=wrong")).await;
    inspector.look(browser, "This setup link does not work").await;
    browser.go(&setup).await;
    inspector.look(browser, "Set up").await;
    browser.fill("name", "Grace Hopper").await;
    browser.fill("email", "no address").await;
    browser.fill("new_password", "short").await;
    browser.fill("password_confirmation", "shorter").await;
    browser.click("create-owner").await;
    inspector.look(browser, "Error: Set up").await;
    browser.fill("email", "grace@example.com").await;
    browser.fill("new_password", "Violet-harbour-91-lantern").await;
    browser.fill("password_confirmation", "Violet-harbour-91-lantern").await;
    browser.click("create-owner").await;
    inspector.look(browser, "Your account").await;
    browser.go(&scene.server.url("/password")).await;
    inspector.look(browser, "Choose a new password").await;
    browser.fill("current_password", "wrong").await;
    browser.fill("new_password", "short").await;
    browser.fill("password_confirmation", "shorter").await;
    browser.click("save-password").await;
    inspector.look(browser, "Error: Choose a new password").await;
    browser.go(&scene.server.url("/logout")).await;
    inspector.look(browser, "Sign out?").await;
    browser.click("sign-out").await;
    inspector.look(browser, "Signed out").await;
    browser.go(&scene.server.url("/setup")).await;
    inspector.look(browser, "Set-up is closed").await;
    browser.go(&scene.server.url("/")).await;
    inspector.look(browser, "Welcome").await;
    scene.end().await;
}

#[tokio::test]
async fn the_pages_about_mistakes_are_light_and_accessible() {
    let Some(scene) = Scene::new().await else { return };
    let (inspector, browser) = (Inspector::new(), &scene.browser);
    scene.start(&[("redirect_uri", "https://elsewhere.example/cb")]).await;
    inspector.look(browser, "This sign-in request does not work").await;
    scene.start(&[("client_id", "nobody")]).await;
    inspector.look(browser, "This sign-in request does not work").await;
    browser.go(&scene.server.url("/login?request=altered")).await;
    inspector.look(browser, "This link does not work").await;
    browser.go(&scene.server.url("/nothing")).await;
    inspector.look(browser, "This page does not exist").await;
    browser.go(&scene.server.url("/oauth/logout?client_id=nobody")).await;
    inspector.look(browser, "Signing out does not work this way").await;
    scene.end().await;
}

#[tokio::test]
async fn the_page_that_posts_the_answer_is_light_and_accessible() {
    let Some(scene) = Scene::new().await else { return };
    // its script would send it before anybody can look
    scene.browser.devtools("Network.enable", json!({})).await;
    scene.browser.devtools("Network.setBlockedURLs", json!({"urls": ["*form-post.js*"]})).await;
    scene.start(&[("response_mode", "form_post"), ("prompt", "none")]).await;
    Inspector::new().look(&scene.browser, "Continue").await;
    let complaints = scene.browser.driver.browser_log().await.unwrap();
    assert!(complaints.iter().all(|entry| entry.message.contains("ERR_BLOCKED_BY_CLIENT")), "{complaints:?}");
    scene.end().await;
}

#[tokio::test]
async fn who_opens_the_server_under_another_address_is_shown_the_right_one() {
    let Some(scene) = Scene::new().await else { return };
    let wrong = scene.server.issuer.replace("localhost", "127.0.0.1");
    scene.browser.go(&format!("{wrong}/login")).await;
    Inspector::new().look(&scene.browser, "This server has another address").await;
    assert_eq!(scene.browser.text("#opened").await, wrong);
    assert_eq!(scene.browser.text("#expected").await, scene.server.issuer);
    scene.browser.click("expected").await;
    scene.browser.page("This server is not set up yet").await;
    let (server, application) = (scene.server.issuer.clone(), scene.application.origin.clone());
    scene.browser.close(&[&server, &application, &wrong]).await;
}
