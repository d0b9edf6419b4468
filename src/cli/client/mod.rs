//! `keyward client`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    place::{Kind, Place},
    resource::{self, DeleteArgs, FieldArgs, ShowArgs},
    table,
};

mod create;
mod secret;

/// What to do with clients.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// List clients, in the order of their registration
    List(Box<ListArgs>),
    /// Show a client
    Show(OneArgs),
    /// Create a client; its secret is printed once and never again
    Create(Box<create::CreateArgs>),
    /// Change a client: what is given replaces
    Update(Box<UpdateArgs>),
    /// Delete a client with its secrets, grants and tokens; its id is never used again
    Delete(EndArgs),
    /// Manage a client's secrets; several live side by side, so that one is replaced without an interruption
    #[command(subcommand)]
    Secret(secret::SecretCommand),
}

/// Which clients.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// The name contains this
    #[arg(long)]
    name: Option<String>,
    /// Name or id contains this
    #[arg(long)]
    q: Option<String>,
    /// They have this role
    #[arg(long)]
    role: Option<String>,
    /// They have a role whose key begins so
    #[arg(long, value_name = "PREFIX")]
    role_prefix: Option<String>,
    /// Suspended ones as well
    #[arg(long)]
    include_suspended: bool,
    /// Built-in ones as well
    #[arg(long)]
    include_system: bool,
    /// At most so many [default: all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    show: ShowArgs,
}

/// Which client.
#[derive(Args, Debug)]
pub struct OneArgs {
    /// The client's id
    id: String,
    #[command(flatten)]
    show: ShowArgs,
}

/// What to change.
#[derive(Args, Debug)]
pub struct UpdateArgs {
    /// The client's id
    id: String,
    /// What people are told it is called
    #[arg(long)]
    name: Option<String>,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// Where people may be sent back to; may be repeated, and replaces all of them
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// The scopes that it may ask for, separated by blanks
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// A role; may be repeated, and replaces all roles
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// It gets nothing any more, its tokens are refused, its grants end for good
    #[arg(long)]
    suspend: bool,
    /// Let it act again
    #[arg(long, conflicts_with = "suspend")]
    unsuspend: bool,
    #[command(flatten)]
    fields: FieldArgs,
    /// Only this version (the eTag that was read)
    #[arg(long, value_name = "ETAG", allow_hyphen_values = true)]
    if_match: Option<String>,
    #[command(flatten)]
    show: ShowArgs,
}

/// What to delete.
#[derive(Args, Debug)]
pub struct EndArgs {
    /// The client's id
    id: String,
    #[command(flatten)]
    delete: DeleteArgs,
}

/// Runs the command.
///
/// # Errors
/// What is wrong with what was asked for, or that it cannot be done.
pub async fn run(command: ClientCommand) -> anyhow::Result<()> {
    match command {
        ClientCommand::List(args) => list(*args).await,
        ClientCommand::Create(args) => create::run(*args).await,
        ClientCommand::Secret(command) => secret::run(command).await,
        ClientCommand::Show(args) => {
            let document = Place::open(&args.show.place).await?.get(Kind::Client, &args.id).await?;
            resource::print_document(&document, args.show.json);
            Ok(())
        }
        ClientCommand::Update(args) => {
            let body = args.fields.body(said(&args))?;
            let place = Place::open(&args.show.place).await?;
            let before = place.get(Kind::Client, &args.id).await?;
            let suspended = (args.suspend || args.unsuspend).then_some(args.suspend);
            let if_match = args.if_match.as_deref();
            let document = resource::update(&place, Kind::Client, before, body, suspended, if_match).await?;
            resource::print_document(&document, args.show.json);
            Ok(())
        }
        ClientCommand::Delete(args) => {
            let place = Place::open(&args.delete.place).await?;
            let document = place.get(Kind::Client, &args.id).await?;
            let label = format!("{} ({})", document["name"].as_str().unwrap_or_default(), args.id);
            resource::delete(&place, Kind::Client, &document, &label, false, &args.delete).await
        }
    }
}

async fn list(args: ListArgs) -> anyhow::Result<()> {
    let place = Place::open(&args.show.place).await?;
    let texts = [("name", args.name), ("q", args.q), ("role", args.role), ("rolePrefix", args.role_prefix)];
    let mut query: Vec<_> = texts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    for (name, wanted) in [("includeSuspended", args.include_suspended), ("includeSystem", args.include_system)] {
        query.extend(wanted.then(|| (name, "true".to_owned())));
    }
    let columns: resource::Columns<'_> = (&["ID", "NAME", "GRANTS", "ROLES", "STATE"], row);
    resource::print_list(&place, Kind::Client, &query, args.limit, args.show.json, columns).await
}

fn row(client: &Value) -> Vec<String> {
    let mut row: Vec<String> =
        ["id", "name", "grantTypes", "roles"].iter().map(|name| table::text(&client[*name])).collect();
    let state = match (client["suspendedAt"].is_null(), client["systemClient"] == true) {
        (false, _) => "suspended",
        (true, true) => "built in",
        (true, false) => "active",
    };
    row.push(state.to_owned());
    row
}

fn said(args: &UpdateArgs) -> Map<String, Value> {
    let mut said = Map::new();
    for (name, value) in [("name", &args.name), ("description", &args.description)] {
        if let Some(value) = value {
            said.insert(name.to_owned(), json!(value));
        }
    }
    for (name, values) in [("redirectUris", &args.redirect_uris), ("roles", &args.roles)] {
        if !values.is_empty() {
            said.insert(name.to_owned(), json!(values));
        }
    }
    if let Some(scope) = &args.scope {
        said.insert("scopes".to_owned(), scope.split_whitespace().collect());
    }
    said
}
