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
    assert_eq!(owner.put(&path, json!({"email": null})).await.said(), "409 LAST_OWNER");
    app.principal("other@example.com", &["system:owner"], |_| {}).await;
    assert_eq!(owner.put(&path, json!({"email": null})).await.said(), "200");
}
