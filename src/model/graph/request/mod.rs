//! What the graph is asked: the two forms of request bodies, and the queries that they are checked into.

mod check;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use utoipa::ToSchema;

pub use check::{nested, structured};

use super::{Condition, Field, Node, structured::Filter};

/// Queries of one request.
pub const MAX_QUERIES: usize = 20;
/// Navigations of one request.
pub const MAX_NAVIGATIONS: usize = 20;
/// Levels of one query, its own counted.
pub const MAX_LEVELS: usize = 4;
/// Nodes of an answer, and of each navigation from one.
pub const MAX_LIMIT: usize = 100;
/// Nodes where no limit is given.
pub const DEFAULT_LIMIT: usize = 50;
/// Longer than any cursor.
const MAX_CURSOR: usize = 4096;

/// A set of nodes, or of what an edge leads to
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct QueryInput {
    /// `identities`, `sendings` or `roles`; within a node, one of its edges
    #[schema(example = "identities")]
    pub edge: String,
    /// What the answer calls it; absent means like the edge
    #[schema(pattern = "^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
    pub alias: Option<String>,
    /// Which ones; absent means all
    #[schema(example = "type == 'principal' and lastActiveAt < now - 90 days", max_length = 8192)]
    pub filter: Option<String>,
    /// In which order: `<field> [asc|desc]`
    #[schema(example = "createdAt desc")]
    pub order_by: Option<String>,
    /// How many at most; within a node, of each node
    #[schema(minimum = 1, maximum = 100, default = 50)]
    pub limit: Option<i64>,
    /// Whether the answer says how many there are in all
    pub count: Option<bool>,
    /// The lastCursor of the page before this one; only outermost
    #[schema(max_length = 4096)]
    pub after: Option<String>,
    /// The firstCursor of the page after this one; only outermost
    #[schema(max_length = 4096)]
    pub before: Option<String>,
    /// Within a node: whether to leave out nodes from which this leads nowhere
    pub require: Option<bool>,
    /// What is shown of each; absent means all fields
    pub node: Option<NodeInput>,
}

/// What is shown of a node
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NodeInput {
    /// Its fields; none means all of them
    #[serde(default)]
    pub fields: Vec<String>,
    /// Where to go on from it
    #[serde(default)]
    #[schema(no_recursion)]
    pub navigate: Vec<QueryInput>,
}

/// A query without navigation
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StructuredInput {
    /// What is asked for
    #[schema(example = "identity", pattern = "^(identity|sending|role)$")]
    pub resource: String,
    /// Which ones: all of these tests are met
    #[serde(default)]
    pub filters: Vec<Filter>,
    /// In which order: `<field> [asc|desc]`
    #[schema(example = "createdAt desc")]
    pub order_by: Option<String>,
    /// How many at most
    #[schema(minimum = 1, maximum = 100, default = 50)]
    pub limit: Option<i64>,
    /// The lastCursor of the page before this one
    #[schema(max_length = 4096)]
    pub after: Option<String>,
    /// The firstCursor of the page after this one
    #[schema(max_length = 4096)]
    pub before: Option<String>,
}

/// A query that fits the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// What the answer calls it: the alias, or else the edge.
    pub name: String,
    /// The root set, or the edge of the node that it lies in.
    pub edge: &'static str,
    /// The other name, if one was given.
    pub alias: Option<String>,
    /// What it leads to.
    pub node: Node,
    /// Which ones.
    pub condition: Condition,
    /// By which field they are ordered, and whether from the greatest; `None`: as the node has it.
    pub order: Option<(&'static Field, bool)>,
    /// How many at most (1 to 100); of a navigation, of each parent.
    pub limit: usize,
    /// Whether to say how many there are in all.
    pub count: bool,
    /// After which cursor; never together with `before`, and never in a navigation.
    pub after: Option<String>,
    /// Before which cursor.
    pub before: Option<String>,
    /// Whether parents from which this leads nowhere are left out; only in a navigation.
    pub require: bool,
    /// What is shown of each, in this order, each once; never none.
    pub fields: Vec<&'static Field>,
    /// Where to go on from each.
    pub navigate: Vec<Query>,
}

/// Why a request is no query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Where in the body (RFC 6901).
    pub pointer: String,
    /// At which character of a filter's text, counted from 1.
    pub at: Option<usize>,
    /// What was expected and what was got.
    pub message: String,
}
