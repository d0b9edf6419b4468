//! Answers as CSV (RFC 4180): a row with the fields' names, then one row per node.
//!
//! A navigation's fields are called `roles.key`. What a node leads to expands into rows: the node's own cells are
//! repeated on each; a node that leads nowhere has one row all the same. Two navigations of one level would multiply
//! each other or stand side by side as if they belonged together, so that there may be one only.
//!
//! What a spreadsheet would execute gets an apostrophe in front: cells that begin with `=`, `+`, `-` or `@`, also after
//! blanks, quotes or in full-width forms, or with a control character. Where the list separator is a semicolon,
//! programs cut cells of a text there and at its line breaks whatever its quotes say, so that the same goes for what
//! follows one. Numbers are left alone.

use std::borrow::Cow;

use serde_json::Value;

use crate::model::graph::request::{Invalid, Query};

/// Whether a query's answer can be written as CSV; ask before it is run.
///
/// # Errors
/// Where a level has more than one navigation. The pointer takes the query for the first of its request.
pub fn check(query: &Query) -> Result<(), Invalid> {
    let (mut place, mut query) = ("/0".to_owned(), query);
    loop {
        match query.navigate.as_slice() {
            [] => return Ok(()),
            [only] => {
                place.push_str("/node/navigate/0");
                query = only;
            }
            more => {
                let message = format!("expected one navigation of a level in CSV, got {}", more.len());
                return Err(Invalid { pointer: format!("{place}/node/navigate/1"), at: None, message });
            }
        }
    }
}

/// The answer to a query, `nodes` being the objects of its answer.
///
/// Navigations are looked for in a node under their name, as an array or as an object with an array `nodes`; fields
/// whose name has dots as nested objects, or as they are. Members of sets stand between semicolons, data is JSON, and
/// what is null or absent is empty.
///
/// # Errors
/// As [`check`].
pub fn text(query: &Query, nodes: &[Value]) -> Result<String, Invalid> {
    check(query)?;
    let mut names = Vec::new();
    head(query, "", &mut names);
    let mut rows = vec![names];
    expand(query, nodes, &[], &mut rows);
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for row in &rows {
        // neither memory nor UTF-8 fails, and all rows are of one length
        let _ = writer.write_record(row.iter().map(|cell| cell.as_bytes()));
    }
    Ok(writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default())
}

fn head(query: &Query, before: &str, names: &mut Vec<String>) {
    names.extend(query.fields.iter().map(|field| format!("{before}{}", field.name)));
    if let Some(below) = query.navigate.first() {
        head(below, &format!("{before}{}.", below.name), names);
    }
}

/// Adds the rows of nodes, each of which begins with these cells.
fn expand(query: &Query, nodes: &[Value], before: &[String], rows: &mut Vec<Vec<String>>) {
    for node in nodes {
        let mut cells = before.to_vec();
        cells.extend(query.fields.iter().map(|field| value(node, field.name).map(cell).unwrap_or_default()));
        let below = query.navigate.first();
        match below.map(|below| (below, children(node, &below.name))) {
            Some((below, children)) if !children.is_empty() => expand(below, children, &cells, rows),
            _ => {
                cells.resize(cells.len() + below.map_or(0, width), String::new());
                rows.push(cells);
            }
        }
    }
}

fn width(query: &Query) -> usize {
    query.fields.len() + query.navigate.first().map_or(0, width)
}

fn children<'n>(node: &'n Value, name: &str) -> &'n [Value] {
    let found = node.get(name).and_then(|found| found.as_array().or_else(|| found.get("nodes")?.as_array()));
    found.map(Vec::as_slice).unwrap_or_default()
}

fn value<'n>(node: &'n Value, name: &str) -> Option<&'n Value> {
    node.get(name).or_else(|| name.split('.').try_fold(node, |within, part| within.get(part)))
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => harmless(text),
        Value::Array(members) => {
            let members: Vec<Cow<'_, str>> = members.iter().map(member).collect();
            harmless(&members.join(";"))
        }
        Value::Object(_) => harmless(&value.to_string()),
    }
}

fn member(value: &Value) -> Cow<'_, str> {
    value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed)
}

fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    if text.starts_with(char::is_control) {
        out.push('\'');
    }
    for part in text.split_inclusive([';', '\t', '\r', '\n']) {
        if is_formula(part) {
            out.push('\'');
        }
        out.push_str(part);
    }
    out
}

/// Whether it begins like a formula, once what does not show is left out.
fn is_formula(text: &str) -> bool {
    let unseen = |c: char| {
        c.is_whitespace() || c.is_control() || matches!(c, '"' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
    };
    let first = text.chars().find(|c| !unseen(*c));
    // full-width forms, too, and the minus sign
    first.is_some_and(|c| "=+-@\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}\u{2212}".contains(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::graph::request::{QueryInput, nested};

    fn query(input: Value) -> Query {
        nested(&[serde_json::from_value::<QueryInput>(input).unwrap()]).unwrap().remove(0)
    }

    #[test]
    fn a_navigation_expands_into_rows() {
        let query = query(json!({"edge": "identities", "node": {
            "fields": ["name", "systemClient", "properties.email", "roles"],
            "navigate": [{"edge": "roles", "alias": "role", "node": {"fields": ["key", "description"]}}],
        }}));
        let nodes = [
            json!({
                "name": "Ada \"A\", Countess",
                "systemClient": false,
                "properties": {"email": "ada@example.com"},
                "roles": ["a:x", "b:y"],
                "role": {"nodes": [{"key": "a:x", "description": null}, {"key": "b:y", "description": "line\nbreak"}]},
            }),
            json!({"name": "Bo", "properties.email": "bo@example.com", "roles": [], "role": []}),
            json!({"name": null, "role": [{"key": "c:z"}]}),
        ];
        let expected = "name,systemClient,properties.email,roles,role.key,role.description\r\n\
            \"Ada \"\"A\"\", Countess\",false,ada@example.com,a:x;b:y,a:x,\r\n\
            \"Ada \"\"A\"\", Countess\",false,ada@example.com,a:x;b:y,b:y,\"line\nbreak\"\r\n\
            Bo,,bo@example.com,,,\r\n\
            ,,,,c:z,\r\n";
        assert_eq!(text(&query, &nodes).unwrap(), expected);
    }

    #[test]
    fn an_empty_answer_has_its_head_and_an_empty_row_is_one() {
        let query = query(json!({"edge": "roles", "node": {"fields": ["description"]}}));
        assert_eq!(text(&query, &[]).unwrap(), "description\r\n");
        assert_eq!(text(&query, &[json!({"description": null})]).unwrap(), "description\r\n\"\"\r\n");
    }

    #[test]
    fn numbers_and_data_are_what_they_are() {
        let query = query(json!({"edge": "sendings", "node": {"fields": ["retryCount", "dynamic"]}}));
        let node = json!({"retryCount": -1, "dynamic": {"order": "=1"}});
        assert_eq!(text(&query, &[node]).unwrap(), "retryCount,dynamic\r\n-1,\"{\"\"order\"\":\"\"=1\"\"}\"\r\n");
    }

    #[test]
    fn a_level_has_one_navigation() {
        let two = query(json!({"edge": "identities", "node": {
            "fields": ["name"],
            "navigate": [{"edge": "roles"}, {"edge": "sessions"}],
        }}));
        let refused = check(&two).unwrap_err();
        assert_eq!(refused.pointer, "/0/node/navigate/1");
        assert_eq!(refused.message, "expected one navigation of a level in CSV, got 2");
        assert_eq!(text(&two, &[]), Err(refused));
    }

    #[test]
    fn what_spreadsheets_would_execute_is_text() {
        let table = [
            ("=1+1", "'=1+1"),
            ("+49 30 1", "'+49 30 1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t'=1"),
            ("\tx", "'\tx"),
            ("\rx", "'\rx"),
            ("  =1", "'  =1"),
            ("\u{a0}\u{feff}=1", "'\u{a0}\u{feff}=1"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("\"=1", "'\"=1"),
            ("a;=1;b", "a;'=1;b"),
            ("a\n=1", "a\n'=1"),
            ("a=1", "a=1"),
            ("ada@example.com", "ada@example.com"),
            ("2026-01-01", "2026-01-01"),
            ("", ""),
        ];
        for (given, expected) in table {
            assert_eq!(cell(&json!(given)), expected, "{given:?}");
        }
        assert_eq!(cell(&json!(["a", "=b"])), "a;'=b");
        assert_eq!(cell(&json!(["-a"])), "'-a");
    }

    proptest! {
        #[test]
        fn no_cell_is_a_formula_and_all_can_be_read_back(texts in proptest::collection::vec("[ab;,=+@\"\t\r\n\u{ff1d} -]{0,12}", 3)) {
            let query = query(json!({"edge": "roles", "node": {"fields": ["key", "description", "createdAt"]}}));
            let node = json!({"key": texts[0], "description": texts[1], "createdAt": texts[2]});
            let csv = text(&query, &[node]).unwrap();
            let mut reader = csv::Reader::from_reader(csv.as_bytes());
            let row = reader.records().next().unwrap().unwrap();
            prop_assert_eq!(row.len(), 3);
            for (cell, given) in row.iter().zip(&texts) {
                prop_assert!(!cell.split([';', '\t', '\r', '\n']).any(is_formula), "{:?}", cell);
                prop_assert_eq!(cell.replace('\'', ""), given.as_str());
            }
        }
    }
}
