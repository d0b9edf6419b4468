//! Identifiers that callers choose, and those that Keyward makes.

use uuid::Uuid;

/// A new identifier: a version 7 UUID, so that rows made together lie together.
pub fn generate(now: super::time::Timestamp) -> String {
    let seconds = u64::try_from(now.seconds()).unwrap_or(0);
    let nanos = u32::try_from(now.millis().rem_euclid(1000) * 1_000_000).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos)).to_string()
}

/// When [`generate`] made this identifier, to the millisecond; none if it did not.
pub fn made_at(id: &str) -> Option<super::time::Timestamp> {
    let made = Uuid::parse_str(id).ok()?.get_timestamp()?;
    let (seconds, nanos) = made.to_unix();
    Some(super::time::Timestamp::from_millis(i64::try_from(seconds).ok()? * 1000 + i64::from(nanos / 1_000_000)))
}

/// A principal's id: a UUID with its dashes, in lower case: a text without them could be a client's id.
///
/// # Errors
/// What was expected and what was got.
pub fn principal(text: &str) -> Result<String, String> {
    let id = Uuid::parse_str(text).ok().filter(|_| text.len() == uuid::fmt::Hyphenated::LENGTH);
    id.map(|id| id.to_string()).ok_or_else(|| format!("expected a UUID, got '{}'", shown(text)))
}

/// A client's id: a UUID or a slug `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
///
/// # Errors
/// What was expected and what was got.
pub fn client(text: &str) -> Result<String, String> {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if first && rest && text.len() <= 128 {
        return Ok(text.to_owned());
    }
    Err(format!(
        "expected 1 to 128 letters, digits, '.', '_' or '-', beginning with a letter or digit, got '{}'",
        shown(text)
    ))
}

/// At most 64 characters of what somebody sent, without control characters: for messages that quote it.
pub fn shown(text: &str) -> String {
    let mut shown: String = text.chars().filter(|c| !c.is_control()).take(64).collect();
    if text.chars().nth(64).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_slugs() {
        assert!(client("store-front.v2_a").is_ok());
        for bad in ["", "-a", ".", "a b", "a/b", "ä", &"a".repeat(129)] {
            assert!(client(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn principals_are_uuids() {
        assert_eq!(principal("0190A3C2-7B00-7000-8000-000000000001").unwrap(), "0190a3c2-7b00-7000-8000-000000000001");
        for bad in ["ada", "0190a3c27b0070008000000000000001", "{0190a3c2-7b00-7000-8000-000000000001}"] {
            assert!(principal(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_identifier_tells_when_it_was_made() {
        let at = super::super::time::Timestamp::from_millis(1_795_262_400_123);
        assert_eq!(made_at(&generate(at)), Some(at));
        assert_eq!(made_at("ada"), None);
        assert_eq!(made_at("0190a3c2-7b00-4000-8000-000000000001"), None, "version 4");
    }
}
