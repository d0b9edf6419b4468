//! Nobody rises: what an actor may do to other identities, measured by what these may do.
//!
//! - Whoever changes something by which an identity could be taken over (password, email, suspension, roles, list,
//!   attributes, secrets, redirect URIs, keys, sessions) holds, with this very token, all that the identity holds.
//! - Whoever gives something holds it, and gives nothing to themselves.
//! - Only an owner acts on owners, and one who can sign in remains.

use super::{Actor, Refusal};
use crate::{
    model::{
        permission::{Acl, Attributes, Permission, Permissions},
        problem::Code,
        role_key,
        scope::Scope,
    },
    store::{self, Conn},
};

/// What an identity holds, as far as the guard compares it.
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    /// The keys of its roles.
    pub roles: Vec<String>,
    /// Its own list.
    pub acl: Acl,
    /// Its attributes.
    pub attributes: Attributes,
    /// The scopes that a client may ask for; empty for principals.
    pub scopes: Scope,
    /// What roles, list and scopes give together.
    pub permissions: Permissions,
}

impl Holdings {
    /// What these roles, this list, attributes and scopes give. Scopes that concern only the person who uses a client
    /// give the client nothing of its own.
    ///
    /// # Errors
    /// The database cannot be asked; [`Code::UnknownRole`].
    pub fn of(
        conn: &mut Conn,
        roles: &[String],
        acl: &Acl,
        attributes: &Attributes,
        scopes: &Scope,
    ) -> Result<Holdings, Refusal> {
        let mut acls = vec![acl.clone()];
        if !roles.is_empty() {
            let found = store::role::by_keys(conn, roles)?;
            if let Some(n) = roles.iter().position(|key| found.iter().all(|role| role.key != *key)) {
                return Err(unknown_role(n, &roles[n]));
            }
            acls.extend(found.into_iter().map(|role| role.acl));
        }
        let scoped: Vec<String> = scopes
            .iter()
            .filter_map(|token| token.parse::<Permission>().ok())
            .filter(|permission| !is_personal(permission))
            .map(|permission| permission.to_string())
            .collect();
        acls.push(Acl::of(&scoped.iter().map(String::as_str).collect::<Vec<_>>()).unwrap_or_default());
        Ok(Holdings {
            permissions: Permissions::compile(&acls, attributes),
            roles: roles.to_vec(),
            acl: acl.clone(),
            attributes: attributes.clone(),
            scopes: scopes.clone(),
        })
    }

    /// Whether it has the role that may do everything.
    pub fn is_owner(&self) -> bool {
        self.roles.iter().any(|role| role == role_key::OWNER)
    }
}

/// The refusal of a role that does not exist, at its place in a list.
pub fn unknown_role(index: usize, key: &str) -> Refusal {
    let message = format!("there is no role '{}'", crate::model::id::shown(key));
    Refusal::at(Code::UnknownRole, format!("/roles/{index}"), message)
}

/// What a person holds over themselves by nature: a client that may ask for it gains nothing over others.
fn is_personal(permission: &Permission) -> bool {
    permission.resource() == "me" || permission.resource().starts_with("me/")
}

/// Whether the actor may do something by which this identity could be taken over.
///
/// # Errors
/// [`Code::PrivilegeEscalation`].
pub fn may_touch(actor: &Actor, target: &Holdings) -> Result<(), Refusal> {
    if target.is_owner() && !actor.owner {
        return Err(escalation("only an owner acts on an owner"));
    }
    if !actor.permissions.covers(&target.permissions) {
        return Err(escalation(
            "expected a token that allows all that this identity is allowed, since the change could be used to act as it",
        ));
    }
    Ok(())
}

/// Whether the actor may make `target` hold `after` instead of `before`. To be asked after [`may_touch`] of `before`.
///
/// # Errors
/// [`Code::PrivilegeEscalation`].
pub fn may_give(actor: &Actor, target: &str, before: &Holdings, after: &Holdings) -> Result<(), Refusal> {
    let roles: Vec<&String> = after.roles.iter().filter(|role| !before.roles.contains(role)).collect();
    let entries = after.acl.entries.iter().any(|entry| !before.acl.entries.contains(entry));
    let scopes = after.scopes.iter().any(|scope| !before.scopes.contains(scope) && scope.parse::<Permission>().is_ok());
    let attributes: Vec<(&String, &String)> = after
        .attributes
        .iter()
        .flat_map(|(key, values)| values.iter().map(move |value| (key, value)))
        .filter(|(key, value)| !before.attributes.get(*key).is_some_and(|values| values.contains(value)))
        .collect();
    if roles.is_empty() && !entries && !scopes && attributes.is_empty() {
        return Ok(());
    }
    if actor.is(target) {
        return Err(escalation("nobody gives roles, permissions, scopes or attributes to themselves"));
    }
    if roles.iter().any(|role| *role == role_key::OWNER) && !actor.owner {
        return Err(escalation("only an owner makes owners"));
    }
    if !actor.permissions.covers(&after.permissions) {
        return Err(escalation("expected a token that allows all that is given"));
    }
    let held = |key: &str, value: &String| actor.permissions.attributes().get(key).is_some_and(|v| v.contains(value));
    if let Some((key, value)) = attributes.iter().find(|(key, value)| !held(key, value))
        && !actor.permissions.allow_everything()
    {
        return Err(escalation(&format!("expected somebody who has the attribute {key} = {value} to give it")));
    }
    Ok(())
}

/// Whether the actor may make a role or list allow this.
///
/// # Errors
/// [`Code::PrivilegeEscalation`].
pub fn may_define(actor: &Actor, acl: &Acl) -> Result<(), Refusal> {
    // under no attributes a conditional entry is compared as what it allows at most
    match actor.permissions.covers(&Permissions::compile([&acl.unconditional()], &Attributes::new())) {
        true => Ok(()),
        false => Err(escalation("expected a token that allows all that the role would allow")),
    }
}

/// Whether somebody who may do everything can still sign in. To be asked at the end of a transaction that took that from
/// somebody.
///
/// # Errors
/// [`Code::LastOwner`].
pub fn owner_remains(conn: &mut Conn) -> Result<(), Refusal> {
    match store::identity::has_owner(conn)? {
        true => Ok(()),
        false => Err(Refusal::new(
            Code::LastOwner,
            format!(
                "expected that another principal with the role {} remains who is not suspended and has an email address",
                role_key::OWNER
            ),
        )),
    }
}

fn escalation(detail: &str) -> Refusal {
    Refusal::new(Code::PrivilegeEscalation, detail)
}
