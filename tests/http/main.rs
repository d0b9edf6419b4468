//! The server as its clients see it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

use support::{TestApp, browser::Browser, relying_party::RelyingParty};

#[tokio::test]
async fn smoke() {
    let app = TestApp::spawn().await;
    app.principal("ada@example.com", &[], |_| {}).await;
    let client = app.client("app", &[], |_| {}).await;
    let tokens = RelyingParty::new(&app, &client).sign_in(&Browser::new(), "ada@example.com", "openid email").await;
    assert!(RelyingParty::new(&app, &client).is_active(&tokens.access_token).await);
}
