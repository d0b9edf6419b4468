//! `/resources/iam/clients/{id}/secrets`

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{SHOP, made, party, path, secret, service};
use crate::support::{TestApp, api::Api};

#[tokio::test]
async fn a_secret_is_shown_once() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let client = owner.put(SHOP, service()).await.object(201);
    let expires = "2027-01-01T00:00:00+01:00";
    let answer = owner.post(&format!("{SHOP}/secrets"), json!({"description": "autumn", "expiresAt": expires})).await;
    let made = answer.object(201);
    assert_eq!(answer.header("cache-control"), "no-store");
    let value = made["secret"].as_str().unwrap();
    assert!(value.starts_with("kwcs_") && value.len() == 48, "{value}");
    assert_eq!(made["hint"], value[44..]);
    let expected = json!({
        "id": made["id"], "description": "autumn", "hint": made["hint"],
        "createdAt": "2026-11-21T12:00:00.000Z", "expiresAt": "2026-12-31T23:00:00.000Z"
    });
    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("secret");
    assert_eq!(shown, expected);

    let list = owner.get(&format!("{SHOP}/secrets")).await;
    let mut listed = expected;
    listed["lastUsedAt"] = Value::Null;
    assert_eq!(
        list.object(200),
        json!({"secrets": [listed], "totalCount": 1, "firstCursor": null, "lastCursor": null})
    );
    assert_eq!(list.header("cache-control"), "no-store");
    for answer in [owner.get(SHOP).await, list] {
        assert!(!answer.body.contains(value) && !answer.body.contains("hash"), "{}", answer.body);
    }
    // the client's version tells of its secrets
    let version = owner.get(SHOP).await;
    assert_ne!(version.json()["eTag"], client["eTag"]);
    assert_eq!(answer.header("etag"), version.header("etag"));
}

#[tokio::test]
async fn what_is_wrong_with_a_secret_is_told() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let secrets = format!("{SHOP}/secrets");
    assert_eq!(owner.post(&secrets, json!({})).await.said(), "404 NOT_FOUND");
    assert_eq!(owner.get(&secrets).await.said(), "404 NOT_FOUND");
    assert_eq!(owner.get(&format!("{secrets}?limit=1")).await.said(), "400 UNKNOWN_PARAMETER");
    let etag = owner.put(SHOP, service()).await.object(201)["eTag"].as_str().unwrap().to_owned();
    for (body, said) in [
        (json!([]), "400 BODY_MALFORMED"),
        (json!({"secret": "of my own choice, and long enough for it"}), "400 UNKNOWN_FIELD"),
        (json!({"secretHash": "x"}), "400 UNKNOWN_FIELD"),
        (json!({"id": "x"}), "400 UNKNOWN_FIELD"),
        (json!({"description": 1}), "400 FIELD_MALFORMED"),
        (json!({"description": "x".repeat(1001)}), "422 FIELD_INVALID"),
        (json!({"expiresAt": 1}), "400 FIELD_MALFORMED"),
        (json!({"expiresAt": "tomorrow"}), "422 FIELD_INVALID"),
        (json!({"expiresAt": "2027-01-01"}), "422 FIELD_INVALID"),
        (json!({"expiresAt": "2026-11-21T12:00:00Z"}), "422 FIELD_INVALID"),
        (json!({"expiresAt": "2020-01-01T00:00:00Z"}), "422 FIELD_INVALID"),
        (json!({"etag": "x"}), "409 ETAG_MISMATCH"),
    ] {
        assert_eq!(owner.post(&secrets, body.clone()).await.said(), said, "{body}");
    }
    assert_eq!(owner.get(SHOP).await.json()["eTag"], *etag);
    assert_eq!(owner.delete(&format!("{secrets}/x")).await.said(), "404 NOT_FOUND");

    // only for methods that have one
    let public = json!({"redirectUris": ["https://app.example/cb"], "tokenEndpointAuthMethod": "none"});
    assert_eq!(owner.put(&path("public"), public).await.said(), "201");
    assert_eq!(owner.post(&format!("{}/secrets", path("public")), json!({})).await.said(), "422 FIELD_INVALID");
    // no more than ten, and none of another client's
    for _ in 0..10 {
        secret(&owner, SHOP).await;
    }
    assert_eq!(owner.post(&secrets, json!({})).await.said(), "422 TOO_MANY");
    let first = owner.get(&secrets).await.json()["secrets"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(owner.put(&path("other"), service()).await.said(), "201");
    assert_eq!(owner.delete(&format!("{}/secrets/{first}", path("other"))).await.said(), "404 NOT_FOUND");
    assert_eq!(owner.delete(&format!("{secrets}/{first}")).await.said(), "204");
    secret(&owner, SHOP).await;
}

#[tokio::test]
async fn secrets_honour_the_clients_version() {
    let app = TestApp::spawn_with(|config| config.iam.require_if_match = true).await;
    let owner = Api::owner(&app).await;
    let secrets = format!("{SHOP}/secrets");
    let mut etag = owner.put(SHOP, service()).await.header("etag").to_owned();
    assert_eq!(owner.post(&secrets, json!({})).await.said(), "428 PRECONDITION_REQUIRED");
    let first = owner.send(Method::POST, &secrets, &[("if-match", &etag)], json!({})).await;
    assert_eq!(first.said(), "201");
    let stale = owner.send(Method::POST, &secrets, &[("if-match", &etag)], json!({})).await;
    assert_eq!(stale.said(), "409 ETAG_MISMATCH");
    let at = format!("{secrets}/{}", first.json()["id"].as_str().unwrap());
    assert_eq!(owner.delete(&at).await.said(), "428 PRECONDITION_REQUIRED");
    let stale = owner.send(Method::DELETE, &at, &[("if-match", &etag)], Value::Null).await;
    assert_eq!(stale.said(), "409 ETAG_MISMATCH");
    etag = first.header("etag").to_owned();
    let gone = owner.send(Method::DELETE, &at, &[("if-match", &etag)], Value::Null).await;
    assert_eq!(gone.said(), "204");
    assert_eq!(gone.header("etag"), owner.get(SHOP).await.header("etag"));
    // and so does everything else
    for (method, path) in [
        (Method::PUT, SHOP.to_owned()),
        (Method::DELETE, SHOP.to_owned()),
        (Method::PUT, format!("{SHOP}/roles")),
        (Method::POST, format!("{SHOP}/suspend")),
        (Method::POST, format!("{SHOP}/unsuspend")),
    ] {
        let body = if path.ends_with("roles") { json!([]) } else { json!({}) };
        let none = owner.send(method.clone(), &path, &[], body.clone()).await;
        assert_eq!(none.said(), "428 PRECONDITION_REQUIRED", "{method} {path}");
        let stale = owner.send(method.clone(), &path, &[("if-match", &etag)], body).await;
        assert_eq!(stale.said(), "409 ETAG_MISMATCH", "{method} {path}");
    }
}

#[tokio::test]
async fn a_secret_is_replaced_without_an_interruption() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let old = made(&app, &owner, "shop", service()).await;
    let first = owner.get(&format!("{SHOP}/secrets")).await.json()["secrets"][0]["id"].as_str().unwrap().to_owned();
    let token = old.client_credentials("").await.tokens().access_token;
    let new = secret(&owner, SHOP).await;
    let new = party(&app, "shop", new["secret"].as_str().unwrap()).await;
    for party in [&old, &new] {
        assert_eq!(party.client_credentials("").await.outcome(), "200");
    }
    assert_eq!(owner.delete(&format!("{SHOP}/secrets/{first}")).await.said(), "204");
    assert_eq!(old.client_credentials("").await.outcome(), "401 invalid_client");
    assert_eq!(old.introspect(&token).await.outcome(), "401 invalid_client");
    assert_eq!(new.client_credentials("").await.outcome(), "200");
    // the token that the old one got goes on until it expires
    assert!(new.is_active(&token).await);
}

#[tokio::test]
async fn an_expired_secret_stops_working_at_once() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    assert_eq!(owner.put(SHOP, service()).await.said(), "201");
    let body = json!({"expiresAt": "2026-11-21T12:05:00Z"});
    let secret = owner.post(&format!("{SHOP}/secrets"), body).await.object(201);
    let party = party(&app, "shop", secret["secret"].as_str().unwrap()).await;
    app.advance(Duration::from_secs(299));
    assert_eq!(party.client_credentials("").await.outcome(), "200");
    app.advance(Duration::from_secs(1));
    assert_eq!(party.client_credentials("").await.outcome(), "401 invalid_client");
}

/// When the client's only secret last worked, as soon as that is not `before` any more.
async fn used_after(owner: &Api, before: &Value) -> Value {
    for _ in 0..1000 {
        let used = owner.get(&format!("{SHOP}/secrets")).await.json()["secrets"][0]["lastUsedAt"].clone();
        if used != *before {
            return used;
        }
        tokio::task::yield_now().await;
    }
    panic!("the use of the secret was not noted");
}

#[tokio::test]
async fn the_use_of_a_secret_is_noted_once_an_hour() {
    let app = TestApp::spawn_with(|config| config.tokens.access_token_lifetime = Duration::from_secs(86_400)).await;
    let owner = Api::owner(&app).await;
    let shop = made(&app, &owner, "shop", service()).await;
    assert_eq!(shop.client_credentials("").await.outcome(), "200");
    let first = used_after(&owner, &Value::Null).await;
    assert_eq!(first, "2026-11-21T12:00:00.000Z");
    let version = owner.get(SHOP).await.header("etag").to_owned();
    app.advance(Duration::from_secs(1800));
    assert_eq!(shop.client_credentials("").await.outcome(), "200");
    app.advance(Duration::from_secs(1801));
    assert_eq!(shop.client_credentials("").await.outcome(), "200");
    // the one in between was not written
    assert_eq!(used_after(&owner, &first).await, "2026-11-21T13:00:01.000Z");
    assert_eq!(owner.get(SHOP).await.header("etag"), version);
    // a wrong one is no use
    app.advance(Duration::from_secs(7200));
    let wrong = party(&app, "shop", "kwcs_wrong").await;
    assert_eq!(wrong.client_credentials("").await.outcome(), "401 invalid_client");
    let listed = owner.get(&format!("{SHOP}/secrets")).await.json();
    assert_eq!(listed["secrets"][0]["lastUsedAt"], "2026-11-21T13:00:01.000Z");
}

#[tokio::test]
async fn secrets_go_with_a_method_that_has_none() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let mut body = service();
    body["redirectUris"] = json!(["https://app.example/cb"]);
    let shop = made(&app, &owner, "shop", body).await;
    let post = json!({"tokenEndpointAuthMethod": "client_secret_post"});
    assert_eq!(owner.put(SHOP, post).await.said(), "200");
    assert_eq!(owner.get(&format!("{SHOP}/secrets")).await.json()["totalCount"], 1);
    let none = json!({"tokenEndpointAuthMethod": "none", "grantTypes": ["authorization_code"]});
    assert_eq!(owner.put(SHOP, none).await.said(), "200");
    assert_eq!(owner.get(&format!("{SHOP}/secrets")).await.json()["totalCount"], 0);
    let back = json!({"tokenEndpointAuthMethod": "client_secret_basic", "grantTypes": ["client_credentials"]});
    assert_eq!(owner.put(SHOP, back).await.said(), "200");
    assert_eq!(shop.client_credentials("").await.outcome(), "401 invalid_client");
}
