//! PostgreSQL: a small pool on the blocking threads, transactions repeated when they lost against another.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use diesel::{
    Connection,
    connection::{AnsiTransactionManager, TransactionManager},
    r2d2::{ManageConnection, Pool},
};
use tokio::sync::Semaphore;

use super::{
    Conn, Error, Failure, Lasts, Tx, change, connection,
    known::Known,
    migrate,
    numbers::{Counted, PostgresNumbers},
    sqlite::Either,
};

/// How often a transaction is run before its caller is told to come back later.
const ATTEMPTS: u32 = 6;

/// How often it is asked, in the time that the server may be silent, whether it answers anybody.
const LOOKS: u32 = 4;

/// Runs a closure in a transaction that is committed if it succeeds, as [`Connection::transaction`] does; what the commit
/// outlives is said in the statement that begins it.
fn in_transaction<T, E>(
    conn: &mut Conn,
    lasts: Lasts,
    f: impl FnOnce(&mut Conn) -> Result<T, Either<E>>,
) -> Result<T, Either<E>> {
    type Transactions = <Conn as Connection>::TransactionManager;
    match &mut *conn {
        Conn::Postgres(postgres) if lasts == Lasts::Crash => {
            AnsiTransactionManager::begin_transaction_sql(postgres, "BEGIN; SET LOCAL synchronous_commit = off")?
        }
        conn => Transactions::begin_transaction(conn)?,
    }
    match f(conn) {
        Ok(value) => {
            Transactions::commit_transaction(conn)?;
            Ok(value)
        }
        Err(error) => match Transactions::rollback_transaction(conn) {
            Ok(()) | Err(diesel::result::Error::BrokenTransactionManager) => Err(error),
            Err(rollback) => Err(rollback.into()),
        },
    }
}

struct Manager {
    url: String,
    /// Raised when a connection was lost: what was opened before is not used again, since its server is gone.
    lost: Arc<AtomicU64>,
}

/// A connection, and how many had been lost when it was opened.
struct Opened {
    conn: Conn,
    lost: u64,
}

impl ManageConnection for Manager {
    type Connection = Opened;
    type Error = Error;

    fn connect(&self) -> Result<Opened, Error> {
        let lost = self.lost.load(Ordering::Acquire);
        Ok(Opened { conn: connection::postgres(&self.url)?, lost })
    }

    fn is_valid(&self, opened: &mut Opened) -> Result<(), Error> {
        match self.has_broken(opened) {
            true => Err(Error::Unavailable("the connection was lost".to_owned())),
            false => Ok(()),
        }
    }

    fn has_broken(&self, opened: &mut Opened) -> bool {
        use diesel::r2d2::R2D2Connection;
        opened.lost != self.lost.load(Ordering::Acquire) || opened.conn.is_broken()
    }
}

pub(super) struct Postgres {
    pool: Pool<Manager>,
    /// As many permits as connections: work waits here, not on blocking threads.
    permits: Arc<Semaphore>,
    known: Arc<Known>,
    lost: Arc<AtomicU64>,
    url: String,
    /// How long the server may be silent.
    patience: Duration,
    pub(super) numbers: PostgresNumbers,
}

impl Postgres {
    pub(super) fn open(url: &str, size: u32, patience: Duration, known: Arc<Known>) -> Result<Postgres, Error> {
        let mut conn = connection::postgres(url)?;
        migrate::run(&mut conn)?;
        drop(conn);
        let lost = Arc::new(AtomicU64::new(0));
        let pool = Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            // asks nobody: see `Manager::is_valid`
            .test_on_check_out(true)
            // who waits in vain is told sooner by `answered`; but a first connection may take its time on a slow host
            .connection_timeout(Duration::from_secs(5))
            .error_handler(Box::new(Quiet))
            .build_unchecked(Manager { url: url.to_owned(), lost: lost.clone() });
        let numbers = PostgresNumbers::default();
        numbers.size.set(i64::from(size));
        let permits = Arc::new(Semaphore::new(size as usize));
        Ok(Postgres { pool, permits, known, lost, url: url.to_owned(), patience, numbers })
    }

    pub(super) fn connect(&self) -> Result<Conn, Error> {
        Ok(connection::postgres(&self.url)?)
    }

    pub(super) async fn write<T, E, F>(&self, lasts: Lasts, f: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Failure,
    {
        let (known, numbers) = (self.known.clone(), self.numbers.clone());
        self.blocking(move |conn| {
            let mut attempt = 1;
            loop {
                let mut changes = Some(Vec::new());
                let outcome: Result<T, Either<E>> = in_transaction(conn, lasts, |conn| {
                    let mut tx = Tx::new(conn);
                    let value = f(&mut tx).and_then(|value| tx.end(value)).map_err(Either::Closure)?;
                    // asking costs a round trip; with every write while developing, so that none forgets to say so
                    if tx.changes || cfg!(debug_assertions) {
                        changes = change::of_transaction(tx.conn).map_err(|e| Either::Closure(e.into()))?;
                        let said = tx.changes || changes.as_ref().is_some_and(Vec::is_empty);
                        debug_assert!(
                            said,
                            "a write changed {changes:?}, which processes keep in memory, and did not say so"
                        );
                    }
                    Ok(value)
                });
                let error = match outcome {
                    Ok(value) => {
                        numbers.committed.inc();
                        known.forget(changes.as_deref());
                        return Ok(value);
                    }
                    Err(Either::Closure(error)) => error,
                    Err(Either::Database(error)) => Error::from(error).into(),
                };
                match error.as_store() {
                    Some(Error::Repeat(_)) if attempt < ATTEMPTS => {
                        // The loser lets the winner finish; on a blocking thread of its own.
                        std::thread::sleep(Duration::from_millis(u64::from(attempt * attempt)));
                        attempt += 1;
                        numbers.retries.inc();
                    }
                    Some(Error::Repeat(why)) => return Err(Error::Unavailable(why.clone()).into()),
                    _ => return Err(error),
                }
            }
        })
        .await
    }

    pub(super) async fn read<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Failure,
    {
        self.blocking(f).await
    }

    async fn blocking<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Failure,
    {
        let (begun, waits) = (Instant::now(), Counted::new(&self.numbers.waiting));
        let waiting = self.answered(self.permits.clone().acquire_owned());
        let permit = tokio::time::timeout(Duration::from_secs(5), waiting).await;
        drop(waits);
        self.numbers.wait.time(begun.elapsed());
        let Ok(Ok(Ok(permit))) = permit else {
            return Err(Error::Unavailable("no connection became free in time".to_owned()).into());
        };
        let (pool, lost, in_use) = (self.pool.clone(), self.lost.clone(), Counted::new(&self.numbers.in_use));
        let done = tokio::task::spawn_blocking(move || {
            let (_permit, _in_use) = (permit, in_use);
            let mut opened = pool.get().map_err(|e| Error::Unavailable(e.to_string()))?;
            let outcome = f(&mut opened.conn);
            if let Err(error) = &outcome
                && error.as_store().is_some_and(Error::is_loss)
            {
                // those that were opened since are of a server that is there again
                let _ = lost.compare_exchange(opened.lost, opened.lost + 1, Ordering::AcqRel, Ordering::Acquire);
            }
            outcome
        });
        self.answered(done).await?.map_err(|e| Error::Internal(e.to_string()))?
    }

    /// Waits for what the database is to answer, for as long as it answers somebody: its own limits end what takes too
    /// long. A write whose answer does not come may have been kept; its caller is told that it is not known.
    async fn answered<T>(&self, waiting: impl Future<Output = T>) -> Result<T, Error> {
        let mut waiting = std::pin::pin!(waiting);
        // Looks are counted and not the time: a process that was frozen has not waited.
        let mut silent = 0;
        while silent < LOOKS - 1 {
            match tokio::time::timeout(self.patience / LOOKS, &mut waiting).await {
                Ok(answer) => return Ok(answer),
                Err(_) if self.known.is_answered(self.patience / 2) => silent = 0,
                Err(_) => silent += 1,
            }
        }
        Err(Error::Unavailable("the database does not answer".to_owned()))
    }
}

/// The pool's background reconnections fail for as long as the database is away; callers say so once each.
#[derive(Debug)]
struct Quiet;

impl diesel::r2d2::HandleError<Error> for Quiet {
    fn handle_error(&self, error: Error) {
        tracing::debug!(%error, "connecting to PostgreSQL");
    }
}
