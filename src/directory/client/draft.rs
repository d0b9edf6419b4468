//! What becomes of a client by what somebody says about it, before anybody asks whether it may.

use super::{ClientInput, Registered, rules};
use crate::{
    model::{client_auth::AuthMethod, grant_type::GrantType, problem::Fault, scope::Scope},
    store::client::{AccessTokenFormat, Client},
};

/// Puts what was said into the client; `created`: what is not said gets its default. What cannot be read at all is a
/// fault; whether the rest makes sense, [`rules::faults`] says.
pub(super) fn apply(found: &mut Registered, input: ClientInput, created: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let client = &mut found.client;
    let metadata = &mut client.metadata;
    if let Some(name) = input.name {
        client.name = name.map_or_else(|| client.id.clone(), |name| name.trim().to_owned());
    }
    set(&mut client.description, input.description);
    set_list(&mut client.redirect_uris, input.redirect_uris);
    set_list(&mut client.post_logout_redirect_uris, input.post_logout_redirect_uris);
    set_list(&mut found.resources, input.resource_uris);
    found.resources.sort();
    set_list(&mut found.roles, input.roles);
    found.roles.sort();
    set_or_default(&mut client.acl, input.acl);
    set_or_default(&mut client.access_attributes, input.access_attributes);
    set(&mut metadata.client_uri, input.client_uri);
    set(&mut metadata.logo_uri, input.logo_uri);
    set(&mut metadata.policy_uri, input.policy_uri);
    set(&mut metadata.tos_uri, input.tos_uri);
    set(&mut metadata.jwks, input.jwks);
    set(&mut metadata.jwks_uri, input.jwks_uri);
    set(&mut metadata.id_token_signed_response_alg, input.id_token_signed_response_alg);
    set(&mut metadata.userinfo_signed_response_alg, input.userinfo_signed_response_alg);
    set(&mut metadata.access_token_signed_response_alg, input.access_token_signed_response_alg);
    set(&mut metadata.access_token_lifetime, input.access_token_lifetime);
    set(&mut metadata.default_max_age, input.default_max_age);
    set_or_default(&mut metadata.pkce_optional, input.pkce_optional);
    set_or_default(&mut metadata.assertion_audience_token_endpoint, input.assertion_audience_token_endpoint);
    set_or_default(&mut metadata.require_auth_time, input.require_auth_time);
    set_or_default(&mut client.first_party, input.first_party);
    for (key, value) in input.properties.unwrap_or_default() {
        if value.is_null() {
            metadata.properties.remove(&key);
        } else {
            metadata.properties.insert(key, value);
        }
    }

    match input.access_token_format {
        None => {}
        Some(None) => metadata.access_token_format = AccessTokenFormat::default(),
        Some(Some(text)) => match text.as_str() {
            "jwt" => metadata.access_token_format = AccessTokenFormat::Jwt,
            "opaque" => metadata.access_token_format = AccessTokenFormat::Opaque,
            _ => faults.push(rules::fault("/accessTokenFormat", rules::expected("jwt or opaque", &text))),
        },
    }
    match input.token_endpoint_auth_method {
        None => {}
        Some(None) => client.auth_method = AuthMethod::ClientSecretBasic,
        Some(Some(text)) => match text.parse() {
            Ok(method) => client.auth_method = method,
            Err(message) => faults.push(rules::fault("/tokenEndpointAuthMethod", message)),
        },
    }
    // after the redirect URIs and the method, from which its default follows
    match input.grant_types {
        None if !created => {}
        None | Some(None) => client.grant_types = default_grants(client),
        Some(Some(texts)) => client.grant_types = grants(&texts, &mut faults),
    }
    match input.scopes {
        None if !created => {}
        None | Some(None) => client.scopes = default_scopes(&client.grant_types),
        Some(Some(texts)) => match scopes(&texts) {
            Ok(scopes) => client.scopes = scopes,
            Err(more) => faults.extend(more),
        },
    }
    faults
}

fn set<T>(place: &mut Option<T>, given: Option<Option<T>>) {
    if let Some(value) = given {
        *place = value;
    }
}

fn set_or_default<T: Default>(place: &mut T, given: Option<Option<T>>) {
    if let Some(value) = given {
        *place = value.unwrap_or_default();
    }
}

/// A list holds each member once. One that is far too long stays as it is: it is refused anyway.
fn set_list(place: &mut Vec<String>, given: Option<Option<Vec<String>>>) {
    let Some(given) = given else { return };
    *place = Vec::new();
    for member in given.unwrap_or_default() {
        if place.len() > rules::MAX_MEMBERS || !place.contains(&member) {
            place.push(member);
        }
    }
}

fn default_grants(client: &Client) -> Vec<GrantType> {
    match client.redirect_uris.is_empty() && !client.is_public() {
        true => vec![GrantType::ClientCredentials],
        false => vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
    }
}

/// In one order, each once.
fn grants(texts: &[String], faults: &mut Vec<Fault>) -> Vec<GrantType> {
    if texts.len() > 20 {
        faults.push(rules::fault("/grantTypes", format!("expected at most 20, got {}", texts.len())));
        return Vec::new();
    }
    let mut named = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        match text.parse::<GrantType>() {
            Ok(grant) => named.push(grant),
            Err(message) => faults.push(rules::fault(format!("/grantTypes/{n}"), message)),
        }
    }
    GrantType::ALL.into_iter().filter(|grant| named.contains(grant)).collect()
}

fn default_scopes(grants: &[GrantType]) -> Scope {
    let text = match (grants.contains(&GrantType::AuthorizationCode), grants.contains(&GrantType::RefreshToken)) {
        (true, true) => "openid profile email offline_access",
        (true, false) => "openid profile email",
        (false, _) => "",
    };
    Scope::written(text)
}

fn scopes(texts: &[String]) -> Result<Scope, Vec<Fault>> {
    if texts.len() > rules::MAX_MEMBERS {
        let message = format!("expected at most {}, got {}", rules::MAX_MEMBERS, texts.len());
        return Err(vec![rules::fault("/scopes", message)]);
    }
    let mut faults = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        if let Err(message) = rules::scope(text) {
            faults.push(rules::fault(format!("/scopes/{n}"), message));
        }
    }
    match faults.is_empty() {
        // also bounded as a whole
        true => texts.join(" ").parse().map_err(|message: String| vec![rules::fault("/scopes", message)]),
        false => Err(faults),
    }
}
