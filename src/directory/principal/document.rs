//! Principals as they are answered, and what can be said about one.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::properties::{self, Properties};
use crate::{
    directory::document::given,
    model::{
        permission::{Acl, AclInput, Attributes},
        time::Timestamp,
    },
    store::principal::Principal,
};

/// The members that stand both flat and in `properties`.
pub(super) const MIRRORED: [&str; 4] = ["name", "email", "phone", "picture"];
/// The members that belong to the server.
pub(super) const READ_ONLY: [&str; 6] =
    ["id", "type", "suspendedAt", "createdAt", "passwordLogin", "passwordExpiresAt"];

/// A principal, as it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(title = "Principal")]
pub struct PrincipalDocument {
    /// A UUID, chosen by whoever made the principal; the `sub` of tokens
    #[schema(format = "uuid", example = "6ba7b810-9dad-11d1-80b4-00c04fd430c8")]
    pub id: String,
    /// Always `principal`
    #[serde(rename = "type")]
    #[schema(pattern = "^principal$", example = "principal")]
    pub kind: &'static str,
    /// The full name
    #[schema(example = "Ada Lovelace")]
    pub name: Option<String>,
    /// The username, as typed; unique without regard to case
    #[schema(example = "ada@example.org")]
    pub email: Option<String>,
    /// The phone number
    #[schema(example = "+44 20 7946 0000")]
    pub phone: Option<String>,
    /// A picture's URL
    #[schema(example = "https://example.org/ada.png")]
    pub picture: Option<String>,
    /// The person's own settings
    #[schema(value_type = BTreeMap<String, Value>, example = json!({"theme": "dark"}))]
    pub settings: Map<String, Value>,
    /// The other OpenID Connect standard claims, custom keys, and once more name, email, phone and picture
    #[schema(value_type = Properties)]
    pub properties: Map<String, Value>,
    /// The keys of the roles, in order
    #[schema(example = json!(["support:agent"]))]
    pub roles: Vec<String>,
    /// What the person may do besides what the roles allow
    pub acl: Acl,
    /// Attributes that conditional permissions compare
    #[schema(value_type = BTreeMap<String, Vec<String>>, example = json!({"region": ["eu"]}))]
    pub access_attributes: Attributes,
    /// Whether it is a system user: an account for administration, which signs in by the module of that name
    #[schema(example = false)]
    pub system_user: bool,
    /// Since when the principal may do nothing (RFC 3339)
    #[schema(format = "date-time")]
    pub suspended_at: Option<String>,
    /// When the principal was last active, to the minute (RFC 3339)
    #[schema(format = "date-time")]
    pub last_active_at: Option<String>,
    /// When the principal was made (RFC 3339)
    #[schema(format = "date-time")]
    pub created_at: String,
    /// Its version
    pub e_tag: String,
    /// Whether the person signs in with email and password
    pub password_login: bool,
    /// When the password stops working (RFC 3339); only temporary ones do
    #[schema(format = "date-time")]
    pub password_expires_at: Option<String>,
}

/// What can be said about a principal. Members that are given replace, members that are absent stay, null clears. What
/// was read can be written back: members that belong to the server are accepted where they are unchanged.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PrincipalInput {
    /// The full name
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]*[^\\s\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069][^\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]*$", example = "Ada Lovelace")]
    pub name: Option<Option<String>>,
    /// The username; unique without regard to case. Without one nobody signs in with a password. A new one is not
    /// verified, unless the same request changes `properties.email_verified` to true
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 254, format = "email", example = "ada@example.org")]
    pub email: Option<Option<String>>,
    /// The phone number; as with the email, a new one is not verified
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 64, pattern = "^\\+?[0-9(][0-9 ()./-]{1,38}(;ext=[0-9]{1,15})?$", example = "+44 20 7946 0000")]
    pub phone: Option<Option<String>>,
    /// A picture's URL
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 2048, format = "uri", pattern = "^https?://[^\\s/?#@\\\\\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]+([/?#][^\\s\\\\\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]*)?$", example = "https://example.org/ada.png")]
    pub picture: Option<Option<String>>,
    /// The person's own settings, as a whole; at most 100 keys and 16 KiB. A key with null is not there
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<BTreeMap<String, Value>>, example = json!({"theme": "dark"}))]
    pub settings: Option<Option<Map<String, Value>>>,
    /// OpenID Connect standard claims and custom keys, each by itself: a key that is given replaces, null removes it.
    /// Name, email, phone and picture may stand here, too; where both places differ, the one that differs from what is
    /// stored counts
    #[serde(default)]
    #[schema(value_type = Properties)]
    pub properties: Map<String, Value>,
    /// The keys of the roles, as a whole
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>, max_items = 100, example = json!(["support:agent"]))]
    pub roles: Option<Option<Vec<String>>>,
    /// What the person may do besides what the roles allow
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<AclInput>)]
    pub acl: Option<Option<Acl>>,
    /// Attributes that conditional permissions compare, as a whole
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<BTreeMap<String, Vec<String>>>, example = json!({"region": ["eu"]}))]
    pub access_attributes: Option<Option<Attributes>>,
    /// Whether it is a system user: an account for administration, which signs in by the module of that name. Nobody makes
    /// themselves one
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<bool>, example = false)]
    pub system_user: Option<Option<bool>>,
    /// The version that is to be replaced, as in If-Match
    #[serde(default, rename = "etag")]
    #[allow(dead_code)] // taken out before, here for the description
    etag: Option<String>,
}

/// The roles that an identity is to have: an object, or the bare array.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RolesInput {
    /// Their keys
    #[schema(max_items = 100, example = json!(["support:agent"]))]
    pub roles: Vec<String>,
    /// The version that is to be replaced, as in If-Match
    #[serde(default)]
    #[allow(dead_code)] // taken out before, here for the description
    etag: Option<String>,
}

/// A password that signs in only as far as the page that replaces it. It is shown this once.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemporaryPassword {
    /// The password
    #[schema(example = "k7m2x-9pqrt-4ncvb-w8hsd")]
    pub temporary_password: String,
    /// Until when it can be used (RFC 3339)
    #[schema(format = "date-time")]
    pub expires_at: String,
}

/// A principal with these roles, as it is answered.
pub fn document(principal: &Principal, roles: &[String]) -> PrincipalDocument {
    PrincipalDocument {
        id: principal.id.clone(),
        kind: "principal",
        name: principal.name.clone(),
        email: principal.email.clone(),
        phone: principal.phone.clone(),
        picture: principal.picture.clone(),
        settings: principal.settings.clone(),
        properties: properties::shown(principal),
        roles: roles.to_vec(),
        acl: principal.acl.clone(),
        access_attributes: principal.access_attributes.clone(),
        system_user: principal.system_user,
        suspended_at: principal.suspended_at.map(Timestamp::rfc3339),
        last_active_at: principal.last_active_at.map(Timestamp::rfc3339),
        created_at: principal.created_at.rfc3339(),
        e_tag: principal.etag.clone(),
        password_login: principal.email.is_some() && principal.password_hash.is_some(),
        password_expires_at: principal.password_expires_at.map(Timestamp::rfc3339),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use utoipa::OpenApi;

    use super::*;
    use crate::directory::{principal::text, profile::ProfileInput};

    #[derive(OpenApi)]
    #[openapi(components(schemas(PrincipalDocument, PrincipalInput, ProfileInput, RolesInput, Properties, Acl)))]
    struct Described;

    fn valid(schema: &str, value: &Value) -> Result<(), String> {
        let mut described = json!({"$ref": format!("#/components/schemas/{schema}")});
        described["components"] = json!(Described::openapi())["components"].clone();
        let validator = jsonschema::validator_for(&described).unwrap();
        let faults: Vec<String> =
            validator.iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
    }

    #[test]
    fn what_is_answered_is_as_described() {
        let mut principal =
            Principal::new("6ba7b810-9dad-41d1-80b4-00c04fd430c8".to_owned(), None, Timestamp::from_seconds(0));
        valid("PrincipalDocument", &json!(document(&principal, &[]))).unwrap();
        principal.name = Some("Ada".to_owned());
        principal.suspended_at = Some(Timestamp::from_seconds(1));
        principal.acl = Acl::of(&["registry:read"]).unwrap();
        principal.access_attributes = Attributes::from([("region".to_owned(), vec!["eu".to_owned()])]);
        principal.settings.insert("a".to_owned(), json!([1, null]));
        principal.properties.insert("address".to_owned(), json!({"country": "GB"}));
        principal.properties.insert("tier".to_owned(), json!({"level": 3}));
        valid("PrincipalDocument", &json!(document(&principal, &["support:agent".to_owned()]))).unwrap();
    }

    #[test]
    fn what_can_be_said_is_as_described() {
        for good in [
            json!({}),
            json!({"name": null, "email": null, "settings": null, "acl": null, "roles": null, "accessAttributes": null}),
            json!({"systemUser": true}),
            json!({"systemUser": null}),
            json!({"name": "Ada", "email": "ada@example.org", "phone": "+1 (604) 555-1234;ext=5678", "picture": "https://a/b"}),
            json!({"properties": {"tier": [1], "address": {"country": "GB"}, "birthdate": null}, "roles": ["a:b"]}),
        ] {
            valid("PrincipalInput", &good).unwrap();
        }
        for bad in [
            json!({"passwordHash": "x"}),
            json!({"name": ""}),
            json!({"name": "a\u{7}"}),
            json!({"name": "x".repeat(257)}),
            json!({"phone": "call me"}),
            json!({"picture": "javascript:x"}),
            json!({"properties": {"address": {"planet": "x"}}}),
            json!({"properties": {"birthdate": "yesterday"}}),
            json!({"properties": null}),
            json!({"roles": "a:b"}),
            json!({"systemUser": "yes"}),
        ] {
            assert!(valid("PrincipalInput", &bad).is_err(), "{bad}");
        }
    }
    /// Whoever says it, and wherever it stands.
    #[test]
    fn name_phone_and_picture_are_described_by_one_set_of_rules() {
        let described = json!(Described::openapi())["components"]["schemas"].clone();
        for member in ["name", "phone", "picture"] {
            let rules = |schema: &str| {
                let of = &described[schema]["properties"][member];
                ["pattern", "minLength", "maxLength", "format"].map(|rule| of[rule].clone())
            };
            assert_eq!(rules("ProfileInput"), rules("PrincipalInput"), "{member}");
            assert_eq!(rules("ProfileInput"), rules("PrincipalProperties"), "{member}");
        }
        type Rule = fn(&str) -> Result<String, String>;
        let rules: [(&str, Rule, &[&str]); 3] = [
            ("name", |text| text::line(text, text::MAX_NAME), &["Ada", "  lead", "", " ", "a\u{7}", "a\u{202e}b"]),
            ("phone", text::phone, &["0049/30", "(030) 1234", "+1 604;ext=5678", "112", "", "call me", "+", "1\n2"]),
            (
                "picture",
                text::url,
                &[
                    "https://a/b?c=d#e",
                    "http://localhost:80",
                    "https://x/\u{202e}",
                    "https://x/ y",
                    "https://u@x/",
                    "https://x/@y",
                    "https:///x",
                    "https://x\\y",
                    "https://x/\\y",
                    "javascript:x",
                    "https://",
                    "",
                ],
            ),
        ];
        for (member, rule, texts) in rules {
            for text in texts {
                let described = valid("ProfileInput", &json!({ member: text })).is_ok();
                assert_eq!(described, rule(text).is_ok(), "{member} {text:?}");
            }
        }
    }
}
