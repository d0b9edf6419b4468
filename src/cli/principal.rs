//! `keyward principal create`.

use clap::{Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{Refused, Rollback, data_dir, give_roles, load, out};
use crate::{
    app::App,
    config::ConfigArgs,
    model::{email::Email, id, password},
    store::{self, principal::Principal},
};

/// What to do with principals.
#[derive(Debug, Subcommand)]
pub enum PrincipalCommand {
    /// Create a principal
    Create(CreateArgs),
}

/// Whom to create.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// The email address to sign in with
    #[arg(long)]
    email: Email,
    /// The full name
    #[arg(long)]
    name: Option<String>,
    /// A role that the principal has; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Take the password from the first line of standard input
    #[arg(long, conflicts_with = "temporary_password")]
    password_stdin: bool,
    /// Generate a password, printed once, that has to be replaced at the first sign-in
    #[arg(long)]
    temporary_password: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the command.
///
/// # Errors
/// What is wrong with what was asked for.
pub async fn run(command: PrincipalCommand) -> anyhow::Result<()> {
    let PrincipalCommand::Create(args) = command;
    let config = load(&args.config)?;
    let given = if args.password_stdin { Some(out::secret_from_stdin()?) } else { None };
    let app = data_dir::open_existing(config).await?;
    let temporary = args.temporary_password.then(password::generate);
    let principal = create(&app, &args, given, temporary.clone()).await?;
    let temporary = temporary.as_ref().map(|password| password.expose_secret());
    if args.json {
        let mut value = json!({ "id": principal.id, "email": principal.email, "name": principal.name });
        if let Some(password) = temporary {
            value["temporary_password"] = password.into();
        }
        out::json(&value);
        return Ok(());
    }
    let mut text = format!("id:       {}\n", principal.id);
    if let Some(password) = temporary {
        let until = principal.password_expires_at.map(|at| at.rfc3339()).unwrap_or_default();
        text.push_str(&format!("password: {password}\n\nIt is not shown again, and has to be replaced by {until}.\n"));
    }
    if args.password_stdin || temporary.is_some() {
        out::print(&text);
    } else {
        out::print(&format!(
            "{text}\nNo password was given: nobody can sign in as this principal. See --temporary-password.\n"
        ));
    }
    Ok(())
}

async fn create(
    app: &App,
    args: &CreateArgs,
    given: Option<SecretString>,
    temporary: Option<SecretString>,
) -> anyhow::Result<Principal> {
    let now = app.clock.now();
    let mut principal = Principal::new(id::generate(now), Some(&args.email), now);
    principal.name = args.name.as_deref().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
    if let Some(password) = &given {
        let passwords = &app.config.passwords;
        let policy = password::Policy { min_length: passwords.min_length, min_strength: passwords.min_strength };
        let about = [args.email.as_str(), args.name.as_deref().unwrap_or_default()];
        if let Err(faults) = policy.check(password, &about) {
            let named = faults.iter().map(|fault| format!("--password-stdin: {fault}"));
            return Err(Refused(named.collect()).into());
        }
    }
    principal.password_temporary = temporary.is_some();
    if let Some(password) = given.or(temporary) {
        let hash = app.hasher.hash(password).await;
        principal.password_hash = Some(hash.map_err(|_| anyhow::anyhow!("the password could not be hashed in time"))?);
        principal.password_changed_at = Some(now);
        let lifetime = app.config.passwords.temporary_lifetime;
        principal.password_expires_at = principal.password_temporary.then(|| now + lifetime);
    }
    let (row, roles) = (principal.clone(), args.roles.clone());
    let written = app.store.write(move |tx| {
        store::principal::insert(tx, &row).map_err(|error| match error {
            store::Error::Conflict(_) => Rollback::Refused("--email: another principal has this email".to_owned()),
            other => Rollback::Store(other),
        })?;
        give_roles(tx, &row.id, &roles, now)
    });
    written.await?;
    Ok(principal)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::Config;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CreateArgs,
    }

    fn args(line: &[&str]) -> CreateArgs {
        Line::try_parse_from(std::iter::once(&"create").chain(line)).unwrap().args
    }

    #[tokio::test]
    async fn a_principal_is_created_once() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::defaults();
        config.data_dir = directory.path().join("data");
        config.passwords.argon2_memory_kib = 8;
        let app = data_dir::open(config).await.unwrap();

        let ada = args(&["--email", "Ada@example.org", "--name", "Ada", "--role", "system:owner"]);
        let error = create(&app, &ada, Some("ada".into()), None).await.unwrap_err();
        assert!(error.is::<Refused>() && error.to_string().starts_with("--password-stdin: "), "{error}");
        let made = create(&app, &ada, None, Some("temporary-password".into())).await.unwrap();
        assert!(made.password_temporary && made.password_expires_at.is_some());
        assert!(app.store.read(store::setup::is_done).await.unwrap(), "an owner ends the set-up");
        let error = create(&app, &args(&["--email", "ada@EXAMPLE.org"]), None, None).await.unwrap_err();
        assert_eq!(error.to_string(), "--email: another principal has this email");
        let id = made.id.clone();
        let roles = app.store.read(move |conn| store::identity::roles(conn, &id)).await.unwrap();
        assert_eq!(roles, ["system:owner"]);
    }
}
