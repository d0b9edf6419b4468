//! The first owner: made through a one-time link or from the configuration, by exactly one of all who try.

use std::time::Duration;

use anyhow::{Context, ensure};
use secrecy::{ExposeSecret, SecretString};

use super::authenticate::check_policy;
use crate::{
    config::Config,
    hasher::{Busy, Hasher},
    model::{
        client_auth::AuthMethod,
        email::Email,
        grant_type::GrantType,
        id, password, role_key,
        secret::{Kind, Secret, SecretHash},
        time::Timestamp,
    },
    store::{
        self, Failure, Store, Tx,
        audit::{Change, Event, Origin},
        client::Client,
        client_secret::ClientSecret,
        principal::Principal,
    },
};

/// How long a set-up link can be used.
const LINK_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Why no owner was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetupFault {
    /// The password breaks these rules, in plain words.
    Policy(Vec<String>),
    /// The link was never made, has expired, or was replaced by a newer one.
    LinkInvalid,
    /// There is or was an owner.
    Done,
    /// The email is another principal's.
    EmailInUse,
    /// There is too much to hash.
    Busy(Busy),
}

/// Makes a set-up link's secret, which holds for 24 hours; the one before holds no more.
pub async fn mint_link(store: &Store, now: Timestamp) -> Result<Secret, store::Error> {
    let secret = Secret::generate(Kind::SetupLink);
    let hash = secret.hash();
    store.write(move |tx| store::setup::mint_link(tx, &hash, now + LINK_LIFETIME)).await?;
    Ok(secret)
}

/// The same where no link holds now; nothing where one does, which goes on to hold.
pub async fn mint_first_link(store: &Store, now: Timestamp) -> Result<Option<Secret>, store::Error> {
    let secret = Secret::generate(Kind::SetupLink);
    let hash = secret.hash();
    let made = store.write(move |tx| store::setup::mint_first_link(tx, &hash, now + LINK_LIFETIME, now)).await?;
    Ok(made.then_some(secret))
}

/// Whether an owner can be made with this link now.
pub async fn link_holds(store: &Store, now: Timestamp, link: &Secret) -> Result<bool, store::Error> {
    Ok(state(store, now, Some(link)).await?.is_ok())
}

async fn state(store: &Store, now: Timestamp, link: Option<&Secret>) -> Result<Result<(), SetupFault>, store::Error> {
    let hash = link.map(Secret::hash);
    store
        .read(move |conn| {
            if store::setup::is_done(conn)? {
                return Ok(Err(SetupFault::Done));
            }
            let holds = match hash {
                Some(hash) => store::setup::link_holds(conn, &hash, now)?,
                None => false,
            };
            if holds {
                return Ok(Ok(()));
            }
            // the link may have gone between the two looks because somebody else used it
            let done = store::setup::is_done(conn)?;
            Ok::<_, store::Error>(Err(if done { SetupFault::Done } else { SetupFault::LinkInvalid }))
        })
        .await
}

/// Makes the first owner with a set-up link; `None` is what was presented and is no link.
///
/// # Errors
/// Only the store's; why no owner is made is a [`SetupFault`].
#[allow(clippy::too_many_arguments)]
pub async fn complete(
    store: &Store,
    hasher: &Hasher,
    config: &Config,
    now: Timestamp,
    link: Option<Secret>,
    name: String,
    email: Email,
    password: SecretString,
) -> Result<Result<Principal, SetupFault>, store::Error> {
    // Looked at before, so that only who holds the link makes this server work; decided in the transaction.
    if let Err(fault) = state(store, now, link.as_ref()).await? {
        return Ok(Err(fault));
    }
    let about = vec![email.as_str().to_owned(), name.clone()];
    if let Err(faults) = check_policy(&config.passwords, password.clone(), about).await? {
        return Ok(Err(SetupFault::Policy(faults)));
    }
    let hash = match hasher.hash(password).await {
        Ok(hash) => hash,
        Err(busy) => return Ok(Err(SetupFault::Busy(busy))),
    };
    let mut owner = owner(&email, hash, now);
    owner.name = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
    Ok(make(store, now, link, First { owner: Some(owner.clone()), client: None }).await?.map(|()| owner))
}

fn owner(email: &Email, password_hash: String, now: Timestamp) -> Principal {
    let mut owner = Principal::new(id::generate(now), Some(email), now);
    owner.email_verified = true;
    owner.password_hash = Some(password_hash);
    owner.password_changed_at = Some(now);
    owner
}

/// The identities that are made with the rights of an owner.
#[derive(Default)]
struct First {
    owner: Option<Principal>,
    client: Option<(Client, ClientSecret)>,
}

impl First {
    /// The one that is noted as the first owner.
    fn id(&self) -> Option<&str> {
        let client = || self.client.as_ref().map(|(client, _)| client.id.as_str());
        self.owner.as_ref().map(|owner| owner.id.as_str()).or_else(client)
    }
}

/// A transaction that is rolled back for a reason of its own, or the store's.
enum Rejected {
    Fault(SetupFault),
    Store(store::Error),
}

impl From<store::Error> for Rejected {
    fn from(error: store::Error) -> Rejected {
        Rejected::Store(error)
    }
}

impl Failure for Rejected {
    fn as_store(&self) -> Option<&store::Error> {
        match self {
            Rejected::Fault(_) => None,
            Rejected::Store(error) => Some(error),
        }
    }
}

/// Makes them, all or none, unless there was an owner before. With a link, the link is used up.
async fn make(
    store: &Store,
    now: Timestamp,
    link: Option<Secret>,
    first: First,
) -> Result<Result<(), SetupFault>, store::Error> {
    let link = link.as_ref().map(Secret::hash);
    match store.write(move |tx| make_in(tx, now, link.as_ref(), &first)).await {
        Ok(()) => Ok(Ok(())),
        Err(Rejected::Fault(fault)) => Ok(Err(fault)),
        Err(Rejected::Store(error)) => Err(error),
    }
}

fn make_in(tx: &mut Tx<'_>, now: Timestamp, link: Option<&SecretHash>, first: &First) -> Result<(), Rejected> {
    if store::setup::is_done(tx)? {
        return Err(Rejected::Fault(SetupFault::Done));
    }
    if let Some(link) = link
        && !store::setup::use_link(tx, link, now)?
    {
        // who lost the race for the link comes too late rather than with a wrong one
        let fault = if store::setup::is_done(tx)? { SetupFault::Done } else { SetupFault::LinkInvalid };
        return Err(Rejected::Fault(fault));
    }
    // The one row on which all who try meet, before anything else can conflict.
    let Some(id) = first.id() else { return Ok(()) };
    store::setup::complete(tx, id, now).map_err(|error| match error {
        store::Error::Conflict(_) => Rejected::Fault(SetupFault::Done),
        other => Rejected::Store(other),
    })?;
    for made in
        [first.owner.as_ref().map(|o| ("principal", &o.id)), first.client.as_ref().map(|(c, _)| ("client", &c.id))]
            .into_iter()
            .flatten()
    {
        let mut event = Event::by(made.1, &Origin::default(), &format!("{}.create", made.0), (made.0, made.1), now);
        event.actor_kind = "system".to_owned();
        event.actor_id = None;
        event.changes = vec![Change {
            path: "/roles".to_owned(),
            from: serde_json::Value::Null,
            to: [role_key::OWNER].as_slice().into(),
        }];
        store::audit::insert(tx, &event)?;
    }
    if let Some(owner) = &first.owner {
        store::principal::insert(tx, owner).map_err(|error| match error {
            store::Error::Conflict("email") => Rejected::Fault(SetupFault::EmailInUse),
            other => Rejected::Store(other),
        })?;
        give_owner_role(tx, &owner.id)?;
    }
    if let Some((client, secret)) = &first.client {
        store::client::insert(tx, client)?;
        store::client_secret::insert(tx, secret)?;
        give_owner_role(tx, &client.id)?;
    }
    Ok(())
}

fn give_owner_role(tx: &mut Tx<'_>, id: &str) -> Result<(), store::Error> {
    store::identity::set_roles(tx, id, &[role_key::OWNER.to_owned()])?
        .map_err(|key| store::Error::Internal(format!("the built-in role {key} is missing")))
}

/// Makes what `config.bootstrap` says, where no owner was ever made; what was made, in words for the log. Of several
/// nodes that start at once exactly one acts.
///
/// # Errors
/// In plain words for the operator.
pub async fn bootstrap(
    store: &Store,
    hasher: &Hasher,
    config: &Config,
    now: Timestamp,
) -> Result<Option<String>, anyhow::Error> {
    let configured = &config.bootstrap;
    let owner_configured = configured.owner_email.as_deref().zip(configured.owner_password.as_ref());
    let client_configured = configured.client_id.as_deref().zip(configured.client_secret.as_ref());
    if (owner_configured.is_none() && client_configured.is_none()) || store.read(store::setup::is_done).await? {
        return Ok(None);
    }
    let mut first = First::default();
    let mut made = Vec::new();
    if let Some((email, password)) = owner_configured {
        made.push("the owner".to_owned());
        first.owner = Some(configured_owner(hasher, email, password, now).await?);
    }
    if let Some((client_id, secret)) = client_configured {
        made.push(format!("the client {client_id}"));
        first.client = Some(configured_client(client_id, secret, now)?);
    }
    match make(store, now, None, first).await {
        Ok(Ok(())) => Ok(Some(made.join(" and "))),
        Ok(Err(SetupFault::Done)) => Ok(None),
        Ok(Err(SetupFault::EmailInUse)) => {
            anyhow::bail!("bootstrap.owner_email: there is a principal with this email that is no owner")
        }
        Ok(Err(fault)) => anyhow::bail!("the first owner could not be made: {fault:?}"),
        Err(store::Error::Conflict(_)) => {
            anyhow::bail!("bootstrap.client_id: this identifier is or was in use; choose another one")
        }
        Err(error) => Err(error.into()),
    }
}

async fn configured_owner(
    hasher: &Hasher,
    email: &str,
    password: &SecretString,
    now: Timestamp,
) -> Result<Principal, anyhow::Error> {
    let email: Email = email.parse().map_err(anyhow::Error::msg).context("bootstrap.owner_email")?;
    ensure!(
        password.expose_secret().len() <= password::MAX_LENGTH,
        "bootstrap.owner_password: expected at most {} bytes",
        password::MAX_LENGTH
    );
    let hash = hasher.hash(password.clone()).await;
    let hash = hash.map_err(|_| anyhow::anyhow!("bootstrap.owner_password could not be hashed"))?;
    Ok(owner(&email, hash, now))
}

fn configured_client(
    client_id: &str,
    secret: &SecretString,
    now: Timestamp,
) -> Result<(Client, ClientSecret), anyhow::Error> {
    let client_id = id::client(client_id).map_err(anyhow::Error::msg).context("bootstrap.client_id")?;
    let mut client = Client::new(client_id.clone(), client_id.clone(), AuthMethod::ClientSecretBasic, now);
    client.grant_types = vec![GrantType::ClientCredentials];
    client.first_party = true;
    let text = secret.expose_secret();
    let hint: Vec<char> = text.chars().rev().take(4).collect();
    let secret = ClientSecret {
        id: id::generate(now),
        client_id,
        hash: SecretHash::of(text),
        hint: hint.into_iter().rev().collect(),
        description: Some("from the configuration".to_owned()),
        created_at: now,
        expires_at: None,
        last_used_at: None,
    };
    Ok((client, secret))
}

#[cfg(test)]
#[path = "setup_tests.rs"]
mod tests;
