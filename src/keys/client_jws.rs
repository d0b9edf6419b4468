//! JWTs that clients sign with their own keys, to authenticate by `private_key_jwt` (RFC 7523 §2.2) and the like.

use serde_json::{Map, Value};

use crate::keys::{
    compact::{Compact, Verified},
    error::{VerifyError, excerpt, excerpt_or_none},
    jwk::PRIVATE_MEMBERS,
    verifier::{Algorithm, Verifier},
};

/// The signature algorithms that clients may use. All are asymmetric, so that nobody can pass a public key off as a
/// MAC's secret (RFC 8725 §2.1).
pub const CLIENT_ASSERTION_ALGORITHMS: &[&str] = &[
    Algorithm::RS256.as_str(),
    Algorithm::PS256.as_str(),
    Algorithm::ES256.as_str(),
    Algorithm::ES384.as_str(),
    Algorithm::EdDSA.as_str(),
];

/// The most keys that a client registers, and the most that are tried for one token.
const MAX_KEYS: usize = 16;

/// Verifies a JWT under the keys of a JWK Set (RFC 7517 §5).
///
/// A token with a `kid` is verified under keys of that `kid` only; one without, under each key that its `alg` allows.
/// Keys that are not for signatures, are private, or are too weak do not count. Says nothing about the claims, nor
/// about `typ`.
pub fn verify_with_jwks(token: &str, jwks: &Value) -> Result<Verified, VerifyError> {
    let token = Compact::parse(token)?;
    let Some(algorithm) = Algorithm::named(token.alg()) else {
        let expected = CLIENT_ASSERTION_ALGORITHMS.join(" or ");
        return Err(VerifyError::Algorithm { expected, got: excerpt(token.alg()) });
    };
    let keys = jwks.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let named = |jwk: &&Map<String, Value>| match token.kid() {
        Some(kid) => jwk.get("kid").and_then(Value::as_str) == Some(kid),
        None => true,
    };
    let mut tried = false;
    for verifier in keys
        .iter()
        .filter_map(Value::as_object)
        .filter(named)
        .filter_map(|jwk| usable(jwk, algorithm).ok())
        .take(MAX_KEYS)
    {
        tried = true;
        if token.is_signed_by(&verifier) {
            return token.into_verified(algorithm);
        }
    }
    Err(if tried { VerifyError::Signature } else { VerifyError::UnknownKey { got: excerpt_or_none(token.kid()) } })
}

/// Checks a JWK Set that a client registers: one to 16 public keys, each of a type that is supported. The error is for
/// whoever registers.
pub fn validate_jwks(jwks: &Value) -> Result<(), String> {
    let keys = jwks.get("keys").and_then(Value::as_array);
    let keys = keys.ok_or("expected a JWK Set: an object with an array 'keys'")?;
    if keys.is_empty() || keys.len() > MAX_KEYS {
        return Err(format!("expected 1 to {MAX_KEYS} keys, got {}", keys.len()));
    }
    for (index, jwk) in keys.iter().enumerate() {
        validate_jwk(jwk).map_err(|reason| format!("keys[{index}] {reason}"))?;
    }
    Ok(())
}

/// The reason completes "keys\[0\] …".
fn validate_jwk(jwk: &Value) -> Result<(), String> {
    let jwk = jwk.as_object().ok_or("is not an object")?;
    if let Some(member) = private_member(jwk) {
        return Err(format!("holds the private member '{member}': register the public key, and replace this one"));
    }
    for name in ["kty", "use", "alg", "kid", "crv"] {
        if jwk.get(name).is_some_and(|value| !value.is_string()) {
            return Err(format!("has a '{name}' that is not a string"));
        }
    }
    let text = |name| jwk.get(name).and_then(Value::as_str);
    let kty = text("kty").ok_or("has no kty")?;
    if !["RSA", "EC", "OKP"].contains(&kty) {
        return Err(format!("has a kty that is not supported: expected RSA, EC or OKP, got '{}'", excerpt(kty)));
    }
    // A key to encrypt to is never used to verify; whether it serves is seen where something is encrypted.
    if text("use") == Some("enc") {
        return Ok(());
    }
    let candidates: Vec<Algorithm> = match text("alg") {
        Some(alg) => vec![Algorithm::named(alg).ok_or_else(|| {
            let expected = CLIENT_ASSERTION_ALGORITHMS.join(", ");
            format!("has an alg that is not supported: expected one of {expected}, got '{}'", excerpt(alg))
        })?],
        None => match (kty, text("crv")) {
            ("RSA", _) => vec![Algorithm::RS256],
            ("EC", Some("P-256")) => vec![Algorithm::ES256],
            ("EC", Some("P-384")) => vec![Algorithm::ES384],
            ("OKP", Some("Ed25519")) => vec![Algorithm::EdDSA],
            _ => return Err("has a crv that is not supported: expected P-256, P-384 or Ed25519".to_owned()),
        },
    };
    for algorithm in candidates {
        usable(jwk, algorithm)?;
    }
    Ok(())
}

/// The key, where it may verify `algorithm` (RFC 7517 §4.2 to §4.4). The error completes "the key …".
fn usable(jwk: &Map<String, Value>, algorithm: Algorithm) -> Result<Verifier, &'static str> {
    if private_member(jwk).is_some() {
        return Err("holds private members");
    }
    let is = |name: &str, expected: &str| jwk.get(name).is_none_or(|value| value.as_str() == Some(expected));
    if !is("use", "sig") {
        return Err("has a use that is not sig");
    }
    if !is("alg", algorithm.as_str()) {
        return Err("has another alg");
    }
    let verifies = |operations: &Vec<Value>| operations.iter().any(|operation| operation == "verify");
    if jwk.get("key_ops").is_some_and(|operations| !operations.as_array().is_some_and(verifies)) {
        return Err("has key_ops without verify");
    }
    Verifier::from_jwk(jwk, algorithm)
}

fn private_member(jwk: &Map<String, Value>) -> Option<&'static str> {
    PRIVATE_MEMBERS.into_iter().find(|member| jwk.contains_key(*member))
}
