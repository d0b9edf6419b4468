//! What the graph is asked: the two forms of request bodies, and the queries that they are checked into.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Condition, Field, Node,
    catalogue::Edge,
    check::{self, choice, unknown},
    filter,
    structured::{self, Filter},
};
use crate::model::id::shown;

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

impl Invalid {
    fn new(pointer: String, message: impl Into<String>) -> Invalid {
        Invalid { pointer, at: None, message: message.into() }
    }
}

/// Checks a request of the nested form: 1 to 20 queries.
///
/// # Errors
/// The first thing that does not fit.
pub fn nested(input: &[QueryInput]) -> Result<Vec<Query>, Invalid> {
    if !(1..=MAX_QUERIES).contains(&input.len()) {
        let message = format!("expected 1 to {MAX_QUERIES} queries, got {}", input.len());
        return Err(Invalid::new(String::new(), message));
    }
    measure(input, "", 1, &mut 0)?;
    let roots = Node::ALL.into_iter().filter_map(|node| node.root().map(|root| (root, node))).collect();
    level(input, "", &roots)
}

/// Checks a request of the structured form. The query counts, and shows all fields.
///
/// # Errors
/// The first thing that does not fit.
pub fn structured(input: &StructuredInput) -> Result<Query, Invalid> {
    let rooted = Node::ALL.into_iter().filter_map(|node| node.root().map(|root| (node, root)));
    let found = rooted.clone().find(|(node, _)| node.name() == input.resource);
    let (node, edge) = found.ok_or_else(|| {
        let known: Vec<&'static str> = rooted.map(|(node, _)| node.name()).collect();
        Invalid::new("/resource".to_owned(), unknown("a resource", &input.resource, &known))
    })?;
    let condition = structured::condition(node, &input.filters)
        .map_err(|(filter, member, message)| Invalid::new(format!("/filters/{filter}/{member}"), message))?;
    cursors("", input.after.as_deref(), input.before.as_deref())?;
    Ok(Query {
        name: edge.to_owned(),
        edge,
        alias: None,
        node,
        condition,
        order: order("", node, input.order_by.as_deref())?,
        limit: limit("", input.limit)?,
        count: true,
        after: input.after.clone(),
        before: input.before.clone(),
        require: false,
        fields: node.fields().iter().collect(),
        navigate: Vec::new(),
    })
}

/// Bounds levels and navigations before anything else is looked at.
fn measure(queries: &[QueryInput], place: &str, level: usize, navigations: &mut usize) -> Result<(), Invalid> {
    for (n, query) in queries.iter().enumerate() {
        let place = format!("{place}/{n}");
        if level > 1 {
            *navigations += 1;
        }
        if *navigations > MAX_NAVIGATIONS {
            return Err(Invalid::new(place, format!("expected at most {MAX_NAVIGATIONS} navigations, got more")));
        }
        if level > MAX_LEVELS {
            return Err(Invalid::new(place, format!("expected at most {MAX_LEVELS} levels, got more")));
        }
        if let Some(node) = &query.node {
            measure(&node.navigate, &format!("{place}/node/navigate"), level + 1, navigations)?;
        }
    }
    Ok(())
}

/// What can be asked for at a place: its name, where it leads.
type Known = Vec<(&'static str, Node)>;

/// The queries of one level: the root's, or those of a node.
fn level(input: &[QueryInput], place: &str, known: &Known) -> Result<Vec<Query>, Invalid> {
    let outermost = place.is_empty();
    let mut queries: Vec<Query> = Vec::with_capacity(input.len());
    for (n, input) in input.iter().enumerate() {
        let place = format!("{place}/{n}");
        let query = query(input, &place, known, outermost)?;
        if queries.iter().any(|other| other.name == query.name) {
            let message = format!("expected another alias, since there is a result with the name '{}'", query.name);
            return Err(Invalid::new(named(&place, input), message));
        }
        queries.push(query);
    }
    Ok(queries)
}

/// Where the name of a result was given.
fn named(place: &str, input: &QueryInput) -> String {
    format!("{place}/{}", if input.alias.is_some() { "alias" } else { "edge" })
}

fn query(input: &QueryInput, place: &str, known: &Known, outermost: bool) -> Result<Query, Invalid> {
    let Some((edge, node)) = known.iter().find(|(edge, _)| *edge == input.edge).copied() else {
        let names: Vec<&'static str> = known.iter().map(|(edge, _)| *edge).collect();
        return Err(Invalid::new(format!("{place}/edge"), unknown("an edge", &input.edge, &names)));
    };
    if let Some(alias) = input.alias.as_deref().filter(|alias| !is_alias(alias)) {
        let expected = "expected 1 to 64 letters, digits or '_', not beginning with a digit";
        return Err(Invalid::new(format!("{place}/alias"), format!("{expected}, got '{}'", shown(alias))));
    }
    let condition = filter::parse(node, input.filter.as_deref().unwrap_or_default()).map_err(|fault| Invalid {
        pointer: format!("{place}/filter"),
        at: Some(fault.at),
        message: fault.message,
    })?;
    cursors(place, input.after.as_deref(), input.before.as_deref())?;
    if !outermost
        && let Some((_, cursor)) =
            [(&input.after, "after"), (&input.before, "before")].iter().find(|(c, _)| c.is_some())
    {
        return Err(Invalid::new(
            format!("{place}/{cursor}"),
            "expected a cursor only outermost, got one in a navigation",
        ));
    }
    if outermost && input.require == Some(true) {
        return Err(Invalid::new(
            format!("{place}/require"),
            "expected require only in a navigation, got it outermost",
        ));
    }
    let shown = input.node.as_ref();
    let fields = fields(place, node, shown.map(|node| node.fields.as_slice()).unwrap_or_default())?;
    let navigate = shown.map(|node| node.navigate.as_slice()).unwrap_or_default();
    let below = format!("{place}/node/navigate");
    let edges: Known = node.edges().iter().map(|Edge { name, node, .. }| (*name, *node)).collect();
    Ok(Query {
        name: input.alias.clone().unwrap_or_else(|| edge.to_owned()),
        edge,
        alias: input.alias.clone(),
        node,
        condition,
        order: order(place, node, input.order_by.as_deref())?,
        limit: limit(place, input.limit)?,
        count: input.count.unwrap_or(false),
        after: input.after.clone(),
        before: input.before.clone(),
        require: input.require.unwrap_or(false),
        navigate: navigations(navigate, &below, &edges, &fields)?,
        fields,
    })
}

/// A node's navigations, which are shown beside its fields.
fn navigations(
    input: &[QueryInput],
    place: &str,
    edges: &Known,
    fields: &[&'static Field],
) -> Result<Vec<Query>, Invalid> {
    let queries = level(input, place, edges)?;
    for (n, (query, input)) in queries.iter().zip(input).enumerate() {
        // what a field with dots is shown within is taken, too
        let taken = |field: &&Field| field.name.split('.').next() == Some(query.name.as_str());
        if fields.iter().any(|field| taken(field)) {
            let message = format!("expected another alias, since the field '{}' is shown, too", query.name);
            return Err(Invalid::new(named(&format!("{place}/{n}"), input), message));
        }
    }
    Ok(queries)
}

fn is_alias(text: &str) -> bool {
    let word = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    word && text.len() <= 64 && text.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

fn cursors(place: &str, after: Option<&str>, before: Option<&str>) -> Result<(), Invalid> {
    if after.is_some() && before.is_some() {
        return Err(Invalid::new(format!("{place}/before"), "expected after or before, got both"));
    }
    for (name, cursor) in [("after", after), ("before", before)] {
        if let Some(length) = cursor.map(str::len).filter(|length| *length > MAX_CURSOR) {
            let message = format!("expected at most {MAX_CURSOR} characters, got {length}");
            return Err(Invalid::new(format!("{place}/{name}"), message));
        }
    }
    Ok(())
}

fn limit(place: &str, limit: Option<i64>) -> Result<usize, Invalid> {
    let Some(given) = limit else { return Ok(DEFAULT_LIMIT) };
    match usize::try_from(given) {
        Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        _ => {
            Err(Invalid::new(format!("{place}/limit"), format!("expected a limit from 1 to {MAX_LIMIT}, got {given}")))
        }
    }
}

fn order(place: &str, node: Node, text: Option<&str>) -> Result<Option<(&'static Field, bool)>, Invalid> {
    let Some(text) = text else { return Ok(None) };
    let mut words = text.split_whitespace();
    let name = words.next().unwrap_or_default();
    let field = node.field(name).filter(|field| field.ordered);
    let descends = match words.next() {
        None | Some("asc") => Some(false),
        Some("desc") => Some(true),
        Some(_) => None,
    };
    match (field, descends, words.next()) {
        (Some(field), Some(descends), None) => Ok(Some((field, descends))),
        _ => {
            let ordered = node.fields().iter().filter(|field| field.ordered);
            let names: Vec<&str> = ordered.map(|field| field.name).collect();
            let message = format!("expected {} with or without asc or desc, got '{}'", choice(&names), shown(text));
            Err(Invalid::new(format!("{place}/orderBy"), message))
        }
    }
}

fn fields(place: &str, node: Node, names: &[String]) -> Result<Vec<&'static Field>, Invalid> {
    if names.is_empty() {
        return Ok(node.fields().iter().collect());
    }
    let mut fields: Vec<&'static Field> = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let at = |message| Invalid::new(format!("{place}/node/fields/{n}"), message);
        let field = check::field(node, name).map_err(at)?;
        if fields.iter().any(|other| other.name == field.name) {
            return Err(at(format!("expected each field once, got {} again", field.name)));
        }
        fields.push(field);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(input: Value) -> Result<Vec<Query>, Invalid> {
        nested(&serde_json::from_value::<Vec<QueryInput>>(input).unwrap())
    }

    fn names(fields: &[&'static Field]) -> Vec<&'static str> {
        fields.iter().map(|field| field.name).collect()
    }

    #[test]
    fn a_request_of_the_nested_form_is_understood() {
        let queries = read(json!([
            {
                "edge": "identities",
                "alias": "idle",
                "filter": "type == 'principal' and lastActiveAt < now - 90 days",
                "orderBy": "createdAt desc",
                "limit": 10,
                "count": true,
                "after": "c",
                "node": {
                    "fields": ["identityId", "properties.email"],
                    "navigate": [
                        {"edge": "roles", "require": true, "orderBy": "key", "node": {"fields": ["key"]}},
                        {"edge": "sessions", "alias": "open_1", "filter": "expiresAt > now"},
                    ],
                },
            },
            {"edge": "sendings"},
        ]))
        .unwrap();
        let [idle, sendings] = queries.as_slice() else { unreachable!() };
        assert_eq!((idle.name.as_str(), idle.edge, idle.node, idle.limit), ("idle", "identities", Node::Identity, 10));
        assert_eq!(idle.order.map(|(field, descends)| (field.name, descends)), Some(("createdAt", true)));
        assert_eq!((idle.count, idle.after.as_deref(), idle.before.as_deref()), (true, Some("c"), None));
        assert_eq!(names(&idle.fields), ["identityId", "properties.email"]);
        let [roles, open] = idle.navigate.as_slice() else { unreachable!() };
        assert_eq!((roles.name.as_str(), roles.node, roles.require, roles.limit), ("roles", Node::Role, true, 50));
        assert_eq!(
            (open.name.as_str(), open.edge, open.node, open.require),
            ("open_1", "sessions", Node::Session, false)
        );
        assert_eq!(names(&open.fields), names(&Node::Session.fields().iter().collect::<Vec<_>>()));
        assert_eq!((sendings.name.as_str(), sendings.count, sendings.order), ("sendings", false, None));
        assert_eq!(sendings.condition, Condition::All(Vec::new()));
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        let within =
            |navigate: Value| json!({"edge": "identities", "node": {"fields": ["identityId"], "navigate": navigate}});
        let role = json!({"edge": "roles"});
        let deep = within(json!([within(json!([within(json!([within(json!([role]))]))]))]));
        let wide: Vec<Value> = (0..21).map(|n| json!({"edge": "roles", "alias": format!("r{n}")})).collect();
        let table = [
            (json!([]), "", "expected 1 to 20 queries, got 0"),
            (json!(vec![role.clone(); 21]), "", "expected 1 to 20 queries, got 21"),
            (json!([{"edge": "identity"}]), "/0/edge", "expected an edge, got 'identity'; did you mean identities?"),
            (
                json!([{"edge": "sessions"}]),
                "/0/edge",
                "expected an edge, got 'sessions'; there are identities, sendings, roles",
            ),
            (
                json!([role, {"edge": "roles"}]),
                "/1/edge",
                "expected another alias, since there is a result with the name 'roles'",
            ),
            (
                json!([role, {"edge": "sendings", "alias": "roles"}]),
                "/1/alias",
                "expected another alias, since there is a result with the name 'roles'",
            ),
            (
                json!([{"edge": "roles", "alias": "1a"}]),
                "/0/alias",
                "expected 1 to 64 letters, digits or '_', not beginning with a digit, got '1a'",
            ),
            (
                json!([{"edge": "roles", "alias": ""}]),
                "/0/alias",
                "expected 1 to 64 letters, digits or '_', not beginning with a digit, got ''",
            ),
            (json!([{"edge": "roles", "limit": 0}]), "/0/limit", "expected a limit from 1 to 100, got 0"),
            (json!([{"edge": "roles", "limit": 101}]), "/0/limit", "expected a limit from 1 to 100, got 101"),
            (json!([{"edge": "roles", "limit": -1}]), "/0/limit", "expected a limit from 1 to 100, got -1"),
            (
                json!([{"edge": "roles", "orderBy": "description"}]),
                "/0/orderBy",
                "expected key with or without asc or desc, got 'description'",
            ),
            (
                json!([{"edge": "roles", "orderBy": "key up"}]),
                "/0/orderBy",
                "expected key with or without asc or desc, got 'key up'",
            ),
            (
                json!([{"edge": "roles", "orderBy": ""}]),
                "/0/orderBy",
                "expected key with or without asc or desc, got ''",
            ),
            (
                json!([{"edge": "roles", "orderBy": "key asc desc"}]),
                "/0/orderBy",
                "expected key with or without asc or desc, got 'key asc desc'",
            ),
            (
                json!([{"edge": "roles", "after": "a", "before": "b"}]),
                "/0/before",
                "expected after or before, got both",
            ),
            (
                json!([{"edge": "roles", "after": "a".repeat(4097)}]),
                "/0/after",
                "expected at most 4096 characters, got 4097",
            ),
            (
                json!([{"edge": "roles", "require": true}]),
                "/0/require",
                "expected require only in a navigation, got it outermost",
            ),
            (
                json!([role, {"edge": "sendings", "node": {"fields": ["statsu"]}}]),
                "/1/node/fields/0",
                "expected a field of sending, got 'statsu'; did you mean status?",
            ),
            (
                json!([{"edge": "roles", "node": {"fields": ["key", "key"]}}]),
                "/0/node/fields/1",
                "expected each field once, got key again",
            ),
            (
                json!([{"edge": "roles", "node": {"navigate": [role]}}]),
                "/0/node/navigate/0/edge",
                "expected an edge, got 'roles'; there is none",
            ),
            (
                json!([within(json!([{"edge": "role"}]))]),
                "/0/node/navigate/0/edge",
                "expected an edge, got 'role'; did you mean roles?",
            ),
            (
                json!([within(json!([{"edge": "roles", "after": "a"}]))]),
                "/0/node/navigate/0/after",
                "expected a cursor only outermost, got one in a navigation",
            ),
            (
                json!([{"edge": "identities", "node": {"navigate": [role]}}]),
                "/0/node/navigate/0/edge",
                "expected another alias, since the field 'roles' is shown, too",
            ),
            (
                json!([{"edge": "identities", "node": {"navigate": [{"edge": "roles", "alias": "properties"}]}}]),
                "/0/node/navigate/0/alias",
                "expected another alias, since the field 'properties' is shown, too",
            ),
            (
                json!([within(json!([role, role]))]),
                "/0/node/navigate/1/edge",
                "expected another alias, since there is a result with the name 'roles'",
            ),
            (json!([within(json!(wide))]), "/0/node/navigate/20", "expected at most 20 navigations, got more"),
            (
                json!([deep]),
                "/0/node/navigate/0/node/navigate/0/node/navigate/0/node/navigate/0",
                "expected at most 4 levels, got more",
            ),
        ];
        for (input, pointer, message) in table {
            let expected = Invalid { pointer: pointer.to_owned(), at: None, message: message.to_owned() };
            assert_eq!(read(input.clone()).unwrap_err(), expected, "{input}");
        }
        let fault = read(json!([{"edge": "roles", "filter": "key = 'a'"}])).unwrap_err();
        assert_eq!((fault.pointer.as_str(), fault.at), ("/0/filter", Some(5)));
    }

    #[test]
    fn a_request_of_the_structured_form_is_understood_or_told_where_it_is_wrong() {
        let read = |input: Value| structured(&serde_json::from_value(input).unwrap());
        let query = read(json!({
            "resource": "identity",
            "filters": [{"field": "roles", "op": "contains", "value": "system:portal:full"}],
            "limit": 50,
        }))
        .unwrap();
        assert_eq!((query.edge, query.node, query.count, query.limit), ("identities", Node::Identity, true, 50));
        assert_eq!(query.condition, filter::parse(Node::Identity, "roles contains 'system:portal:full'").unwrap());
        assert_eq!(query.fields.len(), Node::Identity.fields().len());
        let table = [
            (json!({"resource": "rol"}), "/resource"),
            (json!({"resource": "session"}), "/resource"),
            (json!({"resource": "role", "filters": [{"field": "key", "op": "eq", "value": 1}]}), "/filters/0/value"),
            (json!({"resource": "role", "orderBy": "system"}), "/orderBy"),
            (json!({"resource": "role", "limit": 1000}), "/limit"),
            (json!({"resource": "role", "after": "", "before": ""}), "/before"),
        ];
        for (input, pointer) in table {
            assert_eq!(read(input.clone()).unwrap_err().pointer, pointer, "{input}");
        }
    }

    #[test]
    fn unknown_members_are_refused() {
        assert!(serde_json::from_value::<QueryInput>(json!({"edge": "roles", "first": 1})).is_err());
        assert!(serde_json::from_value::<NodeInput>(json!({"field": []})).is_err());
        assert!(serde_json::from_value::<StructuredInput>(json!({"resource": "role", "filter": ""})).is_err());
    }
}
