//! Client authentication (RFC 6749 §2.3, RFC 7523, OpenID Connect Core §9).

use std::time::Duration;

use josekit::{
    jwk::{Jwk, KeyPair},
    jws::{self, JwsHeader, JwsSigner},
};
use keyward::{
    model::{client_auth::AuthMethod, id, secret::Secret},
    store,
};
use serde_json::{Value, json};

use crate::{
    stage::{Stage, public, stage, stage_with},
    support::relying_party::{Answer, basic, random, send},
};

/// A client's key, and the assertions that it signs.
pub struct Keys {
    pub private: Jwk,
    pub public: Value,
}

impl Keys {
    pub fn generate() -> Keys {
        let pair = jws::ES256.generate_key_pair().unwrap();
        let mut public = Value::Object(pair.to_jwk_public_key().into());
        public["kid"] = json!("key-1");
        Keys { private: pair.to_jwk_private_key(), public: json!({ "keys": [public] }) }
    }

    pub fn sign(&self, header: Value, claims: &Value) -> String {
        sign(&jws::ES256.signer_from_jwk(&self.private).unwrap(), header, claims)
    }
}

pub fn sign(signer: &dyn JwsSigner, header: Value, claims: &Value) -> String {
    let Value::Object(header) = header else { panic!("a header is an object") };
    let header = JwsHeader::from_map(header).unwrap();
    jws::serialize_compact(claims.to_string().as_bytes(), &header, signer).unwrap()
}

/// What a good assertion says.
pub fn good_claims(s: &Stage) -> Value {
    let now = s.app.now().seconds();
    json!({"iss": "app", "sub": "app", "aud": s.app.issuer, "jti": random(), "iat": now, "exp": now + 60})
}

pub async fn with_assertion(s: &Stage, assertion: &str) -> Answer {
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    send(s.rp.http.post(s.app.url("/oauth/token")).form(&fields)).await
}

pub async fn stage_with_key() -> (Stage, Keys) {
    let keys = Keys::generate();
    let jwks = keys.public.clone();
    let s = stage_with(
        |_| {},
        |client| {
            client.auth_method = AuthMethod::PrivateKeyJwt;
            client.metadata.jwks = Some(jwks);
            client.scopes = "".parse().unwrap();
        },
    )
    .await;
    (s, keys)
}

async fn with_basic(s: &Stage, header: String) -> Answer {
    let request = s.rp.http.post(s.app.url("/oauth/token")).header("authorization", header);
    send(request.form(&[("grant_type", "client_credentials")])).await
}

async fn with_body(s: &Stage, fields: &[(&str, &str)]) -> Answer {
    let mut all = vec![("grant_type", "client_credentials")];
    all.extend(fields);
    send(s.rp.http.post(s.app.url("/oauth/token")).form(&all)).await
}

#[tokio::test]
async fn the_secret_may_come_in_the_header_or_the_body_as_registered() {
    let s = stage().await;
    let other = s.other("poster", |client| client.auth_method = AuthMethod::ClientSecretPost).await;
    for (id, secret, header, body) in
        [("app", &s.rp.client.secret, "400", "401"), ("poster", &other.client.secret, "401", "400")]
    {
        // with neither scope nor role the grant itself ends in an empty scope, which is no error
        let (header, body) = (header.replace("400", "200"), body.replace("400", "200"));
        assert_eq!(with_basic(&s, basic(id, secret)).await.status.as_str(), header, "{id}");
        let fields = [("client_id", id), ("client_secret", secret.as_str())];
        assert_eq!(with_body(&s, &fields).await.status.as_str(), body, "{id}");
    }
}

#[tokio::test]
async fn basic_credentials_are_form_decoded() {
    let s = stage().await;
    // a secret that somebody chose, with everything in it that form encoding changes
    let chosen = "colon:plus+percent%blank umlaut\u{e4}&=";
    let (now, hash) = (s.app.now(), keyward::model::secret::SecretHash::of(chosen));
    let secret = store::client_secret::ClientSecret {
        id: id::generate(now),
        client_id: "app".to_owned(),
        hash,
        hint: "test".to_owned(),
        description: None,
        created_at: now,
        expires_at: Some(now + Duration::from_secs(60)),
        last_used_at: None,
    };
    s.app.app.store.write(move |tx| store::client_secret::insert(tx, &secret)).await.unwrap();
    assert_eq!(with_basic(&s, basic("app", chosen)).await.outcome(), "200");
    // the other secret still works, and an expired one does not
    assert_eq!(with_basic(&s, basic("app", &s.rp.client.secret)).await.outcome(), "200");
    s.app.advance(Duration::from_secs(60));
    assert_eq!(with_basic(&s, basic("app", chosen)).await.outcome(), "401 invalid_client");
}

#[tokio::test]
async fn a_client_that_proves_nothing_is_told_so_in_its_own_scheme() {
    let s = stage().await;
    let wrong = with_basic(&s, basic("app", "wrong")).await;
    insta::assert_json_snapshot!(s.told(&wrong), @r#"
    {
      "status": 401,
      "cache-control": "no-store",
      "content-type": "application/json",
      "www-authenticate": "Basic realm=\"clients\", charset=\"UTF-8\"",
      "body": {
        "error": "invalid_client",
        "error_description": "the client is unknown, or what it presented does not prove who it is",
        "request_id": "[request_id]"
      }
    }
    "#);
    // RFC 6749 §5.2: no challenge where the header was not used
    let missing = with_body(&s, &[]).await;
    insta::assert_json_snapshot!(s.told(&missing), @r#"
    {
      "status": 401,
      "cache-control": "no-store",
      "content-type": "application/json",
      "body": {
        "error": "invalid_client",
        "error_description": "expected client authentication or a client_id, got neither",
        "request_id": "[request_id]"
      }
    }
    "#);
    let unknown = with_basic(&s, basic("nobody", "wrong")).await;
    assert_eq!(s.told(&wrong), s.told(&unknown), "who is registered is not told");
    for header in ["Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Bearer abc", "Digest x", ""] {
        let answer = with_basic(&s, header.to_owned()).await;
        assert_eq!(
            (answer.outcome().as_str(), answer.header("www-authenticate").is_empty()),
            ("401 invalid_client", false),
            "{header}"
        );
    }
}

#[tokio::test]
async fn two_methods_at_once_are_refused() {
    let (s, keys) = stage_with_key().await;
    let assertion = keys.sign(json!({"alg": "ES256"}), &good_claims(&s));
    let kind = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let secret = s.rp.client.secret.as_str();
    let url = s.app.url("/oauth/token");
    let header = || s.rp.http.post(&url).header("authorization", basic("app", secret));
    let both = [
        header().form(&[("grant_type", "client_credentials"), ("client_id", "app"), ("client_secret", secret)]),
        header().form(&[("grant_type", "client_credentials"), kind, ("client_assertion", &assertion)]),
        header().form(&[("grant_type", "client_credentials"), ("client_id", "another")]),
        s.rp.http.post(&url).form(&[
            ("grant_type", "client_credentials"),
            ("client_id", "app"),
            ("client_secret", secret),
            kind,
            ("client_assertion", &assertion),
        ]),
    ];
    for request in both {
        assert_eq!(send(request).await.outcome(), "400 invalid_request");
    }
    // the assertion was not taken by that
    assert_eq!(with_assertion(&s, &assertion).await.outcome(), "200");
}

#[tokio::test]
async fn a_public_client_names_itself_and_proves_nothing() {
    let s = stage_with(|_| {}, public).await;
    assert_eq!(with_body(&s, &[("client_id", "app")]).await.outcome(), "400 unauthorized_client");
    let fields = [("client_id", "app"), ("client_secret", "made-up")];
    assert_eq!(with_body(&s, &fields).await.outcome(), "401 invalid_client");
}

#[tokio::test]
async fn a_confidential_client_does_not_pass_for_a_public_one() {
    let s = stage().await;
    assert_eq!(with_body(&s, &[("client_id", "app")]).await.outcome(), "401 invalid_client");
    let fields = [("client_id", "app"), ("client_secret", "")];
    assert_eq!(with_body(&s, &fields).await.outcome(), "401 invalid_client");
}

#[tokio::test]
async fn a_signed_assertion_proves_the_client_once() {
    let (s, keys) = stage_with_key().await;
    let assertion = keys.sign(json!({"alg": "ES256", "kid": "key-1"}), &good_claims(&s));
    assert_eq!(with_assertion(&s, &assertion).await.outcome(), "200");
    insta::assert_json_snapshot!(s.told(&with_assertion(&s, &assertion).await), @r#"
    {
      "status": 401,
      "cache-control": "no-store",
      "content-type": "application/json",
      "body": {
        "error": "invalid_client",
        "error_description": "client_assertion: its jti was used before",
        "request_id": "[request_id]"
      }
    }
    "#);
    s.app.advance(Duration::from_secs(110));
    assert_eq!(with_assertion(&s, &assertion).await.outcome(), "401 invalid_client", "within the clocks' difference");
}

#[tokio::test]
async fn the_identifier_of_an_assertion_is_used_up_by_a_grant_that_fails() {
    let (s, keys) = stage_with_key().await;
    let assertion = keys.sign(json!({"alg": "ES256"}), &good_claims(&s));
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", "kwac_unknown"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", &assertion),
    ];
    let answer = send(s.rp.http.post(s.app.url("/oauth/token")).form(&fields)).await;
    assert_eq!(answer.outcome(), "400 invalid_grant");
    assert_eq!(with_assertion(&s, &assertion).await.outcome(), "401 invalid_client");
}

#[tokio::test]
async fn an_assertion_must_be_for_this_server_by_this_client_and_short_lived() {
    let (s, keys) = stage_with_key().await;
    let now = s.app.now().seconds();
    let endpoint = s.app.url("/oauth/token");
    for (claim, value) in [
        ("aud", json!(endpoint)),
        ("aud", json!([s.app.issuer])),
        ("aud", json!([s.app.issuer, "https://other.example"])),
        ("aud", json!("https://other.example")),
        ("aud", json!(format!("{}/", s.app.issuer))),
        ("aud", Value::Null),
        ("iss", json!("another")),
        ("sub", json!("another")),
        ("exp", json!(now - 61)),
        ("exp", json!(now + 3600)),
        ("exp", json!(1e300)),
        ("exp", json!("soon")),
        ("exp", Value::Null),
        ("nbf", json!(now + 120)),
        ("iat", json!(now + 120)),
        ("jti", Value::Null),
        ("jti", json!("")),
        ("jti", json!("x".repeat(600))),
        ("jti", json!(7)),
    ] {
        let mut claims = good_claims(&s);
        claims[claim] = value.clone();
        let assertion = keys.sign(json!({"alg": "ES256"}), &claims);
        let answer = with_assertion(&s, &assertion).await;
        assert_eq!(answer.outcome(), "401 invalid_client", "{claim}: {value}");
    }
    assert_eq!(with_assertion(&s, &keys.sign(json!({"alg": "ES256"}), &good_claims(&s))).await.outcome(), "200");
}

#[tokio::test]
async fn the_token_endpoint_is_an_audience_only_where_the_client_is_registered_so() {
    let (s, keys) = stage_with_key().await;
    let mut claims = good_claims(&s);
    claims["aud"] = json!(s.app.url("/oauth/token"));
    let assertion = keys.sign(json!({"alg": "ES256"}), &claims);
    assert_eq!(with_assertion(&s, &assertion).await.outcome(), "401 invalid_client");
    s.reregister(|client| client.metadata.assertion_audience_token_endpoint = true).await;
    assert_eq!(with_assertion(&s, &assertion).await.outcome(), "200");
}

#[tokio::test]
async fn an_assertion_by_another_key_or_without_signature_is_refused() {
    let (s, keys) = stage_with_key().await;
    let other = Keys::generate();
    let claims = good_claims(&s);
    let good = keys.sign(json!({"alg": "ES256"}), &claims);
    let parts: Vec<&str> = good.split('.').collect();
    let encode = |text: &str| {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
    };
    let none = format!("{}.{}.", encode(r#"{"alg":"none"}"#), parts[1]);
    let other_jwk = other.public["keys"][0].clone();
    for assertion in [
        other.sign(json!({"alg": "ES256", "kid": "key-1"}), &claims),
        other.sign(json!({"alg": "ES256", "jwk": other_jwk}), &claims),
        other.sign(json!({"alg": "ES256", "kid": "key-1", "jku": "https://evil.example/jwks"}), &claims),
        none,
        format!("{}.{}.{}", parts[0], encode(r#"{"iss":"app","sub":"app"}"#), parts[2]),
        format!("{}.{}", parts[0], parts[1]),
        "x".to_owned(),
        ".".repeat(5000),
    ] {
        assert_eq!(with_assertion(&s, &assertion).await.outcome(), "401 invalid_client", "{assertion:.60}");
    }
}

#[tokio::test]
async fn another_assertion_type_is_refused() {
    let (s, keys) = stage_with_key().await;
    let assertion = keys.sign(json!({"alg": "ES256"}), &good_claims(&s));
    let saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    let fields = [("client_assertion_type", saml), ("client_assertion", &assertion)];
    assert_eq!(with_body(&s, &fields).await.outcome(), "401 invalid_client");
    assert_eq!(with_body(&s, &[("client_assertion", &assertion)]).await.outcome(), "400 invalid_request");
}

#[tokio::test]
async fn keys_are_not_fetched_from_inside() {
    let keys = Keys::generate();
    for uri in ["http://127.0.0.1:1/jwks", "https://localhost/jwks", "https://169.254.169.254/", "file:///etc/passwd"] {
        let s = stage_with(
            |_| {},
            |client| {
                client.auth_method = AuthMethod::PrivateKeyJwt;
                client.metadata.jwks_uri = Some(uri.to_owned());
            },
        )
        .await;
        let assertion = keys.sign(json!({"alg": "ES256"}), &good_claims(&s));
        assert_eq!(with_assertion(&s, &assertion).await.outcome(), "401 invalid_client", "{uri}");
    }
}

#[tokio::test]
async fn keys_are_fetched_from_a_network_that_is_allowed() {
    // the server itself stands in for the application's web server: its path with keys is its own JWKS
    let s = stage_with(
        |config| config.fetch.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()],
        |client| client.auth_method = AuthMethod::PrivateKeyJwt,
    )
    .await;
    let uri = s.app.url("/oauth/jwks").replace("localhost", "127.0.0.1");
    s.reregister(|client| client.metadata.jwks_uri = Some(uri)).await;
    let claims = good_claims(&s);
    let ring = s.app.app.keys.load_full();
    let algorithm = keyward::model::key::SigningAlgorithm::ES256;
    let assertion = ring.sign(algorithm, "JWT", &claims, s.app.now()).unwrap();
    assert_eq!(with_assertion(&s, &assertion).await.outcome(), "200");
}

#[tokio::test]
async fn a_client_may_have_several_secrets_and_each_can_be_taken_back() {
    let s = stage().await;
    let (now, second) = (s.app.now(), Secret::generate(keyward::model::secret::Kind::ClientSecret));
    let record = store::client_secret::ClientSecret {
        id: id::generate(now),
        client_id: "app".to_owned(),
        hash: second.hash(),
        hint: "test".to_owned(),
        description: None,
        created_at: now,
        expires_at: None,
        last_used_at: None,
    };
    let key = record.id.clone();
    s.app.app.store.write(move |tx| store::client_secret::insert(tx, &record)).await.unwrap();
    assert_eq!(with_basic(&s, basic("app", second.reveal())).await.outcome(), "200");
    s.app.app.store.write(move |tx| store::client_secret::delete(tx, "app", &key)).await.unwrap();
    assert_eq!(with_basic(&s, basic("app", second.reveal())).await.outcome(), "401 invalid_client");
    assert_eq!(with_basic(&s, basic("app", &s.rp.client.secret)).await.outcome(), "200");
}
