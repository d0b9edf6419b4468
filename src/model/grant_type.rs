//! The grants that Keyward knows. Registration, dispatch and discovery all follow from this enum.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A value of `grant_type` (RFC 6749 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 6749 §4.4.
    ClientCredentials,
}

impl GrantType {
    /// All of them, in the order in which discovery names them.
    pub const ALL: [GrantType; 3] =
        [GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::ClientCredentials];

    /// The parameter's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            GrantType::AuthorizationCode => "authorization_code",
            GrantType::RefreshToken => "refresh_token",
            GrantType::ClientCredentials => "client_credentials",
        }
    }
}

impl FromStr for GrantType {
    type Err = String;

    fn from_str(text: &str) -> Result<GrantType, String> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == text).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|grant| grant.as_str()).collect();
            format!("expected one of {}, got '{}'", known.join(", "), super::id::shown(text))
        })
    }
}
