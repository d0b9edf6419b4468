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
};
use crate::{
    model::{
        problem::{Code, Fault, Problem},
        secret::random_text,
        text,
        time::Timestamp,
    },
    store::{self, Conn, Tx, principal::Principal},
};

/// What a person reads and cannot set here.
const READ_ONLY: [&str; 6] = ["id", "email", "pendingEmail", "roles", "passwordLogin", "passwordExpiresAt"];
/// The most characters of a name.
const MAX_NAME: usize = 200;
/// The most characters of a phone number.
const MAX_PHONE: usize = 32;
/// The most characters of a picture's address.
const MAX_PICTURE: usize = 2000;

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
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = "Ada Lovelace")]
    pub name: Option<Option<String>>,
    /// Phone number; a new one is not verified
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<String>, min_length = 3, max_length = 32, pattern = r"^\+?[0-9][0-9 ().-]*$", example = "+44 20 7946 0000")]
    pub phone: Option<Option<String>>,
    /// Address of a picture: http or https, without credentials
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<String>, format = "uri", max_length = 2000, pattern = "^https?://", example = "https://example.com/ada.png")]
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

/// Changes what is the person's own.
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
    let before = describe(tx, &stored, now)?;
    let etag = document::take_etag(&mut body)?;
    let precondition = precondition.clone().and_body(etag.as_deref())?;
    precondition.check(Some(&before.e_tag), require_precondition)?;
    let before = json!(before);
    let known = before.as_object().cloned().unwrap_or_default();
    let input: ProfileInput = document::read(Value::Object(document::flatten(body, &[], &READ_ONLY, &known)?))?;
    let mut principal = apply(&stored, input)?;
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
    let mut principal = stored.clone();
    if let Some(name) = input.name {
        principal.name = name;
    }
    if let Some(phone) = input.phone {
        principal.phone = phone;
    }
    if let Some(picture) = input.picture {
        principal.picture = picture;
    }
    let mut faults = Vec::new();
    let mut check = |pointer: &str, before: &Option<String>, after: &Option<String>, rule: Rule| {
        // what an administrator or an import has set may be written back
        if let Some(text) = after.as_deref().filter(|_| before != after)
            && let Err(message) = rule(text)
        {
            let pointer = Some(pointer.to_owned());
            faults.push(Fault { code: Code::FieldInvalid, message, pointer, details: None });
        }
    };
    check("/name", &stored.name, &principal.name, name);
    check("/phone", &stored.phone, &principal.phone, phone);
    check("/picture", &stored.picture, &principal.picture, picture);
    if !faults.is_empty() {
        return Err(Problem::of(faults).into());
    }
    if principal.phone != stored.phone {
        principal.phone_verified = false;
    }
    Ok(principal)
}

type Rule = fn(&str) -> Result<(), String>;

/// Whether a text can be a person's name.
///
/// # Errors
/// What was expected and what was got.
pub fn name(text: &str) -> Result<(), String> {
    text::name(text, MAX_NAME)
}

/// Whether a text can be a phone number.
///
/// # Errors
/// What was expected and what was got.
pub fn phone(text: &str) -> Result<(), String> {
    let rest = text.strip_prefix('+').unwrap_or(text);
    let sound = rest.starts_with(|c: char| c.is_ascii_digit())
        && rest.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '(' | ')' | '.' | '-'));
    if sound && (3..=MAX_PHONE).contains(&text.len()) {
        return Ok(());
    }
    Err(format!(
        "expected a phone number of 3 to {MAX_PHONE} characters such as +44 20 7946 0000, got '{}'",
        crate::model::id::shown(text)
    ))
}

/// Whether a text can be a picture's address: browsers of others will open it.
///
/// # Errors
/// What was expected and what was got.
pub fn picture(text: &str) -> Result<(), String> {
    let sound = |url: url::Url| {
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
    };
    let plain = !text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\');
    let prefixed = text.starts_with("https://") || text.starts_with("http://");
    if plain && prefixed && text.chars().count() <= MAX_PICTURE && url::Url::parse(text).is_ok_and(sound) {
        return Ok(());
    }
    Err(format!(
        "expected an http or https URL without credentials, of at most {MAX_PICTURE} characters, got '{}'",
        crate::model::id::shown(text)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_about_oneself_are_checked() {
        assert!(name("Ada Lovelace").is_ok());
        for bad in ["", "a\nb", "\u{85}", &"x".repeat(201)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        for good in ["+44 20 7946 0000", "112", "030 (1234) 5-6.7"] {
            assert!(phone(good).is_ok(), "{good}");
        }
        for bad in ["", "+", "12", "++1", "a12", "123\n", &"1".repeat(33)] {
            assert!(phone(bad).is_err(), "{bad:?}");
        }
        assert!(picture("https://example.com/a.png").is_ok());
        for bad in [
            "javascript:alert(1)",
            "data:image/png;base64,AA",
            "//example.com/a",
            "https://u@example.com/",
            "https://a b/",
            "https:///\\evil",
            "",
            &format!("https://example.com/{}", "a".repeat(2000)),
        ] {
            assert!(picture(bad).is_err(), "{bad}");
        }
    }
}
