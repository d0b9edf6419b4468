//! The types that an option can have: how each is read from text and from TOML, and how it is written.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;
use secrecy::SecretString;

use super::{
    database::DatabaseUrl,
    duration,
    options::{HeaderField, LogFormat, MailSecurity},
};
use crate::model::{auth_module::AuthModule, key::SigningAlgorithm};

/// A value as it was given, before its option's type has had a look at it.
#[derive(Clone)]
pub enum Raw {
    /// A TOML string, an environment variable or a flag.
    Text(String),
    /// A TOML integer.
    Integer(i64),
    /// A TOML boolean.
    Boolean(bool),
    /// A TOML array.
    List(Vec<Raw>),
    /// Something of TOML that no option takes; the name of its type.
    Other(&'static str),
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Raw::Text(text) => write!(f, "{text:?}"),
            Raw::Integer(number) => write!(f, "{number}"),
            Raw::Boolean(truth) => write!(f, "{truth}"),
            Raw::List(items) => {
                let items: Vec<String> = items.iter().map(Raw::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Raw::Other(kind) => write!(f, "a TOML {kind}"),
        }
    }
}

/// A type that an option can have.
pub trait Value: Sized {
    /// Whether the value must never be printed. A secret option can also be given as the name of a file.
    const SECRET: bool = false;

    /// Reads the value; the error says what was expected.
    fn parse(raw: &Raw) -> Result<Self, String>;

    /// The value as TOML, made unreadable if it is a secret; `None` if it is not set.
    fn render(&self) -> Option<String>;
}

/// An unset option is one that nobody gave or whose text is empty, as an orchestrator leaves the variables that it
/// has no value for.
impl<T: Value> Value for Option<T> {
    const SECRET: bool = T::SECRET;

    fn parse(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Text(text) if text.is_empty() => Ok(None),
            raw => T::parse(raw).map(Some),
        }
    }

    fn render(&self) -> Option<String> {
        self.as_ref().and_then(T::render)
    }
}

/// A list is a TOML array, or text whose items are separated by commas.
impl<T: Value> Value for Vec<T> {
    fn parse(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::List(items) => items.iter().map(T::parse).collect::<Result<_, _>>(),
            Raw::Text(text) => text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| T::parse(&Raw::Text(item.to_owned())))
                .collect(),
            // the item's own expectation describes the list best
            other => T::parse(other).map(|item| vec![item]),
        }
        .map_err(|expected| if expected.starts_with("a list") { expected } else { format!("a list: {expected}") })
    }

    fn render(&self) -> Option<String> {
        let items: Vec<String> = self.iter().filter_map(T::render).collect();
        Some(format!("[{}]", items.join(", ")))
    }
}

impl Value for String {
    fn parse(raw: &Raw) -> Result<Self, String> {
        text(raw).map(str::to_owned).ok_or_else(|| "text".to_owned())
    }

    fn render(&self) -> Option<String> {
        Some(quoted(self))
    }
}

impl Value for PathBuf {
    fn parse(raw: &Raw) -> Result<Self, String> {
        text(raw).filter(|text| !text.is_empty()).map(PathBuf::from).ok_or_else(|| "a path".to_owned())
    }

    fn render(&self) -> Option<String> {
        Some(quoted(&self.display().to_string()))
    }
}

impl Value for SecretString {
    const SECRET: bool = true;

    fn parse(raw: &Raw) -> Result<Self, String> {
        text(raw).map(SecretString::from).ok_or_else(|| "text".to_owned())
    }

    fn render(&self) -> Option<String> {
        Some("(hidden)".to_owned())
    }
}

impl Value for DatabaseUrl {
    const SECRET: bool = true;

    fn parse(raw: &Raw) -> Result<Self, String> {
        text(raw).map(DatabaseUrl::from).ok_or_else(|| "text".to_owned())
    }

    fn render(&self) -> Option<String> {
        Some(quoted(&self.masked()))
    }
}

impl Value for Duration {
    fn parse(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Integer(seconds) => {
                u64::try_from(*seconds).ok().and_then(|s| Some(Duration::from_millis(s.checked_mul(1000)?)))
            }
            raw => text(raw).and_then(duration::parse),
        }
        .ok_or_else(|| "a duration such as 500ms, 60s, 10m, 12h or 30d".to_owned())
    }

    fn render(&self) -> Option<String> {
        Some(quoted(&duration::format(*self)))
    }
}

impl Value for bool {
    fn parse(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Boolean(truth) => Some(*truth),
            raw => text(raw).and_then(|text| text.parse().ok()),
        }
        .ok_or_else(|| "true or false".to_owned())
    }

    fn render(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// Whole numbers, from a TOML integer or from text.
macro_rules! whole_numbers {
    ($($type:ty),+) => {$(
        impl Value for $type {
            fn parse(raw: &Raw) -> Result<Self, String> {
                match raw {
                    Raw::Integer(number) => <$type>::try_from(*number).ok(),
                    raw => text(raw).and_then(|text| text.trim().parse().ok()),
                }
                .ok_or_else(|| format!("a whole number from {} to {}", <$type>::MIN, <$type>::MAX))
            }

            fn render(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )+};
}

whole_numbers!(u8, u32, usize);

/// Types that are read with `FromStr` from TOML strings and from text alike.
macro_rules! from_text {
    ($($type:ty, $expected:literal;)+) => {$(
        impl Value for $type {
            fn parse(raw: &Raw) -> Result<Self, String> {
                text(raw).and_then(|text| text.parse().ok()).ok_or_else(|| $expected.to_owned())
            }

            fn render(&self) -> Option<String> {
                Some(quoted(&self.to_string()))
            }
        }
    )+};
}

from_text! {
    SocketAddr, "an address and a port such as 127.0.0.1:8080 or [::1]:8080";
    LogFormat, "text or json";
    MailSecurity, "starttls, tls or none";
    HeaderField, "email or id";
}

impl Value for AuthModule {
    fn parse(raw: &Raw) -> Result<Self, String> {
        text(raw).and_then(|text| text.parse().ok()).ok_or_else(|| {
            let names: Vec<&str> = AuthModule::ALL.into_iter().map(AuthModule::as_str).collect();
            format!("one or more of {}", names.join(", "))
        })
    }

    fn render(&self) -> Option<String> {
        Some(quoted(self.as_str()))
    }
}

impl Value for SigningAlgorithm {
    fn parse(raw: &Raw) -> Result<Self, String> {
        text(raw).and_then(|text| text.parse().ok()).ok_or_else(|| {
            let names: Vec<&str> = SigningAlgorithm::ALL.into_iter().map(SigningAlgorithm::as_str).collect();
            format!("one or more of {}", names.join(", "))
        })
    }

    fn render(&self) -> Option<String> {
        Some(quoted(self.as_str()))
    }
}

/// A network such as `10.0.0.0/8`, or a single address.
impl Value for IpNet {
    fn parse(raw: &Raw) -> Result<Self, String> {
        text(raw)
            .and_then(|text| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)))
            .ok_or_else(|| "a network such as 10.0.0.0/8, or an address".to_owned())
    }

    fn render(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

/// The least and the greatest value that an option can have.
pub struct Limits<T> {
    range: RangeInclusive<T>,
    holds: fn(&RangeInclusive<T>, &T) -> bool,
}

impl<T: Value> Limits<T> {
    /// Limits that include both ends.
    pub(super) fn new(range: RangeInclusive<T>) -> Limits<T>
    where
        T: PartialOrd,
    {
        Limits { range, holds: |range, value| range.contains(value) }
    }

    /// Whether `value` keeps them.
    pub(super) fn hold(&self, value: &T) -> bool {
        (self.holds)(&self.range, value)
    }
}

impl<T: Value> fmt::Display for Limits<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [least, most] =
            [self.range.start(), self.range.end()].map(|end| end.render().unwrap_or_default().replace('"', ""));
        write!(f, "from {least} to {most}")
    }
}

/// The text, if that is what was given.
fn text(raw: &Raw) -> Option<&str> {
    match raw {
        Raw::Text(text) => Some(text),
        _ => None,
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of<T: Value>(text: &str) -> Result<T, String> {
        T::parse(&Raw::Text(text.to_owned()))
    }

    #[test]
    fn a_list_is_an_array_or_text_with_commas() {
        let expected: Vec<SocketAddr> = ["127.0.0.1:1", "[::1]:2"].map(|a| a.parse().unwrap()).into();
        assert_eq!(of::<Vec<SocketAddr>>("127.0.0.1:1, [::1]:2,"), Ok(expected.clone()));
        let array = Raw::List(vec![Raw::Text("127.0.0.1:1".into()), Raw::Text("[::1]:2".into())]);
        assert_eq!(Vec::<SocketAddr>::parse(&array), Ok(expected));
        assert_eq!(of::<Vec<IpNet>>(""), Ok(Vec::new()));
        assert!(Vec::<SocketAddr>::parse(&Raw::Integer(8080)).unwrap_err().contains("an address and a port"));
    }

    #[test]
    fn a_network_may_be_one_address() {
        assert_eq!(of::<IpNet>("10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
        assert_eq!(of::<IpNet>("fd00::/8").unwrap().to_string(), "fd00::/8");
        assert!(of::<IpNet>("10.0.0.0/33").is_err());
    }

    #[test]
    fn numbers_beyond_their_type_are_refused() {
        assert_eq!(u8::parse(&Raw::Integer(255)), Ok(255));
        assert!(u8::parse(&Raw::Integer(256)).is_err());
        assert!(u32::parse(&Raw::Integer(-1)).is_err());
        assert!(of::<u32>("-1").is_err());
        assert!(Duration::parse(&Raw::Integer(-1)).is_err());
        assert_eq!(Duration::parse(&Raw::Integer(90)), Ok(Duration::from_secs(90)));
        assert!(bool::parse(&Raw::Integer(1)).is_err());
        assert_eq!((of::<bool>("true"), bool::parse(&Raw::Boolean(false))), (Ok(true), Ok(false)));
    }

    #[test]
    fn text_is_quoted_as_toml_reads_it() {
        let awkward = "a \"b\"\n\\c é";
        let table: toml::Table = format!("x = {}", awkward.to_owned().render().unwrap()).parse().unwrap();
        assert_eq!(table["x"].as_str(), Some(awkward));
    }

    proptest! {
        #[test]
        fn no_text_makes_a_type_panic(text in "\\PC*") {
            let _ = (of::<u8>(&text), of::<Duration>(&text), of::<Vec<IpNet>>(&text), of::<Vec<SocketAddr>>(&text));
            let _ = (of::<Vec<SigningAlgorithm>>(&text), of::<LogFormat>(&text), of::<bool>(&text));
            if let Ok(Some(url)) = of::<Option<DatabaseUrl>>(&text) {
                let _ = (url.render(), url.target());
            }
        }
    }
}
