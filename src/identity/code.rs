//! Whether an authorization code may be redeemed (RFC 6749 §4.1.3, RFC 7636 §4.6): what every way to redeem one checks.

use super::access::Access;
use crate::{
    model::{
        pkce,
        scope::Scope,
        secret::{Kind, Secret},
        time::Timestamp,
    },
    store::{
        self, Store, Tx, authorization_code::AuthorizationCode, client::Client, grant::Grant, principal::Principal,
    },
};

/// Why it may not.
#[derive(Debug)]
pub enum CodeFault {
    /// It does not fit; what the transaction did is to be rolled back, so that an honest client may still succeed.
    Invalid(&'static str),
    /// It was used before: its grant must be revoked, in a transaction that stays ([`revoke_replayed`]).
    Replayed {
        /// The grant.
        grant_id: String,
    },
    /// The database failed.
    Store(store::Error),
}

impl From<store::Error> for CodeFault {
    fn from(error: store::Error) -> CodeFault {
        CodeFault::Store(error)
    }
}

impl store::Failure for CodeFault {
    fn as_store(&self) -> Option<&store::Error> {
        match self {
            CodeFault::Store(error) => Some(error),
            CodeFault::Invalid(_) | CodeFault::Replayed { .. } => None,
        }
    }
}

/// What a code was found to be.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The code, used by now.
    pub code: AuthorizationCode,
    /// Whose it is.
    pub principal: Principal,
    /// What the person may do.
    pub access: Access,
}

/// The code that is presented, used or not.
///
/// # Errors
/// Only the store's.
pub fn find(tx: &mut Tx<'_>, presented: &str) -> Result<Option<AuthorizationCode>, store::Error> {
    match Secret::presented(Kind::AuthorizationCode, presented) {
        Some(code) => store::authorization_code::find(tx, &code.hash()),
        None => Ok(None),
    }
}

/// Takes a code that was [found](find) in this transaction: unexpired, this client's, its person and session still there,
/// and ours alone to use.
///
/// # Errors
/// Why it cannot be taken.
pub fn take(
    tx: &mut Tx<'_>,
    client: &Client,
    found: Option<AuthorizationCode>,
    now: Timestamp,
) -> Result<Taken, CodeFault> {
    let unknown = || CodeFault::Invalid("the code is unknown, expired, or was issued to another client");
    // RFC 6749 §4.1.3: the code was issued to the authenticated client
    let code = found.filter(|code| code.client_id == client.id).ok_or_else(unknown)?;
    // RFC 6749 §4.1.2: a code that is used twice revokes what it gave
    let replayed = || CodeFault::Replayed { grant_id: code.grant_id.clone() };
    if code.used_at.is_some() {
        return Err(replayed());
    }
    if now >= code.expires_at {
        return Err(unknown());
    }
    if !store::authorization_code::redeem(tx, &code.hash, now)? {
        return Err(replayed());
    }
    let session = store::session::find_locked(tx, &code.session_id)?.filter(|session| session.is_live(now));
    if session.is_none() {
        return Err(CodeFault::Invalid("the person has signed out"));
    }
    let principal = store::principal::find(tx, &code.principal_id)?
        .filter(|principal| principal.suspended_at.is_none())
        .ok_or(CodeFault::Invalid("the person's account is not active"))?;
    let access = Access::of_principal(tx, &principal)?;
    Ok(Taken { code, principal, access })
}

/// Whether the redirect URI is the one that the code was sent to, text with text (RFC 6749 §4.1.3: required if it was in
/// the authorization request, and identical).
///
/// # Errors
/// What was expected.
pub fn check_redirect(code_was_sent_to: &str, named: bool, presented: Option<&str>) -> Result<(), &'static str> {
    match presented.map_or(!named, |presented| presented == code_was_sent_to) {
        true => Ok(()),
        false => Err("redirect_uri: expected the one of the authorization request, character by character"),
    }
}

/// RFC 7636 §4.6, and no downgrade in either direction (RFC 9700 §2.1.1).
///
/// # Errors
/// What was expected.
pub fn check_verifier(challenge: Option<&str>, verifier: Option<&str>) -> Result<(), &'static str> {
    match (challenge, verifier) {
        (Some(challenge), Some(verifier)) if pkce::verify(challenge, verifier) => Ok(()),
        (Some(_), Some(_)) => Err("code_verifier: it does not fit the code_challenge of the authorization request"),
        (Some(_), None) => Err("code_verifier: expected one, since the authorization request had a code_challenge"),
        (None, Some(_)) => Err("code_verifier: expected none, since the authorization request had no code_challenge"),
        (None, None) => Ok(()),
    }
}

/// The grant that a code makes, with what of its scope is still held.
pub fn grant_of(code: AuthorizationCode, scope: Scope, now: Timestamp, expires_at: Timestamp) -> Grant {
    Grant {
        id: code.grant_id,
        client_id: code.client_id,
        principal_id: code.principal_id,
        session_id: Some(code.session_id),
        offline: scope.contains("offline_access"),
        scope,
        details: code.details,
        auth_time: code.auth_time,
        created_at: now,
        expires_at,
        revoked_at: None,
    }
}

/// Revokes the grant of something that works once and was presented again, in a transaction of its own that stays.
///
/// # Errors
/// Only the store's: then the answer must not say that it was dealt with.
pub async fn revoke_replayed(store: &Store, grant_id: &str, what: &str, now: Timestamp) -> Result<(), store::Error> {
    tracing::warn!(grant_id, what, "revoked: something that works once was presented again");
    let id = grant_id.to_owned();
    store.write(move |tx| store::grant::revoke(tx, &id, now)).await.map(|_| ())
}
