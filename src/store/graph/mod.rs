//! Runs queries of the graph against the database.
//!
//! A page is found by its position in an order (keyset paging). What the condition asks for decides how:
//!
//! | condition | order | how |
//! |---|---|---|
//! | one that an index knows to be met by few ([`FEW`]) | any | all of those are looked at |
//! | one whose index lies in the order of registration | of registration | along that index |
//! | any other | any | along the order's index, row by row |
//!
//! Rows are looked at in batches, and only so many ([`Bounds`]): where they do not suffice, the page has what was found, a
//! position from which to go on, and says that it is not complete. Nothing is ever sorted or filtered but what an index
//! has narrowed to a bounded number of rows.
//!
//! Identities lie in two tables. In the order of registration principals come first, then clients; in every other order
//! they are mixed. What the caller may not see is part of the condition, so that neither pages nor counts nor filters tell
//! of it.

use std::{collections::BTreeMap, time::Duration};

use diesel::{Connection, connection::SimpleConnection};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    Conn, Error,
    listing::{BOUND, Side, Total, search::tally},
};
use crate::model::{
    graph::{Node, request::Query},
    permission::Visibility,
    time::Timestamp,
};

mod comparison;
mod driver;
mod expression;
mod navigation;
mod order;
mod part;
mod rows;
mod source;
mod table;
mod text;
mod walk;

use expression::Expression;
use order::Along;
use table::Table;

/// Entries of an index up to which all of them are looked at, whatever the order.
pub const FEW: usize = 5000;
/// Events of an identity, as actor and as target, among which a filter of its navigation looks.
pub const EVENTS: usize = 500;
/// After so long, a statement of PostgreSQL is given up.
const STATEMENT: &str = "3s";

/// The order of a query's pages, which its cursors are bound to: by which field (empty: of registration), and whether from
/// the greatest.
pub fn order_of(query: &Query) -> (&'static str, bool) {
    Along::of(query).name()
}

/// How much a request may cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Entries and rows that may be looked at.
    pub rows: usize,
    /// For how long looking goes on.
    pub time: Duration,
}

/// A query and where its page begins or ends.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What is asked.
    pub query: Query,
    /// The position of its cursor.
    pub position: Option<(Side, Place)>,
}

/// What somebody may see of each kind of node; nothing of those that are not named. What leads from an identity is
/// compared by that identity's attributes; sendings and roles have none.
#[derive(Clone, Debug, Default)]
pub struct Sight(BTreeMap<Node, Visibility>);

impl Sight {
    /// From the visibility of each kind.
    pub fn new(of: impl IntoIterator<Item = (Node, Visibility)>) -> Sight {
        Sight(of.into_iter().collect())
    }

    /// Everything.
    pub fn all() -> Sight {
        Sight::new(Node::ALL.map(|node| (node, Visibility::All)))
    }

    /// Whether it leaves nothing out of the kinds of nodes that it has.
    fn is_whole(&self) -> bool {
        self.0.values().all(|visibility| *visibility == Visibility::All)
    }

    fn of(&self, node: Node) -> &Visibility {
        self.0.get(&node).unwrap_or(&Visibility::None)
    }
}

/// What a node is ordered by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sort {
    /// A number or a point in time.
    Number(i64),
    /// A text.
    Text(String),
    /// Nothing.
    None,
}

/// What tells nodes apart that are equal in the order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Tie {
    /// A number of registration.
    Number(i64),
    /// An identifier.
    Text(String),
}

/// A node's position in an order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// What it is ordered by.
    #[serde(rename = "k")]
    sort: Sort,
    /// In which table it lies.
    #[serde(rename = "t")]
    table: i64,
    /// What tells it from others.
    #[serde(rename = "s")]
    tie: Tie,
}

/// How a page was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Whether indexes answered the condition; otherwise rows were looked at one by one.
    pub by_index: bool,
    /// How many entries and rows were looked at; none for a caller who sees only some nodes, whom the number would tell of
    /// others.
    pub examined: Option<usize>,
    /// Whether the page has all that it should; otherwise its cursor goes on where looking ended.
    pub complete: bool,
}

/// The answer to a query.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The page's nodes, in order.
    pub nodes: Vec<Found>,
    /// How many there are in all, if that was asked.
    pub total: Option<Total>,
    /// Before which the page before this one ends.
    pub first: Option<Place>,
    /// After which the next page begins.
    pub last: Option<Place>,
    /// How it was found.
    pub scan: Scan,
}

/// A node.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its fields; those whose name has dots are nested.
    pub fields: Map<String, Value>,
    /// What its navigations lead to, in the query's order.
    pub navigated: Vec<Led>,
}

/// Where a navigation leads from one node.
#[derive(Clone, Debug, Default)]
pub struct Led {
    /// The nodes there, in order.
    pub nodes: Vec<Map<String, Value>>,
    /// How many there are in all, if that was asked.
    pub total: Option<Total>,
    /// Whether there are more than were looked at: a filter looks among the latest [`EVENTS`] events.
    pub cut: bool,
}

/// What is left of the bounds.
struct Budget {
    rows: usize,
    examined: usize,
    until: Instant,
}

impl Budget {
    fn take(&mut self, rows: usize) {
        self.examined += rows;
        self.rows = self.rows.saturating_sub(rows);
    }

    fn is_spent(&self) -> bool {
        self.rows == 0 || self.is_late()
    }

    fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// Answers several queries of the same moment, in their order.
///
/// # Errors
/// The database cannot be asked, or takes too long.
pub fn run(conn: &mut Conn, asks: &[Ask], sight: &Sight, now: Timestamp, bounds: Bounds) -> Result<Vec<Answer>, Error> {
    let until = Instant::now() + bounds.time;
    conn.transaction(|conn| {
        if let Conn::Postgres(conn) = conn {
            conn.batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
            conn.batch_execute(&format!("SET LOCAL statement_timeout = '{STATEMENT}'"))?;
        }
        let mut left = bounds.rows;
        let mut answers = Vec::with_capacity(asks.len());
        for (n, ask) in asks.iter().enumerate() {
            // none takes what the ones after it need
            let mut budget = Budget { rows: left / (asks.len() - n), examined: 0, until };
            answers.push(answer(conn, ask, sight, now, &mut budget)?);
            left = left.saturating_sub(budget.examined);
        }
        Ok(answers)
    })
}

/// The tables of a node with what their rows must meet.
fn wanted(query: &Query, sight: &Sight, now: Timestamp) -> Vec<(Table, Expression)> {
    let all = Table::of(query.node).iter().map(|&table| {
        let mut parts = vec![expression::seen(table, sight.of(query.node))];
        parts.push(expression::compile(table, &query.condition, now, false));
        parts.extend(
            query.navigate.iter().filter(|led| led.require).map(|led| expression::leads(table, led, sight, now)),
        );
        (table, Expression::all(parts))
    });
    all.collect()
}

fn answer(conn: &mut Conn, ask: &Ask, sight: &Sight, now: Timestamp, budget: &mut Budget) -> Result<Answer, Error> {
    let query = &ask.query;
    let wanted = wanted(query, sight, now);
    let along = Along::of(query);
    let side = ask.position.as_ref().map(|(side, _)| *side);
    let ascends = along.descends == (side == Some(Side::Before));
    let beyond = ask.position.as_ref().map(|(_, place)| place);

    let plain = plain_total(conn, query, &wanted)?;
    // the first page counts as it goes
    let counts_here = query.count && plain.is_none() && beyond.is_none() && along.is_of_registration();
    let want = if counts_here { query.limit.max(BOUND + 1) } else { query.limit };
    let mut found = walk::find(conn, &wanted, along, ascends, beyond, want, budget)?;
    let total = match (query.count, plain) {
        (false, _) => None,
        (true, Some(total)) => Some(total),
        (true, None) if counts_here => Some(total(found.places.len(), found.stopped.is_none())),
        (true, None) => {
            let counting = Along::registration();
            let counted = walk::find(conn, &wanted, counting, true, None, BOUND + 1, budget)?;
            Some(self::total(counted.places.len(), counted.stopped.is_none()))
        }
    };
    let full = found.places.len() >= query.limit;
    found.places.truncate(query.limit);
    let stopped = found.stopped.take().filter(|_| !full);
    let (mut first, mut last) = (found.places.first().cloned(), found.places.last().cloned());
    if let Some(stopped) = &stopped {
        first = first.or_else(|| Some(stopped.clone()));
        last = Some(stopped.clone());
    }
    if side == Some(Side::Before) {
        found.places.reverse();
        (first, last) = (last, first);
    }
    let nodes = rows::load(conn, query, &found.places)?;
    let nodes = navigation::follow(conn, query, nodes, sight, now, budget)?;
    let scan = Scan {
        by_index: found.by_index,
        examined: sight.is_whole().then_some(budget.examined),
        complete: stopped.is_none(),
    };
    Ok(Answer { nodes, total, first, last, scan })
}

/// From a count that may have stopped at [`BOUND`], or earlier.
fn total(rows: usize, whole: bool) -> Total {
    match (whole, rows > BOUND) {
        (_, true) => Total::AtLeast(BOUND as u64),
        (true, false) => Total::Exact(rows as u64),
        (false, false) => Total::AtLeast(rows as u64),
    }
}

/// The number that is kept, where no condition narrows it.
fn plain_total(conn: &mut Conn, query: &Query, wanted: &[(Table, Expression)]) -> Result<Option<Total>, Error> {
    if !query.count || query.node == Node::Sending {
        return Ok(None);
    }
    let mut names = Vec::new();
    for (table, expression) in wanted {
        match expression {
            Expression::Fixed(false) => {}
            expression if *expression == expression::seen(*table, &Visibility::All) => names.extend(table.tallies()),
            _ => return Ok(None),
        }
    }
    match names.is_empty() {
        true => Ok(Some(Total::Exact(0))),
        false => Ok(Some(Total::Exact(tally(conn, names.iter().copied())?))),
    }
}
