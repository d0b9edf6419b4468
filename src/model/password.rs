//! What people may choose as a password, and temporary ones that Keyward makes.

use secrecy::{ExposeSecret, SecretString};

use super::secret::fill_random;

/// Longer than any passphrase; checked before anything is hashed.
pub const MAX_LENGTH: usize = 1024;

/// The rules that a chosen password must meet.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Fewest characters.
    pub min_length: usize,
    /// Least strength on zxcvbn's scale from 0 (guessed at once) to 4.
    pub min_strength: u8,
}

impl Policy {
    /// Checks a chosen password; `about` are words that an attacker would try first, such as the person's name.
    ///
    /// # Errors
    /// Each rule that is broken, in plain words.
    pub fn check(&self, password: &SecretString, about: &[&str]) -> Result<(), Vec<String>> {
        let text = password.expose_secret();
        let mut faults = Vec::new();
        if text.chars().count() < self.min_length {
            faults.push(format!("Use at least {} characters.", self.min_length));
        }
        if text.len() > MAX_LENGTH {
            return Err(vec![format!("Use at most {MAX_LENGTH} characters.")]);
        }
        if !text.chars().any(char::is_uppercase) {
            faults.push("Use at least one capital letter.".to_owned());
        }
        if !text.chars().any(char::is_lowercase) {
            faults.push("Use at least one small letter.".to_owned());
        }
        if !text.chars().any(|c| c.is_ascii_digit()) {
            faults.push("Use at least one digit.".to_owned());
        }
        // zxcvbn's work grows with the length; beyond this, length alone is strength
        let head: String = text.chars().take(100).collect();
        if faults.is_empty() && u8::from(zxcvbn::zxcvbn(&head, about).score()) < self.min_strength {
            faults.push("This password would be guessed quickly. A few unrelated words make a better one.".to_owned());
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// A random password that a person can type: 20 characters in groups of five, about 96 bits.
pub fn generate() -> SecretString {
    // without characters that are read as another (0 O, 1 l I)
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = zeroize::Zeroizing::new([0u8; 20]);
    fill_random(&mut *bytes);
    let mut text = String::with_capacity(23);
    for (n, byte) in bytes.iter().enumerate() {
        if n > 0 && n % 5 == 0 {
            text.push('-');
        }
        text.push(char::from(LETTERS[usize::from(byte % 32)]));
    }
    SecretString::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy { min_length: 8, min_strength: 2 };

    #[test]
    fn the_rules_are_told_all_at_once() {
        assert_eq!(POLICY.check(&"ab".into(), &[]).unwrap_err().len(), 3);
        assert!(POLICY.check(&"Correct-horse-42".into(), &[]).is_ok());
    }

    #[test]
    fn a_guessable_password_is_refused() {
        assert!(POLICY.check(&"Password1".into(), &[]).is_err());
    }

    #[test]
    fn a_megabyte_is_refused_without_work() {
        assert!(POLICY.check(&"Aa1".repeat(400_000).into(), &[]).is_err());
    }
}
