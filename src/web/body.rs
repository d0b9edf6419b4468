//! JSON bodies of the APIs: bounded in size and depth, and of texts that both databases can hold.

use std::{fmt, future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use super::problem::Declined;
use crate::{
    directory::{Refusal, document::kind},
    model::problem::Code,
};

/// The most objects and arrays inside each other.
const MAX_DEPTH: usize = 16;

/// A body; absent is null. [`Body::bytes`] is what was sent.
#[derive(Clone, Debug)]
pub struct Body {
    /// What it says.
    pub value: Value,
    /// As it was sent.
    pub bytes: web::Bytes,
}

impl Body {
    /// The body as an object.
    ///
    /// # Errors
    /// [`Code::BodyMalformed`].
    pub fn object(self) -> Result<Map<String, Value>, Refusal> {
        match self.value {
            Value::Object(members) => Ok(members),
            other => Err(Refusal::new(Code::BodyMalformed, format!("expected a JSON object, got {}", what(&other)))),
        }
    }

    /// The body as an object, where none at all means an empty one.
    ///
    /// # Errors
    /// [`Code::BodyMalformed`].
    pub fn object_or_nothing(self) -> Result<Map<String, Value>, Refusal> {
        if self.bytes.is_empty() { Ok(Map::new()) } else { self.object() }
    }
}

fn what(value: &Value) -> &'static str {
    if value.is_null() { "nothing" } else { kind(value) }
}

impl FromRequest for Body {
    type Error = Declined;
    type Future = Pin<Box<dyn Future<Output = Result<Body, Declined>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let media_type = media_type(req);
        let bytes = web::Bytes::from_request(req, payload);
        Box::pin(async move {
            let bytes = bytes.await.map_err(|error| match error.as_response_error().status_code().as_u16() {
                413 => Refusal::new(Code::BodyTooLarge, "the body is larger than this server takes"),
                _ => Refusal::new(Code::BodyMalformed, "the body could not be read"),
            })?;
            if bytes.is_empty() {
                return Ok(Body { value: Value::Null, bytes });
            }
            media_type?;
            let value =
                json(&bytes).map_err(|error| Refusal::new(Code::BodyMalformed, format!("expected JSON: {error}")))?;
            sound(&value)?;
            Ok(Body { value, bytes })
        })
    }
}

/// A JSON value in whose objects each member stands once.
///
/// # Errors
/// What is no JSON, or stands twice.
pub fn json(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(bytes).map(|Unambiguous(value)| value)
}

/// A JSON value in whose objects each member stands once (RFC 8259 §4): of two, programs on the way might read the other.
struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unambiguous, D::Error> {
        deserializer.deserialize_any(UnambiguousVisitor).map(Unambiguous)
    }
}

struct UnambiguousVisitor;

impl<'de> Visitor<'de> for UnambiguousVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Unambiguous(value)) = members.next_element()? {
            array.push(value);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                let shown = crate::model::id::shown(&name);
                return Err(de::Error::custom(format!("expected each member once, got '{shown}' again")));
            }
            let Unambiguous(value) = members.next_value()?;
            object.insert(name, value);
        }
        Ok(object.into())
    }
}

/// `application/json`, or another type that ends in `+json` (RFC 6839 §3.1).
fn media_type(req: &HttpRequest) -> Result<(), Refusal> {
    let given = req.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    let detail = format!("expected application/json, got '{}'", crate::model::id::shown(given));
    Err(Refusal::new(Code::MediaTypeUnsupported, detail))
}

/// Whether a value is nested no deeper than bodies may be, and of texts that both databases can hold.
///
/// # Errors
/// [`Code::BodyMalformed`].
pub fn sound(value: &Value) -> Result<(), Refusal> {
    sound_to(value, MAX_DEPTH)
}

fn sound_to(value: &Value, depth: usize) -> Result<(), Refusal> {
    let deep = || Refusal::new(Code::BodyMalformed, format!("expected at most {MAX_DEPTH} levels"));
    let text = |text: &str| match text.contains('\0') {
        // PostgreSQL's texts cannot hold it
        true => Err(Refusal::new(Code::BodyMalformed, "expected texts without the character U+0000")),
        false => Ok(()),
    };
    match value {
        Value::String(string) => text(string),
        Value::Array(members) => {
            let depth = depth.checked_sub(1).ok_or_else(deep)?;
            members.iter().try_for_each(|member| sound_to(member, depth))
        }
        Value::Object(members) => {
            let depth = depth.checked_sub(1).ok_or_else(deep)?;
            members.iter().try_for_each(|(key, member)| text(key).and_then(|()| sound_to(member, depth)))
        }
        _ => Ok(()),
    }
}
