//! Access tokens: JWTs by RFC 9068, or the same claims sealed. Nothing is stored for one.

use serde::Serialize;

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

/// What an access token says (RFC 9068 §2.2).
#[derive(Serialize)]
struct Claims<'t> {
    iss: &'t str,
    sub: &'t str,
    aud: Audience<'t>,
    client_id: &'t str,
    iat: i64,
    exp: i64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'t Scope>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    roles: &'t [String],
    #[serde(flatten)]
    of_grant: Option<OfGrant<'t>>,
}

/// RFC 7519 §4.1.3: one alone is no array.
#[derive(Serialize)]
#[serde(untagged)]
enum Audience<'t> {
    One(&'t str),
    Many(&'t [String]),
}

/// What is said of a person's sign-in (RFC 9068 §2.2.1).
#[derive(Serialize)]
struct OfGrant<'t> {
    grant_id: &'t str,
    auth_time: i64,
    acr: &'t str,
    amr: &'t [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'t str>,
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
    // a client's own tokens hold from the end of its suspension on, be it that the clock stood ahead then
    let since = token.client.metadata.tokens_since.filter(|_| token.grant.is_none());
    let made = since.map_or(now, |since| since.max(now));
    let claims = Claims {
        iss: issuer,
        sub: subject,
        aud: match token.audience {
            [one] => Audience::One(one),
            many => Audience::Many(many),
        },
        client_id: &token.client.id,
        iat: now.seconds(),
        exp: now.seconds() + i64::try_from(expires_in).unwrap_or(0),
        jti: id::generate(made),
        scope: Some(token.scope).filter(|scope| !scope.is_empty()),
        roles: token.roles,
        of_grant: token.grant.map(|grant| OfGrant {
            grant_id: &grant.id,
            auth_time: grant.auth_time.seconds(),
            acr: &grant.details.acr,
            amr: &grant.details.amr,
            sid: grant.session_id.as_deref(),
        }),
    };
    let token = match token.client.metadata.access_token_format {
        AccessTokenFormat::Jwt => keys.sign(algorithm(token.client, keys), ACCESS_TOKEN_TYPE, &claims, now)?,
        AccessTokenFormat::Opaque => keys::seal_claims(&app.seals.access_token, &claims)?,
    };
    Ok(Signed { token, expires_in })
}
