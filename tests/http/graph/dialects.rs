//! The two forms of requests, what is wrong with them, and CSV.

use keyward::model::{
    graph::{Condition, Node, Operator, Value as Given, filter},
    permission::Visibility,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::population::{expected, place, sendings, some_test};
use crate::support::{START, TestApp, api::Api};

const NESTED: &str = "/resources/graph";
const STRUCTURED: &str = "/resources/graph/query";

/// All that a query finds, by the text of a filter.
async fn by_text(api: &Api, node: Node, condition: &Condition) -> Vec<String> {
    let id = node.fields()[0].name;
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let body = json!([{
            "edge": node.root().unwrap(), "filter": filter::print(condition), "limit": 100, "after": after,
            "node": { "fields": [id] },
        }]);
        let answer = api.post(NESTED, body).await.object(200);
        seen.extend(answer[0]["nodes"].as_array().unwrap().iter().map(|node| node[id].as_str().unwrap().to_owned()));
        after = answer[0]["lastCursor"].clone();
        if after.is_null() {
            return seen;
        }
    }
}

/// The same by the structured form.
async fn by_structure(api: &Api, node: Node, filters: &Value) -> Vec<String> {
    let id = node.fields()[0].name;
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let body = json!({ "resource": node.name(), "filters": filters, "limit": 100, "after": after });
        let answer = api.post(STRUCTURED, body).await.object(200);
        seen.extend(answer["items"].as_array().unwrap().iter().map(|node| node[id].as_str().unwrap().to_owned()));
        after = answer["lastCursor"].clone();
        if after.is_null() {
            return seen;
        }
    }
}

#[tokio::test]
async fn both_forms_find_the_same_for_every_field_and_operator() {
    let (app, mut known, mut dice) = place(60).await;
    let mails = sendings(&app, &mut dice, 30).await;
    let api = Api::holding(&app, "asker", &["graph:*"]).await;
    // who asks is there, too
    let asker = app.app.store.read(|conn| keyward::store::client::find(conn, "asker")).await.unwrap().unwrap();
    let is = super::population::Is::Text;
    known.push(super::population::Known {
        id: asker.id.clone(),
        is: std::collections::BTreeMap::from([
            ("identityId", is(asker.id)),
            ("type", is("client".to_owned())),
            ("name", is(asker.name.clone())),
            ("properties.name", is(asker.name)),
            ("roles", super::population::Is::Set(["test:asker".to_owned()].into())),
            ("createdAt", super::population::Is::Number(START.millis())),
            ("lastModified", super::population::Is::Number(START.millis())),
            ("systemClient", super::population::Is::Truth(false)),
        ]),
        attributes: Default::default(),
        registered: (1, 1000),
    });
    for (node, known) in [(Node::Identity, &known), (Node::Sending, &mails)] {
        for field in node.fields() {
            for &operator in field.kind.operators() {
                let test = some_test(&mut dice, known, field, operator);
                let mut wanted = expected(known, &Condition::Test(test.clone()), &Visibility::All, None);
                wanted.sort();
                let mut found = by_text(&api, node, &Condition::Test(test.clone())).await;
                found.sort();
                assert_eq!(found, wanted, "{test:?}");
                let Some(op) = operator.structured() else { continue };
                // the structured form has no `now`
                if test.values.iter().any(|value| matches!(value, Given::Now(_))) {
                    continue;
                }
                let values: Vec<Value> = test.values.iter().map(plain).collect();
                let value = if operator == Operator::AnyOf { json!(values) } else { values[0].clone() };
                let filters = json!([{ "field": field.name, "op": op, "value": value }]);
                let mut found = by_structure(&api, node, &filters).await;
                found.sort();
                assert_eq!(found, wanted, "{filters}");
            }
        }
    }
}

fn plain(value: &Given) -> Value {
    match value {
        Given::Null | Given::Now(_) => Value::Null,
        Given::Text(text) => json!(text),
        Given::Number(number) => json!(number),
        Given::Bool(truth) => json!(truth),
        Given::Time(at) => json!(at.rfc3339()),
    }
}

#[tokio::test]
async fn both_forms_find_the_same_holders_of_a_role() {
    let app = TestApp::spawn().await;
    let mut holders = Vec::new();
    for n in 0..5 {
        let roles: &[&str] = if n % 2 == 0 { &["system:portal:full"] } else { &[] };
        let person = app.principal(&format!("p{n}@example.com"), roles, |_| {}).await;
        if n % 2 == 0 {
            holders.push(person.id);
        }
    }
    let api = Api::holding(&app, "asker", &["graph/identity:read"]).await;
    let body = json!([{ "edge": "identities", "alias": "admins", "count": true,
        "filter": "roles contains 'system:portal:full'" }]);
    let nested = api.post(NESTED, body).await.object(200);
    let filters = json!([{ "field": "roles", "op": "contains", "value": "system:portal:full" }]);
    let structured = api.post(STRUCTURED, json!({ "resource": "identity", "filters": filters })).await.object(200);
    assert_eq!(nested[0]["nodes"], structured["items"]);
    assert_eq!((&nested[0]["alias"], &nested[0]["edge"]), (&json!("admins"), &json!("identities")));
    let ids = |nodes: &Value| -> Vec<String> {
        nodes.as_array().unwrap().iter().map(|node| node["identityId"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&structured["items"]), holders);
    for answer in [&nested[0], &structured] {
        assert_eq!((&answer["totalCount"], &answer["totalCountRelation"]), (&json!(3), &json!("exact")));
        assert_eq!((&answer["meta"]["scan"], &answer["meta"]["complete"]), (&json!("index"), &json!(true)));
    }
    let one = &structured["items"][0];
    assert_eq!(one["email"], "p0@example.com");
    assert_eq!(one["properties"], json!({ "name": null, "email": "p0@example.com", "phone": null }));
    assert_eq!((&one["type"], &one["systemClient"]), (&json!("principal"), &json!(false)));
    assert_eq!((&one["createdAt"], &one["suspendedAt"]), (&json!(START.rfc3339()), &Value::Null));
    assert_eq!(one["roles"], json!(["system:portal:full"]));
}

#[tokio::test]
async fn what_is_no_query_is_refused_with_the_place_and_what_was_expected() {
    let app = TestApp::spawn().await;
    let api = Api::holding(&app, "asker", &["graph:*"]).await;
    let query = |filter: &str| json!([{ "edge": "roles" }, { "edge": "identities", "filter": filter }]);
    for (body, pointer, position) in [
        (query("name = 'x'"), "/1/filter", Some(6)),
        (query("name == 'x"), "/1/filter", Some(9)),
        (query("nam == 'x'"), "/1/filter", Some(1)),
        (query("createdAt contains 'x'"), "/1/filter", Some(11)),
        (json!([{ "edge": "principals" }]), "/0/edge", None),
        (json!([{ "edge": "roles", "limit": 0 }]), "/0/limit", None),
        (json!([{ "edge": "roles", "orderBy": "description" }]), "/0/orderBy", None),
        (json!([{ "edge": "roles", "node": { "fields": ["acl"] } }]), "/0/node/fields/0", None),
        (
            json!([{ "edge": "sendings", "node": { "navigate": [{ "edge": "roles" }] } }]),
            "/0/node/navigate/0/edge",
            None,
        ),
        (json!([]), "", None),
    ] {
        let answer = api.post(NESTED, body.clone()).await;
        assert_eq!(answer.said(), "400 QUERY_ERROR", "{body}");
        let fault = &answer.json()["errors"][0];
        assert_eq!(fault["pointer"], pointer, "{body}: {fault}");
        if let Some(position) = position {
            assert_eq!(fault["details"]["position"], position, "{body}: {fault}");
            assert!(fault["message"].as_str().unwrap().starts_with(&format!("at {position}: ")), "{fault}");
        }
        assert!(fault["message"].as_str().unwrap().contains("expected"), "{fault}");
    }
    let deep = (0..20).fold(json!([]), |inner, _| json!([{ "edge": "roles", "node": { "navigate": inner } }]));
    for (path, body, said) in [
        (NESTED, json!({ "edge": "roles" }), "400 FIELD_MALFORMED"),
        (NESTED, json!([{ "edge": "roles", "where": "x" }]), "400 UNKNOWN_FIELD"),
        (NESTED, json!([{ "edge": "identities", "filter": "name == 'a\u{0}b'" }]), "400 BODY_MALFORMED"),
        (NESTED, deep, "400 BODY_MALFORMED"),
        (NESTED, json!([{ "edge": "roles", "filter": "x".repeat(70_000) }]), "413 BODY_TOO_LARGE"),
        (NESTED, json!(vec![json!({ "edge": "roles" }); 21]), "400 QUERY_ERROR"),
        (STRUCTURED, json!([]), "400 BODY_MALFORMED"),
        (STRUCTURED, json!({ "resource": "session" }), "400 QUERY_ERROR"),
        (STRUCTURED, json!({ "resource": "role", "limit": 101 }), "400 QUERY_ERROR"),
    ] {
        assert_eq!(api.post(path, body.clone()).await.said(), said, "{}", body.to_string().len());
    }
    for query in ["?format=xml", "?csv", "?format=csv&format=csv"] {
        assert!(api.post(&format!("{NESTED}{query}"), json!([{ "edge": "roles" }])).await.said().starts_with("400"));
    }
    // a hundred nodes, each with four times a hundred more
    let navigate: Vec<Value> =
        (0..4).map(|n| json!({ "edge": "activityLogs", "alias": format!("a{n}"), "limit": 100 })).collect();
    let wide = json!([{ "edge": "identities", "limit": 100, "node": { "navigate": navigate } }]);
    let answer = api.post(NESTED, wide).await;
    assert_eq!(answer.said(), "400 QUERY_ERROR", "{}", answer.body);
}

#[tokio::test]
async fn a_cursor_is_for_its_query_alone() {
    let (app, _, _) = place(30).await;
    let api = Api::holding(&app, "asker", &["graph:*"]).await;
    let one = json!({ "edge": "identities", "limit": 5, "filter": "type == 'principal'" });
    let first = api.post(NESTED, json!([one.clone()])).await.object(200);
    let cursor = first[0]["lastCursor"].as_str().unwrap();
    let with = |change: Value| {
        let mut query = one.clone();
        query["after"] = json!(cursor);
        change.as_object().unwrap().iter().for_each(|(name, value)| query[name] = value.clone());
        json!([query])
    };
    // how many and what is shown does not matter
    for change in [json!({}), json!({ "limit": 2, "count": true }), json!({ "node": { "fields": ["name"] } })] {
        assert_eq!(api.post(NESTED, with(change)).await.said(), "200");
    }
    let require = json!({ "node": { "fields": ["name"], "navigate": [{ "edge": "roles", "require": true }] } });
    for change in [
        json!({ "filter": "type == 'client'" }),
        json!({ "filter": null }),
        json!({ "orderBy": "name" }),
        json!({ "edge": "sendings", "filter": null }),
        json!({ "after": format!("{cursor}x") }),
        json!({ "after": "" }),
        require,
    ] {
        let answer = api.post(NESTED, with(change.clone())).await;
        assert_eq!(answer.said(), "400 CURSOR_INVALID", "{change}: {}", answer.body);
        assert_eq!(answer.json()["errors"][0]["pointer"], "/0/after");
    }
    // the other form asks the same, and a list of principals does not
    let filters = json!([{ "field": "type", "op": "eq", "value": "principal" }]);
    let same = json!({ "resource": "identity", "filters": filters, "after": cursor });
    let said = api.post(STRUCTURED, same).await.said();
    assert!(said == "200" || said == "400 CURSOR_INVALID", "{said}");
    let owner = Api::owner(&app).await;
    let listed = owner.get("/resources/iam/principals?limit=5").await.object(200);
    let theirs = with(json!({ "after": listed["lastCursor"] }));
    assert_eq!(api.post(NESTED, theirs).await.said(), "400 CURSOR_INVALID");
}

#[tokio::test]
async fn csv_has_the_rows_and_the_rest_in_headers() {
    let app = TestApp::spawn().await;
    app.role("shop:clerk", &[]).await;
    app.role("shop:lead", &[]).await;
    let names = [("ada@example.com", "=1+1"), ("bob@example.com", "Bob \"the\" Builder, Jr.")];
    for (email, name) in names {
        app.principal(email, &["shop:clerk", "shop:lead"], |person| person.name = Some(name.to_owned())).await;
    }
    let api = Api::holding(&app, "asker", &["graph:*"]).await;
    let body = json!([{ "edge": "identities", "filter": "type == 'principal'", "count": true, "limit": 2,
        "node": { "fields": ["email", "name"], "navigate": [{ "edge": "roles", "node": { "fields": ["key"] } }] } }]);
    let answer = api.post(&format!("{NESTED}?format=csv"), body.clone()).await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    let lines: Vec<&str> = answer.body.lines().collect();
    assert_eq!(lines[0], "email,name,roles.key");
    assert_eq!(lines.len(), 5, "{}", answer.body);
    assert_eq!(lines[1], "ada@example.com,'=1+1,shop:clerk");
    assert!(lines[3].starts_with("bob@example.com,\"Bob \"\"the\"\" Builder, Jr.\",shop:"), "{}", lines[3]);
    assert_eq!((answer.header("total-count"), answer.header("complete")), ("2", "true"));
    let json = api.post(NESTED, body.clone()).await.object(200);
    let next = |cursor: &str| {
        let mut next = body.clone();
        next[0]["after"] = json!(cursor);
        next
    };
    for cursor in [answer.header("last-cursor"), json[0]["lastCursor"].as_str().unwrap()] {
        assert_eq!(api.post(NESTED, next(cursor)).await.object(200)[0]["nodes"], json!([]));
    }
    let by_header = api.send(Method::POST, NESTED, &[("accept", "text/csv")], body.clone()).await;
    assert_eq!(by_header.body, answer.body);
    let either = [("accept", "application/json, text/csv;q=0.5")];
    assert!(api.send(Method::POST, NESTED, &either, body.clone()).await.body.starts_with('['));
    let structured =
        json!({ "resource": "identity", "filters": [{ "field": "type", "op": "eq", "value": "principal" }] });
    let items = api.post(&format!("{STRUCTURED}?format=csv"), structured).await;
    assert_eq!((items.body.lines().count(), items.header("total-count")), (3, "2"));
    let two = json!([body[0].clone(), { "edge": "roles" }]);
    assert_eq!(api.post(&format!("{NESTED}?format=csv"), two).await.said(), "400 QUERY_ERROR");
}

#[tokio::test]
async fn several_queries_are_answered_in_their_order_and_counts_stop() {
    let (app, _, _) = place(230).await;
    let api = Api::holding(&app, "asker", &["graph:*"]).await;
    let body = json!([
        { "edge": "roles", "filter": "key startswith 'support:'", "node": { "fields": ["key"] }, "count": true },
        { "edge": "identities", "limit": 1, "count": true },
        { "edge": "identities", "alias": "old", "filter": "createdAt > now - 1 day", "limit": 1, "count": true },
        { "edge": "sendings", "count": true },
    ]);
    let answers = api.post(NESTED, body).await.object(200);
    assert_eq!(answers[0]["nodes"], json!([{ "key": "support:agent" }, { "key": "support:lead" }]));
    assert_eq!((&answers[0]["totalCount"], &answers[0]["totalCountRelation"]), (&json!(2), &json!("exact")));
    assert_eq!((&answers[1]["totalCount"], &answers[1]["totalCountRelation"]), (&json!(231), &json!("exact")));
    assert_eq!((&answers[2]["totalCount"], &answers[2]["totalCountRelation"]), (&json!(100), &json!("atLeast")));
    assert_eq!((&answers[2]["edge"], &answers[2]["alias"]), (&json!("identities"), &json!("old")));
    assert_eq!((&answers[3]["totalCount"], &answers[3]["nodes"]), (&json!(0), &json!([])));
    let meta = api.get("/resources/graph/meta").await.object(200);
    assert_eq!(meta["nodes"][0]["set"], "identities");
    assert_eq!(meta["nodes"][0]["fields"][2]["indexed"], json!(["==", "anyof", "contains", "startswith"]));
    assert_eq!(meta["bounds"]["limit"], 100);
}
