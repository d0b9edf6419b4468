//! What nodes can be ordered by, and which indexes have them so.

use super::{
    Sort,
    expression::{Bound, Compared, Expression},
    table::Table,
};
use crate::{
    model::graph::{Condition, Node, Operator, Value, request::Query},
    store::sql::Sql,
};

/// An order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Along {
    /// Besides the order of registration, which decides between equal ones.
    field: Option<&'static str>,
    /// From the greatest.
    pub descends: bool,
}

/// What a table's rows are ordered by before what tells them apart.
#[derive(Clone, Debug)]
pub(super) enum By {
    /// Nothing.
    Nothing,
    /// All have this.
    Constant(Sort),
    /// A column of texts.
    Text(&'static str),
    /// A column of numbers.
    Number(&'static str),
}

const TIMED: [Operator; 6] = [
    Operator::Equal,
    Operator::Less,
    Operator::LessOrEqual,
    Operator::Greater,
    Operator::GreaterOrEqual,
    Operator::AnyOf,
];

impl Along {
    /// The order of registration; of roles, that of their keys.
    pub(super) fn registration() -> Along {
        Along { field: None, descends: false }
    }

    /// The order of a query. Where it names none it is that of registration, by the time of it where that is what the
    /// query is about.
    pub(super) fn of(query: &Query) -> Along {
        let node = query.node;
        match query.order {
            // a role's key is what tells it from others
            Some((field, descends)) if node == Node::Role && field.name == "key" => Along { field: None, descends },
            Some((field, descends)) => Along { field: Some(field.name), descends },
            None if node != Node::Role && is_about_creation(&query.condition) => {
                Along { field: Some("createdAt"), descends: false }
            }
            None => Along::registration(),
        }
    }

    pub(super) fn is_of_registration(self) -> bool {
        self.field.is_none()
    }

    /// What the cursors of this order are bound to, besides the query.
    pub(super) fn name(self) -> (&'static str, bool) {
        (self.field.unwrap_or(""), self.descends)
    }

    pub(super) fn by(self, table: Table) -> By {
        match (self.field, table) {
            (Some("createdAt"), Table::Principal | Table::Client) => By::Number("p.created_at"),
            (Some("createdAt"), Table::Sending) => By::Number("m.created_at"),
            (Some("name"), Table::Principal | Table::Client) => By::Text("p.name_sort"),
            (Some("email"), Table::Principal) => By::Text("p.email_sort"),
            (Some("email"), Table::Client) => By::Constant(Sort::Text(String::new())),
            (Some("lastActiveAt"), Table::Principal) => By::Number("p.active_sort"),
            (Some("lastActiveAt"), Table::Client) => By::Constant(Sort::Number(0)),
            _ => By::Nothing,
        }
    }

    /// Groups of rows, each of which lies in this order in an index. Together they have all that are ever shown.
    pub(super) fn groups(self, table: Table) -> &'static [&'static str] {
        match (self.field, table) {
            (Some("name" | "email" | "lastActiveAt"), Table::Principal) => {
                &["p.suspended = FALSE", "p.suspended = TRUE"]
            }
            (Some("name"), Table::Client) => {
                &["p.suspended = FALSE AND p.system_client = FALSE", "p.suspended = TRUE AND p.system_client = FALSE"]
            }
            _ => &["TRUE"],
        }
    }

    /// Whether a comparison only bounds the part of the order's index that is walked.
    pub(super) fn covers(self, table: Table, compared: &Compared) -> bool {
        match self.by(table) {
            By::Number(column) => Some(compared.field) == self.field && range(column, compared).is_some(),
            _ => false,
        }
    }

    /// The part of the order's index that a condition leaves, as ` AND …`.
    pub(super) fn bounds(self, table: Table, expression: &Expression) -> Sql {
        let mut sql = Sql::default();
        for part in expression.conjuncts() {
            if let (Expression::Compared(compared), By::Number(column)) = (part, self.by(table))
                && self.covers(table, compared)
                && let Some(range) = range(column, compared)
            {
                sql.push(" AND ").append(range);
            }
        }
        sql
    }
}

/// The range of a column of times that a comparison asks for, if it is one.
pub(super) fn range(column: &str, compared: &Compared) -> Option<Sql> {
    let sign = match compared.operator {
        Operator::Equal => "=",
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        Operator::Greater => ">",
        Operator::GreaterOrEqual => ">=",
        _ => return None,
    };
    let [Bound::Number(number)] = compared.values.as_slice() else { return None };
    // where there is no time, the index has 0
    let known = if column == "p.active_sort" { "p.active_sort > 0 AND " } else { "" };
    Some(Sql::new(format!("{known}{column} {sign} ?")).number(*number))
}

fn is_about_creation(condition: &Condition) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().any(is_about_creation),
        Condition::Test(test) => {
            test.field.name == "createdAt" && TIMED.contains(&test.operator) && !test.values.contains(&Value::Null)
        }
        Condition::Any(_) | Condition::Not(_) => false,
    }
}
