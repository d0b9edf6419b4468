//! A condition as the text of a filter.

use std::fmt::Write;

use super::duration::UNITS;
use crate::model::graph::{Condition, Operator, Test, Value};

/// What binds the condition that is to be printed: the tighter, the sooner it needs parentheses.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Bond {
    Or,
    And,
    Not,
}

/// The text of a condition; [`parse`](super::parse) makes the same condition of it. It has no more parentheses than it
/// needs, times in UTC, and durations as one number.
///
/// `All` and `Any` without parts, other than an `All` outermost, come from no text, and have none that could be read
/// again.
pub fn print(condition: &Condition) -> String {
    let mut out = String::new();
    if *condition != Condition::All(Vec::new()) {
        put(&mut out, condition, Bond::Or);
    }
    out
}

fn put(out: &mut String, condition: &Condition, bond: Bond) {
    match condition {
        Condition::Test(test) => put_test(out, test),
        Condition::Not(inner) => {
            out.push_str("not ");
            put(out, inner, Bond::Not);
        }
        Condition::All(parts) => put_parts(out, parts, " and ", Bond::And, bond),
        Condition::Any(parts) => put_parts(out, parts, " or ", Bond::Or, bond),
    }
}

fn put_parts(out: &mut String, parts: &[Condition], between: &str, own: Bond, bond: Bond) {
    let wrapped = bond > own || parts.is_empty();
    if wrapped {
        out.push('(');
    }
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            out.push_str(between);
        }
        put(out, part, own);
    }
    if wrapped {
        out.push(')');
    }
}

fn put_test(out: &mut String, test: &Test) {
    let _ = write!(out, "{} {} ", test.field.name, test.operator.text());
    let list = matches!(test.operator, Operator::AnyOf | Operator::AllOf);
    if list {
        out.push('[');
    }
    for (n, value) in test.values.iter().enumerate() {
        if n > 0 {
            out.push_str(", ");
        }
        put_value(out, value);
    }
    if list {
        out.push(']');
    }
}

fn put_value(out: &mut String, value: &Value) {
    let _ = match value {
        Value::Null => write!(out, "null"),
        Value::Text(text) => write!(out, "'{}'", text.replace('\'', "''")),
        Value::Number(number) => write!(out, "{number}"),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Time(time) => {
            let text = time.rfc3339();
            match (text.strip_suffix("T00:00:00.000Z"), text.strip_suffix(".000Z")) {
                (Some(date), _) => write!(out, "'{date}'"),
                (None, Some(seconds)) => write!(out, "'{seconds}Z'"),
                (None, None) => write!(out, "'{text}'"),
            }
        }
        Value::Now(0) => write!(out, "now"),
        Value::Now(moved) => {
            let sign = if *moved < 0 { '-' } else { '+' };
            let length = moved.unsigned_abs();
            let (name, unit) =
                UNITS.iter().rev().find(|(_, unit)| length.is_multiple_of(unit.unsigned_abs())).unwrap_or(&UNITS[0]);
            let count = length / unit.unsigned_abs();
            let many = if count == 1 { "" } else { "s" };
            write!(out, "now {sign} {count} {name}{many}")
        }
    };
}
