//! Statements that are put together: text with `?` for values, which are always bound.

use diesel::{
    QueryableByName, RunQueryDsl,
    pg::Pg,
    sql_query,
    sql_types::{BigInt, Text},
    sqlite::Sqlite,
};

use super::{Conn, Error};

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
}

impl Sql {
    /// A part without values.
    pub(super) fn new(text: impl Into<String>) -> Sql {
        Sql { text: text.into(), binds: Vec::new() }
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

    /// Runs the statement.
    pub(super) fn load<R>(self, conn: &mut Conn) -> Result<Vec<R>, Error>
    where
        R: QueryableByName<Sqlite> + QueryableByName<Pg> + 'static,
    {
        match conn {
            Conn::Sqlite(conn) => {
                let mut query = sql_query(self.text).into_boxed::<Sqlite>();
                for bind in self.binds {
                    query = match bind {
                        Bind::Text(text) => query.bind::<Text, _>(text),
                        Bind::Number(number) => query.bind::<BigInt, _>(number),
                    };
                }
                Ok(query.load(conn)?)
            }
            Conn::Postgres(conn) => {
                let mut query = sql_query(numbered(&self.text)).into_boxed::<Pg>();
                for bind in self.binds {
                    query = match bind {
                        Bind::Text(text) => query.bind::<Text, _>(text),
                        Bind::Number(number) => query.bind::<BigInt, _>(number),
                    };
                }
                Ok(query.load(conn)?)
            }
        }
    }
}

/// PostgreSQL's placeholders have numbers.
fn numbered(text: &str) -> String {
    let mut numbered = String::with_capacity(text.len() + 32);
    for (n, part) in text.split('?').enumerate() {
        if n > 0 {
            numbered.push_str(&format!("${n}"));
        }
        numbered.push_str(part);
    }
    numbered
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
