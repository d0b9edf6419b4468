//! What makes sense as a client (OpenID Connect Dynamic Client Registration §2, RFC 7591 §2): one set of rules for every
//! face on which clients are registered.

use serde_json::{Map, Value};
use url::Url;

use super::{
    Policy, Registered,
    document::{ClientDocument, document},
    input::REGISTRATION,
};
use crate::{
    keys::validate_jwks,
    model::{
        client_auth::AuthMethod,
        grant_type::GrantType,
        id::shown,
        permission::{Attributes, Permission},
        problem::{Code, Fault},
        redirect_uri,
        scope::OPENID_SCOPES,
        text,
    },
    store::client::Client,
};

/// The most members of a list.
pub(super) const MAX_MEMBERS: usize = 100;
/// The most characters of a name.
const MAX_NAME: usize = 200;
/// The most characters of a description.
pub(super) const MAX_DESCRIPTION: usize = 1000;
/// The most characters of a URI.
const MAX_URI: usize = 2000;
/// The most bytes of a client's keys.
const MAX_JWKS: usize = 16_384;
/// The most seconds for which an access token holds.
const MAX_LIFETIME: u64 = 86_400;
/// The most seconds of a max_age: ten years.
const MAX_AGE: u64 = 315_360_000;
/// The most custom keys, attributes, and values under one attribute.
const MAX_KEYS: usize = 50;
/// The most characters of such a key, and of an attribute's value.
const MAX_KEY: usize = 128;
/// The most bytes of all custom keys with their values.
const MAX_CUSTOM: usize = 8192;
/// Members of the answer that are no custom keys either.
const NOT_CUSTOM: [&str; 11] = [
    "id",
    "type",
    "roles",
    "acl",
    "accessAttributes",
    "properties",
    "suspendedAt",
    "systemClient",
    "createdAt",
    "eTag",
    "etag",
];

/// A member that breaks a rule.
pub(super) fn fault(pointer: impl Into<String>, message: impl Into<String>) -> Fault {
    Fault { code: Code::FieldInvalid, message: message.into(), pointer: Some(pointer.into()), details: None }
}

/// What was expected, and what was got.
pub(super) fn expected(what: &str, got: &str) -> String {
    format!("expected {what}, got '{}'", shown(got))
}

/// Everything that is wrong with a client. It is asked before and after a change: what was wrong before, under other
/// rules or another configuration, is no reason to refuse a change of something else.
pub(super) fn faults(found: &Registered, policy: &Policy) -> Vec<Fault> {
    let (client, metadata) = (&found.client, &found.client.metadata);
    let mut faults = Vec::new();
    texts(client, &mut faults);
    uris(found, policy, &mut faults);
    grants(client, &mut faults);
    keys(client, &mut faults);
    for (pointer, algorithm) in [
        ("/idTokenSignedResponseAlg", &metadata.id_token_signed_response_alg),
        ("/userinfoSignedResponseAlg", &metadata.userinfo_signed_response_alg),
        ("/accessTokenSignedResponseAlg", &metadata.access_token_signed_response_alg),
    ] {
        let known: Vec<&str> = policy.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        if let Some(text) = algorithm.as_ref().filter(|text| !known.contains(&text.as_str())) {
            faults.push(fault(pointer, expected(&format!("one of {}", known.join(", ")), text)));
        }
    }
    if let Some(seconds) = metadata.access_token_lifetime.filter(|seconds| !(1..=MAX_LIFETIME).contains(seconds)) {
        faults.push(fault("/accessTokenLifetime", format!("expected 1 to {MAX_LIFETIME} seconds, got {seconds}")));
    }
    if let Some(seconds) = metadata.default_max_age.filter(|seconds| *seconds > MAX_AGE) {
        faults.push(fault("/defaultMaxAge", format!("expected at most {MAX_AGE} seconds, got {seconds}")));
    }
    if let Err(message) = client.acl.validate() {
        faults.push(fault("/acl", message));
    }
    many("/roles", found.roles.len(), &mut faults);
    attributes(&client.access_attributes, &mut faults);
    custom(&metadata.properties, &mut faults);
    if faults.is_empty() {
        faults.extend(size(&document(found), policy));
    }
    faults
}

fn texts(client: &Client, faults: &mut Vec<Fault>) {
    // people are asked whether they allow it by this name
    if let Err(message) = text::name(&client.name, MAX_NAME) {
        faults.push(fault("/name", message));
    }
    if client.description.as_ref().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
        faults.push(fault("/description", format!("expected at most {MAX_DESCRIPTION} characters")));
    }
}

/// Whether a list is too long; then nobody looks at its members.
fn many(pointer: &str, members: usize, faults: &mut Vec<Fault>) -> bool {
    let is = members > MAX_MEMBERS;
    if is {
        faults.push(fault(pointer, format!("expected at most {MAX_MEMBERS}, got {members}")));
    }
    is
}

fn each(pointer: &str, uris: &[String], check: impl Fn(&str) -> Result<(), String>, faults: &mut Vec<Fault>) {
    if many(pointer, uris.len(), faults) {
        return;
    }
    for (n, uri) in uris.iter().enumerate() {
        if let Err(message) = check(uri) {
            faults.push(fault(format!("{pointer}/{n}"), message));
        }
    }
}

fn uris(found: &Registered, policy: &Policy, faults: &mut Vec<Fault>) {
    let (client, metadata) = (&found.client, &found.client.metadata);
    let register = |uri: &str| redirect_uri::register(uri).map(drop);
    each("/redirectUris", &client.redirect_uris, register, faults);
    each("/postLogoutRedirectUris", &client.post_logout_redirect_uris, register, faults);
    each("/resourceUris", &found.resources, |uri| resource(uri, &policy.issuer), faults);
    for (pointer, uri) in [
        ("/clientUri", &metadata.client_uri),
        ("/logoUri", &metadata.logo_uri),
        ("/policyUri", &metadata.policy_uri),
        ("/tosUri", &metadata.tos_uri),
    ] {
        if let Some(Err(message)) = uri.as_deref().map(page) {
            faults.push(fault(pointer, message));
        }
    }
}

/// A page or a picture that browsers are sent to: as redirect URIs are, but on the web.
fn page(uri: &str) -> Result<(), String> {
    let fits = redirect_uri::register(uri).is_ok_and(|uri| uri.starts_with("https://") || uri.starts_with("http://"));
    match fits {
        true => Ok(()),
        false => Err(expected("an https URL, or http on loopback, without fragment and user information", uri)),
    }
}

/// RFC 8707 §2: an absolute URI without a fragment; and not this server itself, whose tokens are its own.
fn resource(uri: &str, issuer: &str) -> Result<(), String> {
    let absolute =
        Url::parse(uri).is_ok_and(|url| url.fragment().is_none()) && uri.bytes().all(|b| b.is_ascii_graphic());
    if !absolute || uri.len() > MAX_URI {
        return Err(expected("an absolute URI without a fragment", uri));
    }
    if uri.trim_end_matches('/').eq_ignore_ascii_case(issuer) {
        return Err(expected("another resource than this server itself", uri));
    }
    Ok(())
}

fn grants(client: &Client, faults: &mut Vec<Fault>) {
    if client.may(GrantType::AuthorizationCode) && client.redirect_uris.is_empty() {
        faults.push(fault("/redirectUris", "expected at least one with the grant authorization_code"));
    }
    // RFC 6749 §4.4: only for clients that can keep a secret
    if client.may(GrantType::ClientCredentials) && client.is_public() {
        let message = "expected another one than none with the grant client_credentials";
        faults.push(fault("/tokenEndpointAuthMethod", message));
    }
    if client.may(GrantType::RefreshToken) && !client.may(GrantType::AuthorizationCode) {
        faults.push(fault("/grantTypes", "expected authorization_code beside refresh_token"));
    }
    // RFC 9700 §2.1.1
    if client.is_public() && client.metadata.pkce_optional {
        faults.push(fault("/pkceOptional", "expected false for a public client"));
    }
}

fn keys(client: &Client, faults: &mut Vec<Fault>) {
    let metadata = &client.metadata;
    if let Some(jwks) = &metadata.jwks {
        if jwks.to_string().len() > MAX_JWKS {
            faults.push(fault("/jwks", format!("expected at most {MAX_JWKS} bytes")));
        } else if let Err(message) = validate_jwks(jwks) {
            faults.push(fault("/jwks", message));
        }
    }
    if let Some(uri) = &metadata.jwks_uri
        && !(uri.starts_with("https://") && page(uri).is_ok())
    {
        faults.push(fault("/jwksUri", expected("an https URL", uri)));
    }
    // RFC 7591 §2
    if metadata.jwks.is_some() && metadata.jwks_uri.is_some() {
        faults.push(fault("/jwksUri", "expected jwks or jwksUri, got both"));
    }
    if client.auth_method == AuthMethod::PrivateKeyJwt && metadata.jwks.is_none() && metadata.jwks_uri.is_none() {
        faults.push(fault("/jwks", "expected one of them with private_key_jwt"));
    }
}

/// Whether a client may be registered for this scope: OpenID Connect's, or a permission.
pub(super) fn scope(text: &str) -> Result<(), String> {
    match OPENID_SCOPES.contains(&text) {
        true => Ok(()),
        false => text
            .parse::<Permission>()
            .map(drop)
            .map_err(|message| format!("expected one of {}, or a permission: {message}", OPENID_SCOPES.join(", "))),
    }
}

fn is_key(key: &str) -> bool {
    (1..=MAX_KEY).contains(&key.chars().count()) && !key.chars().any(char::is_control)
}

fn attributes(attributes: &Attributes, faults: &mut Vec<Fault>) {
    let sound = attributes.len() <= MAX_KEYS
        && attributes
            .iter()
            .all(|(key, values)| is_key(key) && values.len() <= MAX_KEYS && values.iter().all(|value| is_key(value)));
    if !sound {
        let message =
            format!("expected at most {MAX_KEYS} keys with {MAX_KEYS} values, each of 1 to {MAX_KEY} characters");
        faults.push(fault("/accessAttributes", message));
    }
}

fn custom(custom: &Map<String, Value>, faults: &mut Vec<Fault>) {
    if custom.len() > MAX_KEYS || Value::Object(custom.clone()).to_string().len() > MAX_CUSTOM {
        let message = format!("expected at most {MAX_KEYS} custom keys and {MAX_CUSTOM} bytes");
        faults.push(fault("/properties", message));
    }
    for key in custom.keys().take(MAX_KEYS) {
        let place = format!("/properties/{}", key.replace('~', "~0").replace('/', "~1"));
        if !is_key(key) {
            faults.push(fault("/properties", expected(&format!("keys of 1 to {MAX_KEY} characters"), key)));
        } else if NOT_CUSTOM.contains(&key.as_str()) || REGISTRATION.contains(&key.as_str()) {
            faults.push(fault(place, "is a member of the client itself: expected it outside of properties"));
        }
    }
}

/// What was read has to fit into a request that writes it back.
fn size(document: &ClientDocument, policy: &Policy) -> Option<Fault> {
    let bytes = serde_json::to_string(document).map_or(usize::MAX, |text| text.len());
    let message = || format!("expected a client of at most {} bytes as it is answered, got {bytes}", policy.max_bytes);
    (bytes > policy.max_bytes).then(|| fault("", message()))
}
