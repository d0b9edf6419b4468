//! What the commands for principals, clients and roles share: lists, one document, its change and its end.

use std::{io::Read, path::PathBuf};

use clap::Args;
use serde_json::{Map, Value};

use super::{
    Refused, out,
    place::{Kind, Place, PlaceArgs},
    table,
};
use crate::directory::Precondition;

/// The most bytes of a document that is read.
const MAX_DOCUMENT: u64 = 16 << 20;
/// Rows of a page.
const PAGE: usize = 100;

/// The flags of a command that shows one object.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// Print the API's document as JSON
    #[arg(long)]
    pub json: bool,
    /// Where to act
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// The flags of a command that deletes one object.
#[derive(Args, Debug)]
pub struct DeleteArgs {
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Only this version (the eTag that was read)
    #[arg(long, value_name = "ETAG", allow_hyphen_values = true)]
    pub if_match: Option<String>,
    /// Where to act
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// The flags by which any member of a document is set.
#[derive(Args, Debug, Default)]
pub struct FieldArgs {
    /// A member of the API's document: name=Ada, properties.locale=en, or JSON: roles='["support:agent"]', phone=null;
    /// may be repeated
    #[arg(long = "field", value_name = "PATH=VALUE")]
    fields: Vec<String>,
    /// A file with a document in JSON whose members are set; - is standard input. Flags count before it
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl FieldArgs {
    /// The members that the file, then `said`, then `--field` give.
    ///
    /// # Errors
    /// [`Refused`] where file or fields cannot be read.
    pub fn body(&self, said: Map<String, Value>) -> anyhow::Result<Map<String, Value>> {
        let mut body = match &self.file {
            Some(path) => {
                let text = read(path, "--file")?;
                match serde_json::from_str(&text) {
                    Ok(Value::Object(body)) => body,
                    Ok(_) => return Err(Refused(vec!["--file: expected an object".to_owned()]).into()),
                    Err(fault) => return Err(Refused(vec![format!("--file: expected JSON: {fault}")]).into()),
                }
            }
            None => Map::new(),
        };
        body.extend(said);
        for field in &self.fields {
            set(&mut body, field).map_err(|fault| Refused(vec![format!("--field: {fault}")]))?;
        }
        Ok(body)
    }
}

/// Sets `a.b=value`; the value is JSON where it can be read as such, else a text.
fn set(body: &mut Map<String, Value>, field: &str) -> Result<(), String> {
    let (path, value) = field
        .split_once('=')
        .ok_or_else(|| format!("expected PATH=VALUE, got '{}'", crate::model::id::shown(field)))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    let mut members = body;
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        if name.is_empty() {
            return Err(format!("expected a member before '=', got '{}'", crate::model::id::shown(path)));
        }
        if names.peek().is_none() {
            members.insert(name.to_owned(), value);
            return Ok(());
        }
        let next = members.entry(name).or_insert_with(|| Value::Object(Map::new()));
        members = next.as_object_mut().ok_or_else(|| format!("'{name}' is no object"))?;
    }
    Ok(())
}

/// The text of a file, or of standard input for `-`.
///
/// # Errors
/// [`Refused`] where it cannot be read, is no UTF-8, or too large.
pub fn read(path: &std::path::Path, flag: &str) -> Result<String, Refused> {
    let mut text = String::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().take(MAX_DOCUMENT + 1).read_to_string(&mut text),
        false => std::fs::File::open(path).and_then(|file| file.take(MAX_DOCUMENT + 1).read_to_string(&mut text)),
    };
    match read {
        Err(error) => Err(Refused(vec![format!("{flag}: cannot read {}: {error}", path.display())])),
        Ok(length) if length as u64 > MAX_DOCUMENT => {
            Err(Refused(vec![format!("{flag}: {} is larger than {MAX_DOCUMENT} bytes", path.display())]))
        }
        Ok(_) => Ok(text),
    }
}

/// Walks over a list, page by page, up to `limit` rows; `total` is what the list says it has.
///
/// # Errors
/// The place's.
pub async fn walk(
    place: &Place,
    kind: Kind,
    query: &[(&str, String)],
    limit: Option<usize>,
    mut each: impl FnMut(Vec<Value>, u64) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut left = limit.unwrap_or(usize::MAX);
    let mut after: Option<String> = None;
    while left > 0 {
        let mut query = query.to_vec();
        query.push(("limit", left.min(PAGE).to_string()));
        query.extend(after.iter().map(|cursor| ("after", cursor.clone())));
        let mut page = place.list(kind, &query).await?;
        let Value::Array(rows) = page[kind.plural()].take() else {
            anyhow::bail!("the list of {} has another form than expected", kind.plural());
        };
        let (count, full) = (rows.len(), rows.len() == left.min(PAGE));
        each(rows, page["totalCount"].as_u64().unwrap_or_default())?;
        left -= count.min(left);
        let last = page["lastCursor"].as_str().map(str::to_owned);
        match full && last.is_some() && last != after {
            true => after = last,
            false => break,
        }
    }
    Ok(())
}

/// A table's headings, and what makes a row of a document.
pub type Columns<'c> = (&'c [&'c str], fn(&Value) -> Vec<String>);

/// Prints a list: the API's documents as one JSON array, or a table whose rows `row` makes.
///
/// # Errors
/// The place's.
pub async fn print_list(
    place: &Place,
    kind: Kind,
    query: &[(&str, String)],
    limit: Option<usize>,
    json: bool,
    (headings, row): Columns<'_>,
) -> anyhow::Result<()> {
    if json {
        let mut begun = false;
        walk(place, kind, query, limit, |rows, _| {
            for document in rows {
                out::print(&format!("{}{document}", if begun { "," } else { "[" }));
                begun = true;
            }
            Ok(())
        })
        .await?;
        out::print(if begun { "]" } else { "[]" });
        return Ok(());
    }
    let mut rows = Vec::new();
    walk(place, kind, query, limit, |page, _| {
        rows.extend(page.iter().map(row));
        Ok(())
    })
    .await?;
    match rows.is_empty() {
        true => out::note(&format!("There are no such {}.", kind.plural())),
        false => out::print(&table::table(headings, rows)),
    }
    Ok(())
}

/// Prints a document: as the API gives it, or as a table.
pub fn print_document(document: &Value, json: bool) {
    if json {
        return out::json(document);
    }
    let mut shown = document.clone();
    if let Some(members) = shown.as_object_mut() {
        // once is enough
        let flat: Vec<String> = members.keys().cloned().collect();
        if let Some(properties) = members.get_mut("properties").and_then(Value::as_object_mut) {
            properties.retain(|name, _| !flat.contains(name));
        }
        if let Some(acl) = members.get_mut("acl") {
            *acl = table::permissions(acl).into();
        }
    }
    out::print(&table::document(&shown));
}

/// The precondition that the object is still as the document says, or as `--if-match` does.
pub fn unchanged(document: &Value, if_match: Option<&str>) -> Precondition {
    let read = || document["eTag"].as_str().map(str::to_owned);
    match if_match.map(|etag| etag.trim_matches('"').to_owned()).or_else(read) {
        Some(etag) => Precondition::Is(vec![etag]),
        None => Precondition::Exists,
    }
}

/// Changes an object as it was read: first its members, then whether it is suspended.
///
/// # Errors
/// [`Refused`] where nothing is said; the place's.
pub async fn update(
    place: &Place,
    kind: Kind,
    before: Value,
    body: Map<String, Value>,
    suspended: Option<bool>,
    if_match: Option<&str>,
) -> anyhow::Result<Value> {
    if body.is_empty() && suspended.is_none() {
        return Err(Refused(vec!["expected something to change, got nothing: see --help".to_owned()]).into());
    }
    let id = before[kind.key()].as_str().unwrap_or_default().to_owned();
    let mut precondition = unchanged(&before, if_match);
    let mut document = before;
    if !body.is_empty() {
        document = place.put(kind, &id, body, precondition).await?;
        precondition = unchanged(&document, None);
    }
    if let Some(suspended) = suspended {
        document = place.suspend(kind, &id, suspended, precondition).await?;
    }
    Ok(document)
}

/// Deletes an object as it was read, after asking.
///
/// # Errors
/// [`Refused`] where nobody can be asked; the place's.
pub async fn delete(
    place: &Place,
    kind: Kind,
    document: &Value,
    label: &str,
    force: bool,
    args: &DeleteArgs,
) -> anyhow::Result<()> {
    let id = document[kind.key()].as_str().unwrap_or_default();
    let question = format!("Delete the {} {}?", kind.singular(), out::plain(label));
    if !args.yes && !out::confirm(&question)? {
        anyhow::bail!("nothing was deleted");
    }
    place.delete(kind, id, force, unchanged(document, args.if_match.as_deref())).await?;
    out::note(&format!("Deleted the {} {}.", kind.singular(), out::plain(label)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_json_or_text_and_reach_into_objects() {
        let args = |fields: &[&str]| FieldArgs { fields: fields.iter().map(|f| (*f).to_owned()).collect(), file: None };
        let said = Map::from_iter([("name".to_owned(), json!("Ada"))]);
        let fields = ["properties.locale=en", "phone=null", "roles=[\"a:b\"]", "properties.tier=3", "name=B=C"];
        let body = args(&fields).body(said).unwrap();
        let expected =
            json!({"name": "B=C", "phone": null, "roles": ["a:b"], "properties": {"locale": "en", "tier": 3}});
        assert_eq!(Value::Object(body), expected);
        for bad in ["name", "=x", "a..b=1"] {
            assert!(args(&[bad]).body(Map::new()).unwrap_err().is::<Refused>(), "{bad}");
        }
        assert!(args(&["a=1", "a.b=2"]).body(Map::new()).is_err());
    }
}
