//! What administrators do, from the beginning to the end.

use serde_json::json;

use super::{SHOP, made, party, path, service};
use crate::support::{
    TestApp,
    api::Api,
    browser::Browser,
    relying_party::{RelyingParty, claims_of},
};

#[tokio::test]
async fn an_integration_is_set_up_and_then_allowed_more() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    app.role("support:reader", &["iam/roles:read"]).await;
    assert_eq!(owner.put(SHOP, service()).await.said(), "201");
    let secret = owner.post(&format!("{SHOP}/secrets"), json!({"description": "first"})).await.object(201);
    let shop = party(&app, "shop", secret["secret"].as_str().unwrap()).await;
    let tokens = shop.client_credentials("").await.tokens();
    let api = Api::new(&app, &tokens.access_token, "shop");
    assert_eq!(api.get("/resources/iam/roles/support:reader").await.said(), "403 PERMISSION_MISSING");
    let given = owner.put(&format!("{SHOP}/roles"), json!({"roles": ["support:reader"]})).await;
    assert_eq!(given.object(200)["roles"], json!(["support:reader"]));
    assert_eq!(given.header("etag"), owner.get(SHOP).await.header("etag"));
    // the same call with the same token
    assert_eq!(api.get("/resources/iam/roles/support:reader").await.said(), "200");
    // and back
    assert_eq!(owner.put(&format!("{SHOP}/roles"), json!([])).await.said(), "200");
    assert_eq!(api.get("/resources/iam/roles/support:reader").await.said(), "403 PERMISSION_MISSING");
    for (body, said) in [
        (json!({"roles": ["no:such"]}), "422 UNKNOWN_ROLE"),
        (json!({"roles": "support:reader"}), "400 FIELD_MALFORMED"),
        (json!({"role": []}), "400 UNKNOWN_FIELD"),
        (json!({}), "400 FIELD_MALFORMED"),
        (json!("support:reader"), "400 BODY_MALFORMED"),
        (json!([1]), "400 FIELD_MALFORMED"),
        (json!({"roles": [], "etag": "x"}), "409 ETAG_MISMATCH"),
        (json!(vec!["a:b"; 101]), "422 FIELD_INVALID"),
    ] {
        assert_eq!(owner.put(&format!("{SHOP}/roles"), body.clone()).await.said(), said, "{body}");
    }
}

#[tokio::test]
async fn what_is_registered_counts_at_the_next_request() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    app.role("support:reader", &["iam/roles:*"]).await;
    let mut body = service();
    body["roles"] = json!(["support:reader"]);
    body["scopes"] = json!(["iam/roles:read", "iam/roles:write"]);
    let shop = made(&app, &owner, "shop", body).await;
    let token = shop.client_credentials("").await.tokens().access_token;
    let api = Api::new(&app, &token, "shop");
    assert_eq!(api.put("/resources/iam/roles/a:b", json!({})).await.said(), "201");
    assert_eq!(owner.put(SHOP, json!({"scopes": ["iam/roles:read"]})).await.said(), "200");
    assert_eq!(api.put("/resources/iam/roles/a:b", json!({})).await.said(), "403 PERMISSION_MISSING");
    assert_eq!(api.get("/resources/iam/roles/a:b").await.said(), "200");
    let opaque = json!({"accessTokenFormat": "opaque", "accessTokenLifetime": 30});
    assert_eq!(owner.put(SHOP, opaque).await.said(), "200");
    let tokens = shop.client_credentials("").await.tokens();
    assert!(!tokens.access_token.contains('.') && tokens.expires_in == 30);
    let grants = json!({"grantTypes": ["authorization_code"], "redirectUris": ["https://app.example/cb"]});
    assert_eq!(owner.put(SHOP, grants).await.said(), "200");
    assert_eq!(shop.client_credentials("").await.outcome(), "400 unauthorized_client");
    // where people may be sent
    let page = Browser::new().get(&shop.authorization(&[("redirect_uri", "https://app.example/cb")]).url).await;
    assert!(page.status.is_success() || page.status.is_redirection(), "{}", page.status);
    assert_eq!(owner.put(SHOP, json!({"redirectUris": ["https://app.example/other"]})).await.said(), "200");
    let page = Browser::new().get(&shop.authorization(&[("redirect_uri", "https://app.example/cb")]).url).await;
    assert!(page.status.is_client_error(), "{}", page.status);
}

/// The role of an agent: all of the actors and the graph, and what is registered to be read.
async fn agents(owner: &Api) {
    let acl = json!({"entries": [
        {"resource": "actors", "permission": "*"},
        {"resource": "graph", "permission": "*"},
        {"resource": "registry", "permission": "read"}
    ]});
    assert_eq!(owner.put("/resources/iam/roles/support:agent", json!({"acl": acl})).await.said(), "201");
}

const ASKED: &str = "registry:read actors/order:create registry:write";

#[tokio::test]
async fn a_service_with_a_custom_role_is_granted_what_the_role_allows() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    agents(&owner).await;
    let mut body = service();
    body["roles"] = json!(["support:agent"]);
    let agent = made(&app, &owner, "agent", body).await;
    let tokens = agent.client_credentials(ASKED).await.tokens();
    assert_eq!(tokens.scope, "registry:read actors/order:create");
    assert_eq!(claims_of(&tokens.access_token)["scope"], "registry:read actors/order:create");
    assert_eq!(agent.client_credentials("registry:write").await.outcome(), "400 invalid_scope");
    let api = Api::new(&app, &agent.client_credentials("").await.tokens().access_token, "agent");
    for refused in [api.get(SHOP).await, api.get("/resources/iam/roles/support:agent").await] {
        assert_eq!(refused.said(), "403 PERMISSION_MISSING");
    }
    assert_eq!(agent.client_credentials("iam/principals:read").await.outcome(), "400 invalid_scope");
}

#[tokio::test]
async fn a_person_with_a_custom_role_is_granted_what_the_role_allows() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    agents(&owner).await;
    app.principal("ada@example.com", &["support:agent"], |_| {}).await;
    let desk = json!({
        "redirectUris": ["https://app.example/cb"], "firstParty": true,
        "scopes": ["openid", "registry:*", "actors:*", "iam/principals:read"]
    });
    let desk: RelyingParty = made(&app, &owner, "desk", desk).await;
    let tokens = desk.sign_in(&Browser::new(), "ada@example.com", &format!("openid {ASKED} iam/principals:read")).await;
    assert_eq!(tokens.scope, "openid registry:read actors/order:create");
    let api = Api::new(&app, &tokens.access_token, "");
    assert_eq!(api.get(&path("desk")).await.said(), "403 PERMISSION_MISSING");
}

#[tokio::test]
async fn every_change_is_in_the_audit_log_without_secrets() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let secret = {
        assert_eq!(owner.put(SHOP, service()).await.said(), "201");
        assert_eq!(owner.put(SHOP, json!({"name": "New", "properties": {"my": 1}})).await.said(), "200");
        owner.post(&format!("{SHOP}/secrets"), json!({"description": "d"})).await.object(201)
    };
    let at = format!("{SHOP}/secrets/{}", secret["id"].as_str().unwrap());
    assert_eq!(owner.delete(&at).await.said(), "204");
    app.role("a:b", &["x:y"]).await;
    assert_eq!(owner.put(&format!("{SHOP}/roles"), json!(["a:b"])).await.said(), "200");
    assert_eq!(owner.post(&format!("{SHOP}/suspend"), json!({})).await.said(), "200");
    assert_eq!(owner.post(&format!("{SHOP}/unsuspend"), json!({})).await.said(), "200");
    assert_eq!(owner.put(SHOP, json!({"scopes": ["bad scope"]})).await.said(), "422 FIELD_INVALID");
    assert_eq!(owner.delete(SHOP).await.said(), "204");
    let filter = keyward::store::audit::Filter { target_id: Some("shop".to_owned()), ..Default::default() };
    let page = keyward::store::listing::Page::first(100, keyward::store::listing::Order::At);
    let events = app.app.store.read(move |conn| keyward::store::audit::list(conn, &filter, &page)).await.unwrap().items;
    let mut actions: Vec<&str> =
        events.iter().filter(|event| event.refused.is_none()).map(|event| event.action.as_str()).collect();
    actions.sort_unstable();
    assert_eq!(
        actions,
        [
            "client.create",
            "client.delete",
            "client.roles",
            "client.secret.create",
            "client.secret.delete",
            "client.suspend",
            "client.unsuspend",
            "client.update"
        ]
    );
    let update = events.iter().find(|event| event.action == "client.update").unwrap();
    let mut changed: Vec<&str> = update.changes.iter().map(|change| change.path.as_str()).collect();
    changed.sort_unstable();
    assert_eq!(changed, ["/custom/my", "/name"]);
    let all = format!("{events:?}");
    assert!(all.contains("owner-service") && !all.contains(secret["secret"].as_str().unwrap()), "{all}");
}
