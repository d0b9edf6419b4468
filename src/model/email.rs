//! Email addresses: kept as typed, compared without regard to case.

use std::{fmt, str::FromStr};

/// An address that mail could be sent to (RFC 5321, no display name, no quoted or literal parts), at most 254
/// characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What equality means: lower case.
    pub fn key(&self) -> String {
        key(&self.0)
    }
}

/// The form in which a text that somebody typed as an email is compared.
pub fn key(text: &str) -> String {
    text.trim().to_lowercase()
}

impl FromStr for Email {
    type Err = String;

    fn from_str(text: &str) -> Result<Email, String> {
        let text = text.trim();
        let options = email_address::Options::default().without_display_text().without_domain_literal();
        email_address::EmailAddress::parse_with_options(text, options).map(|_| Email(text.to_owned())).map_err(|e| {
            format!("expected an email address such as ada@example.org, got '{}' ({e})", super::id::shown(text))
        })
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_tell_addresses_apart() {
        let typed: Email = " Ada@Example.ORG ".parse().unwrap();
        assert_eq!(typed.as_str(), "Ada@Example.ORG");
        assert_eq!(typed.key(), "ada@example.org");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            "ada",
            "ada@",
            "@x.org",
            "Ada <ada@x.org>",
            "ada@[127.0.0.1]",
            "a b@x.org",
            "ada@x.org\r\nBcc: b@x.org",
        ] {
            assert!(bad.parse::<Email>().is_err(), "{bad}");
        }
    }
}
