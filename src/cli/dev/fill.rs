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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        identity::token,
        model::secret::{Kind, Secret},
        store::purge,
    };

    fn config_args(directory: &std::path::Path) -> ConfigArgs {
        let set = ["passwords.argon2_memory_kib=8", "passwords.argon2_iterations=1"];
        ConfigArgs {
            data_dir: directory.to_str().map(str::to_owned),
            set: set.map(str::to_owned).into(),
            ..ConfigArgs::default()
        }
    }

    #[tokio::test]
    async fn what_is_made_up_for_a_load_test_holds() {
        let directory = tempfile::tempdir().unwrap();
        let (data, file) = (directory.path().join("data"), directory.path().join("credentials"));
        let load = load::LoadArgs {
            credentials: Some(file.clone()),
            services: 2,
            sessions: 20,
            refresh_tokens: 20,
            expired: 30,
            known: 5,
        };
        let (config, seed, yes) = (config_args(&data), 1, false);
        let args = FillArgs { principals: 10, clients: 3, roles: 18, seed, yes, load, config };
        run(&args).await.unwrap();
        assert!(run(&args).await.is_err(), "a seed is taken once");

        let app = data_dir::open(cli::load(&args.config).unwrap()).await.unwrap();
        let told = std::fs::read_to_string(file).unwrap();
        let all = |kind: &str| -> Vec<&str> {
            told.lines().filter_map(|line| line.strip_prefix(kind)?.strip_prefix('\t')).collect()
        };
        assert_eq!(["jwt", "opaque", "refresh", "principal"].map(|kind| all(kind).len()), [5; 4]);
        let now = app.clock.now();
        for text in all("jwt").into_iter().chain(all("opaque")) {
            let active = token::verify(&app, text, now).await.unwrap();
            assert!(active.unwrap().scope.contains("profile"));
        }
        for text in all("refresh") {
            let hash = Secret::presented(Kind::RefreshToken, text).unwrap().hash();
            let found = app.store.read(move |conn| store::refresh_token::find(conn, &hash)).await.unwrap();
            assert!(found.unwrap().expires_at > now);
        }
        let purged = purge::run(&app.store, now).await.unwrap();
        assert_eq!(purged, 30, "what is to be purged is, and nothing else");
    }
}
