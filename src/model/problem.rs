//! What an administrator's program is told when something cannot be done: problem documents (RFC 9457) with stable codes.

use std::fmt;

use serde_json::Value;

/// Declares [`Code`] and the catalogue of its texts and statuses.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $status:literal $text:literal,)+) => {
        /// Why something was refused. The text never changes once it has been handed out; the documentation of a variant
        /// is what the API's description says about it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];

            /// The text in the member `code`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)+ }
            }

            /// The status of the answer.
            pub const fn status(self) -> u16 {
                match self { $(Code::$name => $status,)+ }
            }

            /// What it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Code::$name => concat!($($doc),+),)+ }
            }
        }
    };
}

codes! {
    /// The body is not what its media type says, is nested too deeply, or is not an object where one is expected.
    BodyMalformed = 400 "BODY_MALFORMED",
    /// The body names a field that the resource does not have; free-form keys belong into `properties`.
    UnknownField = 400 "UNKNOWN_FIELD",
    /// A field has another JSON type than expected.
    FieldMalformed = 400 "FIELD_MALFORMED",
    /// The same thing was said twice, and differently.
    ConflictingValues = 400 "CONFLICTING_VALUES",
    /// A header does not have the form that it should have.
    HeaderInvalid = 400 "HEADER_INVALID",
    /// The id in the path does not have the form of one.
    IdInvalid = 400 "ID_INVALID",
    /// A query parameter has a value that it cannot have.
    ParameterInvalid = 400 "PARAMETER_INVALID",
    /// The query names a parameter that the resource does not have.
    UnknownParameter = 400 "UNKNOWN_PARAMETER",
    /// A query parameter stands there more than once.
    ParameterRepeated = 400 "PARAMETER_REPEATED",
    /// The cursor was not made by this list with these filters and this order, or two cursors were given.
    CursorInvalid = 400 "CURSOR_INVALID",
    /// The limit is not between 1 and 100.
    LimitOutOfRange = 400 "LIMIT_OUT_OF_RANGE",
    /// The list cannot be ordered like that.
    OrderByUnknown = 400 "ORDER_BY_UNKNOWN",
    /// A query of the graph is none; the answer says where in the body, and at which character of a filter
    /// (`details.position`).
    QueryError = 400 "QUERY_ERROR",
    /// Categories that begin with `system:` are the server's own.
    CategoryReserved = 400 "CATEGORY_RESERVED",
    /// The request has no access token.
    TokenMissing = 401 "TOKEN_MISSING",
    /// The access token is malformed, expired, revoked, or not for this server.
    TokenInvalid = 401 "TOKEN_INVALID",
    /// The access token does not carry the permission that the answer names.
    PermissionMissing = 403 "PERMISSION_MISSING",
    /// Self service is for people; the access token is one that a client got for itself.
    PersonRequired = 403 "PERSON_REQUIRED",
    /// Nobody gives what they do not hold, acts on whoever holds more, or gives anything to themselves.
    PrivilegeEscalation = 403 "PRIVILEGE_ESCALATION",
    /// Roles of the namespace `system` are built in.
    SystemRoleProtected = 403 "SYSTEM_ROLE_PROTECTED",
    /// System clients are built in.
    SystemClientProtected = 403 "SYSTEM_CLIENT_PROTECTED",
    /// There is nothing at this address, or nothing that the caller may see.
    NotFound = 404 "NOT_FOUND",
    /// The resource does not have this method.
    MethodNotAllowed = 405 "METHOD_NOT_ALLOWED",
    /// Somebody else has changed the object meanwhile; nothing was changed. Read it again.
    EtagMismatch = 409 "ETAG_MISMATCH",
    /// The object was to be created, but it exists.
    AlreadyExists = 409 "ALREADY_EXISTS",
    /// The id belongs, or once belonged, to something else; ids are never used again.
    IdInUse = 409 "ID_IN_USE",
    /// Another principal has this email.
    EmailInUse = 409 "EMAIL_IN_USE",
    /// Another client serves this resource.
    ResourceUriInUse = 409 "RESOURCE_URI_IN_USE",
    /// Somebody has the role; `?force=true` takes it away from them.
    RoleInUse = 409 "ROLE_IN_USE",
    /// Somebody has to remain who may do everything.
    LastOwner = 409 "LAST_OWNER",
    /// The mail is being delivered, was sent, has failed or was cancelled; it cannot be taken back.
    SendingNotPending = 409 "SENDING_NOT_PENDING",
    /// The body is larger than the server takes.
    BodyTooLarge = 413 "BODY_TOO_LARGE",
    /// The body has another media type than `application/json`, or is encoded.
    MediaTypeUnsupported = 415 "MEDIA_TYPE_UNSUPPORTED",
    /// A field has a value that breaks a rule.
    FieldInvalid = 422 "FIELD_INVALID",
    /// There is no role with this key.
    UnknownRole = 422 "UNKNOWN_ROLE",
    /// The new password does not meet the policy.
    PasswordPolicy = 422 "PASSWORD_POLICY",
    /// The current password is not the one that was given.
    PasswordWrong = 422 "PASSWORD_WRONG",
    /// The secret of a verification is wrong, used or expired.
    VerificationInvalid = 422 "VERIFICATION_INVALID",
    /// There are as many of these as there may be.
    TooMany = 422 "TOO_MANY",
    /// The idempotency key was used before, with another request.
    IdempotencyKeyReused = 422 "IDEMPOTENCY_KEY_REUSED",
    /// The server is configured to change existing objects only under a precondition.
    PreconditionRequired = 428 "PRECONDITION_REQUIRED",
    /// Too many requests; the answer says when to come back.
    TooManyRequests = 429 "TOO_MANY_REQUESTS",
    /// Path, query and headers together are longer than the server takes.
    HeadersTooLarge = 431 "HEADERS_TOO_LARGE",
    /// A fault of the server; its log has the request id.
    Internal = 500 "INTERNAL",
    /// This server sends no mail: its operator has to configure `mail.host`, or `mail.directory`.
    MailNotConfigured = 503 "MAIL_NOT_CONFIGURED",
    /// The server cannot answer now; the answer says when to come back.
    Unavailable = 503 "UNAVAILABLE",
}

/// The most faults that one problem tells.
pub const MAX_FAULTS: usize = 100;

/// One thing that is wrong with a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Why.
    pub code: Code,
    /// What was expected and what was got.
    pub message: String,
    /// Where in the body (RFC 6901).
    pub pointer: Option<String>,
    /// Further facts for programs.
    pub details: Option<Value>,
}

/// Why a request cannot be carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The reason that decides on the status.
    pub code: Code,
    /// What was expected and what was got, in a sentence or two.
    pub detail: String,
    /// Everything that is wrong, where more can be said than [`Problem::detail`] does; at most [`MAX_FAULTS`] of it.
    pub errors: Vec<Fault>,
}

impl Problem {
    /// A problem with one reason.
    pub fn new(code: Code, detail: impl Into<String>) -> Problem {
        Problem { code, detail: detail.into(), errors: Vec::new() }
    }

    /// A problem with one member of the body; `pointer` as in RFC 6901.
    pub fn at(code: Code, pointer: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem::of(vec![Fault { code, message: message.into(), pointer: Some(pointer.into()), details: None }])
    }

    /// Everything that is wrong at once; the first one decides on code and status. Of more than [`MAX_FAULTS`] only those
    /// are told, and how many there are.
    pub fn of(mut errors: Vec<Fault>) -> Problem {
        let all = errors.len();
        errors.truncate(MAX_FAULTS);
        let Some(first) = errors.first() else { return Problem::new(Code::Internal, "no reason was given") };
        let at = first.pointer.as_deref().filter(|p| !p.is_empty()).map(|p| format!("{p}: ")).unwrap_or_default();
        let more = match all {
            1 => String::new(),
            n => format!(" (and {} more, see errors)", n - 1),
        };
        Problem { code: first.code, detail: format!("{at}{}{more}", first.message), errors }
    }

    /// The same, with facts for programs.
    pub fn with(mut self, details: Value) -> Problem {
        match self.errors.first_mut() {
            Some(first) => first.details = Some(details),
            None => self.errors.push(Fault {
                code: self.code,
                message: self.detail.clone(),
                pointer: None,
                details: Some(details),
            }),
        }
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_shouted() {
        let mut texts: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert!(texts.iter().all(|text| text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')));
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
    }

    #[test]
    fn the_first_fault_decides() {
        let fault = |code| Fault { code, message: "m".to_owned(), pointer: Some("/a".to_owned()), details: None };
        let problem = Problem::of(vec![fault(Code::UnknownField), fault(Code::FieldInvalid)]);
        assert_eq!((problem.code, problem.detail.as_str()), (Code::UnknownField, "/a: m (and 1 more, see errors)"));
        let many = Problem::of(vec![fault(Code::UnknownField); 5000]);
        assert_eq!((many.errors.len(), many.detail.as_str()), (100, "/a: m (and 4999 more, see errors)"));
    }
}
