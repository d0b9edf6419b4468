//! Outgoing mail: a letter is written and checked ([`letter`], [`template`]), handed in by the transaction that it
//! belongs to ([`crate::store::sending`]), and delivered by a worker ([`queue`]) over a [`transport`].
//!
//! # How often a mail arrives
//!
//! A mail that was handed in is in the database: no crash loses it. One worker at a time has it, by a lease that is
//! renewed right before the message is handed to the next server; a worker that lost the lease sends nothing.
//!
//! SMTP cannot tell a client that vanished whether its message was accepted: between the server's decision and the commit
//! that notes it lies a gap, here of a few milliseconds. Whoever dies in it has sent the mail and does not know. The mail
//! is then sent again, as RFC 5321 §4.2.5 and §6.1 would have it, because the rejected option, to give up after any
//! unknown outcome, loses links that people wait for. Both copies have the same `Message-ID`, by which mailboxes and
//! people recognise the second one. A worker that is stopped in good order gives back what it has not handed over, and
//! waits for the answer to what it has, so that no restart sends anything twice.

use std::{fmt, sync::Arc, time::Duration};

use anyhow::Context;
use tokio::sync::{Notify, watch};

use crate::{
    config::{self, Config},
    keys::Sealer,
    metrics::{Counters, Registry},
    model::email,
    store::sending::NewSending,
};

pub mod letter;
pub mod queue;
pub mod template;
pub mod transport;

pub use letter::Draft;
use transport::Transport;

/// Writes letters and has them delivered. Cheap to clone.
#[derive(Clone)]
pub struct Mailer(Arc<Parts>);

struct Parts {
    options: config::Mail,
    /// What the server calls itself.
    brand: String,
    issuer: String,
    /// From whom, as it goes over the wire.
    from: String,
    sealer: Sealer,
    /// None where nothing is configured.
    transport: Option<Transport>,
    wake: Notify,
    stopping: watch::Sender<bool>,
    /// What became of attempts.
    attempts: Counters<1>,
}

impl Mailer {
    /// A mailer with these options; `sealer` keeps contents while they wait.
    ///
    /// # Errors
    /// In plain words for the operator: certificates that cannot be read, a directory that cannot be made.
    pub fn new(config: &Config, sealer: Sealer) -> anyhow::Result<Mailer> {
        let options = config.mail.clone();
        let transport = Transport::new(&options, config.issuer())?;
        let from = match &transport {
            Some(_) => email::on_the_wire(options.from_address()).map_err(anyhow::Error::msg).context("mail.from")?,
            None => String::new(),
        };
        Ok(Mailer(Arc::new(Parts {
            brand: config.branding.name.clone(),
            issuer: config.issuer().to_owned(),
            options,
            from,
            sealer,
            transport,
            wake: Notify::new(),
            stopping: watch::channel(false).0,
            attempts: Counters::new(["outcome"], [["sent"], ["retry"], ["failed"]]),
        })))
    }

    /// Adds what is counted here to the names that can be read.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Attempts of this server to deliver a mail, by what became of them";
        registry.register("keyward_mail_attempts", help, self.0.attempts.clone());
    }

    /// Whether mail is sent at all.
    pub fn is_configured(&self) -> bool {
        self.0.transport.is_some()
    }

    /// Says that a mail was handed in, or has become due: to be called after the commit. Without it the worker looks
    /// for itself, within a second.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Delivers a mail now, past the queue; for an operator who waits for the answer.
    ///
    /// # Errors
    /// What the other side said, or did not.
    pub async fn deliver_now(&self, new: &NewSending) -> Result<(), String> {
        let content = self.open(&new.id, &new.sealed_content);
        let (Some(transport), Some(content)) = (&self.0.transport, content) else {
            return Err("no mail is sent".to_owned());
        };
        let mut line = transport::Line::default();
        let prepared = transport.prepare(&mut line, &content).await;
        let done = match prepared {
            Ok(()) => transport.hand_over(&mut line, &new.id, content).await,
            Err(failure) => Err(failure),
        };
        line.hang_up();
        done.map_err(|failure| failure.message)
    }

    /// Goes as far with the mail server as a mail would, and sends none: connection, encryption, greeting, authentication.
    /// It gives up after `patience`.
    ///
    /// # Errors
    /// What the other side said, or did not; also where nothing is configured.
    pub async fn knock(&self, patience: Duration) -> Result<(), String> {
        let Some(transport) = &self.0.transport else { return Err("no mail is sent".to_owned()) };
        transport.knock(patience).await.map_err(|failure| failure.message)
    }

    /// Has the worker end: what it has not handed over it gives back, for what it has it waits for the answer.
    pub fn stop(&self) {
        self.0.stopping.send_replace(true);
    }
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailer({})", self.0.options)
    }
}
