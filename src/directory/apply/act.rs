//! One step: an object is made as an entry says, or deleted.

use serde_json::{Map, Value, json};

use super::{
    AppliedChange, Kind, MemberChange, Options, end_setup,
    file::Entry,
    portable::{portable, says_nothing_new},
};
use crate::{
    directory::{Actor, Precondition, Refusal, audit, client, principal, principal::Terms, role},
    model::problem::Code,
    store::{self, Failure, Tx},
};

/// Something to do.
#[derive(Debug)]
pub(super) enum Step<'w> {
    /// Make this entry true of the object with this id.
    Put(&'w Entry, String),
    /// Delete this object.
    Delete(Kind, String),
}

/// Does a step; what it changed, or nothing. A step that is refused leaves nothing behind.
pub(super) fn take(
    tx: &mut Tx<'_>,
    actor: &Actor,
    step: &Step<'_>,
    options: &Options,
) -> Result<Option<AppliedChange>, Refusal> {
    let (kind, id) = match step {
        Step::Put(entry, id) => (entry.kind, id),
        Step::Delete(kind, id) => (*kind, id),
    };
    let before = get(tx, actor, kind, id)?;
    let was = before.as_ref().map(|document| portable(document.clone()));
    match step {
        Step::Put(entry, _) => {
            let same = |entry: &Entry, was: &Map<String, Value>| {
                let suspended = entry.suspended.is_none_or(|wanted| wanted == was.contains_key("suspended"));
                suspended && says_nothing_new(&entry.body, was)
            };
            if was.as_ref().is_some_and(|was| same(entry, was)) {
                return Ok(None);
            }
            let done = tx.attempt(|tx| {
                let after = put(tx, actor, entry, id, before.as_ref(), options)?;
                let members = match &was {
                    None => Vec::new(),
                    Some(was) => differing(was, &portable(after.clone())),
                };
                if was.is_some() && members.is_empty() {
                    return Err(Undo::Same);
                }
                let action = if was.is_some() { "changed" } else { "created" };
                Ok(AppliedChange { kind: kind.singular(), id: id.clone(), action, label: label(&after), members })
            });
            match done {
                Ok(change) => Ok(Some(change)),
                Err(Undo::Same) => Ok(None),
                Err(Undo::Refused(refusal)) => Err(refusal),
            }
        }
        Step::Delete(..) => {
            let Some(before) = before else { return Ok(None) };
            tx.attempt(|tx| delete(tx, actor, kind, id, &before, options))?;
            let label = label(&before);
            Ok(Some(AppliedChange {
                kind: kind.singular(),
                id: id.clone(),
                action: "deleted",
                label,
                members: Vec::new(),
            }))
        }
    }
}

/// Why a savepoint is undone.
enum Undo {
    /// It changed nothing.
    Same,
    /// It was refused.
    Refused(Refusal),
}

impl<R: Into<Refusal>> From<R> for Undo {
    fn from(refusal: R) -> Undo {
        Undo::Refused(refusal.into())
    }
}

impl Failure for Undo {
    fn as_store(&self) -> Option<&store::Error> {
        match self {
            Undo::Same => None,
            Undo::Refused(refusal) => refusal.as_store(),
        }
    }
}

/// The document, if there is one that the actor may see.
fn get(tx: &mut Tx<'_>, actor: &Actor, kind: Kind, id: &str) -> Result<Option<Map<String, Value>>, Refusal> {
    let read = match kind {
        Kind::Role => role::get(tx, actor, id).map(|document| json!(document)),
        Kind::Client => client::get(tx, actor, id).map(|document| json!(document)),
        Kind::Principal => principal::get(tx, actor, id).map(|document| json!(document)),
    };
    match read {
        Ok(Value::Object(document)) => Ok(Some(document)),
        Ok(_) => Ok(None),
        Err(Refusal::Problem(problem)) if problem.code == Code::NotFound => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

fn version(document: Option<&Map<String, Value>>) -> Precondition {
    match document.and_then(|document| document.get("eTag")).and_then(Value::as_str) {
        Some(etag) => Precondition::Is(vec![etag.to_owned()]),
        None => Precondition::Absent,
    }
}

/// Makes an entry true; the document as it is then.
fn put(
    tx: &mut Tx<'_>,
    actor: &Actor,
    entry: &Entry,
    id: &str,
    before: Option<&Map<String, Value>>,
    options: &Options,
) -> Result<Map<String, Value>, Refusal> {
    let mut document = put_members(tx, actor, entry, id, before, options)?;
    // what was proven of an old address says nothing about a new one, unless it is said of the new one
    let said = |name: &str| entry.body.get("properties").is_some_and(|properties| properties[name] == true);
    let unproven = |name: &str| said(name) && document.get("properties").is_none_or(|is| is[name] != true);
    if entry.kind == Kind::Principal && (unproven("email_verified") || unproven("phone_number_verified")) {
        document = put_members(tx, actor, entry, id, Some(&document), options)?;
    }
    let is_suspended = document.get("suspendedAt").is_some_and(|at| !at.is_null());
    if let Some(wanted) = entry.suspended.filter(|wanted| *wanted != is_suspended) {
        let (precondition, policy, now) = (version(Some(&document)), &options.policy, options.now);
        let terms = || Terms { precondition: precondition.clone(), required: false, now };
        let suspended = match (entry.kind, wanted) {
            (Kind::Client, true) => json!(client::suspend(tx, actor, id, &precondition, policy, now)?),
            (Kind::Client, false) => json!(client::unsuspend(tx, actor, id, &precondition, policy, now)?),
            (_, true) => json!(principal::suspend(tx, actor, id, &terms())?),
            (_, false) => json!(principal::unsuspend(tx, actor, id, &terms())?),
        };
        document = suspended.as_object().cloned().unwrap_or_default();
    }
    end_setup(tx, id, document.get("roles").unwrap_or(&Value::Null), options.now)?;
    Ok(document)
}

fn put_members(
    tx: &mut Tx<'_>,
    actor: &Actor,
    entry: &Entry,
    id: &str,
    before: Option<&Map<String, Value>>,
    options: &Options,
) -> Result<Map<String, Value>, Refusal> {
    let (precondition, body, now) = (version(before), entry.body.clone(), options.now);
    let document = match entry.kind {
        Kind::Role => json!(role::put(tx, actor, id, body, &precondition, false, now)?.document),
        Kind::Client => json!(client::put(tx, actor, id, body, &precondition, &options.policy, now)?.document),
        Kind::Principal => {
            let terms = Terms { precondition, required: false, now };
            json!(principal::put(tx, actor, id, body, &terms)?.document)
        }
    };
    Ok(document.as_object().cloned().unwrap_or_default())
}

fn delete(
    tx: &mut Tx<'_>,
    actor: &Actor,
    kind: Kind,
    id: &str,
    before: &Map<String, Value>,
    options: &Options,
) -> Result<(), Refusal> {
    let (precondition, now) = (version(Some(before)), options.now);
    match kind {
        Kind::Role => role::delete(tx, actor, id, false, &precondition, false, now),
        Kind::Client => client::delete(tx, actor, id, &precondition, &options.policy, now),
        Kind::Principal => principal::delete(tx, actor, id, &Terms { precondition, required: false, now }),
    }
}

fn differing(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<MemberChange> {
    let changes = audit::changes(&Value::Object(before.clone()), &Value::Object(after.clone()));
    changes.into_iter().map(|change| MemberChange { path: change.path, from: change.from, to: change.to }).collect()
}

fn label(document: &Map<String, Value>) -> Option<String> {
    ["email", "name", "description"].iter().find_map(|name| document.get(*name)?.as_str()).map(str::to_owned)
}
