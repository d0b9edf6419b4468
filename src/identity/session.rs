//! Browser sessions: opened by a sign-in, kept by use, ended by signing out.

use std::{sync::Arc, time::Duration};

use crate::{
    config::Sessions,
    model::{
        id,
        secret::{Kind, Secret, SecretHash},
        time::Timestamp,
    },
    store::{
        self, KnownPrincipal, Store, Tx,
        audit::{Event, Origin},
        principal::{self, Principal},
        session::{self, Session},
    },
};

/// The authentication context class of a sign-in by password (OpenID Connect Core §2, `acr`).
pub const ACR_PASSWORD: &str = "keyward:password";
/// The method of a sign-in by password (RFC 8176 §2).
pub const AMR_PASSWORD: &str = "pwd";

/// Use is noted to the minute.
const NOTED_EVERY: Duration = Duration::from_secs(60);
/// Characters of a browser's name that are kept.
const USER_AGENT: usize = 256;

/// A sign-in.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// How (RFC 8176).
    pub amr: Vec<String>,
    /// How strongly.
    pub acr: String,
    /// Whether the person chose to stay signed in.
    pub persistent: bool,
    /// Where.
    pub address: Option<String>,
    /// In which browser.
    pub user_agent: Option<String>,
    /// The session that the browser had.
    pub previous: Option<Session>,
    /// From where, for the audit log.
    pub origin: Origin,
}

/// Opens a session, or renews the same person's: its `sid` stays, so that what was granted in it goes on. Another
/// person's session in the same browser ends, but not what it granted beyond itself.
///
/// The cookie's value, whose hash is given, has to be a new one: one that somebody put there before is worth nothing
/// afterwards. `password` is the stored hash of the one that was checked; none where there is no password.
///
/// `None` where the person was suspended or deleted since the password was checked: nothing is begun that an end of the
/// suspension would bring back. Whoever suspends at this moment waits for the person's row, and then ends the session.
///
/// # Errors
/// Only the store's.
pub fn open(
    tx: &mut Tx<'_>,
    config: &Sessions,
    now: Timestamp,
    principal_id: &str,
    password: Option<&str>,
    new: &NewSession,
    cookie: &SecretHash,
) -> Result<Option<Session>, store::Error> {
    if !principal::begin(tx, principal_id, password, now)? {
        return Ok(None);
    }
    let (idle, absolute) = lifetimes(config, new.persistent);
    let user_agent = new.user_agent.as_ref();
    let fresh = Session {
        id: id::generate(now),
        principal_id: principal_id.to_owned(),
        secret_hash: cookie.clone(),
        auth_time: now,
        amr: new.amr.clone(),
        acr: new.acr.clone(),
        persistent: new.persistent,
        created_at: now,
        last_active_at: now,
        idle_expires_at: (now + idle).min(now + absolute),
        expires_at: now + absolute,
        ip_address: new.address.clone(),
        user_agent: user_agent.map(|text| text.chars().filter(|c| !c.is_control()).take(USER_AGENT).collect()),
        ended_at: None,
    };
    if let Some(previous) = &new.previous {
        if previous.principal_id == fresh.principal_id && previous.is_live(now) {
            let renewed = Session {
                id: previous.id.clone(),
                created_at: previous.created_at,
                ip_address: previous.ip_address.clone(),
                user_agent: previous.user_agent.clone(),
                ..fresh.clone()
            };
            if session::renew(tx, &renewed, now)? {
                note(tx, &new.origin, "session.renew", &renewed, now)?;
                return Ok(Some(renewed));
            }
        } else {
            session::replace(tx, &previous.id, now)?;
        }
    }
    session::insert(tx, &fresh)?;
    note(tx, &new.origin, "session.begin", &fresh, now)?;
    Ok(Some(fresh))
}

pub(super) fn note(
    tx: &mut Tx<'_>,
    origin: &Origin,
    action: &str,
    session: &Session,
    now: Timestamp,
) -> Result<(), store::Error> {
    let event = Event::by(&session.principal_id, origin, action, ("session", &session.id), now);
    store::audit::insert(tx, &event)
}

/// After how long without use, and after how long in any case, a session ends.
fn lifetimes(config: &Sessions, persistent: bool) -> (Duration, Duration) {
    if persistent { (config.idle, config.absolute) } else { (config.browser, config.browser) }
}

/// The session of a cookie's value and who is signed in; `None` if it is not live, or the person may not act. That it
/// was used is noted, at most once a minute.
pub async fn current(
    store: &Store,
    config: &Sessions,
    now: Timestamp,
    cookie: &str,
) -> Result<Option<(Session, Principal)>, store::Error> {
    let Some(secret) = Secret::presented(Kind::Session, cookie) else { return Ok(None) };
    let hash = secret.hash();
    let found = store
        .read(move |conn| {
            let Some(session) = session::find_by_secret(conn, &hash)?.filter(|session| session.is_live(now)) else {
                return Ok(None);
            };
            let principal = principal::find(conn, &session.principal_id)?;
            Ok::<_, store::Error>(principal.map(|principal| (session, principal)))
        })
        .await?;
    let Some((mut session, mut principal)) = found.filter(|(_, principal)| principal.suspended_at.is_none()) else {
        return Ok(None);
    };
    if note_use(store, config, now, &mut session).await {
        principal.last_active_at = principal.last_active_at.max(Some(now));
    }
    Ok(Some((session, principal)))
}

/// As [`current`], with the person as they are known and with what they may do.
pub async fn known(
    store: &Store,
    config: &Sessions,
    now: Timestamp,
    cookie: &str,
) -> Result<Option<(Session, Arc<KnownPrincipal>)>, store::Error> {
    let Some(secret) = Secret::presented(Kind::Session, cookie) else { return Ok(None) };
    let hash = secret.hash();
    let session = store.read(move |conn| session::find_by_secret(conn, &hash)).await?;
    let Some(mut session) = session.filter(|session| session.is_live(now)) else { return Ok(None) };
    let principal = store.principal(&session.principal_id).await?;
    let Some(principal) = principal.filter(|principal| principal.suspended_at.is_none()) else { return Ok(None) };
    note_use(store, config, now, &mut session).await;
    Ok(Some((session, principal)))
}

/// Notes that a session is used; false if that was noted a moment ago.
async fn note_use(store: &Store, config: &Sessions, now: Timestamp, session: &mut Session) -> bool {
    if now.since(session.last_active_at) < NOTED_EVERY {
        return false;
    }
    let (idle, _) = lifetimes(config, session.persistent);
    session.last_active_at = now;
    session.idle_expires_at = (now + idle).min(session.expires_at);
    let (sid, principal_id, idle_expires_at) =
        (session.id.clone(), session.principal_id.clone(), session.idle_expires_at);
    let noted: Result<(), store::Error> = store
        .note(move |tx| {
            session::touch(tx, &sid, now, idle_expires_at)?;
            principal::touch(tx, &principal_id, now)
        })
        .await;
    // the session holds all the same, be it on a disk that is full
    if let Err(error) = noted {
        tracing::warn!(%error, "the use of a session could not be noted");
    }
    true
}

/// Signing out: the session ends, with what was granted in it. False if it had ended before.
pub async fn end(store: &Store, now: Timestamp, session: &Session, origin: Origin) -> Result<bool, store::Error> {
    let session = session.clone();
    store
        .write(move |tx| {
            let ended = session::end(tx, &session.id, now)?;
            if ended {
                note(tx, &origin, "session.end", &session, now)?;
            }
            Ok(ended)
        })
        .await
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
