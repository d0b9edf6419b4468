//! `keyward migrate`.

use clap::{Args, builder::RangedU64ValueParser};

use super::{data_dir, load, out};
use crate::{
    app::{open_master_key, target},
    config::{ConfigArgs, DatabaseTarget},
    store::{
        Store,
        migrate::{self, Pending},
        snapshot,
    },
};

/// Which way to go.
#[derive(Args, Debug)]
pub struct MigrateArgs {
    /// Only tell what would be done: what each step does, whom it holds up and for about how long
    #[arg(long)]
    plan: bool,
    /// Take back the last steps, so many of them, for an older program; stop all servers before
    #[arg(long, value_name = "STEPS", conflicts_with = "plan", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    down: Option<usize>,
    /// Do not ask before steps are taken back
    #[arg(long, requires = "down")]
    yes: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Brings the schema up to date, tells how, or goes back.
///
/// # Errors
/// The database cannot be opened or a migration fails.
pub async fn run(args: &MigrateArgs) -> anyhow::Result<()> {
    let config = load(&args.config)?;
    let shown = config.database().to_string();
    if args.plan {
        if let DatabaseTarget::Sqlite(path) = config.database()
            && !path.exists()
        {
            out::print(&format!("There is no data at {shown} yet: it is made at the first start."));
            return Ok(());
        }
        let target = target(&config);
        let plan =
            tokio::task::spawn_blocking(move || migrate::plan(&mut snapshot::connect(&target, false)?)).await??;
        out::print(&text(&shown, &plan));
        return Ok(());
    }
    data_dir::prepare(&config)?;
    if let Some(steps) = args.down {
        let _lock = data_dir::lock(&config)?;
        let question =
            format!("Take back the last {steps} steps of the schema of {shown}? What only they hold is lost.");
        if !args.yes && !out::confirm(&question)? {
            return Ok(());
        }
        let target = target(&config);
        let names =
            tokio::task::spawn_blocking(move || migrate::down(&mut snapshot::connect(&target, true)?, steps)).await??;
        out::print(&format!(
            "Taken back: {}. This program would do them again: start the older one.",
            names.join(", ")
        ));
        return Ok(());
    }
    // made together with the data: beside a database that is in use a missing key is a lost one
    open_master_key(&config)?;
    let target = target(&config);
    tokio::task::spawn_blocking(move || Store::open(&target)).await??;
    out::print(&format!("The schema of {shown} is up to date."));
    Ok(())
}

fn text(database: &str, plan: &[Pending]) -> String {
    if plan.is_empty() {
        return format!("The schema of {database} is up to date.");
    }
    let mut text = format!("{} steps are pending on {database}, in this order:\n", plan.len());
    for pending in plan {
        let Some(step) = &pending.step else {
            text.push_str(&format!("  {}\n", pending.name));
            continue;
        };
        text.push_str(&format!("  {}: {}\n", pending.name, step.what));
        text.push_str(&format!("    holds up: {} (the embedded database: all writers)\n", step.lock));
        let estimate = match pending.rows.saturating_mul(step.per_row) / 1_000_000 {
            0 => "less than a second".to_owned(),
            seconds => format!("about {seconds} seconds"),
        };
        text.push_str(&format!("    goes through {} rows: {estimate}\n", pending.rows));
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: MigrateArgs,
    }

    #[tokio::test]
    async fn data_that_begins_with_a_migration_can_be_opened() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let args = Line::parse_from(["migrate", "--data-dir", data.to_str().unwrap()]).args;
        run(&args).await.unwrap();
        let config = load(&args.config).unwrap();
        data_dir::open_existing(config).await.unwrap();
    }
}
