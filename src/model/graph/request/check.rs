//! Whether a request fits the graph.

use super::{
    DEFAULT_LIMIT, Invalid, MAX_CURSOR, MAX_LEVELS, MAX_LIMIT, MAX_NAVIGATIONS, MAX_QUERIES, Query, QueryInput,
    StructuredInput,
};
use crate::model::{
    graph::{
        Field, Node,
        catalogue::Edge,
        check::{self, choice, unknown},
        filter, structured as tests,
    },
    id::shown,
};

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
    let condition = tests::condition(node, &input.filters)
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
        if fields.iter().any(taken) {
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
