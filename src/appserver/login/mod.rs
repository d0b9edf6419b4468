//! Signing in: one file for each way to prove who somebody is.

use actix_web::{HttpRequest, HttpResponse, cookie::Cookie};

use super::{
    answer::{LoginAnswer, ok},
    error::{AppserverError, Code},
    session,
};
use crate::{
    app::App,
    identity::{
        appserver_session::{self, Opening, Proof as Proven, has_access},
        notice,
    },
    model::{
        auth_module::{AuthModule, Proof},
        auth_string::AuthString,
        id::shown,
        time::Timestamp,
    },
    store::{self, principal::Principal},
};

mod component;
mod directory;
mod header;
mod oauth;
mod password;

/// The authentication context class of a sign-in by the directory's password.
const ACR_DIRECTORY: &str = "keyward:directory";
/// And of one that a trusted proxy vouches for.
const ACR_PROXY: &str = "keyward:proxy";

/// A login that is asked for.
struct Login<'a> {
    app: &'a App,
    req: &'a HttpRequest,
    now: Timestamp,
    module: AuthModule,
    given: AuthString,
    initial: Option<AuthString>,
}

/// What a login ends in.
struct SignedIn {
    answer: LoginAnswer,
    cookies: Vec<Cookie<'static>>,
}

/// Signs in; the answer, with its cookie.
pub async fn answer(app: &App, req: &HttpRequest, given: AuthString) -> Result<HttpResponse, AppserverError> {
    let modules = app.config.auth_modules();
    let known = given.module.parse::<AuthModule>().ok().filter(|module| modules.contains(module));
    let Some(module) = known else {
        let names: Vec<&str> = modules.iter().map(|module| module.as_str()).collect();
        let message = format!("Module: expected one of {}, got '{}'", names.join(", "), shown(&given.module));
        return Err(AppserverError::new(Code::PropertyInvalid, message));
    };
    let initial = app.config.appserver.initial().remove(&module);
    let login = Login { app, req, now: app.clock.now(), module, given, initial };
    let outcome = match module.proof() {
        Proof::Password { system_user } => password::sign_in(&login, system_user).await,
        Proof::Directory => directory::sign_in(&login).await,
        Proof::OAuth => oauth::sign_in(&login).await,
        Proof::Header => header::sign_in(&login).await,
        Proof::Client => component::sign_in(&login).await,
    };
    app.metrics.sign_ins.count(["appserver", told(&outcome)]);
    let signed_in = outcome?;
    let mut response = ok(&signed_in.answer);
    signed_in.cookies.iter().for_each(|cookie| add_cookie(&mut response, cookie));
    Ok(response)
}

/// What came of a login, in one word for statistics. Who guesses too often is told the same as who guesses wrong.
fn told(outcome: &Result<SignedIn, AppserverError>) -> &'static str {
    match outcome {
        Ok(_) => "signed_in",
        Err(error) if error.code == Code::PasswordExpired => "temporary_password",
        Err(error) if matches!(error.code, Code::Unavailable | Code::DirectoryUnavailable) => "busy",
        Err(_) => "refused",
    }
}

/// Adds a cookie to an answer.
pub fn add_cookie(response: &mut HttpResponse, cookie: &Cookie<'_>) {
    // A cookie of ours is made of base64url text and cannot be malformed.
    if let Err(error) = response.add_cookie(cookie) {
        tracing::error!(%error, "a cookie could not be set");
    }
}

impl Login<'_> {
    /// A property, or what the configuration says where the program leaves it out.
    fn get(&self, name: &str) -> Option<&str> {
        self.given.get(name).or_else(|| self.initial.as_ref()?.get(name))
    }

    /// A property that must be there.
    fn required(&self, name: &str) -> Result<&str, AppserverError> {
        self.get(name)
            .ok_or_else(|| AppserverError::new(Code::PropertyInvalid, format!("{name}: expected a value, got none")))
    }

    fn opening(&self) -> Opening {
        session::opening(self.app, self.req, self.module, self.now)
    }

    /// Refuses somebody who has proven who they are and does not have the program function.
    async fn must_have_access(&self, principal: &Principal) -> Result<(), AppserverError> {
        let (cache, asked) = (self.app.access.clone(), principal.clone());
        let access = self.app.store.read(move |conn| cache.of_principal(conn, &asked)).await?;
        match has_access(&access.permissions) {
            true => Ok(()),
            false => Err(session::refuse(self.app, self.req, Some(principal), "").await),
        }
    }

    /// Opens the session of somebody who has proven who they are and has the program function. Where `tell` says so, the
    /// person is told by mail, if nothing like it was seen before.
    async fn open(&self, principal: &Principal, proof: Proven, tell: bool) -> Result<SignedIn, AppserverError> {
        let (opening, store) = (self.opening(), &self.app.store);
        let (id, address, agent) =
            (principal.id.clone(), opening.origin.ip_address.clone(), opening.user_agent.clone());
        let seen = store
            .read(move |conn| {
                let elsewhere = store::session::has_any(conn, &id)?;
                let here = store::session::has_any_from(conn, &id, address.as_deref(), agent.as_deref())?;
                Ok::<_, store::Error>((elsewhere, here))
            })
            .await?;
        let opened = appserver_session::open_person(store, &opening, &principal.id, proof, self.now).await?;
        // suspended or changed since it was looked at
        let opened = opened.ok_or_else(AppserverError::login_failed)?;
        if tell && seen == (true, false) {
            notice::new_device(self.app, principal, &opened, self.now).await;
        }
        Ok(self.signed_in(LoginAnswer::of_person(self.module, principal, &opening.secret), &opening))
    }

    fn signed_in(&self, answer: LoginAnswer, opening: &Opening) -> SignedIn {
        SignedIn { answer, cookies: vec![session::set_cookie(&self.app.config, &opening.secret)] }
    }
}
