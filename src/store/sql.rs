//! Statements that are put together: text with `?` for values, which are always bound.

use diesel::{
    QueryableByName, RunQueryDsl,
    backend::Backend,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    result::QueryResult,
    serialize::ToSql,
    sql_types::{BigInt, HasSqlType, Nullable, Text, Untyped},
    sqlite::Sqlite,
};

use super::{Conn, Error, Tx, connection::per_backend};

/// A value.
#[derive(Clone, Debug)]
enum Bind {
    Text(String),
    Number(i64),
}

/// Part of a statement.
#[derive(Clone, Debug, Default)]
pub(super) struct Sql {
    text: String,
    binds: Vec<Bind>,
    kept: bool,
}

impl Sql {
    /// A part without values.
    pub(super) fn new(text: impl Into<String>) -> Sql {
        Sql { text: text.into(), binds: Vec::new(), kept: false }
    }

    /// A statement whose text has few forms and whose plan is good for any values. Each connection prepares it once, which
    /// diesel does for no UPDATE and for no query in SQL of its own.
    pub(super) fn kept(text: impl Into<String>) -> Sql {
        Sql { kept: true, ..Sql::new(text) }
    }

    /// Adds text.
    pub(super) fn push(&mut self, text: &str) -> &mut Sql {
        self.text.push_str(text);
        self
    }

    /// The value of the next `?` in the text.
    pub(super) fn text(mut self, value: &str) -> Sql {
        self.binds.push(Bind::Text(value.to_owned()));
        self
    }

    /// The value of the next `?` in the text.
    pub(super) fn number(mut self, value: i64) -> Sql {
        self.binds.push(Bind::Number(value));
        self
    }

    /// Adds a part with its values.
    pub(super) fn append(&mut self, part: Sql) -> &mut Sql {
        self.text.push_str(&part.text);
        self.binds.extend(part.binds);
        self
    }

    /// How many values it has; statements take only so many.
    pub(super) fn values(&self) -> usize {
        self.binds.len()
    }

    /// The same with other text in the place of `what`, which is no value.
    pub(super) fn replaced(mut self, what: &str, with: &str) -> Sql {
        self.text = self.text.replace(what, with);
        self
    }

    /// `parts` with `between` between them; `otherwise` if there are none.
    pub(super) fn join(parts: impl IntoIterator<Item = Sql>, between: &str, otherwise: &str) -> Sql {
        let mut joined = Sql::default();
        for (n, part) in parts.into_iter().enumerate() {
            if n > 0 {
                joined.push(between);
            }
            joined.append(part);
        }
        if joined.text.is_empty() { Sql::new(otherwise) } else { joined }
    }

    /// `?, ?, ?` with these values.
    pub(super) fn list<'v>(values: impl IntoIterator<Item = &'v String>) -> Sql {
        Sql::join(values.into_iter().map(|value| Sql::new("?").text(value)), ", ", "NULL")
    }

    /// Runs the statement; its rows.
    pub(super) fn load<R>(self, conn: &mut Conn) -> Result<Vec<R>, Error>
    where
        R: QueryableByName<Sqlite> + QueryableByName<Pg> + 'static,
    {
        Ok(per_backend!(conn, conn => RunQueryDsl::load(self, conn))?)
    }

    /// Runs the statement; how many rows it changed.
    pub(super) fn execute(self, tx: &mut Tx<'_>) -> Result<usize, Error> {
        Ok(per_backend!(&mut **tx, conn => RunQueryDsl::execute(self, conn))?)
    }
}

impl Query for Sql {
    type SqlType = Untyped;
}

impl QueryId for Sql {
    type QueryId = ();

    // by its text
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Conn> RunQueryDsl<Conn> for Sql {}

impl QueryFragment<Sqlite> for Sql {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        walk(self, pass)
    }
}

impl QueryFragment<Pg> for Sql {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        walk(self, pass)
    }
}

fn walk<'b, DB>(sql: &'b Sql, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()>
where
    DB: Backend + HasSqlType<Text> + HasSqlType<BigInt>,
    String: ToSql<Text, DB>,
    i64: ToSql<BigInt, DB>,
{
    if !sql.kept {
        pass.unsafe_to_cache_prepared();
    }
    let mut binds = sql.binds.iter();
    for (n, part) in sql.text.split('?').enumerate() {
        if n > 0 {
            match binds.next() {
                Some(Bind::Text(text)) => pass.push_bind_param::<Text, _>(text)?,
                Some(Bind::Number(number)) => pass.push_bind_param::<BigInt, _>(number)?,
                None => return Err(diesel::result::Error::QueryBuilderError("fewer values than places".into())),
            }
        }
        pass.push_sql(part);
    }
    Ok(())
}

/// A number of registration.
#[derive(QueryableByName)]
pub(super) struct Seq {
    /// The number.
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
}

/// A number of registration and the text that orders.
#[derive(QueryableByName)]
pub(super) struct TextSeq {
    /// The text.
    #[diesel(sql_type = Text)]
    pub sort: String,
    /// The number.
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
}

/// A number of registration and the number that orders.
#[derive(QueryableByName)]
pub(super) struct NumberSeq {
    /// What orders.
    #[diesel(sql_type = BigInt)]
    pub sort: i64,
    /// The number.
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
}

/// A count.
#[derive(QueryableByName)]
pub(super) struct Count {
    /// How many.
    #[diesel(sql_type = BigInt)]
    pub n: i64,
}

/// A text.
#[derive(QueryableByName)]
pub(super) struct Word {
    /// The text.
    #[diesel(sql_type = Text)]
    pub word: String,
}

/// Which state of a row is where in an order.
#[derive(QueryableByName)]
pub(super) struct PlacedVersion {
    /// The text that orders, if one does.
    #[diesel(sql_type = Text)]
    pub word: String,
    /// The number that orders, if one does.
    #[diesel(sql_type = BigInt)]
    pub number: i64,
    /// The state.
    #[diesel(embed)]
    pub version: VersionRow,
}

/// Which state of a row.
#[derive(QueryableByName)]
pub(super) struct VersionRow {
    /// The number of registration.
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
    /// The ETag.
    #[diesel(sql_type = Text)]
    pub etag: String,
    /// When the row was last active, in milliseconds.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub active: Option<i64>,
    /// How many rows the list has in all.
    #[diesel(sql_type = BigInt)]
    pub total: i64,
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use diesel::{
        SqliteConnection,
        connection::{InstrumentationEvent, SimpleConnection},
        prelude::*,
    };

    use super::*;

    diesel::table! {
        thing (id) {
            id -> BigInt,
            word -> Text,
        }
    }

    #[test]
    fn a_kept_statement_is_prepared_once_and_has_its_own_values_each_time() {
        let mut conn = SqliteConnection::establish(":memory:").unwrap();
        let begin = "CREATE TABLE thing (id INTEGER PRIMARY KEY, word TEXT); INSERT INTO thing VALUES (1, ''), (2, '')";
        conn.batch_execute(begin).unwrap();
        let prepared = Arc::new(AtomicUsize::new(0));
        let counted = prepared.clone();
        conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::CacheQuery { .. } = event {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        let set = |id, word| Sql::kept("UPDATE thing SET word = ? WHERE id = ?").text(word).number(id);
        for (id, word, rows) in [(1, "a?", 1), (2, "b", 1), (1, "c", 1), (3, "d", 0)] {
            assert_eq!(RunQueryDsl::execute(set(id, word), &mut conn).unwrap(), rows);
        }
        assert_eq!(prepared.load(Ordering::Relaxed), 1);
        let words: Vec<String> = thing::table.order(thing::id).select(thing::word).load(&mut conn).unwrap();
        assert_eq!(words, ["c", "b"]);
        let fewer = Sql::kept("UPDATE thing SET word = ? WHERE id = ?").text("e");
        assert!(RunQueryDsl::execute(fewer, &mut conn).is_err());
    }
}
