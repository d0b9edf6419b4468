//! `keyward principal`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    Refused, out,
    place::{Kind, Place},
    resource::{self, DeleteArgs, FieldArgs, ShowArgs},
    table,
};

mod create;

/// What to do with principals.
#[derive(Debug, Subcommand)]
pub enum PrincipalCommand {
    /// List principals, in the order of their registration
    List(Box<ListArgs>),
    /// Show a principal
    Show(OneArgs),
    /// Create a principal
    Create(Box<create::CreateArgs>),
    /// Change a principal: what is given replaces
    Update(Box<UpdateArgs>),
    /// Delete a principal, whose sessions and grants end; the id is never used again
    Delete(EndArgs),
    /// Give a principal a temporary password, printed once; the old one, sessions and grants end
    ResetPassword(ResetArgs),
}

/// Which principals.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// The name contains this
    #[arg(long)]
    name: Option<String>,
    /// The email contains this
    #[arg(long)]
    email: Option<String>,
    /// Name, email or phone contains this
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
    /// At most so many [default: all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    show: ShowArgs,
}

/// Which principal.
#[derive(Args, Debug)]
pub struct OneArgs {
    /// The id or the email
    #[arg(value_name = "ID|EMAIL")]
    who: String,
    #[command(flatten)]
    show: ShowArgs,
}

/// What to change.
#[derive(Args, Debug)]
pub struct UpdateArgs {
    /// The id or the email
    #[arg(value_name = "ID|EMAIL")]
    who: String,
    /// The full name
    #[arg(long)]
    name: Option<String>,
    /// The email address to sign in with
    #[arg(long)]
    email: Option<String>,
    /// The phone number
    #[arg(long)]
    phone: Option<String>,
    /// A role; may be repeated, and replaces all roles
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Whether it is a system user: an account for administration [without a value: true]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    system_user: Option<bool>,
    /// No sign-in and no token any more; sessions and grants end for good
    #[arg(long)]
    suspend: bool,
    /// Let them act again
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

/// Whom to delete.
#[derive(Args, Debug)]
pub struct EndArgs {
    /// The id or the email
    #[arg(value_name = "ID|EMAIL")]
    who: String,
    #[command(flatten)]
    delete: DeleteArgs,
}

/// Whose password to reset.
#[derive(Args, Debug)]
pub struct ResetArgs {
    /// The id or the email
    #[arg(value_name = "ID|EMAIL")]
    who: String,
    /// Only this version (the eTag that was read)
    #[arg(long, value_name = "ETAG", allow_hyphen_values = true)]
    if_match: Option<String>,
    #[command(flatten)]
    show: ShowArgs,
}

/// Runs the command.
///
/// # Errors
/// What is wrong with what was asked for, or that it cannot be done.
pub async fn run(command: PrincipalCommand) -> anyhow::Result<()> {
    match command {
        PrincipalCommand::List(args) => list(*args).await,
        PrincipalCommand::Create(args) => create::run(*args).await,
        PrincipalCommand::Show(args) => {
            let document = find(&Place::open(&args.show.place).await?, &args.who).await?;
            resource::print_document(&document, args.show.json);
            Ok(())
        }
        PrincipalCommand::Update(args) => {
            let body = args.fields.body(said(&args))?;
            let place = Place::open(&args.show.place).await?;
            let before = find(&place, &args.who).await?;
            let suspended = (args.suspend || args.unsuspend).then_some(args.suspend);
            let if_match = args.if_match.as_deref();
            let document = resource::update(&place, Kind::Principal, before, body, suspended, if_match).await?;
            resource::print_document(&document, args.show.json);
            Ok(())
        }
        PrincipalCommand::Delete(args) => {
            let place = Place::open(&args.delete.place).await?;
            let document = find(&place, &args.who).await?;
            resource::delete(&place, Kind::Principal, &document, &label(&document), false, &args.delete).await
        }
        PrincipalCommand::ResetPassword(args) => {
            let place = Place::open(&args.show.place).await?;
            let document = find(&place, &args.who).await?;
            let precondition = resource::unchanged(&document, args.if_match.as_deref());
            let answer = place.reset_password(document["id"].as_str().unwrap_or_default(), precondition).await?;
            if args.show.json {
                out::json(&answer);
                return Ok(());
            }
            let (password, until) = (table::text(&answer["temporaryPassword"]), table::text(&answer["expiresAt"]));
            out::print(&format!("password: {password}\n\nIt is not shown again, and has to be replaced by {until}.\n"));
            Ok(())
        }
    }
}

async fn list(args: ListArgs) -> anyhow::Result<()> {
    let place = Place::open(&args.show.place).await?;
    let texts = [
        ("name", args.name),
        ("email", args.email),
        ("q", args.q),
        ("role", args.role),
        ("rolePrefix", args.role_prefix),
    ];
    let mut query: Vec<_> = texts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    if args.include_suspended {
        query.push(("includeSuspended", "true".to_owned()));
    }
    let columns: resource::Columns<'_> = (&["ID", "EMAIL", "NAME", "ROLES", "LAST ACTIVE", "STATE"], row);
    resource::print_list(&place, Kind::Principal, &query, args.limit, args.show.json, columns).await
}

fn row(principal: &Value) -> Vec<String> {
    let mut row: Vec<String> =
        ["id", "email", "name", "roles", "lastActiveAt"].iter().map(|name| table::text(&principal[*name])).collect();
    row.push(if principal["suspendedAt"].is_null() { "active" } else { "suspended" }.to_owned());
    row
}

fn said(args: &UpdateArgs) -> Map<String, Value> {
    let mut said = Map::new();
    for (name, value) in [("name", &args.name), ("email", &args.email), ("phone", &args.phone)] {
        if let Some(value) = value {
            said.insert(name.to_owned(), json!(value));
        }
    }
    if !args.roles.is_empty() {
        said.insert("roles".to_owned(), json!(args.roles));
    }
    if let Some(is) = args.system_user {
        said.insert("systemUser".to_owned(), json!(is));
    }
    said
}

/// A principal for people.
fn label(document: &Value) -> String {
    let text = |name: &str| document[name].as_str().unwrap_or_default();
    format!("{} {} ({})", text("name"), text("email"), text("id")).trim_start().to_owned()
}

/// The principal with this id, or with this email in whatever case.
async fn find(place: &Place, who: &str) -> anyhow::Result<Value> {
    if !who.contains('@') {
        return place.get(Kind::Principal, who).await;
    }
    let wanted = who.to_lowercase();
    let query = [("email", who.to_owned()), ("includeSuspended", "true".to_owned())];
    let mut found = None;
    // the list finds what contains it
    resource::walk(place, Kind::Principal, &query, None, |rows, _| {
        let same = |row: &Value| row["email"].as_str().is_some_and(|email| email.to_lowercase() == wanted);
        found = found.take().or_else(|| rows.into_iter().find(same));
        Ok(())
    })
    .await?;
    found.ok_or_else(|| {
        let detail = format!("there is no principal with the email {} (NOT_FOUND)", crate::model::id::shown(who));
        match who.chars().count() > 254 {
            true => Refused(vec![detail]).into(),
            false => anyhow::anyhow!(detail),
        }
    })
}
