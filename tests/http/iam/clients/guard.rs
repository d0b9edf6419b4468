//! Nobody rises by way of a client; what is built in stays as it is; who may act on some acts on those only.

use reqwest::Method;
use serde_json::{Value, json};

use super::{SHOP, application, made, path, secret, service};
use crate::support::{TestApp, api::Api, relying_party::Answer};

/// Every way in which a client can be changed.
async fn writes(api: &Api, path: &str) -> Vec<(&'static str, Answer)> {
    vec![
        ("put", api.put(path, json!({"name": "Mine"})).await),
        ("redirect", api.put(path, json!({"redirectUris": ["https://evil.example/cb"]})).await),
        ("roles", api.put(&format!("{path}/roles"), json!([])).await),
        ("suspend", api.post(&format!("{path}/suspend"), Value::Null).await),
        ("unsuspend", api.post(&format!("{path}/unsuspend"), Value::Null).await),
        ("secret", api.post(&format!("{path}/secrets"), json!({})).await),
        ("no secret", api.delete(&format!("{path}/secrets/00000000-0000-7000-8000-000000000000")).await),
        ("delete", api.delete(path).await),
    ]
}

async fn all_say(api: &Api, path: &str, said: &str) {
    for (what, answer) in writes(api, path).await {
        assert_eq!(answer.said(), said, "{what}");
    }
}

#[tokio::test]
async fn a_client_that_holds_more_is_nobodys_to_change() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let clerk = Api::holding(&app, "clerk", &["iam/clients:*", "actors:read"]).await;
    app.role("big:one", &["*:*"]).await;
    for (id, more) in [
        ("by-role", json!({"roles": ["big:one"]})),
        ("by-list", json!({"acl": {"entries": [{"resource": "actors", "permission": "write"}]}})),
        ("by-scope", json!({"scopes": ["openid", "iam/principals:read"]})),
        ("an-owner", json!({"roles": ["system:owner"]})),
        // asks nobody for what concerns people themselves
        ("unasked", json!({"scopes": ["openid", "me/email:write"], "firstParty": true})),
    ] {
        let mut body = application();
        body["firstParty"] = json!(false);
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let client = owner.put(&path(id), body).await.object(201);
        all_say(&clerk, &path(id), "403 PRIVILEGE_ESCALATION").await;
        assert_eq!(clerk.get(&path(id)).await.object(200), client);
    }
    // what concerns people with their consent, or what the clerk holds, is no hindrance
    for more in [
        json!({"scopes": ["openid", "me:*"], "firstParty": false}),
        json!({"scopes": ["actors/order:read"], "firstParty": false}),
    ] {
        let mut body = application();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let said = clerk.put(SHOP, body).await.said();
        assert!(said == "201" || said == "200", "{said}");
        secret(&clerk, SHOP).await;
    }
}

#[tokio::test]
async fn nobody_gives_a_client_what_they_do_not_hold() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    app.role("small:one", &["actors:read"]).await;
    app.role("big:one", &["*:*"]).await;
    let clerk = Api::service(&app, "clerk", &[], |client| {
        client.acl = keyward::model::permission::Acl::of(&["iam/clients:*", "actors:read"]).unwrap();
        client.access_attributes = [("region".to_owned(), vec!["eu".to_owned()])].into();
    })
    .await;
    let clients = [SHOP.to_owned(), path("new")];
    assert_eq!(owner.put(SHOP, service()).await.said(), "201");
    for more in [
        json!({"roles": ["big:one"]}),
        json!({"roles": ["system:owner"]}),
        json!({"acl": {"entries": [{"resource": "actors", "permission": "write"}]}}),
        json!({"acl": {"entries": [{"resource": "*", "permission": "*", "attributeKeys": ["region"]}]}}),
        json!({"scopes": ["iam/principals:read"]}),
        json!({"scopes": ["*:*"]}),
        json!({"accessAttributes": {"region": ["us"]}}),
        json!({"accessAttributes": {"tier": ["1"]}}),
        json!({"scopes": ["me/email:write"], "firstParty": true}),
    ] {
        for path in &clients {
            assert_eq!(clerk.put(path, more.clone()).await.said(), "403 PRIVILEGE_ESCALATION", "{more}");
        }
    }
    let roles = format!("{SHOP}/roles");
    for body in [json!({"roles": ["big:one"]}), json!(["system:owner"])] {
        assert_eq!(clerk.put(&roles, body).await.said(), "403 PRIVILEGE_ESCALATION");
    }
    for more in [
        json!({"roles": ["small:one"]}),
        json!({"acl": {"entries": [{"resource": "actors/order", "permission": "read"}]}}),
        json!({"scopes": ["openid", "actors:read", "me/profile:read"]}),
        json!({"accessAttributes": {"region": ["eu"]}}),
    ] {
        assert_eq!(clerk.put(SHOP, more.clone()).await.said(), "200", "{more}");
    }
    assert_eq!(owner.get(&path("new")).await.said(), "404 NOT_FOUND");
}

#[tokio::test]
async fn nobody_gives_to_themselves() {
    let app = TestApp::spawn().await;
    app.role("small:one", &["actors:read"]).await;
    let own = path("clerk");
    let clerk = Api::holding(&app, "clerk", &["iam/clients:*", "actors:read"]).await;
    for body in [
        json!({"roles": ["small:one", "test:clerk"]}),
        json!({"acl": {"entries": [{"resource": "actors", "permission": "read"}]}}),
        json!({"scopes": ["actors:read"]}),
        json!({"accessAttributes": {"region": ["eu"]}}),
    ] {
        assert_eq!(clerk.put(&own, body.clone()).await.said(), "403 PRIVILEGE_ESCALATION", "{body}");
    }
    assert_eq!(
        clerk.put(&format!("{own}/roles"), json!(["small:one", "test:clerk"])).await.said(),
        "403 PRIVILEGE_ESCALATION"
    );
    // but it may replace its own secret, and say what it is called
    let secret = secret(&clerk, &own).await;
    assert_eq!(clerk.delete(&format!("{own}/secrets/{}", secret["id"].as_str().unwrap())).await.said(), "204");
    assert_eq!(clerk.put(&own, json!({"name": "Clerk"})).await.said(), "200");
    // and may go
    assert_eq!(clerk.put(&format!("{own}/roles"), json!([])).await.said(), "200");
    assert_eq!(clerk.get(&own).await.said(), "403 PERMISSION_MISSING");
}

#[tokio::test]
async fn a_token_that_was_narrowed_does_not_touch_what_its_holder_could() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let mut body = service();
    body["acl"] = json!({"entries": [{"resource": ["iam/clients", "actors"], "permission": "*"}]});
    body["scopes"] = json!(["iam/clients:*", "actors:*"]);
    let clerk = made(&app, &owner, "clerk", body).await;
    let mut body = service();
    body["acl"] = json!({"entries": [{"resource": "actors", "permission": "read"}]});
    assert_eq!(owner.put(SHOP, body).await.said(), "201");
    let whole = clerk.client_credentials("").await.tokens();
    let narrow = clerk.client_credentials("iam/clients:write").await.tokens();
    assert_eq!(Api::new(&app, &whole.access_token, "").put(SHOP, json!({"name": "A"})).await.said(), "200");
    let narrow = Api::new(&app, &narrow.access_token, "");
    assert_eq!(narrow.put(SHOP, json!({"name": "B"})).await.said(), "403 PRIVILEGE_ESCALATION");
    // without a scope it would hold all that its roles give: that is giving, too
    assert_eq!(narrow.put(&path("clerk"), json!({"scopes": []})).await.said(), "403 PRIVILEGE_ESCALATION");
}

#[tokio::test]
async fn system_clients_are_protected() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    app.client("console", &[], |client| client.system_client = true).await;
    let console = path("console");
    let before = owner.get(&console).await.object(200);
    assert_eq!(before["systemClient"], true);
    all_say(&owner, &console, "403 SYSTEM_CLIENT_PROTECTED").await;
    let given = owner.put(&format!("{console}/roles"), json!({"roles": ["system:owner"]})).await;
    assert_eq!(given.said(), "403 SYSTEM_CLIENT_PROTECTED");
    let secret = owner.get(&format!("{console}/secrets")).await.json()["secrets"][0]["id"].as_str().unwrap().to_owned();
    let gone = owner.delete(&format!("{console}/secrets/{secret}")).await;
    assert_eq!(gone.said(), "403 SYSTEM_CLIENT_PROTECTED");
    assert_eq!(owner.put(&console, before.clone()).await.said(), "403 SYSTEM_CLIENT_PROTECTED");
    assert_eq!(owner.get(&console).await.json(), before);
    // and nobody makes one
    assert_eq!(owner.put(SHOP, json!({"systemClient": true})).await.said(), "422 FIELD_INVALID");
}

#[tokio::test]
async fn permissions_are_needed() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    assert_eq!(owner.put(SHOP, service()).await.said(), "201");
    let reader = Api::holding(&app, "reader", &["iam/clients:read"]).await;
    all_say(&reader, SHOP, "403 PERMISSION_MISSING").await;
    assert_eq!(reader.get(&format!("{SHOP}/secrets")).await.said(), "200");
    let writer = Api::holding(&app, "writer", &["iam/clients:write"]).await;
    assert_eq!(writer.put(SHOP, json!({"name": "x"})).await.said(), "200");
    for refused in [writer.get(SHOP).await, writer.get(&format!("{SHOP}/secrets")).await, writer.delete(SHOP).await] {
        assert_eq!(refused.said(), "403 PERMISSION_MISSING");
    }
    let deleter = Api::holding(&app, "deleter", &["iam/clients:delete"]).await;
    assert_eq!(deleter.put(SHOP, json!({"name": "x"})).await.said(), "403 PERMISSION_MISSING");
    assert_eq!(deleter.delete(SHOP).await.said(), "204");
    all_say(&Api::new(&app, "", ""), SHOP, "401 TOKEN_MISSING").await;
    all_say(&Api::new(&app, "wrong", ""), SHOP, "401 TOKEN_INVALID").await;
}

#[tokio::test]
async fn who_may_act_on_some_clients_acts_on_those_only() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let eu = Api::service(&app, "eu-clerk", &[], |client| {
        let mut acl = keyward::model::permission::Acl::of(&["iam/clients:*"]).unwrap();
        acl.entries[0].attribute_keys = vec!["region".to_owned()];
        client.acl = acl;
        client.access_attributes = [("region".to_owned(), vec!["eu".to_owned()])].into();
    })
    .await;
    let at = |region: Value| json!({"name": "X", "accessAttributes": {"region": region}});
    for (id, region) in [("eu", json!(["eu"])), ("us", json!(["us"])), ("both", json!(["us", "eu"]))] {
        assert_eq!(owner.put(&path(id), at(region)).await.said(), "201");
    }
    assert_eq!(owner.put(&path("none"), service()).await.said(), "201");
    for id in ["eu", "both"] {
        assert_eq!(eu.get(&path(id)).await.said(), "200");
        assert_eq!(eu.put(&path(id), json!({"name": "Y"})).await.said(), "200");
        secret(&eu, &path(id)).await;
    }
    for id in ["us", "none", "missing"] {
        assert_eq!(eu.get(&path(id)).await.said(), "404 NOT_FOUND");
        assert_eq!(eu.get(&format!("{}/secrets", path(id))).await.said(), "404 NOT_FOUND");
        if id != "missing" {
            all_say(&eu, &path(id), "404 NOT_FOUND").await;
        }
    }
    // neither out of reach nor into it
    assert_eq!(eu.put(&path("eu"), at(json!([]))).await.said(), "403 PERMISSION_MISSING");
    assert_eq!(eu.put(&path("eu"), json!({"accessAttributes": {}})).await.said(), "403 PERMISSION_MISSING");
    assert_eq!(eu.put(&path("eu"), at(json!(["eu", "us"]))).await.said(), "403 PRIVILEGE_ESCALATION");
    assert_eq!(eu.put(&path("new"), service()).await.said(), "403 PERMISSION_MISSING");
    assert_eq!(eu.put(&path("new"), at(json!(["eu"]))).await.said(), "201");
    // who reads all but writes some is told so
    let half = Api::service(&app, "half", &[], |client| {
        let mut acl = keyward::model::permission::Acl::of(&["iam/clients:read", "iam/clients:write"]).unwrap();
        acl.entries[1].attribute_keys = vec!["region".to_owned()];
        client.acl = acl;
        client.access_attributes = [("region".to_owned(), vec!["eu".to_owned()])].into();
    })
    .await;
    assert_eq!(half.put(&path("us"), json!({"name": "Z"})).await.said(), "403 PERMISSION_MISSING");
    assert_eq!(half.send(Method::GET, &path("us"), &[], Value::Null).await.said(), "200");
}
