//! Files of roles, clients and principals: JSON, or TOML, which has no null.

use serde_json::{Map, Value};

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
        toml::Value::Table(members) => Value::Object(
            members.into_iter().map(|(name, value)| Ok((name, json_of(value)?))).collect::<Result<_, String>>()?,
        ),
    })
}

/// An entry of a section as TOML. Null members are left out; within arrays and custom values null cannot be written.
///
/// # Errors
/// What TOML cannot say.
pub fn toml_entry(section: &str, entry: &Map<String, Value>) -> Result<String, String> {
    let mut table = toml::Table::new();
    for (name, value) in entry.iter().filter(|(_, value)| !value.is_null()) {
        table.insert(name.clone(), toml_of(value).map_err(|fault| format!("{name}: {fault}; see --format json"))?);
    }
    let document = toml::Table::from_iter([(section.to_owned(), toml::Value::Array(vec![toml::Value::Table(table)]))]);
    toml::to_string(&document).map_err(|fault| fault.to_string())
}

fn toml_of(value: &Value) -> Result<toml::Value, String> {
    Ok(match value {
        Value::Null => return Err("TOML has no null".to_owned()),
        Value::Bool(truth) => toml::Value::Boolean(*truth),
        Value::String(text) => toml::Value::String(text.clone()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => toml::Value::Integer(number),
            (None, Some(float)) if !number.is_u64() => toml::Value::Float(float),
            _ => return Err(format!("TOML has no number as large as {number}")),
        },
        Value::Array(members) => toml::Value::Array(members.iter().map(toml_of).collect::<Result<_, _>>()?),
        Value::Object(members) => toml::Value::Table(
            members.iter().map(|(name, value)| Ok((name.clone(), toml_of(value)?))).collect::<Result<_, String>>()?,
        ),
    })
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
    fn what_toml_cannot_say_is_told() {
        for value in [json!([null]), json!({"a": null}), json!(u64::MAX)] {
            let fault = toml_entry("roles", &Map::from_iter([("x".to_owned(), value)])).unwrap_err();
            assert!(fault.contains("--format json"), "{fault}");
        }
        assert!(parse("a = ").unwrap_err().contains("expected TOML or JSON"));
        assert!(parse("{").unwrap_err().contains("expected JSON"));
    }
}
