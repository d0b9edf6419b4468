//! Signed tokens before any key is looked up: whatever the header says, it is refused for a reason that is small, and
//! nothing but what a key has signed verifies. The server reads no encrypted tokens; five parts are refused like two.
//!
//! The first byte chooses: a token as it is, parts that are still to be encoded (one on each line), or a header to put on
//! a token that is signed. `{kid}` in a header becomes the id of a key that there is.

#![no_main]

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use keyward::{
    keys::{
        CLIENT_ASSERTION_ALGORITHMS, KeyRing, MAX_TOKEN_LEN, MasterKey, VerifyError, open_claims, verify_with_jwks,
    },
    model::{key::SigningAlgorithm, time::Timestamp},
    oauth::client_auth::unverified_claims,
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

const NOW: Timestamp = Timestamp::from_seconds(1_795_285_241);

struct Keys {
    master: MasterKey,
    ring: KeyRing,
    jwks: Value,
    kid: String,
    good: String,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let master = MasterKey::from_secret("a master secret for fuzzing, 0123456789").expect("32 characters");
    let record = KeyRing::generate(SigningAlgorithm::EdDSA, &master, NOW, NOW).expect("a key");
    let kid = record.kid.clone();
    let ring = KeyRing::open(vec![record], &master).expect("a ring");
    let jwks = serde_json::from_str(&ring.jwks(NOW).body).expect("JSON");
    let good = ring.sign(SigningAlgorithm::EdDSA, "at+jwt", &json!({"sub": "u1"}), NOW).expect("a token");
    Keys { master, ring, jwks, kid, good }
});

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let encoded = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
    let header = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("{kid}", &KEYS.kid).into_bytes();
    let signed = KEYS.good.split_once('.').expect("three parts").1;
    let token = match first % 3 {
        0 => match std::str::from_utf8(rest) {
            Ok(text) => text.to_owned(),
            Err(_) => return,
        },
        1 => {
            let mut parts = rest.splitn(3, |byte| *byte == b'\n');
            let mut part = || parts.next().unwrap_or_default();
            format!("{}.{}.{}", encoded(&header(part())), encoded(part()), encoded(part()))
        }
        _ => format!("{}.{signed}", encoded(&header(rest))),
    };
    let unaltered = token == KEYS.good;

    // as our own
    match KEYS.ring.verify(&token, &["at+jwt"]) {
        Ok(_) => assert!(unaltered),
        Err(error) => {
            assert!(!unaltered);
            refused(&error);
        }
    }
    assert!(KEYS.ring.verify(&token, &["jwt"]).is_err(), "a token of another kind");
    // as a client's, with no key and with one
    refused(&verify_with_jwks(&token, &json!({"keys": []})).expect_err("no key"));
    let tried = verify_with_jwks(&token, &KEYS.jwks);
    assert_eq!(tried.is_ok(), unaltered);
    if matches!(tried, Ok(_) | Err(VerifyError::Signature | VerifyError::UnknownKey { .. })) {
        understood(&token, &tried.map(|_| ()));
    }
    // as an opaque one
    let sealer = KEYS.master.sealer("access-token");
    assert!(open_claims(&sealer, &token).is_none() && open_claims(&sealer, &format!("kwat_{token}")).is_none());
});

/// What got as far as the keys: a JWS with a header that means one thing (RFC 7515 §4, §4.1.11, §7.1).
fn understood(token: &str, tried: &Result<(), VerifyError>) {
    assert!(token.len() <= MAX_TOKEN_LEN);
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3, "{token}");
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url without padding");
    // a member that means nothing is passed over, however deep it is; as a value it is read to a depth of 128
    let Ok(header) = serde_json::from_slice::<Map<String, Value>>(&decoded(parts[0])) else {
        return assert!(decoded(parts[0]).iter().filter(|byte| matches!(byte, b'[' | b'{')).count() > 120, "{token}");
    };
    assert_eq!(URL_SAFE_NO_PAD.encode(decoded(parts[2])), parts[2], "one spelling");
    let alg = header["alg"].as_str().expect("alg");
    assert!(CLIENT_ASSERTION_ALGORITHMS.contains(&alg), "{alg}");
    assert!(!["crit", "b64", "zip"].iter().any(|name| header.contains_key(*name)), "{header:?}");

    // whose keys are fetched, and which of them, is decided by the same header
    let kid = header.get("kid").and_then(Value::as_str);
    if let Some((_, unverified)) = unverified_claims(token) {
        assert_eq!(unverified.as_deref(), kid);
    }
    let named = kid.is_none_or(|kid| kid == KEYS.kid) && alg == "EdDSA";
    assert_eq!(matches!(tried, Err(VerifyError::UnknownKey { .. })), !named, "{header:?}");
}

fn refused(error: &VerifyError) {
    let message = error.to_string();
    assert!(message.chars().count() <= 300 && !message.contains(char::is_control), "{message}");
}
