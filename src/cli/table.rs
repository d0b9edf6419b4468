//! Tables for people: as wide as the terminal, or as their content where there is none.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::out;

/// The most characters of one cell; what is longer is cut, `--json` has all of it.
const MAX_CELL: usize = 300;

/// A table with these headings.
pub fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if !headings.is_empty() {
        table.set_header(headings.iter().copied());
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| cut(cell)));
    }
    table.trim_fmt()
}

/// A document as a table of its members; those that say nothing are left out.
pub fn document(document: &Value) -> String {
    let mut rows = Vec::new();
    flatten("", document, &mut rows);
    table(&[], rows)
}

fn flatten(path: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, member, rows);
            }
        }
        Value::Null => {}
        Value::Array(members) if members.is_empty() => {}
        other => rows.push(vec![path.to_owned(), text(other)]),
    }
}

/// A value in a cell.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(members) if members.iter().all(Value::is_string) => {
            members.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// The permissions of a list, as `resource:permission`.
pub fn permissions(acl: &Value) -> String {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut all = Vec::new();
    for entry in acl["entries"].as_array().into_iter().flatten() {
        for resource in texts(&entry["resource"]) {
            for permission in texts(&entry["permission"]) {
                let condition = texts(&entry["attributeKeys"]);
                let condition =
                    if condition.is_empty() { String::new() } else { format!(" if {}", condition.join("+")) };
                all.push(format!("{resource}:{permission}{condition}"));
            }
        }
    }
    all.join(", ")
}

fn cut(text: &str) -> String {
    let text = out::plain(text);
    match text.char_indices().nth(MAX_CELL) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_shown_without_what_says_nothing() {
        let shown = document(&json!({"id": "1", "phone": null, "roles": ["a:b", "c:d"], "acl": {"entries": []}}));
        let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines, [vec!["id", "1"], vec!["roles", "a:b,", "c:d"]]);
    }

    #[test]
    fn nothing_in_a_table_moves_the_cursor() {
        let shown = table(&["NAME"], [vec!["a\u{1b}[2Jb".to_owned()]]);
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }

    #[test]
    fn a_list_of_permissions_is_short() {
        let acl = json!({"entries": [
            {"resource": ["a"], "permission": ["read", "write"]},
            {"resource": ["b"], "permission": ["*"], "attributeKeys": ["region"]}
        ]});
        assert_eq!(permissions(&acl), "a:read, a:write, b:* if region");
    }
}
