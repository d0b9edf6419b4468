//! `GET /resources/graph/meta`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::access;
use crate::{
    model::graph::{Field, Kind, Node, Operator, catalogue::Edge, request},
    web::{
        answer,
        caller::{Caller, need::GraphRead},
        problem::Declined,
        query::Flags,
    },
};

/// What the graph can be asked
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct GraphDocument {
    /// The kinds of nodes
    pub nodes: Vec<NodeDocument>,
    /// How much can be asked at once
    pub bounds: BoundsDocument,
}

/// A kind of node
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NodeDocument {
    /// Its name, which the structured form calls its resource
    pub name: &'static str,
    /// The set of all of them, where a query can begin; null where only edges lead to them
    #[schema(required)]
    pub set: Option<&'static str>,
    /// What reading them needs
    pub permission: String,
    /// Its fields
    pub fields: Vec<FieldDocument>,
    /// Where it leads
    pub edges: Vec<EdgeDocument>,
}

/// A field of a node
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldDocument {
    /// What it is called
    pub name: &'static str,
    /// What it holds: `text`, `set`, `number`, `boolean`, `time` or `data`
    pub r#type: &'static str,
    /// Whether upper and lower case are the same to it
    pub caseless: bool,
    /// The only texts that it holds, if it holds only some
    pub values: Vec<&'static str>,
    /// How the text of a filter compares it
    pub operators: Vec<&'static str>,
    /// With which of these an index finds nodes; others look at nodes one by one, and so do these where an index has
    /// thousands that do not lie in the order that is asked for
    pub indexed: Vec<&'static str>,
    /// Whether nodes can be ordered by it
    pub ordered: bool,
    /// What it says
    pub meaning: &'static str,
}

/// An edge from a node to others
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EdgeDocument {
    /// What it is called
    pub name: &'static str,
    /// The kind of node to which it leads
    pub node: &'static str,
    /// Which ones are there
    pub meaning: &'static str,
}

/// How much can be asked at once
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BoundsDocument {
    /// Queries of a request
    pub queries: usize,
    /// Nodes of a page
    pub limit: usize,
    /// Nodes that a request may ask for, with those that navigations lead to
    pub nodes: usize,
    /// Entries and rows that a request may look at; where they do not suffice, the answer is not `complete`
    pub rows: usize,
    /// Up to how many nodes are counted where a filter is given
    pub count: usize,
    /// Events of an identity among which a filter of `activityLogs` looks, of those that it made and of those about it
    pub events: usize,
    /// Bytes of a request
    pub bytes: usize,
}

/// Which sets, fields, operators and edges there are, and which of them indexes answer
#[utoipa::path(
    get, path = "/resources/graph/meta", operation_id = "describeGraph", tag = "graph",
    responses((status = 200, body = GraphDocument)),
    security(("oauth" = ["graph/identity:read"]), ("oauth" = ["graph/sending:read"]), ("oauth" = ["graph/role:read"]))
)]
pub async fn get(_caller: Caller<GraphRead>, req: HttpRequest) -> Result<HttpResponse, Declined> {
    Flags::read(&req, &[])?;
    let nodes = Node::ALL.into_iter().map(node).collect();
    let bounds = BoundsDocument {
        queries: request::MAX_QUERIES,
        limit: request::MAX_LIMIT,
        nodes: super::query::MAX_NODES,
        rows: super::query::BOUNDS.rows,
        count: crate::store::listing::BOUND,
        events: crate::store::graph::EVENTS,
        bytes: super::BODY,
    };
    Ok(answer::value(StatusCode::OK, &GraphDocument { nodes, bounds }))
}

fn node(node: Node) -> NodeDocument {
    NodeDocument {
        name: node.name(),
        set: node.root(),
        permission: format!("{}:read", access::resource(node)),
        fields: node.fields().iter().map(field).collect(),
        edges: node.edges().iter().map(edge).collect(),
    }
}

fn field(field: &Field) -> FieldDocument {
    let texts = |operators: &[Operator]| operators.iter().map(|operator| operator.text()).collect();
    FieldDocument {
        name: field.name,
        r#type: match field.kind {
            Kind::Text | Kind::Caseless | Kind::Word(_) => "text",
            Kind::Set => "set",
            Kind::Number => "number",
            Kind::Bool => "boolean",
            Kind::Time => "time",
            Kind::Data => "data",
        },
        caseless: field.kind == Kind::Caseless,
        values: if let Kind::Word(words) = field.kind { words.to_vec() } else { Vec::new() },
        operators: texts(field.kind.operators()),
        indexed: texts(field.indexed),
        ordered: field.ordered,
        meaning: field.meaning,
    }
}

fn edge(edge: &Edge) -> EdgeDocument {
    EdgeDocument { name: edge.name, node: edge.node.name(), meaning: edge.meaning }
}
