//! How clients prove who they are. Registration, the check itself and discovery all follow from this enum.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A value of `token_endpoint_auth_method` (OpenID Connect Core §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// The secret in the Authorization header (RFC 6749 §2.3.1).
    ClientSecretBasic,
    /// The secret in the body (RFC 6749 §2.3.1).
    ClientSecretPost,
    /// A signed assertion (RFC 7523 §2.2).
    PrivateKeyJwt,
    /// A public client, which proves nothing (RFC 6749 §2.1).
    None,
}

impl AuthMethod {
    /// All of them, in the order in which discovery names them.
    pub const ALL: [AuthMethod; 4] =
        [AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost, AuthMethod::PrivateKeyJwt, AuthMethod::None];

    /// Whether a client proves itself with a secret.
    pub const fn has_secret(self) -> bool {
        matches!(self, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost)
    }

    /// The metadata's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            AuthMethod::ClientSecretBasic => "client_secret_basic",
            AuthMethod::ClientSecretPost => "client_secret_post",
            AuthMethod::PrivateKeyJwt => "private_key_jwt",
            AuthMethod::None => "none",
        }
    }
}

impl FromStr for AuthMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<AuthMethod, String> {
        Self::ALL.into_iter().find(|method| method.as_str() == text).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|method| method.as_str()).collect();
            format!("expected one of {}, got '{}'", known.join(", "), super::id::shown(text))
        })
    }
}
