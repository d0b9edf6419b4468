//! PostgreSQL: a small pool on the blocking threads, transactions repeated when they lost against another.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use diesel::{
    Connection,
    r2d2::{ManageConnection, Pool},
};
use tokio::sync::{Semaphore, watch};

use super::{
    Conn, Error, Failure, Tx, connection, migrate,
    numbers::{Counted, PostgresNumbers},
    sqlite::Either,
};

/// How often a transaction is run before its caller is told to come back later.
const ATTEMPTS: u32 = 6;

struct Manager {
    url: String,
}

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = Error;

    fn connect(&self) -> Result<Conn, Error> {
        Ok(connection::postgres(&self.url)?)
    }

    fn is_valid(&self, _: &mut Conn) -> Result<(), Error> {
        Ok(())
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        use diesel::r2d2::R2D2Connection;
        conn.is_broken()
    }
}

pub(super) struct Postgres {
    pool: Pool<Manager>,
    /// As many permits as connections: work waits here, not on blocking threads.
    permits: Arc<Semaphore>,
    raised: Arc<watch::Sender<u64>>,
    pub(super) numbers: PostgresNumbers,
}

impl Postgres {
    pub(super) fn open(url: &str, size: u32, raised: Arc<watch::Sender<u64>>) -> Result<Postgres, Error> {
        let mut conn = connection::postgres(url)?;
        migrate::run(&mut conn)?;
        drop(conn);
        let pool = Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .test_on_check_out(false)
            .connection_timeout(Duration::from_secs(1))
            .error_handler(Box::new(Quiet))
            .build_unchecked(Manager { url: url.to_owned() });
        let numbers = PostgresNumbers::default();
        numbers.size.set(i64::from(size));
        Ok(Postgres { pool, permits: Arc::new(Semaphore::new(size as usize)), raised, numbers })
    }

    pub(super) async fn write<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Failure,
    {
        let (raised, numbers) = (self.raised.clone(), self.numbers.clone());
        self.blocking(move |conn| {
            let mut attempt = 1;
            loop {
                let mut raises = false;
                let outcome: Result<T, Either<E>> = conn.transaction(|conn| {
                    let mut tx = Tx::new(conn);
                    let outcome = f(&mut tx);
                    raises = tx.raised;
                    outcome.map_err(Either::Closure)
                });
                let error = match outcome {
                    Ok(value) => {
                        numbers.committed.inc();
                        if raises {
                            raised.send_modify(|n| *n += 1);
                        }
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
        let waiting = tokio::time::timeout(Duration::from_secs(5), self.permits.clone().acquire_owned()).await;
        drop(waits);
        self.numbers.wait.time(begun.elapsed());
        let permit = match waiting {
            Ok(Ok(permit)) => permit,
            _ => return Err(Error::Unavailable("no connection became free in time".to_owned()).into()),
        };
        let (pool, in_use) = (self.pool.clone(), Counted::new(&self.numbers.in_use));
        let done = tokio::task::spawn_blocking(move || {
            let (_permit, _in_use) = (permit, in_use);
            let mut conn = pool.get().map_err(|e| Error::Unavailable(e.to_string()))?;
            f(&mut conn)
        });
        done.await.map_err(|e| Error::Internal(e.to_string()))?
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
