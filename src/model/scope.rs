//! Scopes (RFC 6749 §3.3): a set of tokens that keeps the order in which they were asked for.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// More tokens than any honest request names; bounds the work that a request can cause.
const MAX_TOKENS: usize = 100;
/// Longer than any honest scope value.
const MAX_LENGTH: usize = 4096;

/// The scopes that OpenID Connect Core §5.4 and §11 define.
pub const OPENID_SCOPES: [&str; 6] = ["openid", "profile", "email", "phone", "address", "offline_access"];

/// A set of scope tokens without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Scope(Vec<String>);

impl Scope {
    /// No scope.
    pub const fn empty() -> Scope {
        Scope(Vec::new())
    }

    /// A scope as this server wrote it: what is stored or sealed is read back whatever its size.
    pub fn written(text: &str) -> Scope {
        text.split(' ').filter(|token| !token.is_empty()).collect()
    }

    /// Whether it is no larger than a request's may be.
    pub fn is_of_sane_size(&self) -> bool {
        self.0.len() <= MAX_TOKENS
    }

    /// The tokens in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it holds this token.
    pub fn contains(&self, token: &str) -> bool {
        self.0.iter().any(|t| t == token)
    }

    /// Whether every token of `other` is in this.
    pub fn covers(&self, other: &Scope) -> bool {
        other.iter().all(|token| self.contains(token))
    }

    /// The tokens for which `keep` holds, in order.
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Scope {
        Scope(self.0.iter().filter(|token| keep(token)).cloned().collect())
    }

    /// This and what `other` adds.
    pub fn union(&self, other: &Scope) -> Scope {
        self.iter().chain(other.iter()).collect()
    }
}

impl<'a> FromIterator<&'a str> for Scope {
    fn from_iter<I: IntoIterator<Item = &'a str>>(tokens: I) -> Scope {
        let mut set: Vec<String> = Vec::new();
        for token in tokens {
            if !set.iter().any(|t| t == token) {
                set.push(token.to_owned());
            }
        }
        Scope(set)
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Scope, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("expected a scope of at most {MAX_LENGTH} characters, got {}", text.len()));
        }
        // RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
        let allowed = |c: char| matches!(c, '\x21' | '\x23'..='\x5b' | '\x5d'..='\x7e');
        if let Some(c) = text.chars().find(|&c| c != ' ' && !allowed(c)) {
            return Err(format!("a scope may not contain the character {c:?}"));
        }
        let scope: Scope = text.split(' ').filter(|token| !token.is_empty()).collect();
        if scope.0.len() > MAX_TOKENS {
            return Err(format!("expected at most {MAX_TOKENS} scopes, got {}", scope.0.len()));
        }
        Ok(scope)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl From<String> for Scope {
    fn from(text: String) -> Scope {
        Scope::written(&text)
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> String {
        scope.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_duplicates_fall_away() {
        let scope: Scope = " profile openid  profile ".parse().unwrap();
        assert_eq!(scope.to_string(), "profile openid");
    }

    #[test]
    fn too_much_is_refused() {
        assert!("a ".repeat(5000).parse::<Scope>().is_err());
        let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
        assert!(many.join(" ").parse::<Scope>().is_err());
    }

    proptest::proptest! {
        #[test]
        fn what_parses_prints_the_same_set(text in "[ -~]{0,60}") {
            if let Ok(scope) = text.parse::<Scope>() {
                proptest::prop_assert_eq!(scope.to_string().parse::<Scope>().unwrap(), scope);
            }
        }

        #[test]
        fn nothing_panics(text in ".{0,60}") {
            let _ = text.parse::<Scope>();
        }
    }
}
