//! Which database is used. The URL of a PostgreSQL server holds a password, so it is never printed in full.

use std::{fmt, path::PathBuf};

/// `sqlite://path`, `postgres://…` or `postgresql://…`, exactly as it was given.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

/// A database that can be opened.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseTarget {
    /// The embedded store in this file.
    Sqlite(PathBuf),
    /// A PostgreSQL server; its URL, with the password.
    Postgres(String),
}

impl DatabaseUrl {
    /// The URL with its password.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The URL for people: the password and the parameters, which may hold another one, are replaced by `***`.
    pub fn masked(&self) -> String {
        if self.0.starts_with("sqlite://") {
            return self.0.clone();
        }
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return "***".to_owned();
        };
        // The last '@', because a password that was not percent-encoded may hold more of them
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let login = login.map(|login| match login.split_once(':') {
            Some((user, _)) => format!("{user}:***@"),
            None => format!("{login}@"),
        });
        let place = match place.split_once(['?', '#']) {
            Some((place, _)) => format!("{place}?***"),
            None => place.to_owned(),
        };
        format!("{scheme}://{}{place}", login.unwrap_or_default())
    }

    /// The database that it names; the error says what is expected instead.
    pub fn target(&self) -> Result<DatabaseTarget, String> {
        if self.0.starts_with("postgres://") || self.0.starts_with("postgresql://") {
            return Ok(DatabaseTarget::Postgres(self.0.clone()));
        }
        match self.0.strip_prefix("sqlite://") {
            // Each thread has its own connection, so a database in memory would be a different one for each
            Some("" | ":memory:") => Err("a file name after sqlite://".to_owned()),
            Some(path) if path.contains(['?', '#']) => {
                Err("a plain file name after sqlite://, no parameters".to_owned())
            }
            Some(path) => Ok(DatabaseTarget::Sqlite(PathBuf::from(path))),
            None => Err("sqlite://path/to/file or postgres://user:password@host/database".to_owned()),
        }
    }
}

impl From<&str> for DatabaseUrl {
    fn from(text: &str) -> DatabaseUrl {
        DatabaseUrl(text.to_owned())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({})", self.masked())
    }
}

impl fmt::Display for DatabaseTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseTarget::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            DatabaseTarget::Postgres(url) => f.write_str(&DatabaseUrl::from(url.as_str()).masked()),
        }
    }
}

impl fmt::Debug for DatabaseTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseTarget({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_scheme_tells_the_database() {
        let target = |text: &str| DatabaseUrl::from(text).target();
        assert_eq!(target("sqlite://data/k.db"), Ok(DatabaseTarget::Sqlite("data/k.db".into())));
        assert_eq!(target("sqlite:///var/k.db"), Ok(DatabaseTarget::Sqlite("/var/k.db".into())));
        for url in ["postgres://u:p@h/d", "postgresql://h/d?sslmode=require"] {
            assert_eq!(target(url), Ok(DatabaseTarget::Postgres(url.to_owned())));
        }
        for url in ["", "mysql://h/d", "sqlite://", "sqlite://:memory:", "sqlite://a?mode=ro", "/var/k.db"] {
            assert!(target(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_masked_url_still_tells_the_place() {
        let masked = |text: &str| DatabaseUrl::from(text).masked();
        assert_eq!(masked("postgres://u:p@h:5432/d"), "postgres://u:***@h:5432/d");
        assert_eq!(masked("postgres://u@h/d"), "postgres://u@h/d");
        assert_eq!(masked("postgres://h/d?password=x"), "postgres://h/d?***");
        assert_eq!(masked("u:p@h"), "***");
    }

    proptest! {
        #[test]
        fn no_password_shines_through(password in "[A-Z:/@?#%]{0,20}QX", query in "(\\?password=QX)?") {
            let url = format!("postgres://user:{password}@host/db{query}");
            let target = DatabaseTarget::Postgres(url.clone());
            let said = format!("{:?} {target} {target:?}", DatabaseUrl::from(url.as_str()));
            prop_assert!(!said.contains("QX"), "{}", said);
        }
    }
}
