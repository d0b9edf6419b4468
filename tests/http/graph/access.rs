//! Who may see what of the graph, and that nothing tells of the rest: neither pages nor counts, filters, `require` or CSV.

use keyward::store::principal::Principal;
use serde_json::{Value, json};

use super::navigation::{Scene, happened, scene};
use crate::support::{TestApp, api::Api};

const GRAPH: &str = "/resources/graph";
const QUERY: &str = "/resources/graph/query";

/// A service that holds these permissions for objects of its region.
async fn regional(app: &TestApp, id: &str, region: Option<&str>, resources: &[&str]) -> Api {
    let acl = json!({ "entries": [{ "resource": resources, "permission": ["read"], "attributeKeys": ["region"] }] });
    Api::service(app, id, &[], |client| {
        client.acl = serde_json::from_value(acl).unwrap();
        if let Some(region) = region {
            client.access_attributes.insert("region".to_owned(), vec![region.to_owned()]);
        }
    })
    .await
}

async fn person(app: &TestApp, email: &str, region: &str, roles: &[&str]) -> Principal {
    let region = vec![region.to_owned()];
    app.principal(email, roles, |person| {
        person.access_attributes.insert("region".to_owned(), region);
    })
    .await
}

#[tokio::test]
async fn each_node_needs_its_own_permission_and_no_other() {
    let app = TestApp::spawn().await;
    let body = |edge: &str, navigate: Value| {
        json!([{ "edge": edge, "node": { "fields": [if edge == "identities" { "identityId" } else { "createdAt" }],
            "navigate": navigate } }])
    };
    let asked = [
        (body("identities", json!([])), &["graph/identity"][..]),
        (body("sendings", json!([])), &["graph/sending"]),
        (body("roles", json!([])), &["graph/role"]),
        (body("identities", json!([{ "edge": "sessions" }])), &["graph/identity", "graph/session"]),
        (body("identities", json!([{ "edge": "roles" }])), &["graph/identity", "graph/role"]),
        (
            body("identities", json!([{ "edge": "activityLogs", "require": true }])),
            &["graph/identity", "graph/activityLog"],
        ),
    ];
    let nodes = ["graph/identity", "graph/sending", "graph/role", "graph/session", "graph/activityLog"];
    for (n, node) in nodes.iter().enumerate() {
        // one of them is missing: whoever may do everything else in the REST APIs cannot make up for it
        let held: Vec<String> =
            nodes.iter().filter(|other| *other != node).map(|other| format!("{other}:read")).collect();
        let mut held: Vec<&str> = held.iter().map(String::as_str).collect();
        held.extend(["iam:*", "sendings:*"]);
        let without = Api::holding(&app, &format!("without-{n}"), &held).await;
        for (body, needed) in &asked {
            let answer = without.post(GRAPH, body.clone()).await;
            let refused = needed.contains(node);
            assert_eq!(answer.said() == "403 PERMISSION_MISSING", refused, "{node}: {body}: {}", answer.body);
            if refused {
                assert!(answer.body.contains(&format!("{node}:read")), "{}", answer.body);
                let challenge = answer.header("www-authenticate");
                assert!(challenge.ends_with(&format!("scope=\"{node}:read\"")), "{challenge}");
            } else {
                assert_eq!(answer.said(), "200");
            }
        }
    }
    let only = Api::holding(&app, "only", &["graph/identity:read"]).await;
    assert_eq!(only.post(QUERY, json!({ "resource": "identity" })).await.said(), "200");
    assert_eq!(only.post(QUERY, json!({ "resource": "sending" })).await.said(), "403 PERMISSION_MISSING");
    // a scope narrows as everywhere
    app.role("all:graph", &["graph:*"]).await;
    let narrowed = Api::person(&app, "p@example.com", &["all:graph"], "graph/role:read").await;
    assert_eq!(narrowed.post(QUERY, json!({ "resource": "role" })).await.said(), "200");
    assert_eq!(narrowed.post(QUERY, json!({ "resource": "identity" })).await.said(), "403 PERMISSION_MISSING");
    let wide = Api::person(&app, "q@example.com", &["all:graph"], "graph:*").await;
    assert_eq!(wide.post(QUERY, json!({ "resource": "sending" })).await.said(), "200");
    let nobody = Api::new(&app, "", "");
    assert_eq!(nobody.post(GRAPH, json!([{ "edge": "roles" }])).await.said(), "401 TOKEN_MISSING");
}

#[tokio::test]
async fn hidden_identities_cannot_be_told_from_none() {
    let app = TestApp::spawn().await;
    app.role("shop:clerk", &[]).await;
    let seen = person(&app, "seen@example.com", "eu", &["shop:clerk"]).await;
    let hidden = person(&app, "hidden@example.com", "us", &["shop:clerk"]).await;
    app.principal("none@example.com", &["shop:clerk"], |_| {}).await;
    let eu =
        regional(&app, "eu", Some("eu"), &["graph/identity", "graph/session", "graph/activityLog", "graph/role"]).await;
    let mine = ["seen@example.com"];
    for (filter, found) in [
        ("type == 'principal'", &mine[..]),
        ("email == 'hidden@example.com'", &[]),
        ("email startswith 'hid' or email contains 'example'", &mine),
        ("not (email == 'seen@example.com') and type == 'principal'", &[]),
        ("roles contains 'shop:clerk'", &mine),
        (&format!("identityId anyof ['{}', '{}']", hidden.id, seen.id), &mine),
        ("name == null and email != null", &mine),
    ] {
        let body = json!([{ "edge": "identities", "filter": filter, "count": true, "node": { "fields": ["email"] } }]);
        let answer = eu.post(GRAPH, body.clone()).await.object(200);
        let emails: Vec<&str> =
            answer[0]["nodes"].as_array().unwrap().iter().map(|node| node["email"].as_str().unwrap()).collect();
        assert_eq!(emails, found, "{filter}");
        assert_eq!(answer[0]["totalCount"], found.len(), "{filter}");
        assert_eq!(answer[0]["meta"]["examined"], json!(null), "{filter}: the number would tell of hidden rows");
        let csv = eu.post(&format!("{GRAPH}?format=csv"), body).await;
        assert_eq!((csv.body.lines().count(), csv.header("total-count")), (found.len() + 1, &*found.len().to_string()));
    }
    for order in ["createdAt", "name", "email desc", "lastActiveAt desc"] {
        let body = json!({ "resource": "identity", "orderBy": order });
        let answer = eu.post(QUERY, body).await.object(200);
        // the service itself carries the region, too
        assert_eq!((answer["items"].as_array().unwrap().len(), &answer["totalCount"]), (2, &json!(2)), "{order}");
    }
    // roles and mails carry no attributes
    assert_eq!(eu.post(GRAPH, json!([{ "edge": "roles" }])).await.said(), "403 PERMISSION_MISSING");
    let led = json!([{ "edge": "identities", "node": { "fields": ["type"], "navigate": [{ "edge": "roles" }] } }]);
    assert_eq!(eu.post(GRAPH, led).await.said(), "403 PERMISSION_MISSING");
    let mails = regional(&app, "mails", Some("eu"), &["graph/sending", "graph/identity"]).await;
    assert_eq!(mails.post(GRAPH, json!([{ "edge": "sendings" }])).await.said(), "403 PERMISSION_MISSING");
    // who lacks the key has nothing
    let keyless = regional(&app, "keyless", None, &["graph/identity"]).await;
    assert_eq!(keyless.post(GRAPH, json!([{ "edge": "identities" }])).await.said(), "403 PERMISSION_MISSING");
}

#[tokio::test]
async fn what_leads_from_an_identity_is_shown_by_that_identitys_attributes() {
    let Scene { app, ada, .. } = scene().await;
    let eve = person(&app, "eve@example.com", "eu", &[]).await;
    crate::support::browser::Browser::new().sign_in(&app, "eve@example.com", crate::support::PASSWORD).await;
    happened(&app, 10, &ada.id, "a.b", ("role", "x:y"), "192.0.2.1").await;
    happened(&app, 11, &eve.id, "a.b", ("role", "x:y"), "192.0.2.2").await;
    // all identities, but sessions and events of one region only
    let eu = Api::service(&app, "eu", &[], |client| {
        let acl = json!({ "entries": [
            { "resource": "graph/identity", "permission": "read" },
            { "resource": ["graph/session", "graph/activityLog"], "permission": "read", "attributeKeys": ["region"] },
        ] });
        client.acl = serde_json::from_value(acl).unwrap();
        client.access_attributes.insert("region".to_owned(), vec!["eu".to_owned()]);
    })
    .await;
    for edge in ["sessions", "activityLogs"] {
        let asked = |require: bool| {
            json!([{ "edge": "identities", "filter": "type == 'principal'", "count": true,
                "node": { "fields": ["email"], "navigate": [{ "edge": edge, "count": true, "require": require }] } }])
        };
        let answer = eu.post(GRAPH, asked(false)).await.object(200);
        let there: Vec<(&str, bool)> = answer[0]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| (node["email"].as_str().unwrap(), node[edge]["totalCount"] != 0))
            .collect();
        assert_eq!(
            there,
            [("ada@example.com", false), ("bob@example.com", false), ("eve@example.com", true)],
            "{edge}"
        );
        let answer = eu.post(GRAPH, asked(true)).await.object(200);
        assert_eq!(answer[0]["nodes"].as_array().unwrap().len(), 1, "{edge}");
        assert_eq!((&answer[0]["nodes"][0]["email"], &answer[0]["totalCount"]), (&json!("eve@example.com"), &json!(1)));
    }
}

#[tokio::test]
async fn events_of_ones_own_region_do_not_tell_of_others() {
    let app = TestApp::spawn().await;
    let admin = person(&app, "admin@example.com", "us", &[]).await;
    let eve = person(&app, "eve@example.com", "eu", &[]).await;
    happened(&app, 10, &admin.id, "done.to", ("principal", &eve.id), "192.0.2.1").await;
    happened(&app, 20, &eve.id, "done.by", ("principal", &admin.id), "192.0.2.2").await;
    let eu = regional(&app, "eu", Some("eu"), &["graph/identity", "graph/activityLog"]).await;
    let all = Api::holding(&app, "all", &["graph:*"]).await;
    let asked = |filter: &str, require: bool| {
        json!([{ "edge": "identities", "filter": "email == 'eve@example.com'", "node": { "fields": ["email"], "navigate":
            [{ "edge": "activityLogs", "filter": filter, "require": require }] } }])
    };
    let events = async |api: &Api, filter: &str| {
        let answer = api.post(GRAPH, asked(filter, false)).await.object(200);
        answer[0]["nodes"][0]["activityLogs"]["nodes"].as_array().unwrap().clone()
    };
    let narrowed = events(&eu, "action startswith 'done.'").await;
    assert_eq!((&narrowed[1]["action"], &narrowed[0]["action"]), (&json!("done.to"), &json!("done.by")));
    for field in ["actorId", "clientId", "ipAddress", "requestId"] {
        assert_eq!(narrowed[1][field], Value::Null, "{field}");
        assert_ne!(narrowed[0][field], Value::Null, "{field}");
    }
    assert_eq!((&narrowed[1]["targetId"], &narrowed[0]["targetId"]), (&json!(eve.id), &Value::Null));
    let whole = events(&all, "action startswith 'done.'").await;
    assert_eq!((&whole[1]["actorId"], &whole[1]["ipAddress"]), (&json!(admin.id), &json!("192.0.2.1")));
    // no filter tells what is not shown
    for filter in [
        format!("actorId == '{}'", admin.id),
        format!("targetId == '{}'", admin.id),
        "ipAddress startswith '192.0.2.1'".to_owned(),
        "requestId == 'request-10'".to_owned(),
    ] {
        assert_eq!(events(&all, &filter).await.len(), 1, "{filter}");
        assert_eq!(events(&eu, &filter).await.len(), 0, "{filter}");
        let required = eu.post(GRAPH, asked(&filter, true)).await.object(200);
        assert_eq!(required[0]["nodes"], json!([]), "{filter}");
        assert_ne!(all.post(GRAPH, asked(&filter, true)).await.object(200)[0]["nodes"], json!([]), "{filter}");
    }
}

#[tokio::test]
async fn mails_show_what_became_of_them_and_never_what_they_say() {
    let app = TestApp::spawn().await;
    super::population::sendings(&app, &mut crate::listing::Dice(3), 3).await;
    let api = Api::holding(&app, "asker", &["graph/sending:read"]).await;
    let answer = api.post(QUERY, json!({ "resource": "sending" })).await.object(200);
    let members: Vec<&String> = answer["items"][0].as_object().unwrap().keys().collect();
    assert_eq!(members.len(), 12, "{members:?}");
    for absent in ["sealedContent", "body", "subject", "lease", "createdBy"] {
        assert!(!members.iter().any(|member| *member == absent));
        let query = json!([{ "edge": "sendings", "filter": format!("{absent} != null") }]);
        assert_eq!(api.post(GRAPH, query).await.said(), "400 QUERY_ERROR");
    }
}

#[tokio::test]
async fn the_suspended_are_shown_as_such_and_the_deleted_are_gone() {
    let Scene { app, api, ada, bob } = scene().await;
    crate::stage::suspend(&app, &ada.id).await;
    let owner = Api::owner(&app).await;
    assert_eq!(owner.delete(&format!("/resources/iam/principals/{}", bob.id)).await.said(), "204");
    for (filter, many) in [
        ("type == 'principal'", 1),
        ("suspendedAt != null", 1),
        ("suspendedAt <= now and suspendedAt > now - 1 hours", 1),
        ("suspendedAt == null and type == 'principal'", 0),
        (&format!("identityId == '{}'", bob.id), 0),
        ("email == 'bob@example.com'", 0),
    ] {
        let answer =
            api.post(GRAPH, json!([{ "edge": "identities", "filter": filter, "count": true }])).await.object(200);
        assert_eq!(
            (answer[0]["nodes"].as_array().unwrap().len(), &answer[0]["totalCount"]),
            (many, &json!(many)),
            "{filter}"
        );
    }
}
