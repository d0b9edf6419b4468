//! The ring: what it signs verifies elsewhere, and each key is what its time says.

use std::{sync::LazyLock, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::{
    jwk::Jwk,
    jws::{self, JwsVerifier},
};
use serde_json::{Map, Value, json};

use super::*;
use crate::model::{
    key::{SigningAlgorithm, SigningKeyRecord},
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_seconds(1_795_285_241);
const HOUR: Duration = Duration::from_secs(3600);
const MILLISECOND: Duration = Duration::from_millis(1);

pub(super) fn master() -> MasterKey {
    MasterKey::from_secret("a master secret for tests, 0123456789").unwrap()
}

fn record(algorithm: SigningAlgorithm, activates_at: Timestamp) -> SigningKeyRecord {
    KeyRing::generate(algorithm, &master(), NOW, activates_at).unwrap()
}

fn ring(records: &[&SigningKeyRecord]) -> KeyRing {
    KeyRing::open(records.iter().map(|record| (*record).clone()).collect(), &master()).unwrap()
}

/// One key of each algorithm, active since long ago.
pub(super) static ONE_OF_EACH: LazyLock<KeyRing> = LazyLock::new(|| {
    let records: Vec<_> = SigningAlgorithm::ALL.into_iter().map(|algorithm| record(algorithm, NOW - HOUR)).collect();
    KeyRing::open(records, &master()).unwrap()
});

fn published(ring: &KeyRing, now: Timestamp) -> Vec<Map<String, Value>> {
    let mut jwks: Value = serde_json::from_str(&ring.jwks(now).body).unwrap();
    serde_json::from_value(jwks["keys"].take()).unwrap()
}

fn kids(ring: &KeyRing, now: Timestamp) -> Vec<String> {
    published(ring, now).iter().map(|jwk| jwk["kid"].as_str().unwrap().to_owned()).collect()
}

/// The `kid` of the key that signs.
fn signs(ring: &KeyRing, now: Timestamp) -> String {
    let token = ring.sign(SigningAlgorithm::EdDSA, "JWT", &json!({}), now).unwrap();
    ring.verify(&token, &["JWT"]).unwrap().kid.unwrap()
}

fn phases(ring: &KeyRing, now: Timestamp) -> Vec<(KeyPhase, bool)> {
    ring.state(now).into_iter().map(|state| (state.phase, state.published)).collect()
}

#[test]
fn what_the_ring_signs_it_verifies() {
    let claims = json!({"sub": "u1", "exp": 1_795_285_841, "nested": {"a": [1, "é"]}});
    for algorithm in SigningAlgorithm::ALL {
        let token = ONE_OF_EACH.sign(algorithm, "at+jwt", &claims, NOW).unwrap();
        let verified = ONE_OF_EACH.verify(&token, &["at+jwt"]).unwrap();
        assert_eq!(Value::Object(verified.claims), claims);
        assert_eq!(verified.algorithm, algorithm.as_str());
        assert_eq!(verified.typ.as_deref(), Some("at+jwt"));

        let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header, json!({"alg": algorithm.as_str(), "kid": verified.kid, "typ": "at+jwt"}));
    }
    assert_eq!(ONE_OF_EACH.algorithms(), SigningAlgorithm::ALL);
}

#[test]
fn another_implementation_verifies_under_the_published_keys() {
    for jwk in published(&ONE_OF_EACH, NOW) {
        let algorithm: SigningAlgorithm = jwk["alg"].as_str().unwrap().parse().unwrap();
        let token = ONE_OF_EACH.sign(algorithm, "JWT", &json!({"sub": "u1"}), NOW).unwrap();
        let jwk = Jwk::from_map(jwk).unwrap();
        let openssl: Box<dyn JwsVerifier> = match algorithm {
            SigningAlgorithm::RS256 => Box::new(jws::RS256.verifier_from_jwk(&jwk).unwrap()),
            SigningAlgorithm::ES256 => Box::new(jws::ES256.verifier_from_jwk(&jwk).unwrap()),
            SigningAlgorithm::EdDSA => Box::new(jws::EdDSA.verifier_from_jwk(&jwk).unwrap()),
        };
        let (payload, header) = jws::deserialize_compact(&token, &*openssl).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap(), json!({"sub": "u1"}));
        assert_eq!(header.key_id(), jwk.key_id());
        let tampered = token.replacen('.', ".e30", 1);
        assert!(jws::deserialize_compact(tampered, &*openssl).is_err());
    }
}

#[test]
fn the_published_keys_verify_as_a_clients_keys_do() {
    let jwks: Value = serde_json::from_str(&ONE_OF_EACH.jwks(NOW).body).unwrap();
    validate_jwks(&jwks).unwrap();
    for algorithm in SigningAlgorithm::ALL {
        let token = ONE_OF_EACH.sign(algorithm, "JWT", &json!({"sub": "u1"}), NOW).unwrap();
        assert_eq!(verify_with_jwks(&token, &jwks), ONE_OF_EACH.verify(&token, &["JWT"]));
    }
}

#[test]
fn published_keys_have_public_members_only() {
    let keys = published(&ONE_OF_EACH, NOW);
    let members = |jwk: &Map<String, Value>| {
        let mut members: Vec<_> = jwk.keys().cloned().collect();
        members.sort();
        members.join(" ")
    };
    assert_eq!(members(&keys[0]), "alg e kid kty n use");
    assert_eq!(members(&keys[1]), "alg crv kid kty use x y");
    assert_eq!(members(&keys[2]), "alg crv kid kty use x");
    for jwk in keys {
        assert_eq!(jwk["use"], "sig");
        assert_eq!(jwk["kid"], thumbprint(&jwk).unwrap());
        if let Some(n) = jwk.get("n") {
            let n = URL_SAFE_NO_PAD.decode(n.as_str().unwrap()).unwrap();
            assert_eq!((n.len(), n[0] >> 7), (256, 1), "2048 bits");
        }
    }
}

#[test]
fn a_stored_key_shows_only_its_public_half() {
    for algorithm in SigningAlgorithm::ALL {
        let record = record(algorithm, NOW);
        let jwk: Map<String, Value> = serde_json::from_str(&record.public_jwk).unwrap();
        assert!(!jwk.contains_key("d"));
        assert_eq!(thumbprint(&jwk).unwrap(), record.kid);
        assert_eq!(published(&ring(&[&record]), NOW), [jwk]);
    }
}

#[test]
fn a_key_is_published_before_it_signs_and_after_it_has_signed() {
    let old = record(SigningAlgorithm::EdDSA, NOW);
    let new = record(SigningAlgorithm::EdDSA, NOW + HOUR);
    let ring = ring(&[&new, &old]);
    let both = [old.kid.clone(), new.kid.clone()];
    let old_token = ring.sign(SigningAlgorithm::EdDSA, "JWT", &json!({}), NOW).unwrap();

    let before = NOW + HOUR - MILLISECOND;
    assert_eq!(signs(&ring, before), old.kid);
    assert_eq!(kids(&ring, before), both);
    assert_eq!(phases(&ring, before), [(KeyPhase::Current, true), (KeyPhase::Next, true)]);

    let at = NOW + HOUR;
    assert_eq!(signs(&ring, at), new.kid);
    assert_eq!(kids(&ring, at), both);
    assert_eq!(phases(&ring, at), [(KeyPhase::Retired, true), (KeyPhase::Current, true)]);

    let last = at + PUBLISH_RETIRED - MILLISECOND;
    assert_eq!(kids(&ring, last), both);
    let after = at + PUBLISH_RETIRED;
    assert_eq!(kids(&ring, after), [new.kid.as_str()]);
    assert_eq!(phases(&ring, after), [(KeyPhase::Retired, false), (KeyPhase::Current, true)]);
    assert_eq!(kids(&ring, before), both, "the clock went back");

    let states = ring.state(after);
    assert_eq!(states[0].superseded_at, Some(new.activates_at));
    assert_eq!(states[1].superseded_at, None);
    assert_eq!(ring.verify(&old_token, &["JWT"]).unwrap().kid, Some(old.kid), "it verifies while it is in the ring");
}

#[test]
fn several_keys_may_be_pending_and_each_takes_its_turn() {
    let keys: Vec<_> = (0..4).map(|i| record(SigningAlgorithm::EdDSA, NOW + HOUR * i)).collect();
    let ring = ring(&[&keys[2], &keys[0], &keys[3], &keys[1]]);
    for (i, key) in keys.iter().enumerate() {
        assert_eq!(signs(&ring, key.activates_at), key.kid);
        let current = ring.state(key.activates_at).into_iter().filter(|state| state.phase == KeyPhase::Current);
        assert_eq!(current.map(|state| state.kid).collect::<Vec<_>>(), [key.kid.as_str()], "key {i} alone is current");
    }
}

#[test]
fn before_any_key_is_active_the_oldest_signs() {
    let first = record(SigningAlgorithm::EdDSA, NOW + HOUR);
    let second = record(SigningAlgorithm::EdDSA, NOW + HOUR * 2);
    let ring = ring(&[&second, &first]);
    assert_eq!(signs(&ring, NOW), first.kid);
    assert_eq!(phases(&ring, NOW), [(KeyPhase::Current, true), (KeyPhase::Next, true)]);
}

#[test]
fn two_keys_that_activate_together_leave_one_current() {
    let (a, b) = (record(SigningAlgorithm::EdDSA, NOW), record(SigningAlgorithm::EdDSA, NOW));
    assert_eq!(signs(&ring(&[&a, &b]), NOW), signs(&ring(&[&b, &a]), NOW));
    assert_eq!(phases(&ring(&[&a, &b]), NOW), [(KeyPhase::Retired, true), (KeyPhase::Current, true)]);
}

#[test]
fn one_algorithms_rotation_leaves_the_others_alone() {
    let ec = record(SigningAlgorithm::ES256, NOW);
    let ed = record(SigningAlgorithm::EdDSA, NOW + HOUR);
    let ring = ring(&[&ed, &ec]);
    assert_eq!(ring.algorithms(), [SigningAlgorithm::ES256, SigningAlgorithm::EdDSA]);
    assert_eq!(phases(&ring, NOW + HOUR * 100), [(KeyPhase::Current, true), (KeyPhase::Current, true)]);
    let error = ring.sign(SigningAlgorithm::RS256, "JWT", &json!({}), NOW).unwrap_err();
    assert!(matches!(error, KeyError::NoKey(SigningAlgorithm::RS256)));
}

#[test]
fn the_key_set_is_the_same_text_from_every_ring_and_its_tag_follows_it() {
    let old = record(SigningAlgorithm::EdDSA, NOW);
    let new = record(SigningAlgorithm::EdDSA, NOW + HOUR);
    let (one, two) = (ring(&[&old, &new]), ring(&[&new, &old]));
    assert_eq!(one.jwks(NOW), two.jwks(NOW));
    assert!(std::sync::Arc::ptr_eq(&one.jwks(NOW), &one.jwks(NOW + HOUR)), "kept while the set does not change");
    let later = one.jwks(NOW + HOUR + PUBLISH_RETIRED);
    assert_ne!(one.jwks(NOW).etag, later.etag);
    assert!(later.etag.starts_with('"') && later.etag.ends_with('"') && later.etag.len() == 45);
}

#[test]
fn an_empty_ring_publishes_an_empty_set_and_signs_nothing() {
    let ring = ring(&[]);
    assert_eq!(ring.jwks(NOW).body, r#"{"keys":[]}"#);
    assert_eq!(ring.algorithms(), []);
    assert!(ring.sign(SigningAlgorithm::ES256, "JWT", &json!({}), NOW).is_err());
    assert!(matches!(ring.verify("e30.e30.", &[]), Err(VerifyError::Malformed(_))));
}

#[test]
fn another_master_key_is_refused_by_name() {
    let record = record(SigningAlgorithm::EdDSA, NOW);
    let other = MasterKey::from_secret("another master secret for tests, 0123456789").unwrap();
    let error = KeyRing::open(vec![record.clone()], &other).unwrap_err();
    assert!(matches!(&error, KeyError::MasterKey { kid } if *kid == record.kid));
    assert!(error.to_string().contains("master key does not fit"), "{error}");
}

#[test]
fn a_row_that_was_tampered_with_is_refused() {
    let (a, b) = (record(SigningAlgorithm::ES256, NOW), record(SigningAlgorithm::ES256, NOW));
    let open = |record: SigningKeyRecord| KeyRing::open(vec![record], &master()).map(|_| ());
    assert!(open(a.clone()).is_ok());
    let swapped = SigningKeyRecord { sealed_private: b.sealed_private.clone(), ..a.clone() };
    assert!(matches!(open(swapped), Err(KeyError::MasterKey { .. })));
    let renamed = SigningKeyRecord { kid: "x".into(), ..a.clone() };
    assert!(matches!(open(renamed), Err(KeyError::MasterKey { .. })));
    for algorithm in [SigningAlgorithm::EdDSA, SigningAlgorithm::RS256] {
        assert!(matches!(open(SigningKeyRecord { algorithm, ..a.clone() }), Err(KeyError::Damaged { .. })));
    }
    // Somebody who can write to the database cannot have a key of their own published.
    let foreign = SigningKeyRecord { public_jwk: b.public_jwk, ..a.clone() };
    assert_eq!(kids(&ring(&[&foreign]), NOW), [a.kid]);
}

#[test]
fn only_objects_of_a_bounded_size_are_signed() {
    for claims in [json!([]), json!("x"), json!(null), json!(1)] {
        let error = ONE_OF_EACH.sign(SigningAlgorithm::ES256, "JWT", &claims, NOW).unwrap_err();
        assert!(matches!(error, KeyError::NotAnObject));
    }
    let long = json!({"x": "x".repeat(MAX_TOKEN_LEN)});
    let error = ONE_OF_EACH.sign(SigningAlgorithm::ES256, "JWT", &long, NOW).unwrap_err();
    assert!(matches!(error, KeyError::TooLong { .. }));
}

#[test]
fn a_ring_shows_no_key_material() {
    let shown = format!("{:?}", *ONE_OF_EACH);
    for jwk in published(&ONE_OF_EACH, NOW) {
        assert!(shown.contains(jwk["kid"].as_str().unwrap()));
    }
    assert!(shown.len() < 300, "{shown}");
}
