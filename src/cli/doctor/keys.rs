//! The signing keys: their ages, and whether clients get them.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;

use super::{
    finding::{Fault, Finding, told},
    wire::Wire,
};
use crate::{
    app::App,
    config::Config,
    keys::{KeyPhase, KeyState},
    model::time::Timestamp,
};

const CHECK: &str = "keys";
/// A key that signs for longer than this should get a successor.
const OLD: Duration = Duration::from_secs(365 * 86_400);

/// Judges the keys in the database, and compares them with what the issuer publishes.
pub async fn examine(app: &App, config: &Config, wire: Option<&Wire>) -> Finding {
    let now = app.clock.now();
    let keys = app.keys.load().state(now);
    let mut faults = ages(&keys, now);
    for algorithm in &config.keys.signing_algorithms {
        if !keys.iter().any(|key| key.algorithm == *algorithm) {
            let what = format!("there is no key for {}", algorithm.as_str());
            faults.push(Fault::problem(what, "Start the server anew: it makes keys for keys.signing_algorithms."));
        }
    }
    let mut published = "what the issuer publishes was not looked at".to_owned();
    if let Some(wire) = wire {
        let url = wire.below("/oauth/jwks");
        match wire.get(&url).await.map(|answer| answer.json()) {
            Ok(Some(set)) => {
                faults.extend(compare(&keys, &set));
                published = "the issuer publishes all that it should".to_owned();
            }
            Ok(None) => {
                let fix = "Have the proxy pass it on: nobody can verify a token without.";
                faults.push(Fault::problem(format!("{url} answers no key set"), fix));
            }
            Err(error) => faults.push(Fault::problem(format!("{url}: {error}"), "Look into the server's log.")),
        }
    }
    let current: Vec<String> = keys
        .iter()
        .filter(|key| key.phase == KeyPhase::Current)
        .map(|key| format!("{} for {}", key.algorithm.as_str(), told(now.since(key.activates_at))))
        .collect();
    let next = match keys.iter().any(|key| key.phase == KeyPhase::Next) {
        true => "; the next keys wait already",
        false => "",
    };
    Finding::of_faults(CHECK, faults, format!("keys sign {}{next}; {published}", current.join(", ")))
}

fn ages(keys: &[KeyState], now: Timestamp) -> Vec<Fault> {
    let old = keys.iter().filter(|key| key.phase == KeyPhase::Current && now.since(key.activates_at) > OLD);
    // a successor that waits will sign soon
    let alone = old.filter(|old| !keys.iter().any(|key| key.algorithm == old.algorithm && key.phase == KeyPhase::Next));
    alone
        .map(|key| {
            let age = told(now.since(key.activates_at));
            let what = format!("the key {} ({}) has signed for {age}", key.kid, key.algorithm.as_str());
            Fault::warning(what, "Run `keyward key rotate` once a year or oftener: new keys are published, then sign.")
        })
        .collect()
}

fn compare(keys: &[KeyState], set: &Value) -> Vec<Fault> {
    let shown = set.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let shown: BTreeSet<&str> = shown.iter().filter_map(|key| key.get("kid").and_then(Value::as_str)).collect();
    let expected: BTreeSet<&str> = keys.iter().filter(|key| key.published).map(|key| key.kid.as_str()).collect();
    let mut faults = Vec::new();
    let missing: Vec<&str> = expected.difference(&shown).copied().collect();
    if !missing.is_empty() {
        let what = format!("the issuer does not publish {}", missing.join(", "));
        let fix = "See whether the server uses this database and reaches it, and whether a cache on the way keeps an old \
                   key set for too long.";
        faults.push(Fault::problem(what, fix));
    }
    if shown.difference(&expected).next().is_some() {
        let what = "the issuer publishes keys that this database does not have";
        let fix = "Give the server and this command the same database, or wait until caches on the way have let go of \
                   keys that were revoked.";
        faults.push(Fault::problem(what, fix));
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::key::SigningAlgorithm;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn key(kid: &str, phase: KeyPhase, age: Duration) -> KeyState {
        KeyState {
            kid: kid.to_owned(),
            algorithm: SigningAlgorithm::RS256,
            phase,
            created_at: NOW - age,
            activates_at: NOW - age,
            superseded_at: None,
            published: true,
        }
    }

    #[test]
    fn an_old_key_without_a_successor_is_told() {
        let old = key("a", KeyPhase::Current, OLD + Duration::from_secs(1));
        assert_eq!(ages(std::slice::from_ref(&old), NOW).len(), 1);
        assert!(ages(&[old, key("b", KeyPhase::Next, Duration::ZERO)], NOW).is_empty());
        assert!(ages(&[key("a", KeyPhase::Current, OLD)], NOW).is_empty());
    }

    #[test]
    fn keys_that_are_missing_or_strange_are_told() {
        let keys = [key("a", KeyPhase::Current, OLD), key("b", KeyPhase::Next, OLD)];
        let set = |kids: &[&str]| json!({ "keys": kids.iter().map(|kid| json!({ "kid": kid })).collect::<Vec<_>>() });
        assert!(compare(&keys, &set(&["a", "b"])).is_empty());
        assert_eq!(compare(&keys, &set(&["a"])).len(), 1);
        assert_eq!(compare(&keys, &set(&["a", "b", "c"])).len(), 1);
        assert_eq!(compare(&keys, &json!({})).len(), 1);
    }
}
