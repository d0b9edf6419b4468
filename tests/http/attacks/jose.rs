//! Signed texts that nobody signed, or not for this.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::{jwk::KeyPair, jws};
use keyward::{
    model::{client_auth::AuthMethod, key::SigningAlgorithm},
    store::principal::Principal,
};
use reqwest::{StatusCode, Url};
use serde_json::{Value, json};

use crate::{
    appserver::{Program, by, told},
    oauth::client_auth::{Keys, good_claims, sign, stage_with_key, with_assertion},
    stage::{ADA, Stage, set_roles, stage, stage_with},
    support::{
        api::Api,
        browser::Browser,
        relying_party::{claims_of, header_of, send},
    },
};

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Every JWT that somebody might try instead of the access token `good`.
async fn forgeries(s: &Stage, good: &str, id_token: &str) -> Vec<(&'static str, String)> {
    let claims = Value::Object(claims_of(good));
    let jwks = send(s.rp.http.get(s.app.url("/oauth/jwks"))).await.json();
    let rsa = jwks["keys"].as_array().unwrap().iter().find(|key| key["alg"] == "RS256").unwrap();
    let ec = jwks["keys"].as_array().unwrap().iter().find(|key| key["alg"] == "ES256").unwrap();
    let own = jws::ES256.generate_key_pair().unwrap();
    let own_public = Value::Object(josekit::jwk::KeyPair::to_jwk_key_pair(&own).to_public_key().unwrap().into());
    let own_signer = jws::ES256.signer_from_jwk(&josekit::jwk::KeyPair::to_jwk_private_key(&own)).unwrap();
    let header = |extra: Value| {
        let mut header = json!({"alg": "ES256", "typ": "at+jwt", "kid": ec["kid"]});
        header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        header
    };
    let secret = |bytes: &[u8]| jws::HS256.signer_from_bytes(bytes).unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    let mut admin = claims.clone();
    admin["sub"] = json!("somebody-else");
    let unsigned = |header: Value, claims: &Value| format!("{}.{}.", encode(&header), encode(claims));
    let ring = s.app.app.keys.load_full();
    let typed = |typ: &str| ring.sign(SigningAlgorithm::ES256, typ, &claims, s.app.now()).unwrap();
    let mut elsewhere = claims.clone();
    elsewhere["iss"] = json!("https://evil.example");
    let modulus = rsa["n"].as_str().unwrap();
    vec![
        ("alg none", unsigned(header(json!({"alg": "none"})), &claims)),
        ("alg None", unsigned(header(json!({"alg": "None"})), &claims)),
        ("no alg", unsigned(json!({"typ": "at+jwt"}), &claims)),
        ("none with a signature", format!("{}{}", unsigned(header(json!({"alg": "none"})), &claims), parts[2])),
        ("the signature left out", format!("{}.{}.", parts[0], parts[1])),
        ("other claims under the signature", format!("{}.{}.{}", parts[0], encode(&admin), parts[2])),
        (
            "HS256 with the key set",
            sign(&secret(jwks.to_string().as_bytes()), header(json!({"alg": "HS256"})), &claims),
        ),
        (
            "HS256 with the modulus",
            sign(&secret(modulus.as_bytes()), header(json!({"alg": "HS256", "kid": rsa["kid"]})), &claims),
        ),
        (
            "HS256 with the key",
            sign(&secret(rsa.to_string().as_bytes()), header(json!({"alg": "HS256", "kid": rsa["kid"]})), &claims),
        ),
        (
            "HS256 with the client's secret",
            sign(&secret(s.rp.client.secret.as_bytes()), header(json!({"alg": "HS256"})), &claims),
        ),
        ("a key of its own", sign(&own_signer, header(json!({})), &claims)),
        ("its key in jwk", sign(&own_signer, header(json!({"jwk": own_public})), &claims)),
        ("its key at jku", sign(&own_signer, header(json!({"jku": "https://evil.example/jwks"})), &claims)),
        ("its key at x5u", sign(&own_signer, header(json!({"x5u": "https://evil.example/x5u"})), &claims)),
        ("its key in x5c", sign(&own_signer, header(json!({"x5c": ["MIIB"]})), &claims)),
        ("kid of a file", sign(&own_signer, header(json!({"kid": "../../../../dev/null"})), &claims)),
        ("kid with SQL", sign(&own_signer, header(json!({"kid": "x' OR '1'='1"})), &claims)),
        ("the key of another algorithm", sign(&own_signer, header(json!({"kid": rsa["kid"]})), &claims)),
        ("crit", sign(&own_signer, header(json!({"crit": ["exp"]})), &claims)),
        ("an ID token", id_token.to_owned()),
        ("typ JWT", typed("JWT")),
        ("typ logout+jwt", typed("logout+jwt")),
        ("typ empty", typed("")),
        ("another issuer", ring.sign(SigningAlgorithm::ES256, "at+jwt", &elsewhere, s.app.now()).unwrap()),
        ("dots", ".".repeat(15_000)),
        ("five parts", format!("{good}.x.y")),
        ("a JWE header", format!("{}....", encode(&json!({"alg": "dir", "enc": "A256GCM", "zip": "DEF"})))),
        (
            "PBES2",
            format!(
                "{}....",
                encode(&json!({"alg": "PBES2-HS256+A128KW", "enc": "A256GCM", "p2c": 2_000_000_000_u64}))
            ),
        ),
    ]
}

// 16, 18, 22
#[tokio::test]
async fn no_forged_token_is_believed_anywhere() {
    let s = stage().await;
    let tokens = s.tokens("openid").await;
    assert_eq!(s.rp.userinfo(&tokens.access_token).await.outcome(), "200");
    for (what, token) in forgeries(&s, &tokens.access_token, &tokens.id_token).await {
        assert_eq!(s.rp.userinfo(&token).await.outcome(), "401 invalid_token", "{what}");
        assert_eq!(s.rp.introspect(&token).await.json(), json!({"active": false}), "{what}");
        assert_eq!(s.rp.revoke(&token).await.status, StatusCode::OK, "{what}");
        if what != "an ID token" && what != "typ JWT" {
            let url = s.rp.authorization(&[("id_token_hint", &token), ("prompt", "none")]).url;
            let page = s.browser.get(&url).await;
            if page.status != StatusCode::BAD_REQUEST {
                assert_eq!(page.callback().get("error"), "invalid_request", "{what}");
            }
        }
    }
    assert!(s.rp.is_active(&tokens.access_token).await, "nor was the good one revoked by a forgery");
}

// 22
#[tokio::test]
async fn a_persons_properties_override_no_claim() {
    let s = stage().await;
    let app = &s.app;
    app.principal("eve@example.com", &[], |eve: &mut Principal| {
        for name in ["sub", "iss", "aud", "exp", "email", "email_verified", "scope", "roles", "acr", "amr", "auth_time"]
        {
            eve.properties.insert(name.to_owned(), json!("forged"));
        }
    })
    .await;
    let browser = Browser::new();
    let all = r#"{"id_token":{"sub":null,"iss":null,"aud":null,"exp":null,"acr":null,"roles":null,"email":null},"userinfo":{"iss":null,"scope":null}}"#;
    let parameters = [("scope", "openid profile email phone address"), ("claims", all)];
    let (authorization, callback) = s.rp.authorize(&browser, "eve@example.com", &parameters).await;
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    let about = s.rp.userinfo(&tokens.access_token).await.body;
    let claims = Value::Object(s.rp.verify_id_token(&tokens.id_token).await).to_string();
    let access = Value::Object(claims_of(&tokens.access_token)).to_string();
    for text in [about, claims, access] {
        assert!(!text.contains("forged"), "{text}");
    }
}

// row 16: what is read of an assertion before its signature is checked cannot hurt
#[tokio::test]
async fn an_assertion_with_nul_in_its_names_is_refused() {
    let s = stage().await;
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = r#"{"iss":"a\u0000b","sub":"a\u0000b"}"#;
    let assertion = format!("{}.{}.AAAA", part(r#"{"alg":"RS256"}"#), part(claims));
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let fields =
        [("grant_type", "client_credentials"), ("client_assertion_type", kind), ("client_assertion", &assertion)];
    let answer = send(reqwest::Client::new().post(s.app.url("/oauth/token")).form(&fields)).await;
    assert_eq!(answer.outcome(), "401 invalid_client");
}

// row 21: a resource server cannot use at userinfo what was made for it alone
#[tokio::test]
async fn a_token_for_one_resource_server_is_for_no_other() {
    let s = stage().await;
    let uri = "https://api.example";
    s.app.app.store.write(move |tx| keyward::store::client::set_resources(tx, "app", &[uri.to_owned()])).await.unwrap();
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("resource", uri)]).await;
    let verifier = authorization.verifier.clone();
    let fields = |resource| {
        [
            ("grant_type", "authorization_code"),
            ("code", callback.code()),
            ("redirect_uri", "https://app.example/cb"),
            ("code_verifier", verifier.as_str()),
            ("resource", resource),
        ]
    };
    let tokens = s.rp.token(&fields(uri)).await.tokens();
    assert_eq!(claims_of(&tokens.access_token)["aud"], uri);
    assert_eq!(s.rp.userinfo(&tokens.access_token).await.outcome(), "401 invalid_token");
    let fields =
        [("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh_token), ("resource", &s.app.issuer)];
    let ours = s.rp.token(&fields).await.tokens();
    assert_eq!(claims_of(&ours.access_token)["aud"], s.app.issuer);
    assert_eq!(s.rp.userinfo(&ours.access_token).await.status, reqwest::StatusCode::OK);
}

// 16, 21
#[tokio::test]
async fn no_forged_token_opens_an_api_a_program_or_the_logout() {
    let s = stage_with(
        |_| {},
        |client| {
            client.scopes = "openid me:* appserver/api:access".parse().unwrap();
            client.first_party = true;
        },
    )
    .await;
    s.app.role("appserver:user", &["appserver/api:access"]).await;
    set_roles(&s.app, &s.ada, &["appserver:user"]).await;
    let tokens = s.tokens("openid me:* appserver/api:access").await;
    let good = Api::new(&s.app, &tokens.access_token, &s.ada);
    assert_eq!(good.get("/resources/me").await.said(), "200");
    for (what, token) in forgeries(&s, &tokens.access_token, &tokens.id_token).await {
        let forger = Api::new(&s.app, &token, "");
        for path in ["/resources/me", "/resources/me/pat", "/resources/iam/principals", "/resources/graph/meta"] {
            assert_eq!(forger.get(path).await.said(), "401 TOKEN_INVALID", "{what}: {path}");
        }
        assert_eq!(told(&Program::new(&s.app).who_by(&token).await), "401 1105", "{what}");
        let login = by("OAuthRoleBased", &[("AccessToken", &token)]);
        // longer than an authentication string may be
        let expected = if login.len() > 16_000 { "400 1002" } else { "401 1105" };
        assert_eq!(told(&Program::new(&s.app).login(&login).await), expected, "{what}");
        if what != "an ID token" && what != "typ JWT" {
            let url = Url::parse_with_params(&s.app.url("/oauth/logout"), [("id_token_hint", &token)]).unwrap();
            let page = s.browser.get(url.as_str()).await;
            assert!(page.status.is_client_error() && page.location().is_none(), "{what}: {}", page.status);
        }
    }
    assert_eq!(good.get("/resources/me").await.said(), "200");
    assert!(s.browser.open(&s.app.url("/account")).await.has("#sign-out"));
}

// 16
#[tokio::test]
async fn a_token_of_another_server_with_the_same_keys_is_worth_nothing() {
    let (s, other) = (stage().await, stage().await);
    let hers = other.tokens("openid offline_access").await;
    let ours = s.tokens("openid").await;
    assert_eq!(header_of(&hers.access_token)["kid"], header_of(&ours.access_token)["kid"], "the same keys");
    assert_eq!(s.rp.userinfo(&hers.access_token).await.outcome(), "401 invalid_token");
    assert!(!s.rp.is_active(&hers.access_token).await && !s.rp.is_active(&hers.refresh_token).await);
    assert_eq!(s.rp.refresh(&hers.refresh_token).await.outcome(), "400 invalid_grant");
    let silent = s.rp.authorization(&[("id_token_hint", &hers.id_token), ("prompt", "none")]).url;
    assert_eq!(s.browser.get(&silent).await.callback().get("error"), "invalid_request");
    let logout = s.browser.get(&s.app.url(&format!("/oauth/logout?id_token_hint={}", hers.id_token))).await;
    assert_eq!((logout.status, logout.location()), (StatusCode::BAD_REQUEST, None));
    // what is sealed is for one server as well, unless it shares the master key, as the nodes of one deployment do
    let (keys, mine) = (stage_with_key().await, stage_with_key().await);
    let assertion = mine.1.sign(json!({"alg": "ES256"}), &good_claims(&mine.0));
    assert_eq!(with_assertion(&keys.0, &assertion).await.outcome(), "401 invalid_client");
}

/// Everything that somebody might present instead of the client's assertion `good`.
fn forged_assertions(s: &Stage, keys: &Keys) -> Vec<(&'static str, String)> {
    let claims = good_claims(s);
    let good = keys.sign(json!({"alg": "ES256", "kid": "key-1"}), &claims);
    let parts: Vec<&str> = good.split('.').collect();
    let own = Keys::generate();
    let public = &keys.public["keys"][0];
    let mac = |secret: &[u8], header: Value| sign(&jws::HS256.signer_from_bytes(secret).unwrap(), header, &claims);
    let hs256 = || json!({"alg": "HS256", "kid": "key-1"});
    let padded = |secret: &str| format!("{secret:-<32}");
    let header = |extra: Value| {
        let mut header = json!({"alg": "ES256", "kid": "key-1"});
        header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        header
    };
    let raw = |header: &str, claims: &str, signature: &str| {
        format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
    };
    let text = claims.to_string();
    let twice = text.replacen('{', r#"{"sub":"admin","#, 1);
    let rsa = jws::RS256.generate_key_pair(2048).unwrap();
    let rsa = jws::RS256.signer_from_jwk(&KeyPair::to_jwk_private_key(&rsa)).unwrap();
    vec![
        ("nothing", String::new()),
        ("alg none", raw(r#"{"alg":"none"}"#, &text, "")),
        ("alg NONE with a signature", raw(r#"{"alg":"NONE"}"#, &text, parts[2])),
        ("no alg", raw(r#"{"kid":"key-1"}"#, &text, parts[2])),
        ("two alg", raw(r#"{"alg":"ES256","alg":"none"}"#, &text, parts[2])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("another's claims", format!("{}.{}.{}", parts[0], encode(&json!({"iss": "admin", "sub": "admin"})), parts[2])),
        ("two subjects", format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(&twice), parts[2])),
        ("an ECDSA signature of zeros", format!("{}.{}.{}", parts[0], parts[1], URL_SAFE_NO_PAD.encode([0u8; 64]))),
        ("HS256 with the public key", mac(public.to_string().as_bytes(), hs256())),
        ("HS256 with the key set", mac(keys.public.to_string().as_bytes(), hs256())),
        ("HS256 with a coordinate", mac(public["x"].as_str().unwrap().as_bytes(), hs256())),
        ("HS256 with the id", mac(padded("app").as_bytes(), hs256())),
        ("HS256 with the client's secret", mac(s.rp.client.secret.as_bytes(), hs256())),
        ("its own key", own.sign(header(json!({})), &claims)),
        ("its own key in jwk", own.sign(header(json!({"jwk": own.public["keys"][0]})), &claims)),
        ("its own key at jku", own.sign(header(json!({"jku": s.app.url("/oauth/jwks")})), &claims)),
        ("its own key at x5u", own.sign(header(json!({"x5u": "https://evil.example/x"})), &claims)),
        ("its own key in x5c", own.sign(header(json!({"x5c": ["MIIB"]})), &claims)),
        ("a kid that is a path", own.sign(header(json!({"kid": "../../dev/null"})), &claims)),
        ("a kid that is a query", own.sign(header(json!({"kid": "' UNION SELECT 'x"})), &claims)),
        ("a long kid", own.sign(header(json!({"kid": "k".repeat(8000)})), &claims)),
        ("another algorithm's key", sign(&rsa, json!({"alg": "RS256", "kid": "key-1"}), &claims)),
        ("crit", keys.sign(header(json!({"crit": ["exp"]})), &claims)),
        ("zip", keys.sign(header(json!({"zip": "DEF"})), &claims)),
        ("dots", ".".repeat(15_000)),
        ("four parts", format!("{good}.x")),
        ("a blank", format!("{good} ")),
        ("padding", format!("{good}=")),
        ("a JWE", format!("{}....", encode(&json!({"alg": "dir", "enc": "A256GCM", "zip": "DEF"})))),
        (
            "PBES2",
            format!("{}....", encode(&json!({"alg": "PBES2-HS256+A128KW", "enc": "A256GCM", "p2c": 2_000_000_000}))),
        ),
        ("claims that are no object", format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode("[]"), parts[2])),
        ("deep claims", raw(r#"{"alg":"ES256"}"#, &"[".repeat(10_000), parts[2])),
        ("a deep header", raw(&format!(r#"{{"alg":"ES256","x":{}"#, "[".repeat(9_000)), &text, parts[2])),
        (
            "one's own assertion for another",
            keys.sign(header(json!({})), &json!({"iss": "app", "sub": "admin", "aud": s.app.issuer})),
        ),
    ]
}

// 16, 18
#[tokio::test]
async fn no_forged_assertion_proves_a_client_at_any_endpoint() {
    let (s, keys) = stage_with_key().await;
    s.app
        .client("admin", &["system:owner"], |client| {
            client.auth_method = AuthMethod::PrivateKeyJwt;
            client.metadata.jwks = Some(Keys::generate().public);
        })
        .await;
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let present = async |path: &str, assertion: &str, id: &str| {
        let mut fields = vec![("grant_type", "client_credentials"), ("token", "x"), ("client_assertion", assertion)];
        fields.push(("client_assertion_type", kind));
        fields.extend((!id.is_empty()).then_some(("client_id", id)));
        send(s.rp.http.post(s.app.url(path)).form(&fields)).await
    };
    for (what, assertion) in forged_assertions(&s, &keys) {
        for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
            let answer = present(path, &assertion, "").await;
            assert_eq!(answer.outcome(), "401 invalid_client", "{what}: {path}: {}", answer.body);
        }
    }
    let good = || keys.sign(json!({"alg": "ES256"}), &good_claims(&s));
    for id in ["admin", "APP", "app ", "app,admin"] {
        assert_eq!(present("/oauth/token", &good(), id).await.outcome(), "401 invalid_client", "{id}");
    }
    assert_eq!(present("/oauth/token", &"A".repeat(100_000), "").await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(present("/oauth/token", &"A".repeat(20_000), "").await.outcome(), "400 invalid_request");
    assert_eq!(present("/oauth/token", &good(), "app").await.outcome(), "200");
}

// 17
#[tokio::test]
async fn an_assertion_is_used_up_wherever_it_was_presented_first() {
    let (s, keys) = stage_with_key().await;
    let present = async |path: &str, assertion: &str| {
        let fields = [
            ("grant_type", "client_credentials"),
            ("token", "x"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        send(s.rp.http.post(s.app.url(path)).form(&fields)).await.outcome()
    };
    let endpoints = ["/oauth/token", "/oauth/introspect", "/oauth/revoke"];
    for first in endpoints {
        let claims = good_claims(&s);
        let assertion = keys.sign(json!({"alg": "ES256"}), &claims);
        assert_eq!(present(first, &assertion).await, "200", "{first}");
        // a second signature over the same claims, and other claims under the same identifier
        let again = keys.sign(json!({"alg": "ES256", "kid": "key-1"}), &claims);
        let mut longer = claims.clone();
        longer["exp"] = json!(s.app.now().seconds() + 300);
        let longer = keys.sign(json!({"alg": "ES256"}), &longer);
        for second in endpoints {
            for replayed in [&assertion, &again, &longer] {
                assert_eq!(present(second, replayed).await, "401 invalid_client", "{first} and then {second}");
            }
        }
    }
    // numbers that are no times, or times that no clock reaches
    for name in ["exp", "nbf", "iat"] {
        for value in
            [json!(-1e300), json!(1e300), json!(i64::MAX), json!(i64::MIN), json!(u64::MAX), json!(-1), json!(1e15)]
        {
            let mut claims = good_claims(&s);
            claims[name] = value.clone();
            let outcome = present("/oauth/token", &keys.sign(json!({"alg": "ES256"}), &claims)).await;
            // the past is no hindrance for what says since when
            let past = value.as_f64().is_some_and(|value| value < 0.0) && name != "exp";
            assert_eq!(outcome, if past { "200" } else { "401 invalid_client" }, "{name}: {value}");
        }
    }
}
