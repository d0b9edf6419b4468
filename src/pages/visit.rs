//! A request for a page, and what every page's handler asks about it.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::Cookie,
    http::{StatusCode, header},
};
use askama::Template;

use super::{error::PageError, form::Fields, view::Frame};
use crate::{
    app::{App, Parts},
    identity::{
        self,
        authenticate::{Attempt, Outcome, authenticate},
        device::Device,
        session::{ACR_PASSWORD, AMR_PASSWORD, NewSession},
    },
    model::{secret::Secret, time::Timestamp},
    store::{self, audit::Origin, client::Client, principal::Principal, session::Session},
    web::{
        browser,
        continuation::{Pending, PendingAuthorization, Unsealed, resume_path},
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
        let device = self.device();
        let attempt = Attempt {
            username: username.to_owned(),
            password: password.to_owned().into(),
            address: client_address(self.req, config),
            device,
        };
        Ok(authenticate(store, hasher, config, self.now, attempt).await?)
    }

    /// What the browser's cookie says of who has signed in here before.
    fn device(&self) -> Option<Device> {
        let text = browser::device_cookie(self.req, &self.app.config)?;
        identity::device::open(&self.app.seals.known_device, &text, self.now)
    }

    /// Opens a session for somebody who has just proven who they are by their password; none if they may not act any more.
    /// `password` is the stored hash of the one that was checked.
    pub async fn sign_in(
        &self,
        principal_id: &str,
        password: Option<String>,
        persistent: bool,
    ) -> Result<Option<SignIn>, PageError> {
        let Parts { store, config, seals, .. } = &**self.app;
        let id = principal_id.to_owned();
        let was_here_before = store.read(move |conn| store::session::has_any(conn, &id)).await?;
        let new = NewSession {
            principal_id: principal_id.to_owned(),
            password,
            amr: vec![AMR_PASSWORD.to_owned()],
            acr: ACR_PASSWORD.to_owned(),
            persistent,
            address: client_address(self.req, config).map(|address| address.to_string()),
            user_agent: self.user_agent(),
            previous: self.person().await?.map(|person| person.session),
            origin: self.origin(),
        };
        let opened = identity::session::open(store, &config.sessions, self.now, new).await?;
        let Some((session, secret)) = opened else { return Ok(None) };
        let keep = persistent.then_some(config.sessions.absolute);
        let id = principal_id.to_owned();
        let principal = store.read(move |conn| store::principal::find(conn, &id)).await?;
        let Some(principal) = principal else { return Ok(None) };
        let device = self.device();
        if was_here_before && !device.as_ref().is_some_and(|device| device.is_of(&principal)) {
            identity::notice::new_device(self.app, &principal, &session, self.now).await;
        }
        let device = identity::device::issue(&seals.known_device, &principal, device, self.now);
        Ok(Some(SignIn {
            sid: session.id,
            cookies: [browser::set_session(config, &secret, keep), browser::set_device(config, device)],
        }))
    }

    /// Goes on after signing in: to the authorization endpoint if an application waits, else to the account.
    pub fn go_on(&self, signed_in: SignIn, request: Option<PendingAuthorization>) -> HttpResponse {
        let mut response = match request {
            Some(mut request) => {
                request.authenticated = Some(signed_in.sid.clone());
                request.chosen = Some(signed_in.sid);
                self.resume(&request)
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
    pub fn resume(&self, request: &PendingAuthorization) -> HttpResponse {
        let sealed = request.seal(&self.app.seals.authorization_request);
        self.see_other(&resume_path(self.base(), &sealed))
    }

    /// The application with this id, if it may still ask for anything.
    pub async fn client(&self, id: &str) -> Result<Option<Client>, PageError> {
        let id = id.to_owned();
        let client = self.app.store.read(move |conn| store::client::find(conn, &id)).await?;
        Ok(client.filter(|client| client.suspended_at.is_none()))
    }

    /// What the browser calls itself.
    /// From where the person acts, for the audit log.
    pub fn origin(&self) -> Origin {
        Origin {
            ip_address: client_address(self.req, &self.app.config).map(|address| address.to_string()),
            client_id: None,
            request_id: request_id(self.req),
        }
    }

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
