use serde_json::{Value, json};

use super::*;
use crate::model::graph::filter;

fn read(input: Value) -> Result<Vec<Query>, Invalid> {
    nested(&serde_json::from_value::<Vec<QueryInput>>(input).unwrap())
}

fn names(fields: &[&'static Field]) -> Vec<&'static str> {
    fields.iter().map(|field| field.name).collect()
}

#[test]
fn a_request_of_the_nested_form_is_understood() {
    let queries = read(json!([
        {
            "edge": "identities",
            "alias": "idle",
            "filter": "type == 'principal' and lastActiveAt < now - 90 days",
            "orderBy": "createdAt desc",
            "limit": 10,
            "count": true,
            "after": "c",
            "node": {
                "fields": ["identityId", "properties.email"],
                "navigate": [
                    {"edge": "roles", "require": true, "orderBy": "key", "node": {"fields": ["key"]}},
                    {"edge": "sessions", "alias": "open_1", "filter": "expiresAt > now"},
                ],
            },
        },
        {"edge": "sendings"},
    ]))
    .unwrap();
    let [idle, sendings] = queries.as_slice() else { unreachable!() };
    assert_eq!((idle.name.as_str(), idle.edge, idle.node, idle.limit), ("idle", "identities", Node::Identity, 10));
    assert_eq!(idle.order.map(|(field, descends)| (field.name, descends)), Some(("createdAt", true)));
    assert_eq!((idle.count, idle.after.as_deref(), idle.before.as_deref()), (true, Some("c"), None));
    assert_eq!(names(&idle.fields), ["identityId", "properties.email"]);
    let [roles, open] = idle.navigate.as_slice() else { unreachable!() };
    assert_eq!((roles.name.as_str(), roles.node, roles.require, roles.limit), ("roles", Node::Role, true, 50));
    assert_eq!((open.name.as_str(), open.edge, open.node, open.require), ("open_1", "sessions", Node::Session, false));
    assert_eq!(names(&open.fields), names(&Node::Session.fields().iter().collect::<Vec<_>>()));
    assert_eq!((sendings.name.as_str(), sendings.count, sendings.order), ("sendings", false, None));
    assert_eq!(sendings.condition, Condition::All(Vec::new()));
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    let within =
        |navigate: Value| json!({"edge": "identities", "node": {"fields": ["identityId"], "navigate": navigate}});
    let role = json!({"edge": "roles"});
    let deep = within(json!([within(json!([within(json!([within(json!([role]))]))]))]));
    let wide: Vec<Value> = (0..21).map(|n| json!({"edge": "roles", "alias": format!("r{n}")})).collect();
    let table = [
        (json!([]), "", "expected 1 to 20 queries, got 0"),
        (json!(vec![role.clone(); 21]), "", "expected 1 to 20 queries, got 21"),
        (json!([{"edge": "identity"}]), "/0/edge", "expected an edge, got 'identity'; did you mean identities?"),
        (
            json!([{"edge": "sessions"}]),
            "/0/edge",
            "expected an edge, got 'sessions'; there are identities, sendings, roles",
        ),
        (
            json!([role, {"edge": "roles"}]),
            "/1/edge",
            "expected another alias, since there is a result with the name 'roles'",
        ),
        (
            json!([role, {"edge": "sendings", "alias": "roles"}]),
            "/1/alias",
            "expected another alias, since there is a result with the name 'roles'",
        ),
        (
            json!([{"edge": "roles", "alias": "1a"}]),
            "/0/alias",
            "expected 1 to 64 letters, digits or '_', not beginning with a digit, got '1a'",
        ),
        (
            json!([{"edge": "roles", "alias": ""}]),
            "/0/alias",
            "expected 1 to 64 letters, digits or '_', not beginning with a digit, got ''",
        ),
        (json!([{"edge": "roles", "limit": 0}]), "/0/limit", "expected a limit from 1 to 100, got 0"),
        (json!([{"edge": "roles", "limit": 101}]), "/0/limit", "expected a limit from 1 to 100, got 101"),
        (json!([{"edge": "roles", "limit": -1}]), "/0/limit", "expected a limit from 1 to 100, got -1"),
        (
            json!([{"edge": "roles", "orderBy": "description"}]),
            "/0/orderBy",
            "expected key with or without asc or desc, got 'description'",
        ),
        (
            json!([{"edge": "roles", "orderBy": "key up"}]),
            "/0/orderBy",
            "expected key with or without asc or desc, got 'key up'",
        ),
        (json!([{"edge": "roles", "orderBy": ""}]), "/0/orderBy", "expected key with or without asc or desc, got ''"),
        (
            json!([{"edge": "roles", "orderBy": "key asc desc"}]),
            "/0/orderBy",
            "expected key with or without asc or desc, got 'key asc desc'",
        ),
        (json!([{"edge": "roles", "after": "a", "before": "b"}]), "/0/before", "expected after or before, got both"),
        (
            json!([{"edge": "roles", "after": "a".repeat(4097)}]),
            "/0/after",
            "expected at most 4096 characters, got 4097",
        ),
        (
            json!([{"edge": "roles", "require": true}]),
            "/0/require",
            "expected require only in a navigation, got it outermost",
        ),
        (
            json!([role, {"edge": "sendings", "node": {"fields": ["statsu"]}}]),
            "/1/node/fields/0",
            "expected a field of sending, got 'statsu'; did you mean status?",
        ),
        (
            json!([{"edge": "roles", "node": {"fields": ["key", "key"]}}]),
            "/0/node/fields/1",
            "expected each field once, got key again",
        ),
        (
            json!([{"edge": "roles", "node": {"navigate": [role]}}]),
            "/0/node/navigate/0/edge",
            "expected an edge, got 'roles'; there is none",
        ),
        (
            json!([within(json!([{"edge": "role"}]))]),
            "/0/node/navigate/0/edge",
            "expected an edge, got 'role'; did you mean roles?",
        ),
        (
            json!([within(json!([{"edge": "roles", "after": "a"}]))]),
            "/0/node/navigate/0/after",
            "expected a cursor only outermost, got one in a navigation",
        ),
        (
            json!([{"edge": "identities", "node": {"navigate": [role]}}]),
            "/0/node/navigate/0/edge",
            "expected another alias, since the field 'roles' is shown, too",
        ),
        (
            json!([{"edge": "identities", "node": {"navigate": [{"edge": "roles", "alias": "properties"}]}}]),
            "/0/node/navigate/0/alias",
            "expected another alias, since the field 'properties' is shown, too",
        ),
        (
            json!([within(json!([role, role]))]),
            "/0/node/navigate/1/edge",
            "expected another alias, since there is a result with the name 'roles'",
        ),
        (json!([within(json!(wide))]), "/0/node/navigate/20", "expected at most 20 navigations, got more"),
        (
            json!([deep]),
            "/0/node/navigate/0/node/navigate/0/node/navigate/0/node/navigate/0",
            "expected at most 4 levels, got more",
        ),
    ];
    for (input, pointer, message) in table {
        let expected = Invalid { pointer: pointer.to_owned(), at: None, message: message.to_owned() };
        assert_eq!(read(input.clone()).unwrap_err(), expected, "{input}");
    }
    let fault = read(json!([{"edge": "roles", "filter": "key = 'a'"}])).unwrap_err();
    assert_eq!((fault.pointer.as_str(), fault.at), ("/0/filter", Some(5)));
}

#[test]
fn a_request_of_the_structured_form_is_understood_or_told_where_it_is_wrong() {
    let read = |input: Value| structured(&serde_json::from_value(input).unwrap());
    let query = read(json!({
        "resource": "identity",
        "filters": [{"field": "roles", "op": "contains", "value": "system:portal:full"}],
        "limit": 50,
    }))
    .unwrap();
    assert_eq!((query.edge, query.node, query.count, query.limit), ("identities", Node::Identity, true, 50));
    assert_eq!(query.condition, filter::parse(Node::Identity, "roles contains 'system:portal:full'").unwrap());
    assert_eq!(query.fields.len(), Node::Identity.fields().len());
    let table = [
        (json!({"resource": "rol"}), "/resource"),
        (json!({"resource": "session"}), "/resource"),
        (json!({"resource": "role", "filters": [{"field": "key", "op": "eq", "value": 1}]}), "/filters/0/value"),
        (json!({"resource": "role", "orderBy": "system"}), "/orderBy"),
        (json!({"resource": "role", "limit": 1000}), "/limit"),
        (json!({"resource": "role", "after": "", "before": ""}), "/before"),
    ];
    for (input, pointer) in table {
        assert_eq!(read(input.clone()).unwrap_err().pointer, pointer, "{input}");
    }
}

#[test]
fn unknown_members_are_refused() {
    assert!(serde_json::from_value::<QueryInput>(json!({"edge": "roles", "first": 1})).is_err());
    assert!(serde_json::from_value::<NodeInput>(json!({"field": []})).is_err());
    assert!(serde_json::from_value::<StructuredInput>(json!({"resource": "role", "filter": ""})).is_err());
}
