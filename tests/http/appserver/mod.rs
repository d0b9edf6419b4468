//! The login of One Identity Manager's application server, as a program that knows it uses it.

mod component;
mod directory;
mod header;
mod login;
mod modules;
mod oauth;
mod requests;
mod sessions;
mod slapd;

use keyward::{config::Config, model::auth_string::AuthString};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    PASSWORD, TestApp,
    browser::http,
    relying_party::{Answer, send},
};

/// A person with access.
pub const ADA: &str = "ada@example.com";
/// The role that gives access.
pub const ROLE: &str = "appserver:user";

/// A program with a place for cookies.
pub struct Program {
    http: reqwest::Client,
    base: String,
}

impl Program {
    /// One that was never used.
    pub fn new(app: &TestApp) -> Program {
        Program { http: http().cookie_store(true).build().unwrap(), base: app.url("/AppServer") }
    }

    /// Sends a request to an address below the base URL.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        send(request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Value::Null).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &[], body).await
    }

    /// Signs in with an authentication string.
    pub async fn login(&self, auth: &str) -> Answer {
        self.post("/auth/apphost", json!({ "authString": auth })).await
    }

    /// Signs in by email and [`PASSWORD`].
    pub async fn by_password(&self, user: &str) -> Answer {
        self.login(&by("RoleBasedPerson", &[("User", user), ("Password", PASSWORD)])).await
    }

    /// Who is signed in: the user name, or the status.
    pub async fn who(&self) -> String {
        told(&self.get("/auth").await)
    }

    /// Asks who is signed in, with a token.
    pub async fn who_by(&self, token: &str) -> Answer {
        self.send(Method::GET, "/auth", &[("authorization", &format!("Bearer {token}"))], Value::Null).await
    }
}

/// The user name of a login answer, or the status and the number of an error.
pub fn told(answer: &Answer) -> String {
    let json: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    match (json["claims"]["id"].as_str(), json["exceptions"][0]["number"].as_u64()) {
        (Some(id), None) => id.to_owned(),
        (_, Some(number)) => format!("{} {number}", answer.status.as_u16()),
        _ => panic!("{} {}", answer.status, answer.body),
    }
}

/// An authentication string.
pub fn by(module: &str, properties: &[(&str, &str)]) -> String {
    let string = AuthString::new(module);
    let string = properties.iter().fold(string, |string, (name, value)| string.with(name, value).unwrap());
    string.to_text().to_string()
}

/// A server where Ada has access.
pub async fn stage() -> TestApp {
    stage_with(|_| {}).await
}

/// The same with another configuration.
pub async fn stage_with(change: impl FnOnce(&mut Config)) -> TestApp {
    let app = TestApp::spawn_with(change).await;
    app.role(ROLE, &["appserver/api:access"]).await;
    app.principal(ADA, &[ROLE], |ada| ada.name = Some("Ada Lovelace".to_owned())).await;
    app
}

/// What an answer tells, without what differs from run to run.
pub fn shown(app: &TestApp, answer: &Answer) -> Value {
    let mut told = crate::stage::told(app, answer);
    for (place, name) in [("/body/sessionId", "[sessionId]"), ("/body/claims/useruid", "[useruid]")] {
        if let Some(value) = told.pointer_mut(place) {
            *value = json!(name);
        }
    }
    told
}
