//! A program that calls the administrators' and self-service APIs with a token.

use keyward::store::client::Client;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::{
    TestApp,
    browser::{Browser, http},
    contract,
    relying_party::{Answer, RelyingParty, send},
};

/// A caller with a token.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    /// The token.
    pub token: String,
    /// The identity behind it.
    pub subject: String,
}

impl Api {
    /// A caller with this token.
    pub fn new(app: &TestApp, token: &str, subject: &str) -> Api {
        Api {
            http: http().build().unwrap(),
            base: app.issuer.clone(),
            token: token.to_owned(),
            subject: subject.to_owned(),
        }
    }

    /// A service that is an owner.
    pub async fn owner(app: &TestApp) -> Api {
        Api::service(app, "owner-service", &["system:owner"], |_| {}).await
    }

    /// A service that holds these permissions through a role of its own.
    pub async fn holding(app: &TestApp, id: &str, permissions: &[&str]) -> Api {
        let role = format!("test:{id}");
        app.role(&role, permissions).await;
        Api::service(app, id, &[&role], |_| {}).await
    }

    /// A service with these roles.
    pub async fn service(app: &TestApp, id: &str, roles: &[&str], change: impl FnOnce(&mut Client)) -> Api {
        let client = app
            .client(id, roles, |client| {
                client.scopes = Default::default();
                change(client);
            })
            .await;
        let tokens = RelyingParty::new(app, &client).client_credentials("").await.tokens();
        Api::new(app, &tokens.access_token, id)
    }

    /// A person who signs in to an application that may ask for `scope`.
    pub async fn person(app: &TestApp, email: &str, roles: &[&str], scope: &str) -> Api {
        let person = app.principal(email, roles, |_| {}).await;
        let id = format!("app-of-{}", email.split('@').next().unwrap());
        let client = app
            .client(&id, &[], |client| {
                client.scopes = format!("openid offline_access {scope}").parse().unwrap();
                client.first_party = true;
            })
            .await;
        let scope = format!("openid {scope}");
        let tokens = RelyingParty::new(app, &client).sign_in(&Browser::new(), email, &scope).await;
        Api::new(app, &tokens.access_token, &person.id)
    }

    /// Sends a request, with these headers and, if it is not null, this JSON body. The answer is held to the API's description.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = send(request).await;
        contract::check(&method, path, &body, &answer);
        answer
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Value::Null).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, &[], body).await
    }

    pub async fn put_if(&self, path: &str, etag: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, &[("if-match", &format!("\"{etag}\""))], body).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &[], body).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], Value::Null).await
    }
}

impl Answer {
    /// `status CODE`, as `409 ETAG_MISMATCH`; only the status where there is no code.
    pub fn said(&self) -> String {
        let json: Value = serde_json::from_str(&self.body).unwrap_or_default();
        match json["code"].as_str() {
            Some(code) => {
                assert_eq!(self.header("content-type"), "application/problem+json");
                assert_eq!(json["status"], self.status.as_u16(), "{}", self.body);
                assert!(
                    json["request_id"].as_str().is_some_and(|id| id == self.header("x-request-id")),
                    "{}",
                    self.body
                );
                format!("{} {code}", self.status.as_u16())
            }
            None => self.status.as_u16().to_string(),
        }
    }

    /// The object of a good answer.
    pub fn object(&self, status: u16) -> Value {
        assert_eq!(self.status, StatusCode::from_u16(status).unwrap(), "{}", self.body);
        self.json()
    }
}
