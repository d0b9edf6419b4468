//! How the database is set up, and whether its file is sound.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use super::{
    database::Opened,
    files,
    finding::{Fault, Finding, told},
};
use crate::{
    config::{Config, DatabaseTarget},
    store::{
        self, Target,
        diagnosis::{self, PostgresSettings, SqliteSettings},
        snapshot,
    },
};

const CHECK: &str = "database_settings";
/// How long the file of the embedded database is looked through.
const LOOKED: Duration = Duration::from_secs(10);
/// More than this in front of the database's file means that something keeps it from being written back.
const MUCH_WAL: u64 = 256 << 20;
/// The oldest PostgreSQL that we are tested with.
const OLDEST_POSTGRES: i64 = 15;

/// How the database is set up, and whether it is sound.
pub async fn examine(opened: &Opened, config: &Config) -> Finding {
    let app = &opened.app;
    let settings = async {
        if let Some(settings) = app.store.read(diagnosis::postgres).await? {
            return Ok(judge_postgres(&settings, config));
        }
        let written = app.store.write(diagnosis::sqlite).await?;
        let DatabaseTarget::Sqlite(path) = config.database() else {
            return Err(store::Error::Internal("neither database".to_owned()));
        };
        let faults = written.map(|settings| judge_sqlite(&settings, opened.journal_mode.as_deref(), &path));
        let mut faults = faults.unwrap_or_default();
        let (found, sound) = sound(path).await;
        faults.extend(found);
        Ok((faults, format!("journal_mode=wal, synchronous=full, foreign_keys=on; {sound}")))
    };
    match settings.await {
        Ok((faults, fine)) => Finding::of_faults(CHECK, faults, fine),
        Err(error) => Finding::problem(CHECK, error.to_string(), "Look into the log of the database."),
    }
}

fn judge_sqlite(settings: &SqliteSettings, journal_mode: Option<&str>, path: &Path) -> Vec<Fault> {
    let mut faults = Vec::new();
    let journal = journal_mode.unwrap_or(&settings.journal_mode);
    if journal != "wal" {
        let what = format!("the journal was kept as {journal}, expected wal");
        faults.push(Fault::warning(
            what,
            "Have nothing else open the database's file; a server that starts sets it right.",
        ));
    }
    if settings.synchronous < 2 || !settings.foreign_keys {
        let what = format!(
            "synchronous is {} (expected 2, FULL), foreign_keys {} (expected on)",
            settings.synchronous,
            if settings.foreign_keys { "on" } else { "off" }
        );
        faults.push(Fault::problem(what, "Use a program as it was released: this one writes unsafely."));
    }
    if let Some(network) = files::network(path) {
        let what = format!("{} lies on a file system over the network ({network})", path.display());
        let fix = "Put data_dir on a local disk: locks do not hold there, and the database breaks.";
        faults.push(Fault::problem(what, fix));
    }
    let wal = PathBuf::from(format!("{}-wal", path.display())).metadata().map_or(0, |file| file.len());
    if wal > MUCH_WAL {
        let what = format!("{} MiB wait to be written back into the database's file", wal >> 20);
        faults.push(Fault::warning(
            what,
            "See which program reads the file for long, such as a copy of it, and end that.",
        ));
    }
    faults
}

/// Looks the file through, on a thread that ends with the process: a large one takes longer than anybody waits.
async fn sound(path: PathBuf) -> (Vec<Fault>, String) {
    let (answer, answered) = oneshot::channel();
    let looking = std::thread::Builder::new().name("keyward-check".to_owned()).spawn(move || {
        let checked = snapshot::connect(&Target::Sqlite(path), false).and_then(|mut conn| diagnosis::faults(&mut conn));
        let _ = answer.send(checked.map_err(|error| error.to_string()));
    });
    if let Err(error) = looking {
        return (vec![Fault::warning(error.to_string(), "See how many processes this user may have.")], String::new());
    }
    let fix = "Stop the server, keep a copy of the files, and bring back the last backup (`keyward restore`); then see \
               what broke them: the disk, or a copy that was made while a server ran.";
    match timeout(LOOKED, answered).await {
        Ok(Ok(Ok(faults))) if faults.is_empty() => (Vec::new(), "the file is sound".to_owned()),
        Ok(Ok(Ok(faults))) => {
            (vec![Fault::problem(format!("the file is damaged: {}", faults.join("; ")), fix)], String::new())
        }
        Ok(Ok(Err(error))) => (vec![Fault::problem(format!("the file cannot be read: {error}"), fix)], String::new()),
        Ok(Err(_)) | Err(_) => (Vec::new(), format!("the file is too large to be looked through in {}", told(LOOKED))),
    }
}

fn judge_postgres(settings: &PostgresSettings, config: &Config) -> (Vec<Fault>, String) {
    let major = settings.version / 10_000;
    let mut faults = Vec::new();
    if major < OLDEST_POSTGRES {
        let what = format!("PostgreSQL {major}, expected {OLDEST_POSTGRES} or later");
        faults.push(Fault::problem(what, "Upgrade the database server."));
    }
    if settings.standby {
        faults.push(Fault::problem(
            "this PostgreSQL server follows another one and refuses writes",
            "Name the leading server in `database_url` (libpq: target_session_attrs=read-write).",
        ));
    }
    if !settings.fsync || !settings.full_page_writes {
        faults.push(Fault::problem(
            "fsync or full_page_writes is off: a power loss destroys the database",
            "Set both to on in postgresql.conf.",
        ));
    }
    if settings.synchronous_commit == "off" {
        faults.push(Fault::problem(
            "synchronous_commit is off: a crash brings back codes and tokens that were used or revoked",
            "Set it to on, for the server or by ALTER ROLE … SET synchronous_commit = on.",
        ));
    }
    if !settings.encrypted && !settings.local {
        faults.push(Fault::problem(
            "the connection to PostgreSQL goes over the network in the clear",
            "Set ssl = on there, and add sslmode=verify-full and sslrootcert to `database_url`.",
        ));
    }
    let pool = config.database_pool;
    let (nodes, room) = (settings.nodes.max(1), settings.max_connections - settings.reserved);
    let wanted = nodes.saturating_mul(i64::from(pool));
    if wanted > room {
        let what = format!(
            "servers at {nodes} addresses with up to {pool} connections each want {wanted}, and PostgreSQL has {room}"
        );
        faults.push(Fault::warning(what, "Raise max_connections, or lower `database_pool` of each server."));
    }
    let way = match (settings.encrypted, settings.local) {
        (true, _) => "encrypted",
        (false, true) => "on this machine",
        (false, false) => "in the clear",
    };
    let fine = format!("PostgreSQL {major}, connected {way}, fsync and synchronous_commit on, {room} connections");
    (faults, fine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Status;

    #[test]
    fn unsafe_settings_of_postgresql_are_told() {
        let right = PostgresSettings {
            version: 150_004,
            fsync: true,
            full_page_writes: true,
            synchronous_commit: "on".to_owned(),
            max_connections: 100,
            reserved: 3,
            nodes: 2,
            standby: false,
            encrypted: true,
            local: false,
        };
        let mut config = Config::defaults();
        let judged = |settings: &PostgresSettings, config: &Config| {
            let (faults, fine) = judge_postgres(settings, config);
            Finding::of_faults(CHECK, faults, fine)
        };
        assert_eq!(judged(&right, &config).status, Status::Ok);
        assert_eq!(
            judged(&PostgresSettings { encrypted: false, local: true, ..right.clone() }, &config).status,
            Status::Ok
        );
        for (wrong, what) in [
            (PostgresSettings { version: 140_010, ..right.clone() }, "PostgreSQL 14"),
            (PostgresSettings { fsync: false, ..right.clone() }, "fsync"),
            (PostgresSettings { full_page_writes: false, ..right.clone() }, "full_page_writes"),
            (PostgresSettings { synchronous_commit: "off".to_owned(), ..right.clone() }, "synchronous_commit"),
            (PostgresSettings { standby: true, ..right.clone() }, "refuses writes"),
            (PostgresSettings { encrypted: false, ..right.clone() }, "in the clear"),
        ] {
            let finding = judged(&wrong, &config);
            assert!(finding.status == Status::Problem && finding.summary.contains(what), "{finding:?}");
        }
        config.database_pool = 60;
        let finding = judged(&right, &config);
        assert!(finding.status == Status::Warning && finding.summary.contains("want 120"), "{finding:?}");
    }

    #[test]
    fn unsafe_settings_of_the_embedded_database_are_told() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("keyward.db");
        let right = SqliteSettings { journal_mode: "wal".to_owned(), synchronous: 2, foreign_keys: true };
        assert!(judge_sqlite(&right, Some("wal"), &path).is_empty());
        assert_eq!(judge_sqlite(&right, Some("delete"), &path).len(), 1);
        assert_eq!(judge_sqlite(&SqliteSettings { synchronous: 1, ..right.clone() }, None, &path).len(), 1);
        let wal = std::fs::File::create(temporary.path().join("keyward.db-wal")).unwrap();
        // sparse: it takes no room
        wal.set_len(MUCH_WAL + 1).unwrap();
        assert_eq!(judge_sqlite(&right, None, &path).len(), 1);
    }
}
