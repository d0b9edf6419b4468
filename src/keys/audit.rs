//! The keys that sign what the server says of its audit log: Ed25519, sealed as signing keys are, published nowhere.
//!
//! The public keys follow from the private ones, which open only under the master key: whoever can write to the database
//! cannot bring a key along. Old keys stay, so that what they signed can be verified for as long as it is kept.

use josekit::jws::{JwsHeader, serialize_compact};
use serde_json::{Map, Value};

use crate::{
    keys::{
        MasterKey,
        compact::Compact,
        error::{KeyError, VerifyError, excerpt, excerpt_or_none},
        signer::{Signer, crypto, generate, public_jwk},
        verifier::{Algorithm, Verifier},
    },
    model::{
        key::{AuditKeyRecord, SigningAlgorithm},
        time::Timestamp,
    },
};

/// What private keys are sealed for.
const PURPOSE: &str = "audit-key";
const ALGORITHM: SigningAlgorithm = SigningAlgorithm::EdDSA;

/// All of them, opened; the youngest signs.
pub struct AuditKeys(Vec<Key>);

struct Key {
    kid: String,
    public_jwk: Map<String, Value>,
    signer: Signer,
    verifier: Verifier,
    created_at: Timestamp,
}

impl AuditKeys {
    /// A new key, to be stored.
    ///
    /// # Errors
    /// The library below refused.
    pub fn generate(master: &MasterKey, now: Timestamp) -> Result<AuditKeyRecord, KeyError> {
        let der = generate(ALGORITHM)?;
        let kid = kid(&public_jwk(ALGORITHM, &der)?);
        let sealed_private = master.sealer(PURPOSE).seal(kid.as_bytes(), &der);
        Ok(AuditKeyRecord { kid, sealed_private, created_at: now })
    }

    /// All stored keys, opened.
    ///
    /// # Errors
    /// One does not open under this master key, or is not what its row says.
    pub fn open(records: Vec<AuditKeyRecord>, master: &MasterKey) -> Result<AuditKeys, KeyError> {
        let sealer = master.sealer(PURPOSE);
        let open = |record: AuditKeyRecord| {
            let AuditKeyRecord { kid: named, sealed_private, created_at } = record;
            let Some(der) = sealer.open(named.as_bytes(), &sealed_private) else {
                return Err(KeyError::MasterKey { kid: named });
            };
            let public_jwk = public_jwk(ALGORITHM, &der)?;
            let signer = Signer::from_der(ALGORITHM, &named, &der)?;
            let verifier = Verifier::from_jwk(&public_jwk, Algorithm::EdDSA);
            let verifier = verifier.map_err(|reason| KeyError::Damaged { kid: named.clone(), reason })?;
            Ok(Key { kid: named, public_jwk, signer, verifier, created_at })
        };
        let mut keys = records.into_iter().map(open).collect::<Result<Vec<Key>, KeyError>>()?;
        keys.sort_by(|a, b| (a.created_at, &a.kid).cmp(&(b.created_at, &b.kid)));
        Ok(AuditKeys(keys))
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Signs a JSON object as a JWS of this type with the youngest key.
    ///
    /// # Errors
    /// There is no key, or the library below refused.
    pub fn sign(&self, typ: &str, claims: &Value) -> Result<String, KeyError> {
        let key = self.0.last().ok_or(KeyError::NoKey(ALGORITHM))?;
        let payload = serde_json::to_vec(claims).map_err(|error| crypto("serialize claims", error))?;
        let mut header = JwsHeader::new();
        header.set_token_type(typ);
        serialize_compact(&payload, &header, &key.signer).map_err(|error| crypto("sign a checkpoint", error))
    }

    /// The claims of what one of these keys signed as this type.
    ///
    /// # Errors
    /// None of them did.
    pub fn verify(&self, token: &str, typ: &str) -> Result<Map<String, Value>, VerifyError> {
        let token = Compact::parse(token)?;
        let Some(key) = self.0.iter().find(|key| Some(key.kid.as_str()) == token.kid()) else {
            return Err(VerifyError::UnknownKey { got: excerpt_or_none(token.kid()) });
        };
        if token.alg() != ALGORITHM.as_str() {
            return Err(VerifyError::Algorithm { expected: ALGORITHM.as_str().to_owned(), got: excerpt(token.alg()) });
        }
        token.expect_type(&[typ])?;
        match token.is_signed_by(&key.verifier) {
            true => Ok(token.into_verified(Algorithm::EdDSA)?.claims),
            false => Err(VerifyError::Signature),
        }
    }

    /// The public keys (JWK), the oldest first.
    pub fn public(&self) -> Vec<&Map<String, Value>> {
        self.0.iter().map(|key| &key.public_jwk).collect()
    }
}

fn kid(jwk: &Map<String, Value>) -> String {
    jwk.get("kid").and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_old_key_signed_is_still_verified_and_nothing_else() {
        let master = MasterKey::from_secret("a master secret for tests, 0123456789").unwrap();
        let at = Timestamp::from_seconds(1_800_000_000);
        let first = AuditKeys::generate(&master, at).unwrap();
        let second = AuditKeys::generate(&master, at + std::time::Duration::from_secs(1)).unwrap();
        let old = AuditKeys::open(vec![first.clone()], &master).unwrap();
        let both = AuditKeys::open(vec![second.clone(), first.clone()], &master).unwrap();
        let (claims, typ) = (json!({"position": 1}), "audit-checkpoint+jwt");
        let (by_old, by_new) = (old.sign(typ, &claims).unwrap(), both.sign(typ, &claims).unwrap());
        assert_eq!(Value::Object(both.verify(&by_old, typ).unwrap()), claims);
        assert!(both.verify(&by_new, typ).is_ok() && old.verify(&by_new, typ).is_err());
        assert!(both.verify(&by_old, "audit-cut+jwt").is_err(), "for another purpose");

        // a key that was not sealed here, or under another name
        let other = MasterKey::from_secret("another master secret for tests, 0123456789").unwrap();
        assert!(AuditKeys::open(vec![AuditKeys::generate(&other, at).unwrap()], &master).is_err());
        let renamed = AuditKeyRecord { kid: second.kid, ..first };
        assert!(AuditKeys::open(vec![renamed], &master).is_err());
        assert!(AuditKeys::open(Vec::new(), &master).unwrap().sign(typ, &claims).is_err());
    }
}
