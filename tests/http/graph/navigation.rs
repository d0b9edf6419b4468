//! Where navigations lead, how many of it are shown, and nodes that lead nowhere.

use std::time::Duration;

use keyward::{
    model::time::Timestamp,
    store::{self, Error, Tx, audit, principal::Principal},
};
use serde_json::{Value, json};

use crate::{
    stage::suspend,
    support::{START, TestApp, api::Api, browser::Browser},
};

const GRAPH: &str = "/resources/graph";

pub struct Scene {
    pub app: TestApp,
    pub api: Api,
    pub ada: Principal,
    pub bob: Principal,
}

/// Ada is signed in twice and has roles; Bob has neither. Both have acted.
pub async fn scene() -> Scene {
    let app = TestApp::spawn().await;
    for role in ["shop:clerk", "shop:lead", "bank:teller"] {
        app.role(role, &[]).await;
    }
    let ada = app.principal("ada@example.com", &["shop:clerk", "shop:lead", "bank:teller"], |_| {}).await;
    let bob = app.principal("bob@example.com", &[], |_| {}).await;
    for _ in 0..2 {
        Browser::new().sign_in(&app, "ada@example.com", crate::support::PASSWORD).await;
        app.advance(Duration::from_secs(60));
    }
    let api = Api::holding(&app, "asker", &["graph:*"]).await;
    Scene { app, api, ada, bob }
}

/// An event, `minutes` after the tests begin.
pub async fn happened(
    app: &TestApp,
    minutes: i64,
    actor: &str,
    action: &str,
    target: (&str, &str),
    address: &str,
) -> String {
    let at = Timestamp::from_millis(START.millis() + minutes * 60_000);
    let origin = audit::Origin {
        ip_address: Some(address.to_owned()),
        client_id: Some("portal".to_owned()),
        request_id: format!("request-{minutes}"),
    };
    let event = audit::Event::by(actor, &origin, action, target, at);
    let id = event.id.clone();
    let write = move |tx: &mut Tx<'_>| audit::insert(tx, &event);
    app.app.store.write::<(), Error, _>(write).await.unwrap();
    id
}

/// The nodes to which a navigation leads from each principal.
async fn from_people(api: &Api, navigation: Value) -> Vec<Value> {
    let name = navigation["alias"].as_str().or(navigation["edge"].as_str()).unwrap().to_owned();
    let body = json!([{ "edge": "identities", "filter": "type == 'principal'",
        "node": { "fields": ["email"], "navigate": [navigation] } }]);
    let answer = api.post(GRAPH, body).await.object(200);
    answer[0]["nodes"].as_array().unwrap().iter().map(|node| node[&name].clone()).collect()
}

async fn emails(api: &Api, navigation: Value) -> Vec<String> {
    let body = json!([{ "edge": "identities", "count": true, "filter": "type == 'principal'",
        "node": { "fields": ["email"], "navigate": [navigation] } }]);
    let answer = api.post(GRAPH, body).await.object(200);
    let nodes = answer[0]["nodes"].as_array().unwrap();
    assert_eq!(answer[0]["totalCount"], nodes.len());
    nodes.iter().map(|node| node["email"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn roles_and_sessions_lie_within_their_identity() {
    let Scene { app, api, ada, .. } = scene().await;
    let roles =
        from_people(&api, json!({ "edge": "roles", "count": true, "limit": 2, "node": { "fields": ["key"] } })).await;
    let first = json!({ "totalCount": 3, "totalCountRelation": "exact", "complete": true,
        "nodes": [{ "key": "bank:teller" }, { "key": "shop:clerk" }] });
    assert_eq!(roles[0], first);
    assert_eq!(roles[1], json!({ "totalCount": 0, "totalCountRelation": "exact", "complete": true, "nodes": [] }));
    let some = json!({ "edge": "roles", "filter": "key startswith 'shop:' and system == false", "orderBy": "key desc",
        "node": { "fields": ["key"] } });
    let roles = from_people(&api, some).await;
    assert_eq!(roles[0]["nodes"], json!([{ "key": "shop:lead" }, { "key": "shop:clerk" }]));

    let sessions = from_people(&api, json!({ "edge": "sessions" })).await;
    let here = sessions[0]["nodes"].as_array().unwrap();
    assert_eq!((here.len(), sessions[1]["nodes"].as_array().unwrap().len()), (2, 0));
    // the youngest first, with nothing that would open it
    assert!(here[0]["createdAt"].as_str() > here[1]["createdAt"].as_str());
    let members: Vec<&String> = here[0].as_object().unwrap().keys().collect();
    let known =
        ["sessionId", "createdAt", "lastActiveAt", "expiresAt", "ipAddress", "userAgent", "authenticationMethods"];
    assert_eq!(members, known.iter().collect::<Vec<_>>());
    assert_eq!(here[0]["authenticationMethods"], json!(["pwd"]));
    for (filter, many) in [
        ("authenticationMethods contains 'pwd'", 2),
        ("authenticationMethods contains 'otp'", 0),
        ("authenticationMethods allof ['pwd', 'otp']", 0),
        ("authenticationMethods startswith 'p' and expiresAt > now", 2),
        ("createdAt > now - 90 seconds", 1),
        ("ipAddress == '127.0.0.1' or ipAddress == '::1'", 2),
    ] {
        let found = from_people(&api, json!({ "edge": "sessions", "filter": filter })).await;
        assert_eq!(found[0]["nodes"].as_array().unwrap().len(), many, "{filter}");
    }
    // what has ended is not active
    suspend(&app, &ada.id).await;
    let sessions = from_people(&api, json!({ "edge": "sessions", "count": true })).await;
    assert_eq!((&sessions[0]["nodes"], &sessions[0]["totalCount"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn events_are_what_an_identity_did_and_what_was_done_to_it() {
    let Scene { app, api, ada, bob } = scene().await;
    let one = happened(&app, 10, &ada.id, "role.create", ("role", "shop:new"), "192.0.2.1").await;
    let two = happened(&app, 20, &bob.id, "principal.update", ("principal", &ada.id), "192.0.2.2").await;
    let three = happened(&app, 30, &ada.id, "principal.update", ("principal", &ada.id), "192.0.2.1").await;
    // a session may have whatever id it likes
    happened(&app, 40, &bob.id, "session.end", ("session", &ada.id), "192.0.2.2").await;
    let all = json!({ "edge": "activityLogs", "count": true, "filter": "action anyof ['role.create', 'principal.update']",
        "node": { "fields": ["eventId", "actorId", "targetId", "ipAddress"] } });
    let logs = from_people(&api, all.clone()).await;
    let ids: Vec<&str> = logs[0]["nodes"].as_array().unwrap().iter().map(|e| e["eventId"].as_str().unwrap()).collect();
    // the latest first, and none twice
    assert_eq!(ids, [&three, &two, &one]);
    assert_eq!(logs[0]["totalCount"], 3);
    assert_eq!(logs[0]["nodes"][1]["actorId"], json!(bob.id));
    assert_eq!(logs[0]["nodes"][1]["ipAddress"], "192.0.2.2");
    assert_eq!(logs[1]["nodes"].as_array().unwrap().len(), 1);
    let mut some = all.clone();
    (some["orderBy"], some["limit"]) = (json!("at asc"), json!(2));
    let logs = from_people(&api, some).await;
    assert_eq!(logs[0]["nodes"][0]["eventId"], json!(one));
    assert_eq!((logs[0]["nodes"].as_array().unwrap().len(), &logs[0]["totalCount"]), (2, &json!(3)));
    // nothing of an event but what is declared: least of all what was changed
    let whole = from_people(&api, json!({ "edge": "activityLogs", "limit": 1 })).await;
    assert!(whole[0]["nodes"][0].get("changes").is_none());
    assert_eq!(whole[0]["nodes"][0].as_object().unwrap().len(), 13);
}

#[tokio::test]
async fn a_filter_of_events_looks_among_the_latest_and_says_where_there_are_more() {
    let Scene { app, api, ada, .. } = scene().await;
    let id = ada.id.clone();
    let write = move |tx: &mut Tx<'_>| -> Result<(), Error> {
        for n in 0..store::graph::EVENTS as i64 + 5 {
            let at = Timestamp::from_millis(START.millis() + n * 1000);
            let action = if n == 0 { "long.ago" } else { "of.late" };
            audit::insert(tx, &audit::Event::by(&id, &audit::Origin::default(), action, ("role", "x:y"), at))?;
        }
        Ok(())
    };
    app.app.store.write(write).await.unwrap();
    let old = |action: &str| json!({ "edge": "activityLogs", "filter": format!("action == '{action}'"), "limit": 3 });
    let logs = from_people(&api, old("long.ago")).await;
    assert_eq!((&logs[0]["nodes"], &logs[0]["complete"]), (&json!([]), &json!(false)));
    assert_eq!((&logs[1]["nodes"], &logs[1]["complete"]), (&json!([]), &json!(true)));
    let logs = from_people(&api, old("of.late")).await;
    assert_eq!((logs[0]["nodes"].as_array().unwrap().len(), &logs[0]["complete"]), (3, &json!(true)));
    // without a filter there is no such end
    let oldest = json!({ "edge": "activityLogs", "orderBy": "at", "limit": 1, "count": true });
    let logs = from_people(&api, oldest).await;
    assert_eq!((&logs[0]["totalCount"], &logs[0]["totalCountRelation"]), (&json!(100), &json!("atLeast")));
}

#[tokio::test]
async fn what_is_required_must_be_there() {
    let Scene { app, api, ada, bob } = scene().await;
    happened(&app, 10, &ada.id, "a.b", ("role", "x:y"), "192.0.2.1").await;
    happened(&app, 11, &ada.id, "c.d", ("principal", &bob.id), "192.0.2.1").await;
    let none: [&str; 0] = [];
    for (edge, filter, who) in [
        ("sessions", "", &["ada@example.com"][..]),
        ("sessions", "createdAt > now", &none),
        ("roles", "", &["ada@example.com"]),
        ("roles", "key == 'shop:lead'", &["ada@example.com"]),
        ("roles", "key startswith 'shop:'", &["ada@example.com"]),
        ("roles", "key startswith 'none:'", &none),
        ("roles", "description == null", &["ada@example.com"]),
        ("activityLogs", "action == 'a.b'", &["ada@example.com"]),
        ("activityLogs", "action == 'c.d'", &["ada@example.com", "bob@example.com"]),
        ("activityLogs", "action == 'e.f'", &none),
    ] {
        let found = emails(&api, json!({ "edge": edge, "filter": filter, "require": true })).await;
        assert_eq!(found, who, "{edge} {filter}");
        // without it everybody is there
        assert_eq!(emails(&api, json!({ "edge": edge, "filter": filter })).await.len(), 2);
    }
    // clients have no sessions
    let clients = json!([{ "edge": "identities", "filter": "type == 'client'",
        "node": { "fields": ["type"], "navigate": [{ "edge": "sessions", "require": true }] } }]);
    assert_eq!(api.post(GRAPH, clients).await.object(200)[0]["nodes"], json!([]));
}
