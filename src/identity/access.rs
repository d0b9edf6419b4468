//! Which scopes a subject may have granted to a client, and what an identity may do.

use std::collections::BTreeSet;

use crate::{
    model::{
        permission::{Acl, Attributes, Permission, Permissions},
        scope::{OPENID_SCOPES, Scope},
    },
    store::{self, Conn, client::Client, principal::Principal},
};

/// Resources that this server itself serves, where conditions on objects are checked at each use.
const OWN_RESOURCES: [&str; 6] = ["iam", "graph", "sendings", "me", "appserver", "oauth"];

/// An identity's roles and what they and its own list allow.
#[derive(Clone, Debug)]
pub struct Access {
    /// The keys of its roles, in order.
    pub roles: Vec<String>,
    /// What it may do.
    pub permissions: Permissions,
}

impl Access {
    /// What this principal may do now.
    pub fn of_principal(conn: &mut Conn, principal: &Principal) -> Result<Access, store::Error> {
        let (roles, permissions) =
            store::identity::permissions(conn, &principal.id, &principal.acl, &principal.access_attributes)?;
        // A person holds what concerns the person by nature; a token's scopes limit it.
        let by_nature = Acl::of(&["me:*"]).map_err(store::Error::Internal)?;
        let permissions = permissions.and(&Permissions::compile([&by_nature], &Attributes::new()));
        Ok(Access { roles, permissions })
    }

    /// What this client may do now.
    pub fn of_client(conn: &mut Conn, client: &Client) -> Result<Access, store::Error> {
        let (roles, permissions) =
            store::identity::permissions(conn, &client.id, &client.acl, &client.access_attributes)?;
        Ok(Access { roles, permissions })
    }

    /// granted = requested ∩ what the client may ask for ∩ what the subject holds. OpenID Connect's scopes are held by
    /// every person; a permission scope that is held in part is granted as the parts.
    pub fn grant(&self, requested: &Scope, client: &Client, person: bool) -> Scope {
        let own = |resource: &str| {
            OWN_RESOURCES.iter().any(|own| resource == *own || resource.starts_with(&format!("{own}/")))
        };
        let mut granted: Vec<String> = Vec::new();
        for token in requested.iter() {
            if OPENID_SCOPES.contains(&token) {
                if person && client.scopes.contains(token) {
                    granted.push(token.to_owned());
                }
            } else if let Ok(permission) = token.parse::<Permission>() {
                for asked in within_client(&permission, client, person) {
                    granted.extend(self.permissions.grant(&asked, own).iter().map(Permission::to_string));
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
