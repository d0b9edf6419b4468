//! The authentication string of One Identity Manager's application server: `Module=<name>;<property>=<value>;…`, with the
//! rules of connection strings where its guide has none.
//!
//! A value runs to the next `;`. One that holds a `;`, begins with a quote, or has blanks at its ends is wrapped in `"…"`
//! or `'…'`, with the quote doubled inside. Names are compared without regard to case, and none may be there twice.

use std::{fmt, str::FromStr};

use zeroize::Zeroizing;

/// The most bytes of one: a signed access token fits.
pub const MAX_LEN: usize = 16 * 1024;
/// More properties than any module has.
const MAX_PROPERTIES: usize = 32;

/// A parsed authentication string. It holds passwords, so it cannot be printed by accident: [`AuthString::to_text`] is
/// the one way out.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthString {
    /// What `Module` says.
    pub module: String,
    /// The properties in their order.
    properties: Vec<(String, Zeroizing<String>)>,
}

impl AuthString {
    /// One for this module, without properties.
    pub fn new(module: &str) -> AuthString {
        AuthString { module: module.to_owned(), properties: Vec::new() }
    }

    /// Adds a property.
    ///
    /// # Errors
    /// The name is there already.
    pub fn with(mut self, name: &str, value: &str) -> Result<AuthString, String> {
        if name.eq_ignore_ascii_case("Module") || self.position(name).is_some() {
            return Err("its name is there already".to_owned());
        }
        self.properties.push((name.to_owned(), Zeroizing::new(value.to_owned())));
        Ok(self)
    }

    /// The value of a property; one that is empty is one that was left out, as by a form that nobody filled in.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.position(name)?;
        Some(self.properties[at].1.as_str()).filter(|value| !value.is_empty())
    }

    /// The names of the properties.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.properties.iter().map(|(name, _)| name.as_str())
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.properties.iter().position(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// As text, secrets included.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(format!("Module={}", *quoted(&self.module)));
        for (name, value) in &self.properties {
            text.push(';');
            text.push_str(name);
            text.push('=');
            text.push_str(&quoted(value));
        }
        text
    }
}

impl fmt::Debug for AuthString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthString(Module={};…)", self.module)
    }
}

fn quoted(value: &str) -> Zeroizing<String> {
    let plain = value.trim() == value && !value.contains(';') && !value.starts_with(['"', '\'']);
    Zeroizing::new(if plain { value.to_owned() } else { format!("\"{}\"", value.replace('"', "\"\"")) })
}

/// The faults name the part by its number and never what it says: it may be the rest of a password with a `;` in it.
impl FromStr for AuthString {
    type Err = String;

    fn from_str(text: &str) -> Result<AuthString, String> {
        if text.len() > MAX_LEN {
            return Err(format!("expected at most {MAX_LEN} bytes, got {}", text.len()));
        }
        if text.contains('\0') {
            return Err("expected text without the character U+0000".to_owned());
        }
        let mut parsed: Option<AuthString> = None;
        let mut rest = text.trim_start();
        for number in 1.. {
            // a `;` at the end, or one too many
            rest = rest.trim_start_matches(|c: char| c == ';' || c.is_whitespace());
            if rest.is_empty() {
                break;
            }
            if number > MAX_PROPERTIES + 1 {
                return Err(format!("expected at most {MAX_PROPERTIES} properties, got more"));
            }
            let fault = |what: &str| format!("part {number}: {what}");
            let (name, value, after) = part(rest).map_err(fault)?;
            rest = after;
            parsed = Some(match parsed {
                None if !name.eq_ignore_ascii_case("Module") => {
                    return Err(fault("expected Module=<name> as the first"));
                }
                None if value.is_empty() => return Err(fault("expected the name of a module")),
                None => AuthString::new(&value),
                Some(before) => before.with(name, &value).map_err(|what| fault(&what))?,
            });
        }
        parsed.ok_or_else(|| "expected Module=<name>;<property>=<value>;…, got nothing".to_owned())
    }
}

/// Name and value of the part at the beginning, and what follows it.
fn part(text: &str) -> Result<(&str, Zeroizing<String>, &str), &'static str> {
    let end = text.find(['=', ';']).filter(|at| text[*at..].starts_with('='));
    let Some(at) = end else { return Err("expected <property>=<value>; a value with a ; in it has to be quoted") };
    let name = text[..at].trim();
    if name.is_empty() {
        return Err("expected a name before the =");
    }
    let value = text[at + 1..].trim_start();
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        let end = value.find(';').unwrap_or(value.len());
        return Ok((name, Zeroizing::new(value[..end].trim_end().to_owned()), &value[end..]));
    };
    let mut unquoted = Zeroizing::new(String::with_capacity(value.len()));
    let mut rest = &value[1..];
    loop {
        let Some(at) = rest.find(quote) else { return Err("expected a quote at the end of the value") };
        unquoted.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix(quote) {
            Some(after) => {
                unquoted.push(quote);
                rest = after;
            }
            None => break,
        }
    }
    let rest = rest.trim_start();
    match rest.is_empty() || rest.starts_with(';') {
        true => Ok((name, unquoted, rest)),
        false => Err("expected a ; after the quote that ends the value"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> AuthString {
        text.parse().unwrap()
    }

    #[test]
    fn the_example_of_the_guide_is_read() {
        let auth = parsed("Module=DialogUser;User=MyUser;Password=$ecret");
        assert_eq!(auth.module, "DialogUser");
        assert_eq!((auth.get("user"), auth.get("PASSWORD")), (Some("MyUser"), Some("$ecret")));
        assert_eq!(format!("{auth:?}"), "AuthString(Module=DialogUser;…)");
    }

    #[test]
    fn values_are_as_in_connection_strings() {
        for (value, expected) in [
            ("a=b==", "a=b=="),
            ("  blanks  ", "blanks"),
            ("\"  blanks; and more  \"", "  blanks; and more  "),
            ("'it''s; \"so\"'", "it's; \"so\""),
            ("\"say \"\"so\"\"\"  ", "say \"so\""),
            ("a\"b'c", "a\"b'c"),
            ("'\"'", "\""),
            ("=", "="),
            ("ä;", "ä"),
        ] {
            let auth = parsed(&format!(" mOdule = DialogUser ; x = {value};User=Ada;"));
            assert_eq!(auth.get("X"), Some(expected), "{value}");
            assert_eq!(auth.get("User"), Some("Ada"), "{value}");
        }
        let empty = parsed("Module=HTTPHeader;;User=;Password='' ;");
        assert_eq!((empty.get("User"), empty.get("Password")), (None, None));
        assert_eq!(empty.names().collect::<Vec<_>>(), ["User", "Password"]);
        assert_eq!(parsed("Module=HTTPHeader").names().count(), 0);
    }

    #[test]
    fn faults_name_the_part_and_not_what_it_says() {
        for (text, fault) in [
            ("", "expected Module=<name>;<property>=<value>;…, got nothing"),
            (" ; ", "expected Module=<name>;<property>=<value>;…, got nothing"),
            ("User=a;Module=b", "part 1: expected Module=<name> as the first"),
            ("Module=", "part 1: expected the name of a module"),
            ("DialogUser", "part 1: expected <property>=<value>; a value with a ; in it has to be quoted"),
            (
                "Module=a;Password=se;cret",
                "part 3: expected <property>=<value>; a value with a ; in it has to be quoted",
            ),
            ("Module=a;=x", "part 2: expected a name before the ="),
            ("Module=a;User=x;USER=y", "part 3: its name is there already"),
            ("Module=a;module=b", "part 2: its name is there already"),
            ("Module=a;User=\"x", "part 2: expected a quote at the end of the value"),
            ("Module=a;User='x' y", "part 2: expected a ; after the quote that ends the value"),
            ("Module=a;User=\0", "expected text without the character U+0000"),
        ] {
            assert_eq!(text.parse::<AuthString>().unwrap_err(), fault, "{text}");
        }
        let many: Vec<String> = (0..33).map(|n| format!("p{n}=1")).collect();
        assert!(format!("Module=a;{}", many[..32].join(";")).parse::<AuthString>().is_ok());
        assert!(format!("Module=a;{}", many.join(";")).parse::<AuthString>().unwrap_err().contains("at most 32"));
        assert!("Module=a;x=".repeat(2000).parse::<AuthString>().unwrap_err().contains("at most 16384 bytes"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            module in "[A-Za-z]{1,20}",
            values in proptest::collection::vec("[ -~äß;='\"\\t]{0,20}|\\PC{0,12}", 0..32),
        ) {
            let mut auth = AuthString::new(&module);
            for (n, value) in values.iter().enumerate() {
                auth = auth.with(&format!("p{n}"), value).unwrap();
            }
            prop_assert_eq!(auth.to_text().parse::<AuthString>(), Ok(auth));
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,60}|[ModuleModule=;'\" a]{0,40}") {
            let _ = text.parse::<AuthString>();
            let _ = format!("Module=x;{text}").parse::<AuthString>();
        }

        #[test]
        fn a_name_is_there_once(name in "[A-Za-z]{1,8}") {
            let text = format!("Module=x;{}=1;{}=2", name.to_lowercase(), name.to_uppercase());
            prop_assert!(text.parse::<AuthString>().is_err());
        }
    }
}
