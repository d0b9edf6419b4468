//! What a backup is made of: lines of JSON, perhaps sealed under a passphrase.
//!
//! The first line names the format. Then follow a head, for each table a line with its columns and one line for each row
//! (an array), and at the end how many rows each table has and the SHA-256 of everything before. One format serves both
//! databases, and every version of the schema: a restore makes the tables as they were, fills them, and brings them up to
//! date. A copy of the embedded database's file (`VACUUM INTO`) was the rejected option: it fits only itself, lies on the
//! disk in the clear before it is sealed, and makes nothing simpler.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
};

use anyhow::{Context, bail, ensure};
use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{keys::SealedReader, store::snapshot::Table};

/// The first line of what is not sealed.
pub const PLAIN: &str = "keyward-backup 1\n";
/// The first line of what is.
pub const SEALED: &str = "keyward-backup 1 sealed\n";
/// No line is longer: no row has more than a few columns of bounded texts.
const MAX_LINE: u64 = 64 << 20;

/// What a backup says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The version of the program that made it.
    pub keyward: String,
    /// When (RFC 3339).
    pub at: String,
    /// `sqlite` or `postgres`.
    pub database: String,
    /// The steps of the schema.
    pub schema: Vec<String>,
    /// Of the master key under which the keys in it are sealed.
    pub fingerprint: String,
    /// The master key, where a server had made it: what its file holds.
    pub master_key: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    Head(Head),
    Table(Table),
    End(End),
}

#[derive(Debug, Serialize, Deserialize)]
struct End {
    rows: BTreeMap<String, u64>,
    sha256: String,
}

/// Writes a backup.
pub struct Writer<W: Write> {
    out: W,
    digest: digest::Context,
    rows: BTreeMap<String, u64>,
    table: String,
}

impl<W: Write> Writer<W> {
    /// A writer to what has its first line already.
    pub fn new(out: W) -> Writer<W> {
        let digest = digest::Context::new(&digest::SHA256);
        Writer { out, digest, rows: BTreeMap::new(), table: String::new() }
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        for part in [text, "\n"] {
            self.digest.update(part.as_bytes());
            self.out.write_all(part.as_bytes())?;
        }
        Ok(())
    }

    /// Begins.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn head(&mut self, head: Head) -> io::Result<()> {
        self.line(&serde_json::to_string(&Line::Head(head))?)
    }

    /// Goes on to another table.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn table(&mut self, table: &Table) -> io::Result<()> {
        self.rows.insert(table.name.clone(), 0);
        self.table.clone_from(&table.name);
        self.line(&serde_json::to_string(&Line::Table(table.clone()))?)
    }

    /// Adds a row: a JSON array.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn row(&mut self, row: &str) -> io::Result<()> {
        if let Some(rows) = self.rows.get_mut(&self.table) {
            *rows += 1;
        }
        self.line(row)
    }

    /// Ends it; what it was written to, and how many rows each table has.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> io::Result<(W, BTreeMap<String, u64>)> {
        let sha256 = URL_SAFE_NO_PAD.encode(self.digest.finish());
        let end = serde_json::to_string(&Line::End(End { rows: self.rows.clone(), sha256 }))?;
        writeln!(self.out, "{end}")?;
        self.out.flush()?;
        Ok((self.out, self.rows))
    }
}

/// A part of a backup.
pub enum Item {
    /// From here on rows of this table.
    Table(Table),
    /// A row: a JSON array.
    Row(String),
}

/// What a whole backup was found to be.
#[derive(Debug)]
pub struct Checked {
    /// What it says of itself.
    pub head: Head,
    /// How many rows each table has.
    pub rows: BTreeMap<String, u64>,
    /// The check value of the master key, as the database had it.
    pub fingerprint: Option<String>,
}

impl Checked {
    /// How many rows there are.
    pub fn total(&self) -> u64 {
        self.rows.values().sum()
    }
}

/// Reads a backup from its beginning to its end, row by row, and hands on what is in it.
///
/// # Errors
/// In plain words: it is none, is sealed under another passphrase, was changed or is not whole; or those of `item`.
pub fn read(
    path: &Path,
    passphrase: Option<&str>,
    mut item: impl FnMut(&Head, Item) -> anyhow::Result<()>,
) -> anyhow::Result<Checked> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {shown}"))?;
    let mut input = BufReader::with_capacity(1 << 16, file);
    let mut first = Vec::new();
    (&mut input)
        .take(SEALED.len() as u64)
        .read_until(b'\n', &mut first)
        .with_context(|| format!("cannot read {shown}"))?;
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::InvalidData => anyhow::anyhow!("{shown} cannot be used: {error}"),
        _ => anyhow::anyhow!("cannot read {shown}: {error}"),
    };
    let input: Box<dyn BufRead> = match (first.as_slice(), passphrase) {
        (line, None) if line == PLAIN.as_bytes() => Box::new(input),
        (line, Some(_)) if line == PLAIN.as_bytes() => {
            bail!("{shown} is not sealed: a passphrase was given, so this is another file than you think")
        }
        (line, Some(passphrase)) if line == SEALED.as_bytes() => {
            Box::new(BufReader::new(SealedReader::new(input, passphrase).map_err(refused)?))
        }
        (line, None) if line == SEALED.as_bytes() => {
            bail!("{shown} is sealed under a passphrase: give it with --passphrase-file")
        }
        _ => bail!("{shown} is no backup that this program can read: it does not begin with '{}'", PLAIN.trim_end()),
    };
    lines(input, &mut item, &refused, &shown.to_string())
}

fn lines(
    mut input: Box<dyn BufRead>,
    item: &mut impl FnMut(&Head, Item) -> anyhow::Result<()>,
    refused: &impl Fn(io::Error) -> anyhow::Error,
    shown: &str,
) -> anyhow::Result<Checked> {
    let mut digest = digest::Context::new(&digest::SHA256);
    let mut head: Option<Head> = None;
    let mut rows: BTreeMap<String, u64> = BTreeMap::new();
    let mut table: Option<Table> = None;
    let mut fingerprint = None;
    loop {
        let mut line = Vec::new();
        (&mut input).take(MAX_LINE).read_until(b'\n', &mut line).map_err(refused)?;
        if line.last() != Some(&b'\n') {
            bail!("{shown} cannot be used: its end is missing");
        }
        let text = std::str::from_utf8(&line).map(str::trim_end).ok();
        let text = text.with_context(|| format!("{shown} cannot be used: it was changed"))?;
        if let (Some(head), Some(table), true) = (&head, &table, text.starts_with('[')) {
            digest.update(&line);
            *rows.entry(table.name.clone()).or_default() += 1;
            if table.name == "master_key" {
                let at = table.columns.iter().position(|(name, _)| name == "fingerprint");
                let row: Value = serde_json::from_str(text).unwrap_or_default();
                fingerprint = at.and_then(|at| row.get(at)?.as_str().map(str::to_owned));
            }
            item(head, Item::Row(text.to_owned()))?;
            continue;
        }
        let parsed: Option<Line> = serde_json::from_str(text).ok();
        match (parsed.with_context(|| format!("{shown} cannot be used: it was changed"))?, &head) {
            (Line::Head(said), None) => head = Some(said),
            (Line::Table(next), Some(head)) => {
                rows.insert(next.name.clone(), 0);
                item(head, Item::Table(next.clone()))?;
                table = Some(next);
            }
            (Line::End(end), Some(head)) => {
                ensure!(
                    end.sha256 == URL_SAFE_NO_PAD.encode(digest.finish()) && end.rows == rows,
                    "{shown} cannot be used: it was changed, its checksum does not fit"
                );
                let mut rest = [0u8; 1];
                ensure!(
                    input.read(&mut rest).map_err(refused)? == 0,
                    "{shown} cannot be used: something was appended to it"
                );
                return Ok(Checked { head: head.clone(), rows, fingerprint });
            }
            _ => bail!("{shown} cannot be used: it was changed"),
        }
        digest.update(&line);
    }
}
