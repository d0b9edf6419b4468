//! What makes sense as a client, and what does not.

use serde_json::{Value, json};

use super::{SHOP, application, faults, path, service};
use crate::support::{TestApp, api::Api};

/// What nobody may register as a place to which people are sent.
pub const REFUSED_URIS: [&str; 34] = [
    "",
    "/cb",
    "cb",
    "//app.example/cb",
    "http://app.example/cb",
    "http://localhost.evil.example/cb",
    "http://127.0.0.1.nip.io/cb",
    "http://app.example@localhost/cb",
    "https://app.example/*",
    "https://*.example/cb",
    "https://app.example/cb#",
    "https://app.example/cb#fragment",
    "https://user:password@app.example/cb",
    "https://user@app.example/cb",
    "https://@app.example/cb",
    "https:app.example/cb",
    "https:///app.example/cb",
    "https://app.example\\@evil.example/cb",
    "https://app.example/\ncb",
    "https://app.example/ cb",
    "https://app.example/\u{202e}cb",
    "HTTPS://app.example/cb",
    "https://",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "javascript://app.example/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "file:///etc/passwd",
    "vbscript:msgbox",
    "blob:https://app.example/1",
    "about:blank",
    "view-source:https://app.example/",
    "ftp://app.example/cb",
    "mailto:a@app.example",
];

#[tokio::test]
async fn people_are_sent_only_to_where_an_application_can_be() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    assert_eq!(owner.put(SHOP, application()).await.said(), "201");
    for uri in REFUSED_URIS {
        for name in ["redirectUris", "postLogoutRedirectUris"] {
            let answer = owner.put(SHOP, json!({name: ["https://app.example/cb", uri]})).await;
            assert_eq!(
                (answer.said().as_str(), faults(&answer)),
                ("422 FIELD_INVALID", vec![format!("/{name}/1")]),
                "{uri}"
            );
            let inside = owner.put(SHOP, json!({"properties": {name: [uri]}})).await;
            assert_eq!(inside.said(), "422 FIELD_INVALID", "{uri}");
        }
        for name in ["clientUri", "logoUri", "policyUri", "tosUri", "jwksUri"] {
            assert_eq!(owner.put(SHOP, json!({name: uri})).await.said(), "422 FIELD_INVALID", "{name} {uri}");
        }
    }
    // an application's own scheme is a place to return to, not a page
    assert_eq!(owner.put(SHOP, json!({"redirectUris": ["myapp://callback"]})).await.said(), "200");
    assert_eq!(owner.put(SHOP, json!({"logoUri": "myapp://callback"})).await.said(), "422 FIELD_INVALID");
    assert_eq!(owner.put(SHOP, json!({"jwksUri": "http://localhost/jwks"})).await.said(), "422 FIELD_INVALID");
    let long = format!("https://app.example/{}", "x".repeat(2000));
    assert_eq!(owner.put(SHOP, json!({"redirectUris": [long]})).await.said(), "422 FIELD_INVALID");
}

#[tokio::test]
async fn lists_are_bounded() {
    let app = TestApp::spawn_with(|config| config.limits.body_bytes = 1 << 20).await;
    let owner = Api::owner(&app).await;
    let uris = |n: usize| (0..n).map(|n| format!("https://app.example/{n}")).collect::<Vec<_>>();
    assert_eq!(owner.put(SHOP, json!({"redirectUris": uris(100)})).await.said(), "201");
    for n in [101, 10_000] {
        for name in ["redirectUris", "postLogoutRedirectUris", "resourceUris", "scopes", "roles", "grantTypes"] {
            let answer = owner.put(SHOP, json!({name: uris(n)})).await;
            assert_eq!(answer.said(), "422 FIELD_INVALID", "{name}");
            assert!(answer.body.len() < 1000, "{}", answer.body);
        }
    }
    let wide = |resources: usize, permissions: usize| {
        let texts = |n: usize| (0..n).map(|n| n.to_string()).collect::<Vec<_>>();
        json!({"acl": {"entries": [{"resource": texts(resources), "permission": texts(permissions)}]}})
    };
    assert_eq!(owner.put(SHOP, wide(100, 10)).await.said(), "200");
    assert_eq!(owner.put(SHOP, wide(40_000, 40_000)).await.said(), "422 FIELD_INVALID");
    let attributes = |keys: usize, values: usize| {
        let values: Vec<String> = (0..values).map(|n| n.to_string()).collect();
        json!({"accessAttributes": (0..keys).map(|n| (format!("k{n}"), json!(values))).collect::<Value>()})
    };
    assert_eq!(owner.put(SHOP, attributes(51, 1)).await.said(), "422 FIELD_INVALID");
    assert_eq!(owner.put(SHOP, attributes(1, 51)).await.said(), "422 FIELD_INVALID");

    // by default not even that much is read
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    assert_eq!(owner.put(SHOP, json!({"redirectUris": uris(10_000)})).await.said(), "413 BODY_TOO_LARGE");
    // and what would not fit into a request that writes it back is not kept
    let long: Vec<String> = (0..30).map(|n| format!("https://app.example/{n}/{}", "x".repeat(1900))).collect();
    let large = owner.put(SHOP, json!({"redirectUris": long})).await;
    assert_eq!(large.said(), "422 FIELD_INVALID");
    assert!(large.body.contains("65536"), "{}", large.body);
}

#[tokio::test]
async fn what_does_not_fit_together_is_told() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let wrong = json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]});
    let key = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]});
    for (body, places) in [
        (
            json!({"tokenEndpointAuthMethod": "none", "grantTypes": ["client_credentials"]}),
            &["/tokenEndpointAuthMethod"][..],
        ),
        (json!({"tokenEndpointAuthMethod": "none"}), &["/redirectUris"]),
        (json!({"grantTypes": ["authorization_code"]}), &["/redirectUris"]),
        (json!({"grantTypes": ["refresh_token"]}), &["/grantTypes"]),
        (json!({"grantTypes": ["password", "implicit"]}), &["/grantTypes/0", "/grantTypes/1"]),
        (json!({"tokenEndpointAuthMethod": "private_key_jwt"}), &["/jwks"]),
        (json!({"tokenEndpointAuthMethod": "client_secret_jwt"}), &["/tokenEndpointAuthMethod"]),
        (json!({"jwks": wrong}), &["/jwks"]),
        (json!({"jwks": {"keys": []}}), &["/jwks"]),
        (json!({"jwks": "x"}), &["/jwks"]),
        (json!({"jwks": key, "jwksUri": "https://app.example/jwks"}), &["/jwksUri"]),
        (json!({"idTokenSignedResponseAlg": "none"}), &["/idTokenSignedResponseAlg"]),
        (json!({"userinfoSignedResponseAlg": "HS256"}), &["/userinfoSignedResponseAlg"]),
        // no key for it, as configured
        (json!({"accessTokenSignedResponseAlg": "EdDSA"}), &["/accessTokenSignedResponseAlg"]),
        (json!({"accessTokenFormat": "saml"}), &["/accessTokenFormat"]),
        (json!({"accessTokenLifetime": 0}), &["/accessTokenLifetime"]),
        (json!({"accessTokenLifetime": 86_401}), &["/accessTokenLifetime"]),
        (json!({"defaultMaxAge": u64::MAX}), &["/defaultMaxAge"]),
        (json!({"scopes": ["openid", "email profile", "", "admin"]}), &["/scopes/1", "/scopes/2", "/scopes/3"]),
        (
            json!({"resourceUris": ["api", "https://api.example/#x", "https://api example/"]}),
            &["/resourceUris/0", "/resourceUris/1", "/resourceUris/2"],
        ),
        (json!({"resourceUris": [app.issuer]}), &["/resourceUris/0"]),
        (json!({"resourceUris": [format!("{}/", app.issuer)]}), &["/resourceUris/0"]),
        (json!({"name": "", "description": "x".repeat(1001)}), &["/name", "/description"]),
        (json!({"name": "a\u{7}b"}), &["/name"]),
        (json!({"name": "x".repeat(201)}), &["/name"]),
        (json!({"acl": {"entries": [{"resource": [], "permission": "x"}]}}), &["/acl"]),
        (json!({"accessAttributes": {"": ["x"]}}), &["/accessAttributes"]),
        (
            json!({"redirectUris": ["https://app.example/cb"], "tokenEndpointAuthMethod": "none", "pkceOptional": true}),
            &["/pkceOptional"],
        ),
    ] {
        let answer = owner.put(SHOP, body.clone()).await;
        assert_eq!(
            (answer.said().as_str(), faults(&answer)),
            ("422 FIELD_INVALID", places.iter().map(|p| (*p).to_owned()).collect()),
            "{body}"
        );
    }
    assert_eq!(owner.get(SHOP).await.said(), "404 NOT_FOUND");
    for (body, said) in [
        (json!([]), "400 BODY_MALFORMED"),
        (Value::Null, "400 BODY_MALFORMED"),
        (json!({"nam": "x"}), "400 UNKNOWN_FIELD"),
        (json!({"name": 1}), "400 FIELD_MALFORMED"),
        (json!({"redirectUris": "https://app.example/cb"}), "400 FIELD_MALFORMED"),
        (json!({"redirectUris": [1]}), "400 FIELD_MALFORMED"),
        (json!({"scopes": "openid"}), "400 FIELD_MALFORMED"),
        (json!({"accessTokenLifetime": -1}), "400 FIELD_MALFORMED"),
        (json!({"accessTokenLifetime": 1.5}), "400 FIELD_MALFORMED"),
        (json!({"firstParty": "true"}), "400 FIELD_MALFORMED"),
        (json!({"accessAttributes": {"a": "b"}}), "400 FIELD_MALFORMED"),
        (json!({"acl": {"entries": [{"resource": "a", "permission": "b", "deny": true}]}}), "400 UNKNOWN_FIELD"),
        (json!({"name": "a\u{0}b"}), "400 BODY_MALFORMED"),
        (json!({"roles": ["no:such"]}), "422 UNKNOWN_ROLE"),
        (json!({"etag": "x"}), "409 ETAG_MISMATCH"),
    ] {
        assert_eq!(owner.put(SHOP, body.clone()).await.said(), said, "{body}");
    }
    // with keys it may be
    let fits = json!({"tokenEndpointAuthMethod": "private_key_jwt", "jwks": key});
    assert_eq!(owner.put(SHOP, fits).await.said(), "201");
    assert_eq!(owner.put(SHOP, json!({"jwks": null})).await.said(), "422 FIELD_INVALID");
}

#[tokio::test]
async fn what_was_registered_under_other_rules_does_not_stand_in_the_way_of_other_changes() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    app.client("old", &[], |client| {
        client.metadata.id_token_signed_response_alg = Some("EdDSA".to_owned());
        client.auth_method = keyward::model::client_auth::AuthMethod::None;
    })
    .await;
    let old = path("old");
    let client = owner.get(&old).await.object(200);
    assert_eq!(owner.put(&old, client).await.said(), "200");
    assert_eq!(owner.put(&old, json!({"name": "New"})).await.said(), "200");
    let others = owner.put(&old, json!({"userinfoSignedResponseAlg": "EdDSA"})).await;
    assert_eq!(
        (others.said().as_str(), faults(&others)),
        ("422 FIELD_INVALID", vec!["/userinfoSignedResponseAlg".to_owned()])
    );
}

#[tokio::test]
async fn a_resource_has_one_client() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let mut body = service();
    body["resourceUris"] = json!(["https://api.example/"]);
    assert_eq!(owner.put(SHOP, body.clone()).await.said(), "201");
    let second = owner.put(&path("second"), body.clone()).await;
    assert_eq!(
        (second.said().as_str(), faults(&second)),
        ("409 RESOURCE_URI_IN_USE", vec!["/resourceUris/0".to_owned()])
    );
    assert_eq!(owner.get(&path("second")).await.said(), "404 NOT_FOUND");
    // until its client gives it up, or goes
    assert_eq!(owner.put(SHOP, json!({"resourceUris": null})).await.said(), "200");
    assert_eq!(owner.put(&path("second"), body.clone()).await.said(), "201");
    assert_eq!(owner.delete(&path("second")).await.said(), "204");
    assert_eq!(owner.put(SHOP, json!({"resourceUris": ["https://api.example/"]})).await.said(), "200");
}
