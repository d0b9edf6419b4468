//! `keyward migrate`.

use super::{data_dir, load, out};
use crate::{
    config::{ConfigArgs, DatabaseTarget},
    store::{Store, Target},
};

/// Brings the schema up to date.
///
/// # Errors
/// The database cannot be opened or a migration fails.
pub async fn run(args: &ConfigArgs) -> anyhow::Result<()> {
    let config = load(args)?;
    data_dir::prepare(&config)?;
    let target = match config.database() {
        DatabaseTarget::Sqlite(path) => Target::Sqlite(path),
        DatabaseTarget::Postgres(url) => Target::Postgres(url, 1),
    };
    tokio::task::spawn_blocking(move || Store::open(&target)).await??;
    out::print(&format!("The schema of {} is up to date.", config.database()));
    Ok(())
}
