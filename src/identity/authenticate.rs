//! Whether somebody who types a username and a password is who they say, and how passwords are replaced.
//!
//! Every answer takes the same work and the same least time, whatever the reason: it tells nobody whether an account
//! exists.

use std::{net::IpAddr, time::Duration};

use secrecy::SecretString;
use tokio::time::Instant;

use super::{
    device::Device,
    throttle::{self, Allowed, Keys, Throttled},
};
use crate::{
    config::{Config, Passwords},
    hasher::{Busy, Hasher},
    model::{email, password::Policy, time::Timestamp},
    store::{
        self, Store, Tx,
        audit::{Event, Origin},
        principal::Principal,
    },
};

/// The longest email address (RFC 5321 §4.5.3.1.3), in characters.
const MAX_USERNAME: usize = 254;

/// What somebody typed, and where.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The email address, in whatever spelling.
    pub username: String,
    /// The password.
    pub password: SecretString,
    /// Where it came from.
    pub address: Option<IpAddr>,
    /// What the browser's cookie says it is, if it has one that opens.
    pub device: Option<Device>,
}

/// The answer to an [`Attempt`].
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // one exists for each login, and the large one is the usual one
pub enum Outcome<T = ()> {
    /// It is this person.
    Authenticated {
        /// The person, as of the moment when the password was found right.
        principal: Principal,
        /// The password is a temporary one: it opens nothing but the page that replaces it.
        password_temporary: bool,
        /// What began with it; nothing does with a temporary password.
        begun: Option<T>,
    },
    /// Username and password do not belong together, or the account may not sign in; which of them is nobody's business.
    Refused,
    /// There were too many guesses; this one was not checked.
    Throttled {
        /// When the next one may be.
        retry_after: Duration,
    },
    /// There are too many logins; this one was not checked.
    Busy {
        /// When it is worth trying again.
        retry_after: Duration,
    },
}

impl<T> Outcome<T> {
    /// One word, for statistics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Outcome::Authenticated { password_temporary: true, .. } => "temporary_password",
            Outcome::Authenticated { password_temporary: false, .. } => "signed_in",
            Outcome::Refused => "refused",
            Outcome::Throttled { .. } => "throttled",
            Outcome::Busy { .. } => "busy",
        }
    }
}

/// Checks username and password.
///
/// # Errors
/// Only the store's; whatever the person did is an [`Outcome`].
pub async fn authenticate(
    store: &Store,
    hasher: &Hasher,
    config: &Config,
    now: Timestamp,
    attempt: Attempt,
) -> Result<Outcome, store::Error> {
    authenticate_and(store, hasher, config, now, attempt, |_, _| Ok(Some(()))).await
}

/// Checks username and password; the transaction that finds them right goes on with `begin` (its `None`: they may not sign
/// in after all), so that a sign-in is one commit. It is not called for a temporary password, and maybe more than once.
///
/// # Errors
/// As [`authenticate`], and those of `begin`.
pub async fn authenticate_and<T: Send + 'static>(
    store: &Store,
    hasher: &Hasher,
    config: &Config,
    now: Timestamp,
    attempt: Attempt,
    begin: impl Fn(&mut Tx<'_>, &Principal) -> Result<Option<T>, store::Error> + Send + 'static,
) -> Result<Outcome<T>, store::Error> {
    let answer_at = Instant::now() + config.passwords.answer_floor;
    let outcome = decide(store, hasher, config, now, attempt, begin).await;
    tokio::time::sleep_until(answer_at).await;
    outcome
}

async fn decide<T: Send + 'static>(
    store: &Store,
    hasher: &Hasher,
    config: &Config,
    now: Timestamp,
    attempt: Attempt,
    begin: impl Fn(&mut Tx<'_>, &Principal) -> Result<Option<T>, store::Error> + Send + 'static,
) -> Result<Outcome<T>, store::Error> {
    let Attempt { username, password, address, device } = attempt;
    let lookup = lookup_key(&username);
    let principal = store.read(move |conn| store::principal::find_by_email(conn, &lookup)).await?;

    let known = device.filter(|device| principal.as_ref().is_some_and(|p| device.is_of(p)));
    let keys = known.map_or_else(|| Keys::new(&username, address), |device| Keys::of_device(&device));
    let allowed = match throttle::begin(store, &config.login, now, keys).await? {
        Ok(allowed) => allowed,
        Err(Throttled { retry_after }) => return Ok(Outcome::Throttled { retry_after }),
    };

    let stored = principal.as_ref().and_then(|principal| principal.password_hash.clone());
    let verdict = match hasher.verify(password.clone(), stored.clone()).await {
        Ok(verdict) => verdict,
        Err(Busy { retry_after }) => {
            throttle::withdraw(store, now, allowed).await?;
            return Ok(Outcome::Busy { retry_after });
        }
    };
    let (Some(principal), Some(hash), true) = (principal, stored, verdict.matches) else { return Ok(Outcome::Refused) };
    // Also before the transaction, so that every refusal has done the same.
    if !may_sign_in(&principal, now) {
        return Ok(Outcome::Refused);
    }
    let admitted = admit(store, now, principal.id, hash.clone(), allowed.clone(), begin).await;
    if admitted.is_err() {
        give_back(store.clone(), now, allowed);
    }
    let Some((mut principal, begun)) = admitted? else { return Ok(Outcome::Refused) };
    if verdict.outdated {
        let renewed = rehash(store, hasher, principal.id.clone(), hash, password).await;
        principal.password_hash = renewed.or(principal.password_hash);
    }
    Ok(Outcome::Authenticated { password_temporary: principal.password_temporary, principal, begun })
}

/// Takes back a guess that was right, but could not be said to be so since the database did not answer: it will again.
fn give_back(store: Store, now: Timestamp, allowed: Allowed) {
    tokio::spawn(async move {
        for seconds in [1, 2, 4, 8, 16] {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            if throttle::withdraw(&store, now, allowed.clone()).await.is_ok() {
                return;
            }
        }
    });
}

/// What a username is looked up as. What cannot be one is looked up too, as something that nobody is called.
fn lookup_key(username: &str) -> String {
    let key = email::key(username);
    let possible = key.chars().count() <= MAX_USERNAME && !key.contains('\0');
    if possible { key } else { String::new() }
}

fn may_sign_in(principal: &Principal, now: Timestamp) -> bool {
    principal.suspended_at.is_none() && principal.password_expires_at.is_none_or(|expires_at| now < expires_at)
}

/// The principal and what begins, if it may sign in with the password of this hash as things are now: comparing took its
/// time.
async fn admit<T: Send + 'static>(
    store: &Store,
    now: Timestamp,
    id: String,
    hash: String,
    allowed: Allowed,
    begin: impl Fn(&mut Tx<'_>, &Principal) -> Result<Option<T>, store::Error> + Send + 'static,
) -> Result<Option<(Principal, Option<T>)>, store::Error> {
    store
        .write(move |tx| {
            let principal = store::principal::find(tx, &id)?
                .filter(|principal| may_sign_in(principal, now) && principal.password_hash.as_ref() == Some(&hash));
            let Some(principal) = principal else { return Ok(None) };
            let begun = if principal.password_temporary { None } else { begin(tx, &principal)? };
            let admitted = begun.is_some() || principal.password_temporary;
            if admitted {
                // last: many come from one address, and whoever has counted there holds its row
                throttle::succeeded(tx, now, &allowed)?;
            }
            Ok::<_, store::Error>(admitted.then_some((principal, begun)))
        })
        .await
}

/// Brings a hash to the configured parameters. Where that is not possible now, the next login does it.
async fn rehash(store: &Store, hasher: &Hasher, id: String, old: String, password: SecretString) -> Option<String> {
    let new = hasher.hash(password).await.ok()?;
    let stored = new.clone();
    match store.write(move |tx| store::principal::rehash(tx, &id, &old, &stored)).await {
        Ok(replaced) => replaced.then_some(new),
        Err(error) => {
            tracing::warn!(%error, "a password could not be hashed anew");
            None
        }
    }
}

/// Why a password was not replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordFault {
    /// The new one breaks these rules, in plain words.
    Policy(Vec<String>),
    /// The old one is not what it was when it was checked, or the account is gone.
    Changed,
    /// The new one is the old one.
    SameAsOld,
    /// There is too much to hash.
    Busy(Busy),
}

/// What outlives a change of the password.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The session in which it is changed.
    pub session: Option<String>,
    /// All other sessions as well.
    pub all_sessions: bool,
    /// What the person has made for scripts.
    pub personal_access_tokens: bool,
}

impl Kept {
    /// As usual: one session, and what has nothing to do with sessions.
    pub fn session(session: Option<String>) -> Kept {
        Kept { session, all_sessions: false, personal_access_tokens: true }
    }
}

/// Gives a principal the password that the person chose. Sessions end but for those that are `kept`, with what was granted
/// in them, and a change of email that waits is forgotten: whoever knew the old password may have asked for it. The audit
/// log is told who did it, from `origin`.
///
/// The new stored hash. `current_hash` is the stored hash that the caller has checked the old password against (or found missing).
///
/// # Errors
/// Only the store's; why the password is not accepted is a [`PasswordFault`].
#[allow(clippy::too_many_arguments)]
pub async fn set_password(
    store: &Store,
    hasher: &Hasher,
    config: &Config,
    now: Timestamp,
    principal_id: &str,
    current_hash: Option<String>,
    new: SecretString,
    kept: Kept,
    origin: Origin,
) -> Result<Result<String, PasswordFault>, store::Error> {
    let id = principal_id.to_owned();
    let principal = store.read(move |conn| store::principal::find(conn, &id)).await?;
    let Some(principal) = principal.filter(|principal| principal.password_hash == current_hash) else {
        return Ok(Err(PasswordFault::Changed));
    };
    let about = [principal.email, principal.name].into_iter().flatten().collect();
    if let Err(faults) = check_policy(&config.passwords, new.clone(), about).await? {
        return Ok(Err(PasswordFault::Policy(faults)));
    }
    if current_hash.is_some() {
        match hasher.verify(new.clone(), current_hash.clone()).await {
            Ok(verdict) if verdict.matches => return Ok(Err(PasswordFault::SameAsOld)),
            Ok(_) => {}
            Err(busy) => return Ok(Err(PasswordFault::Busy(busy))),
        }
    }
    let hash = match hasher.hash(new).await {
        Ok(hash) => hash,
        Err(busy) => return Ok(Err(PasswordFault::Busy(busy))),
    };
    let (id, stored) = (principal.id, hash.clone());
    let changed = store
        .write(move |tx| {
            let changed = store::principal::change_password(tx, &id, current_hash.as_deref(), &stored, now)?;
            if changed {
                if !kept.all_sessions {
                    store::session::end_all_of(tx, &id, kept.session.as_deref(), now)?;
                }
                if !kept.personal_access_tokens {
                    store::personal_access_token::delete_all_of(tx, &id)?;
                }
                store::email_change::forget(tx, &id)?;
                let event = Event::by(&id, &origin, "principal.password.change", ("principal", &id), now);
                store::audit::insert(tx, &event)?;
            }
            Ok::<_, store::Error>(changed)
        })
        .await?;
    Ok(if changed { Ok(hash) } else { Err(PasswordFault::Changed) })
}

/// Whether somebody with this email and name may choose this password; the broken rules in plain words if not. The
/// estimate takes milliseconds, so it is made on another thread.
pub(super) async fn check_policy(
    config: &Passwords,
    password: SecretString,
    about: Vec<String>,
) -> Result<Result<(), Vec<String>>, store::Error> {
    let policy = Policy { min_length: config.min_length, min_strength: config.min_strength };
    let check = move || {
        let about: Vec<&str> = about.iter().flat_map(|text| words(text)).collect();
        policy.check(&password, &about)
    };
    tokio::task::spawn_blocking(check).await.map_err(|e| store::Error::Internal(e.to_string()))
}

/// A text, what is before its `@`, and its words: each is what somebody would build a password from.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|part| part.chars().count() > 2);
    [text].into_iter().chain(text.split_once('@').map(|(before, _)| before)).chain(parts)
}

#[cfg(test)]
#[path = "authenticate_tests.rs"]
mod tests;
