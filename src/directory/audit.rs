//! What the audit log is told about a change.

use serde_json::{Map, Value};

use super::Actor;
use crate::{
    model::{id, time::Timestamp},
    store::{
        self, Tx,
        audit::{Change, Event},
    },
};

/// The most changes that one event names.
const MAX_CHANGES: usize = 100;
/// The most characters of a value that an event shows.
const MAX_VALUE: usize = 1024;

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

/// The members that differ, but for the version, which always does.
pub fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare("", before, after, &mut found);
    found.truncate(MAX_CHANGES);
    found
}

fn compare(path: &str, before: &Value, after: &Value, found: &mut Vec<Change>) {
    if before == after || found.len() >= MAX_CHANGES {
        return;
    }
    let empty = Map::new();
    let members = |value: &'_ Value| value.as_object().cloned();
    match (members(before), members(after)) {
        (None, None) => {
            found.push(Change { path: path.to_owned(), from: short(before), to: short(after) });
        }
        (old, new) if path.is_empty() || (old.is_some() && new.is_some()) => {
            let (old, new) = (old.unwrap_or_else(|| empty.clone()), new.unwrap_or(empty));
            let mut names: Vec<&String> =
                old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))).collect();
            names.sort();
            for name in names {
                let (from, to) = (old.get(name).unwrap_or(&Value::Null), new.get(name).unwrap_or(&Value::Null));
                if path.is_empty() && name == "eTag" {
                    continue;
                }
                compare(&format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), from, to, found);
            }
        }
        _ => found.push(Change { path: path.to_owned(), from: short(before), to: short(after) }),
    }
}

/// A value that is not too long to be kept for every change of it.
fn short(value: &Value) -> Value {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(MAX_VALUE) {
        Some((at, _)) => Value::String(format!("{}…", &text[..at])),
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
        let long = changes(&json!({"a": "x".repeat(5000)}), &Value::Null);
        assert_eq!(long[0].from.as_str().unwrap().chars().count(), MAX_VALUE + 1);
    }
}
