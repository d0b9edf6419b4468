//! Everything in the database, row by row: how a backup is read, and written into an empty database of either kind.
//!
//! All columns are texts, whole numbers or truth values, so a row is a JSON array that means the same in both databases.
//! What triggers keep (counts, orders, indexes of texts) is left out; they make it again. Rows are in an order in which
//! they can be inserted, and principals and clients in the order of their registration.

use diesel::{
    Connection, QueryableByName, RunQueryDsl,
    connection::{DefaultLoadingMode, SimpleConnection},
    pg::PgRowByRowLoadingMode,
    sql_query,
    sql_types::{BigInt, Text},
};

use super::{Conn, Error, Target, connection, migrate};

/// Rows that one statement inserts.
const BATCH: usize = 200;
/// What others refer to comes first; the rest in any order.
const FIRST: [&str; 5] = ["identity", "role", "principal", "client", "session"];
/// What triggers keep, and what only means something to processes that run.
const DERIVED: [&str; 8] = [
    "tally",
    "gram_position",
    "identity_attribute",
    "principal_grams",
    "client_grams",
    "principal_search",
    "client_search",
    "change",
];
/// The same of columns.
const DERIVED_COLUMNS: [&str; 3] = ["seq", "principal_seq", "client_seq"];

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number.
    Number,
    /// 0 or 1.
    Truth,
}

/// A table as it is copied.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, as they follow each other in a row.
    pub columns: Vec<(String, Kind)>,
}

/// A connection past the program's own: the schema stays as it is.
///
/// # Errors
/// The database cannot be reached.
pub fn connect(target: &Target, writes: bool) -> Result<Conn, Error> {
    let mut conn = match target {
        Target::Sqlite(path) => {
            let path = path.to_str().ok_or_else(|| Error::Unavailable("the path is not UTF-8".to_owned()))?;
            match writes {
                true => Conn::Sqlite(connection::sqlite_writer(path)?),
                false => connection::sqlite_reader(path)?,
            }
        }
        Target::Postgres { url, .. } => connection::postgres(url)?,
    };
    if let Conn::Postgres(conn) = &mut conn {
        // whoever reads on slowly must not be thrown out
        conn.batch_execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;")?;
    }
    Ok(conn)
}

/// What a copy is told, in its order.
pub enum Item<'i> {
    /// From here on rows of this table.
    Table(&'i Table),
    /// A row: a JSON array.
    Row(&'i str),
}

/// Reads everything as it is at one moment, whatever is written meanwhile; `begin` is told the versions of the schema.
///
/// # Errors
/// The database's, or those of `begin` and `item`, which end it.
pub fn read<E: From<Error>>(
    conn: &mut Conn,
    begin: impl FnOnce(&[String]) -> Result<(), E>,
    mut item: impl FnMut(Item<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let database = |error: diesel::result::Error| E::from(Error::from(error));
    // the first read takes the snapshot
    let start = match conn {
        Conn::Sqlite(_) => "BEGIN",
        Conn::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    };
    conn.batch_execute(start).map_err(database)?;
    let run = || -> Result<(), E> {
        begin(&migrate::versions(conn)?)?;
        for table in tables(conn)? {
            item(Item::Table(&table))?;
            // one row at a time is in memory
            match conn {
                Conn::Sqlite(conn) => {
                    let query = sql_query(select(&table, "json_array"));
                    let lines = query.load_iter::<Line, DefaultLoadingMode>(conn).map_err(database)?;
                    lines.into_iter().try_for_each(|line| item(Item::Row(&line.map_err(database)?.line)))?;
                }
                Conn::Postgres(conn) => {
                    let query = sql_query(select(&table, "json_build_array"));
                    let lines = query.load_iter::<Line, PgRowByRowLoadingMode>(conn).map_err(database)?;
                    lines.into_iter().try_for_each(|line| item(Item::Row(&line.map_err(database)?.line)))?;
                }
            }
        }
        Ok(())
    };
    let done = run();
    let ended = conn.batch_execute("ROLLBACK");
    done?;
    ended.map_err(database)
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn select(table: &Table, array: &str) -> String {
    let postgres = array == "json_build_array";
    let column = |(name, kind): &(String, Kind)| match kind {
        Kind::Truth if postgres => format!("\"{name}\"::int"),
        _ => format!("\"{name}\""),
    };
    let columns: Vec<String> = table.columns.iter().map(column).collect();
    let order = if matches!(table.name.as_str(), "principal" | "client") { " ORDER BY seq" } else { "" };
    let text = if postgres { "::text" } else { "" };
    format!("SELECT {array}({}){text} AS line FROM \"{}\"{order}", columns.join(", "), table.name)
}

/// The tables that are copied, in an order in which they can be filled.
///
/// # Errors
/// Only the database's; a column of a kind that cannot be copied is a fault in this program.
pub fn tables(conn: &mut Conn) -> Result<Vec<Table>, Error> {
    #[derive(QueryableByName)]
    struct Column {
        #[diesel(sql_type = Text)]
        held_by: String,
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Text)]
        kind: String,
    }
    // generated columns are in neither
    let query = match conn {
        Conn::Sqlite(_) => {
            "SELECT t.name AS held_by, c.name AS name, lower(c.type) AS kind FROM sqlite_schema AS t, \
             pragma_table_info(t.name) AS c WHERE t.type = 'table' ORDER BY t.name, c.cid"
        }
        Conn::Postgres(_) => {
            "SELECT c.table_name::text AS held_by, c.column_name::text AS name, c.data_type::text AS kind \
             FROM information_schema.columns AS c JOIN pg_tables AS t ON t.tablename = c.table_name \
             WHERE c.table_schema = 'public' AND t.schemaname = 'public' AND c.is_generated = 'NEVER' \
             ORDER BY c.table_name, c.ordinal_position"
        }
    };
    let columns: Vec<Column> = sql_query(query).load(conn)?;
    let mut tables: Vec<Table> = Vec::new();
    for Column { held_by, name, kind } in columns {
        let own = held_by.starts_with("sqlite_") || held_by.starts_with("__diesel") || held_by.contains("_grams");
        if own || DERIVED.contains(&held_by.as_str()) || DERIVED_COLUMNS.contains(&name.as_str()) {
            continue;
        }
        let kind = match kind.as_str() {
            "text" => Kind::Text,
            "bigint" | "integer" => Kind::Number,
            "boolean" => Kind::Truth,
            other => return Err(Error::Internal(format!("{held_by}.{name} is of the type {other}"))),
        };
        match tables.last_mut().filter(|table| table.name == held_by) {
            Some(table) => table.columns.push((name, kind)),
            None => tables.push(Table { name: held_by, columns: vec![(name, kind)] }),
        }
    }
    let place = |table: &Table| FIRST.iter().position(|name| *name == table.name).unwrap_or(FIRST.len());
    tables.sort_by_key(place);
    Ok(tables)
}

/// How many rows a table has.
///
/// # Errors
/// Only the database's.
pub fn count(conn: &mut Conn, table: &str) -> Result<i64, Error> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        rows: i64,
    }
    let row: Count = sql_query(format!("SELECT count(*) AS rows FROM \"{table}\"")).get_result(conn)?;
    Ok(row.rows)
}

/// Whether a database holds nothing that somebody could miss: no schema, or one in which no server has begun.
///
/// # Errors
/// Only the database's.
pub fn is_empty(conn: &mut Conn) -> Result<bool, Error> {
    if migrate::versions(conn)?.is_empty() {
        return Ok(tables(conn)?.is_empty());
    }
    for table in ["master_key", "signing_key", "identity", "role"] {
        if count(conn, table)? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Fills an empty database, whose schema is that of the copy, in the transaction that is open. Rows come in batches.
pub struct Filler<'c> {
    conn: &'c mut Conn,
    known: Vec<Table>,
    /// The table that is filled, with the statement's beginning and columns.
    table: Option<String>,
    waiting: Vec<String>,
}

impl<'c> Filler<'c> {
    /// Begins.
    ///
    /// # Errors
    /// Only the database's.
    pub fn new(conn: &'c mut Conn) -> Result<Filler<'c>, Error> {
        let known = tables(conn)?;
        // what migrations have put there is in the copy as well
        for table in known.iter().rev() {
            conn.batch_execute(&format!("DELETE FROM \"{}\"", table.name))?;
        }
        Ok(Filler { conn, known, table: None, waiting: Vec::new() })
    }

    /// Goes on to another table.
    ///
    /// # Errors
    /// The database's, or there is no such table.
    pub fn table(&mut self, table: &Table) -> Result<(), Error> {
        self.flush()?;
        // names go into statements: only such as this very database has
        let same = |known: &&Table| {
            let has = |column| known.columns.contains(column);
            known.name == table.name && known.columns.len() == table.columns.len() && table.columns.iter().all(has)
        };
        if !self.known.iter().any(|known| same(&known)) {
            return Err(Error::Internal(format!("the schema has no table {} with these columns", table.name)));
        }
        let names: Vec<String> = table.columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let postgres = matches!(self.conn, Conn::Postgres(_));
        let value = |(at, (_, kind)): (usize, &(String, Kind))| match (postgres, kind) {
            (false, _) => format!("value ->> {at}"),
            (true, Kind::Text) => format!("value ->> {at}"),
            (true, Kind::Number) => format!("(value ->> {at})::bigint"),
            (true, Kind::Truth) => format!("(value ->> {at})::int::boolean"),
        };
        let values: Vec<String> = table.columns.iter().enumerate().map(value).collect();
        let from = if postgres {
            "json_array_elements($1::json) WITH ORDINALITY AS rows (value, n) ORDER BY n"
        } else {
            "json_each(?)"
        };
        self.table = Some(format!(
            "INSERT INTO \"{}\" ({}) SELECT {} FROM {from}",
            table.name,
            names.join(", "),
            values.join(", ")
        ));
        Ok(())
    }

    /// Adds a row, which is a JSON array.
    ///
    /// # Errors
    /// The database's, or there was no table yet.
    pub fn row(&mut self, row: &str) -> Result<(), Error> {
        self.waiting.push(row.to_owned());
        if self.waiting.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// As [`Filler::row`].
    pub fn flush(&mut self) -> Result<(), Error> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let statement = self.table.as_ref().ok_or_else(|| Error::Internal("a row without a table".to_owned()))?;
        let rows = format!("[{}]", self.waiting.join(","));
        sql_query(statement).bind::<Text, _>(rows).execute(self.conn)?;
        self.waiting.clear();
        Ok(())
    }
}

/// Runs `work` in one transaction.
///
/// # Errors
/// The database's, or those of `work`, with which nothing is kept.
pub fn transaction<T, E: From<Error>>(conn: &mut Conn, work: impl FnOnce(&mut Conn) -> Result<T, E>) -> Result<T, E> {
    let outcome: Result<T, super::Either<E>> = conn.transaction(|conn| work(conn).map_err(super::Either::Closure));
    outcome.map_err(|either| match either {
        super::Either::Closure(error) => error,
        super::Either::Database(error) => Error::from(error).into(),
    })
}

/// Ends a new embedded database as one file, and checks it.
///
/// # Errors
/// It is not whole.
pub fn settle(conn: &mut Conn) -> Result<(), Error> {
    #[derive(QueryableByName)]
    struct Check {
        #[diesel(sql_type = Text)]
        integrity_check: String,
    }
    if let Conn::Sqlite(conn) = conn {
        let check: Vec<Check> = sql_query("PRAGMA integrity_check").load(conn)?;
        if check.iter().any(|check| check.integrity_check != "ok") {
            return Err(Error::Internal("the database that was made is not whole".to_owned()));
        }
        conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;")?;
    }
    Ok(())
}
