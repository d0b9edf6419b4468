//! Files of this machine: who may read them, and how much room there is.

use std::{
    collections::BTreeSet,
    fs::Metadata,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::finding::{Fault, Finding};
use crate::config::{DatabaseTarget, Loaded, Origin, table::describe};

const MODES: &str = "file_modes";
const SPACE: &str = "disk_space";
/// Where containers find their secrets: whoever runs them keeps others out, and the files are readable by all inside.
const MOUNTED: [&str; 2] = ["/run/secrets/", "/var/run/secrets/"];
const MIB: u64 = 1 << 20;

/// Something on the disk and what it is.
struct Item {
    path: PathBuf,
    what: &'static str,
    secret: bool,
}

/// Whether nobody but the owner reads what is secret, and nobody else writes what the server reads.
pub fn modes(loaded: &Loaded) -> Finding {
    let items = items(loaded);
    let owner = loaded.config.data_dir.metadata().ok().map(|metadata| metadata.uid());
    let mut faults = Vec::new();
    for item in &items {
        match item.path.metadata() {
            Ok(metadata) => faults.extend(judge(item, &metadata, owner)),
            Err(error) => {
                let what = format!("the {} {} cannot be looked at: {error}", item.what, item.path.display());
                faults.push(Fault::warning(what, "Run this as the user that the server runs as."));
            }
        }
    }
    let whats: BTreeSet<&str> = items.iter().map(|item| item.what).collect();
    let whats: Vec<&str> = whats.into_iter().collect();
    Finding::of_faults(MODES, faults, format!("nobody but the owner gets at what is secret ({})", whats.join(", ")))
}

fn items(loaded: &Loaded) -> Vec<Item> {
    let config = &loaded.config;
    let mut items = Vec::new();
    let mut add = |path: PathBuf, what, secret| items.push(Item { path, what, secret });
    if config.data_dir.exists() {
        add(config.data_dir.clone(), "data directory", true);
    }
    if let DatabaseTarget::Sqlite(database) = config.database() {
        for end in ["", "-wal", "-shm"] {
            let path = PathBuf::from(format!("{}{end}", database.display()));
            if path.exists() {
                add(path, "database", true);
            }
        }
    }
    let key = config.data_dir.join("master.key");
    if config.master_key.is_none() && key.exists() {
        add(key, "master key", true);
    }
    for (_, path) in &loaded.secret_files {
        add(path.clone(), "file of a secret", true);
    }
    if let Some(path) = &config.tls_key {
        add(path.clone(), "key of the certificate", true);
    }
    if let Some(path) = &loaded.file {
        add(path.clone(), "configuration", has_secrets(loaded));
    }
    items
}

/// Whether the configuration file holds a secret itself, and not only the name of a file with one.
fn has_secrets(loaded: &Loaded) -> bool {
    describe(&loaded.config).iter().any(|option| {
        let key = option.about.key;
        option.secret
            && matches!(loaded.origin(key), Origin::File(..))
            && !loaded.secret_files.iter().any(|(named, _)| *named == key)
    })
}

fn judge(item: &Item, metadata: &Metadata, owner: Option<u32>) -> Vec<Fault> {
    let (mode, path) = (metadata.permissions().mode() & 0o7777, item.path.display());
    let open = exposed(&item.path, mode);
    // of what is no secret only writing matters
    let open = if item.secret { open } else { open & 0o022 };
    let mut faults = Vec::new();
    let is_mounted = MOUNTED.iter().any(|place| item.path.starts_with(place));
    if open != 0 && !is_mounted {
        let what = format!("the {} {path} is open to others (mode {mode:04o})", item.what);
        let fix = match (item.secret, metadata.is_dir()) {
            (true, true) => format!("Run chmod 700 {path}."),
            (true, false) => format!("Run chmod 600 {path}, as the user of the server or with that user as its owner."),
            (false, _) => format!("Run chmod go-w {path}."),
        };
        // a group may be the server's own; the server refuses to start with an open data directory
        faults.push(match open & 0o007 != 0 || metadata.is_dir() {
            true => Fault::problem(what, fix),
            false => Fault::warning(what, fix),
        });
    }
    if let Some(owner) = owner.filter(|owner| item.what == "database" && *owner != metadata.uid()) {
        let what = format!("the {} {path} belongs to user {}, its directory to {owner}", item.what, metadata.uid());
        let fix = format!("Run chown {owner} {path}, and commands as the user of the server from now on.");
        faults.push(Fault::warning(what, fix));
    }
    faults
}

/// What of a mode works for others: nothing behind a directory through which they cannot pass.
fn exposed(path: &Path, mode: u32) -> u32 {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let absolute = absolute.canonicalize().unwrap_or(absolute);
    let mut open = mode & 0o077;
    for directory in absolute.ancestors().skip(1) {
        let Ok(passes) = directory.metadata().map(|metadata| metadata.permissions().mode()) else { continue };
        if passes & 0o001 == 0 {
            open &= !0o007;
        }
        if passes & 0o011 == 0 {
            open = 0;
        }
    }
    open
}

/// Whether there is room left where data are.
pub fn space(loaded: &Loaded) -> Finding {
    let config = &loaded.config;
    let directory = match config.database() {
        DatabaseTarget::Sqlite(database) => {
            let parent = database.parent().filter(|parent| !parent.as_os_str().is_empty());
            parent.map_or_else(|| PathBuf::from("."), Path::to_owned)
        }
        DatabaseTarget::Postgres(_) if !config.data_dir.exists() => {
            let why = "nothing is kept on this machine: the database is PostgreSQL";
            return Finding::skipped(SPACE, why, "Watch the disk of the database server there.");
        }
        DatabaseTarget::Postgres(_) => config.data_dir.clone(),
    };
    match rustix::fs::statvfs(&directory) {
        Ok(disk) => {
            let (free, total) =
                (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize));
            judge_space(&directory, free, total)
        }
        Err(error) => {
            let what = format!("{} cannot be looked at: {error}", directory.display());
            Finding::problem(SPACE, what, "See that the directory is there (data_dir, database_url).")
        }
    }
}

fn judge_space(directory: &Path, free: u64, total: u64) -> Finding {
    let percent = free.saturating_mul(100).checked_div(total).unwrap_or_default();
    let what = format!("{} MiB are free at {}, {percent} % of the disk", free / MIB, directory.display());
    let fix = "Free space or enlarge the disk: without room nothing is written, and nobody can sign in.";
    match free {
        free if free < 100 * MIB => Finding::problem(SPACE, format!("{what}; expected 1024 MiB and 10 %"), fix),
        free if free < 1024 * MIB || percent < 10 => {
            Finding::warning(SPACE, format!("{what}; expected 1024 MiB and 10 %"), fix)
        }
        _ => Finding::ok(SPACE, what),
    }
}

/// What kind of file system over the network a file lies on, as far as it can be told: SQLite's locks do not hold there.
pub fn network(path: &Path) -> Option<&'static str> {
    #[cfg(target_os = "linux")]
    {
        // statfs(2)
        const NETWORKS: [(u64, &str); 8] = [
            (0x6969, "NFS"),
            (0x517B, "SMB"),
            (0xFF53_4D42, "CIFS"),
            (0xFE53_4D42, "SMB"),
            (0x0102_1997, "9P"),
            (0x00C3_6400, "Ceph"),
            (0x5346_414F, "AFS"),
            (0x7375_7245, "Coda"),
        ];
        let kind = rustix::fs::statfs(path).ok()?.f_type as u64 & 0xFFFF_FFFF;
        NETWORKS.iter().find(|(known, _)| *known == kind).map(|(_, name)| *name)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        None
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;
    use crate::cli::doctor::finding::Status;

    #[test]
    fn a_full_disk_is_told_before_it_is_full() {
        let judged = |free, total| judge_space(Path::new("/data"), free, total).status;
        assert_eq!(judged(50 * 1024 * MIB, 100 * 1024 * MIB), Status::Ok);
        assert_eq!(judged(5 * 1024 * MIB, 100 * 1024 * MIB), Status::Warning);
        assert_eq!(judged(900 * MIB, 2000 * MIB), Status::Warning);
        assert_eq!(judged(99 * MIB, 200 * MIB), Status::Problem);
        assert_eq!(judged(0, 0), Status::Problem);
    }

    #[test]
    fn a_file_is_exposed_only_as_far_as_others_can_reach_it() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("key");
        std::fs::write(&file, "x").unwrap();
        for (directory, mode, expected) in
            [(0o700, 0o644, 0), (0o755, 0o644, 0o044), (0o750, 0o644, 0o040), (0o755, 0o600, 0)]
        {
            std::fs::set_permissions(temporary.path(), Permissions::from_mode(directory)).unwrap();
            assert_eq!(exposed(&file, mode), expected, "{directory:o} {mode:o}");
        }
    }
}
