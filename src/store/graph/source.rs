//! The ranges of indexes that comparisons ask for.

use super::{
    expression::{Bound, Compared, Expression, Leads, around},
    order::range,
    table::{Column, Table},
    text::Run,
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
pub(super) const STREAMS: usize = 100;

/// A range of an index.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// `table AS alias WHERE …`, the expression that is the row's tie, and whether entries lie in its order.
    Range { from: Sql, tie: &'static str, ordered: bool },
    /// What an index of runs of characters has.
    Text(Run),
}

/// One way to find all rows that can meet a condition: each is in one of the ranges.
pub(super) type Driver = Vec<Source>;

impl Source {
    /// How well it tells rows from others: the most characters of a run that is looked for.
    pub(super) fn tells(&self) -> usize {
        match self {
            Source::Range { .. } => 3,
            Source::Text(run) => run.tells(),
        }
    }
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

pub(super) fn attribute(table: Table, key: &str, value: &str) -> Source {
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
pub(super) fn driver(conn: &mut Conn, table: Table, compared: &Compared) -> Result<Option<Driver>, Error> {
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
pub(super) fn times(table: Table, parts: &[Expression]) -> Option<Driver> {
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
pub(super) fn through_role(conn: &mut Conn, table: Table, leads: &Leads) -> Result<Option<Driver>, Error> {
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
