//! Files of roles, clients and principals: JSON, or TOML, which has neither null nor integers above 63 bits. A value that TOML
//! cannot say stands in it as a table with the one member `$json`, whose text is the value as JSON.

use serde_json::{Map, Value};

/// The member of a table that stands for a value in JSON.
const JSON: &str = "$json";

/// Reads JSON or TOML; what begins with a brace is JSON.
///
/// # Errors
/// Where it cannot be read, and why.
pub fn parse(text: &str) -> Result<Map<String, Value>, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|fault| format!("expected JSON: {fault}"));
    }
    let table: toml::Table = text.parse().map_err(|fault| format!("expected TOML or JSON: {fault}"))?;
    table.into_iter().map(|(name, value)| Ok((name, json_of(value)?))).collect()
}

fn json_of(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Float(number) => {
            let number = serde_json::Number::from_f64(number);
            Value::Number(number.ok_or("expected numbers that JSON has, got one that is none")?)
        }
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(members) => Value::Array(members.into_iter().map(json_of).collect::<Result<_, _>>()?),
        toml::Value::Table(members) => match members.get(JSON) {
            Some(toml::Value::String(text)) if members.len() == 1 => {
                serde_json::from_str(text).map_err(|fault| format!("expected JSON in {JSON}: {fault}"))?
            }
            _ => Value::Object(
                members.into_iter().map(|(name, value)| Ok((name, json_of(value)?))).collect::<Result<_, String>>()?,
            ),
        },
    })
}

/// An entry of a section as TOML, which [`parse`] reads back as it was. Members of the entry that are null are left out.
///
/// # Errors
/// It cannot be written.
pub fn toml_entry(section: &str, entry: &Map<String, Value>) -> Result<String, String> {
    let said = entry.iter().filter(|(_, value)| !value.is_null());
    let table: toml::Table = said.map(|(name, value)| (name.clone(), toml_of(value))).collect();
    let document = toml::Table::from_iter([(section.to_owned(), toml::Value::Array(vec![toml::Value::Table(table)]))]);
    toml::to_string(&document).map_err(|fault| fault.to_string())
}

fn toml_of(value: &Value) -> toml::Value {
    let said = match value {
        Value::Null => None,
        Value::Bool(truth) => Some(toml::Value::Boolean(*truth)),
        Value::String(text) => Some(toml::Value::String(text.clone())),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Some(toml::Value::Integer(number)),
            None => number.as_f64().filter(|_| !number.is_u64()).map(toml::Value::Float),
        },
        Value::Array(members) => Some(toml::Value::Array(members.iter().map(toml_of).collect())),
        // it would be read as what its text says
        Value::Object(members) if members.len() == 1 && members.get(JSON).is_some_and(Value::is_string) => None,
        Value::Object(members) => {
            Some(toml::Value::Table(members.iter().map(|(name, value)| (name.clone(), toml_of(value))).collect()))
        }
    };
    let in_json = || toml::Table::from_iter([(JSON.to_owned(), toml::Value::String(value.to_string()))]);
    said.unwrap_or_else(|| toml::Value::Table(in_json()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let entry = json!({"id": "x", "acl": {"entries": [{"resource": ["a"]}]}, "name": "\"a\n[[b]]", "phone": null,
            "properties": {"tier": 3, "share": 0.5, "on": true, "list": [{"a": []}, 1]}, "roles": []});
        let Value::Object(entry) = entry else { unreachable!() };
        let text = toml_entry("principals", &entry).unwrap() + &toml_entry("principals", &entry).unwrap();
        let mut without = entry.clone();
        without.remove("phone");
        assert_eq!(Value::Object(parse(&text).unwrap()), json!({"principals": [without, without]}));
        let json = json!({ "principals": [entry] });
        assert_eq!(Value::Object(parse(&json.to_string()).unwrap()), json);
    }

    #[test]
    fn what_toml_cannot_say_is_written_as_json_and_read_again() {
        for value in [
            json!({"a": null, "b": [1, null, {"c": null}]}),
            json!([[null], null]),
            json!(u64::MAX),
            json!([i64::MAX, i64::MIN, i64::MAX as u64 + 1, 1e300, -0.5, 1e20]),
            json!({"$json": "null"}),
            json!({"a": {"$json": "no JSON"}}),
            json!({"$json": {"$json": "{}"}}),
            json!({"$json": "1", "b": 2}),
            json!({"$json": 1}),
        ] {
            let entry = Map::from_iter([("x".to_owned(), value)]);
            let text = toml_entry("roles", &entry).unwrap();
            assert_eq!(Value::Object(parse(&text).unwrap()), json!({ "roles": [entry] }), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        assert!(parse("a = ").unwrap_err().contains("expected TOML or JSON"));
        assert!(parse("{").unwrap_err().contains("expected JSON"));
        assert!(parse("a = { '$json' = 'nil' }").unwrap_err().contains("expected JSON in $json"));
    }
}
