//! `keyward backup`.

use std::{
    fs::{File, OpenOptions},
    io::{BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{Refused, load, out};
use crate::{
    app::{open_master_key, target},
    clock::Clock,
    config::{Config, ConfigArgs, DatabaseTarget},
    keys::{KeyRing, MasterKey, SealedWriter},
    model::secret::random_text,
    store::{
        self,
        snapshot::{self, Item},
    },
};

pub mod format;

use format::{Head, Writer};

/// No passphrase is longer.
const MAX_PASSPHRASE: u64 = 4096;
/// The fewest characters of one.
const MIN_PASSPHRASE: usize = 12;

/// Where to write what.
#[derive(Args, Debug)]
pub struct BackupArgs {
    /// The file to write; an existing one is not overwritten
    file: PathBuf,
    /// Seal it under the passphrase in this file's first line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Writes everything that is in the database into a file, as it is at one moment, while servers go on.
///
/// # Errors
/// In plain words for the operator; then there is no file.
pub async fn run(args: BackupArgs) -> anyhow::Result<()> {
    let config = load(&args.config)?;
    let passphrase = args.passphrase_file.as_deref().map(passphrase).transpose()?;
    let file = args.file.clone();
    let told = tokio::task::spawn_blocking(move || write(&config, &file, passphrase.as_ref())).await??;
    out::print(&told);
    if args.passphrase_file.is_none() {
        out::note(
            "This file holds what your server keeps secret, its keys among it, and is not sealed: whoever can read it can \
             sign in as anybody. Keep it where nobody else can, or give a passphrase with --passphrase-file.",
        );
    }
    Ok(())
}

/// The first line of a file.
///
/// # Errors
/// It cannot be read, or is too short.
pub fn passphrase(path: &Path) -> anyhow::Result<SecretString> {
    let mut text = Zeroizing::new(String::new());
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().take(MAX_PASSPHRASE).read_to_string(&mut text),
        false => File::open(path).and_then(|file| file.take(MAX_PASSPHRASE).read_to_string(&mut text)),
    };
    read.map_err(|error| Refused(vec![format!("--passphrase-file: cannot read {}: {error}", path.display())]))?;
    let line = text.lines().next().unwrap_or_default();
    match line.chars().count() {
        got if got < MIN_PASSPHRASE => {
            let message = format!("--passphrase-file: expected at least {MIN_PASSPHRASE} characters, got {got}");
            Err(Refused(vec![message]).into())
        }
        _ => Ok(line.to_owned().into()),
    }
}

/// The master key that is configured or in its file, which is not made here; and what the file holds.
pub fn master_key(config: &Config) -> anyhow::Result<(MasterKey, Option<Zeroizing<String>>)> {
    let path = config.data_dir.join("master.key");
    ensure!(
        config.master_key.is_some() || path.exists(),
        "there is no master key: expected master_key in the configuration, or the file {}",
        path.display()
    );
    let key = open_master_key(config)?;
    let text = match &config.master_key {
        Some(_) => None,
        None => Some(Zeroizing::new(std::fs::read_to_string(&path)?.trim().to_owned())),
    };
    Ok((key, text))
}

fn write(config: &Config, path: &Path, passphrase: Option<&SecretString>) -> anyhow::Result<String> {
    if let DatabaseTarget::Sqlite(database) = config.database() {
        ensure!(
            database.metadata().is_ok_and(|file| file.len() > 0),
            "there is no Keyward data at {}. Run this in the directory where the server was started, or name its data \
             with --data-dir or --database-url.",
            database.display()
        );
    }
    ensure!(!path.exists(), "cannot write {}: there is such a file", path.display());
    let (master, master_text) = master_key(config)?;
    let draft = PathBuf::from(format!("{}.part-{}", path.display(), random_text::<8>()));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
    let file = file.with_context(|| format!("cannot write {}", draft.display()))?;
    let written = fill(config, file, passphrase, &master, master_text.as_deref()).and_then(|()| {
        // read again from its beginning to its end, as a restore would
        let checked = format::read(&draft, passphrase.map(ExposeSecret::expose_secret), |_, _| Ok(()))?;
        ensure!(
            checked.fingerprint.as_deref().is_none_or(|it| it == master.fingerprint()),
            "the master key is not the one under which this database was sealed"
        );
        std::fs::rename(&draft, path).with_context(|| format!("cannot write {}", path.display()))?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory)?.sync_all()?;
        Ok(checked)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    let checked = written?;
    let sealed = if passphrase.is_some() { ", sealed under the passphrase" } else { "" };
    let key = if master_text.is_some() { "the master key" } else { "not the master key, which your configuration has" };
    Ok(format!(
        "{}: {} rows of {} tables as of {}, and {key}{sealed}; verified.",
        path.display(),
        checked.total(),
        checked.rows.len(),
        checked.head.at
    ))
}

fn fill(
    config: &Config,
    file: File,
    passphrase: Option<&SecretString>,
    master: &MasterKey,
    master_text: Option<&String>,
) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, file);
    let file = match passphrase {
        None => {
            out.write_all(format::PLAIN.as_bytes())?;
            copy(config, out, master, master_text)?
        }
        Some(passphrase) => {
            out.write_all(format::SEALED.as_bytes())?;
            let sealed = SealedWriter::new(out, passphrase.expose_secret())?;
            copy(config, sealed, master, master_text)?.finish()?
        }
    };
    file.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    Ok(())
}

/// What ends a copy.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the backup cannot be written: {0}")]
    Io(#[from] std::io::Error),
}

fn copy<W: Write>(config: &Config, out: W, master: &MasterKey, master_text: Option<&String>) -> anyhow::Result<W> {
    let mut conn = snapshot::connect(&target(config), false)?;
    // keys that do not open would be worth nothing in the file
    KeyRing::open(store::signing_key::all(&mut conn)?, master)?;
    let writer = std::cell::RefCell::new(Writer::new(out));
    let database = if matches!(conn, store::Conn::Sqlite(_)) { "sqlite" } else { "postgres" };
    let begin = |schema: &[String]| {
        let head = Head {
            keyward: env!("CARGO_PKG_VERSION").to_owned(),
            at: Clock::System.now().rfc3339(),
            database: database.to_owned(),
            schema: schema.to_vec(),
            fingerprint: master.fingerprint(),
            master_key: master_text.cloned(),
        };
        Ok::<_, Fault>(writer.borrow_mut().head(head)?)
    };
    snapshot::read(&mut conn, begin, |item| {
        let mut writer = writer.borrow_mut();
        match item {
            Item::Table(table) => Ok(writer.table(table)?),
            Item::Row(row) => Ok(writer.row(row)?),
        }
    })?;
    Ok(writer.into_inner().finish()?.0)
}
