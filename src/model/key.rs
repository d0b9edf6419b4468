//! Signing keys as they are stored: the public half in clear, the private half sealed.

use crate::model::time::Timestamp;

/// The signature algorithms that Keyward can sign with (RFC 7518 §3.1, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, utoipa::ToSchema)]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519.
    EdDSA,
}

impl SigningAlgorithm {
    /// All of them, in the order in which discovery names them.
    pub const ALL: [SigningAlgorithm; 3] = [SigningAlgorithm::RS256, SigningAlgorithm::ES256, SigningAlgorithm::EdDSA];

    /// The `alg` value.
    pub const fn as_str(self) -> &'static str {
        match self {
            SigningAlgorithm::RS256 => "RS256",
            SigningAlgorithm::ES256 => "ES256",
            SigningAlgorithm::EdDSA => "EdDSA",
        }
    }
}

impl std::str::FromStr for SigningAlgorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|alg| alg.as_str() == text)
            .ok_or_else(|| format!("expected RS256, ES256 or EdDSA, got '{text}'"))
    }
}

/// A signing key's row. Its state follows from `activates_at` alone: it signs from then until a younger key of the
/// same algorithm is active, is published from its creation, and stays published while something may need it.
#[derive(Clone, Debug)]
pub struct SigningKeyRecord {
    /// RFC 7638 thumbprint, the `kid`.
    pub kid: String,
    /// What it signs with.
    pub algorithm: SigningAlgorithm,
    /// The public JWK (JSON) with `kid`, `use` and `alg`.
    pub public_jwk: String,
    /// The private key, sealed under the master key.
    pub sealed_private: Vec<u8>,
    /// Published from here on.
    pub created_at: Timestamp,
    /// Signs from here on.
    pub activates_at: Timestamp,
}

/// The row of a key that signs checkpoints of the audit log. Its algorithm is EdDSA.
#[derive(Clone, Debug)]
pub struct AuditKeyRecord {
    /// RFC 7638 thumbprint, the `kid`.
    pub kid: String,
    /// The private key, sealed under the master key.
    pub sealed_private: Vec<u8>,
    /// It signs from here on, until there is a younger one.
    pub created_at: Timestamp,
}
