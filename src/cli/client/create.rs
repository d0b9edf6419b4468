//! `keyward client create`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::{
    cli::{
        Refused, out,
        place::{Database, Kind as Of, Place, PlaceArgs, Server},
        resource::FieldArgs,
    },
    directory::{
        Actor, Precondition, Refusal,
        client::{
            self, Policy, Registered,
            secrets::{self, Prepared},
        },
    },
    model::{
        client_auth::AuthMethod,
        grant_type::GrantType,
        id,
        problem::{Code, Fault, Problem},
        role_key,
        scope::Scope,
        secret::{Kind, Secret},
        time::Timestamp,
    },
    store::{
        self,
        client::{AccessTokenFormat, Client},
    },
};

/// The fewest characters of a secret that is brought along: nothing slows down the guessing of it.
const MIN_SECRET: usize = 32;

/// What to register (OpenID Connect Dynamic Client Registration §2).
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Letters, digits, '.', '_' and '-' [default: a new UUID]
    #[arg(long)]
    id: Option<String>,
    /// What people are told it is called
    #[arg(long)]
    name: String,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// Take the secret from the first line of standard input, at least 32 characters that a machine chose; not with
    /// --server
    #[arg(long, conflicts_with_all = ["generate_secret", "server"])]
    secret_stdin: bool,
    /// Generate a secret; the default where the client authenticates with one
    #[arg(long)]
    generate_secret: bool,
    /// Where people may be sent back to; may be repeated
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// Where people may be sent after signing out; may be repeated
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<String>,
    /// authorization_code, refresh_token or client_credentials; may be repeated [default: the first two with a
    /// redirect URI, else the third]
    #[arg(long = "grant-type", value_name = "GRANT")]
    grant_types: Vec<GrantType>,
    /// The scopes that it may ask for, separated by blanks [default: openid profile email, plus offline_access with
    /// refresh tokens, where people sign in]
    #[arg(long, value_name = "SCOPES")]
    scope: Option<Scope>,
    /// client_secret_basic, client_secret_post, private_key_jwt, or none for an application that cannot keep a secret
    #[arg(long, value_name = "METHOD", default_value = "client_secret_basic")]
    auth_method: AuthMethod,
    /// A role that it has; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// It belongs to the house: nobody is asked for consent
    #[arg(long)]
    first_party: bool,
    /// A resource that it serves (RFC 8707); may be repeated
    #[arg(long = "resource", value_name = "URI")]
    resources: Vec<String>,
    /// A file with its public keys, a JWK Set, for private_key_jwt
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_uri")]
    jwks: Option<PathBuf>,
    /// Where its public keys are, for private_key_jwt
    #[arg(long, value_name = "URL")]
    jwks_uri: Option<String>,
    /// The form of its access tokens
    #[arg(long, value_enum, default_value_t = Format::Jwt)]
    access_token_format: Format,
    #[command(flatten)]
    fields: FieldArgs,
    /// Print the API's document as JSON, with a generated secret in the member secret
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Jwt,
    Opaque,
}

/// Runs the command.
///
/// # Errors
/// Everything that is wrong with what was asked for.
pub(super) async fn run(args: CreateArgs) -> anyhow::Result<()> {
    let given = if args.secret_stdin { Some(out::secret_from_stdin()?) } else { None };
    let jwks = match &args.jwks {
        Some(path) => Some(
            std::fs::read_to_string(path)
                .map_err(|error| Refused(vec![format!("--jwks: cannot read {}: {error}", path.display())]))?,
        ),
        None => None,
    };
    let app = match Place::open(&args.place).await? {
        Place::Database(Database { app }) => app,
        Place::Server(server) => return create_over(server, &args, jwks.as_deref()).await,
    };
    let (policy, now) = (Policy::of(&app.config), app.clock.now());
    let new = build(&args, jwks.as_deref(), given.as_ref(), &policy, now)?;
    let secret = secret(&new.registered.client, &args, given);
    create(&app.store, &new, secret.as_ref(), &policy, now).await?;
    let made = Place::Database(Database { app }).get(Of::Client, &new.registered.client.id).await?;
    print(made, secret.as_ref().filter(|_| !args.secret_stdin), &args);
    Ok(())
}

/// The same over HTTP: a client, and then a secret.
async fn create_over(server: Server, args: &CreateArgs, jwks: Option<&str>) -> anyhow::Result<()> {
    let id = args.id.clone().unwrap_or_else(|| id::generate(crate::clock::Clock::System.now()));
    let keys = jwks.map(serde_json::from_str::<Value>).transpose();
    let keys = keys.map_err(|fault| Refused(vec![format!("--jwks: expected a JWK Set in JSON: {fault}")]))?;
    let place = Place::Server(server);
    let made = place.put(Of::Client, &id, body(args, keys)?, Precondition::Absent).await?;
    let method = made["tokenEndpointAuthMethod"].as_str().unwrap_or_default();
    let secret = match method.starts_with("client_secret") {
        true => {
            let added = place.add_secret(&id, about()).await.map_err(|error| {
                error.context(format!("the client {id} was made, but without a secret: see client secret create"))
            })?;
            Some(SecretString::from(added["secret"].as_str().unwrap_or_default()))
        }
        false => None,
    };
    // the secret made a new version, which whoever may only write does not see
    let made = match &secret {
        Some(_) => place.get(Of::Client, &id).await.unwrap_or(made),
        None => made,
    };
    print(made, secret.as_ref(), args);
    Ok(())
}

/// What is said about a secret.
fn about() -> Map<String, Value> {
    Map::from_iter([("description".to_owned(), json!("from the command line"))])
}

/// A client that is to be made.
#[derive(Debug)]
struct New {
    /// What is said about it.
    body: Map<String, Value>,
    /// What becomes of that.
    registered: Registered,
}

/// The client that the arguments describe, or everything that is wrong with them.
fn build(
    args: &CreateArgs,
    jwks: Option<&str>,
    secret: Option<&SecretString>,
    policy: &Policy,
    now: Timestamp,
) -> Result<New, Refused> {
    let mut faults = Vec::new();
    let id = args.id.clone().unwrap_or_else(|| id::generate(now));
    let keys = jwks.and_then(|text| match serde_json::from_str::<Value>(text) {
        Ok(keys) => Some(keys),
        Err(fault) => {
            faults.push(format!("--jwks: expected a JWK Set in JSON: {fault}"));
            None
        }
    });
    let body = body(args, keys).map_err(|error| Refused(vec![error.to_string()]))?;
    crate::web::body::sound(&Value::Object(body.clone())).map_err(|refusal| Refused(refused(&refusal.problem())))?;
    let (registered, wrong) =
        client::check_new(&id, body.clone(), policy, now).map_err(|refusal| Refused(refused(&refusal.problem())))?;
    let unreadable = !faults.is_empty();
    // keys that could not be read were already complained about
    faults.extend(wrong.iter().filter(|fault| !(unreadable && flag(fault) == JWKS)).map(complaint));
    if let Some(secret) = secret {
        let text = secret.expose_secret();
        // RFC 6749 appendix A.2
        if text.len() < MIN_SECRET || !text.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
            faults.push(format!("--secret-stdin: expected at least {MIN_SECRET} visible ASCII characters"));
        }
    }
    if !args.auth_method.has_secret() && (args.secret_stdin || args.generate_secret) {
        faults.push(format!("--auth-method: {} takes no secret", args.auth_method.as_str()));
    }
    if faults.is_empty() { Ok(New { body, registered }) } else { Err(Refused(faults)) }
}

/// The arguments as the administrators' API would get them. What is not said gets its default there.
fn body(args: &CreateArgs, jwks: Option<Value>) -> anyhow::Result<Map<String, Value>> {
    let mut body = Map::new();
    let mut say = |name: &str, value: Value| {
        if !value.is_null() {
            body.insert(name.to_owned(), value);
        }
    };
    say("name", json!(args.name));
    say("description", json!(args.description));
    say("redirectUris", json!(args.redirect_uris));
    say("postLogoutRedirectUris", json!(args.post_logout_redirect_uris));
    say("resourceUris", json!(args.resources));
    say("roles", json!(args.roles));
    if !args.grant_types.is_empty() {
        say("grantTypes", json!(args.grant_types));
    }
    if let Some(scope) = &args.scope {
        say("scopes", scope.iter().collect());
    }
    say("tokenEndpointAuthMethod", json!(args.auth_method));
    say("firstParty", json!(args.first_party));
    say("jwks", json!(jwks));
    say("jwksUri", json!(args.jwks_uri));
    let format = match args.access_token_format {
        Format::Jwt => AccessTokenFormat::Jwt,
        Format::Opaque => AccessTokenFormat::Opaque,
    };
    say("accessTokenFormat", json!(format));
    args.fields.body(body)
}

/// The flag for keys, with its alternative.
const JWKS: &str = "--jwks or --jwks-uri";

/// The flag that says what a member of the body says.
fn flag(fault: &Fault) -> &'static str {
    let pointer = fault.pointer.as_deref().unwrap_or_default();
    match pointer.split('/').nth(1).unwrap_or_default() {
        "id" => "--id",
        "name" => "--name",
        "description" => "--description",
        "redirectUris" => "--redirect-uri",
        "postLogoutRedirectUris" => "--post-logout-redirect-uri",
        "resourceUris" => "--resource",
        "roles" => "--role",
        "grantTypes" => "--grant-type",
        "scopes" => "--scope",
        "tokenEndpointAuthMethod" => "--auth-method",
        "jwks" => JWKS,
        "jwksUri" => "--jwks-uri",
        _ => "the client",
    }
}

fn complaint(fault: &Fault) -> String {
    format!("{}: {}", flag(fault), fault.message)
}

/// What the command's user is told about a problem.
fn refused(problem: &Problem) -> Vec<String> {
    match problem.code {
        Code::IdInUse | Code::AlreadyExists => vec!["--id: this id is or was in use".to_owned()],
        Code::ResourceUriInUse => vec!["--resource: another client serves one of them".to_owned()],
        _ if problem.errors.is_empty() => vec![problem.detail.clone()],
        _ => problem.errors.iter().map(complaint).collect(),
    }
}

fn secret(client: &Client, args: &CreateArgs, given: Option<SecretString>) -> Option<SecretString> {
    let generated = || SecretString::from(Secret::generate(Kind::ClientSecret).reveal());
    (client.auth_method.has_secret() || args.generate_secret).then(|| given.unwrap_or_else(generated))
}

async fn create(
    store: &store::Store,
    new: &New,
    secret: Option<&SecretString>,
    policy: &Policy,
    now: Timestamp,
) -> anyhow::Result<()> {
    let (id, body, policy) = (new.registered.client.id.clone(), new.body.clone(), policy.clone());
    let owner = new.registered.roles.iter().any(|role| role == role_key::OWNER);
    let prepared = secret.map(|secret| Prepared::of(secret.expose_secret(), now));
    let actor = Actor::command_line();
    let written = store.write(move |tx| {
        client::put(tx, &actor, &id, body.clone(), &Precondition::Absent, &policy, now)?;
        if let Some(prepared) = &prepared {
            secrets::create(tx, &actor, &id, about(), prepared, &Precondition::Exists, &policy)?;
        }
        // an owner ends the set-up, so that no link makes another one
        if owner && !store::setup::is_done(tx)? {
            store::setup::complete(tx, &id, now)?;
        }
        Ok(())
    });
    written.await.map_err(|refusal: Refusal| match refusal {
        Refusal::Problem(problem) => Refused(refused(&problem)).into(),
        Refusal::Store(error) => anyhow::Error::from(error),
    })
}

/// Prints a client's document, with the secret as one more member; or what an application has to be told, in the names of
/// OAuth.
fn print(mut client: Value, secret: Option<&SecretString>, args: &CreateArgs) {
    let secret = secret.map(|secret| secret.expose_secret());
    if args.json {
        if let Some(secret) = secret {
            client["secret"] = secret.into();
        }
        return out::json(&client);
    }
    let mut text = format!("client_id:     {}\n", client["id"].as_str().unwrap_or_default());
    if let Some(secret) = secret {
        text.push_str(&format!("client_secret: {secret}\n\nThe secret is not shown again.\n"));
    }
    out::print(&text);
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::model::key::SigningAlgorithm;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CreateArgs,
    }

    fn args(line: &[&str]) -> CreateArgs {
        Line::try_parse_from(std::iter::once(&"create").chain(line)).unwrap().args
    }

    fn policy() -> Policy {
        Policy {
            require_precondition: false,
            algorithms: SigningAlgorithm::ALL.to_vec(),
            issuer: "https://login.example".to_owned(),
            max_bytes: 65_536,
        }
    }

    fn new(line: &[&str]) -> Result<New, Vec<String>> {
        build(&args(line), None, None, &policy(), Timestamp::from_seconds(1_800_000_000)).map_err(|refused| refused.0)
    }

    fn built(line: &[&str]) -> Result<Client, Vec<String>> {
        new(line).map(|new| new.registered.client)
    }

    #[test]
    fn what_is_not_said_follows_from_the_redirect_uris() {
        let app = built(&["--name", "Shop", "--redirect-uri", "https://shop.example/cb"]).unwrap();
        assert_eq!(app.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
        assert_eq!(app.scopes.to_string(), "openid profile email offline_access");
        let service = built(&["--id", "jobs", "--name", "Jobs"]).unwrap();
        assert_eq!((service.id.as_str(), service.grant_types), ("jobs", vec![GrantType::ClientCredentials]));
        assert!(service.scopes.is_empty());
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let line = [
            "--id",
            "a b",
            "--name",
            " ",
            "--redirect-uri",
            "http://shop.example/cb",
            "--grant-type",
            "client_credentials",
            "--auth-method",
            "none",
            "--resource",
            "shop#x",
            "--jwks-uri",
            "http://x/",
            "--generate-secret",
        ];
        let faults = built(&line).unwrap_err();
        for flag in ["--id", "--name", "--redirect-uri", "--auth-method", "--resource", "--jwks-uri"] {
            assert!(faults.iter().any(|fault| fault.starts_with(flag)), "{flag}: {faults:#?}");
        }
        assert!(faults.iter().any(|fault| fault.contains("takes no secret")));
        assert_eq!(
            built(&["--name", "x", "--grant-type", "refresh_token", "--auth-method", "private_key_jwt"]).unwrap_err(),
            [
                "--grant-type: expected authorization_code beside refresh_token",
                "--jwks or --jwks-uri: expected one of them with private_key_jwt"
            ]
        );
    }

    #[tokio::test]
    async fn a_client_is_created_whole_or_not_at_all() {
        let temporary = tempfile::tempdir().unwrap();
        let mut config = crate::config::Config::defaults();
        config.data_dir = temporary.path().join("data");
        let app = crate::cli::data_dir::open(config).await.unwrap();
        let now = app.clock.now();
        let jobs = ["--id", "jobs", "--name", "Jobs", "--resource", "https://api.example/"];
        let secret = SecretString::from("0123456789abcdef0123456789abcdef");
        let unknown = new(&[&jobs[..], &["--role", "support:agent"]].concat()).unwrap();
        let error = create(&app.store, &unknown, Some(&secret), &policy(), now).await.unwrap_err();
        assert!(error.is::<Refused>() && error.to_string().contains("--role: there is no role"), "{error}");
        assert!(error.to_string().contains("support:agent"), "{error}");
        assert!(app.store.read(|conn| store::client::find(conn, "jobs")).await.unwrap().is_none());

        let owner = new(&[&jobs[..], &["--role", "system:owner"]].concat()).unwrap();
        create(&app.store, &owner, Some(&secret), &policy(), now).await.unwrap();
        let secrets = app.store.read(|conn| store::client_secret::of_client(conn, "jobs")).await.unwrap();
        assert_eq!((secrets.len(), secrets[0].hint.as_str()), (1, "cdef"));
        assert!(app.store.read(store::setup::is_done).await.unwrap(), "an owner ends the set-up");
        let error = create(&app.store, &new(&jobs[..4]).unwrap(), None, &policy(), now).await.unwrap_err();
        assert_eq!(error.to_string(), "--id: this id is or was in use");
        let other = new(&["--id", "other", "--name", "Other", "--resource", "https://api.example/"]).unwrap();
        let error = create(&app.store, &other, None, &policy(), now).await.unwrap_err();
        assert_eq!(error.to_string(), "--resource: another client serves one of them");
    }
}
