//! A person's own profile: read by the person, and changed as far as it is the person's own.
//!
//! Email, roles, and whether anything was verified belong to the server and to administrators.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    Actor, Precondition, Refusal,
    audit::{self, Target},
    document,
    principal::text,
};
use crate::{
    model::{
        problem::{Code, Problem},
        secret::random_text,
        time::Timestamp,
    },
    store::{self, Conn, Tx, principal::Principal},
};

/// What a person reads and cannot set here.
const READ_ONLY: [&str; 6] = ["id", "email", "pendingEmail", "roles", "passwordLogin", "passwordExpiresAt"];

/// A person's own profile, as it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfileDocument {
    /// The person's id, the `sub` of tokens
    #[schema(format = "uuid", example = "0190a3c2-7b00-7000-8000-000000000001")]
    pub id: String,
    /// Full name
    #[schema(required, example = "Ada Lovelace")]
    pub name: Option<String>,
    /// The email address, which is the username; changed by proving the new one
    #[schema(required, example = "ada@example.com")]
    pub email: Option<String>,
    /// The address that waits for its proof
    #[schema(required, example = "ada@example.org")]
    pub pending_email: Option<String>,
    /// Phone number
    #[schema(required, example = "+44 20 7946 0000")]
    pub phone: Option<String>,
    /// Address of a picture
    #[schema(required, example = "https://example.com/ada.png")]
    pub picture: Option<String>,
    /// The keys of the person's roles, in order
    #[schema(example = json!(["support:agent"]))]
    pub roles: Vec<String>,
    /// Whether the person can sign in with a password
    pub password_login: bool,
    /// When the password stops working (RFC 3339)
    #[schema(required, format = "date-time")]
    pub password_expires_at: Option<String>,
    /// Its version
    pub e_tag: String,
}

/// What a person can say about themselves. Members that are given replace, null removes, members that are absent stay.
/// The other members of the profile are accepted as they were read.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ProfileInput {
    /// Full name
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]*[^\\s\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069][^\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]*$", example = "Ada Lovelace")]
    pub name: Option<Option<String>>,
    /// Phone number; a new one is not verified
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<String>, max_length = 64, pattern = "^\\+?[0-9(][0-9 ()./-]{1,38}(;ext=[0-9]{1,15})?$", example = "+44 20 7946 0000")]
    pub phone: Option<Option<String>>,
    /// Address of a picture: http or https, without credentials
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<String>, max_length = 2048, format = "uri", pattern = "^https?://[^\\s/?#@\\\\\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]+([/?#][^\\s\\\\\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]*)?$", example = "https://example.com/ada.png")]
    pub picture: Option<Option<String>>,
    /// The version that is to be replaced, as in If-Match
    #[serde(default, rename = "etag")]
    #[allow(dead_code)] // taken out before, here for the description
    etag: Option<String>,
}

/// The refusal of a token whose person is gone or suspended since it was looked at.
pub(super) fn gone() -> Refusal {
    Refusal::new(Code::TokenInvalid, Code::TokenInvalid.meaning().trim())
}

/// The person, locked for a change; nobody who may not act any more.
pub(super) fn acting(tx: &mut Tx<'_>, id: &str) -> Result<Principal, Refusal> {
    store::principal::lock(tx, id)?.filter(|principal| principal.suspended_at.is_none()).ok_or_else(gone)
}

/// Whether the grant by whose token a person asks holds still. To be asked at the end of a transaction that makes something
/// which outlives the token and has locked the person: a new password or a disconnected application that came between
/// leaves nothing behind.
///
/// # Errors
/// [`Code::TokenInvalid`].
pub fn grant_holds(conn: &mut Conn, grant_id: Option<&str>) -> Result<(), Refusal> {
    let Some(id) = grant_id else { return Ok(()) };
    match store::grant::find(conn, id)? {
        Some(grant) if grant.revoked_at.is_none() => Ok(()),
        _ => Err(gone()),
    }
}

/// The profile of this person.
///
/// # Errors
/// [`Code::TokenInvalid`] where the person is gone; the database cannot be asked.
pub fn get(conn: &mut Conn, id: &str, now: Timestamp) -> Result<ProfileDocument, Refusal> {
    let principal = store::principal::find(conn, id)?.ok_or_else(gone)?;
    describe(conn, &principal, now)
}

/// A person's profile as it is answered.
///
/// # Errors
/// The database cannot be asked.
pub fn describe(conn: &mut Conn, principal: &Principal, now: Timestamp) -> Result<ProfileDocument, Refusal> {
    let pending_email = store::email_change::pending(conn, &principal.id, now)?.map(|change| change.email);
    // the same row looks different once the change that waits has expired
    let waiting = if pending_email.is_some() { ".p" } else { "" };
    Ok(ProfileDocument {
        id: principal.id.clone(),
        name: principal.name.clone(),
        email: principal.email.clone(),
        pending_email,
        phone: principal.phone.clone(),
        picture: principal.picture.clone(),
        roles: store::identity::roles(conn, &principal.id)?,
        password_login: principal.password_hash.is_some() && principal.email.is_some(),
        password_expires_at: principal.password_expires_at.map(Timestamp::rfc3339),
        e_tag: format!("{}{waiting}", principal.etag),
    })
}

/// Changes what is the person's own. What changes nothing leaves the version as it is, and no event.
///
/// # Errors
/// What the catalogue [`Code`] says about preconditions and bodies; [`Code::FieldInvalid`] for what is not the person's
/// to change; [`Code::TokenInvalid`] where the person may not act any more.
pub fn put(
    tx: &mut Tx<'_>,
    actor: &Actor,
    id: &str,
    mut body: Map<String, Value>,
    precondition: &Precondition,
    require_precondition: bool,
    now: Timestamp,
) -> Result<ProfileDocument, Refusal> {
    let stored = acting(tx, id)?;
    let shown = describe(tx, &stored, now)?;
    let etag = document::take_etag(&mut body)?;
    let precondition = precondition.clone().and_body(etag.as_deref())?;
    precondition.check(Some(&shown.e_tag), require_precondition)?;
    let before = json!(shown);
    let known = before.as_object().cloned().unwrap_or_default();
    let input: ProfileInput = document::read(Value::Object(document::flatten(body, &[], &READ_ONLY, &known)?))?;
    let mut principal = apply(&stored, input)?;
    if principal == stored {
        return Ok(shown);
    }
    principal.updated_at = now;
    principal.etag = random_text::<12>();
    if !store::principal::set_own(tx, &principal, &stored.etag)? {
        return Err(Refusal::new(Code::EtagMismatch, "somebody has changed it meanwhile; nothing was changed"));
    }
    let after = describe(tx, &principal, now)?;
    audit::note(tx, actor, "principal.update", Target { kind: "principal", id }, &before, &json!(after), now)?;
    Ok(after)
}

fn apply(stored: &Principal, input: ProfileInput) -> Result<Principal, Refusal> {
    let (mut principal, mut faults) = (stored.clone(), Vec::new());
    text::set(&mut principal.name, input.name, "/name", |text| text::line(text, text::MAX_NAME), &mut faults);
    text::set(&mut principal.phone, input.phone, "/phone", text::phone, &mut faults);
    text::set(&mut principal.picture, input.picture, "/picture", text::url, &mut faults);
    if !faults.is_empty() {
        return Err(Problem::of(faults).into());
    }
    if principal.phone != stored.phone {
        principal.phone_verified = false;
    }
    Ok(principal)
}
