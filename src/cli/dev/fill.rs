//! `keyward dev fill`: made-up principals, clients and roles, as many as are asked for.

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{super::data_dir, load, people};
use crate::{
    app::App,
    cli::{self, Refused, out},
    config::ConfigArgs,
    store,
};

/// Rows per transaction.
pub(super) const BATCH: u64 = 10_000;

/// What to make up.
#[derive(Args, Debug)]
pub struct FillArgs {
    /// How many principals
    #[arg(long, default_value_t = 10_000)]
    principals: u64,
    /// How many clients
    #[arg(long, default_value_t = 100)]
    clients: u64,
    /// How many roles they share
    #[arg(long, default_value_t = 36)]
    roles: u64,
    /// The same seed makes the same rows; a database takes each seed once
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Go on although somebody owns this server
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    load: load::LoadArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the command.
///
/// # Errors
/// The database is in use, or took these rows before.
pub async fn run(args: &FillArgs) -> anyhow::Result<()> {
    let app = data_dir::open(cli::load(&args.config)?).await?;
    if !args.yes && app.store.read(store::setup::is_done).await? {
        let refused = "somebody owns this server: what is made up would stand among what is theirs, and cannot be told \
                       apart afterwards. --yes does it all the same.";
        return Err(Refused(vec![refused.to_owned()]).into());
    }
    fill(&app, args).await?;
    load::fill(&app, &args.load, load::People { seed: args.seed, principals: args.principals, roles: args.roles })
        .await?;
    app.store.write(store::fill::finish).await?;
    out::print(&format!("{} principals, {} clients, {} roles\n", args.principals, args.clients, args.roles));
    Ok(())
}

async fn fill(app: &App, args: &FillArgs) -> anyhow::Result<()> {
    let (seed, of_roles) = (args.seed, args.roles);
    let bar = ProgressBar::new(args.principals + args.clients);
    bar.set_style(ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} rows, {eta} left")?);
    app.store
        .write(move |tx| {
            store::fill::begin(tx)?;
            store::fill::roles(tx, &(0..of_roles).map(people::role).collect::<Vec<_>>())
        })
        .await?;
    for begin in (0..args.principals).step_by(BATCH as usize) {
        let end = (begin + BATCH).min(args.principals);
        let rows: Vec<_> = (begin..end).map(|row| people::principal(seed, row, of_roles)).collect();
        app.store.write(move |tx| store::fill::principals(tx, &rows)).await?;
        bar.inc(end - begin);
    }
    for begin in (0..args.clients).step_by(BATCH as usize) {
        let end = (begin + BATCH).min(args.clients);
        let rows: Vec<_> = (begin..end).map(|row| people::client(seed, row, of_roles)).collect();
        app.store.write(move |tx| store::fill::clients(tx, &rows)).await?;
        bar.inc(end - begin);
    }
    bar.finish_and_clear();
    Ok(())
}
