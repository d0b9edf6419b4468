//! `keyward audit verify | export`.

use std::{
    fs::OpenOptions,
    io::{BufWriter, IsTerminal, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{data_dir, export, load, out};
use crate::{
    app::App,
    audit::verify::{self, Report},
    config::ConfigArgs,
    keys::AuditKeys,
    store::{self, audit_chain::Stored},
};

/// Events that are in memory at a time.
const PAGE: i64 = 1000;
/// Without a terminal, progress is told after so many events.
const TOLD: u64 = 100_000;

/// What to do with the audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Verify that no event was changed, removed, inserted or put elsewhere: exit status 0 if so, 1 if not
    ///
    /// What is wrong is told with its position in the log, the event and its time.
    Verify(VerifyArgs),
    /// Write all sealed events, checkpoints, cuts and public keys as JSON lines
    Export(ExportArgs),
}

/// What to hold the log to.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// A position and its hash, as a checkpoint in a log of the server said: the log has to have come by; may be repeated
    #[arg(long, value_name = "POSITION:HASH", value_parser = expected)]
    expect: Vec<(i64, String)>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Where to write.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// The file to write; an existing one is not overwritten [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
}

fn expected(text: &str) -> Result<(i64, String), String> {
    let parts = text.split_once(':').and_then(|(position, hash)| Some((position.parse().ok()?, hash)));
    match parts {
        Some((position, hash)) if position > 0 && hash.len() == 43 => Ok((position, hash.to_owned())),
        _ => Err("expected POSITION:HASH, as in 1000:hash of 43 characters".to_owned()),
    }
}

/// Runs the command.
///
/// # Errors
/// In plain words for the operator; also where something is wrong with the log.
pub async fn run(command: AuditCommand) -> anyhow::Result<()> {
    match command {
        AuditCommand::Verify(args) => verify(args).await,
        AuditCommand::Export(args) => export(args).await,
    }
}

async fn keys(app: &App) -> anyhow::Result<AuditKeys> {
    Ok(AuditKeys::open(app.store.read(store::audit_chain::keys).await?, &app.seals.master)?)
}

async fn verify(args: VerifyArgs) -> anyhow::Result<()> {
    let app = data_dir::open_existing(load(&args.config)?).await?;
    let bar = export::bar("events")?;
    let (quiet, mut told) = (!std::io::stderr().is_terminal(), 0);
    let progress = |done: u64, total: u64| {
        bar.set_length(total);
        bar.set_position(done);
        if quiet && done / TOLD > told {
            told = done / TOLD;
            out::note(&format!("{done} of {total} events"));
        }
    };
    let report = verify::verify(&app.store, &keys(&app).await?, &args.expect, progress).await?;
    bar.finish_and_clear();
    match args.json {
        true => out::json(&json!(report)),
        false => out::print(&text(&report)),
    }
    let faults = report.faults.len() as u64 + report.more_faults;
    if faults > 0 {
        bail!("the audit log is not what was sealed (faults: {faults})");
    }
    Ok(())
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    if let Some(cut) = &report.cut {
        text.push_str(&format!(
            "Up to position {} the log was cut by the retention policy, the last time at {}: {} events from before {}; the \
             record of it is signed.\n",
            cut.position, cut.at, cut.events, cut.before
        ));
    }
    text.push_str(&format!(
        "{} events were verified, up to position {} with the hash {}. {} checkpoints hold, the last one at position {}.\n",
        report.events, report.position, report.hash, report.checkpoints, report.signed_until
    ));
    if report.position > report.signed_until.max(report.cut.as_ref().map_or(0, |cut| cut.position)) {
        text.push_str(&format!(
            "What follows position {} is not signed yet: until then only hashes hold it, which anybody can compute.\n",
            report.signed_until
        ));
    }
    if let Some(since) = &report.unsealed_since {
        text.push_str(&format!(
            "{} events are not sealed yet, the first one of {since}: a running server does so within seconds.\n",
            report.unsealed
        ));
    }
    if !report.unchecked.is_empty() {
        text.push_str(&format!(
            "{} of the expected positions lie before the cut: nothing is left that could be held to them.\n",
            report.unchecked.len()
        ));
    }
    for fault in &report.faults {
        text.push_str(&format!("position {}: {}\n", fault.position, out::plain(&fault.message)));
    }
    if report.more_faults > 0 {
        text.push_str(&format!("and {} more\n", report.more_faults));
    }
    if report.faults.is_empty() {
        text.push_str("Nothing is wrong.\n");
    }
    text
}

async fn export(args: ExportArgs) -> anyhow::Result<()> {
    let app = data_dir::open_existing(load(&args.config)?).await?;
    match &args.output {
        None => write(&app, &mut BufWriter::new(std::io::stdout().lock())).await,
        Some(path) => {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let file = file.with_context(|| format!("cannot write {}", path.display()))?;
            let mut out = BufWriter::new(file);
            write(&app, &mut out).await?;
            let file = out.into_inner().map_err(|error| error.into_error())?;
            file.sync_all().with_context(|| format!("cannot write {}", path.display()))
        }
    }
}

async fn write(app: &App, out: &mut impl Write) -> anyhow::Result<()> {
    let line = |out: &mut dyn Write, value: Value| writeln!(out, "{value}");
    let head = app.store.read(store::audit_chain::head).await?;
    line(out, json!({ "keys": keys(app).await?.public() }))?;
    let cuts = app.store.list(store::audit_chain::cuts).await?;
    let mut after = cuts.last().map_or(0, |cut| cut.position);
    for cut in cuts {
        line(out, json!({ "cut": cut.token }))?;
    }
    let mut marks = after;
    while after < head.position {
        let until = head.position;
        let events = app.store.list(move |conn| store::audit_chain::sealed(conn, after, until, PAGE)).await?;
        let Some(last) = events.last().and_then(|event| event.position) else { break };
        for event in events {
            line(out, value(event))?;
        }
        after = last;
        let checkpoints = app.store.list(move |conn| store::audit_chain::checkpoints(conn, marks, PAGE)).await?;
        for checkpoint in checkpoints.into_iter().filter(|checkpoint| checkpoint.position <= after) {
            marks = checkpoint.position;
            line(out, json!({ "checkpoint": checkpoint.token }))?;
        }
    }
    out.flush()?;
    Ok(())
}

/// All columns, as they are hashed.
fn value(event: Stored) -> Value {
    json!({
        "position": event.position,
        "hash": event.hash,
        "id": event.id,
        "at": event.at,
        "action": event.action,
        "outcome": event.outcome,
        "code": event.code,
        "actorKind": event.actor_kind,
        "actorId": event.actor_id,
        "clientId": event.client_id,
        "ipAddress": event.ip_address,
        "requestId": event.request_id,
        "targetKind": event.target_kind,
        "targetId": event.target_id,
        "changes": event.changes,
        "occurrences": event.occurrences,
    })
}
