//! Where oxide-auth sits: its state machines are the RFC 6749 core, driven here step by step, each inside one
//! transaction. What they say about failures never reaches the wire: the reason is recorded as our own error first.
//!
//! What the machines do not do as the standards want is done beside them: clients are authenticated before (they know
//! secrets only), redirect URIs are compared as the raw strings that were registered (their URL type normalises),
//! expiry is checked with our clock (they read the system's, so they are handed a far future), an unknown, used or
//! expired code is `invalid_grant`, and the order of scopes is kept.

use std::{borrow::Cow, cell::RefCell};

use oxide_auth::{
    code_grant::{
        accesstoken::{self, AccessToken},
        client_credentials as credentials,
        error::AccessTokenErrorType,
        refresh::{self, Refresh},
    },
    primitives::{
        authorizer::Authorizer,
        grant::{Extensions, Grant as OxideGrant, Value as OxideValue},
        issuer::{IssuedToken, Issuer, RefreshedToken, TokenType},
        registrar::{BoundClient, ClientUrl, ExactUrl, PreGrant, RegisteredUrl, Registrar, RegistrarError},
        scope::Scope as OxideScope,
    },
};

use super::error::{Code, OAuthError};
use crate::{
    identity::{
        access::Access,
        code::{self, CodeFault},
        token::{live_grant, still_holds},
    },
    model::{
        grant_type::GrantType,
        redirect_uri,
        scope::Scope,
        secret::{Kind, Secret, SecretHash},
        time::Timestamp,
    },
    store::{
        self, Tx,
        authorization_code::AuthorizationCode,
        client::Client,
        grant::Grant,
        principal::Principal,
        refresh_token::{RefreshToken, Successor},
    },
};

mod beforehand;
mod negotiation;

pub use beforehand::Beforehand;
pub use negotiation::{AuthorizationForm, bound_redirect, client_credentials, negotiate};

/// The extension under which a code challenge rides through oxide-auth's grant.
const CHALLENGE: &str = "code_challenge";

/// Why a flow did not end in tokens.
#[derive(Debug)]
pub enum Rejection {
    /// Refused; what the transaction did is rolled back, so that an honest client may still succeed.
    Refused(OAuthError),
    /// Something that works once was presented again: the grant must be revoked, in a transaction that stays.
    Replay {
        /// The grant that it belonged to.
        grant_id: String,
        /// What it was, for the answer.
        what: &'static str,
    },
}

impl From<store::Error> for Rejection {
    fn from(error: store::Error) -> Rejection {
        Rejection::Refused(error.into())
    }
}

impl From<OAuthError> for Rejection {
    fn from(error: OAuthError) -> Rejection {
        Rejection::Refused(error)
    }
}

impl From<CodeFault> for Rejection {
    fn from(fault: CodeFault) -> Rejection {
        match fault {
            CodeFault::Invalid(what) => refused(Code::InvalidGrant, what),
            CodeFault::Replayed { grant_id } => Rejection::Replay { grant_id, what: "the code was used before" },
            CodeFault::Store(error) => error.into(),
        }
    }
}

impl store::Failure for Rejection {
    fn as_store(&self) -> Option<&store::Error> {
        match self {
            Rejection::Refused(error) => error.cause.as_ref(),
            Rejection::Replay { .. } => None,
        }
    }
}

fn refused(code: Code, description: impl Into<String>) -> Rejection {
    Rejection::Refused(OAuthError::new(code, description))
}

/// What a flow ends in: everything that tokens are made from, after the transaction.
#[derive(Debug)]
pub struct Issued {
    /// The grant.
    pub grant: Grant,
    /// In whose name.
    pub principal: Principal,
    /// The subject's roles now.
    pub roles: Vec<String>,
    /// The access token's scope: the grant's, or what of it was asked for and is still held.
    pub scope: Scope,
    /// The refresh token that goes with it.
    pub refresh: Refreshed,
}

/// Which refresh token the client is to have.
#[derive(Debug)]
pub enum Refreshed {
    /// None.
    No,
    /// The one that was prepared for this request.
    Prepared,
    /// The successor that an earlier request made, sealed: this request repeats one whose response was lost.
    Again {
        /// Opens with the presented token.
        sealed: String,
    },
}

/// Lifetimes that a flow gives.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// A refresh token that is not used.
    pub refresh_idle: std::time::Duration,
    /// A grant in any case.
    pub refresh_absolute: std::time::Duration,
    /// How long a lost response is recovered.
    pub replay_window: std::time::Duration,
    /// An idle browser session; refreshing is activity.
    pub session_idle: std::time::Duration,
}

/// One token request, as oxide-auth's traits see it: the authenticated client is the registrar of itself, the
/// transaction is authorizer and issuer.
struct Flow<'f, 'c> {
    tx: RefCell<&'f mut Tx<'c>>,
    client: &'f Client,
    now: Timestamp,
    lifetimes: Lifetimes,
    /// The reason of a failure, recorded before oxide-auth hears of it.
    failure: RefCell<Option<Rejection>>,
    /// What was found on the way.
    found: RefCell<Option<Found>>,
    /// The code that was presented, read in this transaction.
    code: Option<AuthorizationCode>,
    /// What a refresh token names, as far as that was known before the transaction.
    known: Option<Beforehand>,
    issued: RefCell<Option<Issued>>,
    refresh: Option<PreparedRefresh>,
}

/// A refresh token made before the transaction, and its sealed form for a client that loses the response.
#[derive(Clone, Debug)]
pub struct PreparedRefresh {
    /// Its hash.
    pub hash: SecretHash,
    /// Sealed under the token that it replaces; empty for the first of its line.
    pub sealed: String,
}

struct Found {
    principal: Principal,
    access: Access,
    code: Option<AuthorizationCode>,
    grant: Option<Grant>,
    token: Option<RefreshToken>,
    is_note_due: bool,
}

impl Flow<'_, '_> {
    fn fail<T>(&self, rejection: impl Into<Rejection>) -> Result<T, ()> {
        self.failure.borrow_mut().get_or_insert(rejection.into());
        Err(())
    }

    fn take_failure(&self, code: Code, description: &str) -> Rejection {
        self.failure.borrow_mut().take().unwrap_or_else(|| refused(code, description))
    }

    fn attempt<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, Rejection>) -> Result<T, ()> {
        match work(&mut self.tx.borrow_mut()) {
            Ok(value) => Ok(value),
            Err(rejection) => self.fail(rejection),
        }
    }
}

/// The time that oxide-auth compares with the system clock: ours has decided before.
fn far_future() -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::<chrono::Utc>::MAX_UTC
}

fn oxide_scope(scope: &Scope) -> Result<OxideScope, ()> {
    scope.to_string().parse().map_err(|_| ())
}

fn url(text: &str) -> Result<url::Url, ()> {
    text.parse().map_err(|_| ())
}

impl Registrar for Flow<'_, '_> {
    fn bound_redirect<'a>(&self, bound: ClientUrl<'a>) -> Result<BoundClient<'a>, RegistrarError> {
        bind(self.client, bound)
    }

    fn negotiate(&self, _: BoundClient<'_>, _: Option<OxideScope>) -> Result<PreGrant, RegistrarError> {
        // only authorization requests and client_credentials negotiate
        Err(RegistrarError::PrimitiveError)
    }

    fn check(&self, client_id: &str, _: Option<&[u8]>) -> Result<(), RegistrarError> {
        // authenticated before, by whatever method the client is registered for
        if client_id == self.client.id { Ok(()) } else { Err(RegistrarError::Unspecified) }
    }
}

/// The client as registrar of itself: exact match of the redirect URI's text.
fn bind<'a>(client: &Client, bound: ClientUrl<'a>) -> Result<BoundClient<'a>, RegistrarError> {
    let registered = match &bound.redirect_uri {
        Some(sent) => redirect_uri::matching(&client.redirect_uris, sent.as_str()),
        None if client.redirect_uris.len() == 1 => client.redirect_uris.first().cloned(),
        None => None,
    };
    let uri = registered.ok_or(RegistrarError::Unspecified)?;
    let exact = ExactUrl::new(uri).map_err(|_| RegistrarError::Unspecified)?;
    Ok(BoundClient { client_id: bound.client_id, redirect_uri: Cow::Owned(RegisteredUrl::Exact(exact)) })
}

impl Authorizer for Flow<'_, '_> {
    fn authorize(&mut self, _: OxideGrant) -> Result<String, ()> {
        // codes are born in `authorize`, which has the person's session at hand
        Err(())
    }

    /// Redeems a code.
    fn extract(&mut self, _: &str) -> Result<Option<OxideGrant>, ()> {
        let (client, now, code) = (self.client, self.now, self.code.take());
        let found = self.attempt(|tx| {
            let taken = code::take(tx, client, code, now)?;
            Ok(Found {
                principal: taken.principal,
                access: taken.access,
                code: Some(taken.code),
                grant: None,
                token: None,
                is_note_due: false,
            })
        })?;
        let Some(code) = &found.code else { return Err(()) };
        let mut extensions = Extensions::new();
        if let Some(challenge) = &code.code_challenge {
            extensions.set_raw(CHALLENGE.to_owned(), OxideValue::private(Some(challenge.clone())));
        }
        let grant = OxideGrant {
            owner_id: found.principal.id.clone(),
            client_id: code.client_id.clone(),
            scope: oxide_scope(&code.scope)?,
            redirect_uri: url(&code.redirect_uri)?,
            until: far_future(),
            extensions,
        };
        *self.found.borrow_mut() = Some(found);
        Ok(Some(grant))
    }
}

/// The principal, if it may still have tokens.
fn active_principal(tx: &mut Tx<'_>, id: &str) -> Result<Principal, Rejection> {
    store::principal::find(tx, id)?
        .filter(|principal| principal.suspended_at.is_none())
        .ok_or_else(|| refused(Code::InvalidGrant, "the person's account is not active"))
}

impl Issuer for Flow<'_, '_> {
    /// The one place where a person's tokens begin: the grant's row and, if the client may refresh, its first token.
    fn issue(&mut self, oxide: OxideGrant) -> Result<IssuedToken, ()> {
        let Some(found) = self.found.borrow_mut().take() else { return Err(()) };
        let Some(code) = found.code else { return Err(()) };
        // what was granted and is still held: a role may have gone between request and redemption
        let scope = found.access.grant(&code.scope, self.client, true);
        let granted = oxide_scope(&code.scope)?;
        if oxide.scope != granted {
            return Err(());
        }
        let refreshes = self.client.may(GrantType::RefreshToken);
        let grant = code::grant_of(code, scope.clone(), self.now, self.now + self.lifetimes.refresh_absolute);
        let prepared = self.refresh.clone().filter(|_| refreshes);
        let (now, idle) = (self.now, self.lifetimes.refresh_idle);
        self.attempt(|tx| {
            store::grant::insert(tx, &grant)?;
            if let Some(refresh) = &prepared {
                let expires = grant.expires_at.min(now + idle);
                store::refresh_token::insert(tx, &refresh.hash, &grant.id, now, expires)?;
            }
            Ok(())
        })?;
        let refresh = if prepared.is_some() { Refreshed::Prepared } else { Refreshed::No };
        *self.issued.borrow_mut() =
            Some(Issued { grant, principal: found.principal, roles: found.access.roles, scope, refresh });
        Ok(IssuedToken::without_refresh(String::new(), far_future()))
    }

    /// Rotates: exactly one of all callers wins; a loser within the window receives what the winner was given.
    fn refresh(&mut self, _: &str, oxide: OxideGrant) -> Result<RefreshedToken, ()> {
        let Some(found) = self.found.borrow_mut().take() else { return Err(()) };
        let (Some(grant), Some(token), Some(prepared)) = (found.grant, found.token, self.refresh.clone()) else {
            return Err(());
        };
        let (now, lifetimes) = (self.now, self.lifetimes);
        let refresh = self.attempt(|tx| {
            let successor = Successor {
                hash: &prepared.hash,
                sealed: &prepared.sealed,
                replay_until: now + lifetimes.replay_window,
                expires_at: grant.expires_at.min(now + lifetimes.refresh_idle),
            };
            if token.used_at.is_none() && store::refresh_token::rotate(tx, &token, &successor, now)? {
                touch_session(tx, &grant, now, lifetimes.session_idle)?;
                if found.is_note_due {
                    store::principal::touch(tx, &grant.principal_id, now)?;
                }
                return Ok(Refreshed::Prepared);
            }
            repeated(tx, &token, now)
        })?;
        // what the client asked for (oxide-auth has checked that it was granted) and the subject still holds
        let asked: Vec<String> = oxide.scope.iter().map(str::to_owned).collect();
        let scope = found.access.grant(&grant.scope, self.client, true).filtered(|t| asked.iter().any(|a| a == t));
        *self.issued.borrow_mut() =
            Some(Issued { grant, principal: found.principal, roles: found.access.roles, scope, refresh });
        Ok(RefreshedToken { token: String::new(), refresh: None, until: far_future(), token_type: TokenType::Bearer })
    }

    fn recover_token<'a>(&'a self, _: &'a str) -> Result<Option<OxideGrant>, ()> {
        Err(())
    }

    /// Finds what a refresh token refreshes.
    fn recover_refresh<'a>(&'a self, token: &'a str) -> Result<Option<OxideGrant>, ()> {
        let (client, now) = (self.client, self.now);
        let found = self.attempt(|tx| {
            if let Some(Beforehand { token, grant, principal, is_note_due }) = &self.known
                && still_holds(tx, grant, client, now)?
            {
                return Ok(Found {
                    principal: principal.principal.clone(),
                    access: Access::clone(&principal.access),
                    code: None,
                    grant: Some(Grant::clone(grant)),
                    token: Some(token.clone()),
                    is_note_due: *is_note_due,
                });
            }
            let invalid = || {
                refused(
                    Code::InvalidGrant,
                    "the refresh token is unknown, expired, revoked, or was issued to another client",
                )
            };
            let hash = Secret::presented(Kind::RefreshToken, token).ok_or_else(invalid)?.hash();
            let token = store::refresh_token::find(tx, &hash)?.ok_or_else(invalid)?;
            // RFC 6749 §6: bound to the client; another client's attempt changes nothing
            let grant = live_grant(tx, &token.grant_id, client, now)?.ok_or_else(invalid)?;
            if now >= token.expires_at {
                return Err(invalid());
            }
            let principal = active_principal(tx, &grant.principal_id)?;
            let access = Access::of_principal(tx, &principal)?;
            let is_note_due = principal.last_active_at.is_none_or(|at| now.since(at) >= store::activity::NOTED_EVERY);
            Ok(Found { principal, access, code: None, grant: Some(grant), token: Some(token), is_note_due })
        })?;
        let Some(grant) = &found.grant else { return Err(()) };
        let oxide = OxideGrant {
            owner_id: grant.principal_id.clone(),
            client_id: grant.client_id.clone(),
            scope: oxide_scope(&grant.scope)?,
            redirect_uri: url("urn:keyward:refresh")?,
            until: far_future(),
            extensions: Extensions::new(),
        };
        *self.found.borrow_mut() = Some(found);
        Ok(Some(oxide))
    }
}

/// A token that was rotated before. Within the window, and while its successor was never used, the response that
/// carried the successor may have been lost: the same successor is given again, so one living child remains. In any
/// other case somebody has a copy (RFC 9700 §4.14).
fn repeated(tx: &mut Tx<'_>, token: &RefreshToken, now: Timestamp) -> Result<Refreshed, Rejection> {
    let replay = || Rejection::Replay { grant_id: token.grant_id.clone(), what: "the refresh token was used before" };
    // the loser of a race read its row before the winner wrote it
    let token = store::refresh_token::find(tx, &token.hash)?.ok_or_else(replay)?;
    let within = token.replay_until.is_some_and(|until| now < until);
    let (true, Some(successor), Some(sealed)) = (within, &token.successor_hash, &token.sealed_successor) else {
        return Err(replay());
    };
    match store::refresh_token::find(tx, successor)? {
        Some(successor) if successor.used_at.is_none() => Ok(Refreshed::Again { sealed: sealed.clone() }),
        _ => Err(replay()),
    }
}

/// An application that refreshes is at work for its person: the session does not idle out meanwhile.
fn touch_session(
    tx: &mut Tx<'_>,
    grant: &Grant,
    now: Timestamp,
    idle: std::time::Duration,
) -> Result<(), store::Error> {
    let Some(id) = grant.session_id.as_deref().filter(|_| !grant.offline) else { return Ok(()) };
    match store::session::find(tx, id)? {
        Some(session) if now.since(session.last_active_at).as_secs() >= 60 && session.is_live(now) => {
            let extended = session.idle_expires_at.max(now + idle).min(session.expires_at);
            store::session::touch(tx, id, now, extended)
        }
        _ => Ok(()),
    }
}

/// A token request's parameters as oxide-auth reads them.
struct TokenForm<'r> {
    client_id: &'r str,
    grant_type: GrantType,
    code: Option<&'r str>,
    redirect_uri: Option<&'r str>,
    refresh_token: Option<&'r str>,
    scope: Option<&'r Scope>,
}

impl accesstoken::Request for TokenForm<'_> {
    fn valid(&self) -> bool {
        true
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        self.code.map(Cow::Borrowed)
    }

    fn authorization(&self) -> accesstoken::Authorization<'_> {
        accesstoken::Authorization::Username(Cow::Borrowed(self.client_id))
    }

    fn client_id(&self) -> Option<Cow<'_, str>> {
        None
    }

    fn redirect_uri(&self) -> Option<Cow<'_, str>> {
        self.redirect_uri.map(Cow::Borrowed)
    }

    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.grant_type.as_str()))
    }

    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

impl refresh::Request for TokenForm<'_> {
    fn valid(&self) -> bool {
        true
    }

    fn refresh_token(&self) -> Option<Cow<'_, str>> {
        self.refresh_token.map(Cow::Borrowed)
    }

    fn scope(&self) -> Option<Cow<'_, str>> {
        self.scope.map(|scope| Cow::Owned(scope.to_string()))
    }

    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.grant_type.as_str()))
    }

    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((Cow::Borrowed(self.client_id), Cow::Borrowed(b"")))
    }

    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

impl credentials::Request for TokenForm<'_> {
    fn valid(&self) -> bool {
        true
    }

    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((Cow::Borrowed(self.client_id), Cow::Borrowed(b"")))
    }

    fn scope(&self) -> Option<Cow<'_, str>> {
        self.scope.map(|scope| Cow::Owned(scope.to_string()))
    }

    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.grant_type.as_str()))
    }

    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// What a redemption presents besides its client.
#[derive(Clone, Debug)]
pub struct Redemption {
    /// The code.
    pub code: String,
    /// `redirect_uri`, if it was sent.
    pub redirect_uri: Option<String>,
    /// `code_verifier`, if it was sent.
    pub verifier: Option<String>,
}

/// The authorization_code grant (RFC 6749 §4.1.3), in this transaction.
///
/// # Errors
/// [`Rejection::Replay`] for a used code, `invalid_grant` for everything that does not fit the code.
pub fn authorization_code(
    tx: &mut Tx<'_>,
    client: &Client,
    redemption: &Redemption,
    refresh: PreparedRefresh,
    lifetimes: Lifetimes,
    now: Timestamp,
) -> Result<Issued, Rejection> {
    // The machine wants the redirect URI that the code was sent to. What the client says of it is compared here, text
    // with text; a code that is not there is told by the machine's own look-up.
    let stored = code::find(tx, &redemption.code)?.filter(|code| code.client_id == client.id);
    let (uri, sent) = match &stored {
        Some(code) => (code.redirect_uri.clone(), code.redirect_uri_sent),
        None => ("urn:keyward:unknown".to_owned(), false),
    };
    let mut flow = flow(tx, client, now, lifetimes, Some(refresh));
    flow.code = stored;
    let form = TokenForm {
        client_id: &client.id,
        grant_type: GrantType::AuthorizationCode,
        code: Some(&redemption.code),
        redirect_uri: Some(&uri),
        refresh_token: None,
        scope: None,
    };
    let mut machine = AccessToken::new(&form);
    let mut input = accesstoken::Input::None;
    loop {
        input = match machine.advance(input) {
            accesstoken::Output::Authenticate { client, .. } => {
                flow.check(client, None)
                    .map_err(|_| flow.take_failure(Code::InvalidClient, "the client is not authenticated"))?;
                accesstoken::Input::Authenticated
            }
            accesstoken::Output::Recover { code } => {
                let code = code.to_owned();
                let grant = flow
                    .extract(&code)
                    .map_err(|()| flow.take_failure(Code::ServerError, "the code could not be read"))?;
                code::check_redirect(&uri, sent, redemption.redirect_uri.as_deref())
                    .map_err(|what| refused(Code::InvalidGrant, what))?;
                accesstoken::Input::Recovered(grant.map(Box::new))
            }
            accesstoken::Output::Extend { extensions } => {
                let challenge = extensions.private().find(|(name, _)| *name == CHALLENGE).and_then(|(_, value)| value);
                code::check_verifier(challenge, redemption.verifier.as_deref())
                    .map_err(|what| refused(Code::InvalidGrant, what))?;
                accesstoken::Input::Extended { access_extensions: std::mem::take(extensions) }
            }
            accesstoken::Output::Issue { grant } => {
                let grant = grant.clone();
                let token =
                    flow.issue(grant).map_err(|()| flow.take_failure(Code::ServerError, "no token could be issued"))?;
                accesstoken::Input::Issued(token)
            }
            accesstoken::Output::Ok(_) => {
                return flow.issued.take().ok_or_else(|| refused(Code::ServerError, "nothing was issued"));
            }
            accesstoken::Output::Err(mut error) => {
                let kind = error.description().map(|description| description.kind());
                return Err(flow.take_failure(token_error(kind), "the code does not fit this request"));
            }
        };
    }
}

/// What a refresh token request presents besides its client.
#[derive(Clone, Debug)]
pub struct Refreshing {
    /// The refresh token.
    pub token: String,
    /// `scope`, if it was sent.
    pub scope: Option<Scope>,
    /// What the token names, as far as it was known before.
    pub known: Option<Beforehand>,
}

/// The refresh_token grant (RFC 6749 §6), in this transaction.
///
/// # Errors
/// [`Rejection::Replay`] for a rotated token, `invalid_grant` for one that does not hold, `invalid_scope` for more than
/// was granted.
pub fn refresh_token(
    tx: &mut Tx<'_>,
    client: &Client,
    refreshing: &Refreshing,
    successor: PreparedRefresh,
    lifetimes: Lifetimes,
    now: Timestamp,
) -> Result<Issued, Rejection> {
    let mut flow = flow(tx, client, now, lifetimes, Some(successor));
    flow.known.clone_from(&refreshing.known);
    let form = TokenForm {
        client_id: &client.id,
        grant_type: GrantType::RefreshToken,
        code: None,
        redirect_uri: None,
        refresh_token: Some(&refreshing.token),
        scope: refreshing.scope.as_ref(),
    };
    let requested = || refresh::Request::scope(&form);
    let mut machine = Refresh::new(&form);
    let mut input = refresh::Input::None;
    loop {
        input = match machine.advance(input) {
            refresh::Output::Unauthenticated { client, pass } => {
                flow.check(client, pass)
                    .map_err(|_| flow.take_failure(Code::InvalidClient, "the client is not authenticated"))?;
                refresh::Input::Authenticated { scope: requested() }
            }
            refresh::Output::RecoverRefresh { token } => {
                let token = token.to_owned();
                let grant = flow
                    .recover_refresh(&token)
                    .map_err(|()| flow.take_failure(Code::ServerError, "the refresh token could not be read"))?;
                refresh::Input::Recovered { scope: requested(), grant: grant.map(Box::new) }
            }
            refresh::Output::Refresh { token, grant } => {
                let token = token.to_owned();
                let refreshed = Issuer::refresh(&mut flow, &token, *grant)
                    .map_err(|()| flow.take_failure(Code::ServerError, "no token could be issued"))?;
                refresh::Input::Refreshed(refreshed)
            }
            refresh::Output::Ok(_) => {
                return flow.issued.take().ok_or_else(|| refused(Code::ServerError, "nothing was issued"));
            }
            refresh::Output::Err(mut error) => {
                let kind = error.description().map(|description| description.kind());
                let description = match kind {
                    Some(AccessTokenErrorType::InvalidScope) => "scope: expected no more than was granted",
                    _ => "the refresh token does not fit this request",
                };
                return Err(flow.take_failure(token_error(kind), description));
            }
        };
    }
}

fn flow<'f, 'c>(
    tx: &'f mut Tx<'c>,
    client: &'f Client,
    now: Timestamp,
    lifetimes: Lifetimes,
    refresh: Option<PreparedRefresh>,
) -> Flow<'f, 'c> {
    Flow {
        tx: RefCell::new(tx),
        client,
        now,
        lifetimes,
        failure: RefCell::new(None),
        found: RefCell::new(None),
        code: None,
        known: None,
        issued: RefCell::new(None),
        refresh,
    }
}

fn token_error(kind: Option<AccessTokenErrorType>) -> Code {
    match kind {
        Some(AccessTokenErrorType::InvalidRequest) => Code::InvalidRequest,
        Some(AccessTokenErrorType::InvalidClient) => Code::InvalidClient,
        Some(AccessTokenErrorType::InvalidGrant) => Code::InvalidGrant,
        Some(AccessTokenErrorType::UnauthorizedClient) => Code::UnauthorizedClient,
        Some(AccessTokenErrorType::UnsupportedGrantType) => Code::UnsupportedGrantType,
        Some(AccessTokenErrorType::InvalidScope) => Code::InvalidScope,
        _ => Code::ServerError,
    }
}
