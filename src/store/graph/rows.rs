//! What is shown of nodes whose positions are known.

use std::collections::HashMap;

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Nullable, Text},
};
use serde_json::{Map, Value};

use super::{
    Place, Tie,
    expression::{around, native},
    part::{listed, tie_column},
    table::{Column, Table},
};
use crate::{
    model::{
        graph::{Field, Kind, Node, request::Query},
        time::Timestamp,
    },
    store::{Conn, Error, from_json, identity, sql::Sql},
};

/// A node as it was read.
pub(super) struct Row {
    /// Its identifier.
    pub id: String,
    /// Its table.
    pub table: Table,
    /// Its fields.
    pub fields: Map<String, Value>,
}

#[derive(QueryableByName)]
struct Document {
    #[diesel(sql_type = Nullable<Text>)]
    tt: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    tn: Option<i64>,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    doc: String,
}

/// The nodes at these positions, in their order; one that went away is left out.
pub(super) fn load(conn: &mut Conn, query: &Query, places: &[Place]) -> Result<Vec<Row>, Error> {
    let mut rows: HashMap<(i64, Tie), Row> = HashMap::new();
    for &table in Table::of(query.node) {
        let ties: Vec<Tie> =
            places.iter().filter(|place| place.table == table.number()).map(|place| place.tie.clone()).collect();
        for (tie, id, fields) in documents(conn, table, &ties, &query.fields)? {
            rows.insert((table.number(), tie), Row { id, table, fields });
        }
    }
    let mut rows: Vec<Row> = places.iter().filter_map(|place| rows.remove(&(place.table, place.tie.clone()))).collect();
    if query.node == Node::Identity && query.fields.iter().any(|field| field.name == "roles") {
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let mut held = identity::roles_of(conn, &ids)?;
        for row in &mut rows {
            row.fields.insert("roles".to_owned(), Value::from(held.remove(&row.id).unwrap_or_default()));
        }
    }
    Ok(rows)
}

/// A row's tie, its identifier and its fields.
pub(super) type Loaded = (Tie, String, Map<String, Value>);

/// The rows of a table with these ties, in no order.
pub(super) fn documents(
    conn: &mut Conn,
    table: Table,
    ties: &[Tie],
    fields: &[&'static Field],
) -> Result<Vec<Loaded>, Error> {
    if ties.is_empty() {
        return Ok(Vec::new());
    }
    let postgres = matches!(conn, Conn::Postgres(_));
    let object = if postgres { "json_build_object" } else { "json_object" };
    let members = fields.iter().filter_map(|field| match table.column(field.name, false) {
        Column::Stored { shown, .. } | Column::Array(shown) => {
            Some(format!("'{}', {}", field.name, native(shown, postgres)))
        }
        _ => None,
    });
    let members: Vec<String> = members.collect();
    let (text, number) = tie_column(table, table.tie());
    let id = if table.is_numbered() { "p.id" } else { table.tie() };
    let head = format!(
        "SELECT {text} AS tt, {number} AS tn, {id} AS id, CAST({object}({}) AS TEXT) AS doc FROM {} AS {} WHERE {} IN (",
        members.join(", "),
        table.name(),
        table.alias(),
        table.tie()
    );
    let rows: Vec<Document> = around(&head, listed(ties), ")").load(conn)?;
    rows.into_iter()
        .map(|row| {
            let stored: Map<String, Value> = from_json("(a row of the graph)", &row.doc)?;
            let tie = row.tt.map_or_else(|| Tie::Number(row.tn.unwrap_or_default()), Tie::Text);
            Ok((tie, row.id, shown(table, stored, fields)?))
        })
        .collect()
}

/// The fields as they are answered; those whose name has dots are nested.
fn shown(table: Table, mut stored: Map<String, Value>, fields: &[&'static Field]) -> Result<Map<String, Value>, Error> {
    let mut shown = Map::new();
    for field in fields {
        let value = match table.column(field.name, false) {
            Column::Text(text) => Value::from(text),
            Column::Truth(truth) => Value::from(truth),
            Column::Absent | Column::Roles => Value::Null,
            Column::Stored { .. } | Column::Array(_) => in_words(field, stored.remove(field.name).unwrap_or_default())?,
        };
        match field.name.split_once('.') {
            None => {
                shown.insert(field.name.to_owned(), value);
            }
            Some((outer, inner)) => {
                if let Value::Object(members) = shown.entry(outer).or_insert_with(|| Value::Object(Map::new())) {
                    members.insert(inner.to_owned(), value);
                }
            }
        }
    }
    Ok(shown)
}

/// A value as the database has it in the form in which it is answered.
fn in_words(field: &Field, value: Value) -> Result<Value, Error> {
    Ok(match (field.kind, value) {
        (Kind::Time, Value::Number(millis)) => {
            Value::from(Timestamp::from_millis(millis.as_i64().unwrap_or_default()).rfc3339())
        }
        // the embedded database has numbers for it
        (Kind::Bool, Value::Number(number)) => Value::from(number.as_i64() != Some(0)),
        (Kind::Set | Kind::Data, Value::String(text)) => from_json(field.name, &text)?,
        (_, value) => value,
    })
}

/// The rows of a table with these identifiers and these fields, by identifier.
pub(super) fn read(
    conn: &mut Conn,
    table: Table,
    ids: &[String],
    fields: &[&'static Field],
) -> Result<HashMap<String, Map<String, Value>>, Error> {
    let ties: Vec<Tie> = ids.iter().cloned().map(Tie::Text).collect();
    let loaded = documents(conn, table, &ties, fields)?;
    Ok(loaded.into_iter().map(|(_, id, fields)| (id, fields)).collect())
}

/// The identities among these that meet a condition which needs no more of them than their id.
pub(super) fn among(conn: &mut Conn, ids: &[&str], condition: Sql) -> Result<Vec<String>, Error> {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    let mut sql = around("SELECT p.id AS word FROM identity AS p WHERE p.id IN (", Sql::list(&ids), ") AND ");
    sql.append(condition);
    Ok(sql.load::<crate::store::sql::Word>(conn)?.into_iter().map(|word| word.word).collect())
}
