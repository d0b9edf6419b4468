//! What the graph can be asked: its nodes with their fields, and conditions on those.
//!
//! A condition is a tree of tests that are known to fit their fields: both ways to ask (the text of a filter and the
//! structured form) end in [`Condition`], and what runs it need not ask again.
//!
//! A test is met or not, there is no third answer: where a field has no value, `==` to `null` is met, `!=` to anything
//! else is met, and every other test is not. `not` turns that round.

pub mod catalogue;
mod check;
pub mod filter;
pub mod request;
pub mod structured;

pub use catalogue::{Field, Kind, Node};

use super::time::Timestamp;

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operator {
    /// `==`, `eq`: the same value.
    Equal,
    /// `!=`, `ne`: not the same value.
    NotEqual,
    /// `<`, `lt`
    Less,
    /// `<=`, `le`
    LessOrEqual,
    /// `>`, `gt`
    Greater,
    /// `>=`, `ge`
    GreaterOrEqual,
    /// `anyof`, `in`: of a set, one of its members is among the values; else, the value is.
    AnyOf,
    /// `allof`: each of the values is a member of the set.
    AllOf,
    /// `contains`: of a set, the value is a member; of a text, it is a part of it.
    Contains,
    /// `startswith`, `startsWith`: the text begins like this; of a set, a member does.
    StartsWith,
}

impl Operator {
    /// All of them.
    pub const ALL: [Operator; 10] = [
        Operator::Equal,
        Operator::NotEqual,
        Operator::Less,
        Operator::LessOrEqual,
        Operator::Greater,
        Operator::GreaterOrEqual,
        Operator::AnyOf,
        Operator::AllOf,
        Operator::Contains,
        Operator::StartsWith,
    ];

    /// How the text of a filter says it.
    pub const fn text(self) -> &'static str {
        match self {
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::AnyOf => "anyof",
            Operator::AllOf => "allof",
            Operator::Contains => "contains",
            Operator::StartsWith => "startswith",
        }
    }

    /// How the structured form says it; `None`: not at all.
    pub const fn structured(self) -> Option<&'static str> {
        match self {
            Operator::Equal => Some("eq"),
            Operator::NotEqual => Some("ne"),
            Operator::Less => Some("lt"),
            Operator::LessOrEqual => Some("le"),
            Operator::Greater => Some("gt"),
            Operator::GreaterOrEqual => Some("ge"),
            Operator::AnyOf => Some("in"),
            Operator::AllOf => None,
            Operator::Contains => Some("contains"),
            Operator::StartsWith => Some("startsWith"),
        }
    }
}

/// What a field is compared to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Bool(bool),
    /// A point in time.
    Time(Timestamp),
    /// The time of the query, moved by so many milliseconds.
    Now(i64),
}

/// One comparison. It is known to fit: the field's kind has the operator, and the values are of that kind. All operators
/// but [`Operator::AnyOf`] and [`Operator::AllOf`] have one value; only [`Operator::Equal`] and [`Operator::NotEqual`]
/// know [`Value::Null`].
#[derive(Clone, Debug)]
pub struct Test {
    /// What is compared.
    pub field: &'static Field,
    /// How.
    pub operator: Operator,
    /// To what.
    pub values: Vec<Value>,
}

impl PartialEq for Test {
    fn eq(&self, other: &Test) -> bool {
        self.field.name == other.field.name && self.operator == other.operator && self.values == other.values
    }
}

/// What a node must meet.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// All of these; none: everything does.
    All(Vec<Condition>),
    /// One of these; none: nothing does.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// This comparison.
    Test(Test),
}

impl Condition {
    /// All of these: what is itself `All` is taken apart, and one alone stands for itself.
    pub fn all(parts: Vec<Condition>) -> Condition {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Condition::All(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() == 1 { flat.remove(0) } else { Condition::All(flat) }
    }

    /// One of these: what is itself `Any` is taken apart, and one alone stands for itself.
    pub fn any(parts: Vec<Condition>) -> Condition {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Condition::Any(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() == 1 { flat.remove(0) } else { Condition::Any(flat) }
    }
}
