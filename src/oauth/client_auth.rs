//! Client authentication (RFC 6749 §2.3, RFC 7523 §2.2): who is asking, proven.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpRequest, http::header};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Map, Value};

use super::{
    error::{Challenge, Code, OAuthError},
    params::Params,
};
use crate::{
    app::App,
    identity::client,
    keys,
    model::{
        access_token::audiences,
        client_auth::AuthMethod,
        id::{self, shown},
        time::Timestamp,
    },
    store::{self, KnownClient, client::Client},
};

/// The one assertion type (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How far clocks may differ.
const SKEW: Duration = Duration::from_secs(60);
/// An assertion that lives longer is refused: its `jti` would have to be remembered that long.
const MAX_ASSERTION_LIFE: Duration = Duration::from_secs(600);

/// What a request says of its client.
enum Credentials {
    Basic { id: String, secret: String },
    Post { id: String, secret: String },
    Assertion { id: Option<String>, assertion: String },
    Public { id: String },
}

/// The client that sends this request, authenticated by the method that it is registered for.
///
/// # Errors
/// `invalid_request` for two methods at once, `invalid_client` for everything that does not prove who is asking.
pub async fn authenticate(
    app: &App,
    req: &HttpRequest,
    params: &Params,
    now: Timestamp,
) -> Result<Arc<KnownClient>, OAuthError> {
    let used_header = req.headers().contains_key(header::AUTHORIZATION);
    let outcome = match credentials(req, params)? {
        Credentials::Basic { id, secret } => by_secret(app, id, secret, AuthMethod::ClientSecretBasic, now).await,
        Credentials::Post { id, secret } => by_secret(app, id, secret, AuthMethod::ClientSecretPost, now).await,
        Credentials::Assertion { id, assertion } => by_assertion(app, id, &assertion, now).await,
        Credentials::Public { id } => public(app, id).await,
    };
    outcome.map_err(|error| match error.code {
        // RFC 6749 §5.2: challenge in the scheme that the client used
        Code::InvalidClient if used_header => error.with(Challenge::Basic),
        _ => error,
    })
}

fn invalid(description: impl Into<String>) -> OAuthError {
    OAuthError::new(Code::InvalidClient, description)
}

/// One answer for an unknown client, a wrong secret and a suspended client.
fn unproven() -> OAuthError {
    invalid("the client is unknown, or what it presented does not prove who it is")
}

fn credentials(req: &HttpRequest, params: &Params) -> Result<Credentials, OAuthError> {
    let mut headers = req.headers().get_all(header::AUTHORIZATION);
    let from_header = headers.next();
    if headers.next().is_some() {
        return Err(OAuthError::new(Code::InvalidRequest, "expected one Authorization header, got several"));
    }
    let id = params.get("client_id").map(str::to_owned);
    let secret = params.get("client_secret");
    let assertion = params.get("client_assertion");

    // RFC 6749 §2.3: one authentication method per request
    let methods = [from_header.is_some(), secret.is_some(), assertion.is_some()];
    if methods.iter().filter(|used| **used).count() > 1 {
        return Err(OAuthError::new(
            Code::InvalidRequest,
            "expected one way of client authentication, got more than one of Authorization header, client_secret and client_assertion",
        ));
    }
    if let Some(value) = from_header {
        let (user, secret) = basic(value.to_str().unwrap_or_default()).ok_or_else(|| {
            invalid("expected an Authorization header 'Basic', with client id and secret form-encoded")
                .with(Challenge::Basic)
        })?;
        if id.as_ref().is_some_and(|id| *id != user) {
            return Err(OAuthError::new(Code::InvalidRequest, "client_id is not the one in the Authorization header"));
        }
        return Ok(Credentials::Basic { id: user, secret });
    }
    if let Some(secret) = secret {
        return Ok(Credentials::Post { id: params.required("client_id")?.to_owned(), secret: secret.to_owned() });
    }
    if let Some(assertion) = assertion {
        let kind = params.required("client_assertion_type")?;
        if kind != JWT_BEARER {
            return Err(invalid(format!("client_assertion_type: expected {JWT_BEARER}, got '{}'", shown(kind))));
        }
        return Ok(Credentials::Assertion { id, assertion: assertion.to_owned() });
    }
    match id {
        Some(id) => Ok(Credentials::Public { id }),
        None => Err(invalid("expected client authentication or a client_id, got neither")),
    }
}

/// Client id and secret of an `Authorization` header `Basic`, both form-decoded (RFC 6749 §2.3.1); `None` for anything
/// else, and for what is not UTF-8 or holds NUL.
pub fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") || encoded.len() > 8192 {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, secret) = decoded.split_once(':')?;
    Some((form_decode(user)?, form_decode(secret)?))
}

fn form_decode(text: &str) -> Option<String> {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')) {
        return Some(text.to_owned());
    }
    // A lone name decodes as the form encoding has it; '&' and '=' in the raw text would be separators there.
    let encoded = text.replace('&', "%26").replace('=', "%3D");
    let (name, _) = form_urlencoded::parse(encoded.as_bytes()).next().unwrap_or_default();
    (!name.contains(['\u{fffd}', '\0'])).then(|| name.into_owned())
}

async fn by_secret(
    app: &App,
    id: String,
    secret: String,
    method: AuthMethod,
    now: Timestamp,
) -> Result<Arc<KnownClient>, OAuthError> {
    let Some((client, proof)) = client::by_secret(&app.store, &id, &secret, now).await? else { return Err(unproven()) };
    if client.auth_method != method {
        return Err(invalid(format!(
            "expected the authentication method that the client is registered for ({}), got {}",
            client.auth_method.as_str(),
            method.as_str()
        )));
    }
    client::note_use(&app.store, &proof, now);
    Ok(client)
}

async fn public(app: &App, id: String) -> Result<Arc<KnownClient>, OAuthError> {
    let client = client::active(&app.store, &id).await?.ok_or_else(unproven)?;
    if !client.is_public() {
        return Err(invalid(format!("expected client authentication by {}, got none", client.auth_method.as_str())));
    }
    Ok(client)
}

/// RFC 7523 §3, with the audience rule of its 2025 update: our issuer as the only audience, as a string.
async fn by_assertion(
    app: &App,
    id: Option<String>,
    assertion: &str,
    now: Timestamp,
) -> Result<Arc<KnownClient>, OAuthError> {
    let unverified = unverified_claims(assertion)
        .ok_or_else(|| invalid("client_assertion: expected a signed JWT in compact form"))?;
    let text = |name: &str| unverified.0.get(name).and_then(Value::as_str).map(str::to_owned);
    let (Some(issuer), Some(subject)) = (text("iss"), text("sub")) else {
        return Err(invalid("client_assertion: expected the claims iss and sub, both the client id"));
    };
    if issuer != subject || id.is_some_and(|id| id != subject) {
        return Err(invalid("client_assertion: expected iss, sub and client_id to be the same"));
    }
    // nothing that cannot be a client's id reaches the database
    let subject = id::client(&subject).map_err(|e| invalid(format!("client_assertion: sub: {e}")))?;
    let client = client::active(&app.store, &subject).await?.ok_or_else(unproven)?;
    if client.auth_method != AuthMethod::PrivateKeyJwt {
        return Err(unproven());
    }
    let keys = client_keys(app, &client, unverified.1.as_deref(), now).await?;
    let verified = keys::verify_with_jwks(assertion, &keys).map_err(|e| invalid(format!("client_assertion: {e}")))?;
    let (jti, expires) = check_assertion(app, &client, &verified.claims, now)?;
    // Taken before the grant is tried, so that a grant that fails does not free it.
    let client_id = client.id.clone();
    let fresh = app.store.write(move |tx| store::assertion_jti::take(tx, &client_id, &jti, expires + SKEW)).await?;
    if !fresh {
        return Err(invalid("client_assertion: its jti was used before"));
    }
    Ok(client)
}

/// The claims and the `kid` of a JWT before its signature is checked: only to find out whose keys to check it with.
/// `None` for what is too long or no JWT.
pub fn unverified_claims(jwt: &str) -> Option<(Map<String, Value>, Option<String>)> {
    if jwt.len() > keys::MAX_TOKEN_LEN {
        return None;
    }
    let mut parts = jwt.split('.');
    let (header, payload) = (parts.next()?, parts.next()?);
    let object =
        |part: &str| -> Option<Map<String, Value>> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok() };
    let kid = object(header)?.get("kid").and_then(Value::as_str).map(str::to_owned);
    Some((object(payload)?, kid))
}

async fn client_keys(app: &App, client: &Client, kid: Option<&str>, now: Timestamp) -> Result<Value, OAuthError> {
    if let Some(jwks) = &client.metadata.jwks {
        return Ok(jwks.clone());
    }
    let Some(uri) = &client.metadata.jwks_uri else {
        return Err(invalid("the client has registered neither jwks nor jwks_uri"));
    };
    match app.fetch.client_keys(uri, now, kid).await {
        Ok(keys) => Ok((*keys).clone()),
        Err(error) => {
            tracing::warn!(client_id = client.id, %error, "the keys of a client could not be fetched");
            Err(invalid("the keys at the client's jwks_uri could not be fetched"))
        }
    }
}

fn check_assertion(
    app: &App,
    client: &Client,
    claims: &Map<String, Value>,
    now: Timestamp,
) -> Result<(String, Timestamp), OAuthError> {
    let issuer = app.config.issuer();
    let token_endpoint = format!("{issuer}/oauth/token");
    let audience_fits = match claims.get("aud") {
        Some(Value::String(audience)) => {
            audience == issuer || (client.metadata.assertion_audience_token_endpoint && *audience == token_endpoint)
        }
        _ => false,
    };
    if !audience_fits {
        let got = audiences(claims).join(", ");
        return Err(invalid(format!(
            "client_assertion: expected aud to be the string {issuer}, got '{}'",
            shown(&got)
        )));
    }
    let number = |name: &str| claims.get(name).and_then(Value::as_f64).map(|n| Timestamp::from_seconds(n as i64));
    let expires = number("exp").ok_or_else(|| invalid("client_assertion: expected a claim exp"))?;
    if expires + SKEW <= now {
        return Err(invalid("client_assertion: it has expired"));
    }
    if expires > now + MAX_ASSERTION_LIFE + SKEW {
        return Err(invalid(format!(
            "client_assertion: expected exp at most {} seconds ahead",
            MAX_ASSERTION_LIFE.as_secs()
        )));
    }
    if number("nbf").is_some_and(|nbf| nbf > now + SKEW) || number("iat").is_some_and(|iat| iat > now + SKEW) {
        return Err(invalid("client_assertion: it is not valid yet"));
    }
    match claims.get("jti").and_then(Value::as_str) {
        Some(jti) if (1..=512).contains(&jti.len()) && !jti.contains('\0') => Ok((jti.to_owned(), expires)),
        _ => Err(invalid("client_assertion: expected a claim jti of 1 to 512 characters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_form_decoded() {
        let header = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(basic(&header("a%3Ab:s+e%2Bc")).unwrap(), ("a:b".to_owned(), "s e+c".to_owned()));
        assert_eq!(basic(&header("a:b:c&d=e")).unwrap(), ("a".to_owned(), "b:c&d=e".to_owned()));
        assert_eq!(basic(&header("a:")).unwrap(), ("a".to_owned(), String::new()));
        assert!(basic(&header("nocolon")).is_none());
        assert!(basic("Bearer abc").is_none());
        assert!(basic("Basic !!!").is_none());
    }

    proptest::proptest! {
        #[test]
        fn no_header_panics(text in ".{0,100}") {
            let _ = basic(&text);
            let _ = basic(&format!("Basic {text}"));
            let _ = unverified_claims(&text);
        }
    }
}
