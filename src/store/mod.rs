//! The only place with database queries: one file per table, each query written once for both databases.
//!
//! Reads take `&mut Conn`, writes take `&mut Tx`, which exists only inside [`Store::write`] (and lends itself as a
//! `Conn`), so that nothing can be written outside a transaction. A write's closure holds SQL only: no hashing of
//! passwords, no signing, no network; it may run twice, so it owns its inputs and has no other side effect.

use std::{
    ops::{Deref, DerefMut},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use diesel::{Connection, connection::SimpleConnection};
use tokio::sync::Semaphore;

pub mod access;
pub mod activity;
pub mod appserver_session;
pub mod assertion_jti;
pub mod audit;
pub mod audit_chain;
pub mod authorization_code;
mod change;
pub mod client;
pub mod client_secret;
pub mod connection;
pub mod consent;
pub mod diagnosis;
pub mod email_change;
mod error;
pub mod fill;
pub mod generation;
pub mod grant;
pub mod graph;
pub mod idempotency;
pub mod identity;
mod known;
pub mod listing;
pub mod mail_pace;
pub mod migrate;
mod numbers;
mod one_of;
pub mod personal_access_token;
mod postgres;
pub mod principal;
pub mod purge;
pub mod refresh_token;
pub mod revoked_token;
pub mod role;
pub mod schema;
pub mod sending;
pub mod session;
pub mod setup;
pub mod signing_key;
pub mod snapshot;
mod sql;
mod sqlite;
pub mod system_client;
pub mod throttle;
mod wal;

use crate::metrics::{Caches, Registry};
pub use connection::Conn;
pub use error::{Error, Failure};
pub use known::{Following, KnownClient, KnownPrincipal};
use sqlite::Either;

/// How long a list may wait for others before its caller is told to come back later.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the data lives.
#[derive(Clone, Debug)]
pub enum Target {
    /// A file, created if it is not there.
    Sqlite(PathBuf),
    /// A server.
    Postgres {
        /// `postgres://`.
        url: String,
        /// The most connections.
        pool: u32,
        /// How long it may be silent before those who wait for it are told that it is not there.
        patience: Duration,
    },
}

/// A write transaction: a connection on which writing is allowed.
pub struct Tx<'c> {
    conn: &'c mut Conn,
    raised: bool,
    /// It changes something that processes keep in memory.
    changes: bool,
    /// It will be rolled back, and nobody shall wait for it.
    rehearsed: bool,
    /// Events of the audit log that are written together at the end.
    gathered: Option<Vec<audit::Event>>,
}

impl<'c> Tx<'c> {
    fn new(conn: &'c mut Conn) -> Tx<'c> {
        Tx { conn, raised: false, changes: false, rehearsed: false, gathered: None }
    }

    /// Says that this transaction changes something that processes keep in memory, so that this process forgets it before
    /// the write is acknowledged. What it is the database tells.
    pub fn changes_known(&mut self) {
        self.changes = true;
    }

    /// Says that this is a write of administrators, which happen one after the other: the generation is raised with it.
    /// They change what processes keep in memory.
    ///
    /// # Errors
    /// The database failed.
    pub fn raise(&mut self) -> Result<(), Error> {
        self.changes = true;
        if !self.raised && !self.rehearsed {
            generation::raise(self)?;
            self.raised = true;
        }
        Ok(())
    }

    /// Says that this transaction will be rolled back, whatever comes of it: from here on it touches none of the rows on
    /// which all writers meet (generations, counts), so that on PostgreSQL nobody waits for it who does not write to the
    /// very same objects. The embedded database has one writer, who is busy with it.
    ///
    /// # Errors
    /// The database failed.
    pub fn rehearse(&mut self) -> Result<(), Error> {
        if let Conn::Postgres(conn) = &mut *self.conn {
            // read by the function that counts rows
            conn.batch_execute("SET LOCAL keyward.rehearsal = 'on'")?;
        }
        self.rehearsed = true;
        Ok(())
    }

    /// What the closure of a write ends with: what was rehearsed must not be kept, since it left out what others rely on.
    fn end<T, E: Failure>(&self, value: T) -> Result<T, E> {
        match self.rehearsed {
            false => Ok(value),
            true => Err(Error::Internal("a rehearsal must not be committed".to_owned()).into()),
        }
    }

    /// Gathers the events of the audit log from here on; [`Tx::write_events`] writes them together. For transactions that
    /// do many things.
    pub fn gather_events(&mut self) {
        self.gathered.get_or_insert_default();
    }

    /// Writes the events that were gathered, with few statements.
    ///
    /// # Errors
    /// The database failed.
    pub fn write_events(&mut self) -> Result<(), Error> {
        match self.gathered.take() {
            Some(events) if !self.rehearsed => audit::insert_many(self, &events),
            _ => Ok(()),
        }
    }
}

/// What a write outlives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lasts {
    /// The end of this program, whatever ends it.
    Crash,
    /// That of the machine as well.
    PowerLoss,
}

impl Tx<'_> {
    /// Runs a part of the transaction that may fail by itself: where it does, what it wrote is undone and the rest goes
    /// on (a savepoint).
    ///
    /// # Errors
    /// The part's own, or the database's.
    pub fn attempt<T, E, F>(&mut self, part: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E>,
        E: Failure,
    {
        let (mut raised, mut changes) = (self.raised, self.changes);
        let (rehearsed, mut gathered) = (self.rehearsed, self.gathered.take());
        let before = gathered.as_ref().map_or(0, Vec::len);
        let outcome: Result<T, Either<E>> = self.conn.transaction(|conn| {
            let mut tx = Tx { conn, raised, changes, rehearsed, gathered: gathered.take() };
            let outcome = part(&mut tx);
            (raised, changes, gathered) = (tx.raised, tx.changes, tx.gathered);
            outcome.map_err(Either::Closure)
        });
        if outcome.is_err() {
            gathered.iter_mut().for_each(|events| events.truncate(before));
        }
        self.gathered = gathered;
        match outcome {
            Ok(value) => {
                (self.raised, self.changes) = (raised, changes);
                Ok(value)
            }
            // a generation that was raised within is as it was before
            Err(Either::Closure(error)) => Err(error),
            Err(Either::Database(error)) => Err(Error::from(error).into()),
        }
    }
}

impl Deref for Tx<'_> {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        self.conn
    }
}

impl DerefMut for Tx<'_> {
    fn deref_mut(&mut self) -> &mut Conn {
        self.conn
    }
}

enum Backend {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Backend {
    /// A connection beside the others, for reading.
    fn connect(&self) -> Result<Conn, Error> {
        match self {
            Backend::Sqlite(sqlite) => sqlite.connect(),
            Backend::Postgres(postgres) => postgres.connect(),
        }
    }
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    backend: Arc<Backend>,
    /// What is kept in memory.
    known: Arc<known::Known>,
    /// Lists that are read from the embedded database at the same time.
    lists: Arc<Semaphore>,
}

impl Store {
    /// Opens the database and brings its schema up to date.
    pub fn open(target: &Target) -> Result<Store, Error> {
        let known = Arc::new(known::Known::default());
        let backend = match target {
            Target::Sqlite(path) => Backend::Sqlite(sqlite::Sqlite::open(path, known.clone())?),
            Target::Postgres { url, pool, patience } => {
                Backend::Postgres(postgres::Postgres::open(url, *pool, *patience, known.clone())?)
            }
        };
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Ok(Store { backend: Arc::new(backend), known, lists: Arc::new(Semaphore::new(cores.max(2))) })
    }

    /// Runs `f` in one transaction: `Ok` commits before this returns, `Err` rolls back. `f` may run more than once.
    pub async fn write<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Failure,
    {
        self.write_lasting(Lasts::PowerLoss, f).await
    }

    /// As [`Store::write`], for what nobody misses after the machine (not just this program) went down without warning:
    /// counters of guesses, and when something was last used. The caller does not wait for the disk.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn note<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Failure,
    {
        self.write_lasting(Lasts::Crash, f).await
    }

    async fn write_lasting<T, E, F>(&self, lasts: Lasts, f: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Failure,
    {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.write(lasts, f).await,
            Backend::Postgres(postgres) => postgres.write(lasts, f).await,
        }
    }

    /// Runs a read of a few rows by key. On the embedded database it runs on the calling thread (microseconds).
    pub async fn read<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Failure,
    {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.read(f),
            Backend::Postgres(postgres) => postgres.read(f).await,
        }
    }

    /// Runs a read of many rows, such as a page of a list: never on the calling thread, and only so many at once.
    pub async fn list<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Failure,
    {
        match &*self.backend {
            Backend::Sqlite(_) => {
                let waiting = tokio::time::timeout(PATIENCE, self.lists.clone().acquire_owned());
                let Ok(Ok(permit)) = waiting.await else {
                    return Err(Error::Unavailable("too many lists are being read".to_owned()).into());
                };
                let backend = self.backend.clone();
                let done = tokio::task::spawn_blocking(move || {
                    let _permit = permit;
                    match &*backend {
                        Backend::Sqlite(sqlite) => sqlite.read(f),
                        Backend::Postgres(_) => {
                            Err(Error::Internal("another database than a moment ago".into()).into())
                        }
                    }
                });
                done.await.map_err(|e| Error::Internal(e.to_string()))?
            }
            Backend::Postgres(postgres) => postgres.read(f).await,
        }
    }

    /// Shows what is kept in memory among the other caches.
    pub fn register_caches(&self, caches: &Caches) {
        self.known.register(caches);
    }

    /// Adds what is counted here to the names that can be read.
    pub fn register(&self, registry: &mut Registry) {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.numbers.register(registry),
            Backend::Postgres(postgres) => postgres.numbers.register(registry),
        }
    }

    /// `sqlite` or `postgres`.
    pub fn backend(&self) -> &'static str {
        match &*self.backend {
            Backend::Sqlite(_) => "sqlite",
            Backend::Postgres(_) => "postgres",
        }
    }
}

/// How many rows a statement touched, as "exactly one or none": the answer of a compare-and-set.
pub(crate) fn won(rows: usize) -> bool {
    rows == 1
}

/// JSON columns are written by this crate only; one that does not parse is a fault in the data.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(column: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text)
        .map_err(|e| Error::Internal(format!("column {column} does not hold what it should: {e}")))
}

/// The text of a JSON column.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| Error::Internal(e.to_string()))
}
