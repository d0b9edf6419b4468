//! Administrators' acts straight on the database; a running server notices within a moment.

use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::Kind;
use crate::{
    app::App,
    cli::Refused,
    directory::{
        Actor, Precondition, Refusal,
        apply::{self, Options, Progress},
        client::{
            self, Policy,
            secrets::{self, NewSecretDocument, Prepared},
        },
        principal::{self, NewPassword, TemporaryPassword, Terms},
        role,
    },
    model::{
        password,
        problem::Problem,
        role_key,
        secret::{Kind as SecretKind, Secret},
        time::Timestamp,
    },
    store::{self, Tx, listing::roles},
    web::{
        body,
        listing::{CLIENTS, ListQuery, PRINCIPALS, ROLES},
    },
};

/// The database that a configuration names, and whoever may write to its files or has its password.
pub struct Database {
    pub(in crate::cli) app: App,
}

impl Database {
    /// This program's database.
    pub fn new(app: App) -> Database {
        Database { app }
    }

    fn now(&self) -> Timestamp {
        self.app.clock.now()
    }

    fn policy(&self) -> Policy {
        Policy { require_precondition: false, ..Policy::of(&self.app.config) }
    }

    fn terms(&self, precondition: Precondition) -> Terms {
        Terms { precondition, required: false, now: self.now() }
    }

    async fn write<T, F>(&self, act: F) -> anyhow::Result<T>
    where
        F: Fn(&mut Tx<'_>, &Actor) -> Result<T, Refusal> + Send + 'static,
        T: Send + 'static,
    {
        let actor = Actor::command_line();
        self.app.store.write(move |tx| act(tx, &actor)).await.map_err(failure)
    }

    pub(super) async fn list(&self, kind: Kind, query: &str) -> anyhow::Result<Value> {
        let (store, sealer, actor) = (&self.app.store, &self.app.seals.cursor, Actor::command_line());
        let known = match kind {
            Kind::Role => &ROLES,
            Kind::Client => &CLIENTS,
            Kind::Principal => &PRINCIPALS,
        };
        let query = ListQuery::parse(query, known, sealer).map_err(|problem| refused(&problem))?;
        let page = query.page.clone();
        Ok(match kind {
            Kind::Role => {
                let prefix = query.text("prefix").unwrap_or_default();
                let listed = store.list(move |conn| roles::list(conn, &prefix, &page)).await?;
                json!(query.answer(listed.map(|role| role::document(&role)), sealer))
            }
            Kind::Client => {
                let filter = query.clients(client::visible(&actor));
                json!(query.answer(store.list(move |conn| client::list(conn, &filter, &page)).await?, sealer))
            }
            Kind::Principal => {
                let filter = query.principals(principal::visible(&actor));
                let documents = self.app.documents.clone();
                let listed = store.list(move |conn| principal::list(conn, &documents, &filter, &page)).await?;
                json!(query.answer(listed, sealer))
            }
        })
    }

    pub(super) async fn get(&self, kind: Kind, id: &str) -> anyhow::Result<Value> {
        let (id, actor) = (id.to_owned(), Actor::command_line());
        let read = self.app.store.read(move |conn| {
            Ok::<_, Refusal>(match kind {
                Kind::Role => json!(role::get(conn, &actor, &id)?),
                Kind::Client => json!(client::get(conn, &actor, &id)?),
                Kind::Principal => json!(principal::get(conn, &actor, &id)?),
            })
        });
        read.await.map_err(failure)
    }

    pub(super) async fn put(
        &self,
        kind: Kind,
        id: &str,
        given: Map<String, Value>,
        precondition: Precondition,
    ) -> anyhow::Result<Value> {
        body::sound(&Value::Object(given.clone())).map_err(failure)?;
        let (id, now, policy) = (id.to_owned(), self.now(), self.policy());
        let terms = self.terms(precondition.clone());
        self.write(move |tx, actor| {
            let (document, roles) = match kind {
                Kind::Role => {
                    (json!(role::put(tx, actor, &id, given.clone(), &precondition, false, now)?.document), Vec::new())
                }
                Kind::Client => {
                    let put = client::put(tx, actor, &id, given.clone(), &precondition, &policy, now)?;
                    (json!(put.document), put.document.roles)
                }
                Kind::Principal => {
                    let put = principal::put(tx, actor, &id, given.clone(), &terms)?;
                    (json!(put.document), put.document.roles)
                }
            };
            end_setup(tx, &id, &roles, now)?;
            Ok(document)
        })
        .await
    }

    pub(super) async fn delete(
        &self,
        kind: Kind,
        id: &str,
        force: bool,
        precondition: Precondition,
    ) -> anyhow::Result<()> {
        let (id, now, policy) = (id.to_owned(), self.now(), self.policy());
        let terms = self.terms(precondition.clone());
        self.write(move |tx, actor| match kind {
            Kind::Role => role::delete(tx, actor, &id, force, &precondition, false, now),
            Kind::Client => client::delete(tx, actor, &id, &precondition, &policy, now),
            Kind::Principal => principal::delete(tx, actor, &id, &terms),
        })
        .await
    }

    pub(super) async fn suspend(
        &self,
        kind: Kind,
        id: &str,
        suspended: bool,
        precondition: Precondition,
    ) -> anyhow::Result<Value> {
        let (id, now, policy) = (id.to_owned(), self.now(), self.policy());
        let terms = self.terms(precondition.clone());
        self.write(move |tx, actor| match (kind, suspended) {
            (Kind::Client, true) => Ok(json!(client::suspend(tx, actor, &id, &precondition, &policy, now)?)),
            (Kind::Client, false) => Ok(json!(client::unsuspend(tx, actor, &id, &precondition, &policy, now)?)),
            (_, true) => Ok(json!(principal::suspend(tx, actor, &id, &terms)?)),
            (_, false) => Ok(json!(principal::unsuspend(tx, actor, &id, &terms)?)),
        })
        .await
    }

    pub(super) async fn reset_password(&self, id: &str, precondition: Precondition) -> anyhow::Result<Value> {
        let (id, terms) = (id.to_owned(), self.terms(precondition));
        let password = password::generate();
        let hash = self.app.hasher.hash(password.clone()).await;
        let hash = hash.map_err(|_| anyhow::anyhow!("the password could not be hashed in time"))?;
        let new = NewPassword { hash, expires_at: terms.now + self.app.config.passwords.temporary_lifetime };
        let until = new.expires_at.rfc3339();
        self.write(move |tx, actor| principal::reset_password(tx, actor, &id, &new, &terms)).await?;
        Ok(json!(TemporaryPassword { temporary_password: password.expose_secret().to_owned(), expires_at: until }))
    }

    pub(super) async fn secrets(&self, id: &str) -> anyhow::Result<Value> {
        let (id, actor) = (id.to_owned(), Actor::command_line());
        let read = self.app.store.read(move |conn| secrets::list(conn, &actor, &id));
        Ok(json!(read.await.map_err(failure)?))
    }

    pub(super) async fn add_secret(&self, id: &str, given: Map<String, Value>) -> anyhow::Result<Value> {
        body::sound(&Value::Object(given.clone())).map_err(failure)?;
        let (id, policy) = (id.to_owned(), self.policy());
        let secret = Secret::generate(SecretKind::ClientSecret);
        let prepared = Prepared::of(secret.reveal(), self.now());
        let written = self.write(move |tx, actor| {
            secrets::create(tx, actor, &id, given.clone(), &prepared, &Precondition::None, &policy)
        });
        let (made, _) = written.await?;
        Ok(json!(NewSecretDocument {
            id: made.id,
            secret: secret.reveal().to_owned(),
            description: made.description,
            hint: made.hint,
            created_at: made.created_at,
            expires_at: made.expires_at,
        }))
    }

    pub(super) async fn apply(
        &self,
        file: Map<String, Value>,
        dry_run: bool,
        prune: bool,
        progress: Progress,
    ) -> anyhow::Result<Value> {
        let file = Value::Object(file);
        body::sound(&file).map_err(failure)?;
        let file = file.as_object().cloned().unwrap_or_default();
        let options = Options { dry_run, prune, policy: self.policy(), now: self.now() };
        let applied = apply::run(&self.app.store, Actor::command_line(), file, options, progress).await;
        Ok(json!(applied.map_err(failure)?))
    }

    pub(super) async fn delete_secret(&self, id: &str, secret: &str) -> anyhow::Result<()> {
        let (id, secret, policy, now) = (id.to_owned(), secret.to_owned(), self.policy(), self.now());
        self.write(move |tx, actor| secrets::delete(tx, actor, &id, &secret, &Precondition::None, &policy, now))
            .await?;
        Ok(())
    }
}

/// An owner ends the set-up, so that no link makes another one.
pub(in crate::cli) fn end_setup(tx: &mut Tx<'_>, id: &str, roles: &[String], now: Timestamp) -> Result<(), Refusal> {
    if roles.iter().any(|role| role == role_key::OWNER) && !store::setup::is_done(tx)? {
        store::setup::complete(tx, id, now)?;
    }
    Ok(())
}

/// What the command's user is told about a refusal.
pub(in crate::cli) fn failure(refusal: Refusal) -> anyhow::Error {
    match refusal {
        Refusal::Problem(problem) => refused(&problem),
        Refusal::Store(error) => error.into(),
    }
}

fn refused(problem: &Problem) -> anyhow::Error {
    let faults: Vec<(Option<&str>, &str)> =
        problem.errors.iter().map(|fault| (fault.pointer.as_deref(), fault.message.as_str())).collect();
    told(problem.code.status(), problem.code.as_str(), &problem.detail, &faults, None)
}

/// A problem in plain words. What is wrong with what was said is the command's fault (exit status 2), the rest is not.
pub(super) fn told(
    status: u16,
    code: &str,
    detail: &str,
    faults: &[(Option<&str>, &str)],
    request: Option<&str>,
) -> anyhow::Error {
    let request = request.map(|id| format!(", request {id}")).unwrap_or_default();
    let mut lines = vec![format!("{detail} ({code}{request})")];
    if faults.len() > 1 {
        lines.extend(faults.iter().map(|(pointer, message)| match pointer {
            Some(pointer) => format!("  {pointer}: {message}"),
            None => format!("  {message}"),
        }));
    }
    // what comes from elsewhere does not move the cursor of a terminal
    let lines: Vec<String> = lines.iter().map(|line| line.chars().filter(|c| !c.is_control()).collect()).collect();
    match status {
        400 | 413 | 415 | 422 => Refused(lines).into(),
        _ => anyhow::anyhow!(lines.join("\n")),
    }
}
