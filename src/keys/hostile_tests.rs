//! Tokens that somebody made up.

use std::time::{Duration, Instant};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use josekit::{
    jwe::{self, JweHeader},
    jwk::{KeyPair, alg::ed::EdCurve},
    jws::{self, JwsHeader, JwsSigner},
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{ring_tests::ONE_OF_EACH, *};
use crate::model::{key::SigningAlgorithm, time::Timestamp};

const NOW: Timestamp = Timestamp::from_seconds(1_795_285_241);

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn jwks() -> Value {
    serde_json::from_str(&ONE_OF_EACH.jwks(NOW).body).unwrap()
}

/// The published key of an algorithm.
fn jwk(algorithm: SigningAlgorithm) -> Map<String, Value> {
    let keys = jwks()["keys"].as_array().unwrap().clone();
    keys.into_iter().find(|jwk| jwk["alg"] == algorithm.as_str()).unwrap().as_object().unwrap().clone()
}

fn good(algorithm: SigningAlgorithm) -> String {
    ONE_OF_EACH.sign(algorithm, "at+jwt", &json!({"sub": "u1"}), NOW).unwrap()
}

/// A good token whose header was replaced; the signature stays.
fn with_header(token: &str, header: &Value) -> String {
    format!("{}.{}", encode(header), token.split_once('.').unwrap().1)
}

fn header_of(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}

/// Verifies as our own token and as a client's assertion; both must refuse, the first for the returned reason.
fn refuse(token: &str) -> VerifyError {
    let own = ONE_OF_EACH.verify(token, &["at+jwt"]).unwrap_err();
    verify_with_jwks(token, &jwks()).unwrap_err();
    assert!(own.to_string().len() < 400, "{own}");
    own
}

/// A token by somebody else's signer, with this header beside its `alg`.
fn sign_with(signer: &dyn JwsSigner, header: Value) -> String {
    let header = JwsHeader::from_map(header.as_object().unwrap().clone()).unwrap();
    jws::serialize_compact(br#"{"sub":"u1"}"#, &header, signer).unwrap()
}

#[test]
fn no_signature_is_no_token() {
    let kid = jwk(SigningAlgorithm::ES256)["kid"].clone();
    for alg in ["none", "None", "NONE", "nOnE", "", "null", "es256", "ES256 ", "ES256\0"] {
        let header = json!({"alg": alg, "kid": kid, "typ": "at+jwt"});
        for signature in ["", "AA", good(SigningAlgorithm::ES256).rsplit('.').next().unwrap()] {
            let token = format!("{}.{}.{signature}", encode(&header), encode(&json!({"sub": "u1"})));
            assert!(matches!(refuse(&token), VerifyError::Algorithm { .. }), "{alg}");
        }
    }
    let token = good(SigningAlgorithm::ES256);
    let unsigned = &token[..=token.rfind('.').unwrap()];
    assert_eq!(refuse(unsigned), VerifyError::Signature);
    for header in [json!({}), json!({"alg": null}), json!({"alg": 1}), json!({"alg": ["ES256"]}), json!([]), json!("x")]
    {
        assert!(matches!(refuse(&with_header(&token, &header)), VerifyError::Malformed(_)), "{header}");
    }
}

#[test]
fn our_public_key_is_no_hmac_secret() {
    for algorithm in SigningAlgorithm::ALL {
        let public = jwk(algorithm);
        let kid = public["kid"].clone();
        let mut secrets: Vec<Vec<u8>> = vec![Value::Object(public.clone()).to_string().into_bytes()];
        for name in ["n", "x"] {
            if let Some(member) = public.get(name).and_then(Value::as_str) {
                secrets.push(member.as_bytes().to_vec());
                secrets.push(URL_SAFE_NO_PAD.decode(member).unwrap());
            }
        }
        // The PEM that everybody can compute from the key set.
        secrets.push(public_pem(algorithm));
        for secret in secrets {
            for (hs, alg) in [(jws::HS256, "HS256"), (jws::HS384, "HS384"), (jws::HS512, "HS512")] {
                let Ok(signer) = hs.signer_from_bytes(&secret) else { continue };
                let token = sign_with(&signer, json!({"kid": kid, "typ": "at+jwt"}));
                assert_eq!(header_of(&token)["alg"], alg);
                assert!(matches!(refuse(&token), VerifyError::Algorithm { .. }));
                // The same MAC under the name of the key's own algorithm.
                let header = json!({"alg": algorithm.as_str(), "kid": kid, "typ": "at+jwt"});
                let input = format!("{}.{}", encode(&header), encode(&json!({"sub": "u1"})));
                let mac = URL_SAFE_NO_PAD.encode(signer.sign(input.as_bytes()).unwrap());
                assert_eq!(refuse(&format!("{input}.{mac}")), VerifyError::Signature);
            }
        }
    }
}

/// The public key as PEM (RFC 7468 §13), put together from the JWK.
fn public_pem(algorithm: SigningAlgorithm) -> Vec<u8> {
    let jwk = jwk(algorithm);
    let member = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let der = match algorithm {
        SigningAlgorithm::RS256 => {
            use aws_lc_rs::{encoding::AsDer, signature::RsaPublicKeyComponents};
            RsaPublicKeyComponents { n: member("n"), e: member("e") }.as_der().unwrap().as_ref().to_vec()
        }
        SigningAlgorithm::ES256 => {
            let prefix = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";
            [STANDARD.decode(prefix).unwrap(), member("x"), member("y")].concat()
        }
        SigningAlgorithm::EdDSA => {
            [&[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..], &member("x")].concat()
        }
    };
    let body: Vec<String> =
        STANDARD.encode(der).as_bytes().chunks(64).map(|line| String::from_utf8(line.to_vec()).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", body.join("\n")).into_bytes()
}

#[test]
fn a_key_verifies_only_its_own_algorithm() {
    for algorithm in SigningAlgorithm::ALL {
        let token = good(algorithm);
        for other in ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES256K", "EdDSA", "Ed25519", "HS256"] {
            let mut header = header_of(&token);
            header["alg"] = other.into();
            if other != algorithm.as_str() {
                assert!(matches!(refuse(&with_header(&token, &header)), VerifyError::Algorithm { .. }), "{other}");
            }
        }
        for other in SigningAlgorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            let mut header = header_of(&token);
            header["kid"] = jwk(other)["kid"].clone();
            assert!(matches!(refuse(&with_header(&token, &header)), VerifyError::Algorithm { .. }));
            header["alg"] = other.as_str().into();
            assert_eq!(refuse(&with_header(&token, &header)), VerifyError::Signature);
        }
    }
}

#[test]
fn a_token_does_not_bring_its_own_key() {
    let attacker = jws::EdDSA.generate_key_pair(EdCurve::Ed25519).unwrap();
    let signer = jws::EdDSA.signer_from_der(attacker.to_der_private_key()).unwrap();
    let public: Map<String, Value> = attacker.to_jwk_public_key().into();
    let kid = jwk(SigningAlgorithm::EdDSA)["kid"].clone();
    let mut named = public.clone();
    named.insert("kid".into(), kid.clone());
    for (name, value) in [
        ("jwk", Value::Object(public)),
        ("jwk", Value::Object(named)),
        ("jku", json!("https://attacker.example/jwks")),
        ("jku", json!("file:///etc/passwd")),
        ("x5u", json!("http://169.254.169.254/")),
        ("x5c", json!(["MIIB"])),
    ] {
        let mut header = json!({"alg": "EdDSA", "kid": kid, "typ": "at+jwt"});
        header[name] = value;
        assert_eq!(refuse(&sign_with(&signer, header.clone())), VerifyError::Signature, "{name}");
        header["kid"] = "attacker".into();
        assert_eq!(refuse(&sign_with(&signer, header)), VerifyError::UnknownKey { got: "'attacker'".into() }, "{name}");
    }
}

#[test]
fn a_hostile_kid_is_just_unknown() {
    let token = good(SigningAlgorithm::EdDSA);
    let kid = header_of(&token)["kid"].as_str().unwrap().to_owned();
    for hostile in [
        "",
        " ",
        "../../../../dev/null",
        "/proc/self/environ",
        "' OR '1'='1",
        "x'; DROP TABLE signing_keys; --",
        "\0",
        &format!("{kid}\0"),
        &format!("{kid} "),
        &kid.to_lowercase(),
        &kid[..kid.len() - 1],
        "\r\nSet-Cookie: a=b",
        "\u{202e}\u{feff}",
        &"k".repeat(8000),
    ] {
        let mut header = header_of(&token);
        header["kid"] = hostile.into();
        let error = refuse(&with_header(&token, &header));
        assert!(matches!(error, VerifyError::UnknownKey { .. }), "{hostile:?}: {error:?}");
        let text = error.to_string();
        assert!(!text.contains(['\0', '\r', '\n']) && text.chars().count() < 140, "{text:?}");
    }
    for not_text in [json!(1), json!({}), json!(["a"]), json!(true)] {
        let mut header = header_of(&token);
        header["kid"] = not_text;
        assert!(matches!(refuse(&with_header(&token, &header)), VerifyError::Malformed(_)));
    }
    let mut header = header_of(&token);
    header.as_object_mut().unwrap().remove("kid");
    let error = ONE_OF_EACH.verify(&with_header(&token, &header), &["at+jwt"]).unwrap_err();
    assert_eq!(error, VerifyError::UnknownKey { got: "none".into() });
}

#[test]
fn a_token_of_another_type_is_another_token() {
    let sign = |typ: &str| ONE_OF_EACH.sign(SigningAlgorithm::EdDSA, typ, &json!({}), NOW).unwrap();
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        let verified = ONE_OF_EACH.verify(&sign(typ), &["JWT", "at+jwt"]).unwrap();
        assert_eq!(verified.typ.as_deref(), Some("at+jwt"));
        ONE_OF_EACH.verify(&sign(typ), &["application/at+JWT"]).unwrap();
    }
    for typ in ["JWT", "logout+jwt", "", "at+jwt ", "application/application/at+jwt", "text/at+jwt", "application/"] {
        let error = ONE_OF_EACH.verify(&sign(typ), &["at+jwt"]).unwrap_err();
        assert!(matches!(error, VerifyError::Type { .. }), "{typ}: {error:?}");
    }
    assert!(matches!(ONE_OF_EACH.verify(&sign("at+jwt"), &[]), Err(VerifyError::Type { .. })));
    let token = good(SigningAlgorithm::EdDSA);
    let mut header = header_of(&token);
    header.as_object_mut().unwrap().remove("typ");
    let error = ONE_OF_EACH.verify(&with_header(&token, &header), &["at+jwt"]).unwrap_err();
    assert_eq!(error, VerifyError::Type { expected: "at+jwt".into(), got: "none".into() });
}

#[test]
fn headers_that_change_the_meaning_are_refused() {
    let token = good(SigningAlgorithm::EdDSA);
    for (name, values) in [
        ("crit", vec![json!(["exp"]), json!(["b64"]), json!([]), json!("b64"), json!(null), json!([1]), json!({})]),
        ("b64", vec![json!(false), json!(true), json!(null), json!("false")]),
        ("zip", vec![json!("DEF"), json!(null), json!("")]),
    ] {
        for value in values {
            let mut header = header_of(&token);
            header[name] = value;
            assert_eq!(refuse(&with_header(&token, &header)), VerifyError::Critical(name), "{header}");
        }
    }
}

#[test]
fn a_header_member_occurs_once() {
    let token = good(SigningAlgorithm::EdDSA);
    let kid = header_of(&token)["kid"].clone();
    for header in [
        format!(r#"{{"alg":"none","alg":"EdDSA","kid":{kid},"typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"EdDSA","kid":"x","kid":{kid},"typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"EdDSA","kid":{kid},"typ":"JWT","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"EdDSA","kid":{kid},"typ":"at+jwt"}} "x""#),
        format!(r#"{{"alg":"EdDSA","kid":{kid},"typ":"at+jwt","x":{}"#, "[".repeat(3000)),
        format!("\u{feff}{{\"alg\":\"EdDSA\",\"kid\":{kid},\"typ\":\"at+jwt\"}}"),
    ] {
        let changed = format!("{}.{}", URL_SAFE_NO_PAD.encode(&header), token.split_once('.').unwrap().1);
        assert!(matches!(refuse(&changed), VerifyError::Malformed(_)), "{header:.200}");
    }
}

#[test]
fn what_is_not_three_parts_is_refused() {
    let token = good(SigningAlgorithm::EdDSA);
    let parts: Vec<&str> = token.split('.').collect();
    for wrong in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        "....".into(),
        parts[0].into(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{token}"),
        format!("Bearer {token}"),
        ".".repeat(MAX_TOKEN_LEN),
        format!("{token}{}", ".".repeat(5000)),
        "\0.\0.\0".into(),
        "é.é.é".into(),
        json!({"payload": parts[1], "protected": parts[0], "signature": parts[2]}).to_string(),
    ] {
        assert!(matches!(refuse(&wrong), VerifyError::Malformed(_)), "{wrong:.100}");
    }
}

#[test]
fn a_token_has_one_spelling() {
    for algorithm in SigningAlgorithm::ALL {
        let token = good(algorithm);
        for end in 0..token.len() {
            assert!(ONE_OF_EACH.verify(&token[..end], &["at+jwt"]).is_err(), "truncated at {end}");
        }
        for (at, character) in token.char_indices() {
            let flipped = match character {
                c if c.is_ascii_lowercase() => c.to_ascii_uppercase(),
                c if c.is_ascii_uppercase() => c.to_ascii_lowercase(),
                '.' => '_',
                '-' => '+',
                '_' => '/',
                _ => 'A',
            };
            let changed = format!("{}{flipped}{}", &token[..at], &token[at + 1..]);
            assert!(ONE_OF_EACH.verify(&changed, &["at+jwt"]).is_err(), "{character} at {at}");
        }
        for part in 0..3 {
            for suffix in ["=", "==", "A", "AAAA", " ", "\n", "%3D", "\0"] {
                let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
                parts[part].push_str(suffix);
                assert!(ONE_OF_EACH.verify(&parts.join("."), &["at+jwt"]).is_err(), "{suffix:?} after part {part}");
            }
        }
        // Each last character stands for bits that are not used, in 64-byte signatures: only zeros are accepted.
        let spellings = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*b"-_").filter(|last| {
            let changed = format!("{}{}", &token[..token.len() - 1], *last as char);
            ONE_OF_EACH.verify(&changed, &["at+jwt"]).is_ok()
        });
        assert_eq!(spellings.count(), 1);
    }
}

#[test]
fn signatures_in_other_forms_are_refused() {
    let token = good(SigningAlgorithm::ES256);
    let (input, signature) = token.rsplit_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let der = [&[0x30, 0x44, 2, 0x20][..], &raw[..32], &[2, 0x20], &raw[32..]].concat();
    let swapped = [&raw[32..], &raw[..32]].concat();
    // CVE-2022-21449: zero for both numbers.
    for forged in
        [der, swapped, vec![0; 64], vec![0xff; 64], vec![0; 63], vec![0; 96], vec![], [&raw[..], &[0]].concat()]
    {
        let changed = format!("{input}.{}", URL_SAFE_NO_PAD.encode(forged));
        assert_eq!(refuse(&changed), VerifyError::Signature);
    }
}

#[test]
fn encrypted_tokens_are_not_signed_ones() {
    let (direct, pbes2) = (
        jwe::Dir.encrypter_from_bytes([7u8; 32]).unwrap(),
        jwe::PBES2_HS256_A128KW.encrypter_from_bytes(b"password").unwrap(),
    );
    let mut header = JweHeader::new();
    header.set_content_encryption("A256GCM");
    header.set_token_type("at+jwt");
    let payload = good(SigningAlgorithm::EdDSA);
    for token in [
        jwe::serialize_compact(payload.as_bytes(), &header, &direct).unwrap(),
        jwe::serialize_compact(payload.as_bytes(), &header, &pbes2).unwrap(),
    ] {
        assert_eq!(token.matches('.').count(), 4);
        assert!(matches!(refuse(&token), VerifyError::Malformed(_)));
    }
    // With three parts, and a count of iterations that would take years.
    let header = json!({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2_000_000_000u64, "p2s": "AAAA",
        "kid": jwk(SigningAlgorithm::EdDSA)["kid"], "typ": "at+jwt"});
    assert!(matches!(refuse(&with_header(&payload, &header)), VerifyError::Algorithm { .. }));
}

#[test]
fn long_nonsense_costs_nothing() {
    let token = good(SigningAlgorithm::EdDSA);
    let mut header = header_of(&token);
    header["pad"] = "x".repeat(1 << 20).into();
    let long_header = with_header(&token, &header);
    let dots = ".".repeat(1 << 20);
    let long_payload = format!("e30.{}.AA", "A".repeat(1 << 24));
    let started = Instant::now();
    for _ in 0..1000 {
        for token in [&long_header, &dots, &long_payload] {
            assert!(matches!(ONE_OF_EACH.verify(token, &["at+jwt"]), Err(VerifyError::TooLong { .. })));
        }
    }
    // A microsecond each; the bound is generous.
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(matches!(refuse(&long_header), VerifyError::TooLong { got, max: MAX_TOKEN_LEN } if got > 1 << 20));
}

#[test]
fn a_signed_payload_that_is_no_object_is_refused() {
    let attacker = jws::EdDSA.generate_key_pair(EdCurve::Ed25519).unwrap();
    let signer = jws::EdDSA.signer_from_der(attacker.to_der_private_key()).unwrap();
    let public: Map<String, Value> = attacker.to_jwk_public_key().into();
    let jwks = json!({"keys": [public]});
    let header = JwsHeader::new();
    let verify = |payload: &[u8]| verify_with_jwks(&jws::serialize_compact(payload, &header, &signer).unwrap(), &jwks);
    verify(b"{}").unwrap();
    let deep = "[".repeat(5000);
    for payload in
        [&b""[..], b"[]", b"null", b"\"x\"", b"1", b"{", b"{}{}", b"\xff", br#"{"a":1e999}"#, deep.as_bytes()]
    {
        assert!(matches!(verify(payload), Err(VerifyError::Malformed(_))), "{payload:.20?}");
    }
}

proptest! {
    #[test]
    fn verifying_never_panics(text in any::<String>()) {
        prop_assert!(ONE_OF_EACH.verify(&text, &["at+jwt"]).is_err());
        prop_assert!(verify_with_jwks(&text, &jwks()).is_err());
    }

    #[test]
    fn verifying_three_parts_never_panics(header: Vec<u8>, payload: Vec<u8>, signature: Vec<u8>) {
        let text = [header, payload, signature].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        prop_assert!(ONE_OF_EACH.verify(&text, &["at+jwt"]).is_err());
    }

    #[test]
    fn a_guessed_signature_never_verifies(
        algorithm in prop::sample::select(vec!["RS256", "PS256", "ES256", "ES384", "EdDSA", "none", "HS256"]),
        key in 0..3usize,
        typ in any::<Option<String>>(),
        payload: String,
        signature in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let kid = jwk(SigningAlgorithm::ALL[key])["kid"].clone();
        let header = json!({"alg": algorithm, "kid": kid, "typ": typ});
        let text = format!(
            "{}.{}.{}", encode(&header), URL_SAFE_NO_PAD.encode(payload), URL_SAFE_NO_PAD.encode(signature)
        );
        prop_assert!(ONE_OF_EACH.verify(&text, &["at+jwt"]).is_err());
        prop_assert!(verify_with_jwks(&text, &jwks()).is_err());
    }
}
