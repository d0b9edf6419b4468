//! Comparisons as SQL: never unknown, in the same order of texts on both databases.

use super::{
    expression::{Bound, Compared, around, native},
    table::Column,
};
use crate::{
    model::graph::Operator,
    store::{listing::search::after_prefix, sql::Sql},
};

impl Compared {
    /// The texts among its values.
    pub(super) fn texts(&self) -> Vec<String> {
        self.values
            .iter()
            .filter_map(|value| if let Bound::Text(text) = value { Some(text.clone()) } else { None })
            .collect()
    }

    pub(super) fn sql(&self, postgres: bool) -> Sql {
        match self.column {
            Column::Stored { compared, .. } => self.stored(&native(compared, postgres), postgres),
            Column::Roles => self.members("identity_role AS h WHERE h.identity_id = p.id AND ", "h.role_key"),
            Column::Array(column) if postgres => {
                self.members(&format!("jsonb_array_elements_text({column}::jsonb) AS h (value) WHERE "), "h.value")
            }
            Column::Array(column) => self.members(&format!("json_each({column}) AS h WHERE "), "h.value"),
            // decided where it was compiled
            Column::Absent | Column::Text(_) | Column::Truth(_) => Sql::new("FALSE"),
        }
    }

    fn stored(&self, column: &str, postgres: bool) -> Sql {
        let first = self.values.first().unwrap_or(&Bound::Null);
        let is_text = matches!(first, Bound::Text(_));
        // the order of bytes, whatever the order of the database
        let ordered = if postgres && is_text { " COLLATE \"C\"" } else { "" };
        let than = |sign: &str, without: &str| match first {
            Bound::Null => Sql::new("FALSE"),
            value => around(&format!("coalesce({column}{ordered} {sign} "), one(value), &format!(", {without})")),
        };
        match (self.operator, first) {
            (Operator::Equal, Bound::Null) => Sql::new(format!("{column} IS NULL")),
            (Operator::NotEqual, Bound::Null) => Sql::new(format!("{column} IS NOT NULL")),
            (Operator::Equal, _) => than("=", "FALSE"),
            (Operator::NotEqual, _) => than("<>", "TRUE"),
            (Operator::Less, _) => than("<", "FALSE"),
            (Operator::LessOrEqual, _) => than("<=", "FALSE"),
            (Operator::Greater, _) => than(">", "FALSE"),
            (Operator::GreaterOrEqual, _) => than(">=", "FALSE"),
            (Operator::AnyOf, _) => {
                let values = Sql::join(self.values.iter().map(one), ", ", "NULL");
                around(&format!("coalesce({column} IN ("), values, "), FALSE)")
            }
            (Operator::Contains, Bound::Text(text)) => {
                let function = if postgres { "strpos" } else { "instr" };
                Sql::new(format!("coalesce({function}({column}, ?) > 0, FALSE)")).text(text)
            }
            (Operator::StartsWith, Bound::Text(text)) => {
                let length = text.chars().count();
                Sql::new(format!("coalesce(substr({column}, 1, {length}) = ?, FALSE)")).text(text)
            }
            _ => Sql::new("FALSE"),
        }
    }

    /// Of a set whose members come from `source`.
    fn members(&self, source: &str, member: &str) -> Sql {
        let exists = |condition: Sql| around(&format!("EXISTS (SELECT 1 FROM {source}"), condition, ")");
        let texts = self.texts();
        let among = |texts: &[String]| exists(around(&format!("{member} IN ("), Sql::list(texts), ")"));
        match self.operator {
            Operator::AnyOf | Operator::Contains => among(&texts),
            Operator::AllOf => {
                let each = texts.iter().map(|text| among(std::slice::from_ref(text)));
                around("(", Sql::join(each, " AND ", "TRUE"), ")")
            }
            Operator::StartsWith => {
                let prefix = texts.first().map_or("", String::as_str);
                let length = prefix.chars().count();
                exists(match member {
                    // an index has it
                    "h.role_key" => {
                        Sql::new(format!("{member} >= ? AND {member} < ?")).text(prefix).text(&after_prefix(prefix))
                    }
                    _ => Sql::new(format!("substr({member}, 1, {length}) = ?")).text(prefix),
                })
            }
            _ => Sql::new("FALSE"),
        }
    }
}

fn one(value: &Bound) -> Sql {
    match value {
        Bound::Null => Sql::new("NULL"),
        Bound::Text(text) => Sql::new("?").text(text),
        // a number is no syntax, and statements take only so many values
        Bound::Number(number) => Sql::new(format!("({number})")),
        Bound::Truth(truth) => Sql::new(if *truth { "TRUE" } else { "FALSE" }),
    }
}
