//! `keyward dev`: for those who work on Keyward. Hidden from the help, since nobody else needs it.

use clap::Subcommand;

pub mod bench_lists;
pub mod fill;
mod people;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum DevCommand {
    /// Fill a database with made-up principals, clients and roles
    Fill(fill::FillArgs),
    /// Measure how long pages of lists take
    BenchLists(bench_lists::BenchArgs),
}

/// Runs the command.
///
/// # Errors
/// What is wrong with what was asked for.
pub async fn run(command: DevCommand) -> anyhow::Result<()> {
    match command {
        DevCommand::Fill(args) => fill::run(&args).await,
        DevCommand::BenchLists(args) => bench_lists::run(&args).await,
    }
}
