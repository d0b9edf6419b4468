//! Statements whose text is always the same, for what happens all the time: they are prepared once for each connection.
//! diesel plans every UPDATE anew at each use, because the text of one may depend on its values, and asks PostgreSQL twice.

use diesel::{
    RunQueryDsl,
    backend::Backend,
    pg::Pg,
    query_builder::{AstPass, QueryFragment, QueryId},
    result::QueryResult,
    serialize::ToSql,
    sql_types::{BigInt, HasSqlType, Text},
    sqlite::Sqlite,
};

use super::{Error, Tx, connection::per_backend};

/// A statement with `?` for values.
#[derive(Clone, Debug)]
pub(super) struct Fixed {
    text: &'static str,
    values: Vec<Value>,
}

#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Number(i64),
}

impl Fixed {
    /// A statement without values.
    pub(super) fn new(text: &'static str) -> Fixed {
        Fixed { text, values: Vec::new() }
    }

    /// The value of the next `?`.
    pub(super) fn text(mut self, value: &str) -> Fixed {
        self.values.push(Value::Text(value.to_owned()));
        self
    }

    /// The value of the next `?`.
    pub(super) fn number(mut self, value: i64) -> Fixed {
        self.values.push(Value::Number(value));
        self
    }

    /// Runs it; the number of rows.
    pub(super) fn execute(&self, tx: &mut Tx<'_>) -> Result<usize, Error> {
        Ok(per_backend!(&mut **tx, conn => RunQueryDsl::execute(self, conn))?)
    }
}

impl QueryId for Fixed {
    type QueryId = ();

    // by its text
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Conn> RunQueryDsl<Conn> for &Fixed {}

impl QueryFragment<Sqlite> for Fixed {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        walk(self, pass)
    }
}

impl QueryFragment<Pg> for Fixed {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        walk(self, pass)
    }
}

fn walk<'b, DB>(fixed: &'b Fixed, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()>
where
    DB: Backend + HasSqlType<Text> + HasSqlType<BigInt>,
    String: ToSql<Text, DB>,
    i64: ToSql<BigInt, DB>,
{
    let mut values = fixed.values.iter();
    for (n, part) in fixed.text.split('?').enumerate() {
        if n > 0 {
            match values.next() {
                Some(Value::Text(text)) => pass.push_bind_param::<Text, _>(text)?,
                Some(Value::Number(number)) => pass.push_bind_param::<BigInt, _>(number)?,
                None => return Err(diesel::result::Error::QueryBuilderError("fewer values than places".into())),
            }
        }
        pass.push_sql(part);
    }
    Ok(())
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
    fn a_fixed_statement_is_prepared_once_and_has_its_own_values_each_time() {
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
        let set = |id, word| Fixed::new("UPDATE thing SET word = ? WHERE id = ?").text(word).number(id);
        for (id, word, rows) in [(1, "a?", 1), (2, "b", 1), (1, "c", 1), (3, "d", 0)] {
            assert_eq!(RunQueryDsl::execute(&set(id, word), &mut conn).unwrap(), rows);
        }
        assert_eq!(prepared.load(Ordering::Relaxed), 1);
        let words: Vec<String> = thing::table.order(thing::id).select(thing::word).load(&mut conn).unwrap();
        assert_eq!(words, ["c", "b"]);
        let fewer = Fixed::new("UPDATE thing SET word = ? WHERE id = ?").text("e");
        assert!(RunQueryDsl::execute(&fewer, &mut conn).is_err());
    }
}
