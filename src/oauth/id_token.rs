//! ID tokens (OpenID Connect Core §2).

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{claims, error::OAuthError, flow::Issued};
use crate::{
    app::App,
    keys::KeyRing,
    model::{key::SigningAlgorithm, scope::Scope, time::Timestamp},
    store::client::Client,
};

/// The `typ` of ID tokens.
pub const ID_TOKEN_TYPE: &str = "JWT";

/// The algorithm of a client's ID tokens: its own, or RS256 (OpenID Connect Dynamic Registration §2).
fn algorithm(client: &Client, keys: &KeyRing) -> SigningAlgorithm {
    let chosen = client.metadata.id_token_signed_response_alg.as_deref().and_then(|alg| alg.parse().ok());
    chosen.filter(|algorithm| keys.algorithms().contains(algorithm)).unwrap_or(SigningAlgorithm::RS256)
}

/// Makes the ID token that goes with an access token; on refresh (§12.2) the nonce is left out, all else is as it was.
///
/// # Errors
/// If there is no key to sign with.
pub fn sign(
    app: &App,
    keys: &KeyRing,
    client: &Client,
    issued: &Issued,
    access_token: &str,
    refreshed: bool,
    now: Timestamp,
) -> Result<String, OAuthError> {
    let algorithm = algorithm(client, keys);
    let grant = &issued.grant;
    let lifetime = i64::try_from(app.config.tokens.id_token_lifetime.as_secs()).unwrap_or(600);
    // claims that were asked for by name come first, so that none can replace what follows
    let mut claims = claims::about(&issued.principal, &Scope::empty(), &grant.details.id_token_claims);
    let fixed = json!({
        "iss": app.config.issuer(),
        "sub": grant.principal_id,
        "aud": client.id,
        "azp": client.id,
        "iat": now.seconds(),
        "exp": now.seconds() + lifetime,
        "auth_time": grant.auth_time.seconds(),
        "acr": grant.details.acr,
        "amr": grant.details.amr,
        "at_hash": half_hash(algorithm, access_token),
    });
    if let Value::Object(fixed) = fixed {
        claims.extend(fixed);
    }
    if let Some(session_id) = &grant.session_id {
        claims.insert("sid".to_owned(), json!(session_id));
    }
    if let Some(nonce) = grant.details.nonce.as_ref().filter(|_| !refreshed) {
        claims.insert("nonce".to_owned(), json!(nonce));
    }
    Ok(keys.sign(algorithm, ID_TOKEN_TYPE, &Value::Object(claims), now)?)
}

/// The claims of an ID token that was issued here, as `id_token_hint` presents it; that it has expired does not matter.
/// A signed userinfo answer, which has no expiry, is none.
pub fn read_hint(keys: &KeyRing, issuer: &str, token: &str) -> Option<Map<String, Value>> {
    let claims = keys.verify(token, &[ID_TOKEN_TYPE]).ok()?.claims;
    let ours = claims.get("iss").and_then(Value::as_str) == Some(issuer) && claims.contains_key("exp");
    ours.then_some(claims)
}

/// The left half of a token's hash, by the hash of the signature's algorithm (§3.1.3.6; Ed25519 hashes with SHA-512).
fn half_hash(algorithm: SigningAlgorithm, token: &str) -> String {
    let hash = match algorithm {
        SigningAlgorithm::RS256 | SigningAlgorithm::ES256 => digest::digest(&digest::SHA256, token.as_bytes()),
        SigningAlgorithm::EdDSA => digest::digest(&digest::SHA512, token.as_bytes()),
    };
    let bytes = hash.as_ref();
    URL_SAFE_NO_PAD.encode(&bytes[..bytes.len() / 2])
}
