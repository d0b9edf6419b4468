//! The one error of this face, in the form of the application server.

use std::{fmt, time::Duration};

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde_json::json;

use crate::store;

/// What went wrong. Each has a number that stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The body is not what was expected.
    BodyMalformed,
    /// The authentication string is not one.
    AuthStringMalformed,
    /// A property is missing, or says what cannot be.
    PropertyInvalid,
    /// The new password is not accepted.
    PasswordRefused,
    /// Unknown, wrong, locked: whichever it is.
    LoginFailed,
    /// The password is right and has to be replaced.
    PasswordExpired,
    /// There is no session, or it is over.
    NotSignedIn,
    /// The program function is missing.
    AccessMissing,
    /// The code or token does not hold.
    TokenInvalid,
    /// Another site sent it.
    CrossSite,
    /// There is nothing here.
    NotFound,
    /// This method is none of it.
    MethodNotAllowed,
    /// The body is too large.
    BodyTooLarge,
    /// The body is of another type.
    MediaTypeUnsupported,
    /// The directory does not say.
    DirectoryUnavailable,
    /// The server cannot answer now.
    Unavailable,
    /// The server has failed.
    Internal,
}

impl Code {
    /// The number, as programs know it.
    pub const fn number(self) -> u32 {
        match self {
            Code::BodyMalformed => 1001,
            Code::AuthStringMalformed => 1002,
            Code::PropertyInvalid => 1003,
            Code::PasswordRefused => 1004,
            Code::LoginFailed => 1101,
            Code::PasswordExpired => 1102,
            Code::NotSignedIn => 1103,
            Code::AccessMissing => 1104,
            Code::TokenInvalid => 1105,
            Code::CrossSite => 1201,
            Code::NotFound => 1301,
            Code::MethodNotAllowed => 1302,
            Code::BodyTooLarge => 1303,
            Code::MediaTypeUnsupported => 1304,
            Code::DirectoryUnavailable => 1401,
            Code::Unavailable => 1402,
            Code::Internal => 1500,
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Code::BodyMalformed | Code::AuthStringMalformed | Code::PropertyInvalid | Code::PasswordRefused => {
                StatusCode::BAD_REQUEST
            }
            Code::LoginFailed
            | Code::PasswordExpired
            | Code::NotSignedIn
            | Code::AccessMissing
            | Code::TokenInvalid => StatusCode::UNAUTHORIZED,
            Code::CrossSite => StatusCode::FORBIDDEN,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Code::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Code::MediaTypeUnsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::DirectoryUnavailable | Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// When it is worth trying again, where nobody knows better.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// An error for a program.
#[derive(Debug)]
pub struct AppserverError {
    pub(super) code: Code,
    message: String,
    retry_after: Option<Duration>,
    cause: Option<store::Error>,
}

impl AppserverError {
    /// An error with this code; the message says what was expected and what was got, and no secret.
    pub fn new(code: Code, message: impl Into<String>) -> AppserverError {
        AppserverError { code, message: message.into(), retry_after: None, cause: None }
    }

    /// One message for an unknown user, a wrong password and a locked account.
    pub fn login_failed() -> AppserverError {
        AppserverError::new(Code::LoginFailed, "The login failed: user name and password do not fit.")
    }

    /// There is no session that holds.
    pub fn not_signed_in() -> AppserverError {
        AppserverError::new(Code::NotSignedIn, "Nobody is signed in: the session is over, or there was none.")
    }

    /// The program function that everybody needs here.
    pub fn access_missing() -> AppserverError {
        AppserverError::new(
            Code::AccessMissing,
            "The user does not have the program function 'Enables access to the REST API in the application server' \
             (AppServer_API). Here that is the permission appserver/api:access.",
        )
    }

    /// The access token does not hold, or is none that counts here.
    pub fn token_invalid() -> AppserverError {
        AppserverError::new(
            Code::TokenInvalid,
            "expected an access token of this server that holds and is meant for it, whose session here was not ended",
        )
    }

    /// There is too much to do just now.
    pub fn busy(retry_after: Duration) -> AppserverError {
        let busy = AppserverError::new(Code::Unavailable, "The server is busy; try again in a moment.");
        AppserverError { retry_after: Some(retry_after), ..busy }
    }
}

impl From<store::Error> for AppserverError {
    fn from(error: store::Error) -> AppserverError {
        let (code, message) = match error {
            store::Error::Unavailable(_) | store::Error::Repeat(_) => {
                (Code::Unavailable, "The server cannot answer now; try again in a moment.")
            }
            _ => (Code::Internal, "The server has failed; the request id tells its operators more."),
        };
        AppserverError { cause: Some(error), ..AppserverError::new(code, message) }
    }
}

impl fmt::Display for AppserverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code.number())
    }
}

impl ResponseError for AppserverError {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        match (&self.cause, self.code) {
            (Some(cause), Code::Internal) => tracing::error!(%cause, "a request failed"),
            (Some(cause), _) => tracing::warn!(%cause, "a request could not be answered"),
            (None, _) => {}
        }
        let mut response = HttpResponse::build(self.code.status());
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if self.code.status() == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "apphost"));
        }
        if self.code == Code::TokenInvalid {
            // RFC 6750 §3
            response.append_header((header::WWW_AUTHENTICATE, "Bearer realm=\"keyward\", error=\"invalid_token\""));
        }
        if self.code.status() == StatusCode::SERVICE_UNAVAILABLE {
            // whole seconds, never too early
            let seconds = self.retry_after.unwrap_or(RETRY_AFTER).as_millis().div_ceil(1000).max(1);
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        response.json(json!({
            "responseStatus": { "message": self.message },
            "errorString": self.message,
            "exceptions": [{ "number": self.code.number(), "message": self.message }],
        }))
    }
}
