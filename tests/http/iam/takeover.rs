//! Ways by which somebody could act as somebody stronger, or as themselves for longer.

use reqwest::Method;
use serde_json::json;

use crate::support::{TestApp, api::Api};

#[tokio::test]
async fn only_owners_make_applications_that_get_permissions_without_asking() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let portal = Api::service(&app, "portal", &["system:portal:full"], |_| {}).await;
    let all_but_the_role = Api::holding(&app, "all", &["*:*"]).await;
    // an owner whose token was narrowed is no owner
    let narrowed = Api::person(&app, "owner@example.com", &["system:owner"], "iam/clients:write").await;
    let silent = |scope: &str| json!({"redirectUris": ["https://evil.example/cb"], "scopes": ["openid", scope], "firstParty": true});
    for caller in [&portal, &all_but_the_role, &narrowed] {
        for scope in ["iam/clients:*", "me:*", "me/profile:read", "*:*", "*:write"] {
            let said = caller.put("/resources/iam/clients/silent", silent(scope)).await.said();
            assert_eq!(said, "403 PRIVILEGE_ESCALATION", "{} {scope}", caller.subject);
        }
        // one that asks for consent, or that only tells who somebody is, is theirs to make
        let id = format!("/resources/iam/clients/of-{}", caller.subject);
        let harmless = json!({"redirectUris": ["https://app.example/cb"], "scopes": ["openid"], "firstParty": true});
        assert_eq!(caller.put(&id, harmless).await.said(), "201", "{}", caller.subject);
        assert_eq!(caller.put(&id, silent("me:*")).await.said(), "403 PRIVILEGE_ESCALATION");
    }
    assert_eq!(owner.put("/resources/iam/clients/silent", silent("me:*")).await.said(), "201");
    let elsewhere = json!({"redirectUris": ["https://evil.example/cb2"]});
    assert_eq!(portal.put("/resources/iam/clients/silent", elsewhere).await.said(), "403 PRIVILEGE_ESCALATION");
}

#[tokio::test]
async fn an_answer_is_given_again_only_to_a_token_that_allows_the_same() {
    let app = TestApp::spawn().await;
    app.client("target", &["system:portal:full"], |_| {}).await;
    let admin = Api::person(&app, "admin@example.com", &["system:owner"], "iam:* graph:* sendings:* me:*").await;
    let client = "app-of-admin";
    let key = [("idempotency-key", "nightly-1")];
    let path = "/resources/iam/clients/target/secrets";
    let first = admin.send(Method::POST, path, &key, json!({})).await.object(201);
    let again = admin.send(Method::POST, path, &key, json!({})).await;
    assert_eq!((again.object(201), again.header("idempotency-replayed")), (first, "true"));
    let other = admin.send(Method::POST, path, &key, json!({"description": "x"})).await;
    assert_eq!(other.said(), "422 IDEMPOTENCY_KEY_REUSED");
    // the same person and application, but a token for less
    let pat = json!({"name": "less", "scopes": ["iam/clients:write"]});
    let less = admin.post("/resources/me/pat", pat).await.object(201)["token"].as_str().unwrap().to_owned();
    let less = Api::new(&app, &less, client);
    assert_eq!(less.send(Method::POST, path, &key, json!({})).await.said(), "403 PRIVILEGE_ESCALATION");
}

#[tokio::test]
async fn what_a_person_holds_by_nature_is_not_theirs_to_give() {
    let app = TestApp::spawn().await;
    app.role("apps:admin", &["iam/clients:*", "iam/roles:*"]).await;
    let admin =
        Api::person(&app, "admin@example.com", &["apps:admin"], "iam/clients:* iam/roles:* me:* me/email:*").await;
    let verify = json!({"entries": [{"resource": "me/email", "permission": "verify"}]});
    let evil = json!({
        "redirectUris": ["https://evil.example/cb"], "scopes": ["openid", "me/email:write"], "acl": verify,
    });
    assert_eq!(admin.put("/resources/iam/clients/evil", evil).await.said(), "403 PRIVILEGE_ESCALATION");
    assert_eq!(admin.put("/resources/iam/roles/vr:x", json!({"acl": verify})).await.said(), "403 PRIVILEGE_ESCALATION");
    // an application that asks each person for it, as before
    let asks = json!({"redirectUris": ["https://app.example/cb"], "scopes": ["openid", "me/email:write"]});
    assert_eq!(admin.put("/resources/iam/clients/asks", asks).await.said(), "201");
    // who was given it gives it
    let owner = Api::person(&app, "owner@example.com", &["system:owner"], "iam:* me:*").await;
    assert_eq!(owner.put("/resources/iam/roles/vr:x", json!({"acl": verify})).await.said(), "201");
}

#[tokio::test]
async fn a_body_or_path_that_could_be_read_in_two_ways_is_refused() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let role = app.url("/resources/iam/roles/a:b");
    let twice = r#"{"description": "one", "acl": {"entries": [], "entries": []}}"#;
    for body in [twice, r#"{"description": "one", "description": "two"}"#] {
        let request = http.put(&role).bearer_auth(&owner.token).header("content-type", "application/json").body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 400);
        let text = answer.text().await.unwrap();
        assert!(text.contains("BODY_MALFORMED") && text.contains("again"), "{text}");
    }
    assert_eq!(owner.get("/resources/iam/roles/a:b").await.said(), "404 NOT_FOUND");
    for path in ["/resources/iam/roles/a:b%00", "/resources/sendings/%00", "/resources/iam/principals/%00"] {
        assert!(!path.contains("/iam/") || owner.put(path, json!({})).await.said() == "400 ID_INVALID", "{path}");
        for method in [Method::GET, Method::DELETE] {
            let said = owner.send(method.clone(), path, &[], json!(null)).await.said();
            assert_eq!(said, "404 NOT_FOUND", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn names_are_not_mistaken_for_others() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    for name in ["x\u{202e}", "\u{200b}", "\u{feff}", " "] {
        let client = json!({"name": name, "redirectUris": ["https://app.example/cb"]});
        assert_eq!(owner.put("/resources/iam/clients/c", client).await.said(), "422 FIELD_INVALID", "{name:?}");
        let person = owner.put("/resources/iam/principals/0190a3c2-7b00-7000-8000-000000000009", json!({"name": name}));
        assert_eq!(person.await.said(), "422 FIELD_INVALID", "{name:?}");
    }
    for key in ["System:owner", "SYSTEM:x"] {
        let said = owner.put(&format!("/resources/iam/roles/{key}"), json!({})).await.said();
        assert_eq!(said, "403 SYSTEM_ROLE_PROTECTED", "{key}");
    }
    // an id without dashes is a client's, never another spelling of a principal's
    let person = "/resources/iam/principals/0190a3c2-7b00-7000-8000-000000000009";
    assert_eq!(owner.put(person, json!({"name": "Ada"})).await.said(), "201");
    assert_eq!(owner.get(&person.replace('-', "")).await.status.as_u16() / 100, 4);
}

#[tokio::test]
async fn nobody_proves_their_own_address_or_resets_their_own_password_by_the_administrators_way() {
    let app = TestApp::spawn().await;
    app.role("support:desk", &["iam/principals:*"]).await;
    let desk = Api::person(&app, "desk@example.com", &["support:desk"], "iam/principals:* me:*").await;
    let me = format!("/resources/iam/principals/{}", desk.subject);
    for body in [
        json!({"email": "stolen@example.com"}),
        json!({"phone": "+4912345678"}),
        json!({"properties": {"email_verified": false}}),
    ] {
        assert_eq!(desk.put(&me, body.clone()).await.said(), "403 PRIVILEGE_ESCALATION", "{body}");
    }
    assert_eq!(desk.post(&format!("{me}/password/reset"), json!({})).await.said(), "403 PRIVILEGE_ESCALATION");
    assert_eq!(desk.put(&me, json!({"name": "Desk"})).await.said(), "200");
}

#[tokio::test]
async fn the_last_owner_keeps_an_email_to_sign_in_with() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let last = app.principal("last@example.com", &["system:owner"], |_| {}).await.id;
    let path = format!("/resources/iam/principals/{last}");
    // one without an email does not count
    let nameless = "/resources/iam/principals/0199c0de-0000-7000-8000-00000000ada0";
    assert_eq!(owner.put(nameless, json!({"roles": ["system:owner"]})).await.said(), "201");
    let refused = owner.put(&path, json!({"email": null})).await;
    assert_eq!(refused.said(), "409 LAST_OWNER");
    assert!(refused.json()["detail"].as_str().unwrap().contains("has an email address"), "{}", refused.body);
    app.principal("other@example.com", &["system:owner"], |_| {}).await;
    assert_eq!(owner.put(&path, json!({"email": null})).await.said(), "200");
}
