//! What a relying party checks about an ID token (OpenID Connect Core §3.1.3.7).

use anyhow::{Context, bail, ensure};
use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::{
    keys::verify_with_jwks,
    model::{id::shown, time::Timestamp},
};

/// What the token is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// The application's `client_id`.
    pub client_id: &'a str,
    /// The nonce that was sent; a refreshed token need not have one, and then it is not looked at (§12.2).
    pub nonce: Option<&'a str>,
    /// The access token that came along.
    pub access_token: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// Verifies the signature under the server's keys and checks the claims; the claims.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(token: &str, jwks: &Value, expected: Expected<'_>) -> anyhow::Result<Map<String, Value>> {
    let claims = verify_with_jwks(token, jwks).context("the ID token's signature")?.claims;
    check(&claims, expected)?;
    Ok(claims)
}

fn check(claims: &Map<String, Value>, expected: Expected<'_>) -> anyhow::Result<()> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let compare = |name: &str, got: Option<&str>, wanted: &str| {
        ensure!(got == Some(wanted), "the ID token's {name}: expected {wanted}, got {}", shown(got.unwrap_or("none")));
        Ok(())
    };
    compare("iss", text("iss"), expected.issuer)?;
    match claims.get("aud") {
        Some(Value::String(one)) => compare("aud", Some(one), expected.client_id)?,
        Some(Value::Array(many)) => {
            ensure!(many.iter().any(|aud| aud == expected.client_id), "the ID token is for somebody else");
            if many.len() > 1 {
                compare("azp", text("azp"), expected.client_id)?;
            }
        }
        _ => bail!("the ID token says not whom it is for"),
    }
    let seconds = |name: &str| claims.get(name).and_then(Value::as_i64);
    ensure!(seconds("exp").is_some_and(|exp| exp > expected.now.seconds()), "the ID token has expired");
    ensure!(seconds("iat").is_some(), "the ID token says not when it was made");
    ensure!(text("sub").is_some_and(|sub| !sub.is_empty()), "the ID token says not who signed in");
    if let Some(nonce) = expected.nonce {
        compare("nonce", text("nonce"), nonce)?;
    }
    if let Some(at_hash) = text("at_hash") {
        compare("at_hash", Some(at_hash), &half_hash(expected.access_token))?;
    }
    Ok(())
}

/// The left half of the access token's hash (§3.1.3.6); the demo's ID tokens are signed with RS256.
fn half_hash(access_token: &str) -> String {
    let hash = digest::digest(&digest::SHA256, access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const EXPECTED: Expected<'static> = Expected {
        issuer: "http://localhost:8080",
        client_id: "demo-app",
        nonce: Some("n"),
        // the example of OpenID Connect Core appendix A.3
        access_token: "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
        now: Timestamp::from_seconds(1000),
    };

    fn checked(change: Value) -> anyhow::Result<()> {
        let mut claims = json!({
            "iss": "http://localhost:8080", "aud": "demo-app", "sub": "ada", "exp": 1001, "iat": 900, "nonce": "n",
            "at_hash": "77QmUPtjPfzWtF2AnpK9RQ",
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        check(claims.as_object().unwrap(), EXPECTED)
    }

    #[test]
    fn each_claim_is_checked() {
        for right in [
            json!({}),
            json!({"aud": ["demo-app"]}),
            json!({"aud": ["demo-app", "x"], "azp": "demo-app"}),
            json!({"at_hash": null}),
        ] {
            checked(right.clone()).unwrap_or_else(|error| panic!("{right}: {error}"));
        }
        for wrong in [
            json!({"iss": "http://localhost:8080/"}),
            json!({"iss": null}),
            json!({"aud": "x"}),
            json!({"aud": ["x"]}),
            json!({"aud": ["demo-app", "x"]}),
            json!({"aud": null}),
            json!({"exp": 1000}),
            json!({"exp": null}),
            json!({"iat": null}),
            json!({"sub": ""}),
            json!({"nonce": "m"}),
            json!({"nonce": null}),
            json!({"at_hash": "77QmUPtjPfzWtF2AnpK9RA"}),
        ] {
            assert!(checked(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_unsigned_token_is_refused() {
        let token = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwOi8vbG9jYWxob3N0OjgwODAifQ.";
        assert!(verify(token, &json!({"keys": []}), EXPECTED).is_err());
    }
}
