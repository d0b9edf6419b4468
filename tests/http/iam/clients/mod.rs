//! `/resources/iam/clients`

mod document;
mod flows;
mod guard;
mod races;
mod rules;
mod secrets;
mod suspension;

use serde_json::{Value, json};

use crate::support::{
    TestApp, TestClient,
    api::Api,
    relying_party::{Answer, RelyingParty},
};

/// The client that most tests are about.
const SHOP: &str = "/resources/iam/clients/shop";

fn path(id: &str) -> String {
    format!("/resources/iam/clients/{id}")
}

/// A service that may do something under the roles that it has.
fn service() -> Value {
    json!({"name": "Shop", "grantTypes": ["client_credentials"]})
}

/// An application in which people sign in, without consent.
fn application() -> Value {
    json!({"name": "Shop", "redirectUris": ["https://app.example/cb"], "firstParty": true})
}

/// Its credentials as a relying party: what the API told about it.
async fn party(app: &TestApp, id: &str, secret: &str) -> RelyingParty {
    let wanted = id.to_owned();
    let client = app.app.store.read(move |conn| keyward::store::client::find(conn, &wanted)).await.unwrap().unwrap();
    RelyingParty::new(app, &TestClient { client, secret: secret.to_owned() })
}

/// A new secret of a client.
async fn secret(api: &Api, path: &str) -> Value {
    api.post(&format!("{path}/secrets"), json!({})).await.object(201)
}

/// A client with a secret, as a relying party.
async fn made(app: &TestApp, api: &Api, id: &str, body: Value) -> RelyingParty {
    assert_eq!(api.put(&path(id), body).await.said(), "201");
    let secret = secret(api, &path(id)).await;
    party(app, id, secret["secret"].as_str().unwrap()).await
}

/// The places and codes of what is wrong.
fn faults(answer: &Answer) -> Vec<String> {
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["pointer"].as_str().unwrap_or_default().to_owned()).collect()
}
