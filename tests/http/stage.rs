//! What most tests begin with: a server, Ada, and an application.

use keyward::{
    config::Config,
    store::{self, client::Client},
};
use serde_json::{Value, json};

use crate::support::{
    TestApp, TestClient,
    browser::Browser,
    relying_party::{Answer, RelyingParty, Tokens},
};

/// A person with a password.
pub const ADA: &str = "ada@example.com";

/// A server, an application that may do everything, and a browser.
pub struct Stage {
    pub app: TestApp,
    pub rp: RelyingParty,
    pub browser: Browser,
    /// Ada's `sub`.
    pub ada: String,
}

/// The usual stage.
pub async fn stage() -> Stage {
    stage_with(|_| {}, |_| {}).await
}

/// A stage with another configuration or another client.
pub async fn stage_with(config: impl FnOnce(&mut Config), client: impl FnOnce(&mut Client)) -> Stage {
    let app = TestApp::spawn_with(config).await;
    let ada = app.principal(ADA, &[], |ada| ada.name = Some("Ada Lovelace".to_owned())).await.id;
    let client = app.client("app", &[], client).await;
    let rp = RelyingParty::new(&app, &client);
    Stage { app, rp, browser: Browser::new(), ada }
}

/// Makes a client public.
pub fn public(client: &mut Client) {
    client.auth_method = keyward::model::client_auth::AuthMethod::None;
}

impl Stage {
    /// Tokens for Ada.
    pub async fn tokens(&self, scope: &str) -> Tokens {
        self.rp.sign_in(&self.browser, ADA, scope).await
    }

    /// Another application.
    pub async fn other(&self, client_id: &str, change: impl FnOnce(&mut Client)) -> RelyingParty {
        let client = self.app.client(client_id, &[], change).await;
        RelyingParty::new(&self.app, &client)
    }

    /// What an answer tells, without what differs from run to run.
    pub fn told(&self, answer: &Answer) -> Value {
        told(&self.app, answer)
    }

    /// Changes what is registered of the application.
    pub async fn reregister(&self, change: impl FnOnce(&mut Client)) {
        reregister(&self.app, &self.rp.client, change).await;
    }
}

/// Changes what is registered of a client.
pub async fn reregister(app: &TestApp, client: &TestClient, change: impl FnOnce(&mut Client)) {
    let mut client = client.client.clone();
    change(&mut client);
    let saved = app.app.store.write(move |tx| store::client::update(tx, &client, &client.etag)).await.unwrap();
    assert!(saved, "somebody else has changed the client");
}

/// Suspends a person.
pub async fn suspend(app: &TestApp, principal: &str) {
    let (id, now) = (principal.to_owned(), app.now());
    let suspend = move |tx: &mut store::Tx<'_>| {
        store::principal::set_suspended(tx, &id, Some(now))?;
        store::principal::disarm(tx, &id, now)
    };
    app.app.store.write::<(), store::Error, _>(suspend).await.unwrap();
}

/// Gives an identity these roles.
pub async fn set_roles(app: &TestApp, id: &str, roles: &[&str]) {
    let (id, roles) = (id.to_owned(), roles.iter().map(|role| (*role).to_owned()).collect::<Vec<_>>());
    let set = move |tx: &mut store::Tx<'_>| store::identity::set_roles(tx, &id, &roles);
    app.app.store.write(set).await.unwrap().unwrap();
}

/// What an answer tells: status, the headers that matter, the body; without what differs from run to run.
pub fn told(app: &TestApp, answer: &Answer) -> Value {
    let mut told = json!({ "status": answer.status.as_u16() });
    for name in ["allow", "cache-control", "content-type", "retry-after", "www-authenticate"] {
        if let Some(value) = answer.headers.get(name) {
            told[name] = json!(value.to_str().unwrap().replace(&app.issuer, "[issuer]"));
        }
    }
    if !answer.body.is_empty() {
        told["body"] = redacted(app, answer.json());
    }
    told
}

/// A value without what differs from run to run.
pub fn redacted(app: &TestApp, value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let variable = |name: &str, value: &Value| {
                let names =
                    ["request_id", "access_token", "refresh_token", "id_token", "at_hash", "jti", "nonce", "sid"];
                names.contains(&name) || (name == "sub" && value.as_str().is_some_and(|sub| sub.len() == 36))
            };
            let one = |(name, value): (String, Value)| match variable(&name, &value) {
                true => (name.clone(), json!(format!("[{name}]"))),
                false => (name, redacted(app, value)),
            };
            Value::Object(members.into_iter().map(one).collect())
        }
        Value::Array(members) => members.into_iter().map(|value| redacted(app, value)).collect(),
        Value::String(text) => Value::String(text.replace(&app.issuer, "[issuer]")),
        other => other,
    }
}
