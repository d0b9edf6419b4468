//! For development: each mail is a file that mail programs open.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;

use super::Failure;
use crate::mail::letter::Content;

/// A directory of `.eml` files.
pub(in crate::mail) struct Directory(PathBuf);

impl Directory {
    /// The directory, which is made where it is missing; links to sign in with are in there, so it is private then.
    pub fn new(path: &Path) -> anyhow::Result<Directory> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.with_context(|| format!("cannot make mail.directory {}", path.display()))?;
        Ok(Directory(path.to_owned()))
    }

    /// Whether the directory is there.
    pub fn knock(&self) -> Result<(), Failure> {
        match self.0.is_dir() {
            true => Ok(()),
            false => Err(Failure::temporary(format!("{} is no directory", self.0.display()))),
        }
    }

    /// Writes `<id>.eml`. It is there as a whole or not at all, and a second delivery replaces it by itself.
    pub async fn write(&self, id: &str, content: Content) -> Result<(), Failure> {
        let (path, unfinished) = (self.0.join(format!("{id}.eml")), self.0.join(format!(".{id}.part")));
        let written = tokio::task::spawn_blocking(move || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
            file.write_all(content.message.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(unfinished, path)
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure::temporary(format!("{}: {error}", self.0.display()))),
            Err(error) => Err(Failure::temporary(error.to_string())),
        }
    }
}
