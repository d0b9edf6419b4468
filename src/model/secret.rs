//! Secrets that a machine chose: 256 random bits with a prefix that tells the kind, stored as SHA-256 only.

use std::fmt;

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// What a machine-made secret is for. The prefix never changes once it has been handed out, and a secret of one
/// kind never works as another: the prefix is part of what is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An authorization code (RFC 6749 §1.3.1).
    AuthorizationCode,
    /// A refresh token (RFC 6749 §1.5).
    RefreshToken,
    /// A client secret (RFC 6749 §2.3.1).
    ClientSecret,
    /// A browser session's cookie.
    Session,
    /// The one-time link that makes the first owner.
    SetupLink,
    /// The cookie that anti-forgery tokens are bound to.
    Browser,
    /// A token that a person made for a script (a bearer token of this server's APIs).
    PersonalAccessToken,
    /// The proof that whoever presents it reads the mail of a new address.
    EmailVerification,
    /// The session id of the application-server face. It is no browser session's cookie, nor the other way round.
    AppserverSession,
}

impl Kind {
    /// The characters that a secret of this kind begins with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Kind::AuthorizationCode => "kwac_",
            Kind::RefreshToken => "kwrt_",
            Kind::ClientSecret => "kwcs_",
            Kind::Session => "kwss_",
            Kind::SetupLink => "kwsu_",
            Kind::Browser => "kwbr_",
            Kind::PersonalAccessToken => "kwpat_",
            Kind::EmailVerification => "kwev_",
            Kind::AppserverSession => "kwas_",
        }
    }
}

/// A machine-made secret in clear. It cannot be printed; [`Secret::reveal`] is the one way out.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A new secret of this kind: its prefix and 32 random bytes as 43 characters of base64url.
    pub fn generate(kind: Kind) -> Secret {
        let mut bytes = Zeroizing::new([0u8; 32]);
        fill_random(&mut *bytes);
        Secret::of_bytes(kind, &bytes)
    }

    /// The secret of this kind with these bytes, which nobody can guess: a message authentication code of something, so
    /// that it need not be kept to be given again.
    pub fn of_bytes(kind: Kind, bytes: &[u8; 32]) -> Secret {
        Secret(Zeroizing::new(format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// What somebody presented as a secret of this kind; `None` unless it has the prefix and the exact length and
    /// alphabet, so that truncated, padded or foreign values never reach the database.
    pub fn presented(kind: Kind, text: &str) -> Option<Secret> {
        let body = text.strip_prefix(kind.prefix())?;
        let bytes = URL_SAFE_NO_PAD.decode(body).ok()?;
        (bytes.len() == 32).then(|| Secret(Zeroizing::new(text.to_owned())))
    }

    /// The secret in clear, for handing it to its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// SHA-256 of a secret, as 43 characters of base64url: the primary key under which the secret's row is found.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecretHash(String);

impl SecretHash {
    /// The hash of a text. Only for secrets with at least 128 random bits, or for values that are not secret.
    pub fn of(text: &str) -> SecretHash {
        SecretHash::of_bytes(text.as_bytes())
    }

    /// The same, of bytes that are no text.
    pub fn of_bytes(bytes: &[u8]) -> SecretHash {
        SecretHash(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, bytes)))
    }

    /// A hash as it was stored.
    pub fn stored(text: String) -> SecretHash {
        SecretHash(text)
    }

    /// The stored text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both are the same, in time that does not depend on where they differ.
    pub fn matches(&self, other: &SecretHash) -> bool {
        use subtle::ConstantTimeEq;
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// Fills `bytes` from the operating system's generator.
///
/// The one failure it has, a system without randomness, leaves nothing that a security server may do: it aborts.
pub fn fill_random(bytes: &mut [u8]) {
    if aws_lc_rs::rand::fill(bytes).is_err() {
        std::process::abort();
    }
}

/// `N` random bytes as base64url, for identifiers that must not be guessed but are not stored as hashes.
pub fn random_text<const N: usize>() -> String {
    let mut bytes = [0u8; N];
    fill_random(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}
