//! Personal access tokens: made by a person for a script, shown once, never stronger than what made them.
//!
//! They stay when their person chooses a new password, unless asked otherwise; they end when the person is suspended or
//! deleted, gets a password from an administrator, or disconnects the application with which they were made.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    Actor, Refusal,
    audit::{self, Target},
    profile::acting,
};
use crate::{
    config::Tokens,
    identity::access::is_own,
    model::{
        id::{self, shown},
        permission::Permission,
        problem::{Code, Fault, Problem},
        scope::{OPENID_SCOPES, Scope},
        secret::Secret,
        text,
        time::Timestamp,
    },
    store::{self, Conn, Tx, personal_access_token::PersonalAccessToken},
};

/// The most tokens that a person has at a time.
const MAX_TOKENS: usize = 50;
/// The most scopes of one.
const MAX_SCOPES: usize = 50;
/// The most characters of a name.
const MAX_NAME: usize = 100;

/// A personal access token, without its value.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonalAccessTokenDocument {
    /// Its id
    #[schema(format = "uuid")]
    pub id: String,
    /// What it is for
    #[schema(example = "nightly report")]
    pub name: String,
    /// What it allows, as far as its person holds it
    #[schema(example = json!(["iam/principals:read"]))]
    pub scopes: Vec<String>,
    /// The application with which it was made, and without which it does not work
    #[schema(example = "admin-console")]
    pub client_id: String,
    /// The last characters of its value
    #[schema(example = "iCk8")]
    pub hint: String,
    /// When it was made (RFC 3339)
    #[schema(format = "date-time")]
    pub created_at: String,
    /// When it stops working (RFC 3339)
    #[schema(format = "date-time")]
    pub expires_at: String,
    /// When it last worked, to the minute (RFC 3339)
    #[schema(required, format = "date-time")]
    pub last_used_at: Option<String>,
}

/// A personal access token that was just made, with its value, which is shown this once.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewPersonalAccessTokenDocument {
    /// What will be seen of it from now on
    #[serde(flatten)]
    pub document: PersonalAccessTokenDocument,
    /// The value, for the header `Authorization: Bearer`
    #[schema(example = "kwpat_q1Yp9m0c5S8uJx2w7T4oL6nR3vB1zK0eF9hD2gA5iCk")]
    pub token: String,
}

/// A person's personal access tokens that have not expired, the youngest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonalAccessTokenList {
    /// The tokens
    pub personal_access_tokens: Vec<PersonalAccessTokenDocument>,
    /// How many there are
    pub total_count: usize,
    /// Null: the list has one page
    #[schema(required)]
    pub first_cursor: Option<String>,
    /// Null: the list has one page
    #[schema(required)]
    pub last_cursor: Option<String>,
}

/// What a personal access token shall be.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PersonalAccessTokenInput {
    /// What it is for
    #[schema(min_length = 1, max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = "nightly report")]
    pub name: String,
    /// What it shall allow: permissions, each allowed to the token that asks
    #[schema(min_items = 1, max_items = 50, example = json!(["me/profile:read"]))]
    pub scopes: Vec<String>,
    /// When it shall stop working (RFC 3339); otherwise after the configured time
    #[serde(default)]
    #[schema(format = "date-time", example = "2027-01-01T00:00:00Z")]
    pub expires_at: Option<String>,
}

/// A token as it is answered.
pub fn document(token: &PersonalAccessToken) -> PersonalAccessTokenDocument {
    PersonalAccessTokenDocument {
        id: token.id.clone(),
        name: token.name.clone(),
        scopes: token.scope.iter().map(str::to_owned).collect(),
        client_id: token.client_id.clone(),
        hint: token.hint.clone(),
        created_at: token.created_at.rfc3339(),
        expires_at: token.expires_at.rfc3339(),
        last_used_at: token.last_used_at.map(Timestamp::rfc3339),
    }
}

/// The tokens of this person.
///
/// # Errors
/// The database cannot be asked.
pub fn list(conn: &mut Conn, principal_id: &str, now: Timestamp) -> Result<PersonalAccessTokenList, store::Error> {
    let tokens = store::personal_access_token::live_of(conn, principal_id, now)?;
    Ok(PersonalAccessTokenList {
        total_count: tokens.len(),
        personal_access_tokens: tokens.iter().map(document).collect(),
        first_cursor: None,
        last_cursor: None,
    })
}

/// Makes a token of this value.
///
/// # Errors
/// [`Code::FieldInvalid`], [`Code::PrivilegeEscalation`] for a scope that the actor does not hold, [`Code::TooMany`],
/// [`Code::TokenInvalid`] where the person may not act any more.
pub fn create(
    tx: &mut Tx<'_>,
    actor: &Actor,
    principal_id: &str,
    input: &PersonalAccessTokenInput,
    value: &Secret,
    config: &Tokens,
    now: Timestamp,
) -> Result<PersonalAccessTokenDocument, Refusal> {
    let scope = scope(actor, input)?;
    let expires_at = expiry(input, config, now)?;
    let Some(client_id) = actor.client_id.clone() else {
        return Err(Refusal::new(Code::PermissionMissing, "expected a token that an application got"));
    };
    // locked: nobody suspends the person meanwhile, and requests at once are counted one after the other
    let principal = acting(tx, principal_id)?;
    if store::personal_access_token::live_of(tx, &principal.id, now)?.len() >= MAX_TOKENS {
        return Err(Refusal::new(
            Code::TooMany,
            format!("expected at most {MAX_TOKENS} personal access tokens at a time; delete one first"),
        ));
    }
    let hint: Vec<char> = value.reveal().chars().rev().take(4).collect();
    let token = PersonalAccessToken {
        id: id::generate(now),
        hash: value.hash(),
        principal_id: principal.id,
        client_id,
        name: input.name.clone(),
        scope,
        hint: hint.into_iter().rev().collect(),
        created_at: now,
        expires_at,
        last_used_at: None,
    };
    store::personal_access_token::insert(tx, &token)?;
    let after = document(&token);
    let target = Target { kind: "personalAccessToken", id: &token.id };
    audit::note(tx, actor, "personalAccessToken.create", target, &Value::Null, &json!(after), now)?;
    Ok(after)
}

/// The scopes that are asked for, if the name and all of them are sound and within what the actor's token allows.
///
/// # Errors
/// [`Code::FieldInvalid`], [`Code::PrivilegeEscalation`].
pub fn scope(actor: &Actor, input: &PersonalAccessTokenInput) -> Result<Scope, Refusal> {
    let mut faults = Vec::new();
    let mut fault = |code, pointer: String, message| {
        faults.push(Fault { code, message, pointer: Some(pointer), details: None });
    };
    if text::name(&input.name, MAX_NAME).is_err() {
        let message = format!("expected 1 to {MAX_NAME} characters, none of them a control character");
        fault(Code::FieldInvalid, "/name".to_owned(), message);
    }
    if input.scopes.is_empty() || input.scopes.len() > MAX_SCOPES {
        let message = format!("expected 1 to {MAX_SCOPES} scopes, got {}", input.scopes.len());
        fault(Code::FieldInvalid, "/scopes".to_owned(), message);
    }
    for (n, text) in input.scopes.iter().enumerate().take(MAX_SCOPES) {
        let pointer = format!("/scopes/{n}");
        if OPENID_SCOPES.contains(&text.as_str()) {
            let message = format!("{text} concerns signing in; expected a permission such as me/profile:read");
            fault(Code::FieldInvalid, pointer, message);
            continue;
        }
        match text.parse::<Permission>() {
            // conditions stay with the person's permissions, which are looked at on each use
            Ok(asked) if actor.permissions.grant(&asked, is_own).contains(&asked) => {}
            Ok(_) => {
                let message = format!("expected what the token that asks allows, got '{}'", shown(text));
                fault(Code::PrivilegeEscalation, pointer, message);
            }
            Err(message) => fault(Code::FieldInvalid, pointer, message),
        }
    }
    match faults.is_empty() {
        true => Ok(input.scopes.iter().map(String::as_str).collect()),
        false => Err(Problem::of(faults).into()),
    }
}

fn expiry(input: &PersonalAccessTokenInput, config: &Tokens, now: Timestamp) -> Result<Timestamp, Refusal> {
    let longest: Duration = config.personal_access_token_max_lifetime;
    let Some(text) = &input.expires_at else { return Ok(now + config.personal_access_token_lifetime.min(longest)) };
    let message = || {
        let (first, last) = (now.rfc3339(), (now + longest).rfc3339());
        format!("expected a time (RFC 3339) after {first} and not after {last}, got '{}'", shown(text))
    };
    match Timestamp::from_rfc3339(text) {
        Some(at) if at > now && at <= now + longest => Ok(at),
        _ => Err(Refusal::at(Code::FieldInvalid, "/expiresAt", message())),
    }
}

/// Ends a token of this person.
///
/// # Errors
/// [`Code::NotFound`].
pub fn delete(tx: &mut Tx<'_>, actor: &Actor, principal_id: &str, id: &str, now: Timestamp) -> Result<(), Refusal> {
    if !store::personal_access_token::delete(tx, principal_id, id)? {
        return Err(Refusal::not_found("personal access token", id));
    }
    let before = json!({ "principalId": principal_id });
    let target = Target { kind: "personalAccessToken", id };
    audit::note(tx, actor, "personalAccessToken.delete", target, &before, &Value::Null, now)?;
    Ok(())
}
