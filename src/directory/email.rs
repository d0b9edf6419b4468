//! A person's change of email: asked for, proven by a secret that was sent to the new address, and only then made.
//!
//! # Nobody learns who has an account
//!
//! Any address can be asked for, whether or not somebody has it, and the answer is the same. That it is taken is told
//! only to who presents the secret, who reads the mail of that address (or is an application that is trusted to send it
//! there) and so learns nothing about others. Sessions and tokens stay: they name the person by id.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    Actor, Refusal,
    audit::{self, Target},
    profile::{acting, describe},
};
use crate::{
    model::{email::Email, problem::Code, secret::SecretHash, time::Timestamp},
    store::{self, Tx, email_change::EmailChange},
};

/// How long a new address can be proven.
pub const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The address that somebody wants to have.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EmailChangeInput {
    /// The new email address
    #[schema(format = "email", min_length = 3, max_length = 254, example = "ada@example.org")]
    pub email: String,
}

/// A change of email that waits for its proof.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailChangeDocument {
    /// The person, to be given together with the secret
    #[schema(format = "uuid", example = "0190a3c2-7b00-7000-8000-000000000001")]
    pub identity_id: String,
    /// What proves the address, for 24 hours and once; only where the application itself sends it there, null where this
    /// server mails the link
    #[schema(example = "kwev_q1Yp9m0c5S8uJx2w7T4oL6nR3vB1zK0eF9hD2gA5iCk")]
    pub secret: Option<String>,
    /// The new address
    #[schema(format = "email", example = "ada@example.org")]
    pub email: String,
}

/// The proof of a new address.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EmailValidationInput {
    /// The person, as the change answered it
    #[schema(max_length = 64, example = "0190a3c2-7b00-7000-8000-000000000001")]
    pub identity_id: String,
    /// The secret that was sent to the new address
    #[schema(max_length = 256, example = "kwev_q1Yp9m0c5S8uJx2w7T4oL6nR3vB1zK0eF9hD2gA5iCk")]
    pub secret: String,
}

/// Lets a new address wait for its proof; the one that waited before is forgotten.
///
/// # Errors
/// [`Code::TokenInvalid`] where the person may not act any more.
pub fn begin(
    tx: &mut Tx<'_>,
    actor: &Actor,
    id: &str,
    email: &Email,
    hash: &SecretHash,
    now: Timestamp,
) -> Result<(), Refusal> {
    let principal = acting(tx, id)?;
    let before = describe(tx, &principal, now)?;
    let change = EmailChange {
        principal_id: id.to_owned(),
        email: email.as_str().to_owned(),
        hash: hash.clone(),
        created_at: now,
        expires_at: now + LIFETIME,
    };
    store::email_change::replace(tx, &change)?;
    store::principal::renew_etag(tx, id, now)?;
    let (before, after) = (json!({"pendingEmail": before.pending_email}), json!({"pendingEmail": email.as_str()}));
    audit::note(tx, actor, "principal.email.change", Target { kind: "principal", id }, &before, &after, now)?;
    Ok(())
}

/// Makes the change whose secret this is; it works once. Answers the address that was replaced, if that had been proven.
///
/// # Errors
/// [`Code::VerificationInvalid`], the same for an unknown or suspended person and a wrong, used, replaced or expired
/// secret; [`Code::EmailInUse`] where another principal has the address by now: the secret is not used up by that.
pub fn validate(
    tx: &mut Tx<'_>,
    actor: &Actor,
    identity_id: &str,
    hash: &SecretHash,
    now: Timestamp,
) -> Result<Option<String>, Refusal> {
    let principal = store::principal::lock(tx, identity_id)?.filter(|principal| principal.suspended_at.is_none());
    let principal = principal.ok_or_else(invalid)?;
    let id = principal.id.as_str();
    let change = store::email_change::pending(tx, id, now)?.ok_or_else(invalid)?;
    if !store::email_change::take(tx, id, hash, now)? {
        return Err(invalid());
    }
    let email: Email = change.email.parse().map_err(store::Error::Internal)?;
    store::principal::set_verified_email(tx, id, &email, now).map_err(|error| match error {
        store::Error::Conflict(_) => {
            Refusal::at(Code::EmailInUse, "", "another principal has this email address; nothing was changed")
        }
        other => other.into(),
    })?;
    let document = |email: Option<&str>, verified: bool, pending: Option<&str>| json!({ "email": email, "emailVerified": verified, "pendingEmail": pending });
    let before = document(principal.email.as_deref(), principal.email_verified, Some(&change.email));
    let after = document(Some(&change.email), true, None);
    audit::note(tx, actor, "principal.email.verify", Target { kind: "principal", id }, &before, &after, now)?;
    Ok(principal.email.filter(|_| principal.email_verified))
}

/// The one answer to every proof that proves nothing.
pub fn invalid() -> Refusal {
    Refusal::new(
        Code::VerificationInvalid,
        "expected the secret of a change of email that waits for it; this one is wrong, was used or replaced, or has \
         expired",
    )
}
