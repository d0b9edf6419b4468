//! Everything cryptographic that has a format: the master key and what is sealed under it, the signing keys, the JWTs
//! that are signed and verified with them, and the JWTs that clients sign. Nothing here does I/O, except that the
//! master key has a file; nothing outside knows the library behind the formats.

mod access_tokens;
mod audit;
mod client_jws;
mod compact;
mod error;
mod jwk;
mod master;
mod opaque;
mod ring;
mod sealer;
mod signer;
mod stream;
mod verifier;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod ring_tests;

pub use access_tokens::AccessTokens;
pub use audit::AuditKeys;
pub use client_jws::{CLIENT_ASSERTION_ALGORITHMS, validate_jwks, verify_with_jwks};
pub use compact::{MAX_TOKEN_LEN, Verified};
pub use error::{KeyError, MasterKeyError, VerifyError};
pub use jwk::thumbprint;
pub use master::MasterKey;
pub use opaque::{OPAQUE_PREFIX, open_claims, seal_claims};
pub use ring::{Jwks, KeyPhase, KeyRing, KeyState, PUBLISH_RETIRED};
pub use sealer::Sealer;
pub use stream::{SealedReader, SealedWriter};
