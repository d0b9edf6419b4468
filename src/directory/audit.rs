//! What the audit log is told about a change.

use serde_json::{Map, Value, json};

use super::Actor;
use crate::{
    model::{id, secret::SecretHash, time::Timestamp},
    store::{
        self, Tx,
        audit::{Change, Event},
    },
};

/// The most changes that one event names.
const MAX_CHANGES: usize = 100;
/// The most characters of a text that an event shows, and of a list that it shows whole.
const MAX_VALUE: usize = 1024;
/// What is named first: by these somebody gains or loses something.
const WEIGHTY: [&str; 17] = [
    "roles",
    "acl",
    "accessAttributes",
    "systemUser",
    "scopes",
    "redirectUris",
    "grantTypes",
    "tokenEndpointAuthMethod",
    "firstParty",
    "jwks",
    "jwksUri",
    "resourceUris",
    "email",
    "phone",
    "suspendedAt",
    "holders",
    "type",
];

/// On what something was done.
#[derive(Clone, Copy, Debug)]
pub struct Target<'t> {
    /// `principal`, `client`, `role`, `session`, …
    pub kind: &'static str,
    /// Its id.
    pub id: &'t str,
}

/// Notes, in the transaction that does it, that `actor` did `action` (`principal.update`) and what it changed.
/// `before` and `after` are the object as it is answered, without secrets; null where there is none.
///
/// # Errors
/// The database failed.
pub fn note(
    tx: &mut Tx<'_>,
    actor: &Actor,
    action: &str,
    target: Target<'_>,
    before: &Value,
    after: &Value,
    now: Timestamp,
) -> Result<(), store::Error> {
    let mut event = event(actor, action, target.kind, Some(target.id), now);
    event.changes = changes(before, after);
    store::audit::insert(tx, &event)
}

/// An event without changes.
pub fn event(actor: &Actor, action: &str, kind: &str, target: Option<&str>, now: Timestamp) -> Event {
    Event {
        id: id::generate(now),
        at: now,
        action: action.to_owned(),
        refused: None,
        actor_kind: actor.kind.as_str().to_owned(),
        actor_id: actor.id.clone(),
        client_id: actor.client_id.clone(),
        ip_address: actor.ip_address.map(|address| address.to_string()),
        request_id: actor.request_id.clone(),
        target_kind: kind.to_owned(),
        target_id: target.map(str::to_owned),
        changes: Vec::new(),
        occurrences: 1,
    }
}

/// The members that differ, but for the version, which always does; what weighs most comes first. Where there are more
/// than can be named, the last change says how many.
pub fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare("", before, after, &mut found);
    found.sort_by_key(|change| !WEIGHTY.iter().any(|name| is_within(&change.path, name)));
    if found.len() > MAX_CHANGES {
        let more = found.len() - MAX_CHANGES;
        found.truncate(MAX_CHANGES);
        found.push(Change { path: String::new(), from: Value::Null, to: json!(format!("{more} more members")) });
    }
    found
}

fn is_within(path: &str, name: &str) -> bool {
    let rest = path.strip_prefix('/').and_then(|path| path.strip_prefix(name));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn compare(path: &str, before: &Value, after: &Value, found: &mut Vec<Change>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => members(path, old, new, found),
        (Value::Object(old), Value::Null) if path.is_empty() => members(path, old, &Map::new(), found),
        (Value::Null, Value::Object(new)) if path.is_empty() => members(path, &Map::new(), new, found),
        // of a long list what went and what came, each whole: nothing hides behind what stayed
        (Value::Array(old), Value::Array(new)) if before.to_string().len().max(after.to_string().len()) > MAX_VALUE => {
            let only = |these: &[Value], those: &[Value]| -> Value {
                these.iter().filter(|member| !those.contains(member)).cloned().collect()
            };
            found.push(Change { path: path.to_owned(), from: only(old, new), to: only(new, old) });
        }
        _ => found.push(Change { path: path.to_owned(), from: short(before), to: short(after) }),
    }
}

fn members(path: &str, old: &Map<String, Value>, new: &Map<String, Value>, found: &mut Vec<Change>) {
    let mut names: Vec<&String> = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))).collect();
    names.sort();
    for name in names.into_iter().filter(|name| !path.is_empty() || *name != "eTag") {
        let (from, to) = (old.get(name).unwrap_or(&Value::Null), new.get(name).unwrap_or(&Value::Null));
        compare(&format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), from, to, found);
    }
}

/// A value that is not too long to be kept for every change of it. Of a long text the beginning, and a digest, so that two
/// that differ look different.
fn short(value: &Value) -> Value {
    let Value::String(text) = value else { return value.clone() };
    match text.char_indices().nth(MAX_VALUE) {
        Some((at, _)) => json!(format!("{}… (SHA-256 {})", &text[..at], SecretHash::of(text).as_str())),
        None => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_names_the_members_that_differ() {
        let change = |path: &str, from, to| Change { path: path.to_owned(), from, to };
        let before = json!({"name": "Ada", "acl": {"entries": []}, "roles": ["a:b"], "eTag": "1"});
        let after = json!({"name": "Ada", "acl": {"entries": [1]}, "roles": [], "eTag": "2", "phone": "1"});
        assert_eq!(
            changes(&before, &after),
            [
                change("/acl/entries", json!([]), json!([1])),
                change("/phone", json!(null), json!("1")),
                change("/roles", json!(["a:b"]), json!([])),
            ]
        );
        assert_eq!(changes(&Value::Null, &json!({"name": "Ada"})), [change("/name", json!(null), json!("Ada"))]);
        let long = changes(&json!({"a": "x".repeat(5000)}), &json!({"a": format!("{}y", "x".repeat(5000))}));
        assert!(long[0].from != long[0].to && long[0].from.as_str().unwrap().starts_with("xxx"));
    }

    #[test]
    fn nothing_hides_behind_many_others() {
        let entries: Vec<Value> = (0..60).map(|n| json!({"resource": [format!("some/long/resource/{n}")]})).collect();
        let mut more = entries.clone();
        more.push(json!({"resource": ["*"]}));
        let found = changes(&json!({"acl": {"entries": entries}}), &json!({"acl": {"entries": more}}));
        assert_eq!((&found[0].from, &found[0].to), (&json!([]), &json!([{"resource": ["*"]}])));

        let custom: Map<String, Value> = (0..150).map(|n| (format!("k{n}"), json!(n))).collect();
        let found = changes(&json!({"custom": {}, "roles": []}), &json!({"custom": custom, "roles": ["a:b"]}));
        assert_eq!((found[0].path.as_str(), found.len()), ("/roles", MAX_CHANGES + 1));
        assert_eq!(found[MAX_CHANGES].to, "51 more members");
    }
}
