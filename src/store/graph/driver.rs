//! Which indexes have all rows that can meet a condition.

use tokio::time::Instant;

use super::{
    Budget, FEW, Tie,
    expression::{Bound, Compared, Expression, Leads, around},
    order::range,
    table::{Column, Table},
    text::Run,
    walk::{Entry, tie_column},
};
use crate::{
    model::graph::{Node, Operator},
    store::{
        Conn, Error,
        listing::{search::after_prefix, texts},
        sql::{Sql, Word},
    },
};

/// Ranges that are read side by side at most.
const STREAMS: usize = 100;
/// Texts that are looked for side by side at most: each costs more than a range.
const TEXTS: usize = 8;
/// Alternatives that are tried at most to find the one with the fewest entries.
const TRIED: usize = 8;
/// So few entries that it is not worth looking for fewer.
const ENOUGH: usize = 100;

/// A range of an index.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// `table AS alias WHERE …`, the expression that is the row's tie, and whether entries lie in its order.
    Range { from: Sql, tie: &'static str, ordered: bool },
    /// What an index of runs of characters has.
    Text(Run),
}

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

/// One way to find all rows that can meet a condition: each is in one of the ranges.
type Driver = Vec<Source>;

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

impl Source {
    /// How well it tells rows from others: the most characters of a run that is looked for.
    fn tells(&self) -> usize {
        match self {
            Source::Range { .. } => 3,
            Source::Text(run) => run.tells(),
        }
    }
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

fn source(from: Sql, tie: &'static str, ordered: bool) -> Source {
    Source::Range { from, tie, ordered }
}

/// Rows of the table itself with one of these values in a column.
fn keyed(table: Table, column: &str, values: &[String], ordered: bool) -> Driver {
    let from = format!("{} AS {} WHERE {column} IN (", table.name(), table.alias());
    vec![source(around(&from, Sql::list(values), ")"), table.tie(), ordered)]
}

/// The same, one range for each value, in the order of registration.
fn each(table: Table, condition: &str, values: &[String]) -> Driver {
    let from = format!("{} AS {} WHERE {condition}", table.name(), table.alias());
    values.iter().map(|value| source(Sql::new(from.clone()).text(value), table.tie(), true)).collect()
}

fn rows(table: Table, condition: Sql, ordered: bool) -> Driver {
    let from = format!("{} AS {} WHERE ", table.name(), table.alias());
    vec![source(around(&from, condition, ""), table.tie(), ordered)]
}

fn role(table: Table, condition: Sql) -> Source {
    let seq = if table == Table::Client { "d.client_seq" } else { "d.principal_seq" };
    source(around("identity_role AS d WHERE ", condition, &format!(" AND {seq} IS NOT NULL")), seq, true)
}

fn attribute(table: Table, key: &str, value: &str) -> Source {
    let seq = if table == Table::Client { "d.client_seq" } else { "d.principal_seq" };
    let from = format!("identity_attribute AS d WHERE d.key = ? AND d.value = ? AND {seq} IS NOT NULL");
    source(Sql::new(from).text(key).text(value), seq, true)
}

/// Members of the roles with these keys.
fn holders(table: Table, keys: &[String]) -> Driver {
    keys.iter().map(|key| role(table, Sql::new("d.role_key = ?").text(key))).collect()
}

/// Members of the roles whose keys begin like this.
fn holders_of_prefix(conn: &mut Conn, table: Table, prefix: &str) -> Result<Driver, Error> {
    let after = after_prefix(prefix);
    let within = |column: &str| Sql::new(format!("{column} >= ? AND {column} < ?")).text(prefix).text(&after);
    let keys =
        around("SELECT key AS word FROM role WHERE ", within("key"), &format!(" ORDER BY key LIMIT {}", STREAMS + 1));
    let keys: Vec<Word> = keys.load(conn)?;
    let keys: Vec<String> = keys.into_iter().map(|key| key.word).collect();
    if keys.len() <= STREAMS {
        return Ok(holders(table, &keys));
    }
    match role(table, within("d.role_key")) {
        Source::Range { from, tie, .. } => Ok(vec![source(from, tie, false)]),
        other => Ok(vec![other]),
    }
}

/// The ranges of an index that a comparison asks for.
fn driver(conn: &mut Conn, table: Table, compared: &Compared) -> Result<Option<Driver>, Error> {
    let texts = compared.texts();
    let exact = matches!(compared.operator, Operator::Equal | Operator::AnyOf) && texts.len() == compared.values.len();
    let field = compared.field.trim_start_matches("properties.");
    let found = match (table, field) {
        (Table::Principal | Table::Client, "identityId") if exact => Some(keyed(table, "p.id", &texts, true)),
        (Table::Principal, "email") if exact => Some(keyed(table, "p.email_key", &texts, true)),
        (Table::Principal | Table::Client, "name") if exact => Some(named(table, &texts)),
        (Table::Principal | Table::Client, "roles") => match (compared.operator, texts.first()) {
            (Operator::AnyOf | Operator::Contains, _) => Some(holders(table, &texts)),
            (Operator::AllOf, Some(first)) => Some(holders(table, std::slice::from_ref(first))),
            (Operator::StartsWith, Some(prefix)) => Some(holders_of_prefix(conn, table, prefix)?),
            _ => None,
        },
        (Table::Principal | Table::Client | Table::Sending, "createdAt" | "lastActiveAt") => time(table, compared),
        (Table::Principal | Table::Client, "suspendedAt") => suspended(table, compared),
        (Table::Principal | Table::Client, "name" | "email" | "phone" | "identityId") => {
            containing(table, field, compared)
        }
        (Table::Sending, "sendingId") if exact => Some(keyed(table, "m.id", &texts, true)),
        (Table::Sending, "status") if exact => Some(each(table, "m.status = ?", &texts)),
        (Table::Sending, "category") if exact => Some(each(table, "m.category = ?", &texts)),
        (Table::Sending, "recipient") if exact => {
            let beginnings: Vec<String> = texts.iter().map(|text| text.chars().take(200).collect()).collect();
            Some(each(table, "substr(lower(m.recipient), 1, 200) = ?", &beginnings))
        }
        (Table::Role, "key") => keys(compared, &texts, exact),
        _ => None,
    };
    Ok(found)
}

/// Who has one of these names, of which an index has the beginning.
fn named(table: Table, names: &[String]) -> Driver {
    let beginnings: Vec<String> = names.iter().map(|name| name.chars().take(200).collect()).collect();
    let system = if table == Table::Client { " AND p.system_client = FALSE" } else { "" };
    let of = |suspended| each(table, &format!("p.suspended = {suspended}{system} AND p.name_sort = ?"), &beginnings);
    [of("FALSE"), of("TRUE")].concat()
}

/// Of a time, a range of its index.
fn time(table: Table, compared: &Compared) -> Option<Driver> {
    let (column, groups) = timed(table, compared.field)?;
    if compared.field == "lastActiveAt" && compared.operator == Operator::Equal && compared.values == [Bound::Null] {
        return Some(grouped(table, groups, &Sql::new("p.active_sort = 0"), true));
    }
    if compared.operator == Operator::AnyOf {
        let numbers = compared.values.iter().filter_map(|value| match value {
            Bound::Number(number) => Some(Sql::new("?").number(*number)),
            _ => None,
        });
        let among = around(&format!("{column} IN ("), Sql::join(numbers, ", ", "NULL"), ")");
        return Some(grouped(table, groups, &among, false));
    }
    Some(grouped(table, groups, &range(column, compared)?, false))
}

/// What several comparisons with a time leave together.
fn times(table: Table, parts: &[Expression]) -> Option<Driver> {
    for field in ["createdAt", "lastActiveAt"] {
        let Some((column, groups)) = timed(table, field) else { continue };
        let ranges = parts.iter().filter_map(|part| match part {
            Expression::Compared(compared) if compared.field == field => range(column, compared),
            _ => None,
        });
        let ranges: Vec<Sql> = ranges.collect();
        if ranges.len() > 1 {
            return Some(grouped(table, groups, &Sql::join(ranges, " AND ", "TRUE"), false));
        }
    }
    None
}

fn timed(table: Table, field: &str) -> Option<(&'static str, &'static [&'static str])> {
    match (table, field) {
        (Table::Principal | Table::Client, "createdAt") => Some(("p.created_at", &["TRUE"])),
        (Table::Sending, "createdAt") => Some(("m.created_at", &["TRUE"])),
        (Table::Principal, "lastActiveAt") => Some(("p.active_sort", &["p.suspended = FALSE", "p.suspended = TRUE"])),
        _ => None,
    }
}

fn grouped(table: Table, groups: &[&str], condition: &Sql, ordered: bool) -> Driver {
    let of = |group: &&str| rows(table, around(&format!("{group} AND "), condition.clone(), ""), ordered);
    groups.iter().flat_map(of).collect()
}

/// Whoever is suspended, or is not; there is a time only where somebody is.
fn suspended(table: Table, compared: &Compared) -> Option<Driver> {
    let null = compared.values == [Bound::Null];
    let suspended = match compared.operator {
        Operator::Equal if null => "FALSE",
        Operator::NotEqual if !null => return None,
        _ => "TRUE",
    };
    let system = if table == Table::Client { " AND p.system_client = FALSE" } else { "" };
    Some(rows(table, Sql::new(format!("p.suspended = {suspended}{system}")), true))
}

/// Of a text, what an index of runs of characters has.
fn containing(table: Table, field: &str, compared: &Compared) -> Option<Driver> {
    let indexed = match table {
        Table::Principal => field != "identityId",
        _ => matches!(field, "name" | "identityId"),
    };
    let wanted = matches!(compared.operator, Operator::Contains | Operator::StartsWith)
        || (field == "phone" && matches!(compared.operator, Operator::Equal | Operator::AnyOf));
    let needles: Vec<String> = compared.texts().iter().map(|text| text.to_lowercase()).collect();
    let runs = || needles.iter().map(|needle| texts::grams(needle));
    if !indexed || !wanted || needles.len() != compared.values.len() || runs().any(|grams| grams.is_empty()) {
        return None;
    }
    Some(runs().map(|grams| Source::Text(Run::new(grams))).collect())
}

fn keys(compared: &Compared, texts: &[String], exact: bool) -> Option<Driver> {
    match (compared.operator, texts.first()) {
        _ if exact => Some(keyed(Table::Role, "r.key", texts, true)),
        (Operator::StartsWith, Some(prefix)) => {
            let range = Sql::new("r.key >= ? AND r.key < ?").text(prefix).text(&after_prefix(prefix));
            Some(rows(Table::Role, range, true))
        }
        _ => None,
    }
}

/// Where a role must be held that is told by its key.
fn through_role(conn: &mut Conn, table: Table, leads: &Leads) -> Result<Option<Driver>, Error> {
    if leads.node != Node::Role {
        return Ok(None);
    }
    for part in leads.target.conjuncts() {
        let Expression::Compared(compared @ Compared { field: "key", column: Column::Stored { .. }, .. }) = part else {
            continue;
        };
        let texts = compared.texts();
        match compared.operator {
            Operator::Equal | Operator::AnyOf if texts.len() == compared.values.len() => {
                return Ok(Some(holders(table, &texts)));
            }
            Operator::StartsWith if !texts.is_empty() => return Ok(Some(holders_of_prefix(conn, table, &texts[0])?)),
            _ => {}
        }
    }
    Ok(None)
}
