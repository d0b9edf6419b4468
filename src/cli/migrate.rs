//! `keyward migrate`.

use super::{data_dir, load, out};
use crate::{
    app::{open_master_key, target},
    config::ConfigArgs,
    store::Store,
};

/// Brings the schema up to date.
///
/// # Errors
/// The database cannot be opened or a migration fails.
pub async fn run(args: &ConfigArgs) -> anyhow::Result<()> {
    let config = load(args)?;
    data_dir::prepare(&config)?;
    // made together with the data: beside a database that is in use a missing key is a lost one
    open_master_key(&config)?;
    let target = target(&config);
    tokio::task::spawn_blocking(move || Store::open(&target)).await??;
    out::print(&format!("The schema of {} is up to date.", config.database()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ConfigArgs,
    }

    #[tokio::test]
    async fn data_that_begins_with_a_migration_can_be_opened() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let args = Line::parse_from(["migrate", "--data-dir", data.to_str().unwrap()]).args;
        run(&args).await.unwrap();
        let config = load(&args).unwrap();
        data_dir::open_existing(config).await.unwrap();
    }
}
