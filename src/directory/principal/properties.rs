//! What stands in `properties`: OpenID Connect's standard claims (Core §5.1), typed, and custom keys. One table says what
//! is accepted and what the API's description tells.

use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{AdditionalProperties, KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type},
    },
};

use super::text;
use crate::{
    directory::document::{escaped, kind},
    model::problem::{Code, Fault},
    store::principal::Principal,
};

/// The most keys, and the most bytes of keys and values as JSON.
const MAX_KEYS: usize = 100;
const MAX_BYTES: usize = 16 * 1024;
/// The most characters of an address's part.
const MAX_ADDRESS: usize = 512;

/// The form of a claim's text.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// One line of at most so many characters.
    Line(usize),
    Url,
    Birthdate,
    Zone,
    Locale,
}

/// Standard claims that are texts: name, form, example, and what it is.
const TEXTS: [(&str, Form, &str, &str); 11] = [
    ("given_name", Form::Line(256), "Ada", "Given names"),
    ("family_name", Form::Line(256), "Lovelace", "Family names"),
    ("middle_name", Form::Line(256), "King", "Middle names"),
    ("nickname", Form::Line(256), "Ada", "A casual name"),
    ("preferred_username", Form::Line(256), "ada", "What the person wants to be called; unique nowhere"),
    ("profile", Form::Url, "https://example.org/ada", "A page about the person"),
    ("website", Form::Url, "https://ada.example.org", "The person's own page"),
    ("gender", Form::Line(64), "female", "The gender"),
    ("birthdate", Form::Birthdate, "1815-12-10", "YYYY-MM-DD, YYYY, or 0000-MM-DD"),
    ("zoneinfo", Form::Zone, "Europe/London", "The time zone"),
    ("locale", Form::Locale, "en-GB", "The language (BCP 47)"),
];

/// The parts of an address (§5.1.1).
const ADDRESS: [&str; 6] = ["formatted", "street_address", "locality", "region", "postal_code", "country"];

/// Names that tokens or the document itself give a meaning: no custom key passes for one.
const RESERVED: [&str; 39] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "azp",
    "nonce",
    "auth_time",
    "acr",
    "amr",
    "at_hash",
    "c_hash",
    "s_hash",
    "sid",
    "scope",
    "client_id",
    "grant_id",
    "cnf",
    "act",
    "may_act",
    "events",
    "updated_at",
    "id",
    "type",
    "settings",
    "properties",
    "roles",
    "acl",
    "accessAttributes",
    "systemUser",
    "suspendedAt",
    "lastActiveAt",
    "createdAt",
    "eTag",
    "etag",
    "passwordLogin",
    "passwordExpiresAt",
];

/// What was said about whether email and phone were proven to be theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verified {
    pub(super) email: Option<bool>,
    pub(super) phone: Option<bool>,
}

impl Form {
    fn read(self, text: &str) -> Result<String, String> {
        match self {
            Form::Line(max) => text::line(text, max),
            Form::Url => text::url(text),
            Form::Birthdate => text::birthdate(text),
            Form::Zone => text::zone(text),
            Form::Locale => text::locale(text),
        }
    }

    fn schema(self) -> ObjectBuilder {
        let text = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
        match self {
            Form::Line(max) => text.min_length(Some(1)).max_length(Some(max)).pattern(Some(line_pattern())),
            Form::Url => text
                .max_length(Some(text::MAX_URL))
                .format(Some(SchemaFormat::Custom("uri".to_owned())))
                .pattern(Some(text::url_pattern())),
            Form::Birthdate => text.pattern(Some("^[0-9]{4}(-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))?$")),
            Form::Zone => text.max_length(Some(64)).pattern(Some("^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$")),
            Form::Locale => text.max_length(Some(35)).pattern(Some("^[A-Za-z]{2,8}([_-][A-Za-z0-9]{1,8})*$")),
        }
    }
}

/// A line that people can read, as an ECMA 262 expression.
fn line_pattern() -> String {
    let unseen = text::UNSEEN;
    format!("^[^{unseen}]*[^\\s{unseen}][^{unseen}]*$")
}

/// As a principal's `properties` are answered.
pub(super) fn shown(principal: &Principal) -> Map<String, Value> {
    let mut shown = principal.properties.clone();
    for (name, value) in [
        ("name", json!(principal.name)),
        ("email", json!(principal.email)),
        ("email_verified", json!(principal.email_verified)),
        ("phone", json!(principal.phone)),
        ("phone_number_verified", json!(principal.phone_verified)),
        ("picture", json!(principal.picture)),
    ] {
        shown.insert(name.to_owned(), value);
    }
    shown
}

/// Changes what is `stored` by what was given, key by key: null removes one.
pub(super) fn merge(stored: &mut Map<String, Value>, given: Map<String, Value>, faults: &mut Vec<Fault>) -> Verified {
    let mut verified = Verified::default();
    let before = stored.clone();
    for (name, value) in given {
        let read = match name.as_str() {
            "email_verified" => boolean(&value).map(|is| verified.email = Some(is)).map(|()| None),
            "phone_number_verified" => boolean(&value).map(|is| verified.phone = Some(is)).map(|()| None),
            // what was read can be written back
            _ if before.get(&name) == Some(&value) => Ok(None),
            _ if value.is_null() => {
                stored.remove(&name);
                Ok(None)
            }
            "address" => address(&value),
            _ => match TEXTS.iter().find(|(claim, ..)| *claim == name) {
                Some((_, form, ..)) => claim(*form, &value),
                None => custom(&name).map(|()| Some(value)),
            },
        };
        match read {
            Ok(Some(value)) => {
                stored.insert(name, value);
            }
            Ok(None) => {}
            Err((code, message)) => faults.push(fault(code, format!("/properties/{}", escaped(&name)), message)),
        }
    }
    if let Err(message) = bounded(stored, &before) {
        faults.push(fault(Code::FieldInvalid, "/properties".to_owned(), message));
    }
    verified
}

/// Whether an object that somebody fills freely is small enough; what it was `before` it may stay.
pub(super) fn bounded(object: &Map<String, Value>, before: &Map<String, Value>) -> Result<(), String> {
    if object == before {
        return Ok(());
    }
    for name in object.keys().filter(|name| !before.contains_key(*name)) {
        text::key(name)?;
    }
    let bytes = serde_json::to_string(object).map_or(usize::MAX, |text| text.len());
    match (object.len(), bytes) {
        (keys, _) if keys > MAX_KEYS => Err(format!("expected at most {MAX_KEYS} keys, got {keys}")),
        (_, bytes) if bytes > MAX_BYTES => Err(format!("expected at most {MAX_BYTES} bytes of JSON, got {bytes}")),
        _ => Ok(()),
    }
}

pub(super) fn fault(code: Code, pointer: String, message: String) -> Fault {
    Fault { code, message, pointer: Some(pointer), details: None }
}

type Read = Result<Option<Value>, (Code, String)>;

fn boolean(value: &Value) -> Result<bool, (Code, String)> {
    match value {
        Value::Bool(is) => Ok(*is),
        Value::Null => Ok(false),
        other => Err((Code::FieldMalformed, format!("expected a boolean, got {}", kind(other)))),
    }
}

fn claim(form: Form, value: &Value) -> Read {
    match value {
        Value::String(text) => form.read(text).map(|text| Some(json!(text))).map_err(|why| (Code::FieldInvalid, why)),
        other => Err((Code::FieldMalformed, format!("expected a string, got {}", kind(other)))),
    }
}

fn address(value: &Value) -> Read {
    let Value::Object(parts) = value else {
        return Err((Code::FieldMalformed, format!("expected an object, got {}", kind(value))));
    };
    let mut address = Map::new();
    for (name, part) in parts {
        if !ADDRESS.contains(&name.as_str()) {
            let message =
                format!("unknown field `{}`, expected one of {}", crate::model::id::shown(name), ADDRESS.join(", "));
            return Err((Code::UnknownField, message));
        }
        match part {
            Value::Null => {}
            Value::String(text) => {
                let text =
                    text::lines(text, MAX_ADDRESS).map_err(|why| (Code::FieldInvalid, format!("{name}: {why}")))?;
                address.insert(name.clone(), json!(text));
            }
            other => return Err((Code::FieldMalformed, format!("{name}: expected a string, got {}", kind(other)))),
        }
    }
    Ok(Some(Value::Object(address)))
}

fn custom(name: &str) -> Result<(), (Code, String)> {
    match RESERVED.contains(&name) {
        true => Err((Code::FieldInvalid, format!("'{name}' has a meaning of its own and cannot be a custom key"))),
        false => Ok(()),
    }
}

/// Describes `properties`.
#[derive(Debug)]
pub enum Properties {}

impl ToSchema for Properties {
    fn name() -> std::borrow::Cow<'static, str> {
        "PrincipalProperties".into()
    }
}

impl PartialSchema for Properties {
    fn schema() -> RefOr<Schema> {
        let nullable = |of: Type| ObjectBuilder::new().schema_type(SchemaType::from_iter([of, Type::Null]));
        let mut object = ObjectBuilder::new()
            .description(Some(format!(
                "OpenID Connect standard claims, and custom keys with values of any kind; at most {MAX_KEYS} keys and \
                 {MAX_BYTES} bytes of JSON"
            )))
            .property("name", Form::Line(256).schema().description(Some("The full name")))
            .property(
                "email",
                nullable(Type::String)
                    .max_length(Some(254))
                    .format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
                    .description(Some("The username")),
            )
            .property(
                "email_verified",
                nullable(Type::Boolean).description(Some("Whether the email was proven to be theirs")),
            )
            .property(
                "phone",
                nullable(Type::String)
                    .max_length(Some(text::MAX_PHONE))
                    .pattern(Some("^\\+?[0-9(][0-9 ()./-]{1,38}(;ext=[0-9]{1,15})?$"))
                    .description(Some("The phone number; `phone_number`, its name in tokens, is accepted, too")),
            )
            .property(
                "phone_number_verified",
                nullable(Type::Boolean).description(Some("Whether the phone number was proven to be theirs")),
            )
            .property("picture", Form::Url.schema().description(Some("A picture's URL")));
        for (name, form, example, what) in TEXTS {
            object = object.property(name, form.schema().description(Some(what)).examples([json!(example)]));
        }
        let mut address = nullable(Type::Object)
            .description(Some("The postal address (OpenID Connect Core §5.1.1)"))
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        for part in ADDRESS {
            address = address.property(part, nullable(Type::String).min_length(Some(1)).max_length(Some(MAX_ADDRESS)));
        }
        object
            .property("address", address)
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .property_names(Some(
                ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(128)),
            ))
            .into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::strategy::Strategy;

    use super::*;
    use crate::model::text::shows;

    fn merged(given: Value) -> (Value, Verified, Vec<Fault>) {
        let mut stored = json!({"tier": "gold", "given_name": "Ada"}).as_object().cloned().unwrap();
        let mut faults = Vec::new();
        let verified = merge(&mut stored, given.as_object().cloned().unwrap(), &mut faults);
        (Value::Object(stored), verified, faults)
    }

    #[test]
    fn keys_are_replaced_and_removed_one_by_one() {
        let (stored, verified, faults) = merged(
            json!({"tier": null, "given_name": "Augusta", "x": [1], "email_verified": true, "address": {"country": "GB"}}),
        );
        assert_eq!(stored, json!({"given_name": "Augusta", "x": [1], "address": {"country": "GB"}}));
        assert_eq!(verified, Verified { email: Some(true), phone: None });
        assert_eq!(faults, []);
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let (_, _, faults) = merged(json!({
            "birthdate": "yesterday", "gender": 1, "website": "javascript:x", "address": {"planet": "Mars"},
            "sub": "x", "a/b\u{0}": 1, "email_verified": "yes", "roles": [],
        }));
        let mut told: Vec<(Code, &str)> = faults.iter().map(|f| (f.code, f.pointer.as_deref().unwrap())).collect();
        told.sort_by_key(|(_, pointer)| *pointer);
        assert_eq!(
            told,
            [
                (Code::FieldInvalid, "/properties"),
                (Code::UnknownField, "/properties/address"),
                (Code::FieldInvalid, "/properties/birthdate"),
                (Code::FieldMalformed, "/properties/email_verified"),
                (Code::FieldMalformed, "/properties/gender"),
                (Code::FieldInvalid, "/properties/roles"),
                (Code::FieldInvalid, "/properties/sub"),
                (Code::FieldInvalid, "/properties/website"),
            ]
        );
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let bounded = |object: &Map<String, Value>| super::bounded(object, &Map::new());
        let many: Map<String, Value> = (0..101).map(|n| (n.to_string(), json!(n))).collect();
        assert!(bounded(&many).is_err());
        assert!(bounded(json!({"a": "x".repeat(17_000)}).as_object().unwrap()).is_err());
        assert!(bounded(json!({"a".repeat(129): 1}).as_object().unwrap()).is_err());
        assert!(bounded(json!({"a": "x".repeat(16_000)}).as_object().unwrap()).is_ok());
    }
    fn validator(form: Form) -> jsonschema::Validator {
        let schema: Schema = form.schema().into();
        jsonschema::validator_for(&json!(schema)).unwrap()
    }

    proptest::proptest! {
        #[test]
        fn what_is_described_is_what_is_accepted(
            text in "\\PC{0,20}|.{0,20}|[a-z]{1,9}([-_][A-Za-z0-9]{1,9}){0,3}|[A-Za-z_+-]{0,9}(/[A-Za-z_+-]{0,9}){0,2}|[0-9]{4}(-[0-9]{2}-[0-9]{2})?"
        ) {
            for form in [Form::Line(12), Form::Zone, Form::Locale, Form::Birthdate, Form::Url] {
                let (described, read) = (validator(form).is_valid(&json!(text)), form.read(&text));
                // some rules a pattern does not tell: which days there are, what is a URL, which characters show nothing
                let told = matches!(form, Form::Line(_) | Form::Zone | Form::Locale)
                    && text.trim() == text
                    && (text.is_empty() || shows(&text));
                if told {
                    proptest::prop_assert_eq!(described, read.is_ok(), "{:?} {:?}", form, text);
                }
                if let Ok(read) = read {
                    proptest::prop_assert!(validator(form).is_valid(&json!(read)), "{:?} {:?}", form, read);
                }
            }
        }

        #[test]
        fn whatever_is_given_is_kept_or_told(given in proptest::collection::hash_map(
            "[a-z_]{1,12}|given_name|birthdate|address|email_verified|website|sub|roles|\\PC{0,6}",
            proptest::prop_oneof![
                proptest::strategy::Just(Value::Null),
                proptest::prelude::any::<bool>().prop_map(Value::Bool),
                proptest::prelude::any::<i64>().prop_map(|n| json!(n)),
                ".{0,12}".prop_map(Value::String),
                proptest::collection::vec(0..3, 0..3).prop_map(|list| json!(list)),
                "country|planet".prop_map(|part| json!({ part: "x" })),
            ],
            0..6,
        )) {
            let given: Map<String, Value> = given.into_iter().collect();
            let (mut stored, mut faults) = (Map::new(), Vec::new());
            merge(&mut stored, given.clone(), &mut faults);
            let told = |name: &str| {
                let pointer = format!("/properties/{}", escaped(name));
                faults.iter().any(|f| f.pointer.as_deref().is_some_and(|p| p == pointer || p == "/properties"))
            };
            for (name, value) in &given {
                let flag = name.ends_with("_verified") && (value.is_boolean() || value.is_null());
                proptest::prop_assert!(value.is_null() || flag || told(name) || stored.contains_key(name), "{}", name);
            }
            proptest::prop_assert!(RESERVED.iter().all(|name| !stored.contains_key(*name)));
        }
    }
}
