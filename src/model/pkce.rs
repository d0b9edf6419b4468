//! Proof Key for Code Exchange (RFC 7636), S256 only.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;

/// The one supported `code_challenge_method`; `plain` protects nobody (RFC 9700 §2.1.1).
pub const METHOD: &str = "S256";

/// Checks that a `code_challenge` is the base64url of 32 bytes (RFC 7636 §4.2).
///
/// # Errors
/// What was expected and what was got.
pub fn challenge(text: &str) -> Result<String, String> {
    match URL_SAFE_NO_PAD.decode(text) {
        Ok(bytes) if bytes.len() == 32 => Ok(text.to_owned()),
        _ => Err(format!(
            "code_challenge: expected the 43 characters of a base64url SHA-256, got {} characters",
            text.chars().count()
        )),
    }
}

/// Whether `verifier` is well formed (RFC 7636 §4.1) and its hash is `challenge` (§4.6), compared in constant time.
pub fn verify(challenge: &str, verifier: &str) -> bool {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    let well_formed = (43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved);
    let hashed = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    well_formed && bool::from(hashed.as_bytes().ct_eq(challenge.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_holds() {
        // RFC 7636 appendix B
        let expected = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(challenge(expected).is_ok());
        assert!(verify(expected, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!verify(expected, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"));
        assert!(!verify(expected, expected));
    }

    #[test]
    fn a_short_verifier_is_refused_even_if_its_hash_fits() {
        let hashed = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, b"short"));
        assert!(!verify(&hashed, "short"));
    }
}
