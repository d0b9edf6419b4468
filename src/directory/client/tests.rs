//! What is read from bodies, whatever they say.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Policy, Registered, check_new, document::document};
use crate::model::{key::SigningAlgorithm, problem::Fault, time::Timestamp};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn policy() -> Policy {
    Policy {
        require_precondition: false,
        algorithms: vec![SigningAlgorithm::RS256, SigningAlgorithm::ES256],
        issuer: "https://login.example".to_owned(),
        max_bytes: 65_536,
    }
}

/// What becomes of a new client, and what is wrong with it; none where the body cannot be read.
fn read(body: Map<String, Value>) -> Option<(Registered, Vec<Fault>)> {
    check_new("shop", body, &policy(), NOW).ok()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "(https|http|myapp|javascript)://[a-z.@:/#?*]{0,12}".prop_map(Value::from),
        "(openid|email|iam/clients:read|\\*:\\*|client_credentials|authorization_code|none|RS256|opaque)"
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-zA-Z~/]{0,8}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn any_body() -> impl Strategy<Value = Map<String, Value>> {
    let names = prop_oneof![
        4 => prop::sample::select(super::input::REGISTRATION.to_vec()).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["properties", "roles", "acl", "accessAttributes", "id", "systemClient", "x"])
            .prop_map(str::to_owned),
    ];
    prop::collection::hash_map(names, any_json(), 0..6).prop_map(|map| map.into_iter().collect())
}

/// Bodies that mostly make sense.
fn sensible_body() -> impl Strategy<Value = Map<String, Value>> {
    let uris = prop::collection::vec("https://[a-z]{1,8}\\.example/[a-z]{0,5}", 1..4);
    let scopes = prop::sample::subsequence(vec!["openid", "email", "offline_access", "iam/roles:read", "me:*"], 0..5);
    let custom = prop::collection::hash_map("my[A-Za-z~/ä]{0,8}", any_json(), 0..3);
    let name = "[a-zA-Z äöü]{1,20}[a-z]";
    (uris, scopes, custom, name, any::<bool>(), 1..86_400_u64).prop_map(
        |(uris, scopes, custom, name, flag, seconds)| {
            let body = json!({
                "name": name, "redirectUris": uris, "resourceUris": uris, "logoUri": uris[0], "scopes": scopes,
                "properties": custom, "firstParty": flag, "requireAuthTime": flag, "accessTokenLifetime": seconds,
                "tokenEndpointAuthMethod": if flag { "none" } else { "client_secret_post" },
                "grantTypes": ["refresh_token", "authorization_code"], "accessAttributes": {"region": [name]}
            });
            body.as_object().cloned().unwrap_or_default()
        },
    )
}

proptest! {
    #[test]
    fn no_body_panics_and_what_is_kept_keeps_the_rules(body in any_body()) {
        if let Some((client, faults)) = read(body)
            && faults.is_empty()
        {
            prop_assert!(super::rules::faults(&client, &policy()).is_empty());
            prop_assert!(!client.client.system_client && client.client.id == "shop" && !client.client.name.is_empty());
        }
    }

    #[test]
    fn what_is_answered_can_be_written_back(body in sensible_body()) {
        let (client, faults) = read(body).unwrap();
        prop_assert!(faults.is_empty(), "{:?}", faults);
        let mut answered = json!(document(&client)).as_object().cloned().unwrap();
        answered.remove("eTag");
        let (mut again, faults) = read(answered).unwrap();
        prop_assert!(faults.is_empty(), "{:?}", faults);
        again.client.etag = client.client.etag.clone();
        prop_assert_eq!(document(&again), document(&client));
    }
}
