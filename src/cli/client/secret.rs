//! `keyward client secret`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::{
    out,
    place::{Place, PlaceArgs},
    resource::ShowArgs,
    table,
};

/// What to do with a client's secrets.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// List the secrets, without their values
    List(ListArgs),
    /// Make another secret, printed once and never again
    Create(CreateArgs),
    /// Remove a secret, which stops working at once
    Delete(DeleteArgs),
}

/// Whose secrets.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// The client's id
    id: String,
    #[command(flatten)]
    show: ShowArgs,
}

/// The new secret.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// The client's id
    id: String,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// When it stops working, such as 2036-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    #[command(flatten)]
    show: ShowArgs,
}

/// Which secret.
#[derive(Args, Debug)]
pub struct DeleteArgs {
    /// The client's id
    id: String,
    /// The secret's id, as listed
    secret: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Runs the command.
///
/// # Errors
/// What is wrong with what was asked for, or that it cannot be done.
pub(super) async fn run(command: SecretCommand) -> anyhow::Result<()> {
    match command {
        SecretCommand::List(args) => {
            let mut answer = Place::open(&args.show.place).await?.secrets(&args.id).await?;
            let secrets = answer["secrets"].take();
            if args.show.json {
                out::json(&secrets);
                return Ok(());
            }
            let headings = ["ID", "ENDS IN", "DESCRIPTION", "CREATED", "EXPIRES", "LAST USED"];
            let members = ["id", "hint", "description", "createdAt", "expiresAt", "lastUsedAt"];
            let row = |secret: &Value| members.iter().map(|name| table::text(&secret[*name])).collect::<Vec<_>>();
            match secrets.as_array().filter(|secrets| !secrets.is_empty()) {
                Some(secrets) => out::print(&table::table(&headings, secrets.iter().map(row))),
                None => out::note("It has no secret."),
            }
            Ok(())
        }
        SecretCommand::Create(args) => {
            let mut body = Map::new();
            for (name, value) in [("description", args.description), ("expiresAt", args.expires_at)] {
                if let Some(value) = value {
                    body.insert(name.to_owned(), json!(value));
                }
            }
            let made = Place::open(&args.show.place).await?.add_secret(&args.id, body).await?;
            if args.show.json {
                out::json(&made);
                return Ok(());
            }
            let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
            let (id, secret) = (text("id"), text("secret"));
            out::print(&format!("id:            {id}\nclient_secret: {secret}\n\nThe secret is not shown again.\n"));
            Ok(())
        }
        SecretCommand::Delete(args) => {
            let place = Place::open(&args.place).await?;
            let question = format!("Remove the secret {} of {}?", out::plain(&args.secret), out::plain(&args.id));
            if !args.yes && !out::confirm(&question)? {
                anyhow::bail!("nothing was removed");
            }
            place.delete_secret(&args.id, &args.secret).await?;
            out::note("Removed the secret.");
            Ok(())
        }
    }
}
