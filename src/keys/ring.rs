//! The ring of signing keys: which one signs, which are published, which verify.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::jws::{JwsHeader, serialize_compact};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    keys::{
        MasterKey, Sealer,
        compact::{Compact, MAX_TOKEN_LEN, Verified, claims_set},
        error::{KeyError, VerifyError, excerpt, excerpt_or_none},
        signer::{Signer, crypto, generate, public_jwk},
        verifier::{Algorithm, Verifier},
    },
    model::{
        key::{SigningAlgorithm, SigningKeyRecord},
        time::Timestamp,
    },
};

/// How long a key stays published after a younger one took over: longer than anything that it signed is valid.
pub const PUBLISH_RETIRED: Duration = Duration::from_secs(24 * 60 * 60);

/// What private keys are sealed for.
const PURPOSE: &str = "signing-key";

/// All signing keys, opened. It does not change: after a rotation another ring takes its place.
pub struct KeyRing {
    /// By algorithm; within one, the oldest first.
    keys: Vec<RingKey>,
    published: ArcSwapOption<Published>,
    number: u64,
}

struct RingKey {
    kid: String,
    algorithm: SigningAlgorithm,
    public_jwk: Map<String, Value>,
    signer: Signer,
    verifier: Verifier,
    created_at: Timestamp,
    activates_at: Timestamp,
    /// When the next younger key of the algorithm takes over.
    superseded_at: Option<Timestamp>,
    /// Whether no key of the algorithm is older.
    oldest: bool,
}

/// The key set as it is in a span of time.
struct Published {
    from: Timestamp,
    until: Timestamp,
    jwks: Arc<Jwks>,
}

/// A JWK Set document (RFC 7517 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwks {
    /// The JSON text.
    pub body: String,
    /// A strong entity tag of the body, with its quotes (RFC 9110 §8.8.3).
    pub etag: String,
}

/// What a signing key is for at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPhase {
    /// Published, so that it is known everywhere by the time at which it begins to sign.
    Next,
    /// Signs.
    Current,
    /// A younger key signs in its place; it verifies what it signed.
    Retired,
}

impl KeyPhase {
    /// One lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            KeyPhase::Next => "next",
            KeyPhase::Current => "current",
            KeyPhase::Retired => "retired",
        }
    }
}

/// A signing key as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// The key.
    pub kid: String,
    /// What it signs with.
    pub algorithm: SigningAlgorithm,
    /// What it is for now.
    pub phase: KeyPhase,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it begins, or began, to sign.
    pub activates_at: Timestamp,
    /// When a younger key takes, or took, its place; `None` while there is no younger one.
    pub superseded_at: Option<Timestamp>,
    /// Whether it is in the published key set.
    pub published: bool,
}

impl RingKey {
    fn open(record: SigningKeyRecord, sealer: &Sealer) -> Result<RingKey, KeyError> {
        let SigningKeyRecord { kid, algorithm, sealed_private, created_at, activates_at, .. } = record;
        let Some(der) = sealer.open(kid.as_bytes(), &sealed_private) else {
            return Err(KeyError::MasterKey { kid });
        };
        let damaged = |reason| KeyError::Damaged { kid: kid.clone(), reason };
        // What is published follows from the private key, never from what else the row says: whoever could write to
        // the database could otherwise publish a key of their own.
        let public_jwk = public_jwk(algorithm, &der).map_err(|_| damaged("it is not a key of its algorithm"))?;
        if public_jwk.get("kid").and_then(Value::as_str) != Some(kid.as_str()) {
            return Err(damaged("its kid is not its thumbprint"));
        }
        let signer = Signer::from_der(algorithm, &kid, &der)?;
        let verifier = Verifier::from_jwk(&public_jwk, algorithm.into()).map_err(damaged)?;
        Ok(RingKey {
            kid,
            algorithm,
            public_jwk,
            signer,
            verifier,
            created_at,
            activates_at,
            superseded_at: None,
            oldest: true,
        })
    }

    fn phase(&self, now: Timestamp) -> KeyPhase {
        if self.superseded_at.is_some_and(|superseded_at| superseded_at <= now) {
            KeyPhase::Retired
        } else if self.activates_at <= now || self.oldest {
            // The oldest signs even before its time: there is nobody else.
            KeyPhase::Current
        } else {
            KeyPhase::Next
        }
    }

    /// When it leaves the key set, if that is known.
    fn published_until(&self) -> Option<Timestamp> {
        self.superseded_at.map(|superseded_at| superseded_at + PUBLISH_RETIRED)
    }

    fn is_published(&self, now: Timestamp) -> bool {
        self.published_until().is_none_or(|until| now < until)
    }
}

impl KeyRing {
    /// A new key, to be stored: published from `now`, signing from `activates_at`. An RSA key takes a fifth of a
    /// second, so this is for a thread that may block.
    pub fn generate(
        algorithm: SigningAlgorithm,
        master: &MasterKey,
        now: Timestamp,
        activates_at: Timestamp,
    ) -> Result<SigningKeyRecord, KeyError> {
        let der = generate(algorithm)?;
        let jwk = public_jwk(algorithm, &der)?;
        let kid = jwk.get("kid").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(SigningKeyRecord {
            algorithm,
            public_jwk: Value::Object(jwk).to_string(),
            sealed_private: master.sealer(PURPOSE).seal(kid.as_bytes(), &der),
            kid,
            created_at: now,
            activates_at,
        })
    }

    /// The ring of all stored keys; fails where one does not open under this master key.
    pub fn open(records: Vec<SigningKeyRecord>, master: &MasterKey) -> Result<KeyRing, KeyError> {
        let sealer = master.sealer(PURPOSE);
        let opened = records.into_iter().map(|record| RingKey::open(record, &sealer));
        let mut keys = opened.collect::<Result<Vec<RingKey>, KeyError>>()?;
        keys.sort_by(|a, b| {
            let order = |key: &RingKey| (key.algorithm, key.activates_at, key.created_at);
            order(a).cmp(&order(b)).then_with(|| a.kid.cmp(&b.kid))
        });
        let mut previous: Option<&mut RingKey> = None;
        for key in &mut keys {
            if let Some(previous) = previous.filter(|previous| previous.algorithm == key.algorithm) {
                previous.superseded_at = Some(key.activates_at);
                key.oldest = false;
            }
            previous = Some(key);
        }
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        Ok(KeyRing { keys, published: ArcSwapOption::empty(), number: NUMBERS.fetch_add(1, Ordering::Relaxed) })
    }

    /// A number above 0 that no other ring of this process has.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The algorithms that there is a key for, in the order in which discovery names them.
    pub fn algorithms(&self) -> Vec<SigningAlgorithm> {
        let can_sign = |algorithm: &SigningAlgorithm| self.keys.iter().any(|key| key.algorithm == *algorithm);
        SigningAlgorithm::ALL.into_iter().filter(can_sign).collect()
    }

    /// Signs a JWT of type `typ` with the algorithm's current key: the youngest that is active, or the oldest where
    /// none is. `claims` is written as a JSON object; its dates must be whole numbers, which is up to the caller.
    pub fn sign(
        &self,
        algorithm: SigningAlgorithm,
        typ: &str,
        claims: &impl Serialize,
        now: Timestamp,
    ) -> Result<String, KeyError> {
        let current = |key: &&RingKey| key.algorithm == algorithm && key.phase(now) == KeyPhase::Current;
        let key = self.keys.iter().find(current).ok_or(KeyError::NoKey(algorithm))?;
        let payload = claims_set(claims)?;
        let mut header = JwsHeader::new();
        header.set_token_type(typ);
        // Adds alg and kid from the signer.
        let token = serialize_compact(&payload, &header, &key.signer).map_err(|error| crypto("sign a token", error))?;
        match token.len() {
            got if got > MAX_TOKEN_LEN => Err(KeyError::TooLong { got, max: MAX_TOKEN_LEN }),
            _ => Ok(token),
        }
    }

    /// Verifies a token that this ring should have signed: one of the types in `expected_typ`, under a key that is
    /// still here, retired or not. Says nothing about the claims.
    pub fn verify(&self, token: &str, expected_typ: &[&str]) -> Result<Verified, VerifyError> {
        let token = Compact::parse(token)?;
        let Some(key) = self.keys.iter().find(|key| Some(key.kid.as_str()) == token.kid()) else {
            return Err(VerifyError::UnknownKey { got: excerpt_or_none(token.kid()) });
        };
        // RFC 8725 §3.1: the key says what algorithm it is for, not the token.
        if token.alg() != key.algorithm.as_str() {
            let expected = key.algorithm.as_str().to_owned();
            return Err(VerifyError::Algorithm { expected, got: excerpt(token.alg()) });
        }
        // RFC 8725 §3.11
        token.expect_type(expected_typ)?;
        if !token.is_signed_by(&key.verifier) {
            return Err(VerifyError::Signature);
        }
        token.into_verified(Algorithm::from(key.algorithm))
    }

    /// The key set to publish at `now`: every key that signs, will sign, or was superseded less than
    /// [`PUBLISH_RETIRED`] ago; public members only, always in the same order. Kept until the set changes.
    pub fn jwks(&self, now: Timestamp) -> Arc<Jwks> {
        if let Some(published) = self.published.load().as_ref()
            && published.from <= now
            && now < published.until
        {
            return Arc::clone(&published.jwks);
        }
        let keys: Vec<&Map<String, Value>> =
            self.keys.iter().filter(|key| key.is_published(now)).map(|key| &key.public_jwk).collect();
        let body = json!({ "keys": keys }).to_string();
        let hash = digest::digest(&digest::SHA256, body.as_bytes());
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(hash));
        let jwks = Arc::new(Jwks { body, etag });
        let changes = self.keys.iter().filter_map(RingKey::published_until).filter(|until| *until > now);
        let until = changes.min().unwrap_or(Timestamp::from_millis(i64::MAX));
        self.published.store(Some(Arc::new(Published { from: now, until, jwks: Arc::clone(&jwks) })));
        jwks
    }

    /// What each key is for at `now`.
    pub fn state(&self, now: Timestamp) -> Vec<KeyState> {
        let state = |key: &RingKey| KeyState {
            kid: key.kid.clone(),
            algorithm: key.algorithm,
            phase: key.phase(now),
            created_at: key.created_at,
            activates_at: key.activates_at,
            superseded_at: key.superseded_at,
            published: key.is_published(now),
        };
        self.keys.iter().map(state).collect()
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.signer)).finish()
    }
}
