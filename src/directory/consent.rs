//! The applications that a person has allowed something.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    Actor, Refusal,
    audit::{self, Target},
};
use crate::{
    model::time::Timestamp,
    store::{self, Conn, Tx, consent::Consent},
};

/// The most consents that are shown.
const MAX_SHOWN: i64 = 1000;

/// An application that a person has allowed something.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsentDocument {
    /// The application
    #[schema(example = "shop")]
    pub client_id: String,
    /// What it is called
    #[schema(example = "The shop")]
    pub client_name: String,
    /// What it was allowed
    #[schema(example = json!(["openid", "profile"]))]
    pub scopes: Vec<String>,
    /// When it first was (RFC 3339)
    #[schema(format = "date-time")]
    pub created_at: String,
    /// When it last was (RFC 3339)
    #[schema(format = "date-time")]
    pub updated_at: String,
}

/// The applications that a person has allowed something, in the order of their ids.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsentList {
    /// The applications
    pub consents: Vec<ConsentDocument>,
    /// How many there are
    pub total_count: usize,
    /// Null: the list has one page
    #[schema(required)]
    pub first_cursor: Option<String>,
    /// Null: the list has one page
    #[schema(required)]
    pub last_cursor: Option<String>,
}

/// What this person has allowed.
///
/// # Errors
/// The database cannot be asked.
pub fn list(conn: &mut Conn, principal_id: &str) -> Result<ConsentList, store::Error> {
    let consents = store::consent::of_principal(conn, principal_id, MAX_SHOWN)?;
    let consents: Vec<ConsentDocument> = consents.into_iter().map(document).collect();
    Ok(ConsentList { total_count: consents.len(), consents, first_cursor: None, last_cursor: None })
}

fn document(consent: Consent) -> ConsentDocument {
    ConsentDocument {
        client_id: consent.client_id,
        client_name: consent.client_name,
        scopes: consent.scope.iter().map(str::to_owned).collect(),
        created_at: consent.created_at.rfc3339(),
        updated_at: consent.updated_at.rfc3339(),
    }
}

/// Disconnects an application: it has to ask again, and everything that it holds in the person's name ends, codes under
/// way and personal access tokens that were made through it included.
///
/// # Errors
/// [`NotFound`](crate::model::problem::Code::NotFound) where the application holds nothing.
pub fn withdraw(
    tx: &mut Tx<'_>,
    actor: &Actor,
    principal_id: &str,
    client_id: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    tx.raise()?;
    // the application may be making a personal access token at this moment: it is waited for
    store::principal::lock(tx, principal_id)?;
    let withdrawn = store::consent::withdraw(tx, principal_id, client_id)?;
    // codes first: one that is being redeemed at this moment is waited for, and its grant found afterwards
    let codes = store::authorization_code::void_of(tx, principal_id, client_id, now)?;
    let grants = store::grant::revoke_of_principal_and_client(tx, principal_id, client_id, now)?;
    let tokens = store::personal_access_token::delete_of_client(tx, principal_id, client_id)?;
    if !withdrawn && codes + grants + tokens == 0 {
        return Err(Refusal::not_found("connected application", client_id));
    }
    let before = json!({ "principalId": principal_id, "grants": grants, "personalAccessTokens": tokens });
    audit::note(tx, actor, "consent.withdraw", Target { kind: "consent", id: client_id }, &before, &Value::Null, now)?;
    Ok(())
}
