//! `/resources/iam/apply`

use serde_json::{Value, json};

use crate::support::{TestApp, api::Api};

const APPLY: &str = "/resources/iam/apply";
const ADA: &str = "0199c0de-0000-7000-8000-00000000ada0";
const BOB: &str = "0199c0de-0000-7000-8000-000000000b0b";

fn role(key: &str, permission: &str) -> Value {
    let (resource, action) = permission.rsplit_once(':').unwrap();
    json!({"key": key, "acl": {"entries": [{"resource": [resource], "permission": [action]}]}})
}

fn file() -> Value {
    json!({
        "roles": [role("support:agent", "iam/principals:read")],
        "clients": [{"id": "jobs", "name": "Jobs", "roles": ["support:agent"]}, {"id": "old", "suspended": true}],
        "principals": [
            {"id": ADA, "email": "ada@example.org", "roles": ["support:agent"],
             "properties": {"email_verified": true, "tier": {"level": 3}}},
            {"email": "by.email@example.org", "name": "By email", "systemUser": true},
        ],
    })
}

fn counts(applied: &Value) -> [u64; 4] {
    ["created", "changed", "deleted", "unchanged"].map(|name| applied[name].as_u64().unwrap())
}

/// All that there is, with its versions.
async fn everything(owner: &Api) -> Vec<Value> {
    let mut all = Vec::new();
    for path in ["roles", "clients?includeSuspended=true", "principals?includeSuspended=true"] {
        all.push(owner.get(&format!("/resources/iam/{path}")).await.object(200));
    }
    for page in &mut all {
        // sealed anew each time
        page.as_object_mut().unwrap().retain(|name, _| !name.ends_with("Cursor"));
        for row in page.as_object_mut().unwrap().values_mut().filter_map(Value::as_array_mut).flatten() {
            row.as_object_mut().unwrap().remove("lastActiveAt");
        }
    }
    all
}

#[tokio::test]
async fn what_a_file_says_is_made_and_applied_again_changes_nothing() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let before = everything(&owner).await;
    let dry = owner.post(&format!("{APPLY}?dryRun=true"), file()).await.object(200);
    assert_eq!((counts(&dry), &dry["dryRun"]), ([5, 0, 0, 0], &json!(true)));
    assert_eq!(everything(&owner).await, before, "a dry run writes nothing");

    let made = owner.post(APPLY, file()).await.object(200);
    assert_eq!((counts(&made), &made["dryRun"]), ([5, 0, 0, 0], &json!(false)));
    let ada = owner.get(&format!("/resources/iam/principals/{ADA}")).await.object(200);
    assert_eq!((&ada["roles"], &ada["properties"]["email_verified"]), (&json!(["support:agent"]), &json!(true)));
    assert!(owner.get("/resources/iam/clients/old").await.object(200)["suspendedAt"].is_string());

    let (state, events) =
        (everything(&owner).await, owner.get("/resources/iam/audit").await.json()["totalCount"].clone());
    assert_eq!(counts(&owner.post(APPLY, file()).await.object(200)), [0, 0, 0, 5]);
    // said in another way, it is the same
    let mut another = file();
    another["roles"][0]["acl"]["entries"][0]["resource"] = json!("iam/principals");
    another["principals"][0]["roles"] = json!(["support:agent", "support:agent"]);
    assert_eq!(counts(&owner.post(APPLY, another).await.object(200)), [0, 0, 0, 5]);
    assert_eq!(everything(&owner).await, state, "versions stay");
    assert_eq!(owner.get("/resources/iam/audit").await.json()["totalCount"], events, "nothing is noted");

    let mut changed = file();
    changed["clients"][1]["suspended"] = json!(false);
    changed["principals"][0]["email"] = json!("ada@example.com");
    let applied = owner.post(APPLY, changed.clone()).await.object(200);
    assert_eq!(counts(&applied), [0, 2, 0, 3]);
    let paths: Vec<&Value> = applied["changes"][1]["members"].as_array().unwrap().iter().map(|m| &m["path"]).collect();
    assert_eq!((&applied["changes"][1]["id"], paths), (&json!(ADA), vec![&json!("/email")]));
    assert_eq!(counts(&owner.post(APPLY, changed).await.object(200)), [0, 0, 0, 5]);
}

#[tokio::test]
async fn a_fault_undoes_everything_and_all_faults_are_told() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    app.principal("taken@example.org", &[], |_| {}).await;
    let before = everything(&owner).await;
    let mut wrong = file();
    wrong["clients"][0]["clientSecret"] = json!("0123456789abcdef0123456789abcdef");
    wrong["principals"][0]["password"] = json!("Correct-horse-42-battery");
    wrong["principals"][1]["roles"] = json!(["no:role"]);
    wrong["principals"].as_array_mut().unwrap().push(json!({"id": BOB, "email": "TAKEN@example.org"}));
    let refused = owner.post(APPLY, wrong).await;
    assert_eq!(refused.said(), "400 UNKNOWN_FIELD");
    let told = refused.json();
    let told: Vec<(&str, &str)> = told["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| (fault["code"].as_str().unwrap(), fault["pointer"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("UNKNOWN_FIELD", "/clients/0/clientSecret"),
            ("UNKNOWN_FIELD", "/principals/0/password"),
            ("UNKNOWN_ROLE", "/principals/1/roles/0"),
            ("EMAIL_IN_USE", "/principals/2/email"),
        ]
    );
    assert!(!refused.body.contains("0123456789abcdef") && !refused.body.contains("Correct-horse"));
    assert_eq!(everything(&owner).await, before);

    for (body, said) in [
        (json!({"principal": []}), "400 UNKNOWN_FIELD"),
        (json!({"roles": {}}), "400 FIELD_MALFORMED"),
        (json!({"roles": [{"key": "system:new"}]}), "403 SYSTEM_ROLE_PROTECTED"),
        (json!({"clients": [{"id": keyward::store::system_client::DOCS, "name": "x"}]}), "403 SYSTEM_CLIENT_PROTECTED"),
        (json!([]), "400 BODY_MALFORMED"),
        (json!({"roles": vec![json!({"key": "a:b"}); 10_001]}), "422 TOO_MANY"),
    ] {
        let told = owner.post(APPLY, body.clone()).await.said();
        assert_eq!(told, said, "{}", body.to_string().chars().take(80).collect::<String>());
    }
    assert_eq!(owner.post(&format!("{APPLY}?prun=true"), json!({})).await.said(), "400 UNKNOWN_PARAMETER");
}

#[tokio::test]
async fn pruning_deletes_what_is_not_in_the_sections_of_the_file() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let person = app.principal("owner@example.org", &["system:owner"], |_| {}).await;
    owner.post(APPLY, file()).await.object(200);
    let prune = format!("{APPLY}?prune=true");

    // held by somebody who stays
    assert_eq!(owner.post(&prune, json!({"roles": []})).await.said(), "409 ROLE_IN_USE");
    // the last owner stays, and with them everybody
    assert_eq!(owner.post(&prune, json!({"principals": []})).await.said(), "409 LAST_OWNER");
    assert_eq!(owner.get(&format!("/resources/iam/principals/{ADA}")).await.said(), "200");

    // an email that goes with the pruned one is free for the new one
    let next = json!({
        "roles": [role("other:one", "x:read")],
        "clients": [{"id": "jobs", "roles": ["other:one"]}],
        "principals": [{"id": person.id, "roles": ["system:owner"]}, {"id": BOB, "email": "ada@example.org"}],
    });
    let dry = owner.post(&format!("{prune}&dryRun=true"), next.clone()).await.object(200);
    assert_eq!(counts(&dry), [2, 1, 4, 1]);
    assert_eq!(counts(&owner.post(&prune, next.clone()).await.object(200)), [2, 1, 4, 1]);
    for gone in [&format!("principals/{ADA}") as &str, "clients/old", "roles/support:agent"] {
        assert_eq!(owner.get(&format!("/resources/iam/{gone}")).await.said(), "404 NOT_FOUND");
    }
    // the caller and what is built in are still there
    assert_eq!(owner.get("/resources/iam/clients/owner-service").await.said(), "200");
    assert_eq!(owner.get("/resources/iam/roles/system:owner").await.said(), "200");
    assert_eq!(counts(&owner.post(&prune, next).await.object(200)), [0, 0, 0, 4]);
}

#[tokio::test]
async fn an_owner_goes_where_another_comes_in_whatever_order_the_file_has() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let first = app.principal("first@example.org", &["system:owner"], |_| {}).await;
    let second = app.principal("second@example.org", &[], |_| {}).await;
    let swap = json!({"principals": [
        {"id": first.id, "roles": [], "email": "second@example.org"},
        {"id": second.id, "roles": ["system:owner"], "email": "third@example.org"},
    ]});
    assert_eq!(counts(&owner.post(APPLY, swap).await.object(200)), [0, 2, 0, 0]);
    let both = json!({"principals": [{"id": second.id, "roles": []}]});
    assert_eq!(owner.post(APPLY, both).await.said(), "409 LAST_OWNER");
}

/// Row 43 of the list of attacks.
#[tokio::test]
async fn nobody_rises_by_applying_a_file() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    app.principal("owner@example.org", &["system:owner"], |_| {}).await;
    let may = ["iam/roles:*", "iam/clients:*", "iam/principals:*"];
    let agent = Api::holding(&app, "agent", &may).await;
    let before = everything(&owner).await;
    for body in [
        json!({"roles": [role("a:b", "iam/audit:read")]}),
        json!({"roles": [role("test:agent", "*:*")]}),
        json!({"clients": [{"id": "agent", "roles": ["system:owner"]}]}),
        json!({"clients": [{"id": "new", "acl": {"entries": [{"resource": ["*"], "permission": ["*"]}]}}]}),
        json!({"clients": [{"id": "owner-service", "redirectUris": ["https://evil.example/cb"]}]}),
        json!({"principals": [{"id": ADA, "email": "x@example.org", "roles": ["system:owner"]}]}),
        json!({"principals": [{"email": "owner@example.org", "name": "Mallory"}]}),
    ] {
        for query in ["", "?dryRun=true"] {
            let refused = agent.post(&format!("{APPLY}{query}"), body.clone()).await;
            assert_eq!(refused.said(), "403 PRIVILEGE_ESCALATION", "{body}");
        }
    }
    assert_eq!(
        agent.post(&format!("{APPLY}?prune=true"), json!({"principals": []})).await.said(),
        "403 PRIVILEGE_ESCALATION"
    );
    // each act needs its own permission
    let roles = Api::holding(&app, "roles", &["iam/roles:*"]).await;
    assert_eq!(roles.post(APPLY, json!({"principals": [{"id": ADA}]})).await.said(), "403 PERMISSION_MISSING");
    assert_eq!(roles.post(APPLY, json!({"clients": [{"id": "new"}]})).await.said(), "403 PERMISSION_MISSING");
    let mut after = everything(&owner).await;
    let mut known = before;
    // the test made a role and a client of its own meanwhile
    for state in [&mut after, &mut known] {
        state.remove(1);
        state.remove(0);
    }
    assert_eq!(after, known);
}
