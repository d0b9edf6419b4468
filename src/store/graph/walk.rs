//! Walks along an order in batches, leaving out what does not meet the condition.

use std::{collections::HashSet, time::Duration};

use tokio::time::Instant;

use super::{
    Budget, Place, Sort, Tie,
    driver::{Plan, plan},
    expression::{Expression, around},
    order::{Along, By},
    part::{Entry, NO_NUMBER, NO_TEXT, Part, listed, merged, tie_column},
    source::Source,
    table::Table,
    text::Run,
};
use crate::store::{Conn, Error, sql::Sql};

/// Rows of the largest batch.
const BATCH: usize = 2000;
/// Comparisons of the first batch.
const BATCH_COST: usize = 1_000_000;
/// A batch that took so long is not followed by a larger one.
const SLOW: Duration = Duration::from_millis(50);

/// What was found.
pub(super) struct Walked {
    /// The positions, in the order of the walk.
    pub places: Vec<Place>,
    /// Where looking ended, unless it was at the end of the order or when there were enough.
    pub stopped: Option<Place>,
    /// Whether indexes answered the condition.
    pub by_index: bool,
}

/// Ranges that are walked side by side.
#[derive(Default)]
struct Phase<'e> {
    tables: Vec<(Table, &'e Expression)>,
    parts: Vec<Part>,
    texts: Vec<(Table, Run)>,
}

/// The first `want` rows beyond a position that meet their table's expression.
pub(super) fn find(
    conn: &mut Conn,
    wanted: &[(Table, Expression)],
    along: Along,
    ascends: bool,
    beyond: Option<&Place>,
    want: usize,
    budget: &mut Budget,
) -> Result<Walked, Error> {
    let mut walked = Walked { places: Vec::new(), stopped: None, by_index: true };
    let mut phases: Vec<Phase<'_>> = Vec::new();
    for (table, expression) in wanted {
        // in the order of registration one table follows the other
        let passed = |place: &&Place| match ascends {
            true => table.number() < place.table,
            false => table.number() > place.table,
        };
        if along.is_of_registration() && beyond.as_ref().is_some_and(passed) {
            continue;
        }
        let mut phase = match along.is_of_registration() {
            true => Phase::default(),
            false => phases.pop().unwrap_or_default(),
        };
        let way = plan(conn, *table, expression, along.is_of_registration(), budget)?;
        walked.by_index &= !matches!(way, Plan::Walk) || is_whole(*table, expression, along);
        phase.add(*table, expression, along, way, matches!(conn, Conn::Postgres(_)));
        phases.push(phase);
    }
    if !ascends {
        phases.reverse();
    }
    for phase in phases.iter().filter(|phase| !phase.tables.is_empty()) {
        phase.walk(conn, ascends, beyond, want, budget, &mut walked)?;
        if walked.stopped.is_some() || walked.places.len() >= want {
            break;
        }
    }
    Ok(walked)
}

/// Whether nothing but the order itself is asked for: walking along it looks at no row in vain.
fn is_whole(table: Table, expression: &Expression, along: Along) -> bool {
    let bounded = |part: &Expression| match part {
        Expression::Compared(compared) => along.covers(table, compared),
        Expression::Raw(_) | Expression::Fixed(_) => true,
        _ => false,
    };
    expression.conjuncts().iter().all(bounded)
}

impl<'e> Phase<'e> {
    fn add(&mut self, table: Table, expression: &'e Expression, along: Along, way: Plan, postgres: bool) {
        let (by, tie) = (along.by(table), table.tie());
        let alias = |condition: &str| format!("{} AS {} WHERE {condition}", table.name(), table.alias());
        match way {
            Plan::Nothing => return,
            Plan::Few(ties) if ties.is_empty() => return,
            Plan::Few(ties) => {
                // nothing but these rows is to be sorted, however tempting the order's index is
                let mut from =
                    Sql::new(format!("(SELECT * FROM {} AS {} WHERE {tie} IN (", table.name(), table.alias()));
                from.append(listed(&ties)).push(")");
                // sorting them again for each batch would cost more than looking at all of them at once
                if expression.cost() * ties.len() <= BATCH_COST {
                    from.push(" AND ").append(expression.sql(postgres));
                }
                from.push(&format!(" {{fence}}) AS {} WHERE TRUE", table.alias()));
                self.parts.push(Part { table, from, by, tie });
            }
            Plan::Streams(sources) => {
                for source in sources {
                    match source {
                        Source::Range { from, tie, .. } => self.parts.push(Part { table, from, by: By::Nothing, tie }),
                        Source::Text(run) => self.texts.push((table, run)),
                    }
                }
            }
            Plan::Walk => {
                for group in along.groups(table) {
                    let from = around(&alias(group), along.bounds(table, expression), "");
                    self.parts.push(Part { table, from, by: by.clone(), tie });
                }
            }
        }
        self.tables.push((table, expression));
    }

    fn walk(
        &self,
        conn: &mut Conn,
        ascends: bool,
        beyond: Option<&Place>,
        want: usize,
        budget: &mut Budget,
        walked: &mut Walked,
    ) -> Result<(), Error> {
        let mut beyond = beyond.cloned();
        let cost = self.tables.iter().map(|(_, expression)| expression.cost()).max().unwrap_or(1);
        let mut some = (want * 3 / 2 + 10).min(BATCH_COST / cost.max(1)).max(1);
        loop {
            let begun = Instant::now();
            let (entries, horizon) = self.next(conn, ascends, beyond.as_ref(), some, budget.until)?;
            budget.take(entries.len());
            for place in self.met(conn, entries)? {
                if walked.places.len() < want {
                    walked.places.push(place);
                }
            }
            let Some(horizon) = horizon else { return Ok(()) };
            if walked.places.len() >= want {
                return Ok(());
            }
            if budget.is_spent() {
                walked.stopped = Some(horizon);
                return Ok(());
            }
            beyond = Some(horizon);
            if begun.elapsed() < SLOW {
                some = (some * 2).min(BATCH);
            }
        }
    }

    /// The next entries in order, about `some`; and how far was looked, unless it was to the end.
    fn next(
        &self,
        conn: &mut Conn,
        ascends: bool,
        beyond: Option<&Place>,
        some: usize,
        until: Instant,
    ) -> Result<(Vec<Place>, Option<Place>), Error> {
        let postgres = matches!(conn, Conn::Postgres(_));
        let parts: Vec<Sql> = self.parts.iter().filter_map(|part| part.sql(ascends, beyond, some, postgres)).collect();
        let mut entries: Vec<Place> = Vec::new();
        let mut horizons: Vec<Place> = Vec::new();
        if let Some(sql) = merged(parts, self.is_numbered(), ascends, some, postgres) {
            let loaded: Vec<Entry> = sql.load(conn)?;
            entries = loaded.into_iter().map(Entry::place).collect();
            if entries.len() >= some {
                horizons.extend(entries.last().cloned());
            }
        }
        for (table, run) in &self.texts {
            let from = beyond.filter(|place| place.table == table.number()).and_then(|place| match place.tie {
                Tie::Number(seq) => Some(seq),
                Tie::Text(_) => None,
            });
            let (seqs, edge) = run.next(conn, *table, from, ascends, some, until)?;
            let place = |seq| Place { sort: Sort::None, table: table.number(), tie: Tie::Number(seq) };
            entries.extend(seqs.into_iter().map(place));
            horizons.extend(edge.map(place));
        }
        let nearest = if ascends { horizons.into_iter().min() } else { horizons.into_iter().max() };
        if let Some(nearest) = &nearest {
            entries.retain(|place| if ascends { place <= nearest } else { place >= nearest });
        }
        entries.sort();
        entries.dedup();
        if !ascends {
            entries.reverse();
        }
        Ok((entries, nearest))
    }

    fn is_numbered(&self) -> bool {
        self.tables.iter().all(|(table, _)| table.is_numbered())
    }

    /// Those of the entries whose rows meet the condition.
    fn met(&self, conn: &mut Conn, entries: Vec<Place>) -> Result<Vec<Place>, Error> {
        let postgres = matches!(conn, Conn::Postgres(_));
        let mut met: HashSet<(i64, Tie)> = HashSet::new();
        for (table, expression) in &self.tables {
            let ties: Vec<Tie> =
                entries.iter().filter(|place| place.table == table.number()).map(|place| place.tie.clone()).collect();
            if ties.is_empty() {
                continue;
            }
            if **expression == Expression::Fixed(true) {
                met.extend(ties.into_iter().map(|tie| (table.number(), tie)));
                continue;
            }
            let (text, number) = tie_column(*table, table.tie());
            let mut sql = Sql::new(format!(
                "SELECT {NO_TEXT} AS st, {NO_NUMBER} AS sn, CAST({} AS BIGINT) AS tab, {text} AS tt, {number} AS tn \
                 FROM {} AS {} WHERE {} IN (",
                table.number(),
                table.name(),
                table.alias(),
                table.tie()
            ));
            sql.append(listed(&ties)).push(") AND ").append(expression.sql(postgres));
            let loaded: Vec<Entry> = sql.load(conn)?;
            met.extend(loaded.into_iter().map(Entry::place).map(|place| (place.table, place.tie)));
        }
        Ok(entries.into_iter().filter(|place| met.contains(&(place.table, place.tie.clone()))).collect())
    }
}
