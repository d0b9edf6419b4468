//! Texts about people: bounded, and without what would garble a page or a log. The same rules hold for what people say of
//! themselves and what administrators say of them.

use chrono::NaiveDate;

use crate::model::{
    email::Email,
    id::shown,
    problem::{Code, Fault},
    text::{is_unseen, shows},
};

/// The most characters of a name.
pub(in crate::directory) const MAX_NAME: usize = 256;
/// The most characters of a URL.
pub(super) const MAX_URL: usize = 2048;
/// The most characters of a phone number.
pub(super) const MAX_PHONE: usize = 64;
/// What is not text to people: control characters, and those that turn the direction of the text around them. As the
/// inside of a character class.
pub(super) const UNSEEN: &str = r"\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069";

/// Takes a member over as it is given: what is stored as it is, since what was read can always be written back, and
/// anything else as `read` reads it.
pub(in crate::directory) fn set(
    member: &mut Option<String>,
    given: Option<Option<String>>,
    pointer: &str,
    read: impl Fn(&str) -> Result<String, String>,
    faults: &mut Vec<Fault>,
) {
    let Some(given) = given.filter(|given| *given != *member) else { return };
    match given.map(|text| read(&text)).transpose() {
        Ok(text) => *member = text,
        Err(message) => {
            let pointer = Some(pointer.to_owned());
            faults.push(Fault { code: Code::FieldInvalid, message, pointer, details: None });
        }
    }
}

/// What [`url()`] accepts, as an ECMA 262 expression: no more than that, but for what a host may be.
pub(super) fn url_pattern() -> String {
    format!(r"^https?://[^\s/?#@\\{UNSEEN}]+([/?#][^\s\\{UNSEEN}]*)?$")
}

/// One line of text, without the blanks around it.
pub(in crate::directory) fn line(text: &str, max: usize) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("expected a text that is not blank; null for none".to_owned()),
        count if count > max => Err(format!("expected at most {max} characters, got {count}")),
        _ if text.chars().any(is_unseen) => Err("expected a text without control characters".to_owned()),
        _ if !shows(text) => Err("expected a text that can be seen".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// Lines of text.
pub(super) fn lines(text: &str, max: usize) -> Result<String, String> {
    let one = text.replace("\r\n", " ").replace('\n', " ");
    line(&one, max).map(|_| text.trim().to_owned())
}

/// An email address; without blanks around it.
pub(super) fn email(text: &str) -> Result<String, String> {
    text.parse::<Email>().map(|email| email.as_str().to_owned())
}

/// A phone number, E.164 or as people write it, perhaps with an extension (OpenID Connect Core §5.1).
pub(in crate::directory) fn phone(text: &str) -> Result<String, String> {
    let number = text.trim();
    let (digits, extension) = match number.split_once(";ext=") {
        Some((digits, extension)) => (digits, Some(extension)),
        None => (number, None),
    };
    let body = digits.strip_prefix('+').unwrap_or(digits);
    let begins = body.starts_with(|c: char| c.is_ascii_digit() || c == '(');
    let fits = body.bytes().all(|b| b.is_ascii_digit() || b" ()./-".contains(&b)) && (2..=39).contains(&body.len());
    let extends = extension.is_none_or(|x| (1..=15).contains(&x.len()) && x.bytes().all(|b| b.is_ascii_digit()));
    match begins && fits && extends {
        true => Ok(number.to_owned()),
        false => Err(format!("expected a phone number such as +44 20 7946 0000, got '{}'", shown(text))),
    }
}

/// An http or https URL of a page or picture, without credentials: nothing that a browser would run.
pub(in crate::directory) fn url(text: &str) -> Result<String, String> {
    let wrong = || {
        let shown = shown(text);
        format!("expected an https or http URL without credentials, of at most {MAX_URL} characters, got '{shown}'")
    };
    let text = text.trim();
    if text.chars().count() > MAX_URL || text.chars().any(|c| is_unseen(c) || c.is_whitespace()) {
        return Err(wrong());
    }
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // browsers take a backslash for a slash and pass over slashes too many: the host would not be what it looks like
    let plain = !text.contains('\\') && !authority.is_empty() && !authority.contains('@');
    let parsed = url::Url::parse(text).map_err(|_| wrong())?;
    match matches!(scheme, "http" | "https") && plain && parsed.has_host() {
        true => Ok(text.to_owned()),
        false => Err(wrong()),
    }
}

/// `YYYY`, `YYYY-MM-DD`, or `0000-MM-DD` where the year is nobody's business (OpenID Connect Core §5.1).
pub(super) fn birthdate(text: &str) -> Result<String, String> {
    let digits = |part: &str, count: usize| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    let holds = match parts[..] {
        [year] => digits(year, 4) && year != "0000",
        [year, month, day] => {
            digits(year, 4)
                && digits(month, 2)
                && digits(day, 2)
                && matches!((year.parse(), month.parse(), day.parse()), (Ok(y), Ok(m), Ok(d)) if NaiveDate::from_ymd_opt(y, m, d).is_some())
        }
        _ => false,
    };
    match holds {
        true => Ok(text.to_owned()),
        false => Err(format!("expected YYYY-MM-DD, YYYY, or 0000-MM-DD, got '{}'", shown(text))),
    }
}

/// A time zone by its name, such as `Europe/Berlin`. Which names there are changes, so only the form is looked at.
pub(super) fn zone(text: &str) -> Result<String, String> {
    let part = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b));
    match text.len() <= 64 && text.split('/').all(part) {
        true => Ok(text.to_owned()),
        false => Err(format!("expected a time zone such as Europe/Berlin, got '{}'", shown(text))),
    }
}

/// A language tag (BCP 47), with `-` or, as OpenID Connect Core §5.1 tolerates, `_`.
pub(super) fn locale(text: &str) -> Result<String, String> {
    let mut parts = text.split(['-', '_']);
    let language = parts.next().unwrap_or_default();
    let begins = (2..=8).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_alphabetic());
    let rest = |p: &str| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric());
    match text.len() <= 35 && begins && parts.all(rest) {
        true => Ok(text.to_owned()),
        false => Err(format!("expected a language tag such as en-GB, got '{}'", shown(text))),
    }
}

/// A key that somebody chose.
pub(super) fn key(text: &str) -> Result<(), String> {
    match text.chars().count() {
        1..=128 if !text.chars().any(is_unseen) => Ok(()),
        _ => Err(format!("expected a key of 1 to 128 characters, got '{}'", shown(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_lines_that_people_can_read() {
        assert_eq!(line(" Ada ", 10).unwrap(), "Ada");
        for bad in ["", "  ", "a\u{7}", "a\nb", "a\u{202e}b", "\u{200b}", "12345678901"] {
            assert!(line(bad, 10).is_err(), "{bad:?}");
        }
        assert_eq!(lines("1 Street\nTown", 20).unwrap(), "1 Street\nTown");
    }

    #[test]
    fn phones_urls_dates_zones_and_languages_have_their_forms() {
        for good in ["+44 20 7946 0000", "+1 (604) 555-1234;ext=5678", "110"] {
            assert!(phone(good).is_ok(), "{good}");
        }
        for bad in ["", "+", "call me", "+49;ext=", "1; DROP", "+49\n1"] {
            assert!(phone(bad).is_err(), "{bad}");
        }
        for good in ["https://example.org/a.png?b=c#d", "http://localhost:8080/x"] {
            assert!(url(good).is_ok(), "{good}");
        }
        for bad in
            ["", "javascript:alert(1)", "data:text/html,x", "//a/b", "https://u:p@a", "HTTPS:a", "https:///", "x"]
        {
            assert!(url(bad).is_err(), "{bad}");
        }
        for bad in ["https://@a", "https:///a", "https:///\\a", "https://a\\b", "https://a b/", "https://x/\u{202e}"] {
            assert!(url(bad).is_err(), "{bad:?}");
        }
        assert!(url(&format!("https://a/{}", "a".repeat(MAX_URL))).is_err());
        for good in ["1815-12-10", "1815", "0000-02-29", "2000-02-29"] {
            assert!(birthdate(good).is_ok(), "{good}");
        }
        for bad in ["", "0000", "1815-13-01", "1999-02-29", "15-12-10", "1815-12", "1815-12-10T00", "+815-12-10"] {
            assert!(birthdate(bad).is_err(), "{bad}");
        }
        assert!(zone("Europe/Berlin").is_ok() && zone("Etc/GMT+1").is_ok());
        assert!(zone("/etc").is_err() && zone("a b").is_err() && zone("").is_err());
        assert!(locale("en-GB").is_ok() && locale("de_CH").is_ok() && locale("zh-Hant-TW").is_ok());
        assert!(locale("e").is_err() && locale("en-").is_err() && locale("en-ninechars").is_err());
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_is_accepted_holds_what_people_cannot_see(text in "\\PC{0,40}|.{0,40}") {
            for read in [line(&text, 256), email(&text), phone(&text), url(&text), birthdate(&text), zone(&text), locale(&text)].into_iter().flatten() {
                proptest::prop_assert!(!read.chars().any(is_unseen));
                proptest::prop_assert!(!read.is_empty());
            }
        }
    }
}
