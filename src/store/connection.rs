//! One connection type for both databases, and what a fresh connection is told.

use diesel::{Connection, ConnectionError, PgConnection, SqliteConnection, connection::SimpleConnection};

pub use either::Conn;

/// What the derive generates cannot be documented.
#[allow(missing_docs)]
mod either {
    use diesel::{PgConnection, SqliteConnection};

    /// A connection to either database (PostgreSQL from version 15). A query is written once, against this.
    #[derive(diesel::MultiConnection)]
    pub enum Conn {
        Sqlite(SqliteConnection),
        Postgres(PgConnection),
    }
}

/// Runs one statement text with the full native query language of whichever backend `$conn` is: for the few statements
/// that the common enum cannot express (`ON CONFLICT`, several rows at once).
macro_rules! per_backend {
    ($conn:expr, $native:ident => $body:expr) => {
        match $conn {
            $crate::store::connection::Conn::Sqlite($native) => $body,
            $crate::store::connection::Conn::Postgres($native) => $body,
        }
    };
}
pub(crate) use per_backend;

/// Opens the embedded database for its one writer.
pub fn sqlite_writer(path: &str) -> Result<SqliteConnection, ConnectionError> {
    let mut conn = SqliteConnection::establish(path)?;
    // synchronous=FULL: what was acknowledged is on disk; NORMAL would bring used codes back after a power loss.
    conn.batch_execute(
        "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;",
    )
    .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// Opens the embedded database for reading only.
pub fn sqlite_reader(path: &str) -> Result<Conn, ConnectionError> {
    let mut conn = SqliteConnection::establish(path)?;
    conn.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;")
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(Conn::Sqlite(conn))
}

/// Opens a connection to PostgreSQL; a statement that runs away is ended by the server. All statements here are short:
/// to start parallel workers or to compile them costs more than running them.
pub fn postgres(url: &str) -> Result<Conn, ConnectionError> {
    let mut conn = PgConnection::establish(url)?;
    conn.batch_execute(
        "SET statement_timeout = '10s'; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '10s'; \
         SET max_parallel_workers_per_gather = 0; SET jit = off;",
    )
    .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(Conn::Postgres(conn))
}
