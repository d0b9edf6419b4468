//! Where administrators' commands act: straight on the database, or over HTTP on a server. Both take and give the same
//! documents, so that each command is written once.

use std::{
    io::{IsTerminal, Read},
    path::PathBuf,
};

use clap::Args;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::{Refused, data_dir, load};
use crate::{
    config::ConfigArgs,
    directory::{Precondition, apply::Progress},
};

mod database;
mod server;

pub use database::Database;
pub(super) use database::{end_setup, failure};
pub use server::Server;

pub use crate::directory::apply::Kind;

/// The heading of these flags in a command's help.
const HEADING: &str = "Server";
/// The variable that holds the token.
const TOKEN: &str = "KEYWARD_TOKEN";
/// The most bytes of a file with a token.
const MAX_TOKEN: u64 = 16_384;

/// The flags that say where to act.
#[derive(Args, Clone, Debug)]
pub struct PlaceArgs {
    /// Act on the server at this address (its issuer), and not on the database; the token comes from the variable
    /// KEYWARD_TOKEN or from --token-file
    #[arg(long, help_heading = HEADING, value_name = "URL")]
    server: Option<String>,
    /// A file with the access token or personal access token; - is standard input
    #[arg(long, help_heading = HEADING, value_name = "FILE", requires = "server")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

/// Where to act.
pub enum Place {
    /// The database that the configuration names, as its operator.
    Database(Database),
    /// A server, with a token.
    Server(Server),
}

impl Place {
    /// Opens what the flags name.
    ///
    /// # Errors
    /// What is wrong with the flags, the configuration or the token.
    pub async fn open(args: &PlaceArgs) -> anyhow::Result<Place> {
        match &args.server {
            Some(address) => Ok(Place::Server(Server::new(address, || token(args))?)),
            None => Ok(Place::Database(Database::new(data_dir::open_existing(load(&args.config)?).await?))),
        }
    }

    /// A page of a list, as the API answers it: the rows under the kind's plural, `totalCount`, `lastCursor`.
    ///
    /// # Errors
    /// As everything here: what the API would answer as a problem, or that the place cannot be reached.
    pub async fn list(&self, kind: Kind, query: &[(&str, String)]) -> anyhow::Result<Value> {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        match self {
            Place::Database(database) => database.list(kind, &query).await,
            Place::Server(server) => server.list(kind, &query).await,
        }
    }

    /// The document of an object.
    ///
    /// # Errors
    /// As [`Place::list`].
    pub async fn get(&self, kind: Kind, id: &str) -> anyhow::Result<Value> {
        match self {
            Place::Database(database) => database.get(kind, id).await,
            Place::Server(server) => server.get(kind, id).await,
        }
    }

    /// Makes or changes an object; the document as it is then.
    ///
    /// # Errors
    /// As [`Place::list`].
    pub async fn put(
        &self,
        kind: Kind,
        id: &str,
        body: Map<String, Value>,
        precondition: Precondition,
    ) -> anyhow::Result<Value> {
        match self {
            Place::Database(database) => database.put(kind, id, body, precondition).await,
            Place::Server(server) => server.put(kind, id, &body, &precondition).await,
        }
    }

    /// Deletes an object; `force`: a role also where somebody has it.
    ///
    /// # Errors
    /// As [`Place::list`].
    pub async fn delete(&self, kind: Kind, id: &str, force: bool, precondition: Precondition) -> anyhow::Result<()> {
        match self {
            Place::Database(database) => database.delete(kind, id, force, precondition).await,
            Place::Server(server) => server.delete(kind, id, force, &precondition).await,
        }
    }

    /// Suspends a client or principal, or lets it act again; the document as it is then.
    ///
    /// # Errors
    /// As [`Place::list`].
    pub async fn suspend(
        &self,
        kind: Kind,
        id: &str,
        suspended: bool,
        precondition: Precondition,
    ) -> anyhow::Result<Value> {
        match self {
            Place::Database(database) => database.suspend(kind, id, suspended, precondition).await,
            Place::Server(server) => server.suspend(kind, id, suspended, &precondition).await,
        }
    }

    /// Gives a principal a temporary password, which is in the answer and nowhere else.
    ///
    /// # Errors
    /// As [`Place::list`].
    pub async fn reset_password(&self, id: &str, precondition: Precondition) -> anyhow::Result<Value> {
        match self {
            Place::Database(database) => database.reset_password(id, precondition).await,
            Place::Server(server) => server.reset_password(id, &precondition).await,
        }
    }

    /// All secrets of a client, without their values.
    ///
    /// # Errors
    /// As [`Place::list`].
    pub async fn secrets(&self, client: &str) -> anyhow::Result<Value> {
        match self {
            Place::Database(database) => database.secrets(client).await,
            Place::Server(server) => server.secrets(client).await,
        }
    }

    /// Gives a client another secret, whose value is in the answer and nowhere else.
    ///
    /// # Errors
    /// As [`Place::list`].
    pub async fn add_secret(&self, client: &str, body: Map<String, Value>) -> anyhow::Result<Value> {
        match self {
            Place::Database(database) => database.add_secret(client, body).await,
            Place::Server(server) => server.add_secret(client, &body).await,
        }
    }

    /// Makes a file true, in one transaction: what was done, as the API answers it.
    ///
    /// # Errors
    /// As [`Place::list`].
    pub async fn apply(
        &self,
        file: Map<String, Value>,
        dry_run: bool,
        prune: bool,
        progress: Progress,
    ) -> anyhow::Result<Value> {
        match self {
            Place::Database(database) => database.apply(file, dry_run, prune, progress).await,
            Place::Server(server) => server.apply(&file, dry_run, prune).await,
        }
    }

    /// Removes a secret of a client.
    ///
    /// # Errors
    /// As [`Place::list`].
    pub async fn delete_secret(&self, client: &str, secret: &str) -> anyhow::Result<()> {
        match self {
            Place::Database(database) => database.delete_secret(client, secret).await,
            Place::Server(server) => server.delete_secret(client, secret).await,
        }
    }
}

/// The token; never out of the command line, which every process of the machine can read.
fn token(args: &PlaceArgs) -> anyhow::Result<SecretString> {
    let text = match &args.token_file {
        Some(path) => {
            let mut text = zeroize::Zeroizing::new(String::new());
            let read = match path.as_os_str() == "-" {
                true => {
                    if std::io::stdin().is_terminal() {
                        super::out::note("the access token, and then Enter and Ctrl-D:");
                    }
                    std::io::stdin().take(MAX_TOKEN).read_to_string(&mut text)
                }
                false => std::fs::File::open(path).and_then(|file| file.take(MAX_TOKEN).read_to_string(&mut text)),
            };
            read.map_err(|error| Refused(vec![format!("--token-file: cannot read {}: {error}", path.display())]))?;
            text
        }
        None => {
            let given = crate::config::environment().find(|(name, _)| name == TOKEN).map(|(_, value)| value);
            zeroize::Zeroizing::new(given.unwrap_or_default())
        }
    };
    match text.trim() {
        "" => {
            let message = format!("expected an access token in the variable {TOKEN} or in --token-file, got none");
            Err(Refused(vec![message]).into())
        }
        token => Ok(token.to_owned().into()),
    }
}
