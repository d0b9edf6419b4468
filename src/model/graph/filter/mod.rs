//! The text of a filter, as in `type == 'principal' and lastActiveAt < now - 90 days`.
//!
//! ```text
//! filter   = [ or ]                                         blank: everything
//! or       = and { "or" and }
//! and      = not { "and" not }
//! not      = "not" not | "(" or ")" | test
//! test     = field ( "==" | "!=" | "<" | "<=" | ">" | ">=" | "contains" | "startswith" ) value
//!          | field ( "anyof" | "allof" ) "[" value { "," value } "]"
//! value    = text | [ "-" ] number | "true" | "false" | "null" | now
//! now      = "now" { ( "+" | "-" ) number ( "second" | "minute" | "hour" | "day" | "week" ) [ "s" ] }
//! text     = "'" { character | "''" } "'"
//! ```
//!
//! Keywords and units may be written in any case, names of fields may not. Between parts there may be blanks. A time is
//! a text: RFC 3339, or a date alone, which is its midnight in UTC. Which operators and values a field takes, the
//! catalogue says; no field takes an empty text for `startswith`, nor one that is no set for `contains`.

mod duration;
mod lexer;
mod parser;
mod print;
#[cfg(test)]
mod tests;

use std::fmt;

pub use print::print;

use super::{Condition, Node};

/// Bytes of a text.
pub const MAX_LENGTH: usize = 8192;
/// Levels of `not` and parentheses.
pub const MAX_DEPTH: usize = 32;

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
/// `All` and `Any` in it have two parts or more (but for the one of a blank text), none of which is of the same sort.
///
/// # Errors
/// Where the text is no filter, names what the node does not have, or goes beyond a bound: [`MAX_LENGTH`] bytes,
/// [`MAX_DEPTH`] levels, 100 comparisons, 100 values in a list, 1000 characters in a text, 36525 days from now.
pub fn parse(node: Node, text: &str) -> Result<Condition, Fault> {
    if text.len() > MAX_LENGTH {
        let within = text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= MAX_LENGTH).count();
        let message = format!("expected at most {MAX_LENGTH} bytes, got {}", text.len());
        return Err(Fault { at: within + 1, message });
    }
    parser::Parser::new(node, &lexer::tokens(text)).whole()
}
