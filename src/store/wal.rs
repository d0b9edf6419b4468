//! The write-ahead log of the embedded database goes into its file beside the writer, not in the middle of its commits: to
//! copy hundreds of pages and to wait for the disk takes as long as many writes.
//!
//! SQLite starts the log again from its beginning when a write finds all of it copied. While many write, a copy that takes
//! its time never has all of it; so once it was nearly there, the writer itself copies the few pages that came meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
    mpsc,
};

use diesel::{QueryableByName, connection::SimpleConnection, sql_types::Integer};

use super::{Conn, Error, Lasts, connection, sql::Sql};

/// Pages that are in the log alone before they are copied. With more, those that many write to are copied less often, but
/// commits wait longer for a disk that is busy with a copy.
const ENOUGH: i32 = 100;
/// The same after writes that waited for no disk themselves: those of a purge change many pages that lie apart, and whoever
/// commits meanwhile waits for a copy of them.
const ENOUGH_NOTED: i32 = 40;
/// Pages of a log that shall start again as soon as it can: a file that grows makes each commit slower than one that is
/// written over.
const LONG: i32 = 2000;
/// Pages that the writer then copies itself: what comes to a log while a copy of the rest is made, even if many write.
const FEW: i32 = 1000;
/// Pages of a log that the writer copies itself, however long that takes: nothing else would keep it from growing.
const TOO_LONG: i32 = 16_000;

/// What a writer has of its log.
pub(super) struct Wal {
    path: String,
    /// Wakes the thread that copies; it ends with this.
    copy: mpsc::SyncSender<()>,
    copying: Arc<AtomicBool>,
}

/// How far a log has come.
#[derive(QueryableByName)]
struct Log {
    /// Pages in it.
    #[diesel(sql_type = Integer)]
    log: i32,
    /// How many of them were copied.
    #[diesel(sql_type = Integer)]
    checkpointed: i32,
}

impl Log {
    fn of(conn: &mut Conn) -> Result<Log, Error> {
        Log::after("PRAGMA wal_checkpoint(NOOP)", conn)
    }

    /// Copies what nobody keeps it from. Waits for no one.
    fn copied(conn: &mut Conn) -> Result<Log, Error> {
        Log::after("PRAGMA wal_checkpoint(PASSIVE)", conn)
    }

    fn after(pragma: &str, conn: &mut Conn) -> Result<Log, Error> {
        let row = Sql::kept(pragma).load(conn)?.pop();
        row.ok_or_else(|| Error::Internal("the database tells nothing of its log".to_owned()))
    }
}

/// Copies by this connection, which is opened where there is none: a server that has little to write does without it.
fn copy_by(conn: &mut Option<Conn>, path: &str) -> Result<(), Error> {
    let conn = match conn {
        Some(conn) => conn,
        None => conn.insert(Conn::Sqlite(connection::sqlite_writer(path)?)),
    };
    Log::copied(conn).map(drop)
}

impl Wal {
    /// Starts the thread that copies, with a connection of its own from the first time on.
    pub(super) fn start(path: &str) -> Result<Wal, Error> {
        let (copy, wanted) = mpsc::sync_channel(1);
        let copying = Arc::new(AtomicBool::new(false));
        let (busy, file) = (copying.clone(), path.to_owned());
        let work = move || {
            let mut conn = None;
            while wanted.recv().is_ok() {
                told(copy_by(&mut conn, &file));
                busy.store(false, Ordering::Release);
            }
        };
        let thread = std::thread::Builder::new().name("keyward-wal".to_owned());
        thread.spawn(work).map_err(|e| Error::Unavailable(e.to_string()))?;
        Ok(Wal { path: path.to_owned(), copy, copying })
    }

    /// A connection for the writer, whose commits copy nothing.
    pub(super) fn connect(&self) -> Result<Conn, Error> {
        let mut conn = connection::sqlite_writer(&self.path)?;
        conn.batch_execute("PRAGMA wal_autocheckpoint = 0")?;
        Ok(Conn::Sqlite(conn))
    }

    /// To be called after each commit, with the connection that has written, and what the commit outlives.
    pub(super) fn written(&self, conn: &mut Conn, lasts: Lasts) {
        told(self.look_after(conn, lasts));
    }

    fn look_after(&self, conn: &mut Conn, lasts: Lasts) -> Result<(), Error> {
        let enough = match lasts {
            Lasts::Crash => ENOUGH_NOTED,
            Lasts::PowerLoss => ENOUGH,
        };
        let Log { log, checkpointed } = Log::of(conn)?;
        let left = log - checkpointed;
        let nearly = log > LONG && (1..=FEW).contains(&left) && !self.copying.load(Ordering::Acquire);
        if log > TOO_LONG || nearly {
            Log::copied(conn)?;
        } else if left >= enough && !self.copying.swap(true, Ordering::AcqRel) {
            let _ = self.copy.try_send(());
        }
        Ok(())
    }
}

fn told(outcome: Result<(), Error>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "the log of the database cannot be copied into it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_does_not_grow_without_end() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("keyward.db");
        let wal = Wal::start(path.to_str().unwrap()).unwrap();
        let mut conn = wal.connect().unwrap();
        conn.batch_execute("CREATE TABLE page (content BLOB)").unwrap();
        let pages = 3 * TOO_LONG;
        for _ in 0..pages / 20 {
            // each row takes more than half a page, and so a page
            let twenty = "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 20) \
                          INSERT INTO page SELECT randomblob(3000) FROM n";
            conn.batch_execute(twenty).unwrap();
            wal.written(&mut conn, Lasts::PowerLoss);
        }
        let log = place.path().join("keyward.db-wal").metadata().unwrap().len();
        let most = u64::try_from(TOO_LONG + ENOUGH).unwrap() * 4120;
        assert!(log < most, "a log of {log} bytes after {pages} pages");
    }
}
