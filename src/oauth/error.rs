//! The one error of the protocol face: RFC 6749 §5.2 JSON with the right code and status, or the same as parameters of
//! an authorization response. The description tells what was got and what was expected; causes go to the log only.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use serde_json::json;

use crate::{hasher::Busy, metrics::ErrorCode, store, telemetry, web::request::request_id};

/// The codes of errors that programs act upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// RFC 6749 §4.1.2.1, §5.2.
    InvalidRequest,
    /// RFC 6749 §5.2.
    InvalidClient,
    /// RFC 6749 §5.2.
    InvalidGrant,
    /// RFC 6749 §4.1.2.1, §5.2.
    UnauthorizedClient,
    /// RFC 6749 §5.2.
    UnsupportedGrantType,
    /// RFC 6749 §4.1.2.1.
    UnsupportedResponseType,
    /// RFC 6749 §4.1.2.1, §5.2.
    InvalidScope,
    /// RFC 8707 §2.
    InvalidTarget,
    /// RFC 6749 §4.1.2.1.
    AccessDenied,
    /// OpenID Connect Core §3.1.2.6.
    LoginRequired,
    /// OpenID Connect Core §3.1.2.6.
    ConsentRequired,
    /// OpenID Connect Core §3.1.2.6.
    RequestNotSupported,
    /// OpenID Connect Core §3.1.2.6.
    RequestUriNotSupported,
    /// OpenID Connect Core §3.1.2.6.
    RegistrationNotSupported,
    /// OpenID Connect Unmet Authentication Requirements §2.
    UnmetAuthenticationRequirements,
    /// RFC 6750 §3.1.
    InvalidToken,
    /// RFC 6750 §3.1.
    InsufficientScope,
    /// RFC 6749 §4.1.2.1.
    TemporarilyUnavailable,
    /// RFC 6749 §4.1.2.1.
    ServerError,
}

impl Code {
    /// The value of `error`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::InvalidRequest => "invalid_request",
            Code::InvalidClient => "invalid_client",
            Code::InvalidGrant => "invalid_grant",
            Code::UnauthorizedClient => "unauthorized_client",
            Code::UnsupportedGrantType => "unsupported_grant_type",
            Code::UnsupportedResponseType => "unsupported_response_type",
            Code::InvalidScope => "invalid_scope",
            Code::InvalidTarget => "invalid_target",
            Code::AccessDenied => "access_denied",
            Code::LoginRequired => "login_required",
            Code::ConsentRequired => "consent_required",
            Code::RequestNotSupported => "request_not_supported",
            Code::RequestUriNotSupported => "request_uri_not_supported",
            Code::RegistrationNotSupported => "registration_not_supported",
            Code::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Code::InvalidToken => "invalid_token",
            Code::InsufficientScope => "insufficient_scope",
            Code::TemporarilyUnavailable => "temporarily_unavailable",
            Code::ServerError => "server_error",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Code::InvalidClient | Code::InvalidToken => StatusCode::UNAUTHORIZED,
            Code::InsufficientScope => StatusCode::FORBIDDEN,
            Code::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// How a 401 asks for credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// RFC 6749 §5.2: the client used the Authorization header.
    Basic,
    /// RFC 6750 §3.
    Bearer,
    /// RFC 6750 §3.1: no credentials were sent, so no error is told.
    BearerWithoutError,
}

/// An error for a client program.
#[derive(Debug)]
pub struct OAuthError {
    /// What the program acts upon.
    pub code: Code,
    /// What was got and what was expected; never a secret.
    pub description: String,
    /// How a 401 asks.
    pub challenge: Option<Challenge>,
    /// Another status than the code's own, as 415.
    pub status: Option<StatusCode>,
    /// The database's fault behind it, for the log.
    pub cause: Option<store::Error>,
}

impl OAuthError {
    /// An error with this code and description.
    pub fn new(code: Code, description: impl Into<String>) -> OAuthError {
        OAuthError { code, description: description.into(), challenge: None, status: None, cause: None }
    }

    /// The same with a challenge.
    pub fn with(mut self, challenge: Challenge) -> OAuthError {
        self.challenge = Some(challenge);
        self
    }

    /// Whether somebody asked rightly for what they may not have, which belongs in the audit log.
    pub fn is_refusal(&self) -> bool {
        use Code::{AccessDenied, InsufficientScope, InvalidGrant, InvalidScope, InvalidTarget, UnauthorizedClient};
        matches!(
            self.code,
            AccessDenied | InsufficientScope | InvalidGrant | InvalidScope | InvalidTarget | UnauthorizedClient
        )
    }

    /// The answer (RFC 6749 §5.2); the cause goes to the log.
    pub fn respond(self, req: &HttpRequest) -> HttpResponse {
        self.log();
        let mut response = HttpResponse::build(self.status.unwrap_or_else(|| self.code.status()));
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        response.insert_header((header::PRAGMA, "no-cache"));
        response.extensions_mut().insert(ErrorCode(self.code.as_str()));
        match self.challenge {
            Some(Challenge::Basic) => {
                response.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"clients\", charset=\"UTF-8\""));
            }
            Some(Challenge::Bearer) => {
                let description: String = self.description.chars().filter(|c| !matches!(c, '"' | '\\')).collect();
                let code = self.code.as_str();
                response.insert_header((
                    header::WWW_AUTHENTICATE,
                    format!(
                        "Bearer realm=\"keyward\", error=\"{code}\", error_description=\"{}\"",
                        ascii(&description)
                    ),
                ));
            }
            Some(Challenge::BearerWithoutError) => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"keyward\""));
            }
            None => {}
        }
        if self.code == Code::TemporarilyUnavailable {
            response.insert_header((header::RETRY_AFTER, "1"));
        }
        response.json(json!({
            "error": self.code.as_str(),
            "error_description": ascii(&self.description),
            "request_id": request_id(req),
        }))
    }

    /// Writes the cause to the log, if there is one.
    pub fn log(&self) {
        match (&self.cause, self.code) {
            (Some(cause), Code::ServerError) => tracing::error!(%cause, "a request failed"),
            (Some(cause), _) => tracing::warn!(%cause, "a request could not be served"),
            (None, _) => {
                let description = telemetry::personal(self.description.as_str());
                tracing::debug!(error = self.code.as_str(), description, "refused");
            }
        }
    }

    /// The description as it may be sent.
    pub fn description(&self) -> String {
        ascii(&self.description)
    }
}

/// The characters that RFC 6749 §5.2 allows in `error_description`; others become `?`.
fn ascii(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '"' => '\'',
            '\\' => '/',
            ' '..='~' => c,
            '…' => '.',
            _ => '?',
        })
        .collect()
}

impl From<store::Error> for OAuthError {
    fn from(error: store::Error) -> OAuthError {
        let (code, description) = match error {
            store::Error::Unavailable(_) | store::Error::Repeat(_) => {
                (Code::TemporarilyUnavailable, "The service cannot answer now; try again in a moment.")
            }
            _ => (Code::ServerError, "The service has failed; the request id tells its operators more."),
        };
        OAuthError { cause: Some(error), ..OAuthError::new(code, description) }
    }
}

impl From<Busy> for OAuthError {
    fn from(_: Busy) -> OAuthError {
        OAuthError::new(Code::TemporarilyUnavailable, "The service is busy; try again in a moment.")
    }
}

impl From<crate::keys::KeyError> for OAuthError {
    fn from(error: crate::keys::KeyError) -> OAuthError {
        store::Error::Internal(error.to_string()).into()
    }
}

impl store::Failure for OAuthError {
    fn as_store(&self) -> Option<&store::Error> {
        self.cause.as_ref()
    }
}
