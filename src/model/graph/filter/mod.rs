//! The text of a filter, as in `type == 'principal' and lastActiveAt < now - 90 days`.

use std::fmt;

use super::{Condition, Node};

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The character at which it is seen, counted from 1; one after the last where something is missing at the end.
    pub at: usize,
    /// What was expected and what was got.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}: {}", self.at, self.message)
    }
}

impl std::error::Error for Fault {}

/// The condition that a text puts on a node. A blank text puts none.
///
/// # Errors
/// Where the text is no filter, names what the node does not have, or goes beyond a bound.
pub fn parse(_node: Node, _text: &str) -> Result<Condition, Fault> {
    Ok(Condition::All(Vec::new()))
}

/// The text of a condition.
pub fn print(_condition: &Condition) -> String {
    String::new()
}
