//! Nobody rises by what they do to principals.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ID, acl, made, owned, path, regional};
use crate::support::api::Api;

const OTHER: &str = "6ba7b810-9dad-41d1-80b4-00c04fd430c9";

/// Everything by which an identity could be taken over.
async fn takeovers(caller: &Api, id: &str) -> Vec<(&'static str, String)> {
    let path = path(id);
    let session = "6ba7b810-9dad-41d1-80b4-000000000000";
    vec![
        ("email", caller.put(&path, json!({"email": "thief@example.org"})).await.said()),
        ("phone", caller.put(&path, json!({"phone": "+49 666"})).await.said()),
        ("verified", caller.put(&path, json!({"properties": {"email_verified": true}})).await.said()),
        ("roles", caller.put(&path, json!({"roles": []})).await.said()),
        ("acl", caller.put(&path, json!({"acl": acl(&[])})).await.said()),
        ("attributes", caller.put(&path, json!({"accessAttributes": {"a": ["b"]}})).await.said()),
        ("put roles", caller.put(&format!("{path}/roles"), json!([])).await.said()),
        ("reset", caller.post(&format!("{path}/password/reset"), Value::Null).await.said()),
        ("suspend", caller.post(&format!("{path}/suspend"), Value::Null).await.said()),
        ("unsuspend", caller.post(&format!("{path}/unsuspend"), Value::Null).await.said()),
        ("sessions", caller.delete(&format!("{path}/sessions")).await.said()),
        ("session", caller.delete(&format!("{path}/sessions/{session}")).await.said()),
        ("delete", caller.delete(&path).await.said()),
    ]
}

#[tokio::test]
async fn who_holds_less_takes_nobody_over() {
    let (app, owner) = owned().await;
    let agent = Api::holding(&app, "agent", &["iam/principals:*", "iam/sessions:*"]).await;
    app.role("test:none", &[]).await;
    let ada = json!({"email": "ada@example.org", "acl": acl(&["registry:read"]), "roles": ["test:none"]});
    made(&owner, ID, ada).await;
    let before = owner.get(&path(ID)).await.object(200);
    for (what, said) in takeovers(&agent, ID).await {
        assert_eq!(said, "403 PRIVILEGE_ESCALATION", "{what}");
    }
    assert_eq!(owner.get(&path(ID)).await.object(200), before);
    // what nobody is taken over by is allowed
    let body = json!({"name": "Ada", "picture": null, "settings": {"a": 1}, "properties": {"tier": 1, "gender": "x"}});
    assert_eq!(agent.put(&path(ID), body).await.said(), "200");
    // and all of it on somebody who holds nothing more
    made(&owner, OTHER, json!({"email": "bob@example.org"})).await;
    let may: Vec<String> = takeovers(&agent, OTHER).await.into_iter().map(|(_, said)| said).collect();
    let expected = ["200", "200", "200", "200", "200", "403 PRIVILEGE_ESCALATION", "200", "200", "200", "200", "204"];
    assert_eq!(may[..11], expected, "an attribute that one does not have cannot be given");
    assert_eq!(may[11..], ["404 NOT_FOUND", "204"]);
}

#[tokio::test]
async fn only_owners_act_on_owners() {
    let (app, owner) = owned().await;
    let admin = Api::service(&app, "admin", &["system:portal:full"], |_| {}).await;
    made(&owner, ID, json!({"email": "ada@example.org", "roles": ["system:owner"]})).await;
    for (what, said) in takeovers(&admin, ID).await {
        assert_eq!(said, "403 PRIVILEGE_ESCALATION", "{what}");
    }
    assert_eq!(admin.put(&path(ID), json!({"name": "Mallory"})).await.said(), "403 PRIVILEGE_ESCALATION");
    assert_eq!(admin.get(&path(ID)).await.said(), "200");
    // nor does somebody who may do everything, but is none
    let all = Api::holding(&app, "all", &["*:*"]).await;
    assert_eq!(all.put(&path(ID), json!({"email": "x@example.org"})).await.said(), "403 PRIVILEGE_ESCALATION");
    for body in [json!({"roles": ["system:owner"]}), json!({"roles": ["system:owner"], "email": "o@example.org"})] {
        assert_eq!(all.put(&path(OTHER), body).await.said(), "403 PRIVILEGE_ESCALATION", "only owners make owners");
    }
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_hold() {
    let (app, owner) = owned().await;
    app.role("registry:all", &["registry:*"]).await;
    let agent = Api::holding(&app, "agent", &["iam/principals:*", "registry:read"]).await;
    for body in [
        json!({"roles": ["registry:all"]}),
        json!({"roles": ["system:owner"]}),
        json!({"roles": ["system:portal:full"]}),
        json!({"acl": acl(&["registry:write"])}),
        json!({"acl": acl(&["*:*"])}),
        json!({"accessAttributes": {"region": ["eu"]}}),
    ] {
        assert_eq!(agent.put(&path(ID), body.clone()).await.said(), "403 PRIVILEGE_ESCALATION", "{body}");
    }
    assert_eq!(agent.put(&path(ID), json!({"acl": acl(&["registry:read"])})).await.said(), "201");
    let roles = format!("{}/roles", path(ID));
    assert_eq!(agent.put(&roles, json!(["registry:all"])).await.said(), "403 PRIVILEGE_ESCALATION");
    assert_eq!(agent.put(&roles, json!(["no:such"])).await.said(), "422 UNKNOWN_ROLE");
    assert_eq!(owner.get(&path(ID)).await.object(200)["roles"], json!([]));
}

#[tokio::test]
async fn nobody_gives_anything_to_themselves() {
    let (app, _owner) = owned().await;
    app.role("test:all", &["iam/principals:*"]).await;
    app.role("test:more", &["iam/principals:read"]).await;
    let ada = Api::person(&app, "ada@example.org", &["test:all"], "iam/principals:*").await;
    let mine = path(&ada.subject);
    for body in [
        json!({"roles": ["test:all", "test:more"]}),
        json!({"acl": acl(&["iam/principals:read"])}),
        json!({"accessAttributes": {"region": ["eu"]}}),
    ] {
        assert_eq!(ada.put(&mine, body.clone()).await.said(), "403 PRIVILEGE_ESCALATION", "{body}");
    }
    assert_eq!(ada.put(&mine, json!({"name": "Ada"})).await.said(), "200");
    assert_eq!(ada.put(&mine, json!({"roles": []})).await.said(), "200");
    assert_eq!(ada.get(&mine).await.said(), "403 PERMISSION_MISSING", "at the next request");
}

#[tokio::test]
async fn a_token_with_less_scope_allows_less_than_its_holder() {
    let (app, owner) = owned().await;
    made(&owner, OTHER, json!({"email": "bob@example.org", "acl": acl(&["registry:read"])})).await;
    app.role("test:both", &["iam/principals:*", "registry:*"]).await;
    let ada = Api::person(&app, "ada@example.org", &["test:both"], "iam/principals:*").await;
    let email = json!({"email": "new@example.org"});
    assert_eq!(ada.put(&path(OTHER), email.clone()).await.said(), "403 PRIVILEGE_ESCALATION");
    let eve = Api::person(&app, "eve@example.org", &["test:both"], "iam/principals:* registry:read").await;
    assert_eq!(eve.put(&path(OTHER), email).await.said(), "200");
}

#[tokio::test]
async fn conditional_callers_see_and_change_their_own_part_only() {
    let (app, owner) = owned().await;
    let eu = Api::service(&app, "eu", &[], |client| {
        let permissions = ["iam/principals:*", "iam/sessions:*"];
        client.acl = serde_json::from_value(regional(&permissions)).unwrap();
        client.access_attributes = serde_json::from_value(json!({"region": ["eu"]})).unwrap();
    })
    .await;
    made(&owner, ID, json!({"email": "ada@example.org", "accessAttributes": {"region": ["eu"]}})).await;
    made(&owner, OTHER, json!({"email": "bob@example.org", "accessAttributes": {"region": ["us"]}})).await;
    assert_eq!(eu.get(&path(ID)).await.said(), "200");
    assert_eq!(eu.put(&path(ID), json!({"name": "Ada"})).await.said(), "200");
    assert_eq!(eu.get(&format!("{}/sessions", path(ID))).await.said(), "200");
    // out of their part, and into it, by nobody but who holds both
    for body in [json!({"accessAttributes": {"region": ["us"]}}), json!({"accessAttributes": {}})] {
        assert_eq!(eu.put(&path(ID), body).await.said(), "403 PERMISSION_MISSING");
    }
    assert_eq!(eu.put(&path(OTHER), json!({"name": "Bob"})).await.said(), "403 PERMISSION_MISSING");
    for (method, sub, body) in [
        (Method::GET, "", Value::Null),
        (Method::DELETE, "", Value::Null),
        (Method::PUT, "/roles", json!([])),
        (Method::POST, "/suspend", Value::Null),
        (Method::POST, "/unsuspend", Value::Null),
        (Method::POST, "/password/reset", Value::Null),
        (Method::GET, "/sessions", Value::Null),
        (Method::DELETE, "/sessions", Value::Null),
        (Method::DELETE, "/sessions/x", Value::Null),
    ] {
        let answer = eu.send(method.clone(), &format!("{}{sub}", path(OTHER)), &[], body).await;
        assert_eq!(answer.said(), "404 NOT_FOUND", "{method} {sub}");
    }
    let third = path("6ba7b810-9dad-41d1-80b4-00c04fd430dd");
    assert_eq!(eu.put(&third, json!({})).await.said(), "403 PERMISSION_MISSING");
    let theirs = json!({"accessAttributes": {"region": ["eu"]}});
    assert_eq!(eu.put(&third, theirs).await.said(), "201");
}

#[tokio::test]
async fn each_operation_needs_its_permission() {
    let (app, owner) = owned().await;
    made(&owner, ID, json!({"email": "ada@example.org"})).await;
    let reader = Api::holding(&app, "reader", &["iam/principals:read"]).await;
    let nobody = Api::new(&app, "", "");
    let wrong = Api::new(&app, "wrong", "");
    for (method, sub, body, needed) in [
        (Method::PUT, "", json!({}), "iam/principals:write"),
        (Method::DELETE, "", Value::Null, "iam/principals:delete"),
        (Method::PUT, "/roles", json!([]), "iam/principals:write"),
        (Method::POST, "/suspend", Value::Null, "iam/principals:write"),
        (Method::POST, "/unsuspend", Value::Null, "iam/principals:write"),
        (Method::POST, "/password/reset", Value::Null, "iam/principals:write"),
        (Method::GET, "/sessions", Value::Null, "iam/sessions:read"),
        (Method::DELETE, "/sessions", Value::Null, "iam/sessions:delete"),
        (Method::DELETE, "/sessions/x", Value::Null, "iam/sessions:delete"),
    ] {
        let path = format!("{}{sub}", path(ID));
        let answer = reader.send(method.clone(), &path, &[], body.clone()).await;
        assert_eq!(answer.said(), "403 PERMISSION_MISSING", "{method} {sub}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(needed), "{}", answer.body);
        let answer = nobody.send(method.clone(), &path, &[], body.clone()).await;
        assert_eq!(answer.said(), "401 TOKEN_MISSING", "{method} {sub}");
        let answer = wrong.send(method.clone(), &path, &[], body).await;
        assert_eq!(answer.said(), "401 TOKEN_INVALID", "{method} {sub}");
    }
    let writer = Api::holding(&app, "writer", &["iam/principals:write"]).await;
    assert_eq!(writer.get(&path(ID)).await.said(), "403 PERMISSION_MISSING");
    assert_eq!(writer.post(&format!("{}/suspend", path(ID)), Value::Null).await.said(), "200");
}

#[tokio::test]
async fn the_last_owner_stays() {
    let (_app, owner) = owned().await;
    let both = json!({"email": "ada@example.org", "roles": ["system:owner", "system:portal:full"]});
    made(&owner, ID, both).await;
    let losses = || async {
        vec![
            owner.put(&path(ID), json!({"roles": ["system:portal:full"]})).await.said(),
            owner.put(&format!("{}/roles", path(ID)), json!([])).await.said(),
            owner.post(&format!("{}/suspend", path(ID)), Value::Null).await.said(),
            owner.delete(&path(ID)).await.said(),
        ]
    };
    assert_eq!(losses().await, ["409 LAST_OWNER"; 4]);
    // one who is suspended does not count
    made(&owner, OTHER, json!({"email": "bob@example.org", "roles": ["system:owner"]})).await;
    assert_eq!(owner.post(&format!("{}/suspend", path(OTHER)), Value::Null).await.said(), "200");
    assert_eq!(losses().await, ["409 LAST_OWNER"; 4]);
    assert_eq!(owner.put(&format!("{}/roles", path(ID)), json!(["system:owner"])).await.said(), "200", "nothing lost");
    assert_eq!(owner.post(&format!("{}/unsuspend", path(OTHER)), Value::Null).await.said(), "200");
    assert_eq!(owner.delete(&path(ID)).await.said(), "204");
}
