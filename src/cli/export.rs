//! `keyward export`.

use std::{
    fs::{File, OpenOptions},
    io::{BufWriter, IsTerminal, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::{
    Refused, file,
    place::{Kind, Place, PlaceArgs},
    resource,
};
use crate::{directory::apply::portable, model::secret::random_text};

/// What to write, and where.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// The format
    #[arg(long, value_enum, default_value_t = Format::Toml)]
    format: Format,
    /// The file to write; an existing one is not overwritten [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only this section; may be repeated
    #[arg(long, value_enum, value_name = "SECTION")]
    only: Vec<Section>,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Toml,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    Roles,
    Clients,
    Principals,
}

impl Section {
    const fn kind(self) -> Kind {
        match self {
            Section::Roles => Kind::Role,
            Section::Clients => Kind::Client,
            Section::Principals => Kind::Principal,
        }
    }
}

/// Writes roles, clients and principals as a file for `keyward apply`, without secrets and passwords, page by page: all
/// of it, or nothing. What TOML cannot say, such as null, stands there as a table with the one member `$json`, whose text is
/// the value as JSON.
///
/// # Errors
/// They cannot be read, or not be written.
pub async fn run(args: ExportArgs) -> anyhow::Result<()> {
    let place = Place::open(&args.place).await?;
    if let Some(path) = args.output.as_ref().filter(|path| path.exists()) {
        anyhow::bail!("cannot write {}: there is such a file", path.display());
    }
    // all of it or nothing: what cannot be read shows in the middle
    let mut out = BufWriter::new(spool()?);
    write_all(&place, &args, &mut out).await?;
    let mut whole = out.into_inner().map_err(|error| error.into_error())?;
    whole.seek(SeekFrom::Start(0))?;
    let Some(path) = &args.output else {
        std::io::copy(&mut whole, &mut std::io::stdout().lock())?;
        return Ok(());
    };
    // who is who here is nobody else's business
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    let copied = std::io::copy(&mut whole, &mut file).and_then(|_| file.sync_all());
    if copied.is_err() {
        let _ = std::fs::remove_file(path);
    }
    copied.with_context(|| format!("cannot write {}", path.display()))
}

/// A file that nobody else can open, and that is gone with this program.
fn spool() -> anyhow::Result<File> {
    let path = std::env::temp_dir().join(format!("keyward-export-{}", random_text::<16>()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
    let file = file.with_context(|| format!("cannot write {}", path.display()))?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

async fn write_all(place: &Place, args: &ExportArgs, out: &mut BufWriter<File>) -> anyhow::Result<()> {
    let bar = bar("objects")?;
    let wanted = |kind: &Kind| args.only.is_empty() || args.only.iter().any(|section| section.kind() == *kind);
    let json = args.format == Format::Json;
    for (nth, kind) in Kind::ALL.into_iter().filter(wanted).enumerate() {
        if json {
            write!(out, "{}\n  \"{}\": [", if nth == 0 { "{" } else { "," }, kind.plural())?;
        }
        let (mut entries, before) = (0, bar.position());
        resource::walk(place, kind, &query(kind), None, |rows, total| {
            bar.set_length(before + total);
            bar.inc(rows.len() as u64);
            for row in rows {
                let Value::Object(document) = row else { continue };
                if document.get("system").is_some_and(|system| *system == true) {
                    continue;
                }
                let entry = portable(document);
                if json {
                    write!(out, "{}\n    {}", if entries == 0 { "" } else { "," }, Value::Object(entry))?;
                } else {
                    let id = entry.get(kind.key()).and_then(Value::as_str).unwrap_or_default();
                    let text = file::toml_entry(kind.plural(), &entry)
                        .map_err(|fault| Refused(vec![format!("{} {id}: {fault}", kind.singular())]))?;
                    writeln!(out, "{text}")?;
                }
                entries += 1;
            }
            Ok(())
        })
        .await?;
        if json {
            write!(out, "{}]", if entries == 0 { "" } else { "\n  " })?;
        }
    }
    if json {
        writeln!(out, "\n}}")?;
    }
    out.flush()?;
    bar.finish_and_clear();
    Ok(())
}

/// In an order that stays.
fn query(kind: Kind) -> Vec<(&'static str, String)> {
    let all = || ("includeSuspended", "true".to_owned());
    match kind {
        Kind::Role => Vec::new(),
        Kind::Client => vec![all(), ("orderBy", "id".to_owned())],
        Kind::Principal => vec![all()],
    }
}

/// A progress bar on standard error, where that is a terminal.
pub(super) fn bar(what: &str) -> anyhow::Result<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let template = format!("{{bar:40}} {{human_pos}}/{{human_len}} {what}, {{eta}} left");
    Ok(ProgressBar::new(0).with_style(ProgressStyle::with_template(&template)?))
}
