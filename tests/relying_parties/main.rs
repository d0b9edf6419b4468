//! Relying parties that others wrote: what an application gets that uses a well-known library as its manual says.
//!
//! The Rust library runs here. npm's openid-client runs where `KEYWARD_TEST_NODE` names the folder it is installed in,
//! PyPI's Authlib where `KEYWARD_TEST_PYTHON` names the Python that has it; `tests/run` installs both. Where one of them
//! is not set, its test says that it is skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)] // as in every test

#[path = "../support/mod.rs"]
mod support;

mod openidconnect_crate;
mod scripts;

use josekit::jwk::{Jwk, alg::ec::EcCurve};
use keyward::{clock::Clock, model::client_auth::AuthMethod};
use serde_json::json;

use support::{
    START, TestApp, TestClient,
    browser::{Browser, Callback},
};

/// Where applications hear of codes. Nobody listens: the browser of the tests stops before it goes there.
const REDIRECT_URI: &str = "https://app.example/cb";
/// Who signs in.
const EMAIL: &str = "ada@example.org";

/// A server with a person and one client for each way to authenticate.
struct Scene {
    app: TestApp,
    basic: TestClient,
    post: TestClient,
    jwt: TestClient,
    /// The private half of what the client `jwt` has registered.
    key: Jwk,
    public: TestClient,
}

impl Scene {
    async fn set() -> Scene {
        let app = TestApp::spawn().await;
        // the libraries look at the real clock
        app.advance(Clock::System.now().since(START));
        app.principal(EMAIL, &[], |_| {}).await;
        let mut key = Jwk::generate_ec_key(EcCurve::P256).unwrap();
        key.set_key_id("1");
        key.set_algorithm("ES256");
        let mut published = key.to_public_key().unwrap();
        published.set_key_id("1");
        published.set_algorithm("ES256");
        let basic = app.client("basic", &[], |client| client.auth_method = AuthMethod::ClientSecretBasic).await;
        let post = app.client("post", &[], |client| client.auth_method = AuthMethod::ClientSecretPost).await;
        let public = app.client("public", &[], |client| client.auth_method = AuthMethod::None).await;
        let jwt = app
            .client("jwt", &[], |client| {
                client.auth_method = AuthMethod::PrivateKeyJwt;
                client.metadata.jwks = Some(json!({ "keys": [published] }));
            })
            .await;
        Scene { app, basic, post, jwt, key, public }
    }
}

/// What the application hears of after somebody in a new browser has signed in and agreed.
async fn act(url: &str) -> Callback {
    let browser = Browser::new();
    let page = browser.open(url).await;
    browser.agree(page, EMAIL).await.callback()
}
