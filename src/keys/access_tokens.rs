//! Access tokens of this server, signed or sealed: those that are shown again and again are read once.

use std::sync::Arc;

use aws_lc_rs::digest;
use quick_cache::{Weighter, sync::Cache};

use crate::{
    keys::{KeyRing, OPAQUE_PREFIX, Sealer, open_claims},
    metrics::{CacheCounts, Caches},
    model::{
        access_token::{ACCESS_TOKEN_TYPE, AccessToken},
        time::Timestamp,
    },
};

/// Bytes that are kept, about: some 25,000 tokens, unless they say a lot.
const MOST: u64 = 24 << 20;
/// Bytes that a token takes besides what is told of it.
const BESIDES: u64 = 500;
const USUAL: u64 = 450 + BESIDES;

/// What was read of access tokens, by their SHA-256: a signature or a seal that was right stays right.
pub struct AccessTokens(Arc<Cache<[u8; 32], Known, Bytes>>, CacheCounts);

#[derive(Clone)]
struct Known {
    /// The [`KeyRing::number`] of the ring that verified it; 0 where it was sealed.
    ring: u64,
    token: Arc<AccessToken>,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<[u8; 32], Known> for Bytes {
    fn weight(&self, _: &[u8; 32], known: &Known) -> u64 {
        known.token.told.len() as u64 + BESIDES
    }
}

impl Default for AccessTokens {
    fn default() -> AccessTokens {
        AccessTokens(Arc::new(Cache::with_weighter((MOST / USUAL) as usize, MOST, Bytes)), CacheCounts::default())
    }
}

impl std::fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessTokens").finish_non_exhaustive()
    }
}

impl AccessTokens {
    /// Shows the cache among the others.
    pub fn register(&self, caches: &Caches) {
        let entries = self.0.clone();
        caches.add("tokens", &self.1, move || entries.len() as u64);
    }

    /// Reads an access token that `issuer`, which is this server, signed with a key of `ring` or sealed with `sealer`;
    /// `None` if it is anything else or has expired. Says nothing else about whether it still holds.
    pub fn read(
        &self,
        ring: &KeyRing,
        sealer: &Sealer,
        issuer: &str,
        token: &str,
        now: Timestamp,
    ) -> Option<Arc<AccessToken>> {
        let opaque = token.starts_with(OPAQUE_PREFIX);
        let number = if opaque { 0 } else { ring.number() };
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        let live = |known: &Arc<AccessToken>| now < known.expires_at;
        if let Some(known) = self.0.get(&hash).filter(|known| known.ring == number) {
            self.1.hit();
            return Some(known.token).filter(live);
        }
        self.1.miss();
        let claims = match opaque {
            true => open_claims(sealer, token)?,
            false => ring.verify(token, &[ACCESS_TOKEN_TYPE]).ok()?.claims,
        };
        let read = Some(Arc::new(AccessToken::of_claims(claims, issuer)?)).filter(live)?;
        self.0.insert(hash, Known { ring: number, token: read.clone() });
        Some(read)
    }

    /// Forgets those that have expired: nobody asks for them again, so that they would lie there until as many others have
    /// come as are kept.
    pub fn forget_expired(&self, now: Timestamp) {
        self.0.retain(|_, known| now < known.token.expires_at);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        keys::{MasterKey, seal_claims},
        model::key::SigningAlgorithm,
    };

    const NOW: Timestamp = Timestamp::from_seconds(1000);
    const ISSUER: &str = "https://id.example";

    fn ring(master: &MasterKey) -> KeyRing {
        KeyRing::open(vec![KeyRing::generate(SigningAlgorithm::EdDSA, master, NOW, NOW).unwrap()], master).unwrap()
    }

    fn claims(issuer: &str) -> Value {
        json!({"iss": issuer, "sub": "s", "client_id": "c", "jti": "j", "exp": 1100})
    }

    #[test]
    fn what_was_read_once_is_read_again_only_as_long_as_it_would_be() {
        let master = MasterKey::from_secret("a master secret for tests, 0123456789").unwrap();
        let (sealer, tokens) = (master.sealer("access token"), AccessTokens::default());
        let (ours, after) = (ring(&master), ring(&master));
        let signed = ours.sign(SigningAlgorithm::EdDSA, ACCESS_TOKEN_TYPE, &claims(ISSUER), NOW).unwrap();
        let sealed = seal_claims(&sealer, &claims(ISSUER)).unwrap();
        let read =
            |ring: &KeyRing, token: &str, at| tokens.read(ring, &sealer, ISSUER, token, Timestamp::from_seconds(at));
        for _ in 0..2 {
            for token in [&signed, &sealed] {
                assert_eq!(read(&ours, token, 1099).map(|read| read.subject.clone()).as_deref(), Some("s"));
                assert_eq!(read(&ours, token, 1100), None, "expired");
                assert_eq!(read(&ours, &format!("{token}A"), 1099), None);
            }
            // a ring without the key that signed it, as after the key was removed
            assert_eq!(read(&after, &signed, 1099), None);
        }
        assert_eq!(tokens.0.len(), 2);
        tokens.forget_expired(Timestamp::from_seconds(1099));
        assert_eq!(tokens.0.len(), 2);
        tokens.forget_expired(Timestamp::from_seconds(1100));
        assert_eq!(tokens.0.len(), 0);
    }

    #[test]
    fn another_s_token_and_one_of_another_type_are_none() {
        let master = MasterKey::from_secret("a master secret for tests, 0123456789").unwrap();
        let (sealer, tokens, ours) = (master.sealer("access token"), AccessTokens::default(), ring(&master));
        let sign = |typ: &str, issuer| ours.sign(SigningAlgorithm::EdDSA, typ, &claims(issuer), NOW).unwrap();
        for token in [
            sign("JWT", ISSUER),
            sign(ACCESS_TOKEN_TYPE, "https://id.example/"),
            seal_claims(&sealer, &claims("https://other.example")).unwrap(),
            seal_claims(&master.sealer("mail"), &claims(ISSUER)).unwrap(),
        ] {
            for _ in 0..2 {
                assert_eq!(tokens.read(&ours, &sealer, ISSUER, &token, NOW), None);
            }
        }
    }
}
