//! The throw-away person and application of a sign-in: made, removed, and swept up where a doctor was killed.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    app::App,
    cli::place::failure,
    directory::{
        Actor, Precondition, Refusal,
        audit::{self, Target},
        client::{self, Policy},
        principal::{self, Terms},
    },
    model::{
        client_auth::AuthMethod,
        email::Email,
        grant_type::GrantType,
        id, password,
        problem::Code,
        secret::{Kind, Secret},
        time::Timestamp,
    },
    store::{
        self, Tx,
        client::Client,
        client_secret::ClientSecret,
        listing::{ClientFilter, Order, Page, PrincipalFilter, clients, principals},
        principal::Principal,
    },
};

/// Where their mail would go, which is nowhere (RFC 6761 §6.4).
pub const DOMAIN: &str = "@keyward-doctor.invalid";
/// What the application's id begins with.
pub const PREFIX: &str = "keyward-doctor-";
/// Where the application's codes go. Nobody follows a redirect there.
pub const CALLBACK: &str = "https://keyward-doctor.invalid/callback";
/// Where people go who signed out of it.
pub const SIGNED_OUT: &str = "https://keyward-doctor.invalid/signed-out";
/// What the application may ask for.
pub const SCOPE: &str = "openid profile email offline_access";
const NAME: &str = "keyward doctor (throw-away)";
/// Password and secret hold for so long, even where nobody takes them away.
pub const LIFE: Duration = Duration::from_secs(10 * 60);
/// The life of an access token, in seconds.
const TOKEN_SECONDS: u64 = 60;
/// The most of each that are swept up at a time.
const MOST: usize = 100;

/// Somebody who signs in, and what they sign in to. The password and the secret are known to this process alone.
#[derive(Clone, Debug)]
pub struct Throwaway {
    /// The person's id.
    pub principal_id: String,
    /// The person's email.
    pub email: String,
    /// The person's password.
    pub password: SecretString,
    /// The application's id.
    pub client_id: String,
    /// The application's secret.
    pub secret: Secret,
}

impl Throwaway {
    /// One that is not made yet.
    pub fn new(now: Timestamp) -> Throwaway {
        let principal_id = id::generate(now);
        Throwaway {
            email: format!("{principal_id}{DOMAIN}"),
            client_id: format!("{PREFIX}{}", id::generate(now)),
            principal_id,
            password: password::generate(),
            secret: Secret::generate(Kind::ClientSecret),
        }
    }

    /// Makes both, in one transaction. They may do nothing, and what proves who they are holds for [`LIFE`].
    ///
    /// # Errors
    /// The password is not hashed in time, or the database fails.
    pub async fn make(&self, app: &App) -> anyhow::Result<()> {
        let now = app.clock.now();
        let hash = app.hasher.hash(self.password.clone()).await;
        let hash = hash.map_err(|_| anyhow::anyhow!("the password could not be hashed in time"))?;
        let (person, application) = (self.person(hash, now)?, self.application(now)?);
        let secret = self.stored_secret(now);
        let written = app.store.write(move |tx| {
            store::principal::insert(tx, &person)?;
            let shown = json!({ "email": person.email, "name": NAME });
            note(tx, "principal", &person.id, &shown, now)?;
            store::client::insert(tx, &application)?;
            store::client_secret::insert(tx, &secret)?;
            let shown = json!({ "name": NAME, "redirectUris": application.redirect_uris });
            note(tx, "client", &application.id, &shown, now)
        });
        Ok(written.await?)
    }

    fn person(&self, hash: String, now: Timestamp) -> anyhow::Result<Principal> {
        let email: Email = self.email.parse().map_err(anyhow::Error::msg)?;
        // not verified, so that no mail is sent
        let mut person = Principal::new(self.principal_id.clone(), Some(&email), now);
        person.name = Some(NAME.to_owned());
        person.password_hash = Some(hash);
        person.password_changed_at = Some(now);
        person.password_expires_at = Some(now + LIFE);
        Ok(person)
    }

    fn application(&self, now: Timestamp) -> anyhow::Result<Client> {
        let mut client = Client::new(self.client_id.clone(), NAME.to_owned(), AuthMethod::ClientSecretBasic, now);
        client.grant_types = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
        client.redirect_uris = vec![CALLBACK.to_owned()];
        client.post_logout_redirect_uris = vec![SIGNED_OUT.to_owned()];
        client.scopes = SCOPE.parse().map_err(anyhow::Error::msg)?;
        client.metadata.access_token_lifetime = Some(TOKEN_SECONDS);
        Ok(client)
    }

    fn stored_secret(&self, now: Timestamp) -> ClientSecret {
        ClientSecret {
            id: id::generate(now),
            client_id: self.client_id.clone(),
            hash: self.secret.hash(),
            hint: String::new(),
            description: Some(NAME.to_owned()),
            created_at: now,
            expires_at: Some(now + LIFE),
            last_used_at: None,
        }
    }
}

/// Notes that the command line made something.
fn note(tx: &mut Tx<'_>, kind: &'static str, id: &str, shown: &Value, now: Timestamp) -> Result<(), store::Error> {
    let action = if kind == "client" { "client.create" } else { "principal.create" };
    audit::note(tx, &Actor::command_line(), action, Target { kind, id }, &Value::Null, shown, now)
}

/// Removes a person and an application with all that hangs on them; what is not there (any more) is no failure. The audit
/// log keeps what happened.
///
/// # Errors
/// The database's.
pub async fn remove(app: &App, principals: Vec<String>, clients: Vec<String>) -> anyhow::Result<()> {
    let now = app.clock.now();
    let policy = Policy { require_precondition: false, ..Policy::of(&app.config) };
    let written = app.store.write(move |tx| {
        let actor = Actor::command_line();
        for id in &principals {
            let terms = Terms { precondition: Precondition::None, required: false, now };
            gone(principal::delete(tx, &actor, id, &terms))?;
            store::identity::forget(tx, id)?;
        }
        for id in &clients {
            gone(client::delete(tx, &actor, id, &Precondition::None, &policy, now))?;
            store::authorization_code::forget_of_client(tx, id)?;
            store::identity::forget(tx, id)?;
        }
        Ok::<_, Refusal>(())
    });
    written.await.map_err(failure)
}

fn gone(deleted: Result<(), Refusal>) -> Result<(), Refusal> {
    match deleted {
        Err(Refusal::Problem(problem)) if problem.code == Code::NotFound => Ok(()),
        other => other,
    }
}

/// Removes what doctors left that were killed in the middle; how many people and applications.
///
/// # Errors
/// The database's.
pub async fn sweep(app: &App) -> anyhow::Result<usize> {
    let (now, actor) = (app.clock.now(), Actor::command_line());
    let people = PrincipalFilter {
        email: Some(DOMAIN.to_owned()),
        include_suspended: true,
        ..PrincipalFilter::new(principal::visible(&actor))
    };
    let applications = ClientFilter {
        q: Some(PREFIX.to_owned()),
        include_suspended: true,
        ..ClientFilter::new(client::visible(&actor))
    };
    let page = Page::first(MOST, Order::CreatedAt);
    let listed = app.store.list(move |conn| {
        let people = principals::list(conn, &people, &page)?.items;
        Ok::<_, store::Error>((people, clients::list(conn, &applications, &page)?.items))
    });
    let (people, applications) = listed.await?;
    // those that are younger may be another doctor's, at work at this moment
    let stale = |made: Timestamp| made + LIFE <= now;
    let people = people.into_iter().map(|(person, _)| person).filter(|person| {
        person.email.as_deref().is_some_and(|email| email.ends_with(DOMAIN)) && stale(person.created_at)
    });
    let applications = applications.into_iter().map(|(application, _)| application);
    let applications =
        applications.filter(|application| application.id.starts_with(PREFIX) && stale(application.created_at));
    let people: Vec<String> = people.map(|person| person.id).collect();
    let applications: Vec<String> = applications.map(|application| application.id).collect();
    let count = people.len() + applications.len();
    if count > 0 {
        remove(app, people, applications).await?;
    }
    Ok(count)
}
