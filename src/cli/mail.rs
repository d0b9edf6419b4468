//! `keyward mail test`.

use anyhow::Context;
use clap::Subcommand;

use super::{Refused, load, out};
use crate::{
    clock::Clock,
    config::ConfigArgs,
    keys::MasterKey,
    mail::Mailer,
    model::secret::{Kind, Secret},
};

/// What to do about mail.
#[derive(Debug, Subcommand)]
pub enum MailCommand {
    /// Send a mail to an address, at once and past the queue, and say what came of it
    Test {
        /// To whom
        address: String,
        /// Where the mail server is
        #[command(flatten)]
        config: ConfigArgs,
    },
}

/// Runs the command.
///
/// # Errors
/// Mail is not configured, the address is none, or what the mail server said.
pub async fn run(command: &MailCommand) -> anyhow::Result<()> {
    let MailCommand::Test { address, config } = command;
    let config = load(config)?;
    // nothing is kept, so nothing has to be opened later
    let master = MasterKey::from_secret(Secret::generate(Kind::SetupLink).reveal())?;
    let mailer = Mailer::new(&config, master.sealer("mail"))?;
    let mail = mailer.test(address, Clock::System.now()).map_err(|problem| Refused(vec![problem.detail]))?;
    let delivered = Box::pin(mailer.deliver_now(&mail)).await;
    delivered.map_err(anyhow::Error::msg).with_context(|| format!("sending {}", config.mail))?;
    out::print(&format!("Accepted: {}", config.mail));
    Ok(())
}
