//! `keyward restore`.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use clap::Args;
use secrecy::ExposeSecret;

use super::{
    backup::{
        self,
        format::{self, Checked, Head, Item},
    },
    data_dir, load, out,
};
use crate::{
    app::{open_master_key, target},
    config::{Config, ConfigArgs, DatabaseTarget},
    keys::{AuditKeys, KeyRing, MasterKey},
    model::secret::random_text,
    store::{self, Conn, Target, migrate, snapshot},
};

/// What to bring back, and where to.
#[derive(Args, Debug)]
pub struct RestoreArgs {
    /// The backup
    file: PathBuf,
    /// The file whose first line is the passphrase that it is sealed under; `-` is standard input
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Brings a backup back into a database that holds nothing yet, of either kind.
///
/// # Errors
/// In plain words for the operator; then nothing was brought back.
pub async fn run(args: RestoreArgs) -> anyhow::Result<()> {
    let config = load(&args.config)?;
    let passphrase = args.passphrase_file.as_deref().map(backup::passphrase).transpose()?;
    let told = tokio::task::spawn_blocking(move || {
        let passphrase = passphrase.as_ref().map(ExposeSecret::expose_secret);
        restore(&config, &args.file, passphrase)
    });
    out::print(&told.await??);
    Ok(())
}

fn restore(config: &Config, path: &Path, passphrase: Option<&str>) -> anyhow::Result<String> {
    // nothing is touched before all of it was read
    let checked = format::read(path, passphrase, |_, _| Ok(()))?;
    let schema = checked.head.schema.last().cloned().unwrap_or_default();
    ensure!(
        schema.as_str() <= migrate::newest() && !schema.is_empty(),
        "{} was made by Keyward {}, whose schema {schema} is newer than this program, which knows up to {}: restore it with \
         the newer one",
        path.display(),
        checked.head.keyward,
        migrate::newest()
    );
    match config.database() {
        DatabaseTarget::Sqlite(database) => embedded(config, path, passphrase, &checked, &database)?,
        DatabaseTarget::Postgres(_) => {
            let mut conn = snapshot::connect(&target(config), true)?;
            refuse_full(&mut conn, config)?;
            let master = configured(config, &checked.head)?;
            fill(&mut conn, path, passphrase, &checked, &master)?;
        }
    }
    Ok(format!(
        "{} rows of {} tables, as they were on {}, are in {} now. Sign-ins, codes and tokens are as they were then: what was \
         revoked or used before stays so, what was made later is unknown.",
        checked.total(),
        checked.rows.len(),
        checked.head.at,
        config.database()
    ))
}

fn refuse_full(conn: &mut Conn, config: &Config) -> anyhow::Result<()> {
    ensure!(
        snapshot::is_empty(conn)?,
        "{} is in use: a backup is only brought back into a database that holds nothing",
        config.database()
    );
    Ok(())
}

/// The master key that is configured or lies in its file, if it is that of the backup.
fn configured(config: &Config, head: &Head) -> anyhow::Result<MasterKey> {
    let path = config.data_dir.join("master.key");
    if config.master_key.is_none() && !path.exists() {
        bail!("the master key is missing that this backup's keys are sealed under: set master_key as it was then");
    }
    let master = open_master_key(config)?;
    if master.fingerprint() != head.fingerprint {
        let hint = match head.master_key {
            Some(_) => {
                ": that one was made by a server, so master_key is `keyward-master-key:` and what its file master.key holds"
            }
            None => "",
        };
        bail!("the configured master key is not the one that this backup's keys are sealed under{hint}");
    }
    Ok(master)
}

fn embedded(
    config: &Config,
    path: &Path,
    passphrase: Option<&str>,
    checked: &Checked,
    database: &Path,
) -> anyhow::Result<()> {
    let key_file = config.data_dir.join("master.key");
    if database.metadata().is_ok_and(|file| file.len() > 0) {
        refuse_full(&mut snapshot::connect(&Target::Sqlite(database.to_owned()), false)?, config)?;
    }
    let begun = !database.exists();
    data_dir::prepare(config)?;
    let _lock = data_dir::lock(config)?;
    let brings_key = config.master_key.is_none() && !key_file.exists();
    match &checked.head.master_key {
        Some(text) if brings_key => write_key(&key_file, text)?,
        _ => {}
    }
    let draft = PathBuf::from(format!("{}.restoring-{}", database.display(), random_text::<8>()));
    let brought = bring(config, path, passphrase, checked, database, &draft);
    if brought.is_err() {
        for beside in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{beside}", draft.display()));
        }
        if brings_key {
            let _ = std::fs::remove_file(&key_file);
        }
        // an empty file would be taken for data that begins
        if begun {
            let _ = std::fs::remove_file(database);
        }
    }
    brought
}

/// Makes the database beside its place, and puts it there when it is whole.
fn bring(
    config: &Config,
    path: &Path,
    passphrase: Option<&str>,
    checked: &Checked,
    database: &Path,
    draft: &Path,
) -> anyhow::Result<()> {
    let master = configured(config, &checked.head)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    let mut conn = snapshot::connect(&Target::Sqlite(draft.to_owned()), true)?;
    fill(&mut conn, path, passphrase, checked, &master)?;
    snapshot::settle(&mut conn)?;
    drop(conn);
    File::open(draft)?.sync_all()?;
    for beside in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{beside}", database.display()));
    }
    std::fs::rename(draft, database).with_context(|| format!("cannot write {}", database.display()))?;
    let directory = database.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()?;
    Ok(())
}

fn write_key(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    Ok(())
}

/// Makes the tables as they were, fills them, checks them, and brings them up to date.
fn fill(
    conn: &mut Conn,
    path: &Path,
    passphrase: Option<&str>,
    checked: &Checked,
    master: &MasterKey,
) -> anyhow::Result<()> {
    migrate::run_to(conn, checked.head.schema.last().map(String::as_str))?;
    snapshot::transaction(conn, |conn| pour(conn, path, passphrase, checked).map_err(Kept))
        .map_err(|Kept(error)| error)?;
    migrate::run(conn)?;
    KeyRing::open(store::signing_key::all(conn)?, master)?;
    AuditKeys::open(store::audit_chain::keys(conn)?, master)?;
    Ok(())
}

/// Writes all rows, and counts them.
fn pour(conn: &mut Conn, path: &Path, passphrase: Option<&str>, checked: &Checked) -> anyhow::Result<()> {
    let mut filler = snapshot::Filler::new(conn)?;
    let again = format::read(path, passphrase, |_, item| match item {
        Item::Table(table) => Ok(filler.table(&table)?),
        Item::Row(row) => Ok(filler.row(&row)?),
    })?;
    filler.flush()?;
    ensure!(again.rows == checked.rows, "{} was changed meanwhile", path.display());
    for (table, rows) in &checked.rows {
        let there = snapshot::count(conn, table)?;
        ensure!(u64::try_from(there) == Ok(*rows), "{table} has {there} rows now, and not {rows}: nothing was kept");
    }
    Ok(())
}

/// An error through a transaction.
struct Kept(anyhow::Error);

impl From<store::Error> for Kept {
    fn from(error: store::Error) -> Kept {
        Kept(error.into())
    }
}
