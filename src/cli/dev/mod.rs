//! `keyward dev`: for those who work on Keyward. Hidden from the help, since nobody else needs it.

use clap::Subcommand;

pub mod bench_lists;
pub mod bench_refresh;
pub mod ceiling;
pub mod costs;
pub mod fill;
pub mod load;
mod people;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum DevCommand {
    /// Fill a database with made-up principals, clients and roles
    Fill(fill::FillArgs),
    /// Measure how long pages of lists take
    BenchLists(bench_lists::BenchArgs),
    /// Measure how often refresh tokens can be replaced, without HTTP and without signatures
    BenchRefresh(bench_refresh::BenchArgs),
    /// Serve answers that cost nothing to make, through the real server: what is left is the cost of HTTP
    Ceiling(ceiling::CeilingArgs),
    /// Measure what signatures, verifications and password hashes cost here, as JSON
    Costs(costs::CostsArgs),
}

/// Runs the command.
///
/// # Errors
/// What is wrong with what was asked for.
pub async fn run(command: DevCommand) -> anyhow::Result<()> {
    match command {
        DevCommand::Fill(args) => fill::run(&args).await,
        DevCommand::BenchLists(args) => bench_lists::run(&args).await,
        DevCommand::BenchRefresh(args) => bench_refresh::run(&args).await,
        DevCommand::Ceiling(args) => ceiling::run(&args).await,
        DevCommand::Costs(args) => costs::run(&args).await,
    }
}
