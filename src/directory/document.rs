//! Reading what somebody sent about an object: flat members, the same members inside `properties`, and what was read and
//! is written back.

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, IntoDeserializer, Unexpected, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Map, Value};

use super::Refusal;
use crate::model::{
    id::shown,
    problem::{Code, Fault, Problem},
};

/// Characters of a message that the reader of JSON made: it repeats unknown names and wrong values at any length.
const MAX_MESSAGE: usize = 1000;
/// Characters of a key in a pointer: longer than any that something can be kept under.
const MAX_KEY: usize = 200;

/// Brings a body into one flat form.
///
/// - `mirrored`: the members that stand both flat and in `properties`. Where both are given and differ, the one that
///   differs from `stored` (the object as it is answered now) wins; two different changes are refused.
/// - `read_only`: members of the answer that cannot be set. They are accepted, and dropped, where they are as stored.
///   For an object that does not exist yet they are accepted where `stored` has none, so that what was exported can be
///   imported: pass an object with what they will be, such as `id` and `type`.
///
/// What remains in `properties` are custom keys.
///
/// # Errors
/// [`Code::ConflictingValues`], [`Code::FieldMalformed`] where `properties` is no object, [`Code::FieldInvalid`] where a
/// read-only member is to be changed.
pub fn flatten(
    mut body: Map<String, Value>,
    mirrored: &[&str],
    read_only: &[&str],
    stored: &Map<String, Value>,
) -> Result<Map<String, Value>, Refusal> {
    let mut faults = Vec::new();
    if let Some(properties) = body.get("properties") {
        let Value::Object(mut custom) = properties.clone() else {
            return Err(Refusal::at(
                Code::FieldMalformed,
                "/properties",
                format!("expected an object, got {}", kind(properties)),
            ));
        };
        for &name in mirrored {
            let Some(inside) = custom.remove(name) else { continue };
            let current = stored.get(name).unwrap_or(&Value::Null);
            match body.get(name) {
                None => {
                    body.insert(name.to_owned(), inside);
                }
                Some(flat) if *flat == inside || inside == *current => {}
                Some(flat) if flat == current => {
                    body.insert(name.to_owned(), inside);
                }
                Some(flat) => faults.push(Fault {
                    code: Code::ConflictingValues,
                    message: format!(
                        "expected one new value, got {} here and {} in properties",
                        brief(flat),
                        brief(&inside)
                    ),
                    pointer: Some(format!("/{name}")),
                    details: None,
                }),
            }
        }
        body.insert("properties".to_owned(), Value::Object(custom));
    }
    for &name in read_only {
        let Some(given) = body.remove(name) else { continue };
        let current = stored.get(name).unwrap_or(&Value::Null);
        if given != *current {
            faults.push(Fault {
                code: Code::FieldInvalid,
                message: format!("cannot be set here: expected {} or nothing, got {}", brief(current), brief(&given)),
                pointer: Some(format!("/{name}")),
                details: None,
            });
        }
    }
    match faults.is_empty() {
        true => Ok(body),
        false => Err(Problem::of(faults).into()),
    }
}

/// Takes the version out of a body: `etag`, or `eTag` as answers call it.
///
/// # Errors
/// [`Code::ConflictingValues`] where both are there and differ, [`Code::FieldMalformed`] where it is no text.
pub fn take_etag(body: &mut Map<String, Value>) -> Result<Option<String>, Refusal> {
    let mut found: Option<String> = None;
    for name in ["etag", "eTag"] {
        match body.remove(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(etag)) => {
                let etag = etag.trim_matches('"').to_owned();
                if found.as_ref().is_some_and(|other| *other != etag) {
                    return Err(Refusal::at(Code::ConflictingValues, "/etag", "expected the same as in eTag"));
                }
                found = Some(etag);
            }
            Some(other) => {
                let message = format!("expected a string, got {}", kind(&other));
                return Err(Refusal::at(Code::FieldMalformed, format!("/{name}"), message));
            }
        }
    }
    Ok(found)
}

/// Reads a body into its type, which denies unknown fields. Where a structure is expected, only an object is one.
///
/// # Errors
/// [`Code::UnknownField`] or [`Code::FieldMalformed`], with the place.
pub fn read<T: DeserializeOwned>(body: Value) -> Result<T, Refusal> {
    serde_path_to_error::deserialize(Said(body)).map_err(|error| {
        let mut pointer = String::new();
        for segment in error.path() {
            use serde_path_to_error::Segment;
            match segment {
                Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
                Segment::Map { key } => pointer.push_str(&format!("/{}", escaped(key))),
                Segment::Enum { variant } => pointer.push_str(&format!("/{}", escaped(variant))),
                Segment::Unknown => {}
            }
        }
        let message = shortened(&error.inner().to_string());
        let code = if message.starts_with("unknown field") { Code::UnknownField } else { Code::FieldMalformed };
        Refusal::at(code, pointer, message)
    })
}

/// A value of which structures are read from objects alone: serde itself would also read them from arrays, member by member
/// in an order that no description has.
struct Said(Value);

impl IntoDeserializer<'_, serde_json::Error> for Said {
    type Deserializer = Said;

    fn into_deserializer(self) -> Said {
        self
    }
}

impl<'de> Deserializer<'de> for Said {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        match self.0 {
            Value::Array(members) => {
                let mut members = SeqDeserializer::new(members.into_iter().map(Said));
                let value = visitor.visit_seq(&mut members)?;
                members.end()?;
                Ok(value)
            }
            Value::Object(members) => {
                let mut members = MapDeserializer::new(members.into_iter().map(|(name, value)| (name, Said(value))));
                let value = visitor.visit_map(&mut members)?;
                members.end()?;
                Ok(value)
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, serde_json::Error> {
        match self.0 {
            Value::Array(_) => Err(de::Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, serde_json::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, serde_json::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// For `#[serde(default, deserialize_with = "given")]` on an `Option<Option<T>>`: absent is `None`, null `Some(None)`.
///
/// # Errors
/// As `T`'s.
pub fn given<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    serde::Deserialize::deserialize(deserializer).map(Some)
}

/// A key as part of a pointer (RFC 6901 §3); one that is too long for anything is cut.
pub(super) fn escaped(key: &str) -> String {
    let cut = key.char_indices().nth(MAX_KEY).map(|(at, _)| format!("{}…", &key[..at]));
    cut.as_deref().unwrap_or(key).replace('~', "~0").replace('/', "~1")
}

/// The beginning of a message, which says what was got, and its end, which says what was expected.
fn shortened(message: &str) -> String {
    match message.chars().count().checked_sub(MAX_MESSAGE) {
        None | Some(0) => message.to_owned(),
        Some(over) => {
            let beginning = message.chars().take(MAX_KEY);
            beginning.chain(['…']).chain(message.chars().skip(MAX_KEY + 1 + over)).collect()
        }
    }
}

/// What kind of JSON value it is.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn brief(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", shown(text)),
        other => shown(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn flat(body: Value, stored: Value) -> Result<Value, Code> {
        let (Value::Object(body), Value::Object(stored)) = (body, stored) else { unreachable!() };
        flatten(body, &["name", "email"], &["id", "createdAt"], &stored)
            .map(Value::Object)
            .map_err(|refusal| refusal.problem().code)
    }

    #[test]
    fn flat_and_inside_properties_mean_the_same() {
        let stored = json!({"id": "1", "name": "Ada", "email": null});
        assert_eq!(
            flat(json!({"properties": {"name": "B", "x": 1}}), stored.clone()).unwrap(),
            json!({"name": "B", "properties": {"x": 1}})
        );
        // the one that differs from what is stored wins
        for body in
            [json!({"name": "B", "properties": {"name": "Ada"}}), json!({"name": "Ada", "properties": {"name": "B"}})]
        {
            assert_eq!(flat(body, stored.clone()).unwrap(), json!({"name": "B", "properties": {}}));
        }
        let both = json!({"name": "B", "properties": {"name": "C"}});
        assert_eq!(flat(both, stored).unwrap_err(), Code::ConflictingValues);
    }

    #[test]
    fn what_cannot_be_set_may_be_written_back_unchanged() {
        let stored = json!({"id": "1", "createdAt": "t"});
        assert_eq!(
            flat(json!({"id": "1", "createdAt": "t", "name": "x"}), stored.clone()).unwrap(),
            json!({"name": "x"})
        );
        assert_eq!(flat(json!({"id": "2"}), stored.clone()).unwrap_err(), Code::FieldInvalid);
        assert_eq!(flat(json!({"properties": []}), stored).unwrap_err(), Code::FieldMalformed);
    }

    #[test]
    fn unknown_fields_and_wrong_types_are_named_with_their_place() {
        #[derive(serde::Deserialize, Debug)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code)]
        struct Input {
            tags: Vec<String>,
        }
        let problem = |body| read::<Input>(body).unwrap_err().problem();
        let wrong = problem(json!({"tags": ["a", 1]}));
        assert_eq!((wrong.code, wrong.errors[0].pointer.as_deref()), (Code::FieldMalformed, Some("/tags/1")));
        let unknown = problem(json!({"tags": [], "x/y": 1}));
        assert_eq!((unknown.code, unknown.errors[0].pointer.as_deref()), (Code::UnknownField, Some("/x~1y")));
    }

    #[test]
    fn a_structure_is_an_object_and_no_list_of_its_members() {
        #[derive(serde::Deserialize, Debug, PartialEq)]
        struct Inner {
            text: String,
            number: Option<u8>,
        }
        #[derive(serde::Deserialize, Debug, PartialEq)]
        #[serde(deny_unknown_fields)]
        struct Input {
            #[serde(default, deserialize_with = "given")]
            inner: Option<Option<Inner>>,
            many: Vec<Inner>,
            any: Value,
        }
        let told = |body| {
            let problem = read::<Input>(body).unwrap_err().problem();
            (problem.code, problem.errors[0].pointer.clone().unwrap())
        };
        let inner = || Inner { text: "a".to_owned(), number: Some(1) };
        let sound = json!({"inner": {"text": "a", "number": 1}, "many": [{"text": "a", "number": 1}], "any": [1, {"b": [null]}]});
        let read_as = Input { inner: Some(Some(inner())), many: vec![inner()], any: json!([1, {"b": [null]}]) };
        assert_eq!(read::<Input>(sound).unwrap(), read_as);
        assert_eq!(told(json!({"inner": ["a", 1], "many": [], "any": 1})), (Code::FieldMalformed, "/inner".to_owned()));
        assert_eq!(told(json!({"many": [["a", 1]], "any": 1})), (Code::FieldMalformed, "/many/0".to_owned()));
        assert_eq!(told(json!([null, [], 1])).0, Code::FieldMalformed);
    }

    #[test]
    fn what_is_long_is_not_repeated_at_length() {
        #[derive(serde::Deserialize, Debug)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code)]
        struct Input {
            tags: Vec<String>,
        }
        let long = "ü/".repeat(5000);
        let unknown = read::<Input>(json!({ long.clone(): 1 })).unwrap_err().problem();
        assert_eq!(unknown.errors[0].message.chars().count(), MAX_MESSAGE);
        assert!(unknown.errors[0].message.ends_with("`, expected `tags`"));
        assert_eq!(unknown.errors[0].pointer.as_ref().unwrap(), &format!("/{}…", "ü~1".repeat(100)));
        let wrong = read::<Input>(json!({ "tags": long })).unwrap_err().problem();
        assert!(wrong.errors[0].message.starts_with("invalid type: string \"ü/"));
        assert!(wrong.errors[0].message.ends_with("\", expected a sequence"));
        assert!(wrong.detail.chars().count() < MAX_MESSAGE + 10);
        assert_eq!(shortened(&"x".repeat(MAX_MESSAGE)), "x".repeat(MAX_MESSAGE));
        assert_eq!(shortened(&"x".repeat(MAX_MESSAGE + 1)).chars().count(), MAX_MESSAGE);
    }
}
