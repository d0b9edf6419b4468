//! Opaque access tokens: the claims that a JWT would have, sealed so that only this server reads them.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::keys::{KeyError, MAX_TOKEN_LEN, Sealer, compact::claims_set};

/// What every opaque access token begins with.
pub const OPAQUE_PREFIX: &str = "kwat_";
/// What the claims are sealed with, beside the sealer's own purpose.
const CONTEXT: &[u8] = b"opaque-access-token";

/// Seals a claims set as an opaque token. `claims` is written as a JSON object.
pub fn seal_claims(sealer: &Sealer, claims: &impl Serialize) -> Result<String, KeyError> {
    let token = format!("{OPAQUE_PREFIX}{}", sealer.seal_text(CONTEXT, &claims_set(claims)?));
    match token.len() {
        got if got > MAX_TOKEN_LEN => Err(KeyError::TooLong { got, max: MAX_TOKEN_LEN }),
        _ => Ok(token),
    }
}

/// The claims in an opaque token that [`seal_claims`] made with the same sealer; `None` for anything else. Says
/// nothing about the claims.
pub fn open_claims(sealer: &Sealer, token: &str) -> Option<Map<String, Value>> {
    let sealed = token.strip_prefix(OPAQUE_PREFIX).filter(|_| token.len() <= MAX_TOKEN_LEN)?;
    serde_json::from_slice(&sealer.open_text(CONTEXT, sealed)?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::keys::MasterKey;

    #[test]
    fn claims_come_back_only_from_the_exact_token() {
        let master = MasterKey::from_secret("a master secret for tests, 0123456789").unwrap();
        let sealer = master.sealer("access-token");
        let claims = json!({"sub": "a-long-enough-subject", "exp": 1795285241});
        let token = seal_claims(&sealer, &claims).unwrap();
        assert!(token.starts_with("kwat_"));
        assert!(!token.contains("subject"));
        assert_eq!(Value::Object(open_claims(&sealer, &token).unwrap()), claims);

        assert!(open_claims(&master.sealer("other"), &token).is_none());
        for wrong in [
            &token[5..],
            &token[..token.len() - 1],
            &format!("{token}="),
            &format!("{token}A"),
            &format!("kwat_{token}"),
            &token.replacen("kwat_", "kwrt_", 1),
            &token.to_uppercase(),
            "kwat_",
            "",
            &format!("kwat_{}", "A".repeat(1 << 20)),
        ] {
            assert!(open_claims(&sealer, wrong).is_none());
        }
        assert!(seal_claims(&sealer, &json!([1])).is_err());
        assert!(seal_claims(&sealer, &json!({"x": "x".repeat(MAX_TOKEN_LEN)})).is_err());
    }

    #[test]
    fn another_thing_sealed_for_the_same_purpose_is_no_token() {
        let sealer = MasterKey::from_secret("a master secret for tests, 0123456789").unwrap().sealer("access-token");
        let sealed = sealer.seal_text(b"", br#"{"sub":"u1"}"#);
        assert!(open_claims(&sealer, &format!("{OPAQUE_PREFIX}{sealed}")).is_none());
    }
}
