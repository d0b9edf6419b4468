//! The embedded database: one writer thread that commits in groups, readers on the calling thread.
//!
//! The writer takes whatever closures are waiting, runs each in its own savepoint inside one transaction, commits once
//! and answers all. A caller alone waits for nobody, and needs no savepoint. Where nobody in a group needs its work to
//! outlive a loss of power, the commit does not wait for the disk.

use std::{
    cell::RefCell,
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Instant,
};

use diesel::{
    Connection,
    connection::{AnsiTransactionManager, SimpleConnection, TransactionManager},
};
use tokio::sync::oneshot;

use super::{
    Conn, Error, Failure, Lasts, Tx,
    change::{self, Change, Position},
    connection,
    known::Known,
    migrate,
    numbers::{Counted, SqliteNumbers},
    wal::Wal,
};

/// Writes that may wait for the writer; more are refused, so that a stall does not eat the memory.
const QUEUE: usize = 4096;
/// Closures that share one commit.
const GROUP: usize = 256;

pub(super) struct Sqlite {
    path: String,
    id: u64,
    jobs: mpsc::SyncSender<Box<dyn Job>>,
    pub(super) numbers: SqliteNumbers,
}

thread_local! {
    /// This thread's read connections, by [`Sqlite::id`] (a process has one database, a test run has many).
    static READERS: RefCell<HashMap<u64, Conn>> = RefCell::new(HashMap::new());
}

impl Sqlite {
    pub(super) fn open(path: &Path, known: Arc<Known>) -> Result<Sqlite, Error> {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let path = path
            .to_str()
            .ok_or_else(|| Error::Unavailable(format!("the path {} is not UTF-8", path.display())))?
            .to_owned();
        let wal = Wal::start(&path)?;
        let mut conn = wal.connect()?;
        migrate::run(&mut conn)?;
        let mut position = Position::default();
        change::since(&mut conn, &mut position)?;
        let (jobs, queue) = mpsc::sync_channel(QUEUE);
        let numbers = SqliteNumbers::default();
        let lasts = Lasts::PowerLoss;
        let writer = Writer { conn: Some(conn), lasts, wal, known, position, numbers: numbers.clone() };
        std::thread::Builder::new()
            .name("keyward-writer".to_owned())
            .spawn(move || writer.run(&queue))
            .map_err(|e| Error::Unavailable(e.to_string()))?;
        Ok(Sqlite { path, id: IDS.fetch_add(1, Ordering::Relaxed), jobs, numbers })
    }

    pub(super) fn connect(&self) -> Result<Conn, Error> {
        Ok(connection::sqlite_reader(&self.path)?)
    }

    pub(super) async fn write<T, E, F>(&self, lasts: Lasts, f: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Failure,
    {
        let (answer, answered) = oneshot::channel();
        let waits = Counted::new(&self.numbers.waiting);
        let job = Write { lasts, f, outcome: None, answer: Some(answer), _waits: waits };
        self.jobs.try_send(Box::new(job)).map_err(|_| Error::Unavailable("too many writes are waiting".to_owned()))?;
        answered.await.map_err(|_| Error::Unavailable("the writer has stopped".to_owned()))?
    }

    pub(super) fn read<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnOnce(&mut Conn) -> Result<T, E>,
        E: Failure,
    {
        READERS.with_borrow_mut(|readers| {
            let conn = match readers.entry(self.id) {
                std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::hash_map::Entry::Vacant(entry) => entry.insert(self.connect()?),
            };
            f(conn)
        })
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // Other threads' readers end with their threads.
        let _ = READERS.try_with(|readers| readers.try_borrow_mut().map(|mut readers| readers.remove(&self.id)));
    }
}

/// A waiting write, whatever it returns.
trait Job: Send {
    /// What the work must outlive.
    fn lasts(&self) -> Lasts;
    /// Runs the closure in a savepoint of the transaction, or if it is `alone` in the transaction itself. False if nothing
    /// of what it did is to be kept; then, of one alone, the transaction is to be rolled back.
    fn run(&mut self, conn: &mut Conn, alone: bool) -> bool;
    /// Hands the outcome to the caller, or the reason why nothing of it was kept.
    fn answer(&mut self, committed: Result<(), String>);
}

struct Write<T, E, F> {
    lasts: Lasts,
    f: F,
    outcome: Option<Result<T, E>>,
    answer: Option<oneshot::Sender<Result<T, E>>>,
    _waits: Counted,
}

impl<T, E, F> Job for Write<T, E, F>
where
    F: Fn(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: Failure,
{
    fn lasts(&self) -> Lasts {
        self.lasts
    }

    fn run(&mut self, conn: &mut Conn, alone: bool) -> bool {
        let closure = |conn: &mut Conn| {
            let mut tx = Tx::new(conn);
            (self.f)(&mut tx).and_then(|value| tx.end(value))
        };
        let outcome = if alone {
            closure(conn)
        } else {
            // The savepoint's own failures arrive as the store's error, the closure's as themselves.
            let outcome = conn.transaction(|conn| closure(conn).map_err(Either::Closure));
            outcome.map_err(|either| match either {
                Either::Closure(error) => error,
                Either::Database(error) => Error::from(error).into(),
            })
        };
        self.outcome.insert(outcome).is_ok()
    }

    fn answer(&mut self, committed: Result<(), String>) {
        let Some(answer) = self.answer.take() else { return };
        let outcome = match (committed, self.outcome.take()) {
            (Ok(()), Some(outcome)) => outcome,
            // a refusal stays a refusal, whether or not the others' work was kept
            (Err(_), Some(Err(refused))) if refused.as_store().is_none() => Err(refused),
            (Err(why), _) => Err(Error::Unavailable(why).into()),
            (Ok(()), None) => Err(Error::Unavailable("the writer has lost a write".to_owned()).into()),
        };
        let _ = answer.send(outcome);
    }
}

pub(super) enum Either<E> {
    Closure(E),
    Database(diesel::result::Error),
}

impl<E> From<diesel::result::Error> for Either<E> {
    fn from(error: diesel::result::Error) -> Either<E> {
        Either::Database(error)
    }
}

struct Writer {
    /// Empty after a failure that left the connection in doubt; opened again for the next group.
    conn: Option<Conn>,
    /// What the connection's commits outlive.
    lasts: Lasts,
    wal: Wal,
    known: Arc<Known>,
    /// How far changes were forgotten.
    position: Position,
    numbers: SqliteNumbers,
}

impl Writer {
    fn run(mut self, queue: &mpsc::Receiver<Box<dyn Job>>) {
        while let Ok(first) = queue.recv() {
            let mut group = vec![first];
            while group.len() < GROUP {
                match queue.try_recv() {
                    Ok(job) => group.push(job),
                    Err(_) => break,
                }
            }
            self.numbers.group.size(group.len());
            let committed = self.commit(&mut group);
            if let Err(why) = &committed {
                self.numbers.failed.inc();
                tracing::error!(%why, writes = group.len(), "a group of writes was not kept");
            }
            for mut job in group {
                job.answer(committed.clone());
            }
            if let Some(conn) = &mut self.conn {
                self.wal.written(conn, self.lasts);
            }
        }
    }

    fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), String> {
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => {
                self.lasts = Lasts::PowerLoss;
                self.wal.connect().map_err(|e| e.to_string())?
            }
        };
        let lasts = group.iter().map(|job| job.lasts()).max().unwrap_or(Lasts::PowerLoss);
        let done = catch_unwind(AssertUnwindSafe(|| {
            let Conn::Sqlite(sqlite) = &mut conn else { return Err("not the embedded database".to_owned()) };
            if lasts != self.lasts {
                sqlite.batch_execute(lasts.pragma()).map_err(|e| e.to_string())?;
                self.lasts = lasts;
            }
            AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE").map_err(|e| e.to_string())?;
            if let [job] = &mut *group {
                if !job.run(&mut conn, true) {
                    return Ok(Ended::RolledBack(<Conn as Connection>::TransactionManager::rollback_transaction(
                        &mut conn,
                    )));
                }
            } else {
                for job in group.iter_mut() {
                    job.run(&mut conn, false);
                }
            }
            // Still in the transaction, which spares one of its own: others write before it or after it.
            let mut position = self.position.clone();
            let changes = change::since(&mut conn, &mut position);
            let begun = Instant::now();
            let committed = <Conn as Connection>::TransactionManager::commit_transaction(&mut conn);
            self.numbers.commit.time(begun.elapsed());
            committed.map_err(|e| e.to_string())?;
            Ok(Ended::Committed(changes, position))
        }));
        match done {
            Ok(Ok(Ended::Committed(changes, position))) => {
                self.position = position;
                // before anybody is answered; also what other processes have written since
                match changes {
                    Ok(changes) => self.known.forget(changes.as_deref()),
                    Err(error) => {
                        tracing::warn!(%error, "what was changed cannot be read");
                        self.known.forget(None);
                    }
                }
                self.conn = Some(conn);
                Ok(())
            }
            // SQLite may have rolled back by itself, as on a disk that is full: then the connection is in doubt.
            Ok(Ok(Ended::RolledBack(rolled_back))) => {
                self.conn = rolled_back.is_ok().then_some(conn);
                Ok(())
            }
            // The connection is dropped: that rolls back whatever is open, and what it believes about its
            // transactions goes with it.
            Ok(Err(why)) => Err(why),
            Err(_) => Err("a write panicked".to_owned()),
        }
    }
}

impl Lasts {
    /// In WAL mode, NORMAL leaves the flush of the log to the next commit that wants one, or to the copy of the log.
    const fn pragma(self) -> &'static str {
        match self {
            Lasts::Crash => "PRAGMA synchronous = NORMAL",
            Lasts::PowerLoss => "PRAGMA synchronous = FULL",
        }
    }
}

/// How a group's transaction ended.
enum Ended {
    /// With what was changed since the last one, and how far that is.
    Committed(Result<Option<Vec<Change>>, Error>, Position),
    /// Its one closure has kept nothing.
    RolledBack(diesel::QueryResult<()>),
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};

    use diesel::RunQueryDsl;

    use super::*;
    use crate::{model::time::Timestamp, store::revoked_token};

    const LATER: Timestamp = Timestamp::from_seconds(4_000_000_000);

    fn place() -> (Arc<Sqlite>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::open(&dir.path().join("keyward.db"), Arc::new(Known::default())).unwrap();
        (Arc::new(sqlite), dir)
    }

    fn kept(sqlite: &Sqlite, jti: &str) -> bool {
        sqlite.read(|conn| revoked_token::contains(conn, jti)).unwrap()
    }

    /// Writes, and then fails, panics or does neither.
    async fn write(sqlite: &Sqlite, jti: &'static str, end: fn() -> Result<(), Error>) -> Result<(), Error> {
        sqlite
            .write(Lasts::PowerLoss, move |tx| {
                revoked_token::insert(tx, jti, LATER)?;
                end()
            })
            .await
    }

    fn fails() -> Result<(), Error> {
        Err(Error::Internal("no".to_owned()))
    }

    #[tokio::test]
    async fn a_write_alone_is_kept_or_not() {
        let (sqlite, _dir) = place();
        for round in ["first", "second"] {
            assert!(matches!(write(&sqlite, "failed", fails).await, Err(Error::Internal(_))), "{round}");
            assert!(matches!(
                write(&sqlite, "panicked", || panic!("{}", "on purpose")).await,
                Err(Error::Unavailable(_))
            ));
        }
        write(&sqlite, "done", || Ok(())).await.unwrap();
        assert_eq!(["failed", "panicked", "done"].map(|jti| kept(&sqlite, jti)), [false, false, true]);
    }

    #[tokio::test]
    async fn only_what_needs_it_waits_for_the_disk() {
        #[derive(diesel::QueryableByName)]
        struct Pragma {
            #[diesel(sql_type = diesel::sql_types::Integer)]
            synchronous: i32,
        }
        let (sqlite, _dir) = place();
        let mut seen = Vec::new();
        for lasts in [Lasts::PowerLoss, Lasts::Crash, Lasts::Crash, Lasts::PowerLoss] {
            let synchronous = |tx: &mut Tx<'_>| {
                let found = diesel::sql_query("PRAGMA synchronous").get_result::<Pragma>(&mut **tx);
                Ok::<_, Error>(found.unwrap().synchronous)
            };
            seen.push(sqlite.write(lasts, synchronous).await.unwrap());
        }
        assert_eq!(seen, [2, 1, 1, 2]);
    }

    #[tokio::test]
    async fn writes_that_share_a_commit_fail_by_themselves() {
        let (sqlite, _dir) = place();
        // until it is let go, the others come together behind it
        let (go, waits) = mpsc::channel();
        let waits = Mutex::new(waits);
        let first = tokio::spawn({
            let sqlite = sqlite.clone();
            async move {
                let wait = move |_: &mut Tx<'_>| {
                    waits.lock().unwrap().recv().unwrap();
                    Ok::<_, Error>(())
                };
                sqlite.write(Lasts::PowerLoss, wait).await
            }
        });
        while sqlite.numbers.waiting.get() == 0 {
            tokio::task::yield_now().await;
        }
        let others = async {
            tokio::join!(
                write(&sqlite, "before", || Ok(())),
                write(&sqlite, "failed", fails),
                write(&sqlite, "after", || Ok(())),
                async {
                    while sqlite.numbers.waiting.get() < 4 {
                        tokio::task::yield_now().await;
                    }
                    go.send(()).unwrap();
                }
            )
        };
        let (before, failed, after, ()) = others.await;
        first.await.unwrap().unwrap();
        assert!(before.is_ok() && after.is_ok() && matches!(failed, Err(Error::Internal(_))));
        assert_eq!(["before", "failed", "after"].map(|jti| kept(&sqlite, jti)), [true, false, true]);
    }
}
