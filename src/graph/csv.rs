//! Answers as CSV (RFC 4180).

use serde_json::Value;

use crate::model::graph::request::{Invalid, Query};

/// Whether a query's answer can be written as CSV; ask before it is run.
///
/// # Errors
/// Where a level has more than one navigation.
pub fn check(_query: &Query) -> Result<(), Invalid> {
    Ok(())
}

/// The answer to a query, `nodes` being the objects of its answer: a row with the fields' names, then the values.
///
/// Navigations are looked for in a node under their name, as an array or as an object with an array `nodes`; fields
/// whose name has dots as nested objects, or as they are.
///
/// # Errors
/// As [`check`].
pub fn text(_query: &Query, _nodes: &[Value]) -> Result<String, Invalid> {
    Ok(String::new())
}
