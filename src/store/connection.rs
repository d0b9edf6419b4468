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

/// Opens the embedded database for writing. Whoever writes much sees to its log (`store/wal.rs`).
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

/// Opens the embedded database for reading only. Every thread that reads has such a connection, so each keeps only half a
/// megabyte of pages, not SQLite's two: the others are in the system's memory.
pub fn sqlite_reader(path: &str) -> Result<Conn, ConnectionError> {
    let mut conn = SqliteConnection::establish(path)?;
    conn.batch_execute(
        "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -512;",
    )
    .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(Conn::Sqlite(conn))
}

/// The URL with what makes libpq give up on a server that is gone without a word, unless the URL says it itself.
fn with_limits(url: &str) -> String {
    const LIMITS: [(&str, &str); 6] = [
        ("application_name", "keyward"),
        ("connect_timeout", "2"),
        ("tcp_user_timeout", "5000"),
        ("keepalives_idle", "5"),
        ("keepalives_interval", "2"),
        ("keepalives_count", "3"),
    ];
    let Ok(mut parsed) = url::Url::parse(url) else { return url.to_owned() };
    let said: Vec<String> = parsed.query_pairs().map(|(name, _)| name.into_owned()).collect();
    for (name, value) in LIMITS.iter().filter(|(name, _)| !said.iter().any(|said| said == name)) {
        parsed.query_pairs_mut().append_pair(name, value);
    }
    parsed.into()
}

/// Opens a connection to PostgreSQL; a statement that runs away is ended by the server. All statements here are short:
/// to start parallel workers or to compile them costs more than running them.
pub fn postgres(url: &str) -> Result<Conn, ConnectionError> {
    // Begun by libpq, OpenSSL takes itself down at the end of the process, under threads that are still connecting;
    // begun by this, it does not.
    openssl_sys::init();
    let mut conn = PgConnection::establish(&with_limits(url))?;
    conn.batch_execute(
        "SET statement_timeout = '10s'; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '10s'; \
         SET max_parallel_workers_per_gather = 0; SET jit = off;",
    )
    .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(Conn::Postgres(conn))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_url_says_itself_holds() {
        let url = with_limits("postgres://keyward:p%40ss@db:5432/keyward?connect_timeout=9&sslmode=require");
        assert!(url.starts_with("postgres://keyward:p%40ss@db:5432/keyward?connect_timeout=9&sslmode=require&"));
        assert!(url.contains("tcp_user_timeout=5000") && !url.contains("connect_timeout=2"), "{url}");
    }
}
