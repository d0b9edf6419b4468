//! A person's own settings: a free-form object that applications keep for the person, bounded in every direction.

use serde_json::{Map, Value, json};

use super::{
    Actor, Precondition, Refusal,
    audit::{self, Target},
    profile::{acting, gone},
};
use crate::{
    model::{id::shown, problem::Code, secret::random_text, text::is_unseen, time::Timestamp},
    store::{self, Conn, Tx},
};

/// The most keys at the top.
const MAX_KEYS: usize = 100;
/// The most characters of a key at the top.
const MAX_KEY: usize = 64;
/// The most objects and arrays inside each other, the settings themselves included.
const MAX_DEPTH: usize = 8;
/// The most bytes of all settings as JSON.
const MAX_BYTES: usize = 16_384;

/// Settings in a version, which is the version of the person.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What they are.
    pub values: Map<String, Value>,
    /// The version.
    pub etag: String,
}

/// The settings of this person.
///
/// # Errors
/// [`Code::TokenInvalid`] where the person is gone; the database cannot be asked.
pub fn get(conn: &mut Conn, id: &str) -> Result<Settings, Refusal> {
    let principal = store::principal::find(conn, id)?.ok_or_else(gone)?;
    Ok(Settings { values: principal.settings, etag: principal.etag })
}

/// Changes settings: keys that are given replace, null removes, keys that are absent stay. What changes nothing leaves the
/// version as it is, and no event.
///
/// # Errors
/// The precondition's; [`Code::FieldInvalid`] where there would be too much; [`Code::TokenInvalid`] where the person may
/// not act any more.
pub fn put(
    tx: &mut Tx<'_>,
    actor: &Actor,
    id: &str,
    changes: &Map<String, Value>,
    precondition: &Precondition,
    require_precondition: bool,
    now: Timestamp,
) -> Result<Settings, Refusal> {
    let stored = acting(tx, id)?;
    precondition.check(Some(&stored.etag), require_precondition)?;
    let mut principal = stored.clone();
    for (key, value) in changes {
        match value {
            Value::Null => principal.settings.remove(key),
            value => principal.settings.insert(key.clone(), value.clone()),
        };
    }
    if principal == stored {
        return Ok(Settings { values: stored.settings, etag: stored.etag });
    }
    check(&principal.settings, &stored.settings)?;
    principal.updated_at = now;
    principal.etag = random_text::<12>();
    if !store::principal::set_own(tx, &principal, &stored.etag)? {
        return Err(Refusal::new(Code::EtagMismatch, "somebody has changed it meanwhile; nothing was changed"));
    }
    let (before, after) = (json!({"settings": stored.settings}), json!({"settings": principal.settings}));
    audit::note(tx, actor, "principal.update", Target { kind: "principal", id }, &before, &after, now)?;
    Ok(Settings { values: principal.settings, etag: principal.etag })
}

/// Whether these can be somebody's settings; one that is as `stored` may stay as it is.
///
/// # Errors
/// [`Code::FieldInvalid`].
pub fn check(settings: &Map<String, Value>, stored: &Map<String, Value>) -> Result<(), Refusal> {
    let new = || settings.iter().filter(|(key, value)| stored.get(*key) != Some(*value));
    let sound = |key: &str| (1..=MAX_KEY).contains(&key.chars().count()) && !key.chars().any(is_unseen);
    let too_much = |message: String| Err(Refusal::new(Code::FieldInvalid, message));
    if settings.len() > MAX_KEYS {
        return too_much(format!("expected at most {MAX_KEYS} settings, got {}", settings.len()));
    }
    if let Some(key) = new().map(|(key, _)| key).find(|key| !sound(key)) {
        return too_much(format!("expected keys of 1 to {MAX_KEY} characters that can be seen, got '{}'", shown(key)));
    }
    if new().any(|(_, value)| depth(value) >= MAX_DEPTH) {
        return too_much(format!("expected at most {MAX_DEPTH} levels"));
    }
    let bytes = serde_json::to_string(settings).map_or(usize::MAX, |text| text.len());
    if bytes > MAX_BYTES {
        return too_much(format!("expected at most {MAX_BYTES} bytes of settings in all, got {bytes}"));
    }
    Ok(())
}

/// How many objects and arrays are inside each other; bodies are bounded before they come here.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(members) => 1 + members.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_bounded_in_every_direction() {
        let fits = |value: Value| check(value.as_object().unwrap(), &Map::new()).is_ok();
        assert!(fits(json!({"theme": "dark", "a": [{"b": null}]})));
        assert!(fits(json!({"a": [[[[[[[1]]]]]]]})));
        assert!(!fits(json!({"a": [[[[[[[[1]]]]]]]]})));
        assert!(!fits(json!({"": 1})) && !fits(json!({"x".repeat(65): 1})) && fits(json!({"ä".repeat(64): 1})));
        assert!(!fits(json!({"a": "x".repeat(16_384)})) && !fits(json!({"a\u{202e}": 1})));
        let (stored, more) = (json!({"a\u{202e}": 1}), json!({"a\u{202e}": 1, "b": 2}));
        assert!(check(more.as_object().unwrap(), stored.as_object().unwrap()).is_ok(), "what is there may stay");
        let many = |n: usize| Value::Object((0..n).map(|n| (n.to_string(), json!(n))).collect());
        assert!(fits(many(100)) && !fits(many(101)));
    }
}
