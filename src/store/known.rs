//! What is asked at every request, kept in memory: clients, principals, grants, sessions, and access tokens that were
//! looked at and not found revoked.
//!
//! **Exact in this process.** A write tells what it changed ([`super::change`]) after its commit and before it is
//! acknowledged, and what is named is forgotten. Whoever is just reading it cannot keep what it read: its place is gone.
//!
//! **At most [`LEASE`] behind in others.** A thread reads the changes several times a second. What is kept is used only
//! while that succeeded not longer than the lease ago; then the database is asked, as it is where nobody follows.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use quick_cache::sync::{Cache, GuardResult};
use tokio::sync::watch;

use super::{
    Backend, Conn, Error, Store,
    access::Access,
    change::{self, Change, Position},
    client::{self, Client},
    client_secret::{self, ClientSecret},
    grant::{self, Grant},
    principal::{self, Principal},
    revoked_token, session,
};
use crate::{
    metrics::{CacheCounts, Caches},
    model::time::Timestamp,
};

/// How often changes of other processes are looked for.
const POLL: Duration = Duration::from_millis(100);
/// How long what is kept is used after they were looked for.
const LEASE: Duration = Duration::from_millis(400);
/// Whoever has not looked for that long begins anew: changes are not kept for ever.
const TOO_LONG: Duration = Duration::from_secs(60);

const CLIENTS: usize = 10_000;
const PRINCIPALS: usize = 20_000;
const GRANTS: usize = 50_000;

/// A client with what proves it and what it may do.
#[derive(Debug)]
pub struct KnownClient {
    /// The client.
    pub client: Client,
    /// Its secrets, expired ones included.
    pub secrets: Vec<ClientSecret>,
    /// The resources that it serves (RFC 8707).
    pub resources: Vec<String>,
    /// What it may do.
    pub access: Arc<Access>,
    roles: u64,
}

impl std::ops::Deref for KnownClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// A principal with what they may do.
#[derive(Debug)]
pub struct KnownPrincipal {
    /// The principal. When they were last active is as old as the copy.
    pub principal: Principal,
    /// What they may do.
    pub access: Arc<Access>,
    roles: u64,
}

impl std::ops::Deref for KnownPrincipal {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

/// A cache, and how well it does.
struct Kept<V> {
    cache: Cache<String, V>,
    counts: CacheCounts,
}

impl<V: Clone> Kept<V> {
    fn new(capacity: usize) -> Kept<V> {
        Kept { cache: Cache::new(capacity), counts: CacheCounts::default() }
    }
}

impl<V> std::ops::Deref for Kept<V> {
    type Target = Cache<String, V>;

    fn deref(&self) -> &Cache<String, V> {
        &self.cache
    }
}

/// What is kept.
pub(super) struct Known {
    clients: Kept<Arc<KnownClient>>,
    principals: Kept<Arc<KnownPrincipal>>,
    grants: Kept<Arc<Grant>>,
    /// Until when they live unless they are used or ended.
    sessions: Kept<Timestamp>,
    /// When they expire.
    unrevoked: Kept<Timestamp>,
    /// Raised when what some role allows has changed: what was compiled under another number does not hold.
    roles: AtomicU64,
    keys: watch::Sender<u64>,
    begun: Instant,
    /// Until when what is kept may be used, in nanoseconds after `begun`.
    lease: AtomicU64,
}

impl Default for Known {
    fn default() -> Known {
        Known {
            clients: Kept::new(CLIENTS),
            principals: Kept::new(PRINCIPALS),
            grants: Kept::new(GRANTS),
            sessions: Kept::new(GRANTS),
            unrevoked: Kept::new(GRANTS),
            roles: AtomicU64::new(0),
            keys: watch::channel(0).0,
            begun: Instant::now(),
            lease: AtomicU64::new(0),
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Known {
    fn nanoseconds(&self, at: Instant) -> u64 {
        nanoseconds(at.saturating_duration_since(self.begun))
    }

    fn is_leased(&self) -> bool {
        self.nanoseconds(Instant::now()) < self.lease.load(Ordering::Acquire)
    }

    /// Whether whoever follows had an answer from the database within this time. Where nobody follows, nobody knows
    /// otherwise.
    pub(super) fn is_answered(&self, within: Duration) -> bool {
        let lease = self.lease.load(Ordering::Acquire);
        lease == 0 || self.nanoseconds(Instant::now()) < lease + nanoseconds(within.saturating_sub(LEASE))
    }

    fn get<V: Clone>(&self, kept: &Kept<V>, id: &str) -> Option<V> {
        let found = if self.is_leased() { kept.get(id) } else { None };
        match found.is_some() {
            true => kept.counts.hit(),
            false => kept.counts.miss(),
        }
        found
    }

    /// Shows the caches among the others.
    pub(super) fn register(self: &Arc<Known>, caches: &Caches) {
        self.show(caches, "clients", |known| &known.clients);
        self.show(caches, "principals", |known| &known.principals);
        self.show(caches, "grants", |known| &known.grants);
        self.show(caches, "sessions", |known| &known.sessions);
        self.show(caches, "unrevoked_tokens", |known| &known.unrevoked);
    }

    fn show<V: Clone + 'static>(self: &Arc<Known>, caches: &Caches, name: &'static str, kept: fn(&Known) -> &Kept<V>) {
        let known = self.clone();
        caches.add(name, &kept(self).counts, move || kept(&known).len() as u64);
    }

    /// Reads what is not kept, and keeps it unless it is changed meanwhile: then its place is gone.
    fn read<V: Clone>(
        &self,
        cache: &Cache<String, V>,
        id: &str,
        read: impl FnOnce() -> Result<Option<V>, Error>,
    ) -> Result<Option<V>, Error> {
        if !self.is_leased() {
            return read();
        }
        // nobody waits for another who reads the same
        match cache.get_value_or_guard(id, Some(Duration::ZERO)) {
            GuardResult::Guard(place) => {
                let value = read()?;
                if let Some(value) = &value {
                    let _ = place.insert(value.clone());
                }
                Ok(value)
            }
            GuardResult::Value(_) | GuardResult::Timeout => read(),
        }
    }

    /// Forgets what was changed, or all of it.
    pub(super) fn forget(&self, changes: Option<&[Change]>) {
        let Some(changes) = changes else { return self.forget_all() };
        for Change { kind, name } in changes {
            match kind.as_str() {
                "identity" => {
                    self.clients.remove(name);
                    self.principals.remove(name);
                }
                "grant" => drop(self.grants.remove(name)),
                "session" => drop(self.sessions.remove(name)),
                "token" => drop(self.unrevoked.remove(name)),
                "role" => drop(self.roles.fetch_add(1, Ordering::AcqRel)),
                "key" => self.keys.send_modify(|n| *n += 1),
                // of a later release
                _ => self.forget_all(),
            }
        }
    }

    fn forget_all(&self) {
        self.clients.clear();
        self.principals.clear();
        self.grants.clear();
        self.sessions.clear();
        self.unrevoked.clear();
        self.keys.send_modify(|n| *n += 1);
    }

    fn client(&self, id: &str) -> Option<Arc<KnownClient>> {
        let found = self.get(&self.clients, id)?;
        (found.roles == self.roles.load(Ordering::Acquire)).then_some(found)
    }

    fn read_client(&self, conn: &mut Conn, id: &str) -> Result<Option<Arc<KnownClient>>, Error> {
        let roles = self.roles.load(Ordering::Acquire);
        self.clients.remove_if(id, |kept| kept.roles != roles);
        self.read(&self.clients, id, || {
            let Some(client) = client::find(conn, id)? else { return Ok(None) };
            let secrets = client_secret::of_client(conn, id)?;
            let resources = client::resources(conn, id)?;
            let access = Arc::new(Access::of_client(conn, &client)?);
            Ok(Some(Arc::new(KnownClient { client, secrets, resources, access, roles })))
        })
    }

    fn principal(&self, id: &str) -> Option<Arc<KnownPrincipal>> {
        let found = self.get(&self.principals, id)?;
        (found.roles == self.roles.load(Ordering::Acquire)).then_some(found)
    }

    fn read_principal(&self, conn: &mut Conn, id: &str) -> Result<Option<Arc<KnownPrincipal>>, Error> {
        let roles = self.roles.load(Ordering::Acquire);
        self.principals.remove_if(id, |kept| kept.roles != roles);
        self.read(&self.principals, id, || {
            let Some(principal) = principal::find(conn, id)? else { return Ok(None) };
            let access = Arc::new(Access::of_principal(conn, &principal)?);
            Ok(Some(Arc::new(KnownPrincipal { principal, access, roles })))
        })
    }
}

impl Store {
    /// The client with this id, from memory where it is kept.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn client(&self, id: &str) -> Result<Option<Arc<KnownClient>>, Error> {
        if let Some(found) = self.known.client(id) {
            return Ok(Some(found));
        }
        let (known, id) = (self.known.clone(), id.to_owned());
        self.read(move |conn| known.read_client(conn, &id)).await
    }

    /// Forgets a client or principal, so that who asks next asks the database. For refusals: what was just given on another
    /// server must not be refused on this one.
    pub fn doubt(&self, identity_id: &str) {
        self.known.clients.remove(identity_id);
        self.known.principals.remove(identity_id);
    }

    /// Forgets grants, sessions and tokens that are over: nobody asks for them again, so that they would lie there until as
    /// many others have come as are kept.
    pub fn forget_expired(&self, now: Timestamp) {
        self.known.unrevoked.retain(|_, until| now < *until);
        self.known.grants.retain(|_, grant| now < grant.expires_at);
        self.known.sessions.retain(|_, until| now < *until);
    }

    /// The principal with this id, from memory where it is kept.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn principal(&self, id: &str) -> Result<Option<Arc<KnownPrincipal>>, Error> {
        if let Some(found) = self.known.principal(id) {
            return Ok(Some(found));
        }
        let (known, id) = (self.known.clone(), id.to_owned());
        self.read(move |conn| known.read_principal(conn, &id)).await
    }

    /// The grant with this id, from memory where it is kept.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn grant(&self, id: &str) -> Result<Option<Arc<Grant>>, Error> {
        if let Some(found) = self.known.get(&self.known.grants, id) {
            return Ok(Some(found));
        }
        let (known, id) = (self.known.clone(), id.to_owned());
        self.read(move |conn| known.read(&known.grants, &id, || Ok(grant::find(conn, &id)?.map(Arc::new)))).await
    }

    /// Whether the session with this id is neither ended nor expired.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn is_live_session(&self, id: &str, now: Timestamp) -> Result<bool, Error> {
        if self.known.get(&self.known.sessions, id).is_some_and(|until| now < until) {
            return Ok(true);
        }
        // what is kept may be from before it was last used
        let (known, id) = (self.known.clone(), id.to_owned());
        let found = self.read(move |conn| {
            known.sessions.remove(&id);
            known.read(&known.sessions, &id, || {
                let live = session::find(conn, &id)?.filter(|session| session.is_live(now));
                Ok(live.map(|session| session.idle_expires_at.min(session.expires_at)))
            })
        });
        Ok(found.await?.is_some())
    }

    /// Whether the access token with this `jti`, which expires then, was revoked by itself.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn is_revoked(&self, jti: &str, expires_at: Timestamp) -> Result<bool, Error> {
        if self.known.get(&self.known.unrevoked, jti).is_some() {
            return Ok(false);
        }
        let (known, jti) = (self.known.clone(), jti.to_owned());
        let unrevoked = self.read(move |conn| {
            known.read(&known.unrevoked, &jti, || Ok((!revoked_token::contains(conn, &jti)?).then_some(expires_at)))
        });
        Ok(unrevoked.await?.is_none())
    }

    /// Ticks when the signing keys have changed, here or elsewhere.
    pub fn key_changes(&self) -> watch::Receiver<u64> {
        self.known.keys.subscribe()
    }

    /// Follows what other processes change, until what this returns is dropped. What is kept in memory is used only
    /// meanwhile.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn follow(&self) -> Result<Following, Error> {
        let (stop, stopped) = mpsc::channel();
        let (backend, known) = (Arc::downgrade(&self.backend), self.known.clone());
        std::thread::Builder::new()
            .name("keyward-follower".to_owned())
            .spawn(move || follow(&backend, &known, &stopped))
            .map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(Following { _stop: stop })
    }
}

/// A thread that follows changes; it ends when this is dropped.
#[derive(Debug)]
pub struct Following {
    _stop: mpsc::Sender<()>,
}

fn follow(backend: &Weak<Backend>, known: &Known, stopped: &mpsc::Receiver<()>) {
    let mut conn: Option<Conn> = None;
    let mut position = Position::default();
    let mut last = Instant::now();
    loop {
        let asked = Instant::now();
        match look(backend, &mut conn, &mut position) {
            Some(Ok(changes)) => {
                let changes = changes.filter(|_| asked.duration_since(last) < TOO_LONG);
                known.forget(changes.as_deref());
                last = asked;
                known.lease.store(known.nanoseconds(asked + LEASE), Ordering::Release);
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "changes of other processes cannot be read");
                conn = None;
            }
            None => return,
        }
        if !matches!(stopped.recv_timeout(POLL), Err(RecvTimeoutError::Timeout)) {
            known.lease.store(0, Ordering::Release);
            return;
        }
    }
}

/// What was changed; `None` once the store is gone.
fn look(
    backend: &Weak<Backend>,
    conn: &mut Option<Conn>,
    position: &mut Position,
) -> Option<Result<Option<Vec<Change>>, Error>> {
    let backend = backend.upgrade()?;
    let conn = match conn {
        Some(conn) => conn,
        // a connection of its own: those of the pool may all be busy
        None => match backend.connect() {
            Ok(opened) => conn.insert(opened),
            Err(error) => return Some(Err(error)),
        },
    };
    Some(change::since(conn, position))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::client_auth::AuthMethod,
        store::{Target, session::Session},
    };

    /// Two processes on one database.
    async fn pair() -> (Store, Store, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::Sqlite(directory.path().join("known.db"));
        let (one, other) = (Store::open(&target).unwrap(), Store::open(&target).unwrap());
        let client = Client::new("app".to_owned(), "App".to_owned(), AuthMethod::None, now());
        one.write(move |tx| client::insert(tx, &client)).await.unwrap();
        (one, other, directory)
    }

    fn now() -> Timestamp {
        Timestamp::from_seconds(1_000_000)
    }

    async fn rename(store: &Store, name: &'static str) {
        let renamed = store.write(move |tx| {
            let before = client::find(tx, "app")?.unwrap();
            let after = Client { name: name.to_owned(), etag: format!("after {}", before.etag), ..before.clone() };
            client::update(tx, &after, &before.etag)
        });
        assert!(renamed.await.unwrap());
    }

    async fn leased(store: &Store) {
        while !store.known.is_leased() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn nothing_is_kept_where_nobody_follows() {
        let (one, other, _directory) = pair().await;
        assert_eq!(one.client("app").await.unwrap().unwrap().name, "App");
        rename(&other, "Renamed").await;
        assert_eq!(one.client("app").await.unwrap().unwrap().name, "Renamed");
        assert!(one.known.clients.is_empty());
    }

    #[tokio::test]
    async fn an_own_write_is_seen_at_once_and_another_process_s_soon() {
        let (one, other, _directory) = pair().await;
        let following = one.follow().unwrap();
        leased(&one).await;
        let first = one.client("app").await.unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &one.client("app").await.unwrap().unwrap()), "it is kept");
        rename(&one, "Renamed here").await;
        assert_eq!(one.client("app").await.unwrap().unwrap().name, "Renamed here");
        rename(&other, "Renamed there").await;
        while one.client("app").await.unwrap().unwrap().name != "Renamed there" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(following);
        while one.known.is_leased() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        rename(&other, "Renamed again").await;
        assert_eq!(one.client("app").await.unwrap().unwrap().name, "Renamed again");
    }

    #[tokio::test]
    async fn what_is_changed_while_it_is_read_is_not_kept() {
        let (one, _, _directory) = pair().await;
        let _following = one.follow().unwrap();
        leased(&one).await;
        for forget in [Some("identity"), None] {
            let known = one.known.clone();
            let read = known.read(&known.grants, "grant", || {
                let changes = [Change { kind: "grant".to_owned(), name: "grant".to_owned() }];
                known.forget(forget.map(|_| changes.as_slice()));
                Ok(Some(Arc::new(grant())))
            });
            assert!(read.unwrap().is_some());
            assert!(one.known.get(&one.known.grants, "grant").is_none());
        }
    }

    fn grant() -> Grant {
        Grant {
            id: "grant".to_owned(),
            client_id: "app".to_owned(),
            principal_id: "ada".to_owned(),
            session_id: None,
            scope: crate::model::scope::Scope::empty(),
            details: grant::Details::default(),
            auth_time: now(),
            offline: false,
            created_at: now(),
            expires_at: now(),
            revoked_at: None,
        }
    }

    #[tokio::test]
    async fn a_role_s_change_and_too_many_changes_are_seen() {
        let (one, other, _directory) = pair().await;
        let _following = one.follow().unwrap();
        leased(&one).await;
        let first = one.client("app").await.unwrap().unwrap();
        one.write(crate::store::generation::raise_roles).await.unwrap();
        let second = one.client("app").await.unwrap().unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        // more than a reader reads at once
        let revoked =
            other.write(|tx| (0..6000).try_for_each(|n| revoked_token::insert(tx, &format!("jti-{n}"), now())));
        revoked.await.unwrap();
        while Arc::ptr_eq(&second, &one.client("app").await.unwrap().unwrap()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(one.is_revoked("jti-5999", now()).await.unwrap() && !one.is_revoked("jti", now()).await.unwrap());
    }

    #[tokio::test]
    async fn a_session_that_was_used_since_is_live_still() {
        let (one, other, _directory) = pair().await;
        let _following = one.follow().unwrap();
        leased(&one).await;
        let principal = Principal::new("ada".to_owned(), None, now());
        one.write(move |tx| principal::insert(tx, &principal)).await.unwrap();
        let later = now() + Duration::from_secs(60);
        let begun = Session {
            id: "sid".to_owned(),
            principal_id: "ada".to_owned(),
            secret_hash: crate::model::secret::SecretHash::of("secret"),
            auth_time: now(),
            amr: Vec::new(),
            acr: String::new(),
            persistent: false,
            created_at: now(),
            last_active_at: now(),
            idle_expires_at: later,
            expires_at: later + Duration::from_secs(60),
            ip_address: None,
            user_agent: None,
            ended_at: None,
        };
        one.write(move |tx| session::insert(tx, &begun)).await.unwrap();
        assert!(one.is_live_session("sid", now()).await.unwrap());
        let extended = later + Duration::from_secs(30);
        other.write(move |tx| session::touch(tx, "sid", later, extended)).await.unwrap();
        assert!(one.is_live_session("sid", later).await.unwrap());
        assert!(!one.is_live_session("sid", extended).await.unwrap());
        one.write(move |tx| session::end(tx, "sid", later)).await.unwrap();
        assert!(!one.is_live_session("sid", now()).await.unwrap());
    }
}
