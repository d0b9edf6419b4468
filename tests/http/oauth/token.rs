//! `/oauth/token` (RFC 6749 §3.2): the grants authorization_code and client_credentials.

use std::time::Duration;

use keyward::store::client::AccessTokenFormat;
use serde_json::{Value, json};

use crate::{
    stage::{ADA, public, redacted, set_roles, stage, stage_with, suspend},
    support::{
        TestApp,
        relying_party::{RelyingParty, claims_of, header_of, random, send},
    },
};

#[tokio::test]
async fn a_code_is_redeemed_once() {
    let s = stage().await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("scope", "openid offline_access")]).await;
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    assert!(s.rp.is_active(&tokens.access_token).await);
    let again = s.rp.redeem(&authorization, callback.code()).await;
    insta::assert_json_snapshot!(s.told(&again), @r#"
    {
      "status": 400,
      "cache-control": "no-store",
      "content-type": "application/json",
      "body": {
        "error": "invalid_grant",
        "error_description": "the code was used before; all tokens of its grant are revoked",
        "request_id": "[request_id]"
      }
    }
    "#);
    // RFC 6749 §4.1.2: what the code gave is dead
    assert!(!s.rp.is_active(&tokens.access_token).await);
    assert_eq!(s.rp.userinfo(&tokens.access_token).await.outcome(), "401 invalid_token");
    assert_eq!(s.rp.refresh(&tokens.refresh_token).await.outcome(), "400 invalid_grant");
}

#[tokio::test]
async fn a_code_is_not_redeemed_again_after_half_a_minute_or_an_hour() {
    for later in [30, 3600] {
        let s = stage().await;
        let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("scope", "openid offline_access")]).await;
        let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
        s.app.advance(Duration::from_secs(later));
        assert_eq!(s.rp.redeem(&authorization, callback.code()).await.outcome(), "400 invalid_grant");
        assert_eq!(s.rp.refresh(&tokens.refresh_token).await.outcome(), "400 invalid_grant");
        assert!(!s.rp.is_active(&tokens.access_token).await);
    }
}

#[tokio::test]
async fn a_code_lives_sixty_seconds() {
    let s = stage().await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[]).await;
    s.app.advance(Duration::from_secs(59));
    s.rp.redeem(&authorization, callback.code()).await.tokens();
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[]).await;
    s.app.advance(Duration::from_secs(60));
    assert_eq!(s.rp.redeem(&authorization, callback.code()).await.outcome(), "400 invalid_grant");
}

#[tokio::test]
async fn a_code_is_bound_to_its_client() {
    let s = stage().await;
    let thief = s.other("thief", |_| {}).await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[]).await;
    assert_eq!(thief.redeem(&authorization, callback.code()).await.outcome(), "400 invalid_grant");
    // and the honest client does not lose it
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    assert_eq!(thief.redeem(&authorization, callback.code()).await.outcome(), "400 invalid_grant");
    assert!(s.rp.is_active(&tokens.access_token).await, "nor the tokens, by another client's replay");
}

#[tokio::test]
async fn a_code_is_bound_to_its_redirect_uri() {
    let s = stage_with(|_| {}, |client| client.redirect_uris.push("https://app.example/other".to_owned())).await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[]).await;
    for uri in ["https://app.example/other", "https://app.example/cb/", "https://APP.example/cb", ""] {
        let rp = RelyingParty { redirect_uri: uri.to_owned(), ..s.rp.clone() };
        assert_eq!(rp.redeem(&authorization, callback.code()).await.outcome(), "400 invalid_grant", "{uri}");
    }
    s.rp.redeem(&authorization, callback.code()).await.tokens();
}

#[tokio::test]
async fn a_code_is_bound_to_its_verifier() {
    let s = stage_with(|_| {}, public).await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[]).await;
    for verifier in [random(), String::new(), format!("{}A", authorization.verifier), "short".to_owned()] {
        let wrong = crate::support::relying_party::Authorization { verifier, ..authorization.clone() };
        assert_eq!(s.rp.redeem(&wrong, callback.code()).await.outcome(), "400 invalid_grant");
    }
    s.rp.redeem(&authorization, callback.code()).await.tokens();
}

#[tokio::test]
async fn pkce_is_not_downgraded_in_either_direction() {
    let s = stage_with(|_| {}, |client| client.metadata.pkce_optional = true).await;
    let redeem = async |code: &str, verifier: Option<&str>| {
        let mut fields =
            vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &s.rp.redirect_uri)];
        fields.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        s.rp.token(&fields).await.outcome()
    };
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[]).await;
    assert_eq!(redeem(callback.code(), None).await, "400 invalid_grant", "challenge sent, verifier missing");
    assert_eq!(redeem(callback.code(), Some(&authorization.verifier)).await, "200");
    let bare = [("code_challenge", ""), ("code_challenge_method", "")];
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &bare).await;
    let verifier = Some(authorization.verifier.as_str());
    assert_eq!(redeem(callback.code(), verifier).await, "400 invalid_grant", "challenge dropped, verifier sent");
    assert_eq!(redeem(callback.code(), None).await, "200");
}

#[tokio::test]
async fn a_code_is_bound_to_its_session() {
    let s = stage().await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("scope", "openid offline_access")]).await;
    let account = s.browser.open(&s.app.url("/account")).await;
    s.browser.press(&account, "sign-out", &[]).await;
    assert_eq!(s.rp.redeem(&authorization, callback.code()).await.outcome(), "400 invalid_grant");
}

#[tokio::test]
async fn a_code_of_a_person_who_was_suspended_is_worth_nothing() {
    let s = stage().await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[]).await;
    suspend(&s.app, &s.ada).await;
    assert_eq!(s.rp.redeem(&authorization, callback.code()).await.outcome(), "400 invalid_grant");
}

#[tokio::test]
async fn what_the_person_has_lost_meanwhile_is_not_granted() {
    let s = stage_with(|_| {}, |client| client.scopes = "openid orders:read".parse().unwrap()).await;
    s.app.role("orders", &["orders:*"]).await;
    set_roles(&s.app, &s.ada, &["orders"]).await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("scope", "openid orders:read")]).await;
    set_roles(&s.app, &s.ada, &[]).await;
    assert_eq!(s.rp.redeem(&authorization, callback.code()).await.tokens().scope, "openid");
}

#[tokio::test]
async fn a_persons_tokens_are_as_the_standards_have_them() {
    let s = stage().await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("scope", "openid email")]).await;
    let answer = s.rp.redeem(&authorization, callback.code()).await;
    insta::assert_json_snapshot!(s.told(&answer), @r#"
    {
      "status": 200,
      "cache-control": "no-store",
      "content-type": "application/json",
      "body": {
        "access_token": "[access_token]",
        "token_type": "Bearer",
        "expires_in": 600,
        "refresh_token": "[refresh_token]",
        "id_token": "[id_token]",
        "scope": "openid email"
      }
    }
    "#);
    assert_eq!(answer.header("pragma"), "no-cache");
    let tokens = answer.tokens();
    let claims = s.rp.verify_id_token(&tokens.id_token).await;
    assert_eq!(claims["nonce"], authorization.nonce.as_str());
    insta::assert_json_snapshot!(redacted(&s.app, Value::Object(claims)), @r#"
    {
      "iss": "[issuer]",
      "sub": "[sub]",
      "aud": "app",
      "azp": "app",
      "iat": 1795262400,
      "exp": 1795263000,
      "auth_time": 1795262400,
      "acr": "keyward:password",
      "amr": [
        "pwd"
      ],
      "at_hash": "[at_hash]",
      "sid": "[sid]",
      "nonce": "[nonce]"
    }
    "#);
    let (header, claims) = s.rp.verify(&tokens.access_token).await;
    assert_eq!((header["typ"].as_str(), header["alg"].as_str()), (Some("at+jwt"), Some("ES256")));
    assert_eq!(header_of(&tokens.id_token)["alg"], "RS256");
    let mut claims = redacted(&s.app, Value::Object(claims));
    claims["grant_id"] = json!("[grant_id]");
    insta::assert_json_snapshot!(claims, @r#"
    {
      "iss": "[issuer]",
      "sub": "[sub]",
      "aud": "[issuer]",
      "client_id": "app",
      "iat": 1795262400,
      "exp": 1795263000,
      "jti": "[jti]",
      "scope": "openid email",
      "grant_id": "[grant_id]",
      "auth_time": 1795262400,
      "acr": "keyward:password",
      "amr": [
        "pwd"
      ],
      "sid": "[sid]"
    }
    "#);
}

#[tokio::test]
async fn a_client_chooses_the_algorithms_of_its_tokens() {
    let s = stage_with(
        |config| config.keys.signing_algorithms.push(keyward::model::key::SigningAlgorithm::EdDSA),
        |client| {
            client.metadata.id_token_signed_response_alg = Some("ES256".to_owned());
            client.metadata.access_token_signed_response_alg = Some("EdDSA".to_owned());
        },
    )
    .await;
    let tokens = s.tokens("openid").await;
    assert_eq!(header_of(&tokens.id_token)["alg"], "ES256");
    assert_eq!(s.rp.verify(&tokens.access_token).await.0["alg"], "EdDSA");
    assert!(s.rp.is_active(&tokens.access_token).await);
}

#[tokio::test]
async fn a_client_may_have_opaque_access_tokens() {
    let s = stage_with(|_| {}, |client| client.metadata.access_token_format = AccessTokenFormat::Opaque).await;
    let tokens = s.tokens("openid email").await;
    assert!(!tokens.access_token.contains('.'), "{}", tokens.access_token);
    assert_eq!(s.rp.userinfo(&tokens.access_token).await.json()["email"], ADA);
    let about = s.rp.introspect(&tokens.access_token).await.json();
    assert_eq!((about["active"].as_bool(), about["sub"].as_str()), (Some(true), Some(s.ada.as_str())));
    s.rp.revoke(&tokens.access_token).await;
    assert!(!s.rp.is_active(&tokens.access_token).await);
}

#[tokio::test]
async fn an_access_token_lives_ten_minutes_or_as_its_client_has_it() {
    let s = stage().await;
    let tokens = s.tokens("openid").await;
    s.app.advance(Duration::from_secs(599));
    assert!(s.rp.is_active(&tokens.access_token).await);
    s.app.advance(Duration::from_secs(1));
    assert!(!s.rp.is_active(&tokens.access_token).await);
    s.reregister(|client| client.metadata.access_token_lifetime = Some(60)).await;
    assert_eq!(s.tokens("openid").await.expires_in, 60);
}

#[tokio::test]
async fn an_access_token_is_for_the_resources_that_were_asked_for() {
    let s = stage().await;
    let (a, b) = ("https://api.example/a", "https://api.example/b");
    let resources = vec![a.to_owned(), b.to_owned()];
    s.app.app.store.write(move |tx| keyward::store::client::set_resources(tx, "app", &resources)).await.unwrap();
    let asked = [("scope", "email"), ("resource", a), ("resource", b)];
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &asked).await;
    let redeem = async |resource: &str| {
        s.rp.token(&[
            ("grant_type", "authorization_code"),
            ("code", callback.code()),
            ("redirect_uri", &s.rp.redirect_uri),
            ("code_verifier", &authorization.verifier),
            ("resource", resource),
        ])
        .await
    };
    assert_eq!(redeem("https://elsewhere.example").await.outcome(), "400 invalid_target");
    let tokens = redeem(a).await.tokens();
    assert_eq!(claims_of(&tokens.access_token)["aud"], a);
    // RFC 8707 §2.2: the refresh token is for all that was granted
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh_token), ("resource", b)];
    assert_eq!(claims_of(&s.rp.token(&refresh).await.tokens().access_token)["aud"], b);
    // a token for others does not answer here
    assert_eq!(s.rp.userinfo(&tokens.access_token).await.outcome(), "401 invalid_token");
}

#[tokio::test]
async fn without_a_resource_the_issuer_is_the_audience() {
    let s = stage().await;
    assert_eq!(claims_of(&s.tokens("email").await.access_token)["aud"], s.app.issuer.as_str());
}

#[tokio::test]
async fn a_client_acts_for_itself() {
    let app = TestApp::spawn().await;
    app.role("support:agent", &["actors:*", "graph:*", "registry:read"]).await;
    let scopes = "registry:read registry:write actors/order:create";
    let client = app.client("service", &["support:agent"], |client| client.scopes = scopes.parse().unwrap()).await;
    let rp = RelyingParty::new(&app, &client);
    let answer = rp.client_credentials("actors/order:create registry:write registry:read").await;
    insta::assert_json_snapshot!(crate::stage::told(&app, &answer), @r#"
    {
      "status": 200,
      "cache-control": "no-store",
      "content-type": "application/json",
      "body": {
        "access_token": "[access_token]",
        "token_type": "Bearer",
        "expires_in": 600,
        "scope": "actors/order:create registry:read"
      }
    }
    "#);
    let (_, claims) = rp.verify(&answer.tokens().access_token).await;
    insta::assert_json_snapshot!(redacted(&app, Value::Object(claims)), @r#"
    {
      "iss": "[issuer]",
      "sub": "service",
      "aud": "[issuer]",
      "client_id": "service",
      "iat": 1795262400,
      "exp": 1795263000,
      "jti": "[jti]",
      "scope": "actors/order:create registry:read",
      "roles": [
        "support:agent"
      ]
    }
    "#);
    // RFC 6749 §3.3: what was granted is told where it is not what was asked for; nothing of it is an error
    assert_eq!(rp.client_credentials("registry:write").await.outcome(), "400 invalid_scope");
    assert_eq!(rp.client_credentials("openid").await.outcome(), "400 invalid_scope");
    // without a scope: what is registered and held
    let all = rp.token(&[("grant_type", "client_credentials")]).await.tokens();
    assert_eq!(all.scope, "registry:read actors/order:create");
}

#[tokio::test]
async fn a_scope_without_any_token_is_not_told() {
    let s = stage().await;
    let answer = s.rp.token(&[("grant_type", "client_credentials")]).await;
    assert!(answer.json().get("scope").is_none(), "{}", answer.body);
    assert!(!claims_of(&answer.tokens().access_token).contains_key("scope"));
}

#[tokio::test]
async fn a_client_loses_at_once_what_its_role_gave() {
    let app = TestApp::spawn().await;
    app.role("reader", &["registry:read"]).await;
    let client = app.client("service", &["reader"], |client| client.scopes = "registry:read".parse().unwrap()).await;
    let rp = RelyingParty::new(&app, &client);
    let token = rp.client_credentials("registry:read").await.tokens().access_token;
    assert_eq!(rp.introspect(&token).await.json()["scope"], "registry:read");
    set_roles(&app, "service", &[]).await;
    let about = rp.introspect(&token).await.json();
    assert_eq!(about.get("scope").and_then(Value::as_str).unwrap_or_default(), "", "{about}");
    assert_eq!(rp.client_credentials("registry:read").await.outcome(), "400 invalid_scope");
}

#[tokio::test]
async fn a_public_client_does_not_act_for_itself() {
    let s = stage_with(|_| {}, public).await;
    assert_eq!(s.rp.client_credentials("openid").await.outcome(), "400 unauthorized_client");
}

#[tokio::test]
async fn a_client_uses_only_the_grants_that_it_is_registered_for() {
    let s = stage().await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("scope", "openid offline_access")]).await;
    let tokens = s.tokens("openid offline_access").await;
    s.reregister(|client| client.grant_types.clear()).await;
    assert_eq!(s.rp.redeem(&authorization, callback.code()).await.outcome(), "400 unauthorized_client");
    assert_eq!(s.rp.refresh(&tokens.refresh_token).await.outcome(), "400 unauthorized_client");
    assert_eq!(s.rp.client_credentials("openid").await.outcome(), "400 unauthorized_client");
}

#[tokio::test]
async fn without_the_grant_refresh_token_there_is_none_and_no_offline_access() {
    let s = stage_with(|_| {}, |client| client.grant_types.retain(|grant| grant.as_str() != "refresh_token")).await;
    let tokens = s.tokens("openid offline_access").await;
    assert_eq!((tokens.refresh_token.as_str(), tokens.scope.as_str()), ("", "openid"));
}

#[tokio::test]
async fn bad_requests_are_told_what_was_expected() {
    let s = stage().await;
    let mut told = Vec::new();
    for fields in [
        &[][..],
        &[("grant_type", "")],
        &[("grant_type", "password"), ("username", "ada"), ("password", "x")],
        &[("grant_type", "authorization_code")],
        &[("grant_type", "authorization_code"), ("code", "kwac_unknown")],
        &[("grant_type", "refresh_token")],
        &[("grant_type", "refresh_token"), ("refresh_token", "\u{e4}")],
        &[("grant_type", "client_credentials"), ("scope", "a\"b")],
        &[("grant_type", "client_credentials"), ("grant_type", "client_credentials")],
        &[("grant_type", "client_credentials"), ("scope", "unheard-of")],
    ] {
        let answer = s.rp.token(fields).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("content-type"), "application/json");
        let json = answer.json();
        assert!(!json["request_id"].as_str().unwrap().is_empty());
        assert_eq!(json["request_id"], answer.header("x-request-id"));
        told.push(format!("{}: {}", answer.outcome(), json["error_description"].as_str().unwrap()));
    }
    insta::assert_json_snapshot!(told, @r#"
    [
      "400 invalid_request: the parameter 'grant_type' is missing",
      "400 invalid_request: the parameter 'grant_type' is missing",
      "400 unsupported_grant_type: grant_type: expected one of authorization_code, refresh_token, client_credentials, got 'password'",
      "400 invalid_request: the parameter 'code' is missing",
      "400 invalid_grant: the code is unknown, expired, or was issued to another client",
      "400 invalid_request: the parameter 'refresh_token' is missing",
      "400 invalid_grant: the refresh token is unknown, expired, revoked, or was issued to another client",
      "400 invalid_scope: scope: a scope may not contain the character '''",
      "400 invalid_request: the parameter 'grant_type' is there more than once",
      "400 invalid_scope: scope: nothing of it can be granted to this client"
    ]
    "#);
}

#[tokio::test]
async fn nothing_is_taken_from_the_query() {
    let s = stage().await;
    let url = s.app.url("/oauth/token?grant_type=client_credentials&client_id=app");
    let basic = crate::support::relying_party::basic("app", &s.rp.client.secret);
    let empty: [(&str, &str); 0] = [];
    let answer = send(s.rp.http.post(url).header("authorization", basic).form(&empty)).await;
    assert_eq!(answer.outcome(), "400 invalid_request");
    let url = format!("{}?client_id=app&client_secret={}", s.app.url("/oauth/token"), s.rp.client.secret);
    let answer = send(s.rp.http.post(url).form(&[("grant_type", "client_credentials")])).await;
    assert_eq!(answer.outcome(), "401 invalid_client");
}

#[tokio::test]
async fn another_content_type_is_415_and_a_body_over_the_limit_413() {
    let s = stage().await;
    let url = s.app.url("/oauth/token");
    let json = send(s.rp.http.post(&url).json(&json!({"grant_type": "client_credentials"}))).await;
    insta::assert_json_snapshot!(s.told(&json), @r#"
    {
      "status": 415,
      "cache-control": "no-store",
      "content-type": "application/json",
      "body": {
        "error": "invalid_request",
        "error_description": "expected a body of type application/x-www-form-urlencoded, got 'application/json'",
        "request_id": "[request_id]"
      }
    }
    "#);
    let multipart = s.rp.http.post(&url).header("content-type", "multipart/form-data; boundary=x").body("--x--");
    assert_eq!(send(multipart).await.outcome(), "415 invalid_request");
    let large = s.rp.http.post(&url).form(&[("grant_type", "x".repeat(70_000))]);
    insta::assert_json_snapshot!(s.told(&send(large).await), @r#"
    {
      "status": 413,
      "cache-control": "no-store",
      "content-type": "application/json",
      "body": {
        "error": "invalid_request",
        "error_description": "the body cannot be read: payload reached size limit",
        "request_id": "[request_id]"
      }
    }
    "#);
}
