//! `keyward principal create`.

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::{
    app::App,
    cli::{
        Refused, out,
        place::{Database, Kind, Place, PlaceArgs, Server, end_setup, failure},
        resource::FieldArgs,
    },
    directory::{
        Actor, Precondition, Refusal,
        principal::{self, PrincipalDocument, Terms},
    },
    model::{email::Email, id, password, problem::Code, time::Timestamp},
    store,
};

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
    /// It is a system user: an account for administration
    #[arg(long)]
    system_user: bool,
    /// Take the password from the first line of standard input; not with --server
    #[arg(long, conflicts_with_all = ["temporary_password", "server"])]
    password_stdin: bool,
    /// Generate a password, printed once, that has to be replaced at the first sign-in
    #[arg(long)]
    temporary_password: bool,
    #[command(flatten)]
    fields: FieldArgs,
    /// Print the API's document as JSON, with a generated password in the member temporaryPassword
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Who was made.
struct Made {
    id: String,
    /// As the API answers it.
    document: Value,
    /// The temporary password, and until when it can be used.
    temporary: Option<(SecretString, String)>,
}

/// Runs the command.
///
/// # Errors
/// What is wrong with what was asked for.
pub(super) async fn run(args: CreateArgs) -> anyhow::Result<()> {
    let given = if args.password_stdin { Some(out::secret_from_stdin()?) } else { None };
    let without = !args.password_stdin && !args.temporary_password;
    let made = match Place::open(&args.place).await? {
        Place::Database(Database { app }) => {
            let temporary = args.temporary_password.then(password::generate);
            create(&app, &args, given, temporary).await?
        }
        Place::Server(server) => create_over(server, &args).await?,
    };
    if args.json {
        let mut value = made.document;
        if let Some((password, _)) = &made.temporary {
            value["temporaryPassword"] = password.expose_secret().into();
        }
        out::json(&value);
        return Ok(());
    }
    let mut text = format!("id:       {}\n", made.id);
    if let Some((password, until)) = &made.temporary {
        let password = password.expose_secret();
        text.push_str(&format!("password: {password}\n\nIt is not shown again, and has to be replaced by {until}.\n"));
    }
    out::print(&text);
    if without {
        out::print("\nNo password was given: nobody can sign in as this principal. See --temporary-password.\n");
    }
    Ok(())
}

/// What is said about the principal, as the API would get it.
fn body(args: &CreateArgs) -> anyhow::Result<Map<String, Value>> {
    let mut said = Map::from_iter([("email".to_owned(), json!(args.email.as_str()))]);
    if let Some(name) = args.name.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
        said.insert("name".to_owned(), json!(name));
    }
    if !args.roles.is_empty() {
        said.insert("roles".to_owned(), json!(args.roles));
    }
    if args.system_user {
        said.insert("systemUser".to_owned(), json!(true));
    }
    args.fields.body(said)
}

/// Makes the principal with its password, whole or not at all.
async fn create(
    app: &App,
    args: &CreateArgs,
    given: Option<SecretString>,
    temporary: Option<SecretString>,
) -> anyhow::Result<Made> {
    let (now, body) = (app.clock.now(), body(args)?);
    crate::web::body::sound(&Value::Object(body.clone())).map_err(failure)?;
    if let Some(password) = &given {
        let passwords = &app.config.passwords;
        let policy = password::Policy { min_length: passwords.min_length, min_strength: passwords.min_strength };
        let about = [args.email.as_str(), args.name.as_deref().unwrap_or_default()];
        if let Err(faults) = policy.check(password, &about) {
            let named = faults.iter().map(|fault| format!("--password-stdin: {fault}"));
            return Err(Refused(named.collect()).into());
        }
    }
    let until = temporary.is_some().then(|| now + app.config.passwords.temporary_lifetime);
    let hash = match given.or(temporary.clone()) {
        Some(password) => {
            let hash = app.hasher.hash(password).await;
            Some(hash.map_err(|_| anyhow::anyhow!("the password could not be hashed in time"))?)
        }
        None => None,
    };
    let id = id::generate(now);
    let written = app.store.write(move |tx| {
        let terms = Terms { precondition: Precondition::Absent, required: false, now };
        let made = principal::put(tx, &Actor::command_line(), &id, body.clone(), &terms)?.document;
        if let Some(hash) = &hash {
            set_password(tx, &id, hash, until, now)?;
        }
        end_setup(tx, &id, &made.roles, now)?;
        // as it is with its password
        principal::get(tx, &Actor::command_line(), &id)
    });
    let made: PrincipalDocument = written.await.map_err(refused)?;
    let temporary = temporary.zip(until.map(Timestamp::rfc3339));
    Ok(Made { id: made.id.clone(), document: json!(made), temporary })
}

/// The first password of a principal that was made in the same transaction.
fn set_password(
    tx: &mut store::Tx<'_>,
    id: &str,
    hash: &str,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let missing = || Refusal::not_found("principal", id);
    let set = match until {
        Some(until) => {
            let row = store::principal::find(tx, id)?.ok_or_else(missing)?;
            store::principal::set_temporary_password(tx, &row, hash, until, &row.etag, now)?
        }
        None => store::principal::change_password(tx, id, None, hash, now)?,
    };
    if set { Ok(()) } else { Err(missing()) }
}

/// The same over HTTP: a principal, and then a password.
async fn create_over(server: Server, args: &CreateArgs) -> anyhow::Result<Made> {
    // UUIDs that lie together in the order in which they were made
    let id = id::generate(crate::clock::Clock::System.now());
    let place = Place::Server(server);
    let mut made = place.put(Kind::Principal, &id, body(args)?, Precondition::Absent).await?;
    let temporary = match args.temporary_password {
        true => {
            let reset = place.reset_password(&id, crate::cli::resource::unchanged(&made, None)).await;
            let reset = reset.map_err(|error| {
                error.context(format!("the principal {id} was made, but without a password: see reset-password"))
            })?;
            // the password made a new version, which whoever may only write does not see
            made = place.get(Kind::Principal, &id).await.unwrap_or(made);
            let password = reset["temporaryPassword"].as_str().unwrap_or_default();
            Some((password.to_owned().into(), reset["expiresAt"].as_str().unwrap_or_default().to_owned()))
        }
        false => None,
    };
    Ok(Made { id, document: made, temporary })
}

/// What the command's user is told about a refusal, by the flag where there is one.
fn refused(refusal: Refusal) -> anyhow::Error {
    if let Refusal::Problem(problem) = &refusal {
        let flag = |pointer: &str| match pointer.split('/').nth(1) {
            Some("email") => Some("--email"),
            Some("name") => Some("--name"),
            Some("roles") => Some("--role"),
            _ => None,
        };
        let told: Option<Vec<String>> = problem
            .errors
            .iter()
            .map(|fault| match fault.code {
                Code::EmailInUse => Some("--email: another principal has this email".to_owned()),
                _ => Some(format!("{}: {}", flag(fault.pointer.as_deref()?)?, fault.message)),
            })
            .collect();
        if let Some(told) = told.filter(|told| !told.is_empty()) {
            return Refused(told).into();
        }
    }
    failure(refusal)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{cli::data_dir, config::Config};

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
        let error = create(&app, &ada, Some("ada".into()), None).await.err().unwrap();
        assert!(error.is::<Refused>() && error.to_string().starts_with("--password-stdin: "), "{error}");
        let made = create(&app, &ada, None, Some("temporary-password".into())).await.unwrap();
        assert!(made.temporary.is_some());
        let id = made.id.clone();
        let row = app.store.read(move |conn| store::principal::find(conn, &id)).await.unwrap().unwrap();
        assert!(row.password_temporary && row.password_expires_at.is_some() && row.password_hash.is_some());
        assert!(app.store.read(store::setup::is_done).await.unwrap(), "an owner ends the set-up");
        let error = create(&app, &args(&["--email", "ada@EXAMPLE.org"]), None, None).await.err().unwrap();
        assert_eq!(error.to_string(), "--email: another principal has this email");
        let id = made.id.clone();
        let roles = app.store.read(move |conn| store::identity::roles(conn, &id)).await.unwrap();
        assert_eq!(roles, ["system:owner"]);
    }
}
