//! Where navigations lead from a page of nodes: for each of them one statement that finds what is there for all nodes of
//! the page, and one that reads it.
//!
//! Each node has a part of that statement, with its own limit, so that somebody with a million events costs no more than
//! somebody with ten. Where a filter is given, it looks among the latest [`EVENTS`] events that an identity made and as
//! many that were about it.
//!
//! Whoever may see only some identities' events sees in them neither identifiers nor addresses of others: a filter cannot
//! tell of them either, since it compares what is shown.

use std::collections::{BTreeMap, HashSet};

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Nullable, Text},
};
use serde_json::{Map, Value};

use super::{
    BOUND, Budget, EVENTS, Found, Led, Sight,
    expression::{self, Expression, around, live},
    rows::{self, Row},
    table::Table,
    total,
};
use crate::{
    model::{
        graph::{Field, Node, request::Query},
        permission::Visibility,
        time::Timestamp,
    },
    store::{Conn, Error, sql::Sql},
};

/// What an event is about is hidden by comparing these.
const HIDDEN: [&str; 4] = ["actorId", "clientId", "ipAddress", "requestId"];

/// Values of one statement; the embedded database takes 32766.
const MAX_VALUES: usize = 30_000;

/// Something that a navigation leads to: from which node, and its id; without one, that not all was looked at.
#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = BigInt)]
    parent: i64,
    #[diesel(sql_type = Nullable<Text>)]
    id: Option<String>,
}

/// The nodes with what their navigations lead to.
pub(super) fn follow(
    conn: &mut Conn,
    query: &Query,
    rows: Vec<Row>,
    sight: &Sight,
    now: Timestamp,
    budget: &mut Budget,
) -> Result<Vec<Found>, Error> {
    let mut navigated: Vec<Vec<Led>> = rows.iter().map(|_| Vec::with_capacity(query.navigate.len())).collect();
    for led in &query.navigate {
        let there = Navigation::of(led, sight, now).from(conn, &rows, budget)?;
        navigated.iter_mut().zip(there).for_each(|(all, one)| all.push(one));
    }
    let nodes = rows.into_iter().zip(navigated);
    Ok(nodes.map(|(row, navigated)| Found { fields: row.fields, navigated }).collect())
}

/// Parts that fit into one statement: all of them, unless a filter has very many values.
fn together(parts: Vec<Sql>) -> Vec<Vec<Sql>> {
    let mut statements: Vec<Vec<Sql>> = Vec::new();
    let mut values = MAX_VALUES;
    for part in parts {
        values += part.values();
        match statements.last_mut() {
            Some(last) if values <= MAX_VALUES => last.push(part),
            _ => {
                values = part.values();
                statements.push(vec![part]);
            }
        }
    }
    statements
}

struct Navigation<'q> {
    query: &'q Query,
    visibility: &'q Visibility,
    /// Of what leads there only the owner's own is shown.
    narrowed: bool,
    condition: Expression,
    descends: bool,
    now: Timestamp,
}

impl<'q> Navigation<'q> {
    fn of(query: &'q Query, sight: &'q Sight, now: Timestamp) -> Navigation<'q> {
        let visibility = sight.of(query.node);
        let narrowed = *visibility != Visibility::All;
        let condition = match Table::of(query.node).first() {
            Some(table) => expression::compile(*table, &query.condition, now, narrowed),
            None => Expression::Fixed(false),
        };
        // what happened last comes first
        let descends = query.order.map_or(query.node != Node::Role, |(_, descends)| descends);
        Navigation { query, visibility, narrowed, condition, descends, now }
    }

    /// Where it leads from each of these nodes, in their order.
    fn from(&self, conn: &mut Conn, rows: &[Row], budget: &mut Budget) -> Result<Vec<Led>, Error> {
        let seen = self.seen(conn, rows)?;
        let want = if self.query.count { self.query.limit.max(BOUND + 1) } else { self.query.limit };
        let postgres = matches!(conn, Conn::Postgres(_));
        let is_free = self.condition == Expression::Fixed(true);
        if self.query.node == Node::ActivityLog && !is_free && budget.is_late() {
            // too late for looking at many events: none is better than a request that takes too long
            return Ok(rows.iter().map(|_| self.nothing()).collect());
        }
        let mut parts = Vec::new();
        for (n, row) in rows.iter().enumerate().filter(|(_, row)| seen.contains(row.id.as_str())) {
            parts.extend(self.parts(n, row, want, postgres));
        }
        let mut steps: BTreeMap<i64, (Vec<String>, bool)> = BTreeMap::new();
        if !parts.is_empty() && self.condition != Expression::Fixed(false) {
            for parts in together(parts) {
                let parts = parts.into_iter().map(|part| around("SELECT * FROM (", part, ") AS part"));
                let found: Vec<Step> = Sql::join(parts, " UNION ALL ", "").load(conn)?;
                budget.take(found.len());
                for step in found {
                    let (ids, cut) = steps.entry(step.parent).or_default();
                    match step.id {
                        Some(id) => ids.push(id),
                        None => *cut = true,
                    }
                }
            }
        }
        let limit = self.query.limit;
        let shown: HashSet<&String> = steps.values().flat_map(|(ids, _)| ids.iter().take(limit)).collect();
        let shown: Vec<String> = shown.into_iter().cloned().collect();
        let documents = self.documents(conn, &shown)?;
        let led = rows.iter().enumerate().map(|(n, row)| {
            let (ids, cut) = steps.remove(&(n as i64)).unwrap_or_default();
            let nodes = ids.iter().take(limit).filter_map(|id| documents.get(id));
            Led {
                nodes: nodes.map(|document| self.shown(document, &row.id)).collect(),
                total: self.query.count.then(|| total(ids.len(), !cut)),
                cut: cut && ids.len() < want,
            }
        });
        Ok(led.collect())
    }

    /// Where not even one was looked at.
    fn nothing(&self) -> Led {
        Led { nodes: Vec::new(), total: self.query.count.then(|| total(0, false)), cut: true }
    }

    /// From which nodes the caller may go there.
    fn seen<'r>(&self, conn: &mut Conn, rows: &'r [Row]) -> Result<HashSet<&'r str>, Error> {
        let ids = rows.iter().map(|row| row.id.as_str());
        if !self.narrowed {
            return Ok(ids.collect());
        }
        if self.query.node == Node::Role || *self.visibility == Visibility::None {
            return Ok(HashSet::new());
        }
        let postgres = matches!(conn, Conn::Postgres(_));
        let ids: Vec<&str> = ids.collect();
        if ids.is_empty() {
            return Ok(HashSet::new());
        }
        let condition = expression::carrying(self.visibility).sql(postgres);
        let among = rows::among(conn, &ids, condition)?;
        Ok(rows.iter().map(|row| row.id.as_str()).filter(|id| among.iter().any(|seen| seen == id)).collect())
    }

    /// What is found for one node, in order.
    fn parts(&self, n: usize, row: &Row, want: usize, postgres: bool) -> Vec<Sql> {
        let way = if self.descends { "DESC" } else { "ASC" };
        let is_free = self.condition == Expression::Fixed(true);
        let select = |id: &str| format!("SELECT CAST({n} AS BIGINT) AS parent, {id} AS id FROM ");
        match self.query.node {
            Node::Session if row.table == Table::Principal => {
                let mut sql = Sql::new(select("s.id"));
                sql.append(Sql::new("session AS s WHERE s.principal_id = ? AND ").text(&row.id));
                sql.append(live(self.now)).push(" AND ").append(self.condition.sql(postgres));
                sql.push(&format!(" ORDER BY s.created_at {way}, s.id {way} LIMIT {want}"));
                vec![sql]
            }
            Node::Role => {
                let mut sql = Sql::new(select("r.key"));
                let source =
                    "identity_role AS h CROSS JOIN role AS r WHERE h.identity_id = ? AND r.key = h.role_key AND ";
                sql.append(Sql::new(source).text(&row.id)).append(self.condition.sql(postgres));
                sql.push(&format!(" ORDER BY h.role_key {way} LIMIT {want}"));
                vec![sql]
            }
            Node::ActivityLog => {
                let some = if is_free { want } else { EVENTS.max(want) };
                let latest = |whose: &str, order: &str| {
                    let text = format!(
                        "SELECT * FROM (SELECT a.*, CAST(? AS TEXT) AS owner FROM audit_event AS a WHERE {whose} \
                         ORDER BY a.id {order} LIMIT {some}) AS one"
                    );
                    Sql::new(text).text(&row.id)
                };
                // a filter looks among the latest, whichever way they are ordered then
                let order = if is_free { way } else { "DESC" };
                let mut both = latest(MADE, order).text(&row.id);
                both.push(" UNION ALL ").append(latest(RECEIVED, order).text(&row.id).text(&row.id));
                let mut sql = Sql::new(select("e.id"));
                sql.append(around("(", both, ") AS e WHERE "));
                sql.append(self.condition.sql(postgres));
                sql.push(&format!(" ORDER BY e.id {way} LIMIT {want}"));
                let mut parts = vec![sql];
                if !is_free {
                    // whether there are more than were looked at
                    let further = |whose: &str| {
                        let text = format!(
                            "{}audit_event AS a WHERE {whose} ORDER BY a.id DESC LIMIT 1 OFFSET {some}",
                            select("CAST(NULL AS TEXT)")
                        );
                        Sql::new(text).text(&row.id)
                    };
                    parts.extend([further(MADE), further(RECEIVED).text(&row.id)]);
                }
                parts
            }
            Node::Session | Node::Identity | Node::Sending => Vec::new(),
        }
    }

    fn documents(&self, conn: &mut Conn, ids: &[String]) -> Result<BTreeMap<String, Map<String, Value>>, Error> {
        let Some(&table) = Table::of(self.query.node).first() else { return Ok(BTreeMap::new()) };
        let mut fields = self.query.fields.clone();
        let needs = |name: &str| self.query.node.field(name).filter(|field| !self.query.fields.contains(field));
        if self.query.node == Node::ActivityLog && self.narrowed {
            fields.extend(["actorId", "targetId"].into_iter().filter_map(needs));
        }
        Ok(rows::read(conn, table, ids, &fields)?.into_iter().collect())
    }

    /// What of it is shown where it was reached from `owner`.
    fn shown(&self, document: &Map<String, Value>, owner: &str) -> Map<String, Value> {
        if self.query.node != Node::ActivityLog || !self.narrowed {
            return document.clone();
        }
        let is_own = |name: &str| document.get(name).and_then(Value::as_str) == Some(owner);
        let (acted, received) = (is_own("actorId"), is_own("targetId"));
        let one = |field: &&'static Field| {
            let hidden = (HIDDEN.contains(&field.name) && !acted) || (field.name == "targetId" && !received);
            let value = if hidden { Value::Null } else { document.get(field.name).cloned().unwrap_or_default() };
            (field.name.to_owned(), value)
        };
        self.query.fields.iter().map(one).collect()
    }
}

/// What an identity has done.
const MADE: &str = "a.actor_id = ?";
/// What others have done to it.
const RECEIVED: &str =
    "a.target_id = ? AND a.target_kind IN ('principal', 'client') AND coalesce(a.actor_id <> ?, TRUE)";
