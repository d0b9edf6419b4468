//! Conditions as they are put on the rows of one table: what the table decides by itself is decided, and the rest becomes
//! SQL whose truth is never unknown.

use super::{
    EVENTS, Sight,
    table::{Column, Fold, Table},
};
use crate::{
    model::{
        graph::{Condition, Node, Operator, Test, Value, request::Query},
        permission::Visibility,
        time::Timestamp,
    },
    store::sql::Sql,
};

/// A value that is compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bound {
    Null,
    Text(String),
    Number(i64),
    Truth(bool),
}

/// A comparison with a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Compared {
    pub field: &'static str,
    pub column: Column,
    pub operator: Operator,
    pub values: Vec<Bound>,
}

/// That an edge leads somewhere.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Leads {
    pub node: Node,
    pub target: Expression,
    pub now: Timestamp,
}

/// What a row must meet.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Fixed(bool),
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Compared(Compared),
    /// It carries one of these values under this attribute.
    Carries(String, Vec<String>),
    Leads(Box<Leads>),
    /// This text of SQL.
    Raw(&'static str),
}

impl Expression {
    pub(super) fn all(parts: impl IntoIterator<Item = Expression>) -> Expression {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Expression::Fixed(true) => {}
                Expression::Fixed(false) => return Expression::Fixed(false),
                Expression::All(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        match kept.len() {
            0 => Expression::Fixed(true),
            1 => kept.remove(0),
            _ => Expression::All(kept),
        }
    }

    pub(super) fn any(parts: impl IntoIterator<Item = Expression>) -> Expression {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Expression::Fixed(false) => {}
                Expression::Fixed(true) => return Expression::Fixed(true),
                other => kept.push(other),
            }
        }
        match kept.len() {
            0 => Expression::Fixed(false),
            1 => kept.remove(0),
            _ => Expression::Any(kept),
        }
    }

    fn not(part: Expression) -> Expression {
        match part {
            Expression::Fixed(truth) => Expression::Fixed(!truth),
            other => Expression::Not(Box::new(other)),
        }
    }

    /// The parts that all must be met.
    pub(super) fn conjuncts(&self) -> &[Expression] {
        match self {
            Expression::All(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }

    /// How many comparisons it takes with one row, at most.
    pub(super) fn cost(&self) -> usize {
        match self {
            Expression::All(parts) | Expression::Any(parts) => parts.iter().map(Expression::cost).sum(),
            Expression::Not(part) => part.cost(),
            Expression::Leads(leads) if leads.node == Node::ActivityLog => 2 * EVENTS * leads.target.cost(),
            Expression::Leads(leads) => 10 * leads.target.cost(),
            _ => 1,
        }
    }

    /// As SQL.
    pub(super) fn sql(&self, postgres: bool) -> Sql {
        let joined = |parts: &[Expression], between: &str| {
            let mut sql = Sql::new("(");
            sql.append(Sql::join(parts.iter().map(|part| part.sql(postgres)), between, "TRUE")).push(")");
            sql
        };
        match self {
            Expression::Fixed(truth) => Sql::new(if *truth { "TRUE" } else { "FALSE" }),
            Expression::All(parts) => joined(parts, " AND "),
            Expression::Any(parts) => joined(parts, " OR "),
            Expression::Not(part) => {
                let mut sql = Sql::new("NOT (");
                sql.append(part.sql(postgres)).push(")");
                sql
            }
            Expression::Compared(compared) => compared.sql(postgres),
            Expression::Carries(key, values) => {
                let mut sql = Sql::new(
                    "EXISTS (SELECT 1 FROM identity_attribute AS c WHERE c.identity_id = p.id AND c.key = ? AND c.value IN (",
                )
                .text(key);
                sql.append(Sql::list(values)).push("))");
                sql
            }
            Expression::Leads(leads) => leads.sql(postgres),
            Expression::Raw(text) => Sql::new(*text),
        }
    }
}

/// What a caller may see of a table, without what nobody sees.
pub(super) fn seen(table: Table, visibility: &Visibility) -> Expression {
    let shown = match table {
        Table::Client => Expression::Raw("p.system_client = FALSE"),
        _ => Expression::Fixed(true),
    };
    let of_node = matches!(table, Table::Principal | Table::Client);
    let allowed = match visibility {
        Visibility::All => Expression::Fixed(true),
        // what carries no attributes is shown as a whole or not at all
        Visibility::Matching(_) if !of_node => Expression::Fixed(false),
        other => carrying(other),
    };
    Expression::all([shown, allowed])
}

/// That an identity carries what a visibility asks for.
pub(super) fn carrying(visibility: &Visibility) -> Expression {
    match visibility {
        Visibility::All => Expression::Fixed(true),
        Visibility::None => Expression::Fixed(false),
        Visibility::Matching(alternatives) => Expression::any(alternatives.iter().map(|alternative| {
            let keys = alternative.iter();
            Expression::all(keys.map(|(key, values)| Expression::Carries(key.clone(), values.clone())))
        })),
    }
}

/// A condition on the rows of a table. `narrowed` as in [`Table::column`].
pub(super) fn compile(table: Table, condition: &Condition, now: Timestamp, narrowed: bool) -> Expression {
    let inner = |part: &Condition| compile(table, part, now, narrowed);
    match condition {
        Condition::All(parts) => Expression::all(parts.iter().map(inner)),
        Condition::Any(parts) => Expression::any(parts.iter().map(inner)),
        Condition::Not(part) => Expression::not(inner(part)),
        Condition::Test(test) => compared(table, test, now, narrowed),
    }
}

fn compared(table: Table, test: &Test, now: Timestamp, narrowed: bool) -> Expression {
    let column = table.column(test.field.name, narrowed);
    let (Test { operator, .. }, fold) = (test, if let Column::Stored { fold, .. } = column { fold } else { Fold::No });
    let values: Vec<Bound> = test.values.iter().map(|value| bound(value, fold, now)).collect();
    // no text in the database has a null character, and PostgreSQL takes none
    if values.iter().any(|value| matches!(value, Bound::Text(text) if text.contains('\0'))) {
        return Expression::Fixed(*operator == Operator::NotEqual);
    }
    let met = |present: &Bound| match operator {
        Operator::Equal | Operator::AnyOf => values.contains(present),
        Operator::NotEqual => !values.contains(present),
        _ => false,
    };
    match column {
        Column::Absent => Expression::Fixed(match operator {
            Operator::Equal => values == [Bound::Null],
            Operator::NotEqual => values != [Bound::Null],
            // of nothing, all are there
            Operator::AllOf => false,
            _ => false,
        }),
        Column::Text(text) => Expression::Fixed(met(&Bound::Text(text.to_owned()))),
        Column::Truth(truth) => Expression::Fixed(met(&Bound::Truth(truth))),
        column => Expression::Compared(Compared { field: test.field.name, column, operator: *operator, values }),
    }
}

fn bound(value: &Value, fold: Fold, now: Timestamp) -> Bound {
    match value {
        Value::Null => Bound::Null,
        Value::Text(text) => Bound::Text(match fold {
            Fold::No => text.clone(),
            Fold::Unicode => text.to_lowercase(),
            Fold::Ascii => text.to_ascii_lowercase(),
        }),
        Value::Number(number) => Bound::Number(*number),
        Value::Bool(truth) => Bound::Truth(*truth),
        Value::Time(at) => Bound::Number(at.millis()),
        Value::Now(by) => Bound::Number(now.millis().saturating_add(*by)),
    }
}

/// That a navigation leads somewhere which the caller may see.
pub(super) fn leads(table: Table, led: &Query, sight: &Sight, now: Timestamp) -> Expression {
    let visibility = sight.of(led.node);
    let (allowed, narrowed) = match (led.node, visibility) {
        (_, Visibility::All) => (Expression::Fixed(true), false),
        (Node::Session | Node::ActivityLog, other) => (carrying(other), true),
        _ => (Expression::Fixed(false), false),
    };
    if table == Table::Client && led.node == Node::Session {
        return Expression::Fixed(false);
    }
    let Some(target) = Table::of(led.node).first() else { return Expression::Fixed(false) };
    let target = compile(*target, &led.condition, now, narrowed);
    if target == Expression::Fixed(false) {
        return target;
    }
    Expression::all([allowed, Expression::Leads(Box::new(Leads { node: led.node, target, now }))])
}

impl Leads {
    fn sql(&self, postgres: bool) -> Sql {
        let exists = |mut source: Sql| {
            source.append(self.target.sql(postgres));
            around("EXISTS (SELECT 1 FROM ", source, ")")
        };
        match self.node {
            Node::Session => exists(around("session AS s WHERE s.principal_id = p.id AND ", live(self.now), " AND ")),
            Node::Role => {
                let source =
                    "identity_role AS h CROSS JOIN role AS r WHERE h.identity_id = p.id AND r.key = h.role_key AND ";
                exists(Sql::new(source))
            }
            Node::ActivityLog => {
                // as far as its navigation looks
                let some = if self.target == Expression::Fixed(true) { 1 } else { EVENTS };
                let latest = |whose: &str| {
                    format!(
                        "SELECT * FROM (SELECT a.*, p.id AS owner FROM audit_event AS a WHERE {whose} \
                         ORDER BY a.id DESC LIMIT {some}) AS one"
                    )
                };
                let both = format!("{} UNION ALL {}", latest("a.actor_id = p.id"), latest(TARGETED_P));
                exists(Sql::new(format!("({both}) AS e WHERE ")))
            }
            Node::Identity | Node::Sending => Sql::new("FALSE"),
        }
    }
}

/// That an event `a` is about the identity `p` (a session may have an id that an identity has, too).
const TARGETED_P: &str = "a.target_id = p.id AND a.target_kind IN ('principal', 'client')";

/// That a session `s` is neither ended nor expired.
pub(super) fn live(now: Timestamp) -> Sql {
    Sql::new("s.ended_at IS NULL AND s.idle_expires_at > ? AND s.expires_at > ?")
        .number(now.millis())
        .number(now.millis())
}

/// An expression as this database has it.
pub(super) fn native(text: &str, postgres: bool) -> String {
    text.replace("{C}", if postgres { " COLLATE \"C\"" } else { "" })
}

/// A part with text before and after it.
pub(super) fn around(before: &str, part: Sql, after: &str) -> Sql {
    let mut sql = Sql::new(before);
    sql.append(part).push(after);
    sql
}
