//! The files of the embedded database: private, and one server's at a time.

use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};

use crate::{
    app::App,
    clock::Clock,
    config::{Config, DatabaseTarget},
};

/// Makes the data directory where it is missing, makes sure that it is private, and opens everything.
///
/// # Errors
/// In plain words for the operator.
pub async fn open(config: Config) -> anyhow::Result<App> {
    prepare(&config)?;
    App::open(config, Clock::System).await
}

/// Opens what a server has made before: a command in the wrong directory must not begin a database of its own.
///
/// # Errors
/// In plain words for the operator.
pub async fn open_existing(config: Config) -> anyhow::Result<App> {
    if let DatabaseTarget::Sqlite(database) = config.database() {
        let path = std::path::absolute(&database).unwrap_or(database);
        ensure!(
            path.exists(),
            "there is no Keyward data at {}. Run this in the directory where the server was started, or name its data \
             with --data-dir or --database-url; `keyward serve` begins new data.",
            path.display()
        );
    }
    open(config).await
}

/// Makes the files' directory, and refuses what others could read. PostgreSQL needs no files.
///
/// # Errors
/// What is open to others and how to close it, or what cannot be made.
pub fn prepare(config: &Config) -> anyhow::Result<()> {
    let DatabaseTarget::Sqlite(database) = config.database() else { return Ok(()) };
    let directory = &config.data_dir;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("cannot make the data directory {}", directory.display()))?;
    refuse_open(directory, "data directory", 0o700)?;
    // SQLite gives its journal the permissions of the database, and takes an empty file for a new database.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&database) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // within the directory its own permissions do not matter
            if database.starts_with(directory) { Ok(()) } else { refuse_open(&database, "database", 0o600) }
        }
        Err(error) => Err(error).with_context(|| format!("cannot make the database {}", database.display())),
    }
}

fn refuse_open(path: &Path, what: &str, private: u32) -> anyhow::Result<()> {
    let metadata = path.metadata().with_context(|| format!("cannot look at the {what} {}", path.display()))?;
    let mode = metadata.permissions().mode() & 0o7777;
    let path = path.display();
    ensure!(mode & 0o077 == 0, "the {what} {path} is open to others (mode {mode:04o}): run chmod {private:o} {path}");
    Ok(())
}

/// Held for as long as a server uses the embedded database; the system lets go of it however the server ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Takes the embedded database for this server; `None` with PostgreSQL, which many may use.
///
/// # Errors
/// Another server has it.
pub fn lock(config: &Config) -> anyhow::Result<Option<Lock>> {
    let DatabaseTarget::Sqlite(database) = config.database() else { return Ok(None) };
    let path = PathBuf::from(format!("{}.lock", database.display()));
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            bail!(
                "another server uses the database {}: {}. Two servers cannot share an embedded database; stop that one, \
                 or use another data directory.",
                database.display(),
                holder.trim()
            );
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    let told = file.set_permissions(Permissions::from_mode(0o600)).and_then(|()| {
        file.set_len(0)?;
        writeln!(file, "process {}, {}", std::process::id(), config.issuer())
    });
    told.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Some(Lock { _file: file }))
}

/// Whether a server uses the embedded database. With PostgreSQL nothing here tells; it is assumed.
///
/// # Errors
/// The files cannot be looked at.
pub fn is_in_use(config: &Config) -> io::Result<bool> {
    let DatabaseTarget::Sqlite(database) = config.database() else { return Ok(true) };
    match File::open(format!("{}.lock", database.display())) {
        Ok(file) => Ok(matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(directory: &Path) -> Config {
        let mut config = Config::defaults();
        config.data_dir = directory.to_owned();
        config
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn the_directory_is_made_private() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = temporary.path().join("a/b");
        prepare(&config(&directory)).unwrap();
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(mode(&directory.join("keyward.db")), 0o600);
        prepare(&config(&directory)).unwrap();
    }

    #[test]
    fn what_others_can_read_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = temporary.path().join("data");
        prepare(&config(&directory)).unwrap();
        for open in [0o750, 0o705, 0o755, 0o710, 0o777] {
            std::fs::set_permissions(&directory, Permissions::from_mode(open)).unwrap();
            let message = prepare(&config(&directory)).unwrap_err().to_string();
            assert!(message.contains(&format!("mode {open:04o}")) && message.contains("chmod 700"), "{message}");
        }
        std::fs::set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();

        let elsewhere = temporary.path().join("elsewhere.db");
        std::fs::write(&elsewhere, "").unwrap();
        std::fs::set_permissions(&elsewhere, Permissions::from_mode(0o644)).unwrap();
        let mut config = config(&directory);
        config.database_url = Some(format!("sqlite://{}", elsewhere.display()).as_str().into());
        let message = prepare(&config).unwrap_err().to_string();
        assert!(message.contains("chmod 600"), "{message}");
    }

    #[test]
    fn two_servers_do_not_share_a_database() {
        let temporary = tempfile::tempdir().unwrap();
        let config = config(&temporary.path().join("data"));
        prepare(&config).unwrap();
        assert!(!is_in_use(&config).unwrap());
        let first = lock(&config).unwrap();
        assert!(is_in_use(&config).unwrap());
        let message = lock(&config).unwrap_err().to_string();
        assert!(message.contains(&format!("process {}, http://localhost:8080", std::process::id())), "{message}");
        assert!(message.contains("keyward.db"), "{message}");
        drop(first);
        assert!(lock(&config).unwrap().is_some());
    }

    #[tokio::test]
    async fn a_command_in_the_wrong_directory_begins_no_data() {
        let temporary = tempfile::tempdir().unwrap();
        let config = config(&temporary.path().join("data"));
        let error = open_existing(config.clone()).await.err().unwrap().to_string();
        assert!(error.contains("there is no Keyward data at"), "{error}");
        assert!(!config.data_dir.exists());
        open(config.clone()).await.unwrap();
        open_existing(config).await.unwrap();
    }

    #[tokio::test]
    async fn a_missing_master_key_is_named_and_not_made_anew() {
        let temporary = tempfile::tempdir().unwrap();
        let config = config(&temporary.path().join("data"));
        open(config.clone()).await.unwrap();
        let key = config.data_dir.join("master.key");
        std::fs::remove_file(&key).unwrap();
        let error = open(config.clone()).await.err().unwrap().to_string();
        assert!(error.contains("master.key is missing"), "{error}");
        assert!(!key.exists());
    }
}
