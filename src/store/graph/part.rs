//! The parts that a walk reads side by side: ranges of an index or a table, in its order.

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Nullable, Text},
};

use super::{
    Place, Sort, Tie,
    expression::{around, native},
    order::By,
    table::Table,
};
use crate::store::sql::Sql;

/// An entry as statements answer it.
#[derive(Debug, QueryableByName)]
pub(super) struct Entry {
    #[diesel(sql_type = Nullable<Text>)]
    st: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    sn: Option<i64>,
    #[diesel(sql_type = BigInt)]
    tab: i64,
    #[diesel(sql_type = Nullable<Text>)]
    tt: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    tn: Option<i64>,
}

impl Entry {
    pub(super) fn place(self) -> Place {
        let sort = match (self.st, self.sn) {
            (Some(text), _) => Sort::Text(text),
            (None, Some(number)) => Sort::Number(number),
            (None, None) => Sort::None,
        };
        let tie = match self.tt {
            Some(text) => Tie::Text(text),
            None => Tie::Number(self.tn.unwrap_or_default()),
        };
        Place { sort, table: self.tab, tie }
    }
}

pub(super) const NO_TEXT: &str = "CAST(NULL AS TEXT)";
pub(super) const NO_NUMBER: &str = "CAST(NULL AS BIGINT)";

/// What tells rows apart, as the columns `tt` and `tn`.
pub(super) fn tie_column(table: Table, tie: &str) -> (String, String) {
    if table.is_numbered() { (NO_TEXT.to_owned(), tie.to_owned()) } else { (tie.to_owned(), NO_NUMBER.to_owned()) }
}

/// A range of entries in the order of the walk.
pub(super) struct Part {
    pub table: Table,
    pub from: Sql,
    pub by: By,
    pub tie: &'static str,
}

/// Values of ties, between commas.
pub(super) fn listed(ties: &[Tie]) -> Sql {
    Sql::join(
        ties.iter().map(|tie| match tie {
            // numbers that the database gave
            Tie::Number(number) => Sql::new(number.to_string()),
            Tie::Text(text) => Sql::new("?").text(text),
        }),
        ", ",
        "NULL",
    )
}

impl Part {
    /// The next entries of this part; `None` where all of it lies on the other side of the position.
    pub(super) fn sql(&self, ascends: bool, beyond: Option<&Place>, some: usize, postgres: bool) -> Option<Sql> {
        let way = if ascends { "ASC" } else { "DESC" };
        let (tie_text, tie_number) = tie_column(self.table, self.tie);
        let (text, number) = match &self.by {
            By::Nothing | By::Constant(Sort::None) => (NO_TEXT.to_owned(), NO_NUMBER.to_owned()),
            By::Constant(Sort::Text(_)) => ("CAST('' AS TEXT)".to_owned(), NO_NUMBER.to_owned()),
            By::Constant(Sort::Number(number)) => (NO_TEXT.to_owned(), format!("CAST({number} AS BIGINT)")),
            By::Text(column) => ((*column).to_owned(), NO_NUMBER.to_owned()),
            By::Number(column) => (NO_TEXT.to_owned(), (*column).to_owned()),
        };
        let mut sql = Sql::new(format!(
            "SELECT {text} AS st, {number} AS sn, CAST({} AS BIGINT) AS tab, {tie_text} AS tt, {tie_number} AS tn FROM ",
            self.table.number()
        ));
        sql.append(self.from.clone());
        if let Some(place) = beyond {
            sql.append(self.beyond(ascends, place)?);
        }
        let first = match &self.by {
            By::Text(column) | By::Number(column) => format!("{column} {way}, "),
            By::Nothing | By::Constant(_) => String::new(),
        };
        sql.push(&format!(" ORDER BY {first}{} {way} LIMIT {some}", self.tie));
        // PostgreSQL does not look into a part that is cut off
        Some(sql.replaced("{fence}", if postgres { "OFFSET 0" } else { "" }))
    }

    /// That a row lies beyond a position, as ` AND …`; `None` if none does.
    fn beyond(&self, ascends: bool, place: &Place) -> Option<Sql> {
        let sign = if ascends { ">" } else { "<" };
        let table = self.table.number().cmp(&place.table);
        let table = if ascends { table } else { table.reverse() };
        let tied = |sql: Sql| match &place.tie {
            Tie::Number(number) => sql.number(*number),
            Tie::Text(text) => sql.text(text),
        };
        let sorted = |sql: Sql| match &place.sort {
            Sort::Number(number) => sql.number(*number),
            Sort::Text(text) => sql.text(text),
            Sort::None => sql.text(""),
        };
        let column = match &self.by {
            By::Text(column) | By::Number(column) => column,
            By::Nothing | By::Constant(_) => {
                let own = if let By::Constant(sort) = &self.by { sort } else { &Sort::None };
                let sort = if ascends { own.cmp(&place.sort) } else { place.sort.cmp(own) };
                return match sort.then(table) {
                    std::cmp::Ordering::Less => None,
                    std::cmp::Ordering::Greater => Some(Sql::default()),
                    std::cmp::Ordering::Equal => Some(tied(Sql::new(format!(" AND {} {sign} ?", self.tie)))),
                };
            }
        };
        Some(match table {
            std::cmp::Ordering::Equal => tied(sorted(Sql::new(format!(" AND ({column}, {}) {sign} (?, ?)", self.tie)))),
            // rows of equal order are beyond it, too
            std::cmp::Ordering::Greater => sorted(Sql::new(format!(" AND {column} {sign}= ?"))),
            std::cmp::Ordering::Less => sorted(Sql::new(format!(" AND {column} {sign} ?"))),
        })
    }
}

/// The first entries of all parts together.
pub(super) fn merged(mut parts: Vec<Sql>, numbered: bool, ascends: bool, some: usize, postgres: bool) -> Option<Sql> {
    match parts.len() {
        0 => None,
        1 => parts.pop(),
        _ => {
            let way = if ascends { "ASC" } else { "DESC" };
            let tie = if numbered { format!("tn {way}") } else { native(&format!("tt{{C}} {way}"), postgres) };
            let parts = parts.into_iter().map(|part| around("SELECT * FROM (", part, ") AS part"));
            let order = native(&format!("st{{C}} {way}, sn {way}, tab {way}, {tie}"), postgres);
            let after = format!(") AS merged ORDER BY {order} LIMIT {some}");
            // a row may lie in several ranges
            Some(around("SELECT * FROM (", Sql::join(parts, " UNION ", ""), &after))
        }
    }
}
