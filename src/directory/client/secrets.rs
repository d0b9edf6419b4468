//! A client's secrets: made, listed, removed. Several live side by side, so that one is replaced without an interruption.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{Policy, Registered, readable, rules, save, touchable};
use crate::{
    directory::{
        Actor, Precondition, Refusal,
        audit::{self, Target},
        document::{given, read, take_etag},
    },
    model::{id, problem::Code, secret::SecretHash, time::Timestamp},
    store::{self, Conn, Tx, client_secret::ClientSecret},
};

/// The most secrets that one client has, expired ones included.
pub const MAX_SECRETS: usize = 10;

/// A secret, as it is listed
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretDocument {
    /// By which it is removed
    pub id: String,
    /// What it is for
    pub description: Option<String>,
    /// Its last characters, to tell it from others
    #[schema(example = "x7Qa")]
    pub hint: String,
    /// When it was made (RFC 3339)
    #[schema(format = "date-time")]
    pub created_at: String,
    /// When it stops working (RFC 3339)
    #[schema(format = "date-time")]
    pub expires_at: Option<String>,
    /// When it last worked, to the hour (RFC 3339)
    #[schema(format = "date-time")]
    pub last_used_at: Option<String>,
}

/// A secret that was made just now: the only answer that has its value
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewSecretDocument {
    /// By which it is removed
    pub id: String,
    /// Its value, which is not shown again
    #[schema(example = "kwcs_…")]
    pub secret: String,
    /// What it is for
    pub description: Option<String>,
    /// Its last characters, to tell it from others
    #[schema(example = "x7Qa")]
    pub hint: String,
    /// When it was made (RFC 3339)
    #[schema(format = "date-time")]
    pub created_at: String,
    /// When it stops working (RFC 3339)
    #[schema(format = "date-time")]
    pub expires_at: Option<String>,
}

/// All secrets of a client
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretList {
    /// In the order in which they were made
    #[schema(max_items = 10)]
    pub secrets: Vec<SecretDocument>,
    /// How many there are
    pub total_count: usize,
    /// Always null: there is one page
    pub first_cursor: Option<String>,
    /// Always null: there is one page
    pub last_cursor: Option<String>,
}

/// What can be said about a new secret
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SecretInput {
    /// What it is for
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 1000, example = "deployment in autumn")]
    pub description: Option<Option<String>>,
    /// When it is to stop working (RFC 3339): a time to come
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = "date-time", example = "2036-01-01T00:00:00Z")]
    pub expires_at: Option<Option<String>>,
    /// The client's version, as in If-Match
    #[serde(default, rename = "etag")]
    #[allow(dead_code)] // taken out before, here for the description
    etag: Option<String>,
}

/// What is to be kept of a secret that was made outside of the transaction, by whoever shows it.
#[derive(Clone, Debug)]
pub struct Prepared {
    id: String,
    hash: SecretHash,
    hint: String,
    now: Timestamp,
}

impl Prepared {
    /// What is kept of this value.
    pub fn of(value: &str, now: Timestamp) -> Prepared {
        let hint = value.get(value.len().saturating_sub(4)..).unwrap_or_default().to_owned();
        Prepared { id: id::generate(now), hash: SecretHash::of(value), hint, now }
    }
}

/// A secret as it is listed.
fn document(secret: &ClientSecret) -> SecretDocument {
    SecretDocument {
        id: secret.id.clone(),
        description: secret.description.clone(),
        hint: secret.hint.clone(),
        created_at: secret.created_at.rfc3339(),
        expires_at: secret.expires_at.map(|at| at.rfc3339()),
        last_used_at: secret.last_used_at.map(|at| at.rfc3339()),
    }
}

/// Adds a secret. The client's new version comes along, since it changes with its secrets.
///
/// # Errors
/// [`Code::NotFound`], [`Code::SystemClientProtected`], the body's, the precondition's, [`Code::PrivilegeEscalation`];
/// [`Code::FieldInvalid`] also where the client authenticates without a secret, [`Code::TooMany`].
pub fn create(
    tx: &mut Tx<'_>,
    actor: &Actor,
    client_id: &str,
    mut body: Map<String, Value>,
    prepared: &Prepared,
    precondition: &Precondition,
    policy: &Policy,
) -> Result<(SecretDocument, String), Refusal> {
    tx.raise()?;
    let etag = take_etag(&mut body)?;
    let precondition = precondition.clone().and_body(etag.as_deref())?;
    let found = touchable(tx, actor, client_id, "write", &precondition, policy)?;
    let input: SecretInput = read(Value::Object(body))?;
    let method = found.client.auth_method;
    if !method.has_secret() {
        let detail = format!("the client is registered for {}, which takes no secret", method.as_str());
        return Err(Refusal::new(Code::FieldInvalid, detail));
    }
    let secret = ClientSecret {
        id: prepared.id.clone(),
        client_id: client_id.to_owned(),
        hash: prepared.hash.clone(),
        hint: prepared.hint.clone(),
        description: description(input.description.flatten())?,
        created_at: prepared.now,
        expires_at: expiry(input.expires_at.flatten(), prepared.now)?,
        last_used_at: None,
    };
    if store::client_secret::of_client(tx, client_id)?.len() >= MAX_SECRETS {
        let detail = format!("expected at most {MAX_SECRETS} secrets, expired ones included; remove one first");
        return Err(Refusal::new(Code::TooMany, detail));
    }
    store::client_secret::insert(tx, &secret)?;
    let shown = document(&secret);
    let etag = changed(tx, actor, &found, "client.secret.create", &Value::Null, &json!(shown), prepared.now)?;
    Ok((shown, etag))
}

/// All secrets of a client, without their values.
///
/// # Errors
/// [`Code::NotFound`].
pub fn list(conn: &mut Conn, actor: &Actor, client_id: &str) -> Result<SecretList, Refusal> {
    let found = readable(conn, actor, client_id)?;
    let secrets: Vec<SecretDocument> =
        store::client_secret::of_client(conn, &found.client.id)?.iter().map(document).collect();
    Ok(SecretList { total_count: secrets.len(), secrets, first_cursor: None, last_cursor: None })
}

/// Removes a secret; the client's new version.
///
/// # Errors
/// [`Code::NotFound`], [`Code::SystemClientProtected`], the precondition's, [`Code::PrivilegeEscalation`].
pub fn delete(
    tx: &mut Tx<'_>,
    actor: &Actor,
    client_id: &str,
    secret_id: &str,
    precondition: &Precondition,
    policy: &Policy,
    now: Timestamp,
) -> Result<String, Refusal> {
    tx.raise()?;
    let found = touchable(tx, actor, client_id, "write", precondition, policy)?;
    let secrets = store::client_secret::of_client(tx, client_id)?;
    let secret =
        secrets.iter().find(|secret| secret.id == secret_id).ok_or_else(|| Refusal::not_found("secret", secret_id))?;
    if !store::client_secret::delete(tx, client_id, &secret.id)? {
        return Err(Refusal::not_found("secret", secret_id));
    }
    changed(tx, actor, &found, "client.secret.delete", &json!(document(secret)), &Value::Null, now)
}

/// Gives the client a new version, and notes why.
fn changed(
    tx: &mut Tx<'_>,
    actor: &Actor,
    found: &Registered,
    action: &str,
    before: &Value,
    after: &Value,
    now: Timestamp,
) -> Result<String, Refusal> {
    let mut client = found.client.clone();
    save(tx, &mut client, &found.client, now)?;
    let target = Target { kind: "client", id: &client.id };
    let named = |value: &Value| if value.is_null() { Value::Null } else { json!({ "secret": value }) };
    audit::note(tx, actor, action, target, &named(before), &named(after), now)?;
    Ok(client.etag)
}

fn description(given: Option<String>) -> Result<Option<String>, Refusal> {
    match given {
        Some(text) if text.chars().count() > rules::MAX_DESCRIPTION => Err(Refusal::at(
            Code::FieldInvalid,
            "/description",
            format!("expected at most {} characters", rules::MAX_DESCRIPTION),
        )),
        given => Ok(given),
    }
}

fn expiry(given: Option<String>, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = given else { return Ok(None) };
    match Timestamp::from_rfc3339(&text) {
        Some(at) if at > now => Ok(Some(at)),
        _ => Err(Refusal::at(
            Code::FieldInvalid,
            "/expiresAt",
            rules::expected("a time to come as RFC 3339 has it, such as 2036-01-01T00:00:00Z", &text),
        )),
    }
}
