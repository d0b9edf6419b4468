//! The audit log: who changed what, from where, and who was refused. Rows are only added and, after a time, purged.

use diesel::prelude::*;
use serde_json::Value;

use super::{
    Conn, Error, Tx,
    connection::per_backend,
    from_json,
    listing::{BOUND, Direction, Key, Listed, Page, Sort, Total},
    schema::audit_event,
    to_json,
};
use crate::model::time::Timestamp;

/// One member of an object that was changed.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Change {
    /// Which member (RFC 6901).
    pub path: String,
    /// What it was; null if it was not there.
    pub from: Value,
    /// What it is now; null if it is not there any more.
    pub to: Value,
}

/// An event. It holds no secrets.
#[derive(Clone, Debug)]
pub struct Event {
    /// A version 7 UUID: events lie in the order of time.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// `principal.update`, `client.secret.create`, …
    pub action: String,
    /// Why it was refused; none if it was done.
    pub refused: Option<String>,
    /// `principal`, `client`, `commandLine` or `system`.
    pub actor_kind: String,
    /// The identity that acted.
    pub actor_id: Option<String>,
    /// By which client's token.
    pub client_id: Option<String>,
    /// From where.
    pub ip_address: Option<String>,
    /// In which request.
    pub request_id: String,
    /// `principal`, `client`, `role`, `session`, …
    pub target_kind: String,
    /// Its id.
    pub target_id: Option<String>,
    /// What was changed.
    pub changes: Vec<Change>,
    /// How often it happened; refusals that repeat are one event.
    pub occurrences: i64,
}

/// From where somebody acts.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The address.
    pub ip_address: Option<String>,
    /// The client whose token or page it is.
    pub client_id: Option<String>,
    /// The request.
    pub request_id: String,
}

impl Event {
    /// What a person did to something, without changes.
    pub fn by(principal_id: &str, origin: &Origin, action: &str, target: (&str, &str), now: Timestamp) -> Event {
        Event {
            id: crate::model::id::generate(now),
            at: now,
            action: action.to_owned(),
            refused: None,
            actor_kind: "principal".to_owned(),
            actor_id: Some(principal_id.to_owned()),
            client_id: origin.client_id.clone(),
            ip_address: origin.ip_address.clone(),
            request_id: origin.request_id.clone(),
            target_kind: target.0.to_owned(),
            target_id: Some(target.1.to_owned()),
            changes: Vec::new(),
            occurrences: 1,
        }
    }
}

/// The row of an event.
#[derive(Queryable, Selectable, Insertable, QueryableByName)]
#[diesel(table_name = audit_event, treat_none_as_default_value = false)]
pub(super) struct Row {
    id: String,
    at: i64,
    action: String,
    outcome: String,
    code: Option<String>,
    actor_kind: String,
    actor_id: Option<String>,
    client_id: Option<String>,
    ip_address: Option<String>,
    request_id: String,
    target_kind: String,
    target_id: Option<String>,
    changes: String,
    occurrences: i64,
}

impl TryFrom<Row> for Event {
    type Error = Error;

    fn try_from(row: Row) -> Result<Event, Error> {
        Ok(Event {
            changes: from_json("audit_event.changes", &row.changes)?,
            id: row.id,
            at: Timestamp::from_millis(row.at),
            action: row.action,
            refused: row.code,
            actor_kind: row.actor_kind,
            actor_id: row.actor_id,
            client_id: row.client_id,
            ip_address: row.ip_address,
            request_id: row.request_id,
            target_kind: row.target_kind,
            target_id: row.target_id,
            occurrences: row.occurrences,
        })
    }
}

/// Rows that one statement adds; a database takes only so many values at once.
const ROWS: usize = 500;

/// Adds an event, or gathers it where the transaction does so.
pub fn insert(tx: &mut Tx<'_>, event: &Event) -> Result<(), Error> {
    if let Some(gathered) = &mut tx.gathered {
        gathered.push(event.clone());
        return Ok(());
    }
    let row = row(event)?;
    per_backend!(&mut **tx, conn => diesel::insert_into(audit_event::table).values(row).execute(conn))?;
    Ok(())
}

/// Adds many events with few statements.
pub(super) fn insert_many(tx: &mut Tx<'_>, events: &[Event]) -> Result<(), Error> {
    for some in events.chunks(ROWS) {
        let rows = some.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        per_backend!(&mut **tx, conn => diesel::insert_into(audit_event::table).values(&rows).execute(conn))?;
    }
    Ok(())
}

fn row(event: &Event) -> Result<Row, Error> {
    Ok(Row {
        id: event.id.clone(),
        at: event.at.millis(),
        action: event.action.clone(),
        outcome: if event.refused.is_some() { "refused" } else { "succeeded" }.to_owned(),
        code: event.refused.clone(),
        actor_kind: event.actor_kind.clone(),
        actor_id: event.actor_id.clone(),
        client_id: event.client_id.clone(),
        ip_address: event.ip_address.clone(),
        request_id: event.request_id.clone(),
        target_kind: event.target_kind.clone(),
        target_id: event.target_id.clone(),
        changes: to_json(&event.changes)?,
        occurrences: event.occurrences,
    })
}

/// What to look for; everything that is set must fit.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// This action, or with a `.` at its end all that begin like this.
    pub action: Option<String>,
    /// By this identity.
    pub actor_id: Option<String>,
    /// By this client's token.
    pub client_id: Option<String>,
    /// On this object.
    pub target_id: Option<String>,
    /// On this kind of object.
    pub target_kind: Option<String>,
    /// Only what was refused, or only what was done.
    pub refused: Option<bool>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// A page of the events that fit, in the order of time.
pub fn list(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Event>, Error> {
    let ascends = page.ascends();
    let mut query = filter.query();
    query = match (&page.position, ascends) {
        (Some((_, Key { sort: Sort::Text(id), .. })), true) => query.filter(audit_event::id.gt(id.clone())),
        (Some((_, Key { sort: Sort::Text(id), .. })), false) => query.filter(audit_event::id.lt(id.clone())),
        _ => query,
    };
    query = match ascends {
        true => query.order(audit_event::id.asc()),
        false => query.order(audit_event::id.desc()),
    };
    let limit = i64::try_from(page.limit).unwrap_or(1);
    let rows: Vec<Row> = query.limit(limit).select(Row::as_select()).load(conn)?;
    let mut items: Vec<Event> = rows.into_iter().map(Event::try_from).collect::<Result<_, _>>()?;
    if ascends != (page.direction == Direction::Ascending) {
        items.reverse();
    }
    let ids: Vec<String> = filter.query().limit(BOUND as i64 + 1).select(audit_event::id).load(conn)?;
    let position = |event: &Event| Key { sort: Sort::Text(event.id.clone()), seq: 0 };
    let (first, last) = (items.first().map(position), items.last().map(position));
    Ok(Listed { items, total: Total::counted(ids.len()), first, last })
}

impl Filter {
    fn query(&self) -> audit_event::BoxedQuery<'static, <Conn as diesel::Connection>::Backend> {
        let mut query = audit_event::table.into_boxed();
        if let Some(action) = &self.action {
            query = match action.strip_suffix('.') {
                // the character after the dot: all that begin like this, as a range of the index
                Some(start) => query
                    .filter(audit_event::action.ge(action.clone()))
                    .filter(audit_event::action.lt(format!("{start}/"))),
                None => query.filter(audit_event::action.eq(action.clone())),
            };
        }
        if let Some(actor) = &self.actor_id {
            query = query.filter(audit_event::actor_id.eq(actor.clone()));
        }
        if let Some(client) = &self.client_id {
            query = query.filter(audit_event::client_id.eq(client.clone()));
        }
        if let Some(target) = &self.target_id {
            query = query.filter(audit_event::target_id.eq(target.clone()));
        }
        if let Some(kind) = &self.target_kind {
            query = query.filter(audit_event::target_kind.eq(kind.clone()));
        }
        if let Some(refused) = self.refused {
            query = query.filter(audit_event::outcome.eq(if refused { "refused" } else { "succeeded" }));
        }
        // ids begin with their time, so that a range of time is a range of the key
        if let Some(since) = self.since {
            query = query.filter(audit_event::id.ge(first_id(since)));
        }
        if let Some(until) = self.until {
            query = query.filter(audit_event::id.lt(first_id(until)));
        }
        query
    }
}

/// The least version 7 UUID of a time (RFC 9562 §5.7).
fn first_id(at: Timestamp) -> String {
    let millis = u64::try_from(at.millis()).unwrap_or(0);
    format!("{:08x}-{:04x}-7000-8000-000000000000", millis >> 16, millis & 0xffff)
}
