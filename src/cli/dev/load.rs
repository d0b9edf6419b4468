//! What `tests/load/run` needs beside identities: clients with secrets, people with a password, sessions, grants and
//! tokens. What it has to know of them is written into a private file, one line each, words between tabs:
//!
//! | line | what |
//! |---|---|
//! | `client ID SECRET` | a client; `load-service-…` take client_credentials |
//! | `person EMAIL PASSWORD` | somebody who has allowed `load-jwt` everything |
//! | `principal ID` | a made-up principal that is not suspended |
//! | `jwt TOKEN`, `opaque TOKEN` | a person's live access token |
//! | `refresh TOKEN` | a live refresh token of `load-jwt` |

use std::{
    fs::OpenOptions,
    io::{BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, anyhow};
use clap::Args;

use super::{fill::BATCH, people};
use crate::{
    app::App,
    identity::session::{ACR_PASSWORD, AMR_PASSWORD},
    model::{
        client_auth::AuthMethod,
        email::Email,
        grant_type::GrantType,
        id,
        key::SigningAlgorithm,
        permission::Acl,
        redirect_uri, role_key,
        scope::Scope,
        secret::{Kind, Secret},
        time::Timestamp,
    },
    oauth::access_token::{self, AccessToken},
    store::{
        self, Tx,
        client::{AccessTokenFormat, Client},
        client_secret::ClientSecret,
        grant::{Details, Grant},
        principal::Principal,
        session::Session,
    },
};

/// Where authorization responses go.
const REDIRECT_URI: &str = "https://load.example/cb";
const PASSWORD: &str = "Correct-horse-42-battery";
/// People with that password.
const PEOPLE: usize = 64;
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);

/// What to make besides.
#[derive(Args, Debug)]
pub struct LoadArgs {
    /// Make what tests/load/run uses, too, and write what it has to know into this file, which must not be there
    #[arg(long, value_name = "FILE")]
    pub(super) credentials: Option<PathBuf>,
    /// How many clients with a secret take client_credentials
    #[arg(long, default_value_t = 1, requires = "credentials")]
    pub(super) services: u64,
    /// How many live sessions, each with a grant
    #[arg(long, default_value_t = 0, requires = "credentials")]
    pub(super) sessions: u64,
    /// How many live refresh tokens, each of a grant of its own
    #[arg(long, default_value_t = 0, requires = "credentials")]
    pub(super) refresh_tokens: u64,
    /// How many expired rows: half are refresh tokens, half their grants
    #[arg(long, default_value_t = 0, requires = "credentials")]
    pub(super) expired: u64,
    /// How many access tokens of each form, refresh tokens and principals are written into the file at most
    #[arg(long, default_value_t = 10_000, requires = "credentials")]
    pub(super) known: u64,
}

/// The made-up principals, by what made them.
#[derive(Clone, Copy, Debug)]
pub struct People {
    /// Their seed.
    pub seed: u64,
    /// How many there are.
    pub principals: u64,
    /// How many roles they share.
    pub roles: u64,
}

impl People {
    /// Those who are not suspended, again and again. None where there are no principals.
    pub(super) fn active(self) -> impl Iterator<Item = (Principal, Vec<String>)> + Send {
        let rows = (0..self.principals).cycle().map(move |row| people::principal(self.seed, row, self.roles));
        rows.filter(|(principal, _)| principal.suspended_at.is_none())
    }
}

/// Makes it, where it was asked for.
///
/// # Errors
/// The file is there, or the database failed.
pub async fn fill(app: &App, args: &LoadArgs, people: People) -> anyhow::Result<()> {
    let Some(path) = &args.credentials else { return Ok(()) };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = BufWriter::new(file.with_context(|| format!("cannot make {}", path.display()))?);
    let now = app.clock.now();
    let clients = Clients::make(app, args.services, now, &mut file).await?;
    make_people(app, now, &mut file).await?;
    let known = usize::try_from(args.known).unwrap_or(usize::MAX);
    for (principal, _) in people.active().take(known.min(usize::try_from(people.principals)?)) {
        writeln!(file, "principal\t{}", principal.id)?;
    }
    make_sessions(app, args, people, &clients, &mut file).await?;
    make_refresh_tokens(app, args, people, &mut file).await?;
    file.flush()?;
    Ok(())
}

struct Clients {
    jwt: Client,
    opaque: Client,
}

impl Clients {
    async fn make(app: &App, services: u64, now: Timestamp, file: &mut impl Write) -> anyhow::Result<Clients> {
        let service = |id: &str, algorithm: SigningAlgorithm| {
            let mut client = Client::new(id.to_owned(), id.to_owned(), AuthMethod::ClientSecretBasic, now);
            client.grant_types = vec![GrantType::ClientCredentials];
            client.metadata.access_token_signed_response_alg = Some(algorithm.as_str().to_owned());
            client
        };
        let application = |id: &str, format: AccessTokenFormat| {
            let mut client = Client::new(id.to_owned(), id.to_owned(), AuthMethod::ClientSecretBasic, now);
            client.grant_types = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
            client.redirect_uris = vec![REDIRECT_URI.to_owned()];
            client.scopes = Scope::written("openid profile email offline_access");
            client.metadata.access_token_format = format;
            client
        };
        let mut gateway = service("load-gateway", SigningAlgorithm::ES256);
        gateway.acl = Acl::of(&["oauth/tokens:introspect"]).map_err(|e| anyhow!(e))?;
        let mut clients = vec![
            application("load-jwt", AccessTokenFormat::Jwt),
            application("load-opaque", AccessTokenFormat::Opaque),
            gateway,
            service("load-admin", SigningAlgorithm::ES256),
        ];
        clients.extend(SigningAlgorithm::ALL.map(|alg| service(&format!("load-{}", alg.as_str()), alg)));
        clients.extend((0..services).map(|n| service(&format!("load-service-{n}"), SigningAlgorithm::ES256)));
        let mut secrets = Vec::new();
        for client in &clients {
            let secret = Secret::generate(Kind::ClientSecret);
            writeln!(file, "client\t{}\t{}", client.id, secret.reveal())?;
            secrets.push(ClientSecret {
                id: id::generate(now),
                client_id: client.id.clone(),
                hash: secret.hash(),
                hint: "load".to_owned(),
                description: None,
                created_at: now,
                expires_at: None,
                last_used_at: Some(now),
            });
        }
        let made = Clients { jwt: clients[0].clone(), opaque: clients[1].clone() };
        let rows: Vec<(Client, Vec<String>)> = clients
            .into_iter()
            .map(|client| {
                let roles = if client.id == "load-admin" { vec![role_key::OWNER.to_owned()] } else { Vec::new() };
                (client, roles)
            })
            .collect();
        app.store
            .write(move |tx| {
                store::fill::clients(tx, &rows)?;
                secrets.iter().try_for_each(|secret| store::client_secret::insert(tx, secret))
            })
            .await?;
        Ok(made)
    }
}

async fn make_people(app: &App, now: Timestamp, file: &mut impl Write) -> anyhow::Result<()> {
    let hash = app.hasher.hash(PASSWORD.into()).await.map_err(|_| anyhow!("the password could not be hashed"))?;
    let mut rows = Vec::new();
    for n in 0..PEOPLE {
        let email: Email = format!("load-{n}@example.org").parse().map_err(|e| anyhow!("{e}"))?;
        let mut person = Principal::new(id::generate(now), Some(&email), now);
        person.name = Some(format!("Load {n}"));
        person.password_hash = Some(hash.clone());
        person.password_changed_at = Some(now);
        writeln!(file, "person\t{}\t{PASSWORD}", email.as_str())?;
        rows.push((person, Vec::new()));
    }
    let write = move |tx: &mut Tx<'_>| {
        store::fill::principals(tx, &rows)?;
        let scope = Scope::written("openid profile email offline_access");
        let host = redirect_uri::origin(REDIRECT_URI);
        rows.iter().try_for_each(|(person, _)| store::consent::allow(tx, &person.id, "load-jwt", &host, &scope, now))
    };
    app.store.write::<_, store::Error, _>(write).await?;
    Ok(())
}

/// Whether a row is among the `known` that are written down, which are spread over all of them.
fn is_told(row: u64, of: u64, known: u64) -> bool {
    let step = (of / known.max(1)).max(1);
    row.is_multiple_of(step) && row / step < known
}

fn grant(client: &str, principal: &Principal, session: Option<&str>, scope: &str, now: Timestamp) -> Grant {
    Grant {
        id: id::generate(now),
        client_id: client.to_owned(),
        principal_id: principal.id.clone(),
        session_id: session.map(str::to_owned),
        scope: Scope::written(scope),
        details: Details {
            acr: ACR_PASSWORD.to_owned(),
            amr: vec![AMR_PASSWORD.to_owned()],
            redirect_host: redirect_uri::origin(REDIRECT_URI),
            ..Details::default()
        },
        auth_time: now,
        offline: session.is_none(),
        created_at: now,
        expires_at: now + YEAR,
        revoked_at: None,
    }
}

async fn make_sessions(
    app: &App,
    args: &LoadArgs,
    people: People,
    clients: &Clients,
    file: &mut impl Write,
) -> anyhow::Result<()> {
    let (now, keys, issuer) = (app.clock.now(), app.keys.load_full(), [app.config.issuer().to_owned()]);
    let mut people = people.active();
    for begin in (0..args.sessions).step_by(BATCH as usize) {
        let (mut sessions, mut grants) = (Vec::new(), Vec::new());
        for row in begin..(begin + BATCH).min(args.sessions) {
            let Some((principal, roles)) = people.next() else { return Ok(()) };
            let session = Session {
                id: id::generate(now),
                principal_id: principal.id.clone(),
                secret_hash: Secret::generate(Kind::Session).hash(),
                auth_time: now,
                amr: vec![AMR_PASSWORD.to_owned()],
                acr: ACR_PASSWORD.to_owned(),
                persistent: true,
                created_at: now,
                last_active_at: now,
                idle_expires_at: now + YEAR,
                expires_at: now + YEAR,
                ip_address: None,
                user_agent: None,
                ended_at: None,
            };
            let forms: &[(&str, &Client)] = match is_told(row, args.sessions, args.known) {
                true => &[("jwt", &clients.jwt), ("opaque", &clients.opaque)],
                false => &[("", &clients.jwt)],
            };
            for (form, client) in forms {
                let grant = grant(&client.id, &principal, Some(&session.id), "openid profile email", now);
                if !form.is_empty() {
                    let (scope, grant) = (&grant.scope, Some(&grant));
                    let token = AccessToken { client, grant, scope, roles: &roles, audience: &issuer };
                    let signed = access_token::sign(app, &keys, &token, now).map_err(|e| anyhow!("{e:?}"))?;
                    writeln!(file, "{form}\t{}", signed.token)?;
                }
                grants.push(grant);
            }
            sessions.push(session);
        }
        let write = move |tx: &mut Tx<'_>| {
            store::fill::sessions(tx, &sessions)?;
            store::fill::grants(tx, &grants)
        };
        app.store.write(write).await?;
    }
    Ok(())
}

async fn make_refresh_tokens(app: &App, args: &LoadArgs, people: People, file: &mut impl Write) -> anyhow::Result<()> {
    let now = app.clock.now();
    for (count, expires, known) in [(args.refresh_tokens, now + YEAR, args.known), (args.expired / 2, now - HOUR, 0)] {
        let mut people = people.active();
        for begin in (0..count).step_by(BATCH as usize) {
            let (mut grants, mut tokens) = (Vec::new(), Vec::new());
            for row in begin..(begin + BATCH).min(count) {
                let Some((principal, _)) = people.next() else { return Ok(()) };
                // without openid: no ID token is signed, whose RS256 would hide what rotation costs
                let mut grant = grant("load-jwt", &principal, None, "offline_access email", now);
                grant.expires_at = expires;
                let token = Secret::generate(Kind::RefreshToken);
                if is_told(row, count, known) {
                    writeln!(file, "refresh\t{}", token.reveal())?;
                }
                tokens.push((token.hash(), grant.id.clone(), now - 2 * HOUR, expires));
                grants.push(grant);
            }
            let write = move |tx: &mut Tx<'_>| {
                store::fill::grants(tx, &grants)?;
                store::fill::refresh_tokens(tx, &tokens)
            };
            app.store.write(write).await?;
        }
    }
    Ok(())
}
