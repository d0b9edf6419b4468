//! Roles: read, made, replaced, deleted.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    Actor, Precondition, Refusal,
    audit::{self, Target},
    document, guard,
};
use crate::{
    model::{
        permission::{Acl, AclInput, Attributes, Visibility},
        problem::{Code, Problem},
        role_key,
        secret::random_text,
        time::Timestamp,
    },
    store::{self, Conn, Tx, role::Role},
};

/// The resource that permissions name.
const RESOURCE: &str = "iam/roles";
/// The most characters of a description.
const MAX_DESCRIPTION: usize = 1000;
/// What helps where a role that somebody has is deleted by itself.
pub(super) const FORCE: &str = "; ?force=true takes it away from them";
/// The most holders of a deleted role that its event names.
const MAX_HOLDERS: i64 = 1000;

/// A role, as it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleDocument {
    /// `{namespace}:{capability}`
    #[schema(example = "support:agent")]
    pub key: String,
    /// What it is for
    pub description: Option<String>,
    /// What it allows
    pub acl: Acl,
    /// Built in, and immutable
    pub system: bool,
    /// When it was made (RFC 3339)
    #[schema(format = "date-time")]
    pub created_at: String,
    /// Its version
    pub e_tag: String,
}

/// What can be said about a role.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RoleInput {
    /// What it is for
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<String>, max_length = 1000)]
    pub description: Option<Option<String>>,
    /// What it allows; absent or null means nothing, for a role that is made
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<AclInput>)]
    pub acl: Option<Option<Acl>>,
    /// The version that is to be replaced, as in If-Match
    #[serde(default, rename = "etag")]
    #[allow(dead_code)] // taken out before, here for the description
    etag: Option<String>,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Put<D> {
    /// The object as it is now.
    pub document: D,
    /// Whether it was not there before.
    pub created: bool,
}

/// A role as it is answered.
pub fn document(role: &Role) -> RoleDocument {
    RoleDocument {
        key: role.key.clone(),
        description: role.description.clone(),
        acl: role.acl.clone(),
        system: role.system,
        created_at: role.created_at.rfc3339(),
        e_tag: role.etag.clone(),
    }
}

/// The role with this key.
///
/// # Errors
/// [`Code::NotFound`].
pub fn get(conn: &mut Conn, actor: &Actor, key: &str) -> Result<RoleDocument, Refusal> {
    actor.must(RESOURCE, "read", &Attributes::new())?;
    let role = store::role::find(conn, key)?.ok_or_else(|| Refusal::not_found("role", key))?;
    Ok(document(&role))
}

/// Makes or replaces a role: members that are given replace, members that are absent stay. What changes nothing leaves
/// the version as it is, and no event.
///
/// # Errors
/// Everything that the catalogue [`Code`] says about preconditions, bodies, protection and escalation.
pub fn put(
    tx: &mut Tx<'_>,
    actor: &Actor,
    key: &str,
    body: Map<String, Value>,
    precondition: &Precondition,
    require_precondition: bool,
    now: Timestamp,
) -> Result<Put<RoleDocument>, Refusal> {
    tx.raise()?;
    actor.must(RESOURCE, "write", &Attributes::new())?;
    let stored = store::role::find(tx, key)?;
    let draft = draft(tx, actor, key, stored, body, precondition, require_precondition, now)?;
    let put = Put { document: document(&draft.role), created: draft.stored.is_none() };
    write(tx, actor, &[draft], now)?;
    Ok(put)
}

/// What a role becomes.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// As it is; none yet.
    stored: Option<Role>,
    /// As it will be.
    role: Role,
}

impl Draft {
    /// The role as it will be answered.
    pub(super) fn document(&self) -> RoleDocument {
        document(&self.role)
    }

    fn changes_nothing(&self) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.etag == self.role.etag)
    }
}

/// What a body makes of a role, which is stored like this or not there, where the actor may do that. Nothing is written.
///
/// # Errors
/// As [`put`].
#[allow(clippy::too_many_arguments)]
pub(super) fn draft(
    conn: &mut Conn,
    actor: &Actor,
    key: &str,
    stored: Option<Role>,
    mut body: Map<String, Value>,
    precondition: &Precondition,
    require_precondition: bool,
    now: Timestamp,
) -> Result<Draft, Refusal> {
    actor.must(RESOURCE, "write", &Attributes::new())?;
    if role_key::is_system(key) {
        return Err(protected(key));
    }
    let key = role_key::parse(key).map_err(|fault| Refusal::new(Code::IdInvalid, fault))?;
    let etag = document::take_etag(&mut body)?;
    let precondition = precondition.clone().and_body(etag.as_deref())?;
    precondition.check(stored.as_ref().map(|role| role.etag.as_str()), require_precondition)?;

    let before = match &stored {
        Some(role) => json!(document(role)),
        None => Value::Null,
    };
    let known = before
        .as_object()
        .cloned()
        .unwrap_or_else(|| Map::from_iter([("key".to_owned(), json!(key)), ("system".to_owned(), json!(false))]));
    let read_only: &[&str] = if stored.is_some() { &["key", "system", "createdAt"] } else { &["key", "system"] };
    if stored.is_none() {
        // what was read from another server
        body.remove("createdAt");
    }
    let input: RoleInput = document::read(Value::Object(document::flatten(body, &[], read_only, &known)?))?;

    let mut role = stored.clone().unwrap_or_else(|| Role {
        key: key.clone(),
        description: None,
        acl: Acl::default(),
        system: false,
        created_at: now,
        updated_at: now,
        etag: String::new(),
    });
    if let Some(description) = input.description {
        let sound = |text: &String| text.chars().count() <= MAX_DESCRIPTION && !text.chars().any(is_unsound);
        if description.as_ref().is_some_and(|text| !sound(text)) {
            let message = format!("expected at most {MAX_DESCRIPTION} characters, and no control characters");
            return Err(Refusal::at(Code::FieldInvalid, "/description", message));
        }
        role.description = description;
    }
    if let Some(acl) = input.acl {
        role.acl = acl.unwrap_or_default();
        role.acl.validate().map_err(|fault| Refusal::at(Code::FieldInvalid, "/acl", fault))?;
    }
    if let Some(stored) = &stored
        && stored.acl != role.acl
    {
        // a role that holds more than the actor does is not the actor's to change, not even to narrow it
        guard::may_define(actor, &stored.acl)?;
        held_by_actor(conn, actor, &key)?;
    }
    if stored.as_ref().is_none_or(|stored| stored.acl != role.acl) {
        guard::may_define(actor, &role.acl)?;
    }
    if stored.as_ref().is_none_or(|stored| stored.description != role.description || stored.acl != role.acl) {
        role.updated_at = now;
        role.etag = random_text::<12>();
    }
    Ok(Draft { stored, role })
}

/// Writes what roles become, those that are new together, and notes it.
///
/// # Errors
/// [`Code::EtagMismatch`] where one is not as it was any more.
pub(super) fn write(tx: &mut Tx<'_>, actor: &Actor, drafts: &[Draft], now: Timestamp) -> Result<(), Refusal> {
    let new: Vec<Role> = drafts.iter().filter(|draft| draft.stored.is_none()).map(|draft| draft.role.clone()).collect();
    store::role::insert_many(tx, &new).map_err(|error| match error {
        store::Error::Conflict(_) => Refusal::new(Code::AlreadyExists, "somebody has made it meanwhile"),
        other => other.into(),
    })?;
    for draft in drafts.iter().filter(|draft| !draft.changes_nothing()) {
        let (before, after) = (draft.stored.as_ref().map(document), draft.document());
        if let Some(stored) = &draft.stored
            && !store::role::update(tx, &draft.role, &stored.etag)?
        {
            return Err(Refusal::new(Code::EtagMismatch, "somebody has changed it meanwhile; nothing was changed"));
        }
        let action = if before.is_some() { "role.update" } else { "role.create" };
        audit::note(
            tx,
            actor,
            action,
            Target { kind: "role", id: &draft.role.key },
            &json!(before),
            &json!(after),
            now,
        )?;
    }
    Ok(())
}

/// Deletes a role; with `force` also where somebody has it, who then has it no more.
///
/// # Errors
/// [`Code::NotFound`], [`Code::SystemRoleProtected`], [`Code::RoleInUse`], the precondition's, [`Code::PrivilegeEscalation`].
pub fn delete(
    tx: &mut Tx<'_>,
    actor: &Actor,
    key: &str,
    force: bool,
    precondition: &Precondition,
    require_precondition: bool,
    now: Timestamp,
) -> Result<(), Refusal> {
    tx.raise()?;
    actor.must(RESOURCE, "delete", &Attributes::new())?;
    if role_key::is_system(key) {
        return Err(protected(key));
    }
    let role = store::role::find(tx, key)?.ok_or_else(|| Refusal::not_found("role", key))?;
    precondition.check(Some(&role.etag), require_precondition)?;
    guard::may_define(actor, &role.acl)?;
    let holders = store::identity::having_role(tx, key, 11)?;
    if !holders.is_empty() && !force {
        let many = if holders.len() > 10 { "more than 10".to_owned() } else { holders.len().to_string() };
        let problem =
            Problem::new(Code::RoleInUse, format!("expected that nobody has the role, but {many} have{FORCE}"));
        // who they are is for whoever may read them
        let reads = |resource| actor.permissions.visibility(resource, "read") == Visibility::All;
        return Err(match reads("iam/principals") && reads("iam/clients") {
            true => problem.with(json!({ "identities": holders.iter().take(10).collect::<Vec<_>>() })),
            false => problem,
        }
        .into());
    }
    let mut before = json!(document(&role));
    if !holders.is_empty() {
        before["holders"] = json!(store::identity::having_role(tx, key, MAX_HOLDERS)?);
        store::identity::renew_etags_of_holders(tx, key, &random_text::<12>(), now)?;
    }
    store::role::delete(tx, key)?;
    audit::note(tx, actor, "role.delete", Target { kind: "role", id: key }, &before, &Value::Null, now)?;
    Ok(())
}

/// Control characters other than line breaks.
fn is_unsound(c: char) -> bool {
    c.is_control() && c != '\n'
}

fn protected(key: &str) -> Refusal {
    Refusal::new(
        Code::SystemRoleProtected,
        format!("{} is in the namespace system, whose roles are built in", crate::model::id::shown(key)),
    )
}

/// Nobody changes what a role of their own allows: that would be giving to themselves.
fn held_by_actor(conn: &mut Conn, actor: &Actor, key: &str) -> Result<(), Refusal> {
    let Some(id) = &actor.id else { return Ok(()) };
    if !actor.owner && store::identity::roles(conn, id)?.iter().any(|role| role == key) {
        return Err(Refusal::new(
            Code::PrivilegeEscalation,
            "nobody but an owner changes what a role of their own allows",
        ));
    }
    Ok(())
}
