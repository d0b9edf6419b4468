//! Self service.

mod consents;
mod email;
mod password;
mod pat;
mod profile;
mod sessions;
mod settings;

use keyward::store;
use serde_json::Value;

use crate::support::{
    TestApp, TestClient,
    api::Api,
    browser::Browser,
    relying_party::{RelyingParty, Tokens},
};

/// A person, and a house's own application that may ask for everything about the person.
pub struct Person {
    pub app: TestApp,
    pub id: String,
    pub client: TestClient,
    pub rp: RelyingParty,
    pub browser: Browser,
    /// Her program, with a token for all that is hers.
    pub api: Api,
}

pub const ADA: &str = "ada@example.com";

/// Ada with a token for `me:*`.
pub async fn ada() -> Person {
    ada_on(TestApp::spawn().await, &[], "me:*").await
}

/// Ada with these roles on this server, and an application that may ask for `scope`.
pub async fn ada_on(app: TestApp, roles: &[&str], scope: &str) -> Person {
    let principal = app.principal(ADA, roles, |ada| ada.name = Some("Ada Lovelace".to_owned())).await;
    let client = app
        .client("portal", &[], |client| {
            client.scopes = format!("openid offline_access {scope}").parse().unwrap();
            client.first_party = true;
        })
        .await;
    let (rp, browser) = (RelyingParty::new(&app, &client), Browser::new());
    let tokens = rp.sign_in(&browser, ADA, &format!("openid {scope}")).await;
    let api = Api::new(&app, &tokens.access_token, &principal.id);
    Person { app, id: principal.id, client, rp, browser, api }
}

impl Person {
    /// Ada's program with a token for this scope, got in the same browser.
    pub async fn with_scope(&self, scope: &str) -> Api {
        let tokens = self.tokens(&self.browser, scope).await;
        Api::new(&self.app, &tokens.access_token, &self.id)
    }

    /// Ada's program with everything, got in another browser.
    pub async fn elsewhere(&self) -> (Api, Tokens) {
        let tokens = self.tokens(&Browser::new(), "me:*").await;
        (Api::new(&self.app, &tokens.access_token, &self.id), tokens)
    }

    async fn tokens(&self, browser: &Browser, scope: &str) -> Tokens {
        self.rp.sign_in(browser, ADA, &format!("openid offline_access {scope}")).await
    }

    /// A caller without a token.
    pub fn nobody(&self) -> Api {
        Api::new(&self.app, "", "")
    }

    /// The newest events of the audit log with this action: the changes that each names, without their order of writing.
    pub async fn audited(&self, action: &str) -> Vec<store::audit::Event> {
        let filter = store::audit::Filter { action: Some(action.to_owned()), ..Default::default() };
        let page = store::listing::Page::first(100, store::listing::Order::At);
        self.app.app.store.read(move |conn| store::audit::list(conn, &filter, &page)).await.unwrap().items
    }
}

/// A document without what differs from run to run, its members in the order of their names.
pub fn steady(mut value: Value) -> Value {
    const VARIABLE: [&str; 9] =
        ["id", "eTag", "token", "hint", "secret", "identityId", "request_id", "userAgent", "ipAddress"];
    match &mut value {
        Value::Object(members) => {
            members.sort_keys();
            for (name, member) in members.iter_mut() {
                *member = match VARIABLE.contains(&name.as_str()) && member.is_string() {
                    true => Value::String(format!("[{name}]")),
                    false => steady(member.take()),
                };
            }
        }
        Value::Array(members) => members.iter_mut().for_each(|member| *member = steady(member.take())),
        _ => {}
    }
    value
}
