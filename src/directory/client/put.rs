//! A client is made, or what is said about it replaced.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    ClientDocument, ClientInput, Policy, RESOURCE, Registered, document, draft, find, holdings, input::REGISTRATION,
    may_touch, note, permit, rules, save, without_asking,
};
use crate::{
    directory::{
        Actor, Precondition, Refusal,
        document::{flatten, read, take_etag},
        guard::{self, Holdings},
        role::Put,
    },
    model::{
        client_auth::AuthMethod,
        id,
        problem::{Code, Fault, Problem},
        time::Timestamp,
    },
    store::{self, Tx, client::Client},
};

/// Members of the answer that cannot be set.
const READ_ONLY: [&str; 5] = ["id", "type", "suspendedAt", "systemClient", "createdAt"];

/// Makes a client, or replaces the members that are given; members that are absent stay. What changes nothing leaves the
/// version as it is, and no event.
///
/// # Errors
/// Everything that the catalogue [`Code`] says about preconditions, bodies, protection, conflicts and escalation.
pub fn put(
    tx: &mut Tx<'_>,
    actor: &Actor,
    id: &str,
    body: Map<String, Value>,
    precondition: &Precondition,
    policy: &Policy,
    now: Timestamp,
) -> Result<Put<ClientDocument>, Refusal> {
    tx.raise()?;
    let stored = find(tx, id)?;
    put_over(tx, actor, id, stored, body, precondition, policy, now)
}

/// The same of a client that is stored like this, or not there.
#[allow(clippy::too_many_arguments)]
pub(in crate::directory) fn put_over(
    tx: &mut Tx<'_>,
    actor: &Actor,
    id: &str,
    stored: Option<Registered>,
    mut body: Map<String, Value>,
    precondition: &Precondition,
    policy: &Policy,
    now: Timestamp,
) -> Result<Put<ClientDocument>, Refusal> {
    tx.raise()?;
    match &stored {
        Some(found) => permit(actor, found, "write")?,
        None => {
            new_id(id).map_err(|fault| Refusal::new(Code::IdInvalid, fault))?;
            // ids are never used again: what carries a version but was never here comes from another server
            body.remove("eTag");
        }
    }
    let etag = take_etag(&mut body)?;
    let precondition = precondition.clone().and_body(etag.as_deref())?;
    precondition.check(stored.as_ref().map(|found| found.client.etag.as_str()), policy.require_precondition)?;

    let (after, faults) = changed(stored.as_ref(), id, body, policy, now)?;
    if !faults.is_empty() {
        return Err(Problem::of(faults).into());
    }
    actor.must(RESOURCE, "write", &after.client.access_attributes)?;
    let held = match &stored {
        Some(found) => may_touch(tx, actor, found)?,
        None => Holdings::default(),
    };
    let holds = holdings(tx, &after)?;
    guard::may_give(actor, id, &held, &holds)?;
    without_asking(actor, &after.client)?;
    if let Some(found) = stored.as_ref().filter(|found| **found == after) {
        return Ok(Put { document: document::document(found), created: false });
    }
    write(tx, stored.as_ref(), after, actor, now)
}

/// Everything that is wrong with a client that is to be made, without asking whether somebody else is in the way.
///
/// # Errors
/// As [`put`], where the body cannot be read at all.
pub fn check_new(
    id: &str,
    body: Map<String, Value>,
    policy: &Policy,
    now: Timestamp,
) -> Result<(Registered, Vec<Fault>), Refusal> {
    let (client, mut faults) = changed(None, id, body, policy, now)?;
    if let Err(message) = new_id(id) {
        faults.insert(0, Fault { code: Code::IdInvalid, ..rules::fault("/id", message) });
    }
    Ok((client, faults))
}

/// An id for a new client.
fn new_id(text: &str) -> Result<String, String> {
    // a UUID has one way to be written, so that a subject is never ambiguous
    if text.len() == 36 && Uuid::parse_str(text).is_ok_and(|uuid| uuid.to_string() != text) {
        return Err(format!("expected a UUID in small letters, got '{}'", id::shown(text)));
    }
    id::client(text)
}

/// What the body makes of a client, and what would be wrong with that.
fn changed(
    stored: Option<&Registered>,
    id: &str,
    mut body: Map<String, Value>,
    policy: &Policy,
    now: Timestamp,
) -> Result<(Registered, Vec<Fault>), Refusal> {
    let known = match stored {
        Some(found) => json!(document::document(found)),
        None => {
            // what was read from another server
            body.remove("createdAt");
            json!({"id": id, "type": "client", "systemClient": false})
        }
    };
    let known = known.as_object().cloned().unwrap_or_default();
    let body = flatten(body, &REGISTRATION, &READ_ONLY, &known)?;
    let input: ClientInput = read(Value::Object(body))?;

    let blank = || Client::new(id.to_owned(), id.to_owned(), AuthMethod::ClientSecretBasic, now);
    let mut after = match stored {
        Some(found) => found.clone(),
        None => Registered { client: blank(), resources: Vec::new(), roles: Vec::new() },
    };
    let mut faults = draft::apply(&mut after, input, stored.is_none());
    let before = stored.map(|found| rules::faults(found, policy)).unwrap_or_default();
    faults.extend(rules::faults(&after, policy).into_iter().filter(|fault| !before.contains(fault)));
    Ok((after, faults))
}

fn write(
    tx: &mut Tx<'_>,
    stored: Option<&Registered>,
    mut after: Registered,
    actor: &Actor,
    now: Timestamp,
) -> Result<Put<ClientDocument>, Refusal> {
    match stored {
        Some(before) => save(tx, &mut after.client, &before.client, now)?,
        None => store::client::insert(tx, &after.client).map_err(|error| match error {
            store::Error::Conflict(_) => Refusal::new(
                Code::IdInUse,
                format!("the id {} is or was in use; ids are never used again", id::shown(&after.client.id)),
            ),
            other => other.into(),
        })?,
    }
    let client = &after.client;
    let resources = stored.map(|before| before.resources.as_slice()).unwrap_or_default();
    if resources != after.resources {
        set_resources(tx, &client.id, &after.resources)?;
    }
    // each was found when the guard asked what it allows
    let unknown = |key: String| guard::unknown_role(0, &key);
    match stored {
        None => store::identity::give_first_roles(tx, &client.id, &after.roles)?.map_err(unknown)?,
        Some(before) if before.roles != after.roles => {
            store::identity::set_roles(tx, &client.id, &after.roles)?.map_err(unknown)?;
        }
        Some(_) => {}
    }
    if stored.is_some() && !client.auth_method.has_secret() {
        // none lies in wait until somebody changes the method back
        store::client_secret::delete_all(tx, &client.id)?;
    }
    let action = if stored.is_some() { "client.update" } else { "client.create" };
    note(tx, actor, action, stored, Some(&after), now)?;
    Ok(Put { document: document::document(&after), created: stored.is_none() })
}

fn set_resources(tx: &mut Tx<'_>, id: &str, uris: &[String]) -> Result<(), Refusal> {
    let in_use = |n: usize, uri: &str| {
        let message = format!("another client serves {}", id::shown(uri));
        Refusal::at(Code::ResourceUriInUse, format!("/resourceUris/{n}"), message)
    };
    for (n, uri) in uris.iter().enumerate() {
        if store::client::resource_owner(tx, uri)?.is_some_and(|owner| owner != id) {
            return Err(in_use(n, uri));
        }
    }
    store::client::set_resources(tx, id, uris).map_err(|error| match error {
        store::Error::Conflict(_) => Refusal::new(Code::ResourceUriInUse, "another client serves one of the resources"),
        other => other.into(),
    })
}
