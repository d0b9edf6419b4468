use proptest::{collection::vec, prelude::*, sample::select};

use super::{parser::KEYWORDS, *};
use crate::model::{
    graph::{Field, Kind, Operator, Test, Value},
    time::Timestamp,
};

fn printed(node: Node, text: &str) -> String {
    print(&parse(node, text).unwrap_or_else(|fault| panic!("{text}: {fault}")))
}

#[test]
fn texts_are_understood() {
    let table = [
        ("", ""),
        (" \n\t", ""),
        ("name == 'Ada'", "name == 'Ada'"),
        ("name=='O''Hara'", "name == 'O''Hara'"),
        ("name == ''", "name == ''"),
        ("((name != null))", "name != null"),
        ("not suspendedAt == null", "not suspendedAt == null"),
        ("not not systemClient == true", "not not systemClient == true"),
        ("roles anyof ['a','b'] AND roles AllOf [ 'c' ]", "roles anyof ['a', 'b'] and roles allof ['c']"),
        ("roles contains '' or roles StartsWith 'a:'", "roles contains '' or roles startswith 'a:'"),
        ("name == 'a' or name == 'b' and name == 'c'", "name == 'a' or name == 'b' and name == 'c'"),
        ("(name == 'a' or name == 'b') and name == 'c'", "(name == 'a' or name == 'b') and name == 'c'"),
        ("name == 'a' or (name == 'b' or (name == 'c'))", "name == 'a' or name == 'b' or name == 'c'"),
        ("(name == 'a' and name == 'b') and name == 'c'", "name == 'a' and name == 'b' and name == 'c'"),
        ("not (name == 'a' and name == 'b')", "not (name == 'a' and name == 'b')"),
        ("not name == 'a' and name == 'b'", "not name == 'a' and name == 'b'"),
        ("properties.email contains 'x'", "properties.email contains 'x'"),
        ("createdAt >= '2026-01-01T00:00:00+01:00'", "createdAt >= '2025-12-31T23:00:00Z'"),
        ("createdAt >= '2026-01-01'", "createdAt >= '2026-01-01'"),
        ("createdAt < '2026-01-01T00:00:00.5Z'", "createdAt < '2026-01-01T00:00:00.500Z'"),
        ("createdAt < now", "createdAt < now"),
        ("createdAt < now - 7 days", "createdAt < now - 1 week"),
        ("createdAt < NOW-8Days", "createdAt < now - 8 days"),
        ("createdAt < now + 1 week - 2 hours", "createdAt < now + 166 hours"),
        ("createdAt < now + 1 second - 1 seconds", "createdAt < now"),
        (
            "createdAt anyof [now, '2026-01-01', now + 90 minutes]",
            "createdAt anyof [now, '2026-01-01', now + 90 minutes]",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(printed(Node::Identity, text), expected, "{text}");
    }
    assert_eq!(printed(Node::Sending, "retryCount anyof [-5, - 007, 0]"), "retryCount anyof [-5, -7, 0]");
    assert_eq!(printed(Node::Sending, "retryCount == -9223372036854775808"), "retryCount == -9223372036854775808");
}

#[test]
fn and_binds_closer_than_or_and_not_closest() {
    let test = |name: &str| {
        let field = Node::Identity.field("name").unwrap();
        Condition::Test(Test { field, operator: Operator::Equal, values: vec![Value::Text(name.to_owned())] })
    };
    let read = parse(Node::Identity, "name == 'a' or not name == 'b' and name == 'c'").unwrap();
    let not = Condition::Not(Box::new(test("b")));
    assert_eq!(read, Condition::Any(vec![test("a"), Condition::All(vec![not, test("c")])]));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let table = [
        ("name", "at 5: expected ==, !=, <, <=, >, >=, anyof, contains or startswith after name, got the end"),
        ("name = 'a'", "at 6: expected ==, !=, <, <=, >, >=, anyof, contains or startswith after name, got '='"),
        ("name == and", "at 9: expected a value after ==, got 'and'"),
        ("name == ", "at 9: expected a value after ==, got the end"),
        ("name ==", "at 8: expected a value after ==, got the end"),
        ("name == 'a", "at 9: expected a value after ==, got a text without its closing quote"),
        ("name == Ada", "at 9: expected a value after ==, got 'Ada'; texts stand in single quotes"),
        ("name == \"Ada\"", "at 9: expected a value after ==, got '\\\"'; texts stand in single quotes"),
        ("name == 'ä' ? 'b'", "at 13: expected 'and', 'or' or the end, got '?'"),
        ("name == 'a' name", "at 13: expected 'and', 'or' or the end, got 'name'"),
        ("(name == 'a'", "at 13: expected 'and', 'or' or ')', got the end"),
        ("name == 'a')", "at 12: expected 'and', 'or' or the end, got ')'"),
        ("()", "at 2: expected a field, 'not' or '(', got ')'"),
        ("name == 'a' and", "at 16: expected a field, 'not' or '(', got the end"),
        ("or", "at 1: expected a field, 'not' or '(', got 'or'"),
        ("'name' == 'a'", "at 1: expected a field, 'not' or '(', got the text 'name'"),
        ("  emial == 'a'", "at 3: expected a field of identity, got 'emial'; did you mean email?"),
        ("Name == 'a'", "at 1: expected a field of identity, got 'Name'; did you mean name?"),
        ("roles == 'a'", "at 7: expected anyof, allof, contains or startswith after roles, got =="),
        ("systemClient > true", "at 14: expected == or != after systemClient, got >"),
        ("type == 'person'", "at 9: expected 'principal' or 'client' for type, got 'person'"),
        ("name == 5", "at 9: expected a text for name, got 5"),
        ("name == - 5", "at 9: expected a text for name, got -5"),
        ("name == -", "at 10: expected a number after -, got the end"),
        ("name == true", "at 9: expected a text for name, got true"),
        ("name == now", "at 9: expected a text for name, got now"),
        ("name < null", "at 8: expected a text for name, got null, which things only equal or do not equal"),
        ("name contains ''", "at 15: expected a text of at least one character, got ''"),
        ("name == 'a\tb'", "at 9: expected a text without control characters, got 'ab'"),
        ("systemClient == 'yes'", "at 17: expected true or false for systemClient, got 'yes'"),
        ("name anyof 'a'", "at 12: expected '[' after anyof, got the text 'a'"),
        ("name anyof []", "at 13: expected a value after [, got ']'"),
        ("name anyof ['a',]", "at 17: expected a value after ,, got ']'"),
        ("name anyof ['a' 'b']", "at 17: expected ',' or ']', got the text 'b'"),
        ("name anyof ['a', 5]", "at 18: expected a text for name, got 5"),
        (
            "createdAt < '2026-13-01'",
            "at 13: expected a time such as '2026-01-31T12:00:00Z' or '2026-01-31' for createdAt, got '2026-13-01'",
        ),
        ("createdAt < 5", "at 13: expected a time such as '2026-01-31T12:00:00Z' or '2026-01-31' for createdAt, got 5"),
        ("createdAt < now - days", "at 19: expected a whole number of seconds to weeks after -, got 'days'"),
        ("createdAt < now - 1.5 days", "at 19: expected a whole number of seconds to weeks after -, got 1.5"),
        ("createdAt < now - 7", "at 20: expected seconds, minutes, hours, days or weeks after 7, got the end"),
        ("createdAt < now - 7 months", "at 21: expected seconds, minutes, hours, days or weeks after 7, got 'months'"),
        (
            "createdAt < now - 36526 days",
            "at 19: expected a time within 36525 days of now, got farther by - 36526 days",
        ),
        (
            "createdAt < now + 99999999999999999999 weeks",
            "at 19: expected a time within 36525 days of now, got farther by + 99999999999999999999 weeks",
        ),
        (
            "createdAt < now + 9223372036854775807 weeks",
            "at 19: expected a time within 36525 days of now, got farther by + 9223372036854775807 weeks",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(parse(Node::Identity, text).unwrap_err().to_string(), expected, "{text}");
    }
    let sending = |text: &str| parse(Node::Sending, text).unwrap_err().to_string();
    assert_eq!(sending("dynamic == 1"), "at 9: dynamic can be shown but not compared, got ==");
    let range = "expected a whole number from -9223372036854775808 to 9223372036854775807 for retryCount";
    assert_eq!(sending("retryCount == 1.5"), format!("at 15: {range}, got 1.5"));
    assert_eq!(sending("retryCount == 9223372036854775808"), format!("at 15: {range}, got 9223372036854775808"));
}

#[test]
fn each_bound_is_told_with_what_was_got() {
    let read = |text: &str| parse(Node::Identity, text).map_err(|fault| fault.to_string());
    let refused = |text: &str, expected: &str| assert_eq!(read(text).unwrap_err(), expected);

    let tests = |n: usize| vec!["name == ''"; n].join(" or ");
    assert!(read(&tests(100)).is_ok());
    refused(&tests(101), "at 1401: expected at most 100 comparisons, got 101");

    let values = |n: usize| format!("name anyof [{}]", vec!["''"; n].join(","));
    assert!(read(&values(100)).is_ok());
    refused(&values(101), "at 313: expected at most 100 values in a list, got more");

    let text = |n: usize| format!("name == '{}'", "ä".repeat(n));
    assert!(read(&text(1000)).is_ok());
    refused(&text(1001), "at 9: expected a text of at most 1000 characters, got 1001");

    let nested = |n: usize| format!("{}name == ''{}", "(".repeat(n), ")".repeat(n));
    assert!(read(&nested(32)).is_ok());
    refused(&nested(33), "at 33: expected at most 32 levels of not and parentheses, got 33");
    refused(&"(".repeat(8192), "at 33: expected at most 32 levels of not and parentheses, got 33");
    refused(&"not ".repeat(2048), "at 129: expected at most 32 levels of not and parentheses, got 33");
    assert!(read(&format!("{}name == ''", "not ".repeat(32))).is_ok());

    assert!(read(&" ".repeat(8192)).is_ok());
    refused(&" ".repeat(8193), "at 8193: expected at most 8192 bytes, got 8193");
    refused(&"ä".repeat(4097), "at 4097: expected at most 8192 bytes, got 8194");

    let far = "createdAt < now + 36525 days";
    assert!(read(far).is_ok());
    assert!(read(&format!("{far} - 1 day + 1 day")).is_ok());
    assert!(read(&format!("{far} + 1 second")).is_err());
}

#[test]
fn no_field_is_called_like_a_keyword() {
    for field in Node::ALL.into_iter().flat_map(Node::fields) {
        assert!(!KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(field.name)), "{}", field.name);
        assert_eq!(lexer::tokens(field.name).len(), 2, "{}", field.name);
    }
}

/// A value that the field is compared to by the operator.
fn value(field: &'static Field, operator: Operator) -> BoxedStrategy<Value> {
    let day = 86_400_000;
    let fitting = match field.kind {
        Kind::Word(words) => select(words).prop_map(|word| Value::Text(word.to_owned())).boxed(),
        Kind::Number => any::<i64>().prop_map(Value::Number).boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::Time => prop_oneof![
            (-62_167_219_200_000..=253_402_300_799_999_i64).prop_map(|at| Value::Time(Timestamp::from_millis(at))),
            (-719_528..=2_932_896_i64).prop_map(move |days| Value::Time(Timestamp::from_millis(days * day))),
            (-3_155_760_000..=3_155_760_000_i64).prop_map(|seconds| Value::Now(seconds * 1000)),
            (-36_525..=36_525_i64).prop_map(move |days| Value::Now(days * day)),
        ]
        .boxed(),
        _ => "[^\\p{Cc}]{1,20}|['a]{1,5}".prop_map(Value::Text).boxed(),
    };
    match operator {
        Operator::Equal | Operator::NotEqual => prop_oneof![9 => fitting, 1 => Just(Value::Null)].boxed(),
        _ => fitting,
    }
}

fn test(node: Node) -> impl Strategy<Value = Condition> {
    let fields: Vec<&'static Field> = node.fields().iter().filter(|field| field.kind != Kind::Data).collect();
    let compared = select(fields).prop_flat_map(|field| (Just(field), select(field.kind.operators())));
    compared.prop_flat_map(|(field, operator)| {
        let many = if matches!(operator, Operator::AnyOf | Operator::AllOf) { 1..5 } else { 1..2 };
        let values = vec(value(field, operator), many);
        values.prop_map(move |values| Condition::Test(Test { field, operator, values }))
    })
}

/// A condition as [`parse`] makes them.
fn condition() -> impl Strategy<Value = (Node, Condition)> {
    select(Node::ALL.to_vec()).prop_flat_map(|node| {
        let tree = test(node).prop_recursive(6, 24, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 1..5).prop_map(Condition::all),
                vec(inner.clone(), 1..5).prop_map(Condition::any),
                inner.prop_map(|inner| Condition::Not(Box::new(inner))),
            ]
        });
        (Just(node), prop_oneof![1 => Just(Condition::All(Vec::new())), 19 => tree])
    })
}

/// What a mutation puts in.
const SCRAPS: [&str; 24] = [
    "'",
    "''",
    "(",
    ")",
    "[",
    "]",
    ",",
    "and",
    " or ",
    "not ",
    "now",
    " - 7 days",
    "+",
    "-",
    "==",
    "!=",
    "<",
    "null",
    "name",
    "9999999999999999999",
    ".",
    "ä",
    "\u{0}",
    "\"",
];

fn mutated(text: &str, edits: &[(usize, usize, usize)]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for (at, gone, scrap) in edits {
        let at = at % (chars.len() + 1);
        let end = (at + gone).min(chars.len());
        chars.splice(at..end, SCRAPS[scrap % SCRAPS.len()].chars());
    }
    chars.into_iter().collect()
}

/// A text is either refused at one of its characters, or understood; then what is printed means the same.
fn sound(node: Node, text: &str) -> Result<(), TestCaseError> {
    match parse(node, text) {
        Err(fault) => {
            prop_assert!((1..=text.chars().count() + 1).contains(&fault.at), "{fault} in {text:?}");
            prop_assert!(fault.message.chars().count() < 500, "{fault}");
        }
        Ok(condition) => {
            let printed = print(&condition);
            if printed.len() <= MAX_LENGTH {
                prop_assert_eq!(parse(node, &printed), Ok(condition), "{}", printed);
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again((node, condition) in condition()) {
        let text = print(&condition);
        prop_assume!(text.len() <= MAX_LENGTH);
        prop_assert_eq!(parse(node, &text), Ok(condition), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused_at_a_character(node in select(Node::ALL.to_vec()), text in "\\PC{0,80}|[-=!<>()\\[\\],.'a-z0-9 \\x00-\\x1f]{0,80}") {
        sound(node, &text)?;
    }

    #[test]
    fn a_text_with_faults_is_read_or_refused_at_a_character(
        (node, condition) in condition(),
        edits in vec((any::<usize>(), 0..4_usize, any::<usize>()), 1..6),
    ) {
        sound(node, &mutated(&print(&condition), &edits))?;
    }
}
