//! Suspended and deleted clients: what ends, and that it does not come back.

use std::time::Duration;

use serde_json::{Value, json};

use super::{SHOP, application, made, service};
use crate::support::{TestApp, api::Api, browser::Browser, relying_party::RelyingParty};

const ADA: &str = "ada@example.com";

/// An application that acts for itself, too.
fn both() -> Value {
    let mut body = application();
    body["grantTypes"] = json!(["authorization_code", "refresh_token", "client_credentials"]);
    body["scopes"] = json!(["openid", "email", "offline_access", "iam/roles:read"]);
    body
}

/// A code that was not redeemed yet, with what it takes to redeem it.
async fn code(shop: &RelyingParty, browser: &Browser) -> (crate::support::relying_party::Authorization, String) {
    let (authorization, callback) = shop.authorize(browser, ADA, &[("scope", "openid")]).await;
    (authorization, callback.code().to_owned())
}

#[tokio::test]
async fn a_token_from_before_does_not_live_again_within_the_same_second() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    app.role("support:reader", &["iam/roles:read"]).await;
    let shop = made(&app, &owner, "shop", both()).await;
    assert_eq!(owner.put(&format!("{SHOP}/roles"), json!(["support:reader"])).await.said(), "200");
    let before = shop.client_credentials("").await.tokens().access_token;
    app.advance(Duration::from_millis(100));
    assert_eq!(owner.post(&format!("{SHOP}/suspend"), Value::Null).await.said(), "200");
    assert_eq!(owner.post(&format!("{SHOP}/unsuspend"), Value::Null).await.said(), "200");
    let after = shop.client_credentials("").await.tokens().access_token;
    let read =
        async |token: &str| Api::new(&app, token, "shop").get("/resources/iam/roles/support:reader").await.said();
    assert_eq!(read(&before).await, "401 TOKEN_INVALID");
    assert_eq!(read(&after).await, "200");
}

#[tokio::test]
async fn what_a_client_gets_holds_although_the_clock_stood_ahead_when_it_was_suspended() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    app.role("support:reader", &["iam/roles:read"]).await;
    let shop = made(&app, &owner, "shop", both()).await;
    assert_eq!(owner.put(&format!("{SHOP}/roles"), json!(["support:reader"])).await.said(), "200");
    app.advance(Duration::from_secs(300));
    let before = shop.client_credentials("").await.tokens().access_token;
    app.advance(Duration::from_millis(100));
    assert_eq!(owner.post(&format!("{SHOP}/suspend"), Value::Null).await.said(), "200");
    assert_eq!(owner.post(&format!("{SHOP}/unsuspend"), Value::Null).await.said(), "200");
    app.clock.set_back(Duration::from_secs(200));
    let after = shop.client_credentials("").await.tokens().access_token;
    let read =
        async |token: &str| Api::new(&app, token, "shop").get("/resources/iam/roles/support:reader").await.said();
    assert_eq!(read(&after).await, "200");
    assert_eq!(read(&before).await, "401 TOKEN_INVALID");
}

#[tokio::test]
async fn a_suspended_client_gets_nothing_and_what_it_had_does_not_come_back() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    app.principal(ADA, &[], |_| {}).await;
    let shop = made(&app, &owner, "shop", both()).await;
    let other = made(&app, &owner, "other", service()).await;
    let browser = Browser::new();
    let tokens = shop.sign_in(&browser, ADA, "openid offline_access").await;
    let own = shop.client_credentials("").await.tokens().access_token;
    let (authorization, code) = code(&shop, &browser).await;
    assert_eq!(shop.userinfo(&tokens.access_token).await.outcome(), "200");

    app.advance(Duration::from_secs(2));
    let suspend = format!("{SHOP}/suspend");
    let suspended = owner.post(&suspend, Value::Null).await;
    let client = suspended.object(200);
    assert_eq!(client["suspendedAt"], "2026-11-21T12:00:02.000Z");
    assert_eq!(suspended.header("etag"), format!("\"{}\"", client["eTag"].as_str().unwrap()));
    app.advance(Duration::from_secs(2));
    assert_eq!(owner.post(&suspend, json!({})).await.object(200), client, "once more is the same");

    assert_eq!(shop.client_credentials("").await.outcome(), "401 invalid_client");
    assert_eq!(shop.refresh(&tokens.refresh_token).await.outcome(), "401 invalid_client");
    assert_eq!(shop.redeem(&authorization, &code).await.outcome(), "401 invalid_client");
    assert_eq!(shop.introspect(&own).await.outcome(), "401 invalid_client");
    assert_eq!(shop.revoke(&own).await.outcome(), "401 invalid_client");
    assert!(!shop.userinfo(&tokens.access_token).await.status.is_success());
    assert_eq!(Api::new(&app, &own, "shop").get(SHOP).await.said(), "401 TOKEN_INVALID");
    assert!(!other.is_active(&own).await);
    let page = browser.get(&shop.authorization(&[("scope", "openid")]).url).await;
    assert!(page.status.is_client_error(), "{}", page.status);

    let client = owner.post(&format!("{SHOP}/unsuspend"), Value::Null).await.object(200);
    assert_eq!(client["suspendedAt"], Value::Null);
    assert_eq!(owner.post(&format!("{SHOP}/unsuspend"), Value::Null).await.object(200), client);
    assert_eq!(shop.refresh(&tokens.refresh_token).await.outcome(), "400 invalid_grant");
    assert_eq!(shop.redeem(&authorization, &code).await.outcome(), "400 invalid_grant");
    assert!(!shop.userinfo(&tokens.access_token).await.status.is_success());
    assert_eq!(Api::new(&app, &own, "shop").get(SHOP).await.said(), "401 TOKEN_INVALID");
    assert!(!shop.is_active(&own).await);
    // from now on it gets new ones
    let fresh = shop.client_credentials("").await.tokens().access_token;
    assert!(shop.is_active(&fresh).await);
    let tokens = shop.sign_in(&browser, ADA, "openid offline_access").await;
    assert_eq!(shop.refresh(&tokens.refresh_token).await.outcome(), "200");
}

#[tokio::test]
async fn a_deleted_client_leaves_nothing() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    app.role("support:agent", &["actors:*"]).await;
    app.principal(ADA, &[], |_| {}).await;
    let mut body = both();
    body["roles"] = json!(["support:agent"]);
    body["resourceUris"] = json!(["https://api.example/"]);
    body["firstParty"] = json!(false);
    let shop = made(&app, &owner, "shop", body).await;
    let browser = Browser::new();
    let tokens = shop.sign_in(&browser, ADA, "openid offline_access").await;
    let own = shop.client_credentials("").await.tokens().access_token;
    assert_eq!(owner.delete(SHOP).await.said(), "204");
    assert_eq!(shop.client_credentials("").await.outcome(), "401 invalid_client");
    assert_eq!(shop.refresh(&tokens.refresh_token).await.outcome(), "401 invalid_client");
    assert!(!shop.userinfo(&tokens.access_token).await.status.is_success());
    assert_eq!(Api::new(&app, &own, "shop").get(SHOP).await.said(), "401 TOKEN_INVALID");
    assert_eq!(owner.get(&format!("{SHOP}/secrets")).await.said(), "404 NOT_FOUND");
    // the role is free again, as is the resource
    assert_eq!(owner.delete("/resources/iam/roles/support:agent").await.said(), "204");
    assert_eq!(owner.put(SHOP, both()).await.said(), "409 ID_IN_USE");
}
