//! Private keys: how they are made, and josekit's signer over aws-lc-rs, which signs two to four times as fast as the
//! OpenSSL that josekit has for itself.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use josekit::{
    JoseError,
    jwk::{Jwk, KeyPair, alg::ed::EdCurve},
    jws::{self, JwsAlgorithm, JwsSigner},
};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::{
    keys::{error::KeyError, jwk::thumbprint},
    model::key::SigningAlgorithm,
};

/// The size of the RSA keys that are made.
const RSA_BITS: u32 = 2048;

/// A new private key in DER. An RSA key takes a fifth of a second.
pub(super) fn generate(algorithm: SigningAlgorithm) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let der = match algorithm {
        SigningAlgorithm::RS256 => jws::RS256.generate_key_pair(RSA_BITS).map(|pair| pair.to_der_private_key()),
        SigningAlgorithm::ES256 => jws::ES256.generate_key_pair().map(|pair| pair.to_der_private_key()),
        SigningAlgorithm::EdDSA => jws::EdDSA.generate_key_pair(EdCurve::Ed25519).map(|pair| pair.to_der_private_key()),
    };
    der.map(Zeroizing::new).map_err(|error| crypto("make a signing key", error))
}

/// The public JWK of a private key in DER: its type's public members, `kid` (RFC 7638 thumbprint), `use` and `alg`.
pub(super) fn public_jwk(algorithm: SigningAlgorithm, der: &[u8]) -> Result<Map<String, Value>, KeyError> {
    let jwk = match algorithm {
        SigningAlgorithm::RS256 => jws::RS256.key_pair_from_der(der).map(|pair| pair.to_jwk_public_key()),
        SigningAlgorithm::ES256 => jws::ES256.key_pair_from_der(der).map(|pair| pair.to_jwk_public_key()),
        SigningAlgorithm::EdDSA => jws::EdDSA.key_pair_from_der(der).map(|pair| pair.to_jwk_public_key()),
    };
    let mut jwk: Map<String, Value> = jwk.map(Jwk::into).map_err(|error| crypto("read a signing key", error))?;
    let kid = thumbprint(&jwk).ok_or_else(|| crypto("read a signing key", "it has no thumbprint"))?;
    jwk.insert("kid".into(), kid.into());
    jwk.insert("use".into(), "sig".into());
    jwk.insert("alg".into(), algorithm.as_str().into());
    Ok(jwk)
}

/// A private key, ready to sign with.
#[derive(Clone)]
pub(super) struct Signer(Arc<SignerKey>);

struct SignerKey {
    algorithm: SigningAlgorithm,
    kid: String,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    /// The signer with the private key in `der`, naming itself `kid`.
    pub(super) fn from_der(algorithm: SigningAlgorithm, kid: &str, der: &[u8]) -> Result<Signer, KeyError> {
        let pair = match algorithm {
            SigningAlgorithm::RS256 => RsaKeyPair::from_pkcs8(der).map(Pair::Rsa),
            SigningAlgorithm::ES256 => {
                EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Pair::Ec)
            }
            SigningAlgorithm::EdDSA => Ed25519KeyPair::from_pkcs8(der).map(Pair::Ed),
        };
        let pair = pair.map_err(|error| crypto("read a signing key", error))?;
        Ok(Signer(Arc::new(SignerKey { algorithm, kid: kid.to_owned(), pair })))
    }
}

impl JwsSigner for Signer {
    fn algorithm(&self) -> &dyn JwsAlgorithm {
        match self.0.algorithm {
            SigningAlgorithm::RS256 => &jws::RS256,
            SigningAlgorithm::ES256 => &jws::ES256,
            SigningAlgorithm::EdDSA => &jws::EdDSA,
        }
    }

    fn key_id(&self) -> Option<&str> {
        Some(&self.0.kid)
    }

    fn signature_len(&self) -> usize {
        match &self.0.pair {
            Pair::Rsa(pair) => pair.public_modulus_len(),
            Pair::Ec(_) | Pair::Ed(_) => 64,
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, JoseError> {
        let signed = match &self.0.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).map(|()| signature)
            }
            Pair::Ec(pair) => pair.sign(&SystemRandom::new(), message).map(|signature| signature.as_ref().to_vec()),
            Pair::Ed(pair) => pair.try_sign(message).map(|signature| signature.as_ref().to_vec()),
        };
        signed.map_err(|error| JoseError::InvalidSignature(error.into()))
    }

    fn box_clone(&self) -> Box<dyn JwsSigner> {
        Box::new(self.clone())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} {})", self.0.algorithm.as_str(), self.0.kid)
    }
}

/// What the libraries below refused.
pub(super) fn crypto(doing: &'static str, reason: impl fmt::Display) -> KeyError {
    KeyError::Crypto { doing, reason: reason.to_string() }
}
