//! Resource indicators (RFC 8707): for which resource servers a token is meant.

use super::{
    error::{Code, OAuthError},
    params::Params,
};
use crate::{
    model::id::shown,
    store::{self, Conn},
};

/// More than any honest request names.
const MAX_RESOURCES: usize = 10;

/// The resources that a request names, each registered by the client that serves it.
///
/// # Errors
/// `invalid_target` for one that is no absolute URI without fragment, or that nobody serves.
pub fn requested(conn: &mut Conn, params: &Params, issuer: &str) -> Result<Vec<String>, OAuthError> {
    let mut resources: Vec<String> = Vec::new();
    for resource in params.all("resource") {
        let absolute = url::Url::parse(resource).is_ok() && !resource.contains('#') && resource.len() <= 2000;
        if !absolute {
            let got = shown(resource);
            return Err(OAuthError::new(
                Code::InvalidTarget,
                format!("resource: expected an absolute URI without fragment, got '{got}'"),
            ));
        }
        if resource != issuer && store::client::resource_owner(conn, resource)?.is_none() {
            let got = shown(resource);
            return Err(OAuthError::new(Code::InvalidTarget, format!("resource: nobody serves '{got}'")));
        }
        if !resources.iter().any(|known| known == resource) {
            resources.push(resource.to_owned());
        }
        if resources.len() > MAX_RESOURCES {
            return Err(OAuthError::new(Code::InvalidTarget, format!("resource: expected at most {MAX_RESOURCES}")));
        }
    }
    Ok(resources)
}

/// The audience of a token under a grant: what the token request names, which must have been granted (RFC 8707 §2.2),
/// else everything that was. With `openid` this server was granted too, since userinfo is here; so a client that wants
/// a token which a resource server cannot use at userinfo names that resource alone.
///
/// # Errors
/// `invalid_target` for a resource that was not granted.
pub fn audience(granted: &[String], openid: bool, params: &Params, issuer: &str) -> Result<Vec<String>, OAuthError> {
    let mut resources: Vec<String> = Vec::new();
    for resource in params.all("resource") {
        let of_issuer = (openid || granted.is_empty()) && resource == issuer;
        if !of_issuer && !granted.iter().any(|one| one == resource) {
            let got = shown(resource);
            return Err(OAuthError::new(
                Code::InvalidTarget,
                format!("resource: '{got}' was not in the authorization request"),
            ));
        }
        if !resources.iter().any(|known| known == resource) {
            resources.push(resource.to_owned());
        }
    }
    if resources.is_empty() {
        resources = granted.to_vec();
        if openid || resources.is_empty() {
            resources.push(issuer.to_owned());
        }
    }
    Ok(resources)
}
