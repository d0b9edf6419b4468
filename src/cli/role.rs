//! `keyward role`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    place::{Kind, Place},
    resource::{self, DeleteArgs, FieldArgs, ShowArgs},
    table,
};
use crate::directory::Precondition;

/// What to do with roles.
#[derive(Debug, Subcommand)]
pub enum RoleCommand {
    /// List roles, in the order of their keys
    List(ListArgs),
    /// Show a role
    Show(OneArgs),
    /// Create a role
    Create(Box<CreateArgs>),
    /// Change a role: what is given replaces
    Update(Box<UpdateArgs>),
    /// Delete a role
    Delete(EndArgs),
}

/// Which roles.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// How the key begins
    #[arg(long)]
    prefix: Option<String>,
    /// At most so many [default: all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    show: ShowArgs,
}

/// Which role.
#[derive(Args, Debug)]
pub struct OneArgs {
    /// The role's key
    key: String,
    #[command(flatten)]
    show: ShowArgs,
}

/// What a role is to be.
#[derive(Args, Debug)]
pub struct Members {
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// What it allows, such as iam/principals:read; may be repeated, and replaces all that it allowed
    #[arg(long = "permission", value_name = "RESOURCE:PERMISSION")]
    permissions: Vec<String>,
    #[command(flatten)]
    fields: FieldArgs,
}

/// The new role.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Its key, {namespace}:{capability}, such as support:agent
    key: String,
    #[command(flatten)]
    members: Members,
    #[command(flatten)]
    show: ShowArgs,
}

/// What to change.
#[derive(Args, Debug)]
pub struct UpdateArgs {
    /// The role's key
    key: String,
    #[command(flatten)]
    members: Members,
    /// Only this version (the eTag that was read)
    #[arg(long, value_name = "ETAG", allow_hyphen_values = true)]
    if_match: Option<String>,
    #[command(flatten)]
    show: ShowArgs,
}

/// What to delete.
#[derive(Args, Debug)]
pub struct EndArgs {
    /// The role's key
    key: String,
    /// Also where somebody has it, who then has it no more
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    delete: DeleteArgs,
}

impl Members {
    fn body(&self) -> anyhow::Result<Map<String, Value>> {
        let mut said = Map::new();
        if let Some(description) = &self.description {
            said.insert("description".to_owned(), json!(description));
        }
        if !self.permissions.is_empty() {
            let entries: Vec<Value> = self.permissions.iter().map(|permission| entry(permission)).collect();
            said.insert("acl".to_owned(), json!({ "entries": entries }));
        }
        self.fields.body(said)
    }
}

/// One permission as an entry of a list; one without a colon is refused with the rest of the document.
fn entry(permission: &str) -> Value {
    let (resource, action) = permission.rsplit_once(':').unwrap_or((permission, ""));
    json!({ "resource": [resource], "permission": [action] })
}

/// Runs the command.
///
/// # Errors
/// What is wrong with what was asked for, or that it cannot be done.
pub async fn run(command: RoleCommand) -> anyhow::Result<()> {
    match command {
        RoleCommand::List(args) => {
            let place = Place::open(&args.show.place).await?;
            let query: Vec<_> = args.prefix.map(|prefix| ("prefix", prefix)).into_iter().collect();
            let columns: (&[&str], _) = (&["KEY", "DESCRIPTION", "PERMISSIONS"], row as fn(&Value) -> Vec<String>);
            resource::print_list(&place, Kind::Role, &query, args.limit, args.show.json, columns).await
        }
        RoleCommand::Show(args) => {
            let document = Place::open(&args.show.place).await?.get(Kind::Role, &args.key).await?;
            resource::print_document(&document, args.show.json);
            Ok(())
        }
        RoleCommand::Create(args) => {
            let body = args.members.body()?;
            let place = Place::open(&args.show.place).await?;
            let document = place.put(Kind::Role, &args.key, body, Precondition::Absent).await?;
            resource::print_document(&document, args.show.json);
            Ok(())
        }
        RoleCommand::Update(args) => {
            let body = args.members.body()?;
            let place = Place::open(&args.show.place).await?;
            let before = place.get(Kind::Role, &args.key).await?;
            let document = resource::update(&place, Kind::Role, before, body, None, args.if_match.as_deref()).await?;
            resource::print_document(&document, args.show.json);
            Ok(())
        }
        RoleCommand::Delete(args) => {
            let place = Place::open(&args.delete.place).await?;
            let document = place.get(Kind::Role, &args.key).await?;
            resource::delete(&place, Kind::Role, &document, &args.key, args.force, &args.delete).await
        }
    }
}

fn row(role: &Value) -> Vec<String> {
    vec![table::text(&role["key"]), table::text(&role["description"]), table::permissions(&role["acl"])]
}
