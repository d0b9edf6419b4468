//! Access tokens: JWTs by RFC 9068, or the same claims sealed. Nothing is stored for one.

use serde_json::{Value, json};

use super::error::OAuthError;
use crate::{
    app::App,
    keys::{self, KeyRing},
    model::{access_token::ACCESS_TOKEN_TYPE, id, key::SigningAlgorithm, scope::Scope, time::Timestamp},
    store::{
        client::{AccessTokenFormat, Client},
        grant::Grant,
    },
};

/// What an access token is made from.
pub struct AccessToken<'t> {
    /// To whom it is given.
    pub client: &'t Client,
    /// The grant that it belongs to; none if the client acts for itself.
    pub grant: Option<&'t Grant>,
    /// What for.
    pub scope: &'t Scope,
    /// The subject's roles.
    pub roles: &'t [String],
    /// The resource servers that it is for (RFC 8707).
    pub audience: &'t [String],
}

/// An access token, and for how long it holds.
pub struct Signed {
    /// The token.
    pub token: String,
    /// Seconds from now.
    pub expires_in: u64,
}

/// The algorithm of a client's access tokens: its own, or ES256, or whatever there is a key for.
fn algorithm(client: &Client, keys: &KeyRing) -> SigningAlgorithm {
    let available = keys.algorithms();
    let chosen = client.metadata.access_token_signed_response_alg.as_deref().and_then(|alg| alg.parse().ok());
    [chosen, Some(SigningAlgorithm::ES256)]
        .into_iter()
        .flatten()
        .find(|algorithm| available.contains(algorithm))
        .or(available.first().copied())
        .unwrap_or(SigningAlgorithm::RS256)
}

/// Makes an access token. Signing is no matter for a transaction: call this after the commit.
///
/// # Errors
/// If there is no key to sign with.
pub fn sign(app: &App, keys: &KeyRing, token: &AccessToken<'_>, now: Timestamp) -> Result<Signed, OAuthError> {
    let issuer = app.config.issuer();
    let configured = app.config.tokens.access_token_lifetime.as_secs();
    let expires_in = token.client.metadata.access_token_lifetime.unwrap_or(configured);
    let subject = token.grant.map_or(&token.client.id, |grant| &grant.principal_id);
    let audience = match token.audience {
        [one] => json!(one),
        many => json!(many),
    };
    // a client's own tokens hold from the end of its suspension on, be it that the clock stood ahead then
    let since = token.client.metadata.tokens_since.filter(|_| token.grant.is_none());
    let made = since.map_or(now, |since| since.max(now));
    let mut claims = json!({
        "iss": issuer,
        "sub": subject,
        "aud": audience,
        "client_id": token.client.id,
        "iat": now.seconds(),
        "exp": now.seconds() + i64::try_from(expires_in).unwrap_or(0),
        "jti": id::generate(made),
    });
    if let Value::Object(claims) = &mut claims {
        if !token.scope.is_empty() {
            claims.insert("scope".to_owned(), json!(token.scope));
        }
        if !token.roles.is_empty() {
            claims.insert("roles".to_owned(), json!(token.roles));
        }
        if let Some(grant) = token.grant {
            claims.insert("grant_id".to_owned(), json!(grant.id));
            // RFC 9068 §2.2.1
            claims.insert("auth_time".to_owned(), json!(grant.auth_time.seconds()));
            claims.insert("acr".to_owned(), json!(grant.details.acr));
            claims.insert("amr".to_owned(), json!(grant.details.amr));
            if let Some(session_id) = &grant.session_id {
                claims.insert("sid".to_owned(), json!(session_id));
            }
        }
    }
    let token = match token.client.metadata.access_token_format {
        AccessTokenFormat::Jwt => keys.sign(algorithm(token.client, keys), ACCESS_TOKEN_TYPE, &claims, now)?,
        AccessTokenFormat::Opaque => keys::seal_claims(&app.seals.access_token, &claims)?,
    };
    Ok(Signed { token, expires_in })
}
