//! `keyward client create`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::{Refused, Rollback, data_dir, give_roles, load, out};
use crate::{
    config::ConfigArgs,
    keys::validate_jwks,
    model::{
        client_auth::AuthMethod,
        grant_type::GrantType,
        id, redirect_uri,
        scope::Scope,
        secret::{Kind, Secret, SecretHash},
        time::Timestamp,
    },
    store::{
        self,
        client::{AccessTokenFormat, Client},
        client_secret::ClientSecret,
    },
};

/// The fewest characters of a secret that is brought along: nothing slows down the guessing of it.
const MIN_SECRET: usize = 32;

/// What to do with clients.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Create a client; its secret is printed once and never again
    Create(Box<CreateArgs>),
}

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
    /// Take the secret from the first line of standard input, at least 32 characters that a machine chose
    #[arg(long, conflicts_with = "generate_secret")]
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
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
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
pub async fn run(command: ClientCommand) -> anyhow::Result<()> {
    let ClientCommand::Create(args) = command;
    let config = load(&args.config)?;
    let given = if args.secret_stdin { Some(out::secret_from_stdin()?) } else { None };
    let jwks = match &args.jwks {
        Some(path) => Some(
            std::fs::read_to_string(path)
                .map_err(|error| Refused(vec![format!("--jwks: cannot read {}: {error}", path.display())]))?,
        ),
        None => None,
    };
    let app = data_dir::open_existing(config).await?;
    let now = app.clock.now();
    let client = build(&args, jwks.as_deref(), given.as_ref(), now)?;
    let secret = secret(&client, &args, given);
    create(&app.store, &client, secret.as_ref(), &args.resources, &args.roles, now).await?;
    print(&client, secret.as_ref().filter(|_| !args.secret_stdin), &args);
    Ok(())
}

/// The client that the arguments describe, or everything that is wrong with them.
fn build(
    args: &CreateArgs,
    jwks: Option<&str>,
    secret: Option<&SecretString>,
    now: Timestamp,
) -> Result<Client, Refused> {
    let mut faults = Vec::new();
    let id = match &args.id {
        Some(id) => id::client(id).unwrap_or_else(|fault| {
            faults.push(format!("--id: {fault}"));
            String::new()
        }),
        None => id::generate(now),
    };
    if args.name.trim().is_empty() {
        faults.push("--name: expected what people are told it is called, got nothing".to_owned());
    }
    let method = args.auth_method;
    let mut client = Client::new(id, args.name.trim().to_owned(), method, now);
    client.description = args.description.clone();
    client.first_party = args.first_party;
    client.redirect_uris = registered("--redirect-uri", &args.redirect_uris, &mut faults);
    client.post_logout_redirect_uris =
        registered("--post-logout-redirect-uri", &args.post_logout_redirect_uris, &mut faults);
    client.grant_types = grants(args);
    let may = |grant| client.grant_types.contains(&grant);
    if may(GrantType::AuthorizationCode) && args.redirect_uris.is_empty() {
        faults.push("--redirect-uri: expected at least one with the grant authorization_code".to_owned());
    }
    // RFC 6749 §4.4: only for clients that can keep a secret
    if may(GrantType::ClientCredentials) && method == AuthMethod::None {
        faults.push("--auth-method: expected another one than none with the grant client_credentials".to_owned());
    }
    if may(GrantType::RefreshToken) && !may(GrantType::AuthorizationCode) {
        faults.push("--grant-type: expected authorization_code beside refresh_token".to_owned());
    }
    client.scopes = match &args.scope {
        Some(scope) => scope.clone(),
        None => default_scope(&client.grant_types),
    };
    faults.extend(args.resources.iter().filter_map(|uri| resource_fault(uri)));
    keys(args, jwks, &mut client, &mut faults);
    client.metadata.access_token_format = match args.access_token_format {
        Format::Jwt => AccessTokenFormat::Jwt,
        Format::Opaque => AccessTokenFormat::Opaque,
    };
    if let Some(secret) = secret {
        let text = secret.expose_secret();
        // RFC 6749 appendix A.2
        if text.len() < MIN_SECRET || !text.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
            faults.push(format!("--secret-stdin: expected at least {MIN_SECRET} visible ASCII characters"));
        }
    }
    if !has_secret(method) && (args.secret_stdin || args.generate_secret) {
        faults.push(format!("--auth-method: {} takes no secret", method.as_str()));
    }
    if faults.is_empty() { Ok(client) } else { Err(Refused(faults)) }
}

fn registered(flag: &str, uris: &[String], faults: &mut Vec<String>) -> Vec<String> {
    let register = |uri: &String| redirect_uri::register(uri).map_err(|fault| faults.push(format!("{flag}: {fault}")));
    uris.iter().map(register).filter_map(Result::ok).collect()
}

fn grants(args: &CreateArgs) -> Vec<GrantType> {
    let asked = |grant: &GrantType| match (args.grant_types.is_empty(), args.redirect_uris.is_empty()) {
        (false, _) => args.grant_types.contains(grant),
        (true, true) => *grant == GrantType::ClientCredentials,
        (true, false) => *grant != GrantType::ClientCredentials,
    };
    GrantType::ALL.into_iter().filter(asked).collect()
}

fn default_scope(grants: &[GrantType]) -> Scope {
    let text = match (grants.contains(&GrantType::AuthorizationCode), grants.contains(&GrantType::RefreshToken)) {
        (true, true) => "openid profile email offline_access",
        (true, false) => "openid profile email",
        (false, _) => "",
    };
    text.parse().unwrap_or_default()
}

/// RFC 8707 §2: an absolute URI without a fragment.
fn resource_fault(uri: &str) -> Option<String> {
    let right = Url::parse(uri).is_ok_and(|url| url.fragment().is_none()) && uri.bytes().all(|b| b.is_ascii_graphic());
    (!right).then(|| format!("--resource: expected an absolute URI without a fragment, got '{}'", id::shown(uri)))
}

fn keys(args: &CreateArgs, jwks: Option<&str>, client: &mut Client, faults: &mut Vec<String>) {
    if let Some(text) = jwks {
        match serde_json::from_str::<Value>(text).map_err(|error| error.to_string()) {
            Ok(keys) => match validate_jwks(&keys) {
                Ok(()) => client.metadata.jwks = Some(keys),
                Err(fault) => faults.push(format!("--jwks: {fault}")),
            },
            Err(fault) => faults.push(format!("--jwks: expected a JWK Set in JSON: {fault}")),
        }
    }
    if let Some(uri) = &args.jwks_uri {
        if Url::parse(uri).is_ok_and(|url| url.scheme() == "https" && url.host().is_some()) {
            client.metadata.jwks_uri = Some(uri.clone());
        } else {
            faults.push(format!("--jwks-uri: expected an https URL, got '{}'", id::shown(uri)));
        }
    }
    if client.auth_method == AuthMethod::PrivateKeyJwt && jwks.is_none() && args.jwks_uri.is_none() {
        faults.push("--jwks or --jwks-uri: expected one of them with private_key_jwt".to_owned());
    }
}

fn has_secret(method: AuthMethod) -> bool {
    matches!(method, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost)
}

fn secret(client: &Client, args: &CreateArgs, given: Option<SecretString>) -> Option<SecretString> {
    let generated = || SecretString::from(Secret::generate(Kind::ClientSecret).reveal());
    (has_secret(client.auth_method) || args.generate_secret).then(|| given.unwrap_or_else(generated))
}

async fn create(
    store: &store::Store,
    client: &Client,
    secret: Option<&SecretString>,
    resources: &[String],
    roles: &[String],
    now: Timestamp,
) -> anyhow::Result<()> {
    let secret = secret.map(|secret| ClientSecret {
        id: id::generate(now),
        client_id: client.id.clone(),
        hash: SecretHash::of(secret.expose_secret()),
        hint: hint(secret.expose_secret()),
        description: Some("from the command line".to_owned()),
        created_at: now,
        expires_at: None,
        last_used_at: None,
    });
    let (client, resources, roles) = (client.clone(), resources.to_vec(), roles.to_vec());
    let written = store.write(move |tx| {
        store::client::insert(tx, &client).map_err(|error| taken(error, "--id: this id is or was in use"))?;
        if let Some(secret) = &secret {
            store::client_secret::insert(tx, secret)?;
        }
        store::client::set_resources(tx, &client.id, &resources)
            .map_err(|error| taken(error, "--resource: another client serves one of them"))?;
        give_roles(tx, &client.id, &roles, now)
    });
    Ok(written.await?)
}

fn taken(error: store::Error, why: &str) -> Rollback {
    match error {
        store::Error::Conflict(_) => Rollback::Refused(why.to_owned()),
        other => Rollback::Store(other),
    }
}

/// The last characters of a secret, to tell it from others.
fn hint(secret: &str) -> String {
    secret.get(secret.len().saturating_sub(4)..).unwrap_or_default().to_owned()
}

fn print(client: &Client, secret: Option<&SecretString>, args: &CreateArgs) {
    let secret = secret.map(|secret| secret.expose_secret());
    if args.json {
        let mut value = json!({
            "client_id": client.id,
            "client_name": client.name,
            "redirect_uris": client.redirect_uris,
            "post_logout_redirect_uris": client.post_logout_redirect_uris,
            "grant_types": client.grant_types,
            "scope": client.scopes.to_string(),
            "token_endpoint_auth_method": client.auth_method.as_str(),
            "resource_uris": args.resources,
            "roles": args.roles,
        });
        if let Some(secret) = secret {
            value["client_secret"] = secret.into();
        }
        return out::json(&value);
    }
    let mut text = format!("client_id:     {}\n", client.id);
    if let Some(secret) = secret {
        text.push_str(&format!("client_secret: {secret}\n\nThe secret is not shown again.\n"));
    }
    out::print(&text);
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CreateArgs,
    }

    fn args(line: &[&str]) -> CreateArgs {
        Line::try_parse_from(std::iter::once(&"create").chain(line)).unwrap().args
    }

    fn built(line: &[&str]) -> Result<Client, Vec<String>> {
        build(&args(line), None, None, Timestamp::from_seconds(1_800_000_000)).map_err(|refused| refused.0)
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
        let app = data_dir::open(config).await.unwrap();
        let now = app.clock.now();
        let client = built(&["--id", "jobs", "--name", "Jobs"]).unwrap();
        let secret = SecretString::from("0123456789abcdef0123456789abcdef");
        let resources = ["https://api.example/".to_owned()];
        let unknown = ["support:agent".to_owned()];
        let error = create(&app.store, &client, Some(&secret), &resources, &unknown, now).await.unwrap_err();
        assert!(error.is::<Refused>() && error.to_string().contains("support:agent"), "{error}");
        assert!(app.store.read(|conn| store::client::find(conn, "jobs")).await.unwrap().is_none());

        let owner = ["system:owner".to_owned()];
        create(&app.store, &client, Some(&secret), &resources, &owner, now).await.unwrap();
        let secrets = app.store.read(|conn| store::client_secret::of_client(conn, "jobs")).await.unwrap();
        assert_eq!((secrets.len(), secrets[0].hint.as_str()), (1, "cdef"));
        assert!(app.store.read(store::setup::is_done).await.unwrap(), "an owner ends the set-up");
        let error = create(&app.store, &client, None, &[], &[], now).await.unwrap_err();
        assert_eq!(error.to_string(), "--id: this id is or was in use");
        let other = built(&["--id", "other", "--name", "Other"]).unwrap();
        let error = create(&app.store, &other, None, &resources, &[], now).await.unwrap_err();
        assert_eq!(error.to_string(), "--resource: another client serves one of them");
    }
}
