//! Whether names, operators and values fit a node: what both forms of a condition ask.

use super::{Field, Kind, Node, Operator, Value};
use crate::model::{id::shown, time::Timestamp};

/// Tests of one condition.
pub(super) const MAX_TESTS: usize = 100;
/// Values of one test.
pub(super) const MAX_VALUES: usize = 100;
/// Characters of a text that something is compared to.
pub(super) const MAX_TEXT: usize = 1000;
/// Longer than any name, so that guessing what a name should be stays cheap.
const MAX_NAME: usize = 64;
/// `0000-01-01T00:00:00Z` to `9999-12-31T23:59:59.999Z`: what RFC 3339 has a text for.
const YEARS: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

/// A value as somebody gave it, before it is known whether it fits.
#[derive(Debug)]
pub(super) enum Given {
    Null,
    Text(String),
    /// As it was written.
    Number(String),
    Bool(bool),
    /// The time of the query, moved by so many milliseconds.
    Now(i64),
    /// Nothing that could be compared: its name.
    Other(&'static str),
}

impl Given {
    fn shown(&self) -> String {
        match self {
            Given::Null => "null".to_owned(),
            Given::Text(text) => format!("'{}'", shown(text)),
            Given::Number(text) => shown(text),
            Given::Bool(value) => value.to_string(),
            Given::Now(_) => "now".to_owned(),
            Given::Other(name) => (*name).to_owned(),
        }
    }
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn choice<T: AsRef<str>>(words: &[T]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} or {}", first.join(", "), last.as_ref())
        }
    }
}

/// Which of these was probably meant.
pub(super) fn nearest(given: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    if given.len() > MAX_NAME {
        return None;
    }
    let given = given.to_lowercase();
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(&known.to_lowercase(), &given);
    known
        .map(|name| (likeness(name), name))
        .filter(|(like, _)| *like > 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// "expected a field of role, got 'kee'; did you mean key?"
pub(super) fn unknown(what: &str, given: &str, known: &[&'static str]) -> String {
    let help = match nearest(given, known.iter().copied()) {
        Some(name) => format!("did you mean {name}?"),
        None if known.is_empty() => "there is none".to_owned(),
        None => format!("there are {}", known.join(", ")),
    };
    format!("expected {what}, got '{}'; {help}", shown(given))
}

/// The node's field of this name.
pub(super) fn field(node: Node, name: &str) -> Result<&'static Field, String> {
    node.field(name).ok_or_else(|| {
        let known: Vec<&'static str> = node.fields().iter().map(|field| field.name).collect();
        unknown(&format!("a field of {}", node.name()), name, &known)
    })
}

/// Whether the field has the operator; `spelled` says how operators are called where they were read.
pub(super) fn operator(
    field: &Field,
    operator: Operator,
    spelled: fn(Operator) -> Option<&'static str>,
) -> Result<(), String> {
    let has = field.kind.operators();
    if has.contains(&operator) {
        return Ok(());
    }
    let given = spelled(operator).unwrap_or_default();
    let names: Vec<&str> = has.iter().filter_map(|operator| spelled(*operator)).collect();
    if names.is_empty() {
        return Err(format!("{} can be shown but not compared, got {given}", field.name));
    }
    Err(format!("expected {} after {}, got {given}", choice(&names), field.name))
}

/// The value, if it is one that the field is compared to by this operator.
pub(super) fn value(field: &Field, operator: Operator, given: Given) -> Result<Value, String> {
    let name = field.name;
    match (field.kind, given) {
        (_, Given::Null) if matches!(operator, Operator::Equal | Operator::NotEqual) => Ok(Value::Null),
        (kind, Given::Null) => {
            Err(format!("expected {} for {name}, got null, which things only equal or do not equal", expected(kind)))
        }
        (Kind::Text | Kind::Caseless | Kind::Set, Given::Text(text)) => {
            let part = operator == Operator::StartsWith || (operator == Operator::Contains && field.kind != Kind::Set);
            self::text(text, part).map(Value::Text)
        }
        (Kind::Word(words), Given::Text(text)) if words.contains(&text.as_str()) => Ok(Value::Text(text)),
        (Kind::Word(words), given) => {
            let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
            Err(format!("expected {} for {name}, got {}", choice(&quoted), given.shown()))
        }
        (Kind::Number, Given::Number(text)) => text.parse().map(Value::Number).map_err(|_| {
            let (least, most) = (i64::MIN, i64::MAX);
            format!("expected a whole number from {least} to {most} for {name}, got {}", shown(&text))
        }),
        (Kind::Bool, Given::Bool(value)) => Ok(Value::Bool(value)),
        (Kind::Time, Given::Now(moved)) => Ok(Value::Now(moved)),
        (Kind::Time, Given::Text(text)) => time(&text).map(Value::Time).ok_or_else(|| {
            format!("expected a time such as '2026-01-31T12:00:00Z' or '2026-01-31' for {name}, got '{}'", shown(&text))
        }),
        (kind, given) => Err(format!("expected {} for {name}, got {}", expected(kind), given.shown())),
    }
}

fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Caseless | Kind::Word(_) | Kind::Set => "a text",
        Kind::Number => "a whole number",
        Kind::Bool => "true or false",
        Kind::Time => "a time such as '2026-01-31T12:00:00Z' or '2026-01-31'",
        Kind::Data => "nothing",
    }
}

/// A text that both databases can hold; `part` if everything would contain it, were it empty.
fn text(text: String, part: bool) -> Result<String, String> {
    let length = text.chars().count();
    if length > MAX_TEXT {
        return Err(format!("expected a text of at most {MAX_TEXT} characters, got {length}"));
    }
    if text.contains(char::is_control) {
        return Err(format!("expected a text without control characters, got '{}'", shown(&text)));
    }
    if part && text.is_empty() {
        return Err("expected a text of at least one character, got ''".to_owned());
    }
    Ok(text)
}

/// RFC 3339, or a date alone (midnight, UTC).
fn time(text: &str) -> Option<Timestamp> {
    let time = match text.len() {
        10 => Timestamp::from_rfc3339(&format!("{text}T00:00:00Z")),
        _ => Timestamp::from_rfc3339(text),
    };
    time.filter(|time| YEARS.contains(&time.millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_nearly_right_are_guessed() {
        let told = |name: &str| field(Node::Identity, name).unwrap_err();
        assert_eq!(told("emial"), "expected a field of identity, got 'emial'; did you mean email?");
        assert_eq!(told("CREATEDAT"), "expected a field of identity, got 'CREATEDAT'; did you mean createdAt?");
        assert_eq!(told("properties"), "expected a field of identity, got 'properties'; did you mean properties.name?");
        assert!(told("zzz").ends_with(
            "'zzz'; there are identityId, type, name, email, phone, description, roles, \
            properties.name, properties.email, properties.phone, createdAt, lastModified, lastActiveAt, suspendedAt, \
            systemClient"
        ));
        assert!(told(&"x".repeat(100_000)).chars().count() < 400);
    }

    #[test]
    fn times_are_those_that_have_a_text() {
        let millis = |text: &str| time(text).map(Timestamp::millis);
        assert_eq!(millis("1970-01-02"), Some(86_400_000));
        assert_eq!(millis("1970-01-01T01:00:00.5+01:00"), Some(500));
        assert_eq!(millis("0000-01-01"), Some(*YEARS.start()));
        assert_eq!(millis("9999-12-31T23:59:59.999Z"), Some(*YEARS.end()));
        for none in [
            "",
            "now",
            "2026",
            "2026-02-30",
            "2026-01-01T12:00:00",
            "2026-01-01T12:00Z",
            "10000-01-01",
            "+026-01-01",
            "0000-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "9999-12-31T23:59:60Z",
            "2026-01-0ä",
        ] {
            assert_eq!(millis(none), None, "{none}");
        }
    }

    #[test]
    fn a_choice_reads_like_a_sentence() {
        assert_eq!(choice::<&str>(&[]), "nothing");
        assert_eq!(choice(&["a"]), "a");
        assert_eq!(choice(&["a", "b"]), "a or b");
        assert_eq!(choice(&["a", "b", "c"]), "a, b or c");
    }
}
