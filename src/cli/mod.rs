//! The commands of the `keyward` program, one file per command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{
    config::{Config, ConfigArgs, ConfigErrors},
    telemetry,
};

pub mod apply;
pub mod audit;
pub mod backup;
pub mod client;
pub mod config;
pub mod data_dir;
pub mod demo;
pub mod dev;
pub mod doctor;
pub mod export;
pub mod file;
pub mod forms;
pub mod healthcheck;
pub mod key;
pub mod log_level;
pub mod mail;
pub mod migrate;
pub mod out;
pub mod place;
pub mod principal;
pub mod resource;
pub mod restore;
pub mod role;
pub mod serve;
pub mod setup_link;
pub mod table;
pub mod try_it;

/// Exit status of a failure while running.
const FAILED: u8 = 1;
/// Exit status of a command that was not understood or a configuration with faults.
const USAGE: u8 = 2;

/// An OAuth 2.x and OpenID Connect authorization server
#[derive(Debug, Parser)]
#[command(name = "keyward", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(ConfigArgs),
    /// Try Keyward out: a server with throw-away data and something to sign in to
    Try(try_it::TryArgs),
    /// Make a new one-time link for the first owner; the one before stops working
    SetupLink(ConfigArgs),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Bring the database's schema up to date and stop (`serve` does so too), tell how, or go back
    Migrate(migrate::MigrateArgs),
    /// Write everything into one file, while servers go on
    Backup(backup::BackupArgs),
    /// Bring a backup back into a database that holds nothing yet
    Restore(restore::RestoreArgs),
    /// Look at the signing keys, or rotate them
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// See whether mail arrives
    #[command(subcommand)]
    Mail(mail::MailCommand),
    /// Ask the running server whether it is ready: exit status 0 if it is, 1 if not
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Examine a running server from outside in, and say how to fix what is wrong
    ///
    /// It takes the configuration of the server (file, environment, flags), runs on the server's machine as the server's user
    /// while the server runs, and speaks with it only through the issuer. A person and an application that are made for it
    /// sign in once, and are gone afterwards; the audit log tells of them.
    ///
    /// The checks: issuer, tls, ready, metadata, proxy_headers, https_only, certificate_file, file_modes, disk_space, database,
    /// database_latency, database_settings, clock_database, mail, mail_queue, keys, login, client_address, cookies,
    /// clock_server. Each is ok, a warning, a problem, or was not checked.
    Doctor(doctor::DoctorArgs),
    /// Make the running server log more or less, until it is started anew
    LogLevel(log_level::LogLevelArgs),
    /// Manage clients
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Manage principals, the people who sign in
    #[command(subcommand)]
    Principal(principal::PrincipalCommand),
    /// Manage roles, named lists of permissions
    #[command(subcommand)]
    Role(role::RoleCommand),
    /// Write roles, clients and principals as a file, without secrets and passwords
    Export(export::ExportArgs),
    /// Make roles, clients and principals as a file says, in one transaction; what is the same is left alone
    Apply(apply::ApplyArgs),
    /// Verify the audit log, or write it as a file
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Work on Keyward itself: made-up data, measurements
    #[command(subcommand, hide = true)]
    Dev(dev::DevCommand),
}

/// A command that cannot be carried out as it was given; everything that is wrong with it, at once.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Refused(pub Vec<String>);

/// Runs the command that the program was called with.
///
/// The exit status is 0 if that went well, 1 if it failed, 2 if the command or the configuration is wrong.
pub fn main() -> ExitCode {
    // ends the process with 2 where the command is not understood
    let cli = Cli::parse();
    // The server's workers have runtimes of their own; this one has the background tasks.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(Box::pin(run(cli.command))),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "keyward: {error:#}");
            match error.is::<ConfigErrors>() || error.is::<Refused>() {
                true => ExitCode::from(USAGE),
                false => ExitCode::from(FAILED),
            }
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    // servers log as they are configured
    if !matches!(command, Command::Serve(_) | Command::Try(_) | Command::Dev(dev::DevCommand::Ceiling(_))) {
        telemetry::init_quiet();
    }
    match command {
        Command::Serve(args) => serve::run(&args).await,
        Command::Try(args) => try_it::run(args).await,
        Command::SetupLink(args) => setup_link::run(&args).await,
        Command::Config(command) => config::run(&command),
        Command::Migrate(args) => migrate::run(&args).await,
        Command::Backup(args) => backup::run(args).await,
        Command::Restore(args) => restore::run(args).await,
        Command::Key(command) => Box::pin(key::run(command)).await,
        Command::Mail(command) => mail::run(&command).await,
        Command::Healthcheck(args) => healthcheck::run(&args).await,
        Command::Doctor(args) => Box::pin(doctor::run(&args)).await,
        Command::LogLevel(args) => log_level::run(&args),
        Command::Client(command) => client::run(command).await,
        Command::Principal(command) => principal::run(command).await,
        Command::Role(command) => role::run(command).await,
        Command::Export(args) => export::run(args).await,
        Command::Apply(args) => apply::run(args).await,
        Command::Audit(command) => audit::run(command).await,
        Command::Dev(command) => Box::pin(dev::run(command)).await,
    }
}

/// The configuration that the flags, the environment and the file give.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(args: &ConfigArgs) -> Result<Config, ConfigErrors> {
    Config::load(args, crate::config::environment()).map(|loaded| loaded.config)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_fit_together() {
        Cli::command().debug_assert();
    }
}
