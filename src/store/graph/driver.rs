//! Which indexes have all rows that can meet a condition.

use tokio::time::Instant;

use super::{
    Budget, FEW, Tie,
    expression::Expression,
    part::{Entry, tie_column},
    source::{Driver, STREAMS, Source, attribute, driver, through_role, times},
    table::Table,
};
use crate::store::{Conn, Error, sql::Sql};

/// Texts that are looked for side by side at most: each costs more than a range.
const TEXTS: usize = 8;
/// Alternatives that are tried at most to find the one with the fewest entries.
const TRIED: usize = 8;
/// So few entries that it is not worth looking for fewer.
const ENOUGH: usize = 100;

/// How the rows of a table are found.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    /// There are none.
    Nothing,
    /// They are among these.
    Few(Vec<Tie>),
    /// They lie in these ranges, in the order of registration.
    Streams(Vec<Source>),
    /// Along the index of the order.
    Walk,
}

/// How rows of a table are best found that meet `expression`; `registration`: in that order.
pub(super) fn plan(
    conn: &mut Conn,
    table: Table,
    expression: &Expression,
    registration: bool,
    budget: &mut Budget,
) -> Result<Plan, Error> {
    if *expression == Expression::Fixed(false) {
        return Ok(Plan::Nothing);
    }
    let mut drivers = drivers(conn, table, expression)?;
    let texts_in = |driver: &Driver| driver.iter().filter(|source| matches!(source, Source::Text(_))).count();
    drivers.retain(|driver| driver.len() <= STREAMS && texts_in(driver) <= TEXTS);
    let (texts, ranges): (Vec<Driver>, Vec<Driver>) =
        drivers.into_iter().partition(|driver| driver.iter().any(|source| matches!(source, Source::Text(_))));
    let mut fewest: Option<Vec<Tie>> = None;
    for driver in ranges.iter().take(TRIED) {
        if let Some(ties) = few(conn, table, driver, budget)?
            && fewest.as_ref().is_none_or(|fewest| ties.len() < fewest.len())
        {
            fewest = Some(ties);
        }
        if fewest.as_ref().is_some_and(|fewest| fewest.len() <= ENOUGH) {
            break;
        }
    }
    if let Some(ties) = fewest {
        return Ok(Plan::Few(ties));
    }
    let in_order =
        |driver: &&Driver| driver.iter().all(|source| !matches!(source, Source::Range { ordered: false, .. }));
    if registration {
        let rare = texts.iter().filter(in_order).max_by_key(|driver| driver.iter().map(Source::tells).min());
        let streams = rare.or_else(|| ranges.iter().find(in_order));
        return Ok(streams.map_or(Plan::Walk, |driver| Plan::Streams(driver.clone())));
    }
    if let Some(driver) = texts.iter().max_by_key(|driver| driver.iter().map(Source::tells).min())
        && let Some(ties) = few(conn, table, driver, budget)?
    {
        return Ok(Plan::Few(ties));
    }
    Ok(Plan::Walk)
}

/// All entries, if they are few.
fn few(conn: &mut Conn, table: Table, driver: &Driver, budget: &mut Budget) -> Result<Option<Vec<Tie>>, Error> {
    let mut ties: Vec<Tie> = Vec::new();
    for source in driver {
        let room = FEW + 1 - ties.len().min(FEW);
        match source {
            Source::Range { from, tie, .. } => {
                let (text, number) = tie_column(table, tie);
                let mut sql = Sql::new(format!(
                    "SELECT CAST(NULL AS TEXT) AS st, CAST(NULL AS BIGINT) AS sn, CAST(0 AS BIGINT) AS tab, {text} AS tt, \
                     {number} AS tn FROM "
                ));
                sql.append(from.clone()).push(&format!(" LIMIT {room}"));
                let entries: Vec<Entry> = sql.load(conn)?;
                ties.extend(entries.into_iter().map(|entry| entry.place().tie));
            }
            Source::Text(run) => {
                // half of the time is left for another way
                let now = Instant::now();
                let until = now + budget.until.saturating_duration_since(now) / 2;
                let (found, horizon) = run.next(conn, table, None, true, room, until)?;
                if horizon.is_some() {
                    budget.take(found.len());
                    return Ok(None);
                }
                ties.extend(found.into_iter().map(Tie::Number));
            }
        }
        if ties.len() > FEW {
            budget.take(ties.len());
            return Ok(None);
        }
    }
    budget.take(ties.len());
    ties.sort();
    ties.dedup();
    Ok(Some(ties))
}

/// The alternatives that a condition offers.
fn drivers(conn: &mut Conn, table: Table, expression: &Expression) -> Result<Vec<Driver>, Error> {
    Ok(match expression {
        Expression::All(parts) => {
            let mut found = Vec::new();
            found.extend(times(table, parts));
            for part in parts {
                found.extend(drivers(conn, table, part)?);
            }
            found
        }
        Expression::Any(parts) => {
            let mut together = Driver::new();
            for part in parts {
                // of one part, what asks for single rows, else for ranges, else for texts
                let offers = drivers(conn, table, part)?;
                let Some(best) = offers.into_iter().min_by_key(rank) else { return Ok(Vec::new()) };
                together.extend(best);
                if together.len() > STREAMS {
                    return Ok(Vec::new());
                }
            }
            vec![together]
        }
        Expression::Compared(compared) => driver(conn, table, compared)?.into_iter().collect(),
        Expression::Carries(key, values) => {
            let values: Vec<String> = values.iter().filter(|value| !value.contains('\0')).cloned().collect();
            vec![values.iter().map(|value| attribute(table, key, value)).collect()]
        }
        Expression::Leads(leads) => through_role(conn, table, leads)?.into_iter().collect(),
        Expression::Fixed(_) | Expression::Not(_) | Expression::Raw(_) => Vec::new(),
    })
}

fn rank(driver: &Driver) -> usize {
    let of = |source: &Source| if matches!(source, Source::Text(_)) { 1_000 } else { 1 };
    driver.iter().map(of).sum()
}
