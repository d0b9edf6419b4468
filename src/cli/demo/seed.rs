//! Who and what the demo needs: a person, an application, and a service that serves a resource.

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::paths;
use crate::{
    app::App,
    model::{
        client_auth::AuthMethod,
        email::Email,
        grant_type::GrantType,
        id, password,
        permission::Acl,
        role_key,
        scope::Scope,
        secret::{Kind, Secret},
        time::Timestamp,
    },
    store::{self, client::Client, client_secret::ClientSecret, principal::Principal},
};

/// The application into which people sign in.
pub const APPLICATION: &str = "demo-app";
/// The service that asks for itself, and serves the demo resource.
pub const SERVICE: &str = "demo-service";
/// What the application asks for.
pub const APPLICATION_SCOPE: &str = "openid profile email offline_access";
/// What may be done at the demo resource, and so what the service asks for.
pub const SERVICE_SCOPE: &str = "demo/resource:read";

const EMAIL: &str = "ada@example.org";
/// Whoever comes back to the terminal after lunch finds the printed commands still working.
const TOKEN_SECONDS: u64 = 12 * 3600;

/// What was made, with its secrets in clear: all of it is thrown away in the end.
#[derive(Debug)]
pub struct Seeded {
    /// The person's id.
    pub principal_id: String,
    /// The person's email.
    pub email: String,
    /// The person's password.
    pub password: SecretString,
    /// The application's secret.
    pub application_secret: Secret,
    /// The service's secret.
    pub service_secret: Secret,
}

/// Makes them in the store. The person is the owner, so nobody else can become it.
///
/// # Errors
/// If the store or the hasher fails.
pub async fn seed(app: &App) -> anyhow::Result<Seeded> {
    let (now, issuer) = (app.clock.now(), app.config.issuer().to_owned());
    let password = password::generate();
    let hash = app.hasher.hash(password.clone()).await;
    let hash = hash.map_err(|_| anyhow::anyhow!("the password could not be hashed in time"))?;
    let person = person(hash, now)?;
    let (application, service) = (application(&issuer, now)?, service(now)?);
    let (application_secret, service_secret) =
        (Secret::generate(Kind::ClientSecret), Secret::generate(Kind::ClientSecret));
    let resource = format!("{issuer}{}", paths::RESOURCE);

    let principal_id = person.id.clone();
    let secrets = [stored(APPLICATION, &application_secret, now), stored(SERVICE, &service_secret, now)];
    app.store
        .write(move |tx| {
            store::principal::insert(tx, &person)?;
            store::identity::set_roles(tx, &person.id, &[role_key::OWNER.to_owned()])?
                .map_err(|key| store::Error::Internal(format!("there is no role {key}")))?;
            store::setup::complete(tx, &person.id, now)?;
            store::client::insert(tx, &application)?;
            store::client::insert(tx, &service)?;
            for secret in &secrets {
                store::client_secret::insert(tx, secret)?;
            }
            store::client::set_resources(tx, SERVICE, std::slice::from_ref(&resource))
        })
        .await
        .context("the demo's people and clients could not be made")?;
    Ok(Seeded { principal_id, email: EMAIL.to_owned(), password, application_secret, service_secret })
}

fn person(password_hash: String, now: Timestamp) -> anyhow::Result<Principal> {
    let email: Email = EMAIL.parse().map_err(anyhow::Error::msg)?;
    let mut person = Principal::new(id::generate(now), Some(&email), now);
    person.email_verified = true;
    person.name = Some("Ada Lovelace".to_owned());
    // Standard claims (OpenID Connect Core §5.1)
    for (claim, value) in [
        ("given_name", "Ada"),
        ("family_name", "Lovelace"),
        ("nickname", "Countess"),
        ("birthdate", "1815-12-10"),
        ("zoneinfo", "Europe/London"),
        ("locale", "en-GB"),
        ("website", "https://en.wikipedia.org/wiki/Ada_Lovelace"),
    ] {
        person.properties.insert(claim.to_owned(), json!(value));
    }
    person.password_hash = Some(password_hash);
    person.password_changed_at = Some(now);
    Ok(person)
}

fn application(issuer: &str, now: Timestamp) -> anyhow::Result<Client> {
    let mut client =
        Client::new(APPLICATION.to_owned(), "Demo application".to_owned(), AuthMethod::ClientSecretBasic, now);
    client.description = Some("Signs people in, and shows each step.".to_owned());
    client.grant_types = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
    client.redirect_uris = vec![format!("{issuer}{}", paths::CALLBACK)];
    client.post_logout_redirect_uris = vec![format!("{issuer}{}", paths::HOME)];
    client.scopes = scope(APPLICATION_SCOPE)?;
    client.metadata.access_token_lifetime = Some(TOKEN_SECONDS);
    Ok(client)
}

fn service(now: Timestamp) -> anyhow::Result<Client> {
    let mut client = Client::new(SERVICE.to_owned(), "Demo service".to_owned(), AuthMethod::ClientSecretBasic, now);
    client.description = Some("Asks for tokens for itself, and serves the demo resource.".to_owned());
    client.grant_types = vec![GrantType::ClientCredentials];
    client.scopes = scope(SERVICE_SCOPE)?;
    client.acl = Acl::of(&[SERVICE_SCOPE]).map_err(anyhow::Error::msg)?;
    client.metadata.access_token_lifetime = Some(TOKEN_SECONDS);
    Ok(client)
}

fn scope(text: &str) -> anyhow::Result<Scope> {
    text.parse().map_err(anyhow::Error::msg)
}

fn stored(client_id: &str, secret: &Secret, now: Timestamp) -> ClientSecret {
    let value = secret.reveal();
    ClientSecret {
        id: id::generate(now),
        client_id: client_id.to_owned(),
        hash: secret.hash(),
        hint: value.get(value.len().saturating_sub(4)..).unwrap_or_default().to_owned(),
        description: Some("made for the demo".to_owned()),
        created_at: now,
        expires_at: None,
        last_used_at: None,
    }
}

impl Seeded {
    /// The person's password in clear.
    pub fn password(&self) -> &str {
        self.password.expose_secret()
    }
}
