//! Where nothing is written: which scope a request is granted, and where its answer may go.

use std::{borrow::Cow, cell::RefCell};

use oxide_auth::{
    code_grant::{
        authorization::{self, Authorization},
        client_credentials::{self, ClientCredentials},
    },
    primitives::{
        grant::Extensions,
        registrar::{BoundClient, ClientUrl, ExactUrl, PreGrant, RegisteredUrl, Registrar, RegistrarError},
        scope::Scope as OxideScope,
    },
};

use super::{
    super::error::{Code, OAuthError},
    TokenForm, bind, oxide_scope,
};
use crate::{
    model::{grant_type::GrantType, scope::Scope},
    store::client::Client,
};

/// The client as registrar of itself where nothing is written: it knows what it may be granted.
struct Negotiator<'n> {
    client: &'n Client,
    /// What would be granted of a requested scope; `None` asks for the default.
    grant: &'n dyn Fn(Option<&Scope>) -> Scope,
    granted: RefCell<Scope>,
}

impl Registrar for Negotiator<'_> {
    fn bound_redirect<'a>(&self, bound: ClientUrl<'a>) -> Result<BoundClient<'a>, RegistrarError> {
        bind(self.client, bound)
    }

    fn negotiate(&self, bound: BoundClient<'_>, scope: Option<OxideScope>) -> Result<PreGrant, RegistrarError> {
        // the machine's sets have no order; the request's is restored by filtering it
        let asked: Option<Vec<String>> = scope.map(|scope| scope.iter().map(str::to_owned).collect());
        let asked = asked.map(|tokens| tokens.iter().map(String::as_str).collect::<Scope>());
        let granted = (self.grant)(asked.as_ref());
        if asked.is_some_and(|asked| !asked.is_empty()) && granted.is_empty() {
            return Err(RegistrarError::Unspecified);
        }
        // a wildcard over many single permissions is granted as each of them
        if !granted.is_of_sane_size() {
            return Err(RegistrarError::Unspecified);
        }
        let scope = oxide_scope(&granted).map_err(|()| RegistrarError::PrimitiveError)?;
        *self.granted.borrow_mut() = granted;
        Ok(PreGrant { client_id: bound.client_id.into_owned(), redirect_uri: bound.redirect_uri.into_owned(), scope })
    }

    fn check(&self, client_id: &str, _: Option<&[u8]>) -> Result<(), RegistrarError> {
        if client_id == self.client.id { Ok(()) } else { Err(RegistrarError::Unspecified) }
    }
}

/// The client_credentials grant (RFC 6749 §4.4): which scope is granted. Nothing is written.
///
/// # Errors
/// `invalid_scope` if nothing of what was asked for can be granted.
pub fn client_credentials(
    client: &Client,
    scope: Option<&Scope>,
    grant: &dyn Fn(Option<&Scope>) -> Scope,
) -> Result<Scope, OAuthError> {
    let negotiator = Negotiator { client, grant, granted: RefCell::new(Scope::empty()) };
    let form = TokenForm {
        client_id: &client.id,
        grant_type: GrantType::ClientCredentials,
        code: None,
        redirect_uri: None,
        refresh_token: None,
        scope,
    };
    let broken = || OAuthError::new(Code::ServerError, "the grant could not be worked out");
    let mut machine = ClientCredentials::new(&form);
    let mut input = client_credentials::Input::None;
    loop {
        input = match machine.advance(input) {
            client_credentials::Output::Authenticate { client, passdata } => {
                negotiator
                    .check(client, Some(passdata))
                    .map_err(|_| OAuthError::new(Code::InvalidClient, "the client is not authenticated"))?;
                client_credentials::Input::Authenticated
            }
            client_credentials::Output::Binding { client_id } => {
                // this grant redirects nowhere
                let nowhere = ExactUrl::new("urn:keyward:none".to_owned()).map_err(|_| broken())?;
                let bound_client = BoundClient {
                    client_id: Cow::Owned(client_id.to_owned()),
                    redirect_uri: Cow::Owned(RegisteredUrl::Exact(nowhere)),
                };
                client_credentials::Input::Bound { bound_client }
            }
            client_credentials::Output::Extend => client_credentials::Input::Extended { extensions: Extensions::new() },
            client_credentials::Output::Negotiate { bound_client, scope } => {
                let pre_grant = negotiator.negotiate(bound_client.clone(), scope).map_err(|error| match error {
                    RegistrarError::Unspecified => {
                        OAuthError::new(Code::InvalidScope, "scope: nothing of it can be granted to this client")
                    }
                    RegistrarError::PrimitiveError => broken(),
                })?;
                client_credentials::Input::Negotiated { pre_grant }
            }
            client_credentials::Output::Ok { .. } => {
                let granted = negotiator.granted.take();
                return Ok(match scope {
                    Some(asked) => in_order(&granted, asked),
                    None => granted,
                });
            }
            client_credentials::Output::Err(_) => return Err(broken()),
        };
    }
}

/// `granted`, the tokens of `asked` first and in its order.
fn in_order(granted: &Scope, asked: &Scope) -> Scope {
    asked.filtered(|token| granted.contains(token)).union(granted)
}

/// An authorization request as oxide-auth reads it.
pub struct AuthorizationForm<'r> {
    /// `client_id`.
    pub client_id: &'r str,
    /// `redirect_uri`, if it was sent.
    pub redirect_uri: Option<&'r str>,
    /// `response_type`.
    pub response_type: Option<&'r str>,
    /// `scope`.
    pub scope: &'r Scope,
    /// `state`.
    pub state: Option<&'r str>,
}

impl authorization::Request for AuthorizationForm<'_> {
    fn valid(&self) -> bool {
        true
    }

    fn client_id(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.client_id))
    }

    fn scope(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Owned(self.scope.to_string()))
    }

    fn redirect_uri(&self) -> Option<Cow<'_, str>> {
        self.redirect_uri.map(Cow::Borrowed)
    }

    fn state(&self) -> Option<Cow<'_, str>> {
        self.state.map(Cow::Borrowed)
    }

    fn response_type(&self) -> Option<Cow<'_, str>> {
        self.response_type.map(Cow::Borrowed)
    }

    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// The redirect URI of an authorization request, as the client registered it (loopback: with the request's port).
/// `None` if it is not proven: then nothing may be sent there.
pub fn bound_redirect(client: &Client, form: &AuthorizationForm<'_>) -> Option<String> {
    let redirect_uri = match form.redirect_uri {
        Some(sent) => Some(Cow::Owned(ExactUrl::new(sent.to_owned()).ok()?)),
        None => None,
    };
    let bound = bind(client, ClientUrl { client_id: Cow::Borrowed(form.client_id), redirect_uri }).ok()?;
    Some(bound.redirect_uri.as_str().to_owned())
}

/// The authorization request's walk through the machine (RFC 6749 §4.1.1): what would be granted of its scope.
///
/// # Errors
/// `unsupported_response_type`, or `invalid_scope` if nothing can be granted.
pub fn negotiate(
    client: &Client,
    form: &AuthorizationForm<'_>,
    grant: &dyn Fn(Option<&Scope>) -> Scope,
) -> Result<Scope, OAuthError> {
    let negotiator = Negotiator { client, grant, granted: RefCell::new(Scope::empty()) };
    let unproven = || OAuthError::new(Code::InvalidRequest, "redirect_uri: it is not registered");
    let mut machine = Authorization::new(form);
    let mut input = authorization::Input::None;
    loop {
        input = match machine.advance(input) {
            authorization::Output::Bind { client_id, redirect_uri } => {
                let url = ClientUrl { client_id: Cow::Owned(client_id), redirect_uri: redirect_uri.map(Cow::Owned) };
                let bound_client = negotiator.bound_redirect(url).map_err(|_| unproven())?;
                authorization::Input::Bound { request: form, bound_client }
            }
            authorization::Output::Extend => authorization::Input::Extended(Extensions::new()),
            authorization::Output::Negotiate { bound_client, scope } => {
                let pre_grant = negotiator.negotiate(bound_client.clone(), scope).map_err(|_| {
                    OAuthError::new(Code::InvalidScope, "scope: nothing of it can be granted to this client and person")
                })?;
                authorization::Input::Negotiated { pre_grant, state: form.state.map(str::to_owned) }
            }
            authorization::Output::Ok { .. } => return Ok(in_order(&negotiator.granted.take(), form.scope)),
            authorization::Output::Err(authorization::Error::Redirect(_)) => {
                return Err(OAuthError::new(
                    Code::UnsupportedResponseType,
                    format!(
                        "response_type: expected code, got '{}'",
                        form.response_type.map(crate::model::id::shown).unwrap_or_default()
                    ),
                ));
            }
            authorization::Output::Err(_) => return Err(unproven()),
        };
    }
}
