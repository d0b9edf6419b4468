//! Sessions of the application-server face: opened by a login, looked at on each call, ended with what they hang on.
//!
//! A person's is a session as any other besides, in the same list, and ends with it. A client's own ends with the secret or
//! token that it was opened with. One that a code or token opened is as strong as that token: it ends with its grant,
//! and its scope narrows it.

use std::{sync::Arc, time::Duration};

use super::{
    access::{Access, AccessCache},
    code::{self, CodeFault},
    session::note,
    token::{ActiveToken, live_grant},
};
use crate::{
    model::{
        grant_type::GrantType,
        id,
        permission::{Attributes, Permissions},
        secret::{Kind, Secret, SecretHash},
        time::Timestamp,
    },
    store::{
        self, Conn, Store, Tx,
        appserver_session::AppserverSession,
        audit::{Event, Origin},
        client::Client,
        client_secret::ClientSecret,
        principal::Principal,
        session::Session,
    },
};

/// Use is noted to the minute.
const NOTED_EVERY: Duration = Duration::from_secs(60);
/// Characters of a program's name that are kept.
const USER_AGENT: usize = 256;

/// Whose a session is.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // one exists for each request
pub enum Whose {
    /// A person's.
    Person(Principal, Session),
    /// A client's, which acts for itself.
    Client(Client),
}

/// A session that holds now.
#[derive(Clone, Debug)]
pub struct Current {
    /// What is stored.
    pub stored: AppserverSession,
    /// Whose it is.
    pub whose: Whose,
    /// What it allows now.
    pub permissions: Permissions,
}

impl Current {
    /// Whether it gives access to the face.
    pub fn has_access(&self) -> bool {
        has_access(&self.permissions)
    }
}

/// Whether these permissions hold the program function that gives access to the face. There is no object whose
/// attributes a condition could be compared with.
pub fn has_access(permissions: &Permissions) -> bool {
    permissions.allows_on("appserver/api", "access", &Attributes::new())
}

/// What is common to all that are opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The session id, as the client will have it.
    pub secret: Secret,
    /// The module.
    pub module: &'static str,
    /// Until when it holds in any case.
    pub expires_at: Timestamp,
    /// In which program.
    pub user_agent: Option<String>,
    /// From where.
    pub origin: Origin,
}

impl Opening {
    /// One with a new session id.
    pub fn new(module: &'static str, expires_at: Timestamp, user_agent: Option<String>, origin: Origin) -> Opening {
        Opening { secret: Secret::generate(Kind::AppserverSession), module, expires_at, user_agent, origin }
    }

    fn row(&self, now: Timestamp) -> AppserverSession {
        AppserverSession {
            id: id::generate(now),
            secret_hash: self.secret.hash(),
            module: self.module.to_owned(),
            session_id: None,
            client_id: None,
            client_secret_id: None,
            grant_id: None,
            token: None,
            scope: None,
            created_at: now,
            expires_at: self.expires_at,
            ended_at: None,
        }
    }

    /// A person's: both rows under one id. The cookie that belongs to the session's own hash was never given to anybody.
    fn insert(
        &self,
        tx: &mut Tx<'_>,
        mut row: AppserverSession,
        principal_id: &str,
        proof: &Proof,
        now: Timestamp,
    ) -> Result<Session, store::Error> {
        row.session_id = Some(row.id.clone());
        let user_agent = self.user_agent.as_deref().unwrap_or_default();
        let user_agent: String = user_agent.chars().filter(|c| !c.is_control()).take(USER_AGENT).collect();
        let session = Session {
            id: row.id.clone(),
            principal_id: principal_id.to_owned(),
            secret_hash: Secret::generate(Kind::AppserverSession).hash(),
            auth_time: proof.auth_time,
            amr: proof.amr.clone(),
            acr: proof.acr.clone(),
            persistent: false,
            created_at: now,
            last_active_at: now,
            idle_expires_at: row.expires_at,
            expires_at: row.expires_at,
            ip_address: self.origin.ip_address.clone(),
            user_agent: Some(user_agent).filter(|text| !text.is_empty()),
            ended_at: None,
        };
        store::session::insert(tx, &session)?;
        store::appserver_session::insert(tx, &row)?;
        note(tx, &self.origin, "session.begin", &session, now)?;
        Ok(session)
    }
}

/// How a person proved who they are.
#[derive(Clone, Debug)]
pub struct Proof {
    /// When.
    pub auth_time: Timestamp,
    /// How (RFC 8176); empty where nobody here knows.
    pub amr: Vec<String>,
    /// How strongly.
    pub acr: String,
    /// The stored hash of the password that was checked; none where it was no password of this server.
    pub password: Option<String>,
}

/// Opens a person's session. None where the person was suspended or deleted meanwhile, or the password is another by now.
///
/// # Errors
/// The database failed.
pub async fn open_person(
    store: &Store,
    opening: &Opening,
    principal_id: &str,
    proof: Proof,
    now: Timestamp,
) -> Result<Option<Session>, store::Error> {
    let (opening, id) = (opening.clone(), principal_id.to_owned());
    store
        .write(move |tx| {
            let begun = match &proof.password {
                Some(hash) => store::principal::begin(tx, &id, Some(hash), now)?,
                None => store::principal::begin_elsewhere(tx, &id, now)?,
            };
            match begun {
                true => opening.insert(tx, opening.row(now), &id, &proof, now).map(Some),
                false => Ok(None),
            }
        })
        .await
}

/// What a code presents besides its client.
#[derive(Clone, Debug)]
pub struct Redemption {
    /// The code.
    pub code: String,
    /// The redirect URI, if it was sent.
    pub redirect_uri: Option<String>,
    /// The code verifier, if it was sent.
    pub verifier: Option<String>,
}

/// Why a code opens no session; what the transaction did is rolled back.
#[derive(Debug)]
pub enum Denied {
    /// It cannot be redeemed. After [`CodeFault::Replayed`] its grant is to be revoked.
    Fault(CodeFault),
    /// What this person has granted gives no access. The code is not used.
    NoAccess(Box<Principal>),
}

impl<F: Into<CodeFault>> From<F> for Denied {
    fn from(fault: F) -> Denied {
        Denied::Fault(fault.into())
    }
}

impl store::Failure for Denied {
    fn as_store(&self) -> Option<&store::Error> {
        match self {
            Denied::Fault(fault) => fault.as_store(),
            Denied::NoAccess(_) => None,
        }
    }
}

/// Redeems a code and opens a session with it: whose.
///
/// # Errors
/// Why not.
pub async fn open_by_code(
    store: &Store,
    opening: &Opening,
    client: &Client,
    redemption: Redemption,
    now: Timestamp,
) -> Result<Principal, Denied> {
    let (opening, client) = (opening.clone(), client.clone());
    store
        .write(move |tx| {
            let found = code::find(tx, &redemption.code)?;
            let taken = code::take(tx, &client, found, now)?;
            let code = taken.code;
            let redirect_uri = redemption.redirect_uri.as_deref();
            code::check_redirect(&code.redirect_uri, code.redirect_uri_sent, redirect_uri)
                .map_err(CodeFault::Invalid)?;
            code::check_verifier(code.code_challenge.as_deref(), redemption.verifier.as_deref())
                .map_err(CodeFault::Invalid)?;
            // what was granted and is still held
            let scope = taken.access.grant(&code.scope, &client, true);
            if !has_access(&taken.access.permissions.narrowed(&scope)) {
                return Err(Denied::NoAccess(Box::new(taken.principal)));
            }
            let grant = code::grant_of(code, scope.clone(), now, opening.expires_at);
            store::grant::insert(tx, &grant)?;
            let row = AppserverSession {
                client_id: Some(client.id.clone()),
                grant_id: Some(grant.id.clone()),
                scope: Some(scope),
                ..opening.row(now)
            };
            if !store::principal::begin_elsewhere(tx, &taken.principal.id, now)? {
                return Err(CodeFault::Invalid("the person's account is not active").into());
            }
            let proof = Proof {
                auth_time: grant.auth_time,
                amr: grant.details.amr.clone(),
                acr: grant.details.acr.clone(),
                password: None,
            };
            opening.insert(tx, row, &taken.principal.id, &proof, now)?;
            Ok(taken.principal)
        })
        .await
}

/// Opens the session of an access token, unless it has one already.
///
/// # Errors
/// The database failed.
pub async fn open_by_token(
    store: &Store,
    opening: &Opening,
    active: &ActiveToken,
    now: Timestamp,
) -> Result<(), store::Error> {
    let token = &active.token;
    let row = AppserverSession {
        client_id: Some(active.client.id.clone()),
        grant_id: active.grant.as_ref().map(|grant| grant.id.clone()),
        token: Some((token.jti.to_string(), token.issued_at)),
        scope: Some(token.scope.clone().unwrap_or_default()),
        // no earlier, or one that was ended could be opened again
        expires_at: token.expires_at,
        ..opening.row(now)
    };
    let person = active.principal.as_ref().zip(active.grant.as_ref()).map(|(principal, grant)| {
        let (auth_time, details) = (grant.auth_time, &grant.details);
        let proof = Proof { auth_time, amr: details.amr.clone(), acr: details.acr.clone(), password: None };
        (principal.id.clone(), proof)
    });
    let opening = opening.clone();
    let opened = store.write(move |tx| {
        // of several calls that begin it at once one does
        tx.attempt(|tx| match &person {
            Some((principal_id, proof)) => {
                if store::principal::begin_elsewhere(tx, principal_id, now)? {
                    opening.insert(tx, row.clone(), principal_id, proof, now)?;
                }
                Ok(())
            }
            None => insert_client(tx, &opening, &row, now),
        })
    });
    match opened.await {
        Ok(()) | Err(store::Error::Conflict("appserver_session")) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens the session of a client that presented this secret.
///
/// # Errors
/// The database failed.
pub async fn open_client(
    store: &Store,
    opening: &Opening,
    client: &Client,
    secret: &ClientSecret,
    now: Timestamp,
) -> Result<(), store::Error> {
    let row = AppserverSession {
        client_id: Some(client.id.clone()),
        client_secret_id: Some(secret.id.clone()),
        // see `tokens_since`: a clock may have stood ahead when the client was suspended
        created_at: client.metadata.tokens_since.map_or(now, |since| since.max(now)),
        ..opening.row(now)
    };
    let opening = opening.clone();
    store.write(move |tx| insert_client(tx, &opening, &row, now)).await
}

fn insert_client(
    tx: &mut Tx<'_>,
    opening: &Opening,
    row: &AppserverSession,
    now: Timestamp,
) -> Result<(), store::Error> {
    store::appserver_session::insert(tx, row)?;
    store::audit::insert(tx, &event_of_client(row, &opening.origin, "session.begin", now))
}

fn event_of_client(row: &AppserverSession, origin: &Origin, action: &str, now: Timestamp) -> Event {
    let client_id = row.client_id.as_deref().unwrap_or_default();
    let event = Event::by(client_id, origin, action, ("session", &row.id), now);
    Event { actor_kind: "client".to_owned(), client_id: row.client_id.clone(), ..event }
}

/// The session with this session id, if it holds now. That it was used is noted, at most once a minute.
///
/// # Errors
/// The database failed.
pub async fn current(
    store: &Store,
    cache: &AccessCache,
    hash: &SecretHash,
    now: Timestamp,
) -> Result<Option<Current>, store::Error> {
    let (hash, cache) = (hash.clone(), cache.clone());
    let found = store.read(move |conn| find(conn, &cache, &hash, now)).await?;
    if let Some(Current { whose: Whose::Person(principal, session), .. }) = &found
        && now.since(session.last_active_at) >= NOTED_EVERY
    {
        let (sid, principal_id, idle) = (session.id.clone(), principal.id.clone(), session.idle_expires_at);
        store
            .note(move |tx| {
                store::session::touch(tx, &sid, now, idle)?;
                store::principal::touch(tx, &principal_id, now)
            })
            .await?;
    }
    Ok(found)
}

fn find(
    conn: &mut Conn,
    cache: &AccessCache,
    hash: &SecretHash,
    now: Timestamp,
) -> Result<Option<Current>, store::Error> {
    let found = store::appserver_session::find_by_secret(conn, hash)?;
    let Some(stored) = found.filter(|stored| stored.is_live(now)) else { return Ok(None) };
    if let Some((jti, _)) = &stored.token
        && store::revoked_token::contains(conn, jti)?
    {
        return Ok(None);
    }
    let client = match &stored.client_id {
        Some(id) => match store::client::find(conn, id)?.filter(|client| client.suspended_at.is_none()) {
            Some(client) => Some(client),
            None => return Ok(None),
        },
        None => None,
    };
    match (&stored.session_id, client) {
        (Some(id), client) => of_person(conn, cache, &stored, id, client, now),
        (None, Some(client)) => of_client(conn, cache, &stored, client, now),
        (None, None) => Ok(None),
    }
}

fn of_person(
    conn: &mut Conn,
    cache: &AccessCache,
    stored: &AppserverSession,
    session_id: &str,
    client: Option<Client>,
    now: Timestamp,
) -> Result<Option<Current>, store::Error> {
    let session = store::session::find(conn, session_id)?.filter(|session| session.is_live(now));
    let Some(session) = session else { return Ok(None) };
    let principal = store::principal::find(conn, &session.principal_id)?;
    let Some(principal) = principal.filter(|principal| principal.suspended_at.is_none()) else { return Ok(None) };
    if let Some(grant_id) = &stored.grant_id {
        let grant = match &client {
            Some(client) => live_grant(conn, grant_id, client, now)?,
            None => None,
        };
        if grant.is_none_or(|grant| grant.principal_id != principal.id) {
            return Ok(None);
        }
    }
    let access = cache.of_principal(conn, &principal)?;
    let permissions = narrowed(&access, stored, client.as_ref(), true);
    Ok(Some(Current { stored: stored.clone(), whose: Whose::Person(principal, session), permissions }))
}

fn of_client(
    conn: &mut Conn,
    cache: &AccessCache,
    stored: &AppserverSession,
    client: Client,
    now: Timestamp,
) -> Result<Option<Current>, store::Error> {
    // what was issued before a suspension does not come back with its end
    let of_token = |(jti, issued_at): &(String, Timestamp)| id::made_at(jti).unwrap_or(*issued_at);
    let issued_at = stored.token.as_ref().map_or(stored.created_at, of_token);
    let since = |since: Timestamp| issued_at < since;
    if client.metadata.tokens_since.is_some_and(since) || !client.may(GrantType::ClientCredentials) {
        return Ok(None);
    }
    if let Some(id) = &stored.client_secret_id {
        let secrets = store::client_secret::of_client(conn, &client.id)?;
        let holds = |secret: &ClientSecret| secret.id == *id && secret.expires_at.is_none_or(|at| now < at);
        if !secrets.iter().any(holds) {
            return Ok(None);
        }
    }
    let access = cache.of_client(conn, &client)?;
    let permissions = narrowed(&access, stored, Some(&client), false);
    Ok(Some(Current { stored: stored.clone(), whose: Whose::Client(client), permissions }))
}

/// What holds of what the scope allows; a client's token without scopes, where none are registered, allows whatever the
/// client holds (as [`super::token`] has it).
fn narrowed(access: &Arc<Access>, stored: &AppserverSession, client: Option<&Client>, person: bool) -> Permissions {
    match (&stored.scope, client) {
        (None, _) => access.permissions.clone(),
        (Some(scope), Some(client)) if !person && scope.is_empty() && client.scopes.is_empty() => {
            access.permissions.clone()
        }
        (Some(scope), Some(client)) => access.permissions.narrowed(&access.grant(scope, client, person)),
        (Some(_), None) => Permissions::default(),
    }
}

/// Logging out: the session ends, with the grant of the code that it was opened with. Nothing happens where there is none.
///
/// # Errors
/// The database failed.
pub async fn end(store: &Store, hash: &SecretHash, origin: Origin, now: Timestamp) -> Result<(), store::Error> {
    let hash = hash.clone();
    store
        .write(move |tx| {
            let Some(stored) = store::appserver_session::find_by_secret(tx, &hash)? else { return Ok(()) };
            if !stored.is_live(now) || !store::appserver_session::end(tx, &stored.id, now)? {
                return Ok(());
            }
            if let (Some(grant), None) = (&stored.grant_id, &stored.token) {
                // nobody has any token of it
                store::grant::revoke(tx, grant, now)?;
            }
            let Some(id) = &stored.session_id else {
                return store::audit::insert(tx, &event_of_client(&stored, &origin, "session.end", now));
            };
            let session = store::session::find(tx, id)?;
            if store::session::end(tx, id, now)?
                && let Some(session) = session
            {
                note(tx, &origin, "session.end", &session, now)?;
            }
            Ok(())
        })
        .await
}
