//! What can go wrong in the database, as callers need to tell it apart.

use diesel::result::{DatabaseErrorKind, Error as Diesel};

/// A failure of the store. "Not found" is not among them: that is an `Option`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A unique or other constraint was broken; the text names which, as the insert knows it.
    #[error("conflict: {0}")]
    Conflict(&'static str),
    /// The database cannot serve now (gone, full, locked, overloaded); the caller may try again later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The transaction lost against another one and may be run again.
    #[error("the transaction must be repeated: {0}")]
    Repeat(String),
    /// Anything else: a fault in this program or in the data.
    #[error("database: {0}")]
    Internal(String),
}

impl Error {
    /// Turns a broken unique constraint of the statement just run into [`Error::Conflict`] with this name. One unique
    /// constraint per statement, since SQLite does not tell which one it was.
    pub fn conflict(name: &'static str) -> impl FnOnce(Diesel) -> Error {
        move |error| match error {
            Diesel::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Error::Conflict(name),
            other => other.into(),
        }
    }
}

impl Error {
    /// Whether the connection is gone, and not only the statement: nothing else can be asked on it.
    pub(super) fn is_loss(&self) -> bool {
        const LOST: [&str; 6] = [
            "terminating connection",
            "server closed the connection",
            "connection to server",
            "could not receive data",
            "could not send data",
            "no connection to the server",
        ];
        matches!(self, Error::Unavailable(why) if LOST.iter().any(|text| why.contains(text)))
    }
}

impl From<Diesel> for Error {
    fn from(error: Diesel) -> Error {
        match &error {
            Diesel::DatabaseError(DatabaseErrorKind::SerializationFailure, info) => {
                Error::Repeat(info.message().trim_end().to_owned())
            }
            Diesel::DatabaseError(
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::ReadOnlyTransaction,
                info,
            ) => Error::Unavailable(info.message().trim_end().to_owned()),
            // somebody has just been deleted while something of theirs was written; asked again, it is not tried any more
            Diesel::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, info) => {
                Error::Unavailable(info.message().trim_end().to_owned())
            }
            Diesel::DatabaseError(_, info) => {
                let message = info.message().trim_end();
                // diesel has no kinds for these; the texts are PostgreSQL's and SQLite's own.
                const GONE: [&str; 14] = [
                    "terminating connection",
                    "server closed the connection",
                    "connection to server",
                    "could not receive data",
                    "could not send data",
                    "no connection to the server",
                    "database system is",
                    "statement timeout",
                    "lock timeout",
                    "database or disk is full",
                    "No space left",
                    "disk I/O error",
                    "database is locked",
                    "readonly database",
                ];
                if message.contains("deadlock detected") {
                    Error::Repeat(message.to_owned())
                } else if GONE.iter().any(|text| message.contains(text)) {
                    Error::Unavailable(message.to_owned())
                } else {
                    Error::Internal(message.to_owned())
                }
            }
            Diesel::BrokenTransactionManager => Error::Unavailable(error.to_string()),
            _ => Error::Internal(error.to_string()),
        }
    }
}

impl From<diesel::ConnectionError> for Error {
    fn from(error: diesel::ConnectionError) -> Error {
        Error::Unavailable(error.to_string().trim_end().to_owned())
    }
}

/// What a transaction's closure may fail with: the store's own error, or a face's error that may hold one, so that the
/// store can see whether repeating the transaction would help.
pub trait Failure: From<Error> + Send + 'static {
    /// The store's error inside, if that is what this is.
    fn as_store(&self) -> Option<&Error>;
}

impl Failure for Error {
    fn as_store(&self) -> Option<&Error> {
        Some(self)
    }
}
