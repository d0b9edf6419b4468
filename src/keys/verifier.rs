//! Public keys from JWKs, and the signatures that verify under them.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::model::key::SigningAlgorithm;

/// The signature algorithms that are verified (RFC 7518 §3.1, RFC 8037 §3.1). All are asymmetric: there is no way to
/// name a MAC or no signature at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::upper_case_acronyms)]
pub(super) enum Algorithm {
    RS256,
    PS256,
    ES256,
    ES384,
    EdDSA,
}

impl Algorithm {
    pub(super) const ALL: [Algorithm; 5] =
        [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];

    /// The `alg` value.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Algorithm::RS256 => "RS256",
            Algorithm::PS256 => "PS256",
            Algorithm::ES256 => "ES256",
            Algorithm::ES384 => "ES384",
            Algorithm::EdDSA => "EdDSA",
        }
    }

    /// The algorithm with this `alg` value, which is case-sensitive.
    pub(super) fn named(alg: &str) -> Option<Algorithm> {
        Self::ALL.into_iter().find(|known| known.as_str() == alg)
    }
}

impl From<SigningAlgorithm> for Algorithm {
    fn from(algorithm: SigningAlgorithm) -> Algorithm {
        match algorithm {
            SigningAlgorithm::RS256 => Algorithm::RS256,
            SigningAlgorithm::ES256 => Algorithm::ES256,
            SigningAlgorithm::EdDSA => Algorithm::EdDSA,
        }
    }
}

/// A public key, parsed once, for one algorithm.
pub(super) struct Verifier(ParsedPublicKey);

impl Verifier {
    /// The key in `jwk`, to verify `algorithm` with. The error completes "the key …".
    ///
    /// Only the key's type and its public members are read here; `use`, `alg` and `key_ops` are the caller's.
    pub(super) fn from_jwk(jwk: &Map<String, Value>, algorithm: Algorithm) -> Result<Verifier, &'static str> {
        let key = match algorithm {
            Algorithm::RS256 => rsa(jwk, &RSA_PKCS1_2048_8192_SHA256)?,
            Algorithm::PS256 => rsa(jwk, &RSA_PSS_2048_8192_SHA256)?,
            Algorithm::ES256 => {
                let point = point(jwk, "P-256", 32)?;
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| "is not a point on P-256")?
            }
            Algorithm::ES384 => {
                let point = point(jwk, "P-384", 48)?;
                ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).map_err(|_| "is not a point on P-384")?
            }
            // RFC 8037 §2
            Algorithm::EdDSA => {
                if text(jwk, "kty") != Some("OKP") || text(jwk, "crv") != Some("Ed25519") {
                    return Err("is not of kty OKP and crv Ed25519");
                }
                let x = member(jwk, "x").filter(|x| x.len() == 32).ok_or("has no x of 32 bytes")?;
                ParsedPublicKey::new(&ED25519, x).map_err(|_| "is not an Ed25519 public key")?
            }
        };
        Ok(Verifier(key))
    }

    /// Whether `signature` is this key's over `message`.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

/// RFC 7518 §6.3.1, with at least 2048 bits (§3.3) and, so that nobody can make verifying expensive, at most 8192.
fn rsa(jwk: &Map<String, Value>, parameters: &'static RsaParameters) -> Result<ParsedPublicKey, &'static str> {
    if text(jwk, "kty") != Some("RSA") {
        return Err("is not of kty RSA");
    }
    let n = member(jwk, "n").ok_or("has no n in base64url")?;
    let e = member(jwk, "e").ok_or("has no e in base64url")?;
    // Leading zeros are not allowed, yet common enough that the standard warns of them (§6.3.1.1).
    let (n, e) = (without_leading_zeros(&n), without_leading_zeros(&e));
    match n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize) {
        bits if bits < 2048 => return Err("is an RSA key with less than 2048 bits"),
        bits if bits > 8192 => return Err("is an RSA key with more than 8192 bits"),
        _ => {}
    }
    let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    if !odd(n) || !odd(e) || e == [1] || e.len() > 4 {
        return Err("is not an RSA public key: n and e must be odd, and e between 3 and 32 bits long");
    }
    RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters).map_err(|_| "is not an RSA public key")
}

/// RFC 7518 §6.2.1: an uncompressed point from coordinates that are padded to the curve's size.
fn point(jwk: &Map<String, Value>, curve: &str, size: usize) -> Result<Vec<u8>, &'static str> {
    if text(jwk, "kty") != Some("EC") || text(jwk, "crv") != Some(curve) {
        return Err("is not of kty EC and the algorithm's crv");
    }
    let coordinate = |name| member(jwk, name).filter(|bytes| bytes.len() == size);
    let x = coordinate("x").ok_or("has no x of the curve's size")?;
    let y = coordinate("y").ok_or("has no y of the curve's size")?;
    Ok([&[4], x.as_slice(), y.as_slice()].concat())
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    jwk.get(name)?.as_str()
}

fn member(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).ok()
}
