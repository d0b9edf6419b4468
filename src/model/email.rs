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

/// The address as SMTP without extensions takes it: ASCII, the domain as in DNS (RFC 5890 §2.3.2.1), the local part a
/// dot-atom (RFC 5321 §4.1.2) of at most 64 characters. Nothing in it can end a header or a command.
///
/// # Errors
/// What was expected and what was got.
pub fn on_the_wire(text: &str) -> Result<String, String> {
    let expected = |what: &str| format!("expected {what}, got '{}'", super::id::shown(text));
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(expected("an email address such as ada@example.org"));
    }
    let email: Email = text.parse()?;
    let (local, domain) = email.0.rsplit_once('@').ok_or_else(|| expected("an email address"))?;
    let atext = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let dot_atom = local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(atext));
    if !dot_atom || local.len() > 64 {
        return Err(expected("at most 64 unquoted ASCII characters before the '@'"));
    }
    let domain = match url::Host::parse(domain) {
        Ok(url::Host::Domain(ascii)) if is_domain(&ascii) && !domain.contains('%') => ascii,
        _ => return Err(expected("a domain after the '@'")),
    };
    match local.len() + 1 + domain.len() {
        ..=254 => Ok(format!("{local}@{domain}")),
        _ => Err(expected("at most 254 characters")),
    }
}

/// Whether it is the name of a host: labels of letters, digits and hyphens (RFC 1123 §2.1).
pub fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        let bytes = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (1..=63).contains(&label.len()) && bytes && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
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
    fn on_the_wire_an_address_is_ascii_and_cannot_break_out() {
        let wire = |text: &str| on_the_wire(text).unwrap_or_default();
        assert_eq!(wire("Ada+a.b@Example.ORG"), "Ada+a.b@example.org");
        assert_eq!(wire("ada@bücher.example"), "ada@xn--bcher-kva.example");
        assert_eq!(wire("root@localhost"), "root@localhost");
        let long = format!("{}@x.org", "a".repeat(65));
        for bad in [
            "",
            "ada",
            "ada@",
            "@x.org",
            " ada@x.org",
            "ada@x.org ",
            "ada@x.org\n",
            "ada@x.org\r\nBcc: b@x.org",
            "ada\u{85}@x.org",
            "\"a b\"@x.org",
            "\"a\"@x.org",
            "a,b@x.org",
            "a@b@x.org",
            "ada@x.org,b@x.org",
            "<ada@x.org>",
            "Ada <ada@x.org>",
            "ada@[127.0.0.1]",
            "ada@127.0.0.1",
            "ada@1",
            "ada@-x.org",
            "ada@x..org",
            "ada@ex%41mple.org",
            "ädä@x.org",
            ".ada@x.org",
            "ada.@x.org",
            "a..b@x.org",
            &long,
        ] {
            assert!(on_the_wire(bad).is_err(), "{bad:?} became {}", wire(bad));
        }
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
