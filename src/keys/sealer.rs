//! Authenticated encryption under keys derived from the master key, one per purpose.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    error::Unspecified,
    hkdf,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::model::secret::fill_random;

/// The first byte of what is sealed; another format would have another.
const VERSION: u8 = 1;
/// The length of the authentication tag.
const TAG_LEN: usize = 16;

/// Seals and opens values of one purpose. What was sealed for another purpose, in another context or under another
/// master key does not open.
///
/// AES-256-GCM-SIV (RFC 8452) with a random nonce: were two nonces ever the same, only equality of two equal plain
/// texts would show.
#[derive(Clone)]
pub struct Sealer(Arc<SealingKey>);

struct SealingKey {
    raw: Zeroizing<[u8; 32]>,
    aead: LessSafeKey,
}

impl Sealer {
    /// A sealer with this key.
    pub(super) fn new(raw: Zeroizing<[u8; 32]>) -> Sealer {
        let aead = LessSafeKey::new(infallible(UnboundKey::new(&AES_256_GCM_SIV, &*raw)));
        Sealer(Arc::new(SealingKey { raw, aead }))
    }

    /// A sealer whose key needs both this one's and a presented secret, which must have 128 random bits or more:
    /// what it seals opens only for who presents the same secret again.
    pub fn with_secret(&self, secret: &str) -> Sealer {
        Sealer::new(derive(&*self.0.raw, secret.as_bytes(), &[b"keyward/1/presented-secret"]))
    }

    /// Seals `plain`. The `context`, for example a row's primary key, is not kept but must be the same when opening.
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0u8; NONCE_LEN];
        fill_random(&mut nonce);
        // Reserved in full, so that no copy of the plain text stays behind in memory that was given back.
        let mut body = Vec::with_capacity(plain.len() + TAG_LEN);
        body.extend_from_slice(plain);
        infallible(self.0.aead.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(associated(context)),
            &mut body,
        ));
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        sealed
    }

    /// Opens what [`Sealer::seal`] made in the same context; `None` for anything else.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let sealed = sealed.strip_prefix(&[VERSION])?;
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut body = Zeroizing::new(body.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain_len = self.0.aead.open_in_place(nonce, Aad::from(associated(context)), &mut body).ok()?.len();
        body.truncate(plain_len);
        Some(body)
    }

    /// As [`Sealer::seal`], as base64url text.
    pub fn seal_text(&self, context: &[u8], plain: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.seal(context, plain))
    }

    /// Opens what [`Sealer::seal_text`] made in the same context; `None` for anything else.
    pub fn open_text(&self, context: &[u8], sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        self.open(context, &URL_SAFE_NO_PAD.decode(sealed).ok()?)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

/// What is authenticated beside the plain text: the version too, so that no format passes for another.
fn associated(context: &[u8]) -> Vec<u8> {
    let mut associated = Vec::with_capacity(1 + context.len());
    associated.push(VERSION);
    associated.extend_from_slice(context);
    associated
}

/// HKDF-SHA256 (RFC 5869): 32 bytes from a secret, for one use that `info` names without ambiguity.
pub(super) fn derive(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0u8; 32]);
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    infallible(extracted.expand(info, hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut *key)));
    key
}

/// The value of an operation that fails only for lengths that the callers above cannot pass (a key of 32 bytes, plain
/// text below 64 GiB). Were it to fail all the same, nothing that follows could be kept secret: it aborts.
fn infallible<T>(result: Result<T, Unspecified>) -> T {
    result.unwrap_or_else(|Unspecified| std::process::abort())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::MasterKey;

    fn master() -> MasterKey {
        MasterKey::from_secret("a master secret for tests, 0123456789").unwrap()
    }

    #[test]
    fn what_is_sealed_opens_again() {
        let sealer = master().sealer("code");
        for plain in [&b""[..], b"x", &[7u8; 5000]] {
            let sealed = sealer.seal(b"row 1", plain);
            assert_eq!(sealed.len(), plain.len() + 1 + NONCE_LEN + TAG_LEN);
            assert_eq!(**sealer.open(b"row 1", &sealed).unwrap(), *plain);
            assert_eq!(**sealer.open_text(b"row 1", &sealer.seal_text(b"row 1", plain)).unwrap(), *plain);
        }
        assert_ne!(sealer.seal(b"", b"same"), sealer.seal(b"", b"same"));
    }

    #[test]
    fn every_changed_bit_and_every_truncation_is_noticed() {
        let sealer = master().sealer("code");
        let sealed = sealer.seal(b"row 1", b"plain");
        for i in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[i / 8] ^= 1 << (i % 8);
            assert!(sealer.open(b"row 1", &changed).is_none(), "bit {i}");
        }
        for len in 0..sealed.len() {
            assert!(sealer.open(b"row 1", &sealed[..len]).is_none(), "length {len}");
        }
        let mut longer = sealed;
        longer.push(0);
        assert!(sealer.open(b"row 1", &longer).is_none());
    }

    #[test]
    fn another_purpose_context_or_master_key_does_not_open() {
        let sealed = master().sealer("code").seal(b"row 1", b"plain");
        assert!(master().sealer("code").open(b"row 1", &sealed).is_some());
        assert!(master().sealer("session").open(b"row 1", &sealed).is_none());
        assert!(master().sealer("code").open(b"row 2", &sealed).is_none());
        assert!(master().sealer("code").open(b"", &sealed).is_none());
        let other = MasterKey::from_secret("another master secret for tests, 0123456789").unwrap();
        assert!(other.sealer("code").open(b"row 1", &sealed).is_none());
    }

    #[test]
    fn with_a_secret_it_opens_only_for_who_presents_the_secret() {
        let sealer = master().sealer("successor");
        let sealed = sealer.with_secret("kwrt_old").seal(b"row 1", b"kwrt_new");
        assert_eq!(**sealer.with_secret("kwrt_old").open(b"row 1", &sealed).unwrap(), *b"kwrt_new");
        assert!(sealer.with_secret("kwrt_other").open(b"row 1", &sealed).is_none());
        assert!(sealer.open(b"row 1", &sealed).is_none());
        assert!(master().sealer("other").with_secret("kwrt_old").open(b"row 1", &sealed).is_none());
    }

    #[test]
    fn sealed_text_has_one_spelling() {
        let sealer = master().sealer("code");
        let text = sealer.seal_text(b"", b"plain");
        for changed in [format!("{text}="), format!("{text} "), format!(" {text}"), format!("{text}\n")] {
            assert!(sealer.open_text(b"", &changed).is_none(), "{changed:?}");
        }
        assert!(sealer.open_text(b"", "").is_none());
    }

    proptest::proptest! {
        #[test]
        fn opening_never_panics(bytes: Vec<u8>, text: String) {
            let sealer = master().sealer("code");
            proptest::prop_assert!(sealer.open(b"", &bytes).is_none());
            proptest::prop_assert!(sealer.open_text(b"", &text).is_none());
        }
    }
}
