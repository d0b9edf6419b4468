//! A request for a page, and what every page's handler asks about it.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::Cookie,
    http::{StatusCode, header},
};
use askama::Template;

use super::{error::PageError, form::Fields, view::Frame};
use crate::{
    app::{App, Parts},
    config::Sessions,
    identity::{
        self,
        authenticate::{Attempt, Outcome, authenticate, authenticate_and},
        device::Device,
        session::{ACR_PASSWORD, AMR_PASSWORD, NewSession},
    },
    model::{
        secret::{Kind, Secret, SecretHash},
        time::Timestamp,
    },
    store::{self, KnownClient, Tx, audit::Origin, principal::Principal, session::Session},
    web::{
        browser,
        continuation::{Onward, Pending, PendingAuthorization, Unsealed, resume_path},
        csrf,
        forwarded::client_address,
        page::{self, FormTargets},
        request::request_id,
        view::frame,
    },
};

/// A request for a page.
pub struct Visit<'a> {
    /// What handlers may reach.
    pub app: &'a App,
    /// The request itself.
    pub req: &'a HttpRequest,
    /// When it came in.
    pub now: Timestamp,
    /// What forms are bound to; made for this answer if the browser had none.
    browser: Secret,
    /// The cookie for a new one.
    new_browser: Option<Cookie<'static>>,
}

/// Who is signed in.
pub struct Person {
    /// In which session.
    pub session: Session,
    /// Who it is.
    pub principal: Principal,
}

/// A session that was opened, and the cookies that make the browser have it.
pub struct SignIn {
    /// The session's `sid`.
    pub sid: String,
    /// The session's cookie and the known device's.
    pub cookies: [Cookie<'static>; 2],
}

/// A session that is to be opened.
struct Opening {
    config: Sessions,
    now: Timestamp,
    new: NewSession,
    cookie: SecretHash,
}

struct Opened {
    session: Session,
    was_here_before: bool,
}

impl Opening {
    fn begin(
        &self,
        tx: &mut Tx<'_>,
        principal_id: &str,
        password: Option<&str>,
    ) -> Result<Option<Opened>, store::Error> {
        let was_here_before = store::session::has_any(tx, principal_id)?;
        let session =
            identity::session::open(tx, &self.config, self.now, principal_id, password, &self.new, &self.cookie)?;
        Ok(session.map(|session| Opened { session, was_here_before }))
    }
}

impl<'a> Visit<'a> {
    /// The visit that this request is.
    pub fn new(app: &'a App, req: &'a HttpRequest) -> Visit<'a> {
        let (browser, new_browser) = browser::browser(req, &app.config);
        Visit { app, req, now: app.clock.now(), browser, new_browser }
    }

    /// The fields of the query.
    ///
    /// # Errors
    /// [`PageError::Request`] if it is not UTF-8.
    pub fn query(&self) -> Result<Fields, PageError> {
        Fields::parse(self.req.query_string().as_bytes()).ok_or(PageError::Request)
    }

    /// The path under which everything is mounted.
    pub fn base(&self) -> &str {
        self.app.config.base_path()
    }

    /// The address of one of our pages: `path` begins with a slash.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base())
    }

    /// What surrounds the page.
    pub fn frame(&self) -> Frame {
        frame(self.app, self.req)
    }

    /// The anti-forgery token for the form of this name.
    pub fn csrf_token(&self, form: &str) -> String {
        csrf::token(self.app, &self.browser, form)
    }

    /// Whether a posted form is one of ours in this browser.
    pub fn is_own_form(&self, form: &str, fields: &Fields) -> bool {
        match csrf::check(self.app, self.req, form, fields.get("csrf_token")) {
            Ok(()) => true,
            Err(fault) => {
                tracing::info!(form, %fault, "a form was not accepted");
                false
            }
        }
    }

    /// What tells this browser from others, without being its secret.
    pub fn browser_id(&self) -> String {
        self.browser.hash().as_str().to_owned()
    }

    /// The page as an answer, with the browser's cookie if it had none.
    pub fn page(&self, status: StatusCode, template: &impl Template, policy: FormTargets) -> HttpResponse {
        let mut response = page::html(status, template, policy);
        if let Some(cookie) = &self.new_browser {
            add_cookie(&mut response, cookie);
        }
        response
    }

    /// `303`: the next page is fetched by GET, so that a reload does not post again (RFC 9110 §15.4.4).
    pub fn see_other(&self, location: &str) -> HttpResponse {
        HttpResponse::SeeOther()
            .insert_header((header::LOCATION, location))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::REFERRER_POLICY, "strict-origin"))
            .finish()
    }

    /// Who is signed in, if somebody is and may be.
    pub async fn person(&self) -> Result<Option<Person>, PageError> {
        let Some(cookie) = browser::session_cookie(self.req, &self.app.config) else { return Ok(None) };
        let (store, sessions) = (&self.app.store, &self.app.config.sessions);
        let found = identity::session::current(store, sessions, self.now, &cookie).await?;
        Ok(found.map(|(session, principal)| Person { session, principal }))
    }

    /// Checks a password that was typed here, as a guess like any other.
    pub async fn authenticate(&self, username: &str, password: &str) -> Result<Outcome, PageError> {
        let Parts { store, hasher, config, .. } = &**self.app;
        Ok(authenticate(store, hasher, config, self.now, self.attempt(username, password)).await?)
    }

    fn attempt(&self, username: &str, password: &str) -> Attempt {
        Attempt {
            username: username.to_owned(),
            password: password.to_owned().into(),
            address: client_address(self.req, &self.app.config),
            device: self.device(),
        }
    }

    /// What the browser's cookie says of who has signed in here before.
    fn device(&self) -> Option<Device> {
        let text = browser::device_cookie(self.req, &self.app.config)?;
        identity::device::open(&self.app.seals.known_device, &text, self.now)
    }

    /// Checks a password that was typed here, and opens a session in the same transaction if it is right and not temporary.
    pub async fn sign_in(
        &self,
        username: &str,
        password: &str,
        persistent: bool,
    ) -> Result<Outcome<SignIn>, PageError> {
        let Parts { store, hasher, config, .. } = &**self.app;
        let cookie = Secret::generate(Kind::Session);
        let opening = self.opening(&cookie, persistent).await?;
        let begin = move |tx: &mut Tx<'_>, principal: &Principal| {
            opening.begin(tx, &principal.id, principal.password_hash.as_deref())
        };
        let attempt = self.attempt(username, password);
        Ok(match authenticate_and(store, hasher, config, self.now, attempt, begin).await? {
            Outcome::Authenticated { principal, password_temporary, begun } => {
                let begun = match begun {
                    Some(opened) => Some(self.signed_in(&principal, opened, &cookie).await),
                    None => None,
                };
                Outcome::Authenticated { principal, password_temporary, begun }
            }
            Outcome::Refused => Outcome::Refused,
            Outcome::Throttled { retry_after } => Outcome::Throttled { retry_after },
            Outcome::Busy { retry_after } => Outcome::Busy { retry_after },
        })
    }

    /// Opens a session for somebody who has just proven who they are and chosen a password; none if they may not act any
    /// more. `password` is the stored hash of the new one.
    pub async fn sign_in_anew(
        &self,
        principal_id: &str,
        password: Option<String>,
        persistent: bool,
    ) -> Result<Option<SignIn>, PageError> {
        let cookie = Secret::generate(Kind::Session);
        let (opening, id) = (self.opening(&cookie, persistent).await?, principal_id.to_owned());
        let opened = self.app.store.write(move |tx| {
            let Some(opened) = opening.begin(tx, &id, password.as_deref())? else { return Ok(None) };
            Ok::<_, store::Error>(store::principal::find(tx, &id)?.map(|principal| (principal, opened)))
        });
        let Some((principal, opened)) = opened.await? else { return Ok(None) };
        Ok(Some(self.signed_in(&principal, opened, &cookie).await))
    }

    async fn opening(&self, cookie: &Secret, persistent: bool) -> Result<Opening, PageError> {
        let config = &self.app.config;
        let new = NewSession {
            amr: vec![AMR_PASSWORD.to_owned()],
            acr: ACR_PASSWORD.to_owned(),
            persistent,
            address: client_address(self.req, config).map(|address| address.to_string()),
            user_agent: self.user_agent(),
            previous: self.person().await?.map(|person| person.session),
            origin: self.origin(),
        };
        Ok(Opening { config: config.sessions.clone(), now: self.now, new, cookie: cookie.hash() })
    }

    /// Tells the person if they were never seen in this browser, which is known from now on.
    async fn signed_in(&self, principal: &Principal, opened: Opened, cookie: &Secret) -> SignIn {
        let Parts { config, seals, .. } = &**self.app;
        let device = self.device();
        if opened.was_here_before && !device.as_ref().is_some_and(|device| device.is_of(principal)) {
            identity::notice::new_device(self.app, principal, &opened.session, self.now).await;
        }
        let keep = opened.session.persistent.then_some(config.sessions.absolute);
        let device = identity::device::issue(&seals.known_device, principal, device, self.now);
        SignIn {
            sid: opened.session.id,
            cookies: [browser::set_session(config, cookie, keep), browser::set_device(config, device)],
        }
    }

    /// Goes on after signing in: to the authorization endpoint if an application waits, else to the account.
    pub async fn go_on(&self, signed_in: SignIn, request: Option<PendingAuthorization>) -> HttpResponse {
        let mut response = match request {
            Some(mut request) => {
                request.authenticated = Some(signed_in.sid.clone());
                request.chosen = Some(signed_in.sid);
                self.onward(request, Some(signed_in.cookies[0].value())).await
            }
            None => self.see_other(&self.path("/account")),
        };
        for cookie in &signed_in.cookies {
            add_cookie(&mut response, cookie);
        }
        response
    }

    /// Opens a sealed authorization request.
    ///
    /// # Errors
    /// [`PageError::Expired`] if it was open for too long, [`PageError::Request`] if it is none of ours.
    pub fn authorization(&self, sealed: &str) -> Result<PendingAuthorization, PageError> {
        match PendingAuthorization::unseal(&self.app.seals.authorization_request, sealed, self.now) {
            Unsealed::Fresh(request) => Ok(request),
            Unsealed::Expired(request) => Err(PageError::Expired(Box::new(request))),
            Unsealed::Invalid => Err(PageError::Request),
        }
    }

    /// The same where a page may be there without one: `None` for an empty text.
    ///
    /// # Errors
    /// As [`Visit::authorization`].
    pub fn authorization_if_any(&self, sealed: &str) -> Result<Option<PendingAuthorization>, PageError> {
        if sealed.is_empty() { Ok(None) } else { self.authorization(sealed).map(Some) }
    }

    /// Takes a request back to the authorization endpoint, which decides what is next.
    pub async fn resume(&self, request: PendingAuthorization) -> HttpResponse {
        let cookie = browser::session_cookie(self.req, &self.app.config);
        self.onward(request, cookie.as_deref()).await
    }

    /// Where the endpoint leads whoever has the session of this cookie, without a redirect to it between. The browser goes
    /// there itself where the endpoint has a page to show: what is shown is to have its own address, and a reload is not to
    /// post again.
    async fn onward(&self, request: PendingAuthorization, cookie: Option<&str>) -> HttpResponse {
        let endpoint = self.req.app_data::<Onward>().filter(|_| !request.is_answered_by_page());
        if let Some(Onward(answer)) = endpoint {
            let response = answer(self.req, self.app, request.clone(), cookie).await;
            if response.status() == StatusCode::SEE_OTHER {
                return response;
            }
        }
        let sealed = request.seal(&self.app.seals.authorization_request);
        self.see_other(&resume_path(self.base(), &sealed))
    }

    /// The application with this id, if it may still ask for anything.
    pub async fn client(&self, id: &str) -> Result<Option<Arc<KnownClient>>, PageError> {
        Ok(identity::client::active(&self.app.store, id).await?)
    }

    /// From where the person acts, for the audit log.
    pub fn origin(&self) -> Origin {
        Origin {
            ip_address: client_address(self.req, &self.app.config).map(|address| address.to_string()),
            client_id: None,
            request_id: request_id(self.req),
        }
    }

    /// What the browser calls itself.
    fn user_agent(&self) -> Option<String> {
        Some(self.req.headers().get(header::USER_AGENT)?.to_str().ok()?.to_owned())
    }
}

/// Adds a cookie to an answer.
pub fn add_cookie(response: &mut HttpResponse, cookie: &Cookie<'_>) {
    // A cookie of ours is made of base64url text and cannot be malformed.
    if let Err(error) = response.add_cookie(cookie) {
        tracing::error!(%error, "a cookie could not be set");
    }
}

/// Says when it is worth to try again (RFC 9110 §10.2.3).
pub fn with_retry_after(mut response: HttpResponse, after: Duration) -> HttpResponse {
    response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(whole_seconds(after)));
    response
}

/// A wait in seconds, rounded up: who waits so long has waited long enough.
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
