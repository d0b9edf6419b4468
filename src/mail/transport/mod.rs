//! How mails leave: over SMTP, or for development into files.
//!
//! A delivery has two steps: `Transport::prepare` brings the next server so far that it wants the message, and can be
//! given up at any time; `Transport::hand_over` gives it the message, and only its answer tells what has happened.

use std::time::Duration;

use anyhow::Context;

use super::letter::Content;
use crate::{config, model::id::shown};

mod directory;
mod smtp;

use directory::Directory;
use smtp::Smtp;

/// Where mails go.
pub(super) enum Transport {
    Smtp(Box<Smtp>),
    Directory(Directory),
}

/// What a worker keeps from one delivery to the next.
#[derive(Default)]
pub(super) struct Line(Option<smtp::Connection>);

/// Why a mail was not accepted.
#[derive(Debug)]
pub(super) struct Failure {
    /// Whether it would be refused again (RFC 5321 §4.2.1: 5yz).
    pub permanent: bool,
    /// What the other side said, or did not.
    pub message: String,
}

impl Failure {
    /// Another attempt may do better.
    fn temporary(message: impl AsRef<str>) -> Failure {
        Failure { permanent: false, message: brief(message.as_ref()) }
    }

    fn permanent(message: impl AsRef<str>) -> Failure {
        Failure { permanent: true, message: brief(message.as_ref()) }
    }
}

/// A few lines of the other side's at most, without what a terminal would obey.
fn brief(text: &str) -> String {
    const MOST: usize = 300;
    let mut brief: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
    if text.chars().nth(MOST).is_some() {
        brief.push('…');
    }
    brief
}

impl Transport {
    /// What is configured; none where nothing is.
    ///
    /// # Errors
    /// In plain words for the operator.
    pub fn new(options: &config::Mail, issuer: &str) -> anyhow::Result<Option<Transport>> {
        if let Some(host) = &options.host {
            let smtp = Smtp::new(options, host, issuer).with_context(|| format!("mail.host {}", shown(host)))?;
            return Ok(Some(Transport::Smtp(Box::new(smtp))));
        }
        match &options.directory {
            Some(path) => Ok(Some(Transport::Directory(Directory::new(path)?))),
            None => Ok(None),
        }
    }

    /// The word that a mail's record has for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Transport::Smtp(_) => "smtp",
            Transport::Directory(_) => "directory",
        }
    }

    /// Whether mails could be handed over now; none is.
    pub async fn knock(&self, patience: Duration) -> Result<(), Failure> {
        match self {
            Transport::Smtp(smtp) => smtp.knock(patience).await,
            Transport::Directory(directory) => directory.knock(),
        }
    }

    /// Gets the next server to want the message. To be dropped at will: nothing is sent then.
    pub async fn prepare(&self, line: &mut Line, content: &Content) -> Result<(), Failure> {
        match self {
            Transport::Smtp(smtp) => smtp.prepare(&mut line.0, content).await,
            Transport::Directory(_) => Ok(()),
        }
    }

    /// Gives it the message; `Ok` means that it has accepted it.
    pub async fn hand_over(&self, line: &mut Line, id: &str, content: Content) -> Result<(), Failure> {
        match self {
            Transport::Smtp(smtp) => smtp.hand_over(&mut line.0, content).await,
            Transport::Directory(directory) => directory.write(id, content).await,
        }
    }
}

impl Line {
    /// Ends a connection that was not used for so long.
    pub fn rest(&mut self, idle: Duration) {
        if self.0.as_ref().is_some_and(|connection| connection.is_idle(idle)) {
            self.hang_up();
        }
    }

    /// Ends the connection in the words of the protocol, without waiting for it.
    pub fn hang_up(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.quit();
        }
    }

    /// Cuts the connection: the server has to forget what it was about to be given (RFC 5321 §4.1.1.4).
    pub fn cut(&mut self) {
        self.0 = None;
    }
}
