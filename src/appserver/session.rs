//! Whose session a call is made in: the cookie `ss-id`, or the session of an access token.

use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time::Duration},
    http::header,
};

use super::error::{AppserverError, Code};
use crate::{
    app::App,
    config::Config,
    directory::Actor,
    identity::{
        activity,
        appserver_session::{self, Current, Opening, Whose},
        token::{self, ActiveToken},
    },
    model::{
        auth_module::{AuthModule, Proof},
        problem,
        secret::{Kind, Secret},
        time::Timestamp,
    },
    store::{audit::Origin, principal::Principal},
    web::{browser, csrf, forwarded::client_address, refusals, request::request_id},
};

/// The name that programs know.
const COOKIE: &str = "ss-id";

/// The cookie with a session id. It is for this face alone, and no other site sends it along.
pub fn set_cookie(config: &Config, secret: &Secret) -> Cookie<'static> {
    cookie(config, secret.reveal().to_owned())
}

/// The cookie that makes a program forget its session id.
pub fn clear_cookie(config: &Config) -> Cookie<'static> {
    let mut cookie = cookie(config, String::new());
    cookie.set_max_age(Duration::ZERO);
    cookie
}

fn cookie(config: &Config, value: String) -> Cookie<'static> {
    Cookie::build(COOKIE, value)
        .path(format!("{}{}", config.base_path(), config.appserver.base_path))
        .http_only(true)
        .secure(config.secure())
        .same_site(SameSite::Strict)
        .finish()
}

/// From where somebody acts, for the audit log.
pub fn origin(app: &App, req: &HttpRequest) -> Origin {
    Origin {
        ip_address: client_address(req, &app.config).map(|address| address.to_string()),
        client_id: None,
        request_id: request_id(req),
    }
}

/// What the program calls itself.
pub fn user_agent(req: &HttpRequest) -> Option<String> {
    Some(req.headers().get(header::USER_AGENT)?.to_str().ok()?.to_owned())
}

/// Refuses what another site's page has sent. A program sends neither header.
///
/// # Errors
/// [`Code::CrossSite`].
pub fn same_origin(app: &App, req: &HttpRequest) -> Result<(), AppserverError> {
    let hidden = req.headers().get(header::ORIGIN).is_some_and(|origin| origin.as_bytes() == b"null");
    match csrf::same_origin(req, &app.config) {
        // there is no token that could decide about an origin that is hidden
        Ok(()) if !hidden => Ok(()),
        _ => Err(AppserverError::new(Code::CrossSite, "another site sent this")),
    }
}

/// The session of this call, its session id and its module. It holds, and so does the access that everybody needs here.
///
/// # Errors
/// [`Code::NotSignedIn`], [`Code::TokenInvalid`], [`Code::AccessMissing`], or the database's.
pub async fn current(app: &App, req: &HttpRequest) -> Result<(Current, Secret, AuthModule), AppserverError> {
    let Some(secret) = presented(app, req, true).await? else { return Err(AppserverError::not_signed_in()) };
    found(app, req, secret, AppserverError::not_signed_in).await
}

/// Who is known, and does not have the program function: the audit log is told.
pub async fn refuse(app: &App, req: &HttpRequest, person: Option<&Principal>, client: &str) -> AppserverError {
    let (address, request_id) = (client_address(req, &app.config), request_id(req));
    let actor = match person {
        Some(principal) => Actor::person(&principal.id, address, request_id),
        None => Actor::client(client, address, request_id),
    };
    refusals::tell(req, app, &actor, problem::Code::PermissionMissing.as_str()).await;
    AppserverError::access_missing()
}

/// The session with this session id; `otherwise` where it does not hold.
async fn found(
    app: &App,
    req: &HttpRequest,
    secret: Secret,
    otherwise: fn() -> AppserverError,
) -> Result<(Current, Secret, AuthModule), AppserverError> {
    let current = appserver_session::current(&app.store, &app.access, &secret.hash(), app.clock.now()).await?;
    let current = current.ok_or_else(otherwise)?;
    let module = current.stored.module.parse::<AuthModule>().ok();
    let module = module.filter(|module| app.config.auth_modules().contains(module)).ok_or_else(otherwise)?;
    let dropped =
        |principal: &Principal| module.proof() == Proof::Password { system_user: true } && !principal.system_user;
    match &current.whose {
        Whose::Person(principal, _) if dropped(principal) => Err(otherwise()),
        _ if current.has_access() => Ok((current, secret, module)),
        Whose::Person(principal, _) => Err(refuse(app, req, Some(principal), "").await),
        Whose::Client(client) => Err(refuse(app, req, None, &client.id).await),
    }
}

/// The session id that a call presents, which may be worth nothing. With a token it is that of the token's session, which
/// is opened where `open` says so.
///
/// # Errors
/// [`Code::TokenInvalid`] for a token that does not hold, or the database's.
pub async fn presented(app: &App, req: &HttpRequest, open: bool) -> Result<Option<Secret>, AppserverError> {
    match bearer(req)? {
        Some(token) if open => {
            let modules = app.config.auth_modules();
            let module = modules.into_iter().find(|module| module.proof() == Proof::OAuth);
            let module = module.ok_or_else(AppserverError::token_invalid)?;
            Ok(Some(open_token(app, req, module, &token).await?.1))
        }
        Some(token) => Ok(active(app, &token).await?.map(|active| secret_of(app, &active))),
        None => Ok(of_cookie(req)),
    }
}

/// The session id in a call's cookie, which may be worth nothing.
pub fn of_cookie(req: &HttpRequest) -> Option<Secret> {
    Secret::presented(Kind::AppserverSession, &browser::read(req, COOKIE)?)
}

/// Opens the session of an access token or finds it; it holds, and gives access.
///
/// # Errors
/// [`Code::TokenInvalid`], [`Code::AccessMissing`], or the database's.
pub async fn open_token(
    app: &App,
    req: &HttpRequest,
    module: AuthModule,
    token: &str,
) -> Result<(Current, Secret, AuthModule), AppserverError> {
    let active = active(app, token).await?.ok_or_else(AppserverError::token_invalid)?;
    if !appserver_session::has_access(&active.permissions()) {
        return Err(
            refuse(app, req, active.principal.as_deref().map(|known| &known.principal), &active.client.id).await
        );
    }
    let (now, secret) = (app.clock.now(), secret_of(app, &active));
    let known = appserver_session::current(&app.store, &app.access, &secret.hash(), now).await?;
    if known.is_none() {
        let opening = Opening { secret: secret.clone(), ..opening(app, req, module, now) };
        appserver_session::open_by_token(&app.store, &opening, &active, now).await?;
    }
    let current = found(app, req, secret, AppserverError::token_invalid).await?;
    if let Whose::Person(principal, _) = &current.0.whose {
        activity::note(app, principal, now);
    }
    Ok(current)
}

/// What is common to all sessions that this request may open.
pub fn opening(app: &App, req: &HttpRequest, module: AuthModule, now: Timestamp) -> Opening {
    let expires_at = now + app.config.sessions.browser;
    Opening::new(module.as_str(), expires_at, user_agent(req), origin(app, req))
}

async fn active(app: &App, presented: &str) -> Result<Option<ActiveToken>, AppserverError> {
    let active = token::verify(app, presented, app.clock.now()).await?;
    Ok(active.filter(|token| token.is_for(app.config.issuer())))
}

/// A token's session id is always the same and nobody can guess it, so that it need not be kept.
fn secret_of(app: &App, active: &ActiveToken) -> Secret {
    let mac = app.seals.master.mac("appserver session", &[active.client.id.as_bytes(), active.token.jti.as_bytes()]);
    Secret::of_bytes(Kind::AppserverSession, &mac)
}

/// The bearer token of a request (RFC 6750 §2.1).
fn bearer(req: &HttpRequest) -> Result<Option<String>, AppserverError> {
    let mut headers = req.headers().get_all(header::AUTHORIZATION);
    let Some(value) = headers.next() else { return Ok(None) };
    if headers.next().is_some() {
        return Err(AppserverError::token_invalid());
    }
    let value = value.to_str().unwrap_or_default();
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    Ok(scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_for_this_face_alone_and_on_https_for_nothing_else() {
        let mut config = Config::defaults();
        config.issuer = Some("https://login.example.com/sso".to_owned());
        let secret = Secret::generate(Kind::AppserverSession);
        assert_eq!(
            set_cookie(&config, &secret).to_string(),
            format!("ss-id={}; HttpOnly; SameSite=Strict; Secure; Path=/sso/AppServer", secret.reveal())
        );
        let cleared = clear_cookie(&config).to_string();
        assert_eq!(cleared, "ss-id=; HttpOnly; SameSite=Strict; Secure; Path=/sso/AppServer; Max-Age=0");
    }
}
