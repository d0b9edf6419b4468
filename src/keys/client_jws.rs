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
    let algorithm = match text("alg") {
        Some(alg) => Algorithm::named(alg).ok_or_else(|| {
            let expected = CLIENT_ASSERTION_ALGORITHMS.join(", ");
            format!("has an alg that is not supported: expected one of {expected}, got '{}'", excerpt(alg))
        })?,
        None => match (kty, text("crv")) {
            ("RSA", _) => Algorithm::RS256,
            ("EC", Some("P-256")) => Algorithm::ES256,
            ("EC", Some("P-384")) => Algorithm::ES384,
            ("OKP", Some("Ed25519")) => Algorithm::EdDSA,
            _ => return Err("has a crv that is not supported: expected P-256, P-384 or Ed25519".to_owned()),
        },
    };
    usable(jwk, algorithm)?;
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

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use josekit::{
        jwk::{
            Jwk, KeyPair,
            alg::{ec::EcCurve, ed::EdCurve, rsa::RsaKeyPair},
        },
        jws::{self, JwsHeader, JwsSigner},
    };
    use serde_json::json;

    use super::*;

    /// A client's key: its signer in another implementation, and its public JWK without `use`, `alg` and `kid`.
    struct ClientKey {
        signer: Box<dyn JwsSigner>,
        jwk: Map<String, Value>,
    }

    fn client_key(signer: impl JwsSigner + 'static, public: Jwk) -> ClientKey {
        let mut jwk: Map<String, Value> = public.into();
        jwk.retain(|name, _| !["use", "alg", "kid"].contains(&name.as_str()));
        ClientKey { signer: Box::new(signer), jwk }
    }

    /// One key for each algorithm; RS256 and PS256 with the same one.
    static KEYS: LazyLock<Vec<ClientKey>> = LazyLock::new(|| {
        let rsa = RsaKeyPair::generate(2048).unwrap();
        let p256 = jws::ES256.generate_key_pair().unwrap();
        let p384 = jws::ES384.generate_key_pair().unwrap();
        let ed = jws::EdDSA.generate_key_pair(EdCurve::Ed25519).unwrap();
        let rsa_der = rsa.to_der_private_key();
        vec![
            client_key(jws::RS256.signer_from_der(&rsa_der).unwrap(), rsa.to_jwk_public_key()),
            client_key(
                jws::PS256.signer_from_jwk(&Jwk::from_map(pss(&rsa)).unwrap()).unwrap(),
                rsa.to_jwk_public_key(),
            ),
            client_key(jws::ES256.signer_from_der(p256.to_der_private_key()).unwrap(), p256.to_jwk_public_key()),
            client_key(jws::ES384.signer_from_der(p384.to_der_private_key()).unwrap(), p384.to_jwk_public_key()),
            client_key(jws::EdDSA.signer_from_der(ed.to_der_private_key()).unwrap(), ed.to_jwk_public_key()),
        ]
    });

    fn pss(rsa: &RsaKeyPair) -> Map<String, Value> {
        let mut jwk: Map<String, Value> = rsa.to_jwk_key_pair().into();
        jwk.remove("alg");
        jwk
    }

    impl ClientKey {
        fn alg(&self) -> &str {
            self.signer.algorithm().name()
        }

        fn sign(&self, kid: Option<&str>) -> String {
            let mut header = JwsHeader::new();
            if let Some(kid) = kid {
                header.set_key_id(kid);
            }
            jws::serialize_compact(br#"{"iss":"c1","sub":"c1"}"#, &header, &*self.signer).unwrap()
        }

        /// The JWK with members replaced, or removed where the value is null.
        fn jwk_with(&self, members: Value) -> Value {
            let mut jwk = self.jwk.clone();
            jwk.extend(members.as_object().unwrap().clone());
            jwk.retain(|_, value| !value.is_null());
            Value::Object(jwk)
        }
    }

    fn set(keys: impl IntoIterator<Item = Value>) -> Value {
        json!({"keys": keys.into_iter().collect::<Vec<_>>()})
    }

    fn all() -> Value {
        set(KEYS.iter().map(|key| Value::Object(key.jwk.clone())))
    }

    #[test]
    fn what_another_implementation_signs_verifies() {
        validate_jwks(&all()).unwrap();
        let algorithms: Vec<&str> = KEYS.iter().map(ClientKey::alg).collect();
        assert_eq!(algorithms, CLIENT_ASSERTION_ALGORITHMS);
        for key in KEYS.iter() {
            let verified = verify_with_jwks(&key.sign(None), &all()).unwrap();
            assert_eq!(Value::Object(verified.claims), json!({"iss": "c1", "sub": "c1"}));
            assert_eq!((verified.algorithm, verified.kid, verified.typ), (key.alg(), None, None));

            let full = key.jwk_with(json!({"kid": "k", "use": "sig", "alg": key.alg(), "key_ops": ["verify"]}));
            validate_jwks(&set([full.clone()])).unwrap();
            assert_eq!(verify_with_jwks(&key.sign(Some("k")), &set([full])).unwrap().kid.as_deref(), Some("k"));
        }
    }

    #[test]
    fn a_kid_chooses_the_key() {
        let key = &KEYS[2];
        let other = jws::ES256.generate_key_pair().unwrap();
        let other =
            client_key(jws::ES256.signer_from_der(other.to_der_private_key()).unwrap(), other.to_jwk_public_key());
        let jwks = set([other.jwk_with(json!({"kid": "b"})), key.jwk_with(json!({"kid": "a"}))]);
        verify_with_jwks(&key.sign(Some("a")), &jwks).unwrap();
        verify_with_jwks(&key.sign(None), &jwks).unwrap();
        assert_eq!(verify_with_jwks(&key.sign(Some("b")), &jwks), Err(VerifyError::Signature));
        let unknown = VerifyError::UnknownKey { got: "'c'".into() };
        assert_eq!(verify_with_jwks(&key.sign(Some("c")), &jwks), Err(unknown.clone()));
        assert_eq!(verify_with_jwks(&key.sign(Some("c")), &all()), Err(unknown), "a key without kid is not named c");
        // RFC 7517 §4.5: keys of different types may share a kid.
        let shared = set(KEYS.iter().map(|key| key.jwk_with(json!({"kid": "same"}))));
        for key in KEYS.iter() {
            verify_with_jwks(&key.sign(Some("same")), &shared).unwrap();
        }
    }

    #[test]
    fn a_key_that_is_not_for_this_does_not_count() {
        for key in KEYS.iter() {
            let token = key.sign(None);
            for members in [
                json!({"use": "enc"}),
                json!({"use": "SIG"}),
                json!({"use": 1}),
                json!({"alg": "HS256"}),
                json!({"alg": "RSA-OAEP"}),
                json!({"key_ops": ["sign"]}),
                json!({"key_ops": []}),
                json!({"key_ops": "verify"}),
                json!({"kty": "oct"}),
                json!({"kty": null}),
                json!({"d": "AAAA"}),
                json!({"k": "AAAA"}),
            ] {
                let error = verify_with_jwks(&token, &set([key.jwk_with(members.clone())])).unwrap_err();
                assert_eq!(error, VerifyError::UnknownKey { got: "none".into() }, "{} {members}", key.alg());
            }
        }
    }

    #[test]
    fn a_symmetric_key_never_verifies() {
        let secret = [7u8; 32];
        let signer = jws::HS256.signer_from_bytes(secret).unwrap();
        let token = jws::serialize_compact(b"{}", &JwsHeader::new(), &signer).unwrap();
        let oct = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(secret), "alg": "HS256"});
        let error = verify_with_jwks(&token, &set([oct.clone()])).unwrap_err();
        assert!(matches!(error, VerifyError::Algorithm { .. }));
        assert!(validate_jwks(&set([oct])).is_err());
    }

    #[test]
    fn at_most_16_keys_are_tried_and_registered() {
        let key = &KEYS[4];
        let decoy = || {
            let pair = jws::EdDSA.generate_key_pair(EdCurve::Ed25519).unwrap();
            Value::Object(pair.to_jwk_public_key().into())
        };
        let mut keys: Vec<Value> = (0..16).map(|_| decoy()).collect();
        keys.push(key.jwk_with(json!({"kid": "last"})));
        assert_eq!(verify_with_jwks(&key.sign(None), &set(keys.clone())), Err(VerifyError::Signature));
        verify_with_jwks(&key.sign(Some("last")), &set(keys.clone())).unwrap();
        assert_eq!(validate_jwks(&set(keys.clone())).unwrap_err(), "expected 1 to 16 keys, got 17");
        keys.remove(0);
        verify_with_jwks(&key.sign(None), &set(keys.clone())).unwrap();
        validate_jwks(&set(keys)).unwrap();
    }

    #[test]
    fn weak_and_odd_rsa_keys_are_refused() {
        let key = &KEYS[0];
        let weak: Map<String, Value> = RsaKeyPair::generate(1024).unwrap().to_jwk_public_key().into();
        let error = validate_jwks(&set([Value::Object(weak.clone())])).unwrap_err();
        assert_eq!(error, "keys[0] is an RSA key with less than 2048 bits");
        let unknown = VerifyError::UnknownKey { got: "none".into() };
        assert_eq!(verify_with_jwks(&key.sign(None), &set([Value::Object(weak)])), Err(unknown.clone()));

        let n = URL_SAFE_NO_PAD.decode(key.jwk["n"].as_str().unwrap()).unwrap();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        for members in [
            json!({"e": "AQ"}), // 1: every text is its own signature
            json!({"e": "AA"}), // 0
            json!({"e": "Ag"}), // even
            json!({"e": ""}),
            json!({"e": encode(&[1, 0, 0, 0, 1])}), // 33 bits
            json!({"e": key.jwk["n"]}),
            json!({"e": null}),
            json!({"n": ""}),
            json!({"n": encode(&n[1..])}),
            json!({"n": encode(&[&[0; 300][..], &n[..200]].concat())}), // long by its zeros only
            json!({"n": encode(&[&n[..255], &[2]].concat())}),          // even
            json!({"n": encode(&[0xff; 1025])}),                        // slow
            json!({"n": encode(&vec![0xff; 100_000])}),
            json!({"n": format!("{}=", key.jwk["n"].as_str().unwrap())}),
        ] {
            let jwks = set([key.jwk_with(members.clone())]);
            validate_jwks(&jwks).unwrap_err();
            assert_eq!(verify_with_jwks(&key.sign(None), &jwks), Err(unknown.clone()), "{members:.80}");
        }
        let padded = key.jwk_with(json!({"n": encode(&[&[0], &n[..]].concat())}));
        verify_with_jwks(&key.sign(None), &set([padded])).unwrap();
    }

    #[test]
    fn points_off_the_curve_are_refused() {
        let zeros = URL_SAFE_NO_PAD.encode([0u8; 32]);
        let long = URL_SAFE_NO_PAD.encode([1u8; 33]);
        let key = &KEYS[2];
        for members in [
            json!({"x": zeros, "y": zeros}),
            json!({"x": key.jwk["y"], "y": key.jwk["x"]}),
            json!({"x": long}),
            json!({"y": null}),
            json!({"x": ""}),
            json!({"crv": "P-384"}),
            json!({"crv": "secp256k1"}),
            json!({"crv": null}),
        ] {
            let jwks = set([key.jwk_with(members.clone())]);
            validate_jwks(&jwks).unwrap_err();
            verify_with_jwks(&key.sign(None), &jwks).unwrap_err();
        }
        let key = &KEYS[4];
        for members in [json!({"x": long}), json!({"x": ""}), json!({"crv": "Ed448"}), json!({"crv": "X25519"})] {
            validate_jwks(&set([key.jwk_with(members)])).unwrap_err();
        }
    }

    #[test]
    fn a_registered_set_is_explained_when_it_is_refused() {
        let key = &KEYS[2];
        let with = |members: Value| set([Value::Object(KEYS[4].jwk.clone()), key.jwk_with(members)]);
        for (jwks, expected) in [
            (json!(null), "expected a JWK Set: an object with an array 'keys'"),
            (json!([]), "expected a JWK Set: an object with an array 'keys'"),
            (json!({"keys": {}}), "expected a JWK Set: an object with an array 'keys'"),
            (json!({"keys": []}), "expected 1 to 16 keys, got 0"),
            (json!({"keys": ["x"]}), "keys[0] is not an object"),
            (with(json!({"kty": null})), "keys[1] has no kty"),
            (with(json!({"kty": 1})), "keys[1] has a 'kty' that is not a string"),
            (
                with(json!({"kty": "oct"})),
                "keys[1] has a kty that is not supported: expected RSA, EC or OKP, got 'oct'",
            ),
            (
                with(json!({"d": "AA"})),
                "keys[1] holds the private member 'd': register the public key, and replace this one",
            ),
            (with(json!({"use": "tls"})), "keys[1] has a use that is not sig"),
            (
                with(json!({"alg": "ES512"})),
                "keys[1] has an alg that is not supported: expected one of RS256, PS256, ES256, ES384, EdDSA, got 'ES512'",
            ),
            (with(json!({"alg": "RS256"})), "keys[1] is not of kty RSA"),
            (
                with(json!({"crv": "P-521"})),
                "keys[1] has a crv that is not supported: expected P-256, P-384 or Ed25519",
            ),
        ] {
            assert_eq!(validate_jwks(&jwks).unwrap_err(), expected);
        }
        for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            for value in [json!("AA"), json!(""), json!(1)] {
                validate_jwks(&with(json!({member: value}))).unwrap_err();
            }
        }
        let p521: Map<String, Value> =
            josekit::jwk::alg::ec::EcKeyPair::generate(EcCurve::P521).unwrap().to_jwk_public_key().into();
        let mut encrypts = p521.clone();
        encrypts.insert("use".into(), "enc".into());
        validate_jwks(&set([Value::Object(encrypts)])).unwrap();
        validate_jwks(&set([Value::Object(p521)])).unwrap_err();
    }

    #[test]
    fn what_is_no_key_set_has_no_keys() {
        let token = KEYS[4].sign(None);
        for jwks in [json!(null), json!([]), json!({}), json!({"keys": 1}), json!({"keys": [1, null, "x", []]})] {
            let error = verify_with_jwks(&token, &jwks).unwrap_err();
            assert_eq!(error, VerifyError::UnknownKey { got: "none".into() });
        }
    }
}
