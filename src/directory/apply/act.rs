//! Steps of one kind: objects are made as entries say, or deleted.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{
    AppliedChange, Kind, MemberChange, Options, end_setup,
    file::Entry,
    portable::{portable, says_nothing_new},
};
use crate::{
    directory::{
        Actor, Precondition, Refusal,
        actor::missing,
        audit,
        client::{self, Registered},
        principal::{self, Stored, Terms},
        role,
    },
    model::{id, permission::Visibility, problem::Code},
    store::{self, Conn, Tx, role::Role},
};

/// Something to do.
#[derive(Clone, Debug)]
pub(super) enum Step<'w> {
    /// Make this entry true of the object with this id.
    Put(&'w Entry, String),
    /// Delete this object.
    Delete(Kind, String),
}

impl Step<'_> {
    fn about(&self) -> (Kind, &str) {
        match self {
            Step::Put(entry, id) => (entry.kind, id),
            Step::Delete(kind, id) => (*kind, id),
        }
    }

    /// Whether it does the same to the same kind of object.
    pub(super) fn is_like(&self, other: &Step<'_>) -> bool {
        self.about().0 == other.about().0 && matches!(self, Step::Put(..)) == matches!(other, Step::Put(..))
    }
}

/// Takes steps that are alike; what each of them changed, or nothing. Where one is refused, all are to be undone.
pub(super) fn take(
    tx: &mut Tx<'_>,
    actor: &Actor,
    steps: &[Step<'_>],
    options: &Options,
) -> Result<Vec<Option<AppliedChange>>, Refusal> {
    let known = Known::of(tx, steps)?;
    match steps.first() {
        None => Ok(Vec::new()),
        Some(Step::Delete(..)) => steps.iter().map(|step| delete(tx, actor, step, &known, options)).collect(),
        Some(Step::Put(entry, _)) => match entry.kind {
            Kind::Role => put_roles(tx, actor, steps, &known, options),
            Kind::Principal => put_principals(tx, actor, steps, &known, options),
            Kind::Client => steps.iter().map(|step| put_client(tx, actor, step, &known, options)).collect(),
        },
    }
}

/// What is there of that which some steps are about, read at once.
#[derive(Default)]
struct Known {
    roles: HashMap<String, Role>,
    clients: HashMap<String, Registered>,
    principals: HashMap<String, Stored>,
}

impl Known {
    fn of(conn: &mut Conn, steps: &[Step<'_>]) -> Result<Known, Refusal> {
        let mut known = Known::default();
        let ids: Vec<&str> = steps.iter().map(|step| step.about().1).collect();
        match steps.first().map(|step| step.about().0) {
            None => {}
            Some(Kind::Role) => {
                let keys: Vec<String> = ids.iter().map(|key| (*key).to_owned()).collect();
                let roles = store::role::by_keys(conn, &keys)?;
                known.roles = roles.into_iter().map(|role| (role.key.clone(), role)).collect();
            }
            Some(Kind::Client) => {
                let clients = client::find_many(conn, &ids)?;
                known.clients = clients.into_iter().map(|found| (found.client.id.clone(), found)).collect();
            }
            Some(Kind::Principal) => {
                let principals = Stored::find_many(conn, &ids, &[])?;
                known.principals = principals.into_iter().map(|found| (found.id().to_owned(), found)).collect();
            }
        }
        Ok(known)
    }

    /// The document, if there is one that the actor may see.
    fn seen(&self, actor: &Actor, kind: Kind, id: &str) -> Option<Map<String, Value>> {
        let document = match kind {
            Kind::Role => self.roles.get(id).map(|role| json!(role::document(role))),
            Kind::Client => self.clients.get(id).and_then(|found| Some(json!(client::seen(actor, found)?))),
            Kind::Principal => self.principals.get(id).and_then(|found| Some(json!(found.seen(actor)?))),
        };
        document.and_then(|document| document.as_object().cloned())
    }
}

/// An entry with its object's id, and the object as it was.
type Begun<'w> = (&'w Entry, &'w str, Option<Map<String, Value>>);

fn put_roles(
    tx: &mut Tx<'_>,
    actor: &Actor,
    steps: &[Step<'_>],
    known: &Known,
    options: &Options,
) -> Result<Vec<Option<AppliedChange>>, Refusal> {
    let (mut drafts, mut changes) = (Vec::new(), Vec::new());
    for step in steps {
        let Some((entry, key, before)) = begun(actor, step, known)? else {
            changes.push(None);
            continue;
        };
        let (body, stored) = (entry.body.clone(), known.roles.get(key).cloned());
        let draft = role::draft(tx, actor, key, stored, body, &version(before.as_ref()), false, options.now)?;
        changes.push(change(entry, key, before.as_ref(), &members(draft.document()), options)?);
        drafts.push(draft);
    }
    role::write(tx, actor, &drafts, options.now)?;
    Ok(changes)
}

fn put_principals(
    tx: &mut Tx<'_>,
    actor: &Actor,
    steps: &[Step<'_>],
    known: &Known,
    options: &Options,
) -> Result<Vec<Option<AppliedChange>>, Refusal> {
    let (mut drafts, mut all) = (Vec::new(), Vec::new());
    for step in steps {
        let begun = begun(actor, step, known)?;
        if let Some((entry, id, before)) = &begun {
            let terms = Terms { precondition: version(before.as_ref()), required: false, now: options.now };
            let id = id::principal(id).map_err(|fault| Refusal::new(Code::IdInvalid, fault))?;
            let stored = known.principals.get(&id).cloned();
            drafts.push(principal::draft(tx, actor, id, stored, entry.body.clone(), &terms)?);
        }
        all.push(begun);
    }
    let mut documents = principal::write(tx, actor, drafts, options.now)?.into_iter();
    let mut changes = Vec::with_capacity(all.len());
    for begun in all {
        let Some((entry, id, before)) = begun else {
            changes.push(None);
            continue;
        };
        let after = documents.next().map(members).unwrap_or_default();
        let after = finish(tx, actor, entry, id, after, options)?;
        changes.push(change(entry, id, before.as_ref(), &after, options)?);
    }
    Ok(changes)
}

fn put_client(
    tx: &mut Tx<'_>,
    actor: &Actor,
    step: &Step<'_>,
    known: &Known,
    options: &Options,
) -> Result<Option<AppliedChange>, Refusal> {
    let Some((entry, id, before)) = begun(actor, step, known)? else { return Ok(None) };
    let (stored, body, precondition) = (known.clients.get(id).cloned(), entry.body.clone(), version(before.as_ref()));
    let put = client::put_over(tx, actor, id, stored, body, &precondition, &options.policy, options.now)?;
    let after = finish(tx, actor, entry, id, members(put.document), options)?;
    change(entry, id, before.as_ref(), &after, options)
}

/// An entry that says something new.
fn begun<'w>(actor: &Actor, step: &'w Step<'_>, known: &Known) -> Result<Option<Begun<'w>>, Refusal> {
    let Step::Put(entry, id) = step else { return Ok(None) };
    let before = known.seen(actor, entry.kind, id);
    Ok(match is_done(actor, entry, before.as_ref())? {
        true => None,
        false => Some((entry, id, before)),
    })
}

fn members(document: impl serde::Serialize) -> Map<String, Value> {
    json!(document).as_object().cloned().unwrap_or_default()
}

fn delete(
    tx: &mut Tx<'_>,
    actor: &Actor,
    step: &Step<'_>,
    known: &Known,
    options: &Options,
) -> Result<Option<AppliedChange>, Refusal> {
    let (kind, id) = step.about();
    let Some(before) = known.seen(actor, kind, id) else { return Ok(None) };
    if options.policy.require_precondition {
        let message =
            "this server deletes only under a version (If-Match), which a file cannot say of what it leaves out";
        return Err(Refusal::new(Code::PreconditionRequired, message));
    }
    let (precondition, now) = (version(Some(&before)), options.now);
    match kind {
        Kind::Role => role::delete(tx, actor, id, false, &precondition, false, now)?,
        Kind::Client => client::delete(tx, actor, id, &precondition, &options.policy, now)?,
        Kind::Principal => principal::delete(tx, actor, id, &Terms { precondition, required: false, now })?,
    }
    let label = label(&before);
    Ok(Some(AppliedChange { kind: kind.singular(), id: id.to_owned(), action: "deleted", label, members: Vec::new() }))
}

/// Whether everything that an entry says is so already. Its version is asked for before that; and whoever could not make
/// the object in any case is told so whether it is there or not.
fn is_done(actor: &Actor, entry: &Entry, before: Option<&Map<String, Value>>) -> Result<bool, Refusal> {
    let Some(document) = before else {
        if actor.permissions.visibility(entry.kind.resource(), "write") == Visibility::None {
            return Err(missing(entry.kind.resource(), "write"));
        }
        // a client that was never here comes from another server, since ids are never used again
        if entry.kind != Kind::Client {
            said(entry)?.check(None, false)?;
        }
        return Ok(false);
    };
    said(entry)?.check(document.get("eTag").and_then(Value::as_str), false)?;
    let was = portable(document.clone());
    let suspended = entry.suspended.is_none_or(|wanted| wanted == was.contains_key("suspended"));
    Ok(suspended && says_nothing_new(&entry.body, &was))
}

/// The version that an entry is about.
fn said(entry: &Entry) -> Result<Precondition, Refusal> {
    Ok(Precondition::None.and_body(entry.version.as_deref())?)
}

/// What is told of an entry that was made true; nothing if it was true already.
fn change(
    entry: &Entry,
    id: &str,
    before: Option<&Map<String, Value>>,
    after: &Map<String, Value>,
    options: &Options,
) -> Result<Option<AppliedChange>, Refusal> {
    let (action, members) = match before {
        None => ("created", Vec::new()),
        Some(before) if before.get("eTag") == after.get("eTag") => return Ok(None),
        Some(before) => {
            if options.policy.require_precondition && entry.version.is_none() {
                let message = "expected the member etag with the version that was read, got none: this server changes what \
                               is there only under one";
                return Err(Refusal::new(Code::PreconditionRequired, message));
            }
            ("changed", differing(&portable(before.clone()), &portable(after.clone())))
        }
    };
    Ok(Some(AppliedChange { kind: entry.kind.singular(), id: id.to_owned(), action, label: label(after), members }))
}

fn version(document: Option<&Map<String, Value>>) -> Precondition {
    match document.and_then(|document| document.get("eTag")).and_then(Value::as_str) {
        Some(etag) => Precondition::Is(vec![etag.to_owned()]),
        None => Precondition::Absent,
    }
}

/// What an entry says besides its members; the document as it is then.
fn finish(
    tx: &mut Tx<'_>,
    actor: &Actor,
    entry: &Entry,
    id: &str,
    mut document: Map<String, Value>,
    options: &Options,
) -> Result<Map<String, Value>, Refusal> {
    let (policy, now) = (&options.policy, options.now);
    // what was proven of an old address says nothing about a new one, unless it is said of the new one
    let said = |name: &str| entry.body.get("properties").is_some_and(|properties| properties[name] == true);
    let unproven = |name: &str| said(name) && document.get("properties").is_none_or(|is| is[name] != true);
    if entry.kind == Kind::Principal && (unproven("email_verified") || unproven("phone_number_verified")) {
        let terms = Terms { precondition: version(Some(&document)), required: false, now };
        document = members(principal::put(tx, actor, id, entry.body.clone(), &terms)?.document);
    }
    let is_suspended = document.get("suspendedAt").is_some_and(|at| !at.is_null());
    if let Some(wanted) = entry.suspended.filter(|wanted| *wanted != is_suspended) {
        let precondition = version(Some(&document));
        let terms = || Terms { precondition: precondition.clone(), required: false, now };
        document = match (entry.kind, wanted) {
            (Kind::Client, true) => members(client::suspend(tx, actor, id, &precondition, policy, now)?),
            (Kind::Client, false) => members(client::unsuspend(tx, actor, id, &precondition, policy, now)?),
            (_, true) => members(principal::suspend(tx, actor, id, &terms())?),
            (_, false) => members(principal::unsuspend(tx, actor, id, &terms())?),
        };
    }
    end_setup(tx, id, document.get("roles").unwrap_or(&Value::Null), now)?;
    Ok(document)
}

fn differing(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<MemberChange> {
    let changes = audit::changes(&Value::Object(before.clone()), &Value::Object(after.clone()));
    changes.into_iter().map(|change| MemberChange { path: change.path, from: change.from, to: change.to }).collect()
}

fn label(document: &Map<String, Value>) -> Option<String> {
    ["email", "name", "description"].iter().find_map(|name| document.get(*name)?.as_str()).map(str::to_owned)
}
