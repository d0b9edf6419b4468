//! `/resources/iam/roles`

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{TestApp, api::Api};

const AGENT: &str = "/resources/iam/roles/support:agent";

fn acl(permissions: &[(&str, &str)]) -> Value {
    let entry = |(resource, permission): &(&str, &str)| json!({"resource": [resource], "permission": [permission]});
    json!({ "entries": permissions.iter().map(entry).collect::<Vec<_>>() })
}

#[tokio::test]
async fn a_role_is_made_read_replaced_and_deleted() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    // resource and permission come as a text or as a list
    let body = json!({"description": "Agents", "acl": {"entries": [{"resource": "actors", "permission": "*"}]}});
    let made = owner.put(AGENT, body).await;
    let role = made.object(201);
    assert_eq!(role["acl"], acl(&[("actors", "*")]));
    assert_eq!((role["key"].as_str(), role["system"].as_bool()), (Some("support:agent"), Some(false)));
    assert_eq!(made.header("etag"), format!("\"{}\"", role["eTag"].as_str().unwrap()));

    let read = owner.get("/resources/iam/roles/support%3Aagent").await;
    assert_eq!(read.object(200), role);
    let known = [("if-none-match", made.header("etag"))];
    let known = owner.send(Method::GET, AGENT, &known, Value::Null).await;
    assert_eq!((known.status.as_u16(), known.body.as_str()), (304, ""));

    // what was read is written back, with a change; the rest stays
    let mut changed = role.clone();
    changed["description"] = json!("All agents");
    let second = owner.put(AGENT, changed).await.object(200);
    assert_eq!((&second["acl"], &second["description"]), (&role["acl"], &json!("All agents")));
    assert_ne!(second["eTag"], role["eTag"]);
    assert_eq!(owner.put(AGENT, json!({"description": null})).await.object(200)["description"], Value::Null);

    assert_eq!(owner.delete(AGENT).await.said(), "204");
    assert_eq!(owner.get(AGENT).await.said(), "404 NOT_FOUND");
    assert_eq!(owner.delete(AGENT).await.said(), "404 NOT_FOUND");
}

#[tokio::test]
async fn of_two_who_save_the_same_role_the_second_is_told() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let role = owner.put(AGENT, json!({"description": "1"})).await.object(201);
    let etag = role["eTag"].as_str().unwrap();
    assert_eq!(owner.put_if(AGENT, etag, json!({"description": "2"})).await.said(), "200");
    for stale in [
        owner.put_if(AGENT, etag, json!({"description": "3"})).await,
        owner.put(AGENT, json!({"description": "3", "etag": etag})).await,
        owner.put(AGENT, role.clone()).await,
        owner.send(Method::DELETE, AGENT, &[("if-match", etag)], Value::Null).await,
    ] {
        assert_eq!(stale.said(), "409 ETAG_MISMATCH");
    }
    let exists = owner.send(Method::PUT, AGENT, &[("if-none-match", "*")], json!({})).await;
    assert_eq!(exists.said(), "409 ALREADY_EXISTS");
    let both = owner.put_if(AGENT, "x", json!({"etag": "y"})).await;
    assert_eq!(both.said(), "400 CONFLICTING_VALUES");
    assert_eq!(owner.get(AGENT).await.json()["description"], "2");
}

#[tokio::test]
async fn what_is_wrong_with_a_role_is_told() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    for (path, body, said) in [
        ("/resources/iam/roles/agent", json!({}), "400 ID_INVALID"),
        ("/resources/iam/roles/system:owner", json!({}), "403 SYSTEM_ROLE_PROTECTED"),
        ("/resources/iam/roles/system:new", json!({}), "403 SYSTEM_ROLE_PROTECTED"),
        (AGENT, json!([]), "400 BODY_MALFORMED"),
        (AGENT, Value::Null, "400 BODY_MALFORMED"),
        (AGENT, json!({"name": "x"}), "400 UNKNOWN_FIELD"),
        (AGENT, json!({"description": 1}), "400 FIELD_MALFORMED"),
        (AGENT, json!({"description": "a\u{0}b"}), "400 BODY_MALFORMED"),
        (AGENT, json!({"description": "x".repeat(1001)}), "422 FIELD_INVALID"),
        (AGENT, json!({"acl": acl(&[("a b", "read")])}), "422 FIELD_INVALID"),
        (AGENT, json!({"key": "other:one"}), "422 FIELD_INVALID"),
    ] {
        assert_eq!(owner.put(path, body.clone()).await.said(), said, "{path} {body}");
    }
    assert_eq!(owner.delete("/resources/iam/roles/system:owner").await.said(), "403 SYSTEM_ROLE_PROTECTED");
    let patch = owner.send(Method::PATCH, AGENT, &[], json!({})).await;
    assert_eq!((patch.said().as_str(), patch.header("allow")), ("405 METHOD_NOT_ALLOWED", "GET, HEAD, PUT, DELETE"));
}

#[tokio::test]
async fn nobody_makes_a_role_that_allows_more_than_they_hold() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let agent = Api::holding(&app, "agent", &["iam/roles:*", "actors:read"]).await;
    let role = |permissions| json!({ "acl": acl(permissions) });
    assert_eq!(agent.put(AGENT, role(&[("actors", "read")])).await.said(), "201");
    assert_eq!(agent.put(AGENT, role(&[("actors", "write")])).await.said(), "403 PRIVILEGE_ESCALATION");
    assert_eq!(agent.put(AGENT, role(&[("*", "*")])).await.said(), "403 PRIVILEGE_ESCALATION");
    // not even where it would hold under a condition only
    let conditional =
        json!({"acl": {"entries": [{"resource": "actors", "permission": "write", "attributeKeys": ["x"]}]}});
    assert_eq!(agent.put(AGENT, conditional).await.said(), "403 PRIVILEGE_ESCALATION");
    // nor is a stronger role theirs to weaken or to delete
    assert_eq!(owner.put("/resources/iam/roles/big:one", role(&[("*", "*")])).await.said(), "201");
    assert_eq!(agent.put("/resources/iam/roles/big:one", role(&[])).await.said(), "403 PRIVILEGE_ESCALATION");
    assert_eq!(agent.delete("/resources/iam/roles/big:one").await.said(), "403 PRIVILEGE_ESCALATION");
}

#[tokio::test]
async fn a_changed_role_counts_at_the_next_request_of_old_tokens() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let reader = Api::holding(&app, "reader", &["iam/roles:read"]).await;
    assert_eq!(reader.get(AGENT).await.said(), "404 NOT_FOUND");
    let path = "/resources/iam/roles/test:reader";
    assert_eq!(owner.put(path, json!({"acl": acl(&[("iam/audit", "read")])})).await.said(), "200");
    let refused = reader.get(AGENT).await;
    assert_eq!(refused.said(), "403 PERMISSION_MISSING");
    assert!(refused.json()["detail"].as_str().unwrap().contains("iam/roles:read"));
    assert_eq!(
        refused.header("www-authenticate"),
        "Bearer realm=\"keyward\", error=\"insufficient_scope\", scope=\"iam/roles:read\""
    );
    assert_eq!(owner.put(path, json!({"acl": acl(&[("iam/*", "read")])})).await.said(), "200");
    assert_eq!(reader.get(AGENT).await.said(), "404 NOT_FOUND");
    // in use
    let used = owner.delete(path).await;
    assert_eq!(used.said(), "409 ROLE_IN_USE");
    assert_eq!(used.json()["errors"][0]["details"]["identities"], json!(["reader"]));
    assert_eq!(owner.delete(&format!("{path}?force=maybe")).await.said(), "400 PARAMETER_INVALID");
    assert_eq!(owner.delete(&format!("{path}?force=true")).await.said(), "204");
    assert_eq!(reader.get(AGENT).await.said(), "403 PERMISSION_MISSING");
}

#[tokio::test]
async fn without_a_token_that_holds_nothing_is_told() {
    let app = TestApp::spawn().await;
    let nobody = Api::new(&app, "", "");
    let none = nobody.get(AGENT).await;
    assert_eq!(
        (none.said().as_str(), none.header("www-authenticate")),
        ("401 TOKEN_MISSING", "Bearer realm=\"keyward\"")
    );
    let wrong = Api::new(&app, "wrong", "").get(AGENT).await;
    assert_eq!(wrong.said(), "401 TOKEN_INVALID");
    assert_eq!(wrong.header("www-authenticate"), "Bearer realm=\"keyward\", error=\"invalid_token\"");
    let service = Api::holding(&app, "service", &["iam/roles:read"]).await;
    app.advance(std::time::Duration::from_secs(601));
    assert_eq!(service.get(AGENT).await.said(), "401 TOKEN_INVALID");
}

#[tokio::test]
async fn a_role_that_is_forced_away_changes_its_holders_versions() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    assert_eq!(owner.put(AGENT, json!({})).await.said(), "201");
    let ada = app.principal("ada@example.com", &["support:agent"], |_| {}).await.id;
    let path = format!("/resources/iam/principals/{ada}");
    let before = owner.get(&path).await.object(200);
    // who they are is told to who may read them
    let keeper = Api::holding(&app, "keeper", &["iam/roles:*"]).await;
    let used = keeper.delete(AGENT).await;
    assert_eq!((used.said().as_str(), used.json().get("errors")), ("409 ROLE_IN_USE", None));
    assert_eq!(keeper.delete(&format!("{AGENT}?force=true")).await.said(), "204");
    let stale = owner.put_if(&path, before["eTag"].as_str().unwrap(), json!({"name": "x"})).await;
    assert_eq!(stale.said(), "409 ETAG_MISMATCH");
    let events = owner.get("/resources/iam/audit?action=role.delete").await.object(200);
    let holders = events["events"][0]["changes"].as_array().unwrap().iter().find(|c| c["path"] == "/holders").unwrap();
    assert_eq!(holders["from"], json!([ada]));
}

#[tokio::test]
async fn a_permission_under_a_condition_shows_no_roles() {
    let app = TestApp::spawn().await;
    let entry = json!({"entries": [{"resource": ["iam/roles"], "permission": ["read"], "attributeKeys": ["region"]}]});
    let regional = Api::service(&app, "regional", &[], |client| {
        client.acl = serde_json::from_value(entry).unwrap();
        client.access_attributes.insert("region".to_owned(), vec!["eu".to_owned()]);
    })
    .await;
    assert_eq!(regional.get("/resources/iam/roles").await.said(), "403 PERMISSION_MISSING");
}

#[tokio::test]
async fn what_cannot_be_a_permission_is_in_no_role() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    for entry in [
        json!({"resource": "registry", "permission": "x:y"}),
        json!({"resource": "a", "permission": "b", "attributeKeys": [""]}),
        json!({"resource": "a", "permission": "b", "attributeKeys": ["a\nb"]}),
    ] {
        assert_eq!(owner.put(AGENT, json!({"acl": {"entries": [entry]}})).await.said(), "422 FIELD_INVALID");
    }
    assert_eq!(owner.put(AGENT, json!({"description": "a\u{1b}[2J"})).await.said(), "422 FIELD_INVALID");
}

#[tokio::test]
async fn lists_of_permissions_are_objects_and_no_arrays_of_their_members() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let entry = json!({"resource": ["iam/principals"], "permission": ["read"]});
    for path in ["roles/a:b", "clients/shop", "principals/0199c0de-0000-7000-8000-00000000ada0"] {
        let path = format!("/resources/iam/{path}");
        for (acl, pointer) in [
            (json!([[["iam/principals", "read"]]]), "/acl"),
            (json!([[entry]]), "/acl"),
            (json!({"entries": [["iam/principals", "read"]]}), "/acl/entries/0"),
        ] {
            let answer = owner.put(&path, json!({ "acl": acl })).await;
            assert_eq!(answer.said(), "400 FIELD_MALFORMED", "{path} {acl}");
            assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{acl}");
        }
        assert_eq!(owner.get(&path).await.said(), "404 NOT_FOUND");
    }
}
