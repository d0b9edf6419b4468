//! Requests on their way through pages.
//!
//! Nothing half-finished is kept in memory: a validated request travels in the page itself, sealed under the master
//! key with an expiry. So tabs do not disturb each other, a restart or another node can finish what this one began,
//! and a page that has expired can begin again with one button, since it still knows what was asked.

use actix_web::{HttpRequest, HttpResponse};
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    keys::Sealer,
    model::{scope::Scope, time::Timestamp},
};

/// The parameter under which a sealed authorization request comes back to `/oauth/authorize`.
pub const CONTINUE: &str = "continue";
/// Longer than any request that could have been sealed (the parameters are bounded where they come in).
const MAX_SEALED: usize = 64 * 1024;

/// An authorization request whose client and redirect URI are proven.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingAuthorization {
    /// The request as it came.
    pub parameters: Vec<(String, String)>,
    /// Who asks.
    pub client_id: String,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// What was typed or known of the person (`login_hint`).
    pub login_hint: Option<String>,
    /// When it came in.
    pub requested_at: Timestamp,
    /// Until when pages may act on it.
    pub expires_at: Timestamp,
    /// Whether the page should offer the account that is signed in, besides another one.
    pub offer_account: bool,
    /// The session in which the person proved who they are for this request.
    pub authenticated: Option<String>,
    /// The session that the person chose for this request.
    pub chosen: Option<String>,
    /// What the consent page asks for: everything, and of that what was allowed before.
    pub consent: Option<ConsentQuestion>,
    /// What the person allowed for this request.
    pub consented: Option<Consented>,
    /// The person declined.
    pub denied: bool,
}

impl PendingAuthorization {
    /// Whether the application is answered by a page that posts (OAuth 2.0 Form Post Response Mode), not by redirect.
    pub fn is_answered_by_page(&self) -> bool {
        self.parameters.iter().any(|(name, value)| name == "response_mode" && value == "form_post")
    }
}

/// The authorization endpoint, as pages reach it: goes on with a request for whoever has the session of this cookie, as if
/// the browser had come back with both. Application data of the pages' scope.
#[derive(Clone, Copy)]
pub struct Onward(
    pub for<'a> fn(&'a HttpRequest, &'a App, PendingAuthorization, Option<&'a str>) -> LocalBoxFuture<'a, HttpResponse>,
);

/// The login page, as the authorization endpoint reaches it: shows it for this request without a redirect to the page's own
/// address between. Application data of the endpoint's scope.
#[derive(Clone, Copy)]
pub struct SignInPage(
    pub for<'a> fn(&'a HttpRequest, &'a App, PendingAuthorization) -> LocalBoxFuture<'a, HttpResponse>,
);

/// What a consent page asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConsentQuestion {
    /// The session it asks.
    pub session_id: String,
    /// When its person had proved who they are: another proof makes another question.
    pub auth_time: Timestamp,
    /// Everything that would be granted.
    pub scope: Scope,
    /// What of it is remembered as allowed.
    pub remembered: Scope,
}

/// A person's answer, bound to who gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consented {
    /// In which session.
    pub session_id: String,
    /// When its person had proved who they are.
    pub auth_time: Timestamp,
    /// What was allowed.
    pub scope: Scope,
}

/// A request to sign out whose application and return address are proven, if it named any.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingLogout {
    /// The application that asks, if one is known.
    pub client_id: Option<String>,
    /// Where to go afterwards, `state` included.
    pub return_to: Option<String>,
    /// Until when pages may act on it.
    pub expires_at: Timestamp,
}

/// Why a sealed request cannot be acted upon.
#[derive(Debug)]
pub enum Unsealed<T> {
    /// It was sealed here and still holds.
    Fresh(T),
    /// It was sealed here, but too long ago.
    Expired(T),
    /// It was not sealed here, or was altered.
    Invalid,
}

/// A request that can travel in a page.
pub trait Pending: Serialize + serde::de::DeserializeOwned {
    /// Until when pages may act on it.
    fn expires_at(&self) -> Timestamp;

    /// The sealed form: base64url text.
    fn seal(&self, sealer: &Sealer) -> String {
        sealer.seal_text(b"", &serde_json::to_vec(self).unwrap_or_default())
    }

    /// Opens what a page brought back.
    fn unseal(sealer: &Sealer, text: &str, now: Timestamp) -> Unsealed<Self> {
        let opened = if text.len() <= MAX_SEALED { sealer.open_text(b"", text) } else { None };
        match opened.and_then(|plain| serde_json::from_slice::<Self>(&plain).ok()) {
            Some(request) if now < request.expires_at() => Unsealed::Fresh(request),
            Some(request) => Unsealed::Expired(request),
            None => Unsealed::Invalid,
        }
    }
}

impl Pending for PendingAuthorization {
    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl Pending for PendingLogout {
    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// The path and query that take a sealed authorization request back to the authorization endpoint.
pub fn resume_path(base: &str, sealed: &str) -> String {
    format!("{base}/oauth/authorize?{CONTINUE}={sealed}")
}

/// The path and query of the login page for a sealed authorization request.
pub fn login_path(base: &str, sealed: &str) -> String {
    format!("{base}/login?request={sealed}")
}

/// The path and query of the consent page for a sealed authorization request.
pub fn consent_path(base: &str, sealed: &str) -> String {
    format!("{base}/consent?request={sealed}")
}

/// The path and query of the sign-out page for a sealed logout request.
pub fn logout_path(base: &str, sealed: &str) -> String {
    format!("{base}/logout?request={sealed}")
}
