//! Which scopes a subject may have granted to a client.

use std::collections::BTreeSet;

pub use crate::store::access::{Access, AccessCache};
use crate::{
    model::{
        permission::Permission,
        scope::{OPENID_SCOPES, Scope},
    },
    store::client::Client,
};

/// Resources that this server itself serves, where conditions on objects are checked at each use.
const OWN_RESOURCES: [&str; 6] = ["iam", "graph", "sendings", "me", "appserver", "oauth"];

/// Whether this server itself serves a resource.
pub fn is_own(resource: &str) -> bool {
    OWN_RESOURCES
        .iter()
        .any(|own| resource.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

impl Access {
    /// granted = requested ∩ what the client may ask for ∩ what the subject holds. OpenID Connect's scopes are held by
    /// every person; a permission scope that is held in part is granted as the parts.
    pub fn grant(&self, requested: &Scope, client: &Client, person: bool) -> Scope {
        let mut granted: Vec<String> = Vec::new();
        for token in requested.iter() {
            if OPENID_SCOPES.contains(&token) {
                if person && client.scopes.contains(token) {
                    granted.push(token.to_owned());
                }
            } else if let Ok(permission) = token.parse::<Permission>() {
                for asked in within_client(&permission, client, person) {
                    granted.extend(self.permissions.grant(&asked, is_own).iter().map(Permission::to_string));
                }
            }
        }
        let granted: Vec<&str> = granted.iter().map(String::as_str).collect();
        granted.into_iter().collect()
    }
}

/// What of a permission scope the client may ask for. A service that has no scopes registered may ask for whatever its
/// roles hold; an application that acts for people must have them registered.
fn within_client(asked: &Permission, client: &Client, person: bool) -> Vec<Permission> {
    if client.scopes.is_empty() && !person {
        return vec![asked.clone()];
    }
    let mut within = BTreeSet::new();
    for registered in client.scopes.iter().filter_map(|token| token.parse::<Permission>().ok()) {
        within.extend(registered.meet(asked));
    }
    within.into_iter().collect()
}
