//! What every journey begins with: a server, an application, a person and an empty browser.

use serde_json::Value;
use url::Url;

use crate::{
    application::{Application, Arrival},
    chrome::Chrome,
    support::{PASSWORD, TestApp, TestClient, smtp::Smtp},
};

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Who signs in, unless somebody else does.
pub const ADA: &str = "ada@example.com";

/// A server, an application, a person and a browser.
pub struct Scene {
    pub server: TestApp,
    pub application: Application,
    pub client: TestClient,
    pub browser: Chrome,
}

impl Scene {
    /// `None` where there is no browser on this machine.
    pub async fn new() -> Option<Scene> {
        Scene::with(Chrome::open(true).await?).await
    }

    /// The same with scripts switched off in the browser.
    pub async fn without_javascript() -> Option<Scene> {
        Scene::with(Chrome::open(false).await?).await
    }

    /// The same with a server that sends its mail by `smtp`.
    pub async fn sending_by(smtp: &Smtp) -> Option<Scene> {
        Scene::on(Chrome::open(true).await?, TestApp::spawn_with(|config| smtp.configure(config)).await).await
    }

    async fn with(browser: Chrome) -> Option<Scene> {
        Scene::on(browser, TestApp::spawn().await).await
    }

    async fn on(browser: Chrome, server: TestApp) -> Option<Scene> {
        let application = Application::listen();
        server.principal(ADA, &[], |ada| ada.name = Some("Ada Lovelace".to_owned())).await;
        let (redirect_uri, bye) = (application.redirect_uri(), application.bye());
        let client = server
            .client("ledger", &[], |client| {
                client.name = "Ledger".to_owned();
                client.redirect_uris = vec![redirect_uri];
                client.post_logout_redirect_uris = vec![bye];
            })
            .await;
        Some(Scene { server, application, client, browser })
    }

    /// The address of an authorization request; what is in `more` replaces the defaults.
    pub fn request(&self, more: &[(&str, &str)]) -> String {
        let redirect_uri = self.application.redirect_uri();
        let defaults = [
            ("response_type", "code"),
            ("client_id", "ledger"),
            ("redirect_uri", &redirect_uri),
            ("scope", "openid email"),
            ("state", "xyz"),
            ("nonce", "n-1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let kept = defaults.iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
        Url::parse_with_params(&self.server.url("/oauth/authorize"), kept.chain(more)).unwrap().into()
    }

    /// Comes from the application.
    pub async fn start(&self, more: &[(&str, &str)]) {
        self.browser.go(&self.request(more)).await;
    }

    /// Fills in the login page and sends it.
    pub async fn sign_in(&self, email: &str, password: &str) {
        self.browser.fill("username", email).await;
        self.browser.fill("password", password).await;
        self.browser.click("sign-in").await;
    }

    /// Ada signs in on the login page.
    pub async fn ada_signs_in(&self) {
        self.browser.page("Sign in").await;
        self.sign_in(ADA, PASSWORD).await;
    }

    /// Allows what the application asks for.
    pub async fn allow(&self) {
        self.browser.page(CONSENT).await;
        self.browser.click("allow").await;
    }

    /// The browser is at the application: what it brought there.
    pub async fn arrives(&self) -> Arrival {
        let arrival = self.application.arrival().await;
        self.browser.page("Application").await;
        assert_eq!(arrival.path, "/cb");
        // RFC 9207
        assert_eq!(arrival.get("iss"), Some(self.server.issuer.as_str()), "{arrival:?}");
        arrival
    }

    /// The browser is at the application with a code for the request with this state; the code gives these tokens.
    pub async fn arrives_with_tokens(&self, state: &str) -> Value {
        let arrival = self.arrives().await;
        assert_eq!(arrival.get("state"), Some(state), "{arrival:?}");
        let code = arrival.get("code").unwrap_or_else(|| panic!("no code: {arrival:?}"));
        self.redeem(code).await
    }

    /// Goes all the way, as a person who was never here.
    pub async fn walk(&self, more: &[(&str, &str)]) -> Value {
        self.start(more).await;
        self.ada_signs_in().await;
        self.allow().await;
        self.arrives_with_tokens("xyz").await
    }

    /// Redeems a code.
    pub async fn redeem(&self, code: &str) -> Value {
        let redirect_uri = self.application.redirect_uri();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        let sent = reqwest::Client::new()
            .post(self.server.url("/oauth/token"))
            .basic_auth(&self.client.client.id, Some(&self.client.secret))
            .form(&form)
            .send();
        let answer: Value = serde_json::from_slice(&sent.await.unwrap().bytes().await.unwrap()).unwrap();
        assert!(answer["access_token"].is_string() && answer["id_token"].is_string(), "{answer}");
        answer
    }

    /// Who the tokens are about, as the server says now: `None` if they are worth nothing any more.
    pub async fn userinfo(&self, tokens: &Value) -> Option<Value> {
        let token = tokens["access_token"].as_str().unwrap();
        let sent = reqwest::Client::new().get(self.server.url("/oauth/userinfo")).bearer_auth(token).send();
        let answer = sent.await.unwrap();
        let body = answer.status().is_success().then(|| answer.bytes());
        match body {
            Some(body) => serde_json::from_slice(&body.await.unwrap()).unwrap(),
            None => None,
        }
    }

    /// The email address of whom the tokens are about.
    pub async fn email(&self, tokens: &Value) -> String {
        let claims = self.userinfo(tokens).await.expect("the tokens hold");
        claims["email"].as_str().unwrap_or_default().to_owned()
    }

    /// The journey is over: nothing else came to the application, Chromium had nothing to complain about, and asked
    /// nobody else.
    pub async fn end(self) {
        assert!(!self.application.was_visited().await, "the application was visited once more");
        self.browser.close(&[&self.server.issuer, &self.application.origin]).await;
    }
}

/// The title of the consent page.
pub const CONSENT: &str = "Allow Ledger to use your account?";
