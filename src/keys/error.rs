//! What can go wrong with keys and with what they protect.

use std::path::PathBuf;

use crate::model::key::SigningAlgorithm;

/// Why a master key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read or made.
    #[error("cannot open the master key file {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others than the owner may read or write the file.
    #[error("the master key file {path} is open to others (mode {mode:04o}): run chmod 600 {path}")]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file does not hold a master key.
    #[error("the master key file {path} is malformed: expected one line of 43 base64url characters")]
    Malformed {
        /// Which file.
        path: PathBuf,
    },
    /// What follows the prefix of a key that a server made is none.
    #[error("the master key is malformed: expected 43 base64url characters after keyward-master-key:")]
    Raw,
    /// The configured secret is too short to be unguessable.
    #[error("the master secret is too short: expected at least 32 random characters, got {got}")]
    TooShort {
        /// How many characters it has.
        got: usize,
    },
}

/// Why a signing key cannot be made, opened or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A stored private key does not open under this master key.
    #[error(
        "the master key does not fit the signing key '{kid}': it was sealed under another master key, or its row was \
         damaged; start with the master key that this database was set up with"
    )]
    MasterKey {
        /// The signing key.
        kid: String,
    },
    /// A stored key opened, but is not what its row says.
    #[error("the signing key '{kid}' is damaged: {reason}")]
    Damaged {
        /// The signing key.
        kid: String,
        /// What does not fit.
        reason: &'static str,
    },
    /// No key can sign with the algorithm.
    #[error("there is no signing key for {0:?}")]
    NoKey(SigningAlgorithm),
    /// What was to be signed is not a claims set.
    #[error("a JWT's claims must be a JSON object")]
    NotAnObject,
    /// What was signed would be too long to be accepted again.
    #[error("the token is too long: expected at most {max} bytes, got {got}")]
    TooLong {
        /// Its length in bytes.
        got: usize,
        /// The bound.
        max: usize,
    },
    /// The cryptographic library refused.
    #[error("cannot {doing}: {reason}")]
    Crypto {
        /// What was being done.
        doing: &'static str,
        /// What the library said; never holds key material.
        reason: String,
    },
}

/// Why a JWT is not accepted. Each message says what was expected and what came, never more than 64 characters of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It is not a JWS in compact serialization with a JSON object inside (RFC 7515 §7.1, RFC 7519 §7.2).
    #[error("malformed token: expected {0}")]
    Malformed(&'static str),
    /// It is longer than any token needs to be.
    #[error("token too long: expected at most {max} bytes, got {got}")]
    TooLong {
        /// Its length in bytes.
        got: usize,
        /// The bound.
        max: usize,
    },
    /// Its `kid` names no key that may have signed it, or it has none and no key fits.
    #[error("unknown key: expected the kid of a known key, got {got}")]
    UnknownKey {
        /// An excerpt of the `kid`, quoted, or "none".
        got: String,
    },
    /// Its `alg` is not the key's, or none that is accepted.
    #[error("wrong algorithm: expected {expected}, got '{got}'")]
    Algorithm {
        /// What would have been accepted.
        expected: String,
        /// An excerpt of the `alg`.
        got: String,
    },
    /// Its `typ` is another: a token of another kind.
    #[error("wrong token type: expected {expected}, got {got}")]
    Type {
        /// What would have been accepted.
        expected: String,
        /// An excerpt of the `typ`, quoted, or "none".
        got: String,
    },
    /// The signature does not verify.
    #[error("invalid signature: expected one by the key that the token names")]
    Signature,
    /// A header that changes how the token is read, none of which is supported.
    #[error("unsupported header: expected none of crit, b64 and zip, got {0}")]
    Critical(&'static str),
}

/// The most characters of foreign text in a message.
const EXCERPT: usize = 64;

/// What a message may repeat of a foreign text: at most 64 characters, control characters replaced.
pub(super) fn excerpt(text: &str) -> String {
    let clean = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    if text.chars().nth(EXCERPT).is_none() {
        return text.chars().map(clean).collect();
    }
    text.chars().take(EXCERPT - 1).map(clean).chain(['…']).collect()
}

/// The same for a header that may be missing: quoted, or "none".
pub(super) fn excerpt_or_none(text: Option<&str>) -> String {
    text.map_or_else(|| "none".to_owned(), |text| format!("'{}'", excerpt(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_repeats_64_characters_and_no_control_character() {
        assert_eq!(excerpt("short"), "short");
        assert_eq!(excerpt(&"é".repeat(64)).chars().count(), 64);
        assert_eq!(excerpt(&"é".repeat(100_000)).chars().count(), 64);
        assert_eq!(excerpt("a\0b\r\nc\u{1b}[31m"), "a\u{fffd}b\u{fffd}\u{fffd}c\u{fffd}[31m");
    }
}
