//! JSON bodies of the APIs: read as any reader of JSON would, or refused; with answers that stay small, whatever was sent.
//! The graph's requests stand for all documents that are made of them: theirs are the largest.

#![no_main]

use keyward::{
    directory::{Refusal, apply::Wanted, document},
    model::{
        graph::{
            filter,
            request::{self, Invalid, Query, QueryInput, StructuredInput},
        },
        permission::Acl,
        problem::MAX_FAULTS,
    },
    web::body,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let plain = serde_json::from_slice::<Value>(bytes);
    let value = match body::json(bytes) {
        Ok(value) => value,
        Err(error) => {
            let message = error.to_string();
            assert!(message.chars().count() <= 200 && !message.contains(char::is_control), "{message}");
            assert!(plain.is_err() || message.contains("expected each member once"), "{message}");
            return;
        }
    };
    assert_eq!(value, plain.expect("JSON"), "each member once, and so the same to all");
    match body::sound(&value) {
        Err(refusal) => {
            small(&refusal);
            assert!(depth(&value) > 16 || has_nul(&value));
            return;
        }
        Ok(()) => assert!(depth(&value) <= 16 && !has_nul(&value)),
    }

    if let Value::Object(members) = &value {
        let mut members = members.clone();
        Wanted::read(members.clone(), 10_000).map_or_else(|refusal| small(&refusal), drop);
        let etag = document::take_etag(&mut members);
        etag.map_or_else(|refusal| small(&refusal), |_| assert!(!members.contains_key("etag")));
        match document::flatten(members, &["name", "email"], &["id", "createdAt"], &serde_json::Map::new()) {
            Err(refusal) => small(&refusal),
            Ok(flat) => {
                assert!(!flat.get("properties").is_some_and(|custom| custom.get("name").is_some()));
                assert!(!flat.contains_key("id") && !flat.contains_key("createdAt"));
            }
        }
    }
    if let Err(refusal) = document::read::<Acl>(value.clone()) {
        small(&refusal);
    }
    match document::read::<Vec<QueryInput>>(value.clone()) {
        Err(refusal) => small(&refusal),
        Ok(input) => match request::nested(&input) {
            Err(invalid) => fits(&invalid),
            Ok(queries) => {
                assert!((1..=request::MAX_QUERIES).contains(&queries.len()));
                queries.iter().for_each(|query| bounded(query, request::MAX_LEVELS));
            }
        },
    }
    match document::read::<StructuredInput>(value) {
        Err(refusal) => small(&refusal),
        Ok(input) => match request::structured(&input) {
            Err(invalid) => fits(&invalid),
            Ok(query) => bounded(&query, 1),
        },
    }
});

/// How many objects and arrays lie inside each other.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(members) => 1 + members.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(members) => members.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(name, member)| name.contains('\0') || has_nul(member)),
        _ => false,
    }
}

/// Whoever sends much is not answered with as much.
fn small(refusal: &Refusal) {
    let problem = refusal.problem();
    assert_ne!(problem.code.status(), 500, "{problem}");
    let length = |text: &str| text.chars().count();
    assert!(length(&problem.detail) <= 2000, "{} characters", length(&problem.detail));
    assert!(problem.errors.len() <= MAX_FAULTS);
    for fault in &problem.errors {
        assert!(length(&fault.message) <= 1000, "{} characters", length(&fault.message));
        assert!(fault.pointer.as_ref().is_none_or(|pointer| pointer.is_empty() || pointer.starts_with('/')));
    }
}

fn fits(invalid: &Invalid) {
    assert!(invalid.message.len() <= 1000, "{} characters", invalid.message.len());
    assert!(invalid.pointer.is_empty() || invalid.pointer.starts_with('/'), "{}", invalid.pointer);
}

fn bounded(query: &Query, levels: usize) {
    assert!((1..=request::MAX_LIMIT).contains(&query.limit) && !query.fields.is_empty());
    assert!(query.after.is_none() || query.before.is_none());
    let printed = filter::print(&query.condition);
    if printed.len() <= filter::MAX_LENGTH && !printed.is_empty() {
        let again = filter::parse(query.node, &printed).expect("what was printed");
        assert_eq!(filter::print(&again), printed);
    }
    assert!(query.navigate.len() <= request::MAX_NAVIGATIONS && (query.navigate.is_empty() || levels > 1));
    query.navigate.iter().for_each(|led| bounded(led, levels - 1));
}
