//! `column IN …` with any number of values, in a statement whose text is always the same: SQLite prepares it once.

use diesel::{
    expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping},
    query_builder::{AstPass, QueryFragment, QueryId},
    result::QueryResult,
    sql_types::{Bool, Text},
    sqlite::Sqlite,
};
use serde::Serialize;

/// That a column has one of some values, for SQLite; what `eq_any` says to PostgreSQL is of that kind already.
#[derive(Clone, Debug, QueryId, ValidGrouping)]
pub(super) struct OneOf<C> {
    column: C,
    /// A JSON array.
    values: String,
}

impl<C> OneOf<C> {
    /// That `column` has one of `values`, which are numbers or texts.
    pub(super) fn new(column: C, values: &[impl Serialize]) -> Result<OneOf<C>, super::Error> {
        Ok(OneOf { column, values: super::to_json(&values)? })
    }
}

impl<C: Expression> Expression for OneOf<C> {
    type SqlType = Bool;
}

impl<C, T> AppearsOnTable<T> for OneOf<C>
where
    C: AppearsOnTable<T>,
    OneOf<C>: Expression,
{
}

impl<C, T> SelectableExpression<T> for OneOf<C>
where
    C: SelectableExpression<T>,
    OneOf<C>: AppearsOnTable<T>,
{
}

impl<C: QueryFragment<Sqlite>> QueryFragment<Sqlite> for OneOf<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(" IN (SELECT value FROM json_each(");
        out.push_bind_param::<Text, _>(&self.values)?;
        out.push_sql("))");
        Ok(())
    }
}
