//! Password hashing on threads of its own.

use crate::config::Passwords;

/// Hashes and verifies passwords.
#[derive(Clone, Debug)]
pub struct Hasher {}

impl Hasher {
    /// A hasher with these parameters.
    pub fn new(_config: &Passwords) -> Hasher {
        Hasher {}
    }
}
