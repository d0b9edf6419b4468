//! argon2id (RFC 9106) in memory that is used again, and the texts in which hashes are stored.

use argon2::{Algorithm, Argon2, Block, Params, PasswordHash, Version, password_hash::phc};
use subtle::ConstantTimeEq;

use super::Verdict;
use crate::model::secret::fill_random;

/// RFC 9106 §3.1 and §4: 16 bytes of salt, a tag of 32.
const SALT: usize = 16;
const TAG: usize = 32;

/// The lanes that a stored hash may ask for.
const MAX_LANES: u32 = 64;
/// The memory (KiB) that a stored hash may ask for where more is not configured.
const MAX_MEMORY: u32 = 262_144;
/// The work (KiB times passes, under a second) that a stored hash may ask for where more is not configured.
const MAX_WORK: u64 = 1_048_576;

/// glibc gives allocations of this many blocks (32 MiB) or more back to the system when they are freed, whatever was
/// allocated before; smaller ones may stay with the process for ever. What is reserved but not touched costs nothing.
const MAPPED: usize = 32 * 1024 + 1;

/// The memory cannot be had now.
#[derive(Debug)]
pub(super) struct OutOfMemory;

/// The blocks of one thread.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Memory {
    fn blocks(&mut self, params: &Params) -> Result<&mut [Block], OutOfMemory> {
        let count = params.block_count();
        if self.0.capacity() < count {
            self.0 = Vec::new();
            self.0.try_reserve_exact(count.max(MAPPED)).map_err(|_| OutOfMemory)?;
        }
        if self.0.len() < count {
            self.0.resize(count, Block::new());
        }
        Ok(&mut self.0[..count])
    }

    /// Gives back what only an unusual hash needed.
    fn shrink(&mut self, usual: &Params) {
        if self.0.len() > usual.block_count() {
            self.0 = Vec::new();
        }
    }
}

/// What a stored text says.
struct Stored {
    argon: Argon2<'static>,
    salt: phc::Salt,
    tag: phc::Output,
    outdated: bool,
}

impl Stored {
    /// `None` for what is no argon2 hash, or one whose cost is out of bounds.
    fn parse(text: &str, configured: &Params) -> Option<Stored> {
        let hash = PasswordHash::new(text).ok()?;
        let algorithm: Algorithm = hash.algorithm.as_str().parse().ok()?;
        // Texts without a version are from before there were versions.
        let version = hash.version.map_or(Ok(Version::V0x10), Version::try_from).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let work = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
        if params.m_cost() > MAX_MEMORY.max(configured.m_cost())
            || work(&params) > MAX_WORK.max(work(configured))
            || params.p_cost() > MAX_LANES
        {
            return None;
        }
        let (salt, tag) = (hash.salt?, hash.hash?);
        let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        let outdated = algorithm != Algorithm::Argon2id
            || version != Version::V0x13
            || cost(&params) != cost(configured)
            || tag.len() != TAG
            || salt.len() < SALT;
        Some(Stored { argon: Argon2::new(algorithm, version, params), salt, tag, outdated })
    }
}

/// Whether the password is the one that was hashed. A text that is none, or no hash of ours, costs the same as one of
/// the configured parameters, and matches nothing.
pub(super) fn verify(
    configured: &Params,
    password: &[u8],
    text: Option<&str>,
    memory: &mut Memory,
) -> Result<Verdict, OutOfMemory> {
    let Some(stored) = text.and_then(|text| Stored::parse(text, configured)) else {
        tag(&argon(configured), password, &[0; SALT], &mut [0; TAG], memory)?;
        return Ok(Verdict { matches: false, outdated: false });
    };
    let mut computed = [0; phc::Output::MAX_LENGTH];
    let computed = &mut computed[..stored.tag.len()];
    let done = tag(&stored.argon, password, &stored.salt, computed, memory)?;
    memory.shrink(configured);
    let matches = done && bool::from(computed.ct_eq(stored.tag.as_bytes()));
    Ok(Verdict { matches, outdated: stored.outdated })
}

/// A new hash as a PHC string.
pub(super) fn hash(configured: &Params, password: &[u8], memory: &mut Memory) -> Result<String, OutOfMemory> {
    let mut salt = [0; SALT];
    fill_random(&mut salt);
    let mut computed = [0; TAG];
    let argon = argon(configured);
    tag(&argon, password, &salt, &mut computed, memory)?;
    let base64 = base64::engine::general_purpose::STANDARD_NO_PAD;
    let (salt, computed) = (base64::Engine::encode(&base64, salt), base64::Engine::encode(&base64, computed));
    let (m, t, p) = (configured.m_cost(), configured.t_cost(), configured.p_cost());
    Ok(format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${computed}"))
}

fn argon(configured: &Params) -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, configured.clone())
}

/// Computes a tag; false if the lengths of what goes in are not argon2's, so that nothing was computed.
fn tag(
    argon: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    out: &mut [u8],
    memory: &mut Memory,
) -> Result<bool, OutOfMemory> {
    let blocks = memory.blocks(argon.params())?;
    Ok(argon.hash_password_into_with_memory(password, salt, out, blocks).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(m: u32, t: u32, p: u32) -> Params {
        Params::new(m, t, p, Some(TAG)).unwrap()
    }

    fn verified(configured: &Params, password: &str, text: &str) -> Verdict {
        verify(configured, password.as_bytes(), Some(text), &mut Memory::default()).unwrap()
    }

    #[test]
    fn a_hash_is_a_phc_string_that_other_implementations_verify() {
        use argon2::PasswordVerifier;
        let text = hash(&params(64, 2, 2), b"Correct-horse-42", &mut Memory::default()).unwrap();
        assert!(text.starts_with("$argon2id$v=19$m=64,t=2,p=2$"), "{text}");
        let parsed = PasswordHash::new(&text).unwrap();
        assert!(Argon2::default().verify_password(b"Correct-horse-42", &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"Correct-horse-43", &parsed).is_err());
    }

    #[test]
    fn hashes_of_other_implementations_are_verified_and_outdated() {
        let configured = params(8, 1, 1);
        // from the test suite of the reference implementation
        for text in [
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
            "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
        ] {
            assert_eq!(verified(&configured, "password", text), Verdict { matches: true, outdated: true }, "{text}");
            assert!(!verified(&configured, "passwort", text).matches);
        }
    }

    #[test]
    fn our_own_hash_is_outdated_once_the_parameters_change() {
        let text = hash(&params(8, 1, 1), b"pw", &mut Memory::default()).unwrap();
        assert_eq!(verified(&params(8, 1, 1), "pw", &text), Verdict { matches: true, outdated: false });
        for other in [params(16, 1, 1), params(8, 2, 1), params(16, 1, 2)] {
            assert_eq!(verified(&other, "pw", &text), Verdict { matches: true, outdated: true });
        }
    }

    #[test]
    fn absurd_and_foreign_texts_match_nothing_and_cost_nothing() {
        let tail = "c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let mut memory = Memory::default();
        for head in [
            "$argon2id$v=19$m=4294967295,t=1,p=1",
            "$argon2id$v=19$m=8,t=4294967295,p=1",
            "$argon2id$v=19$m=262144,t=5,p=1",
            "$argon2id$v=19$m=8,t=1,p=16777215",
            "$argon2id$v=19$m=0,t=0,p=0",
            "$argon2id$v=18$m=8,t=1,p=1",
            "$argon2x$v=19$m=8,t=1,p=1",
            "$2b$12",
            "",
        ] {
            let text = format!("{head}${tail}");
            let verdict = verify(&params(8, 1, 1), b"password", Some(&text), &mut memory).unwrap();
            assert_eq!(verdict, Verdict { matches: false, outdated: false }, "{head}");
            assert!(memory.0.len() <= 8);
        }
        for text in ["$argon2id$v=19$m=8,t=1,p=1", "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ", "\0", "$"] {
            assert!(!verify(&params(8, 1, 1), b"password", Some(text), &mut memory).unwrap().matches);
        }
    }

    #[test]
    fn the_memory_of_an_unusual_hash_is_given_back() {
        let text = hash(&params(1024, 1, 1), b"pw", &mut Memory::default()).unwrap();
        let mut memory = Memory::default();
        assert!(verify(&params(8, 1, 1), b"pw", Some(&text), &mut memory).unwrap().matches);
        assert_eq!(memory.0.capacity(), 0);
    }
}
