//! The compact serialization (RFC 7515 §7.1), read strictly and within bounds before any cryptography.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};
use serde_json::{Map, Value};

use crate::keys::{
    error::{KeyError, VerifyError, excerpt_or_none},
    signer::crypto,
    verifier::{Algorithm, Verifier},
};

/// The longest token that is made or looked at, in bytes. HTTP servers accept no longer header fields either.
pub const MAX_TOKEN_LEN: usize = 16 * 1024;

/// A JWT whose signature has been verified. Nothing in its claims has been looked at: whether they are for us, from
/// whom they should be and still valid is the caller's question.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The claims.
    pub claims: Map<String, Value>,
    /// The `alg` that it is signed with.
    pub algorithm: &'static str,
    /// The `kid` header.
    pub kid: Option<String>,
    /// The `typ` header in lower case and without "application/" (RFC 7515 §4.1.9).
    pub typ: Option<String>,
}

/// The members of a JOSE header that mean something here. Keys that a token brings along (`jwk`, `jku`, `x5u`, `x5c`)
/// are not even read. A member that occurs twice is refused (RFC 7515 §4).
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
    #[serde(default, deserialize_with = "present")]
    b64: bool,
    #[serde(default, deserialize_with = "present")]
    zip: bool,
}

/// True whatever the member's value is, null included.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|IgnoredAny| true)
}

/// A token's parts; nothing about them is true until [`Compact::is_signed_by`] says so.
pub(super) struct Compact<'a> {
    header: Header,
    signing_input: &'a [u8],
    payload: &'a str,
    signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Takes a token apart. Only base64url without padding and without stray bits is read, so that a token has one
    /// spelling.
    pub(super) fn parse(token: &'a str) -> Result<Compact<'a>, VerifyError> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(VerifyError::TooLong { got: token.len(), max: MAX_TOKEN_LEN });
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(VerifyError::Malformed("three parts with a dot between them (a JWS in compact form)"));
        };
        let header = decode(header, "a header in base64url without padding")?;
        let header: Header = serde_json::from_slice(&header)
            .map_err(|_| VerifyError::Malformed("a header that is a JSON object with alg, each member once"))?;
        // RFC 7515 §4.1.11: what is critical and not understood is refused; here that is everything. An unencoded
        // payload (RFC 7797) or a compressed one is never read.
        for (present, name) in [(header.crit, "crit"), (header.b64, "b64"), (header.zip, "zip")] {
            if present {
                return Err(VerifyError::Critical(name));
            }
        }
        let signature_part = signature.len();
        let signature = decode(signature, "a signature in base64url without padding")?;
        let signing_input = token.as_bytes().get(..token.len() - signature_part - 1).unwrap_or_default();
        Ok(Compact { header, signing_input, payload, signature })
    }

    /// The unverified `alg`.
    pub(super) fn alg(&self) -> &str {
        &self.header.alg
    }

    /// The unverified `kid`.
    pub(super) fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// The unverified `typ` in lower case and without "application/".
    pub(super) fn typ(&self) -> Option<String> {
        self.header.typ.as_deref().map(normal_type)
    }

    /// Refuses a token whose `typ` is none of these.
    pub(super) fn expect_type(&self, expected: &[&str]) -> Result<(), VerifyError> {
        match self.typ() {
            Some(typ) if expected.iter().any(|expected| normal_type(expected) == typ) => Ok(()),
            _ => Err(VerifyError::Type {
                expected: expected.join(" or "),
                got: excerpt_or_none(self.header.typ.as_deref()),
            }),
        }
    }

    /// Whether this key signed the token. The token's `alg` has no say in how that is computed.
    pub(super) fn is_signed_by(&self, verifier: &Verifier) -> bool {
        verifier.verify(self.signing_input, &self.signature)
    }

    /// The token as verified, once [`Compact::is_signed_by`] has said so for a key of `algorithm`.
    pub(super) fn into_verified(self, algorithm: Algorithm) -> Result<Verified, VerifyError> {
        let payload = decode(self.payload, "a payload in base64url without padding")?;
        let claims =
            serde_json::from_slice(&payload).map_err(|_| VerifyError::Malformed("a payload that is a JSON object"))?;
        let typ = self.typ();
        Ok(Verified { claims, algorithm: algorithm.as_str(), kid: self.header.kid, typ })
    }
}

/// RFC 7515 §4.1.9: media types compare without regard to case, and "application/" may be left out.
fn normal_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    match typ.strip_prefix("application/") {
        Some(rest) if !rest.contains('/') => rest.to_owned(),
        _ => typ,
    }
}

fn decode(part: &str, expected: &'static str) -> Result<Vec<u8>, VerifyError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| VerifyError::Malformed(expected))
}

/// What a token says, as JSON: an object (RFC 7519 §4).
pub(super) fn claims_set(claims: &impl Serialize) -> Result<Vec<u8>, KeyError> {
    let mut written = Vec::with_capacity(512);
    serde_json::to_writer(&mut written, claims).map_err(|error| crypto("serialize claims", error))?;
    if written.first() == Some(&b'{') { Ok(written) } else { Err(KeyError::NotAnObject) }
}
