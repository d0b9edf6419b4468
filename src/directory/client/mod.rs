//! Clients: the applications and services that ask for tokens; read, made, changed, suspended, deleted.
//!
//! # What a change does to tokens that exist
//!
//! Suspension and deletion end everything at once and for good: tokens are refused at the very next request, grants,
//! refresh tokens and codes do not come back with the suspension's end. Removing a secret, or changing keys or the
//! method of authentication, ends what has to be proven anew: token requests (refreshing included), introspection and
//! revocation by that secret. Access tokens that were handed out go on until they expire, ten minutes by default: they
//! prove themselves, and whoever rotates a secret wants no interruption. Whoever fears that a secret was stolen suspends
//! the client, which ends its tokens too.

mod document;
mod draft;
mod input;
mod put;
mod roles;
mod rules;
pub mod secrets;
mod suspension;
#[cfg(test)]
mod tests;

pub use document::{ClientDocument, ClientProperties, document};
pub use input::ClientInput;
pub(super) use put::put_over;
pub use put::{check_new, put};
pub use roles::{ClientRolesInput, set_roles};
pub use suspension::{suspend, unsuspend};

use serde_json::{Value, json};

use super::{
    Actor, Precondition, Refusal,
    actor::missing,
    audit::{self, Target},
    guard::{self, Holdings},
};
use crate::{
    config::Config,
    model::{
        id,
        key::SigningAlgorithm,
        permission::{Permission, Visibility},
        problem::Code,
        secret::random_text,
        time::Timestamp,
    },
    store::{
        self, Conn, Tx,
        client::Client,
        listing::{ClientFilter, Listed, Page, clients},
    },
};

/// The resource that permissions name.
const RESOURCE: &str = "iam/clients";

/// What the configuration says about changes of clients.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether existing clients are changed only under a precondition.
    pub require_precondition: bool,
    /// The algorithms that there are keys for.
    pub algorithms: Vec<SigningAlgorithm>,
    /// This server, which no client can claim to be.
    pub issuer: String,
    /// The most bytes of a client as it is answered, so that what was read can be written back.
    pub max_bytes: usize,
}

impl Policy {
    /// What this configuration says.
    pub fn of(config: &Config) -> Policy {
        Policy {
            require_precondition: config.iam.require_if_match,
            algorithms: config.keys.signing_algorithms.clone(),
            issuer: config.issuer().to_owned(),
            max_bytes: config.limits.body_bytes,
        }
    }
}

/// A client with what lies in other tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Registered {
    /// Its row.
    pub client: Client,
    /// The resources that it serves, in order.
    pub resources: Vec<String>,
    /// The keys of its roles, in order.
    pub roles: Vec<String>,
}

/// The client with this id; a text that cannot be one is nobody's.
pub(super) fn find(conn: &mut Conn, id: &str) -> Result<Option<Registered>, store::Error> {
    if id::client(id).is_err() {
        return Ok(None);
    }
    // first the version, then what it covers: what is newer than its version can only be refused when it is saved
    let Some(client) = store::client::find(conn, id)? else { return Ok(None) };
    let resources = store::client::resources(conn, id)?;
    let roles = store::identity::roles(conn, id)?;
    Ok(Some(Registered { client, resources, roles }))
}

/// Those of these clients that are there, in no order.
pub(super) fn find_many(conn: &mut Conn, ids: &[&str]) -> Result<Vec<Registered>, store::Error> {
    let ids: Vec<&str> = ids.iter().copied().filter(|id| id::client(id).is_ok()).collect();
    let clients = if ids.is_empty() { Vec::new() } else { store::client::by_ids(conn, &ids)? };
    let ids: Vec<&str> = clients.iter().map(|client| client.id.as_str()).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let (mut served, mut held) = (store::client::resources_of(conn, &ids)?, store::identity::roles_of(conn, &ids)?);
    let found = clients.iter().map(|client| {
        let (resources, roles) = (served.remove(&client.id), held.remove(&client.id));
        Registered {
            client: client.clone(),
            resources: resources.unwrap_or_default(),
            roles: roles.unwrap_or_default(),
        }
    });
    Ok(found.collect())
}

/// The document of a client, if the actor may see it.
pub(super) fn seen(actor: &Actor, found: &Registered) -> Option<ClientDocument> {
    actor.may(RESOURCE, "read", &found.client.access_attributes).then(|| document(found))
}

/// The client that the actor asks about; what an actor may not read is not there.
fn readable(conn: &mut Conn, actor: &Actor, id: &str) -> Result<Registered, Refusal> {
    find(conn, id)?
        .filter(|found| actor.may(RESOURCE, "read", &found.client.access_attributes))
        .ok_or_else(|| Refusal::not_found("client", id))
}

/// Whether the actor may do this to this client, as far as permissions and protection go.
fn permit(actor: &Actor, found: &Registered, action: &str) -> Result<(), Refusal> {
    let (client, attributes) = (&found.client, &found.client.access_attributes);
    if !actor.may(RESOURCE, action, attributes) {
        return Err(match actor.may(RESOURCE, "read", attributes) {
            true => missing(RESOURCE, action),
            false => Refusal::not_found("client", &client.id),
        });
    }
    if client.system_client {
        let detail = format!("{} is a system client, which is built in", id::shown(&client.id));
        return Err(Refusal::new(Code::SystemClientProtected, detail));
    }
    Ok(())
}

/// The client that the actor is about to change in a way by which it could be taken over.
fn touchable(
    tx: &mut Tx<'_>,
    actor: &Actor,
    id: &str,
    action: &str,
    precondition: &Precondition,
    policy: &Policy,
) -> Result<Registered, Refusal> {
    let found = find(tx, id)?.ok_or_else(|| Refusal::not_found("client", id))?;
    permit(actor, &found, action)?;
    precondition.check(Some(&found.client.etag), policy.require_precondition)?;
    may_touch(tx, actor, &found)?;
    Ok(found)
}

/// What a client holds, as far as the guard compares it.
fn holdings(conn: &mut Conn, found: &Registered) -> Result<Holdings, Refusal> {
    let client = &found.client;
    Holdings::of(conn, &found.roles, &client.acl, &client.access_attributes, &client.scopes)
}

/// Whether the actor may change something by which the client could be taken over; what it holds.
fn may_touch(conn: &mut Conn, actor: &Actor, found: &Registered) -> Result<Holdings, Refusal> {
    let held = holdings(conn, found)?;
    guard::may_touch(actor, &held)?;
    without_asking(actor, &found.client)?;
    Ok(held)
}

/// An application that gets permissions of people without asking them: whoever decides where its tokens go acts as every
/// person who follows a link, owners among them.
fn without_asking(actor: &Actor, client: &Client) -> Result<(), Refusal> {
    let permission = |scope: &str| scope.parse::<Permission>().is_ok();
    if client.first_party && !actor.owner && client.scopes.iter().any(permission) {
        let detail = "only an owner acts on a client that gets permissions without people's consent";
        return Err(Refusal::new(Code::PrivilegeEscalation, detail));
    }
    Ok(())
}

/// Saves a client that was read as `before`, under a new version.
fn save(tx: &mut Tx<'_>, client: &mut Client, before: &Client, now: Timestamp) -> Result<(), Refusal> {
    client.updated_at = now;
    client.etag = random_text::<12>();
    match store::client::update(tx, client, &before.etag)? {
        true => Ok(()),
        false => Err(Refusal::new(Code::EtagMismatch, "somebody has changed it meanwhile; nothing was changed")),
    }
}

/// Notes in the audit log what became of a client.
fn note(
    tx: &mut Tx<'_>,
    actor: &Actor,
    action: &str,
    before: Option<&Registered>,
    after: Option<&Registered>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let shown = |found: Option<&Registered>| match found {
        Some(found) => {
            let mut value = json!(document(found));
            // the same once more
            value.as_object_mut().and_then(|members| members.remove("properties"));
            value["custom"] = json!(found.client.metadata.properties);
            value
        }
        None => Value::Null,
    };
    let id = after.or(before).map(|found| found.client.id.as_str()).unwrap_or_default();
    let target = Target { kind: "client", id };
    Ok(audit::note(tx, actor, action, target, &shown(before), &shown(after), now)?)
}

/// The client with this id.
///
/// # Errors
/// [`Code::NotFound`].
pub fn get(conn: &mut Conn, actor: &Actor, id: &str) -> Result<ClientDocument, Refusal> {
    Ok(document(&readable(conn, actor, id)?))
}

/// Deletes a client with its secrets, grants and consents; its id is never used again.
///
/// # Errors
/// [`Code::NotFound`], [`Code::SystemClientProtected`], the precondition's, [`Code::PrivilegeEscalation`].
pub fn delete(
    tx: &mut Tx<'_>,
    actor: &Actor,
    id: &str,
    precondition: &Precondition,
    policy: &Policy,
    now: Timestamp,
) -> Result<(), Refusal> {
    tx.raise()?;
    let found = touchable(tx, actor, id, "delete", precondition, policy)?;
    store::client::delete(tx, id, now)?;
    note(tx, actor, "client.delete", Some(&found), None, now)
}

/// A page of the clients that the filter asks for and the actor may see.
///
/// # Errors
/// The database cannot be asked.
pub fn list(conn: &mut Conn, filter: &ClientFilter, page: &Page) -> Result<Listed<ClientDocument>, store::Error> {
    let listed = clients::list(conn, filter, page)?;
    let ids: Vec<&str> = listed.items.iter().map(|(client, _)| client.id.as_str()).collect();
    let mut served = store::client::resources_of(conn, &ids)?;
    Ok(listed.map(|(client, roles)| {
        let resources = served.remove(&client.id).unwrap_or_default();
        document(&Registered { client, resources, roles })
    }))
}

/// What of the clients the actor may see in lists.
pub fn visible(actor: &Actor) -> Visibility {
    actor.permissions.visibility(RESOURCE, "read")
}
