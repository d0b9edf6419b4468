//! Answers, as they are written.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::cursor;
use crate::{
    keys::Sealer,
    model::graph::request::Query,
    store::{
        graph::{Answer, Found, Led, Scan},
        listing::Total,
    },
};

/// How a page was found
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct ScanDocument {
    /// `index` where indexes answered the condition, `rows` where rows were looked at one by one
    #[schema(pattern = "^(index|rows)$")]
    pub scan: &'static str,
    /// How many entries and rows were looked at; null for a caller who sees only some nodes
    #[schema(required)]
    pub examined: Option<usize>,
    /// False where a request's bounds ended the search early: the page has what was found, and its cursor goes on from
    /// there
    pub complete: bool,
}

impl From<Scan> for ScanDocument {
    fn from(scan: Scan) -> ScanDocument {
        let Scan { by_index, examined, complete } = scan;
        ScanDocument { scan: if by_index { "index" } else { "rows" }, examined, complete }
    }
}

/// The answer to a query of the nested form
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueryDocument {
    /// What was asked for
    pub edge: &'static str,
    /// What the query called it
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// How many there are in all, or at least are; only where `count` was asked for
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_count: Option<u64>,
    /// Whether that is exact (`exact`), or counting stopped there (`atLeast`)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_count_relation: Option<&'static str>,
    /// For `before`; null where the page is empty
    #[schema(required)]
    pub first_cursor: Option<String>,
    /// For `after`; null where the page is empty, unless the search was ended early
    #[schema(required)]
    pub last_cursor: Option<String>,
    /// The nodes with the fields that were asked for; a navigation lies in them under its alias or edge, as an object with
    /// its `nodes`, `complete`, and where it was asked for `totalCount` and `totalCountRelation`
    #[schema(value_type = Vec<Object>)]
    pub nodes: Vec<Map<String, Value>>,
    /// How the page was found
    pub meta: ScanDocument,
}

/// The answer to a query of the structured form
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemsDocument {
    /// The nodes with all their fields
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<Map<String, Value>>,
    /// How many there are in all, or at least are
    pub total_count: u64,
    /// Whether that is exact (`exact`), or counting stopped there (`atLeast`)
    pub total_count_relation: &'static str,
    /// For `before`; null where the page is empty
    #[schema(required)]
    pub first_cursor: Option<String>,
    /// For `after`; null where the page is empty, unless the search was ended early
    #[schema(required)]
    pub last_cursor: Option<String>,
    /// How the page was found
    pub meta: ScanDocument,
}

impl QueryDocument {
    /// From what was found.
    pub fn new(query: &Query, answer: Answer, sealer: &Sealer) -> QueryDocument {
        let total = answer.total.map(counted);
        QueryDocument {
            edge: query.edge,
            alias: query.alias.clone(),
            total_count: total.map(|(count, _)| count),
            total_count_relation: total.map(|(_, relation)| relation),
            first_cursor: cursor::seal(query, answer.first.as_ref(), sealer),
            last_cursor: cursor::seal(query, answer.last.as_ref(), sealer),
            nodes: answer.nodes.into_iter().map(|found| node(query, found)).collect(),
            meta: answer.scan.into(),
        }
    }
}

impl From<QueryDocument> for ItemsDocument {
    fn from(answer: QueryDocument) -> ItemsDocument {
        ItemsDocument {
            items: answer.nodes,
            total_count: answer.total_count.unwrap_or_default(),
            total_count_relation: answer.total_count_relation.unwrap_or("atLeast"),
            first_cursor: answer.first_cursor,
            last_cursor: answer.last_cursor,
            meta: answer.meta,
        }
    }
}

fn counted(total: Total) -> (u64, &'static str) {
    match total {
        Total::Exact(count) => (count, "exact"),
        Total::AtLeast(count) => (count, "atLeast"),
    }
}

fn node(query: &Query, found: Found) -> Map<String, Value> {
    let mut node = found.fields;
    for (navigation, led) in query.navigate.iter().zip(found.navigated) {
        node.insert(navigation.name.clone(), Value::Object(there(led)));
    }
    node
}

fn there(led: Led) -> Map<String, Value> {
    let mut there = Map::new();
    if let Some((count, relation)) = led.total.map(counted) {
        there.insert("totalCount".to_owned(), count.into());
        there.insert("totalCountRelation".to_owned(), relation.into());
    }
    there.insert("complete".to_owned(), (!led.cut).into());
    there.insert("nodes".to_owned(), led.nodes.into_iter().map(Value::Object).collect());
    there
}
