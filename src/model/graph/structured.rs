//! The structured form of a condition: `{"field": "roles", "op": "contains", "value": "shop:clerk"}`.

use serde::Deserialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::{
    Condition, Field, Node, Operator, Test, Value,
    check::{self, Given, MAX_TESTS, MAX_VALUES},
};

/// One test; a list of them is met where all are
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// What is compared: a field of the resource
    #[schema(example = "roles")]
    pub field: String,
    /// How: `eq`, `ne`, `lt`, `le`, `gt`, `ge`, `in`, `contains` or `startsWith`
    #[schema(example = "contains", pattern = "^(eq|ne|lt|le|gt|ge|in|contains|startsWith)$")]
    pub op: String,
    /// To what; a list of it for `in`; times as RFC 3339 text
    #[schema(example = "system:owner")]
    pub value: Json,
}

/// The condition that tests put on a node: all of them.
///
/// # Errors
/// Which filter (counted from 0), which of its members (`field`, `op` or `value`; of an element of a list, too), and what
/// was expected and got.
pub fn condition(node: Node, filters: &[Filter]) -> Result<Condition, (usize, &'static str, String)> {
    if filters.len() > MAX_TESTS {
        let message = format!("expected at most {MAX_TESTS} filters, got {}", filters.len());
        return Err((MAX_TESTS, "field", message));
    }
    let each = filters.iter().enumerate();
    let tests = each.map(|(n, filter)| test(node, filter).map_err(|(member, message)| (n, member, message)));
    Ok(Condition::all(tests.collect::<Result<_, _>>()?))
}

fn test(node: Node, filter: &Filter) -> Result<Condition, (&'static str, String)> {
    let field = check::field(node, &filter.field).map_err(|message| ("field", message))?;
    let operator =
        Operator::ALL.into_iter().find(|operator| operator.structured() == Some(&filter.op)).ok_or_else(|| {
            let known: Vec<&'static str> = Operator::ALL.into_iter().filter_map(Operator::structured).collect();
            ("op", check::unknown("an operator", &filter.op, &known))
        })?;
    check::operator(field, operator, Operator::structured).map_err(|message| ("op", message))?;
    let values = values(field, operator, &filter.value).map_err(|message| ("value", message))?;
    Ok(Condition::Test(Test { field, operator, values }))
}

fn values(field: &Field, operator: Operator, value: &Json) -> Result<Vec<Value>, String> {
    match (operator, value) {
        (Operator::AnyOf, Json::Array(values)) if (1..=MAX_VALUES).contains(&values.len()) => {
            values.iter().map(|value| check::value(field, operator, given(value))).collect()
        }
        (Operator::AnyOf, Json::Array(values)) => {
            Err(format!("expected a list of 1 to {MAX_VALUES} values, got {}", values.len()))
        }
        (Operator::AnyOf, _) => Err("expected a list of values after in".to_owned()),
        (_, value) => Ok(vec![check::value(field, operator, given(value))?]),
    }
}

fn given(value: &Json) -> Given {
    match value {
        Json::Null => Given::Null,
        Json::Bool(value) => Given::Bool(*value),
        Json::Number(number) => Given::Number(number.to_string()),
        Json::String(text) => Given::Text(text.clone()),
        Json::Array(_) => Given::Other("a list"),
        Json::Object(_) => Given::Other("an object"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::filter, *};

    fn read(node: Node, filters: Json) -> Result<Condition, (usize, &'static str, String)> {
        condition(node, &serde_json::from_value::<Vec<Filter>>(filters).unwrap())
    }

    #[test]
    fn both_forms_say_the_same() {
        let table = [
            (Node::Identity, json!([]), ""),
            (
                Node::Identity,
                json!([{"field": "roles", "op": "contains", "value": "system:portal:full"}]),
                "roles contains 'system:portal:full'",
            ),
            (
                Node::Identity,
                json!([
                    {"field": "type", "op": "in", "value": ["client", "principal"]},
                    {"field": "suspendedAt", "op": "eq", "value": null},
                    {"field": "createdAt", "op": "ge", "value": "2026-01-01"},
                    {"field": "createdAt", "op": "lt", "value": "2026-01-01T12:00:00+01:00"},
                    {"field": "name", "op": "startsWith", "value": "O'"},
                    {"field": "systemClient", "op": "ne", "value": true},
                ]),
                "type anyof ['client', 'principal'] and suspendedAt == null and createdAt >= '2026-01-01' and \
                 createdAt < '2026-01-01T11:00:00Z' and name startswith 'O''' and systemClient != true",
            ),
            (Node::Sending, json!([{"field": "retryCount", "op": "gt", "value": -1}]), "retryCount > -1"),
        ];
        for (node, filters, text) in table {
            assert_eq!(read(node, filters), Ok(filter::parse(node, text).unwrap()), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_member() {
        let good = json!({"field": "name", "op": "eq", "value": "x"});
        let table = [
            (("nam", "eq", json!(1)), "field", "expected a field of identity, got 'nam'; did you mean name?"),
            (
                ("name", "startswith", json!(1)),
                "op",
                "expected an operator, got 'startswith'; did you mean startsWith?",
            ),
            (
                ("name", "==", json!(1)),
                "op",
                "expected an operator, got '=='; there are eq, ne, lt, le, gt, ge, in, contains, startsWith",
            ),
            (("roles", "eq", json!("a")), "op", "expected in, contains or startsWith after roles, got eq"),
            (("name", "eq", json!(5)), "value", "expected a text for name, got 5"),
            (("name", "eq", json!(["a"])), "value", "expected a text for name, got a list"),
            (
                ("name", "lt", json!(null)),
                "value",
                "expected a text for name, got null, which things only equal or do not equal",
            ),
            (("type", "eq", json!("person")), "value", "expected 'principal' or 'client' for type, got 'person'"),
            (("systemClient", "eq", json!("true")), "value", "expected true or false for systemClient, got 'true'"),
            (("name", "contains", json!("")), "value", "expected a text of at least one character, got ''"),
            (("name", "eq", json!("a\0")), "value", "expected a text without control characters, got 'a'"),
            (("name", "eq", json!("a".repeat(1001))), "value", "expected a text of at most 1000 characters, got 1001"),
            (("name", "in", json!("a")), "value", "expected a list of values after in"),
            (("name", "in", json!([])), "value", "expected a list of 1 to 100 values, got 0"),
            (("name", "in", json!(vec!["a"; 101])), "value", "expected a list of 1 to 100 values, got 101"),
            (
                ("name", "in", json!(["a", null])),
                "value",
                "expected a text for name, got null, which things only equal or do not equal",
            ),
            (
                ("createdAt", "gt", json!("now")),
                "value",
                "expected a time such as '2026-01-31T12:00:00Z' or '2026-01-31' for createdAt, got 'now'",
            ),
        ];
        for ((field, op, value), member, message) in table {
            let filters = json!([good, {"field": field, "op": op, "value": value}]);
            assert_eq!(read(Node::Identity, filters), Err((1, member, message.to_owned())));
        }
        let numbers = |value: Json| read(Node::Sending, json!([{"field": "retryCount", "op": "eq", "value": value}]));
        for wrong in [json!(1.5), json!(1e3), json!(u64::MAX), json!("1")] {
            assert!(numbers(wrong.clone()).is_err(), "{wrong}");
        }
        let data = read(Node::Sending, json!([{"field": "dynamic", "op": "eq", "value": 1}]));
        assert_eq!(data, Err((0, "op", "dynamic can be shown but not compared, got eq".to_owned())));
        let many = read(Node::Identity, json!(vec![good; 101]));
        assert_eq!(many, Err((100, "field", "expected at most 100 filters, got 101".to_owned())));
        assert!(serde_json::from_value::<Filter>(json!({"field": "a", "op": "eq"})).is_err());
        assert!(serde_json::from_value::<Filter>(json!({"field": "a", "op": "eq", "value": 1, "not": true})).is_err());
    }
}
