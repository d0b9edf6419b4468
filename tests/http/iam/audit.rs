//! `/resources/iam/audit`

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{TestApp, api::Api};

const ROLE: &str = "/resources/iam/roles/support:agent";

async fn events(api: &Api, query: &str) -> Vec<Value> {
    api.get(&format!("/resources/iam/audit{query}")).await.object(200)["events"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_change_leaves_who_from_where_by_which_client_and_what() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let admin = Api::person(&app, "admin@example.com", &["system:owner"], "iam:*").await;
    assert_eq!(owner.put(ROLE, json!({"description": "one"})).await.said(), "201");
    app.advance(Duration::from_secs(1));
    let changed = admin.put(ROLE, json!({"description": "two"})).await;
    assert_eq!(changed.said(), "200");

    let found = events(&owner, "?target=support:agent").await;
    assert_eq!(found.len(), 2);
    let event = &found[0];
    assert_eq!(event["action"], "role.update");
    assert_eq!((&event["outcome"], &event["code"]), (&json!("succeeded"), &Value::Null));
    assert_eq!(event["actor"], json!({"type": "principal", "id": admin.subject}));
    assert_eq!((&event["clientId"], &event["ipAddress"]), (&json!("app-of-admin"), &json!("127.0.0.1")));
    assert_eq!(event["requestId"], changed.header("x-request-id"));
    assert_eq!(event["target"], json!({"type": "role", "id": "support:agent"}));
    assert_eq!(event["changes"], json!([{"path": "/description", "from": "one", "to": "two"}]));
    assert_eq!(found[1]["actor"], json!({"type": "client", "id": "owner-service"}));

    // signing in is there, too
    let signed_in = events(&owner, &format!("?action=session.&actor={}", admin.subject)).await;
    assert_eq!(signed_in.iter().map(|event| event["action"].as_str().unwrap()).collect::<Vec<_>>(), ["session.begin"]);
}

#[tokio::test]
async fn what_did_not_happen_is_not_in_the_log() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    assert_eq!(owner.put_if(ROLE, "x", json!({})).await.said(), "409 ETAG_MISMATCH");
    assert_eq!(owner.put(ROLE, json!({"acl": 1})).await.said(), "400 FIELD_MALFORMED");
    assert!(events(&owner, "?target=support:agent").await.is_empty());
}

#[tokio::test]
async fn refusals_of_known_callers_are_there_and_do_not_flood() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let weak = Api::holding(&app, "weak", &["iam/roles:write"]).await;
    for _ in 0..50 {
        assert_eq!(weak.get(ROLE).await.said(), "403 PERMISSION_MISSING");
    }
    let everything = json!({"acl": {"entries": [{"resource": "*", "permission": "*"}]}});
    assert_eq!(weak.put(ROLE, everything).await.said(), "403 PRIVILEGE_ESCALATION");
    Api::new(&app, "nobody", "").get(ROLE).await;
    let refused = events(&owner, "?outcome=refused&orderBy=at%20asc").await;
    let mut told: Vec<(&str, &str)> =
        refused.iter().map(|e| (e["code"].as_str().unwrap(), e["target"]["id"].as_str().unwrap())).collect();
    // both lie in the same millisecond
    told.sort_unstable();
    assert_eq!(told, [("PERMISSION_MISSING", "support:agent"), ("PRIVILEGE_ESCALATION", "support:agent")]);
    assert!(refused.iter().all(|event| event["target"]["type"] == "role"), "{refused:#?}");
    let mut requests: Vec<&Value> = refused.iter().map(|event| &event["changes"][0]["to"]).collect();
    requests.sort_by_key(|request| request.to_string());
    assert_eq!(requests, [&json!(format!("GET {ROLE}")), &json!(format!("PUT {ROLE}"))]);
    assert_eq!(refused[0]["actor"]["id"], "weak");
    // the next one after a minute brings along how many there were
    app.advance(Duration::from_secs(61));
    assert_eq!(weak.get(ROLE).await.said(), "403 PERMISSION_MISSING");
    let refused = events(&owner, "?outcome=refused&actor=weak&limit=100").await;
    let total: i64 = refused
        .iter()
        .filter(|event| event["code"] == "PERMISSION_MISSING")
        .map(|event| event["occurrences"].as_i64().unwrap())
        .sum();
    assert_eq!(total, 51);
    assert!(refused.len() <= 4, "{refused:#?}");
}

#[tokio::test]
async fn what_was_tried_on_one_of_many_is_found_by_its_target() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let boss = app.principal("boss@example.org", &["system:owner"], |_| {}).await;
    let weak = Api::holding(&app, "weak", &["iam/principals:*"]).await;
    let path = |id: &str| format!("/resources/iam/principals/{id}");
    let mut people = Vec::new();
    for n in 0..4 {
        people.push(
            app.principal(&format!("p{n}@example.org"), &[], |person| {
                person.acl = keyward::model::permission::Acl::of(&["*:*"]).unwrap();
            })
            .await,
        );
    }
    for person in &people[..2] {
        assert_eq!(weak.delete(&path(&person.id)).await.said(), "403 PRIVILEGE_ESCALATION");
    }
    // in whatever letters
    assert_eq!(weak.delete(&path(&boss.id.to_uppercase())).await.said(), "403 PRIVILEGE_ESCALATION");
    for person in &people[2..] {
        assert_eq!(weak.delete(&path(&person.id)).await.said(), "403 PRIVILEGE_ESCALATION");
    }
    let found = events(&owner, &format!("?target={}", boss.id)).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((&found[0]["action"], &found[0]["code"]), (&json!("request.refuse"), &json!("PRIVILEGE_ESCALATION")));
    assert_eq!(found[0]["target"], json!({"type": "principal", "id": boss.id}));

    assert_eq!(owner.delete(&path(&boss.id)).await.said(), "409 LAST_OWNER");
    let found = events(&owner, &format!("?target={}&actor=owner-service", boss.id)).await;
    assert_eq!(found[0]["code"], "LAST_OWNER");
    assert_eq!(owner.put_if(&path(&boss.id), "x", json!({"name": "x"})).await.said(), "409 ETAG_MISMATCH");
    assert_eq!(events(&owner, &format!("?target={}", boss.id)).await.len(), 2);

    // whoever tries very many is not given as many events
    for n in 0..130 {
        assert_eq!(weak.get(&format!("/resources/iam/clients/c{n}")).await.said(), "403 PERMISSION_MISSING");
    }
    let told =
        owner.get("/resources/iam/audit?outcome=refused&actor=weak").await.json()["totalCount"].as_u64().unwrap();
    assert!((95..=102).contains(&told), "{told}");
}

#[tokio::test]
async fn a_write_that_changes_nothing_leaves_version_and_log() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let paths = ["roles/support:agent", "clients/jobs", "principals/0199c0de-0000-7000-8000-00000000ada0"];
    for (path, body) in [
        (paths[0], json!({"acl": {"entries": [{"resource": ["x"], "permission": ["read"]}]}})),
        (paths[1], json!({"roles": ["support:agent"], "properties": {"tier": 3}})),
        (paths[2], json!({"email": "ada@example.org", "roles": ["support:agent"], "properties": {"locale": "en"}})),
    ] {
        let (target, path) = (path.split_once('/').unwrap().1, format!("/resources/iam/{path}"));
        let made = owner.put(&path, body.clone()).await.object(201);
        app.advance(Duration::from_secs(1));
        let etag = made["eTag"].as_str().unwrap();
        for same in [body.clone(), json!({}), made.clone()] {
            let again = owner.put_if(&path, etag, same).await;
            assert_eq!(again.object(200), made, "{path}");
            assert_eq!(again.header("etag"), format!("\"{etag}\""));
        }
        assert_eq!(owner.put_if(&path, "stale", body).await.said(), "409 ETAG_MISMATCH");
        assert_eq!(owner.get(&path).await.object(200), made);
        assert_eq!(events(&owner, &format!("?target={target}")).await.len(), 1, "{path}");
    }
}

#[tokio::test]
async fn refusals_at_the_token_endpoint_are_there_once_the_client_has_proven_who_it_is() {
    let s = crate::stage::stage().await;
    let owner = Api::owner(&s.app).await;
    for _ in 0..20 {
        let refused = s.rp.post("/oauth/token", &[("grant_type", "client_credentials"), ("scope", "nobody:has")]).await;
        assert_eq!(refused.status, 400, "{}", refused.body);
    }
    let unknown = s.rp.post("/oauth/token", &[("grant_type", "authorization_code"), ("code", "x")]).await;
    assert_eq!(unknown.status, 400);
    let other = s.other("other", |_| {}).await;
    let tokens = s.tokens("openid").await;
    assert_eq!(other.revoke(&tokens.access_token).await.outcome(), "400 invalid_grant");
    let refused = events(&owner, "?outcome=refused").await;
    let told = |event: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        [&event["actor"]["id"], &event["code"], &event["target"]["id"]].map(text).join(" ")
    };
    let mut told: Vec<String> = refused.iter().map(told).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "app invalid_grant POST /oauth/token",
            "app invalid_scope POST /oauth/token",
            "other invalid_grant POST /oauth/revoke"
        ]
    );
}

#[tokio::test]
async fn the_log_is_read_in_pages_and_by_time() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    for n in 0..7 {
        app.advance(Duration::from_secs(60));
        assert_eq!(owner.put(&format!("/resources/iam/roles/a:r{n}"), json!({})).await.said(), "201");
    }
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = owner.get(&format!("/resources/iam/audit?action=role.create&limit=3{after}")).await.object(200);
        assert_eq!((&page["totalCount"], &page["totalCountRelation"]), (&json!(7), &json!("exact")));
        let Some(last) = page["lastCursor"].as_str() else { break };
        after = format!("&after={last}");
        seen.extend(page["events"].as_array().unwrap().iter().map(|e| e["target"]["id"].as_str().unwrap().to_owned()));
    }
    assert_eq!(seen, ["a:r6", "a:r5", "a:r4", "a:r3", "a:r2", "a:r1", "a:r0"]);
    let window = "?action=role.create&since=2026-11-21T12:02:00Z&until=2026-11-21T12:04:00Z";
    let ids = events(&owner, window).await;
    assert_eq!(ids.iter().map(|e| e["target"]["id"].as_str().unwrap()).collect::<Vec<_>>(), ["a:r2", "a:r1"]);
    for (query, said) in [
        ("?since=yesterday", "400 PARAMETER_INVALID"),
        ("?outcome=maybe", "400 PARAMETER_INVALID"),
        ("?nothing=1", "400 UNKNOWN_PARAMETER"),
        ("?orderBy=action", "400 ORDER_BY_UNKNOWN"),
        ("?after=x", "400 CURSOR_INVALID"),
    ] {
        assert_eq!(owner.get(&format!("/resources/iam/audit{query}")).await.said(), said, "{query}");
    }
}
