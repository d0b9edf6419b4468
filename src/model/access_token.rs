//! What an access token of this server says (RFC 9068 §2.2), taken apart once: small, since thousands are kept.

use serde_json::{Map, Value};

use super::{scope::Scope, time::Timestamp};

/// The `typ` of access tokens that are JWTs (RFC 9068 §2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// The claims of an access token. Says nothing about whether they still hold.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessToken {
    /// `sub`: the principal, or the client that acts for itself.
    pub subject: Box<str>,
    /// `client_id`: to whom it was given.
    pub client_id: Box<str>,
    /// `jti`: its own identifier.
    pub jti: Box<str>,
    /// The grant that it belongs to; none if the client acts for itself.
    pub grant_id: Option<Box<str>>,
    /// `aud`.
    pub audiences: Box<[Box<str>]>,
    /// `scope`; none if the token names none, which is not the same as an empty one.
    pub scope: Option<Scope>,
    /// Whether it names roles. Which ones the subject has is asked when it is used.
    pub names_roles: bool,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
    /// All claims as the members of a JSON object without its braces, for introspection: but for the grant's, which is
    /// told to nobody, and `scope` and `roles`, which are told as they are now.
    pub told: Box<str>,
}

impl AccessToken {
    /// The claims of a token that `issuer` made; `None` where it is another's, or lacks what every one of ours has.
    pub fn of_claims(mut claims: Map<String, Value>, issuer: &str) -> Option<AccessToken> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let seconds = |name: &str| claims.get(name).and_then(Value::as_i64).map(Timestamp::from_seconds);
        if text("iss") != Some(issuer) {
            return None;
        }
        let mut token = AccessToken {
            subject: text("sub")?.into(),
            client_id: text("client_id")?.into(),
            jti: text("jti")?.into(),
            grant_id: text("grant_id").map(Box::from),
            audiences: audiences(&claims).into_iter().map(Box::from).collect(),
            scope: text("scope").map(Scope::written),
            names_roles: claims.contains_key("roles"),
            issued_at: seconds("iat").unwrap_or(Timestamp::from_seconds(0)),
            expires_at: seconds("exp")?,
            told: Box::default(),
        };
        claims.retain(|name, _| !matches!(name.as_str(), "grant_id" | "scope" | "roles"));
        let object = Value::Object(claims).to_string();
        token.told = object.strip_prefix('{')?.strip_suffix('}')?.into();
        Some(token)
    }
}

/// The members of `aud`, which may be one or many (RFC 7519 §4.1.3).
pub fn audiences(claims: &Map<String, Value>) -> Vec<&str> {
    match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(claims: Value) -> Option<AccessToken> {
        let Value::Object(claims) = claims else { return None };
        AccessToken::of_claims(claims, "https://id.example")
    }

    #[test]
    fn a_token_is_taken_apart_and_told_without_what_is_asked_anew() {
        let claims = json!({
            "iss": "https://id.example", "sub": "s", "client_id": "c", "aud": ["a", "b"], "exp": 20, "iat": 10,
            "jti": "j", "grant_id": "g", "scope": "openid a:b", "roles": ["x"], "tenant": {"q\"": 1},
        });
        let read = token(claims.clone()).unwrap();
        assert_eq!((&*read.subject, &*read.client_id, &*read.jti), ("s", "c", "j"));
        assert_eq!(read.grant_id.as_deref(), Some("g"));
        assert_eq!(read.audiences.iter().map(|audience| &**audience).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((read.issued_at, read.expires_at), (Timestamp::from_seconds(10), Timestamp::from_seconds(20)));
        assert_eq!((read.scope.unwrap().to_string().as_str(), read.names_roles), ("openid a:b", true));
        let mut told = claims;
        for name in ["grant_id", "scope", "roles"] {
            told.as_object_mut().unwrap().remove(name);
        }
        assert_eq!(serde_json::from_str::<Value>(&format!("{{{}}}", read.told)).unwrap(), told);
    }

    #[test]
    fn what_is_not_ours_is_none() {
        let whole = json!({"iss": "https://id.example", "sub": "s", "client_id": "c", "exp": 20, "jti": "j"});
        let read = token(whole.clone()).unwrap();
        assert_eq!((read.scope, read.names_roles, read.grant_id, read.audiences.len()), (None, false, None, 0));
        for name in ["iss", "sub", "client_id", "exp", "jti"] {
            let mut less = whole.clone();
            less.as_object_mut().unwrap().remove(name);
            assert_eq!(token(less), None, "{name}");
        }
        let mut other = whole;
        other["iss"] = json!("https://id.example/");
        assert_eq!(token(other), None);
    }
}
