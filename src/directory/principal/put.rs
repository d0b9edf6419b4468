//! Principals are made and changed.

use serde_json::{Map, Value, json};

use super::{
    PrincipalDocument, PrincipalInput, RESOURCE, Stored, Terms,
    document::{MIRRORED, READ_ONLY, document},
    in_use, note,
    properties::{self, fault},
    roles, save, text,
};
use crate::{
    directory::{Actor, Refusal, document as body, guard, role::Put},
    model::{
        id,
        permission::{Acl, Attributes},
        problem::{Code, Problem},
        role_key,
        time::Timestamp,
    },
    store::{self, Conn, Tx, principal::Principal},
};

/// The most keys of attributes, and the most values of each.
const MAX_ATTRIBUTES: usize = 50;
const MAX_VALUES: usize = 100;

/// Makes or changes a principal: members that are given replace, members that are absent stay. What changes nothing
/// leaves the version as it is, and no event.
///
/// # Errors
/// Everything that the catalogue [`Code`] says about ids, preconditions, bodies, emails, escalation and the last owner.
pub fn put(
    tx: &mut Tx<'_>,
    actor: &Actor,
    id: &str,
    given: Map<String, Value>,
    terms: &Terms,
) -> Result<Put<PrincipalDocument>, Refusal> {
    tx.raise()?;
    let id = id::principal(id).map_err(|fault| Refusal::new(Code::IdInvalid, fault))?;
    let stored = Stored::find(tx, &id)?;
    let draft = draft(tx, actor, id, stored, given, terms)?;
    let put = Put { document: draft.document(), created: draft.stored.is_none() };
    let document = write(tx, actor, vec![draft], terms.now)?.pop().unwrap_or(put.document);
    Ok(Put { document, ..put })
}

/// What a principal becomes.
#[derive(Clone, Debug)]
pub(in crate::directory) struct Draft {
    /// As it is; none yet.
    stored: Option<Stored>,
    principal: Principal,
    roles: Vec<String>,
}

impl Draft {
    fn document(&self) -> PrincipalDocument {
        document(&self.principal, &self.roles)
    }

    fn changes_nothing(&self) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.principal == self.principal && stored.roles == self.roles)
    }
}

/// What a body makes of a principal, which is stored like this or not there, where the actor may do that. Nothing is
/// written.
///
/// # Errors
/// As [`put`], but for what only shows when it is written.
pub(in crate::directory) fn draft(
    conn: &mut Conn,
    actor: &Actor,
    id: String,
    stored: Option<Stored>,
    mut given: Map<String, Value>,
    terms: &Terms,
) -> Result<Draft, Refusal> {
    if let Some(stored) = &stored {
        actor.must(RESOURCE, "write", &stored.principal.access_attributes)?;
    }
    let etag = body::take_etag(&mut given)?;
    let precondition = terms.precondition.clone().and_body(etag.as_deref())?;
    precondition.check(stored.as_ref().map(|stored| stored.principal.etag.as_str()), terms.required)?;

    let known = match &stored {
        Some(stored) => json!(stored.document()),
        None => json!({"id": id, "type": "principal"}),
    };
    let input = read(given, &id, stored.is_some(), known.as_object().cloned().unwrap_or_default())?;
    let mut principal = match &stored {
        Some(stored) => stored.principal.clone(),
        None => Principal::new(id, None, terms.now),
    };
    let keys = input.roles.clone().map(Option::unwrap_or_default);
    apply(&mut principal, input)?;
    let roles = match keys {
        Some(keys) => roles::read(keys)?,
        None => stored.as_ref().map(|stored| stored.roles.clone()).unwrap_or_default(),
    };
    actor.must(RESOURCE, "write", &principal.access_attributes)?;
    guarded(conn, actor, stored.as_ref(), &principal, &roles)?;
    Ok(Draft { stored, principal, roles })
}

/// Writes what principals become, those that are new together, and notes it; the documents as they are then.
///
/// # Errors
/// [`Code::EmailInUse`], [`Code::IdInUse`], [`Code::LastOwner`], [`Code::EtagMismatch`].
pub(in crate::directory) fn write(
    tx: &mut Tx<'_>,
    actor: &Actor,
    drafts: Vec<Draft>,
    now: Timestamp,
) -> Result<Vec<PrincipalDocument>, Refusal> {
    let new = drafts.iter().filter(|draft| draft.stored.is_none());
    // each role was found when the guard asked what it allows
    let new: Vec<_> = new.map(|draft| (draft.principal.clone(), draft.roles.clone())).collect();
    store::fill::principals(tx, &new).map_err(in_use)?;
    let mut documents = Vec::with_capacity(drafts.len());
    for draft in drafts {
        if draft.changes_nothing() {
            documents.push(draft.document());
            continue;
        }
        let Draft { stored, principal, roles } = draft;
        let Some(stored) = stored else {
            let after = document(&principal, &roles);
            note(tx, actor, "principal.create", &principal.id, &Value::Null, &json!(after), now)?;
            documents.push(after);
            continue;
        };
        // an owner without an email signs in no more
        let lost_owner = roles::loses_owner(&stored.roles, &roles)
            || (stored.principal.email.is_some()
                && principal.email.is_none()
                && roles.iter().any(|r| r == role_key::OWNER));
        documents.push(save(tx, actor, "principal.update", &stored, principal, roles, now)?);
        if lost_owner {
            guard::owner_remains(tx)?;
        }
    }
    Ok(documents)
}

/// The body in its type. What belongs to the server may be written back unchanged; of a principal that is not there yet,
/// what another server said is passed over.
fn read(
    mut given: Map<String, Value>,
    id: &str,
    exists: bool,
    known: Map<String, Value>,
) -> Result<PrincipalInput, Refusal> {
    if let Some(Value::String(text)) = given.get("id")
        && id::principal(text).is_ok_and(|same| same == id)
    {
        given.remove("id");
    }
    // changes without a new version
    given.remove("lastActiveAt");
    if !exists {
        for name in ["createdAt", "passwordLogin", "passwordExpiresAt"] {
            given.remove(name);
        }
    }
    if let Some(Value::Object(inside)) = given.get_mut("properties") {
        phone_number(inside, known.get("phone").unwrap_or(&Value::Null))?;
    }
    body::read(Value::Object(body::flatten(given, &MIRRORED, &READ_ONLY, &known)?))
}

/// `phone_number`, as tokens call it, means `phone`; where both differ, the one that differs from what is stored counts.
fn phone_number(properties: &mut Map<String, Value>, stored: &Value) -> Result<(), Refusal> {
    let Some(number) = properties.remove("phone_number") else { return Ok(()) };
    match properties.get("phone") {
        Some(phone) if *phone != number && number != *stored && phone != stored => Err(Refusal::at(
            Code::ConflictingValues,
            "/properties/phone_number",
            "expected the same as in phone, which means the same",
        )),
        Some(phone) if phone != stored => Ok(()),
        _ => {
            properties.insert("phone".to_owned(), number);
            Ok(())
        }
    }
}

/// Changes a principal by what was given.
fn apply(principal: &mut Principal, input: PrincipalInput) -> Result<(), Refusal> {
    let mut faults = Vec::new();
    let before = principal.clone();
    text::set(&mut principal.name, input.name, "/name", |text| text::line(text, text::MAX_NAME), &mut faults);
    text::set(&mut principal.email, input.email, "/email", text::email, &mut faults);
    text::set(&mut principal.phone, input.phone, "/phone", text::phone, &mut faults);
    text::set(&mut principal.picture, input.picture, "/picture", text::url, &mut faults);
    let verified = properties::merge(&mut principal.properties, input.properties, &mut faults);
    principal.email_verified =
        is_verified(before.email_verified, before.email != principal.email, verified.email, principal.email.is_some());
    principal.phone_verified =
        is_verified(before.phone_verified, before.phone != principal.phone, verified.phone, principal.phone.is_some());
    if let Some(settings) = changed(input.settings, &before.settings) {
        principal.settings = settings;
        // as where people set their own
        principal.settings.retain(|_, value| !value.is_null());
        if let Err(message) = properties::bounded(&principal.settings, &before.settings) {
            faults.push(fault(Code::FieldInvalid, "/settings".to_owned(), message));
        }
    }
    if let Some(acl) = changed(input.acl, &before.acl) {
        principal.acl = acl;
        if let Err(message) = check_acl(&principal.acl) {
            faults.push(fault(Code::FieldInvalid, "/acl".to_owned(), message));
        }
    }
    if let Some(attributes) = changed(input.access_attributes, &before.access_attributes) {
        principal.access_attributes = attributes;
        if let Err(message) = check_attributes(&principal.access_attributes) {
            faults.push(fault(Code::FieldInvalid, "/accessAttributes".to_owned(), message));
        }
    }
    if let Some(system_user) = input.system_user {
        principal.system_user = system_user.unwrap_or_default();
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Problem::of(faults).into()),
    }
}

/// What was given, where it is not what is stored: that was looked at when it was stored, and can be written back.
fn changed<T: Default + PartialEq>(given: Option<Option<T>>, stored: &T) -> Option<T> {
    given.map(Option::unwrap_or_default).filter(|given| given != stored)
}

/// What was proven of an old address says nothing about a new one; who writes the old word back has not said otherwise.
fn is_verified(before: bool, changed: bool, given: Option<bool>, is_there: bool) -> bool {
    let verified = match (given, changed) {
        (Some(given), false) => given,
        (Some(given), true) => given && !before,
        (None, changed) => before && !changed,
    };
    verified && is_there
}

fn check_acl(acl: &Acl) -> Result<(), String> {
    acl.validate()?;
    acl.entries.iter().flat_map(|entry| &entry.attribute_keys).try_for_each(|key| text::key(key))
}

fn check_attributes(attributes: &Attributes) -> Result<(), String> {
    if attributes.len() > MAX_ATTRIBUTES {
        return Err(format!("expected at most {MAX_ATTRIBUTES} keys, got {}", attributes.len()));
    }
    for (key, values) in attributes {
        text::key(key)?;
        if values.len() > MAX_VALUES {
            return Err(format!("expected at most {MAX_VALUES} values of one key, got {}", values.len()));
        }
        values.iter().try_for_each(|value| text::line(value, 256).map(|_| ()))?;
    }
    Ok(())
}

/// Nobody but owners writes to owners; and what could be used to take the identity over is weighed besides.
fn guarded(
    conn: &mut Conn,
    actor: &Actor,
    stored: Option<&Stored>,
    after: &Principal,
    roles: &[String],
) -> Result<(), Refusal> {
    let Some(stored) = stored else { return roles::guard_change(conn, actor, None, after, roles) };
    let before = &stored.principal;
    let weighty = before.email != after.email
        || before.phone != after.phone
        || before.email_verified != after.email_verified
        || before.phone_verified != after.phone_verified
        || before.acl != after.acl
        || before.access_attributes != after.access_attributes
        || before.system_user != after.system_user
        || stored.roles != roles;
    let proven = before.email != after.email
        || before.phone != after.phone
        || before.email_verified != after.email_verified
        || before.phone_verified != after.phone_verified;
    if proven && actor.is(&before.id) {
        // a token, perhaps one for a script, would become an address that nobody has proven
        let message = "nobody changes their own email or phone here, or says that they are verified; see /resources/me";
        return Err(Refusal::new(Code::PrivilegeEscalation, message));
    }
    if after.system_user && !before.system_user && actor.is(&before.id) {
        return Err(Refusal::new(Code::PrivilegeEscalation, "nobody makes themselves a system user"));
    }
    let theirs = stored.roles.iter().any(|role| role == crate::model::role_key::OWNER) && !actor.owner;
    if weighty || theirs {
        return roles::guard_change(conn, actor, Some(stored), after, roles);
    }
    Ok(())
}
