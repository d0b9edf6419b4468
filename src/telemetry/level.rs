//! The level of the log, changed while the server runs: a file in the data directory says which.
//!
//! `keyward log-level` writes it. A signal that makes the server read its configuration again was the rejected option: it
//! could not change what the environment or a flag says, which is how most containers are configured; an address that
//! takes orders would need to know from whom.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use tracing_subscriber::{EnvFilter, Registry, reload};

use super::filter;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// No filter is longer.
const MOST: u64 = 4096;
/// The file's name.
const FILE: &str = "log-level";

/// Changes the level of the log.
#[derive(Clone, Debug)]
pub struct Levels {
    configured: String,
    handle: reload::Handle<EnvFilter, Registry>,
}

impl Levels {
    pub(super) fn new(configured: String, handle: reload::Handle<EnvFilter, Registry>) -> Levels {
        Levels { configured, handle }
    }

    /// Follows the file in this directory, beginning as configured. Runs until it is dropped.
    pub async fn follow(self, directory: PathBuf) {
        let _ = request(&directory, None);
        let mut now = self.configured.clone();
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let wanted = wanted(&directory).unwrap_or_else(|| self.configured.clone());
            if wanted == now {
                continue;
            }
            match filter(&wanted).and_then(|filter| Ok(self.handle.reload(filter)?)) {
                // at every level that says anything
                Ok(()) => {
                    tracing::error!(target: "keyward::log", to = wanted, "the log has another level from here on")
                }
                Err(error) => tracing::error!(%error, "the level of the log was not changed"),
            }
            now = wanted;
        }
    }
}

/// What the file says, if there is one.
fn wanted(directory: &Path) -> Option<String> {
    let mut text = String::new();
    let file = std::fs::File::open(directory.join(FILE)).ok()?;
    file.take(MOST).read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Asks the server whose data directory this is for another level, or with `None` for the configured one.
///
/// # Errors
/// The file cannot be written or removed.
pub fn request(directory: &Path, level: Option<&str>) -> io::Result<()> {
    let file = directory.join(FILE);
    let Some(level) = level else {
        return match std::fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    };
    std::fs::create_dir_all(directory)?;
    // whole or not at all
    let beside = directory.join(format!("{FILE}.new"));
    std::fs::write(&beside, format!("{level}\n"))?;
    std::fs::rename(&beside, &file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_says_what_is_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert_eq!(wanted(path), None);
        request(path, Some("info,keyward::oauth=debug")).unwrap();
        assert_eq!(wanted(path).as_deref(), Some("info,keyward::oauth=debug"));
        request(path, None).unwrap();
        request(path, None).unwrap();
        assert_eq!(wanted(path), None);
        std::fs::write(path.join(FILE), " \n").unwrap();
        assert_eq!(wanted(path), None);
        std::fs::write(path.join(FILE), "x".repeat(10_000)).unwrap();
        assert_eq!(wanted(path).unwrap().len(), 4096);
    }
}
