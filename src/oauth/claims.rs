//! The standard claims about a person (OpenID Connect Core §5.1), by scope (§5.4) or by name (§5.5).

use serde_json::{Map, Value, json};

use crate::{model::scope::Scope, store::principal::Principal};

/// A scope and the claims that it asks for.
const BY_SCOPE: [(&str, &[&str]); 4] = [
    (
        "profile",
        &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("phone", &["phone_number", "phone_number_verified"]),
    ("address", &["address"]),
];

/// The names of all claims about a person that can be had.
pub fn supported() -> impl Iterator<Item = &'static str> {
    BY_SCOPE.iter().flat_map(|(_, claims)| claims.iter().copied())
}

/// The scope that asks for this claim; none if it tells nothing about the person, or is not known.
pub fn scope_of(name: &str) -> Option<&'static str> {
    BY_SCOPE.iter().find(|(_, claims)| claims.contains(&name)).map(|(scope, _)| *scope)
}

/// What is known of the person for these scopes and for these names. A claim without a value is left out (§5.3.2).
pub fn about(principal: &Principal, scope: &Scope, names: &[String]) -> Map<String, Value> {
    let mut claims = Map::new();
    for (token, by_scope) in BY_SCOPE {
        for &name in by_scope {
            let asked = scope.contains(token) || names.iter().any(|asked| asked == name);
            if let Some(value) = asked.then(|| claim(principal, name)).flatten() {
                claims.insert(name.to_owned(), value);
            }
        }
    }
    claims
}

fn claim(principal: &Principal, name: &str) -> Option<Value> {
    let text = |value: &Option<String>| value.clone().map(Value::String);
    match name {
        "name" => text(&principal.name),
        "picture" => text(&principal.picture),
        "email" => text(&principal.email),
        "email_verified" => principal.email.as_ref().map(|_| json!(principal.email_verified)),
        "phone_number" => text(&principal.phone),
        "phone_number_verified" => principal.phone.as_ref().map(|_| json!(principal.phone_verified)),
        "preferred_username" => {
            principal.properties.get(name).filter(|v| v.is_string()).cloned().or_else(|| text(&principal.email))
        }
        "updated_at" => Some(json!(principal.updated_at.seconds())),
        "address" => principal.properties.get(name).filter(|value| value.is_object()).cloned(),
        _ => principal.properties.get(name).filter(|value| value.is_string()).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    #[test]
    fn properties_cannot_pass_for_what_the_server_knows() {
        let mut person = Principal::new("p".to_owned(), None, Timestamp::from_seconds(1_000));
        for name in ["sub", "iss", "email", "email_verified", "updated_at", "phone_number_verified"] {
            person.properties.insert(name.to_owned(), json!("forged"));
        }
        person.properties.insert("given_name".to_owned(), json!("Ada"));
        person.properties.insert("address".to_owned(), json!({"country": "GB"}));
        let scope: Scope = "openid profile email phone address".parse().unwrap();
        let claims = about(&person, &scope, &[]);
        assert_eq!(
            Value::Object(claims),
            json!({"given_name": "Ada", "updated_at": 1000, "address": {"country": "GB"}})
        );
    }
}
