//! `/oauth/introspect` (RFC 7662).

use serde_json::json;

use crate::{
    stage::{ADA, public, redacted, set_roles, stage, stage_with},
    support::relying_party::{basic, send},
};

#[tokio::test]
async fn an_access_token_is_described_to_its_client() {
    let s = stage().await;
    let tokens = s.tokens("openid email").await;
    let answer = s.rp.introspect(&tokens.access_token).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    insta::assert_json_snapshot!(redacted(&s.app, answer.json()), @r#"
    {
      "active": true,
      "token_type": "Bearer",
      "username": "ada@example.com",
      "scope": "openid email",
      "iss": "[issuer]",
      "sub": "[sub]",
      "aud": "[issuer]",
      "client_id": "app",
      "iat": 1795262400,
      "exp": 1795263000,
      "jti": "[jti]",
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
async fn a_refresh_token_is_described_to_its_client_alone() {
    let s = stage().await;
    let tokens = s.tokens("openid offline_access").await;
    insta::assert_json_snapshot!(redacted(&s.app, s.rp.introspect(&tokens.refresh_token).await.json()), @r#"
    {
      "active": true,
      "client_id": "app",
      "sub": "[sub]",
      "scope": "openid offline_access",
      "iat": 1795262400,
      "exp": 1797854400,
      "iss": "[issuer]"
    }
    "#);
    s.app.role("watcher", &["oauth/tokens:introspect"]).await;
    let other = s.other("other", |_| {}).await;
    set_roles(&s.app, "other", &["watcher"]).await;
    assert!(!other.is_active(&tokens.refresh_token).await);
}

#[tokio::test]
async fn only_a_client_that_proves_itself_may_ask() {
    let s = stage().await;
    let token = s.tokens("openid").await.access_token;
    let anonymous = send(s.rp.http.post(s.app.url("/oauth/introspect")).form(&[("token", &token)])).await;
    insta::assert_json_snapshot!(s.told(&anonymous), @r#"
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
    let wrong = s.rp.http.post(s.app.url("/oauth/introspect")).header("authorization", basic("app", "wrong"));
    assert_eq!(send(wrong.form(&[("token", &token)])).await.outcome(), "401 invalid_client");
    let bearer = s.rp.http.post(s.app.url("/oauth/introspect")).bearer_auth(&token);
    assert_eq!(send(bearer.form(&[("token", &token)])).await.outcome(), "401 invalid_client");
    let public = s.other("public", public).await;
    assert_eq!(public.introspect(&token).await.outcome(), "401 invalid_client");
}

#[tokio::test]
async fn a_token_that_is_meant_for_others_looks_inactive() {
    let s = stage().await;
    let token = s.tokens("openid").await.access_token;
    let other = s.other("other", |_| {}).await;
    assert_eq!(other.introspect(&token).await.json(), json!({"active": false}));
    // by permission
    s.app.role("watcher", &["oauth/tokens:introspect"]).await;
    set_roles(&s.app, "other", &["watcher"]).await;
    assert!(other.is_active(&token).await);
    set_roles(&s.app, "other", &[]).await;
    assert!(!other.is_active(&token).await);
}

#[tokio::test]
async fn a_client_that_serves_the_audience_may_ask() {
    let s = stage().await;
    let api = s.other("api", |_| {}).await;
    let uri = "https://api.example";
    s.app.app.store.write(move |tx| keyward::store::client::set_resources(tx, "api", &[uri.to_owned()])).await.unwrap();
    let plain = s.tokens("openid").await.access_token;
    assert!(!api.is_active(&plain).await);
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("resource", uri)]).await;
    let token = s.rp.redeem(&authorization, callback.code()).await.tokens().access_token;
    assert!(api.is_active(&token).await);
}

#[tokio::test]
async fn what_is_no_token_is_inactive() {
    let s = stage().await;
    let tokens = s.tokens("openid").await;
    for token in ["x", "kwrt_x", "kwat_x", "a.b.c", &tokens.id_token, &"A".repeat(15_000)] {
        assert_eq!(s.rp.introspect(token).await.json(), json!({"active": false}), "{token:.40}");
    }
    assert_eq!(s.rp.post("/oauth/introspect", &[]).await.outcome(), "400 invalid_request");
}

#[tokio::test]
async fn a_hint_about_the_kind_of_token_changes_nothing() {
    let s = stage().await;
    let tokens = s.tokens("openid").await;
    for hint in ["access_token", "refresh_token", "nonsense"] {
        for token in [&tokens.access_token, &tokens.refresh_token] {
            let answer = s.rp.post("/oauth/introspect", &[("token", token), ("token_type_hint", hint)]).await;
            assert_eq!(answer.json()["active"], true);
        }
    }
}

#[tokio::test]
async fn a_client_learns_of_its_own_token_that_it_lost_its_permissions() {
    let s = stage_with(|_| {}, |client| client.scopes = "openid orders:read".parse().unwrap()).await;
    s.app.role("orders", &["orders:*"]).await;
    set_roles(&s.app, &s.ada, &["orders"]).await;
    let token = s.tokens("openid orders:read").await.access_token;
    assert_eq!(s.rp.introspect(&token).await.json()["scope"], "openid orders:read");
    set_roles(&s.app, &s.ada, &[]).await;
    let about = s.rp.introspect(&token).await.json();
    assert_eq!((about["active"].as_bool(), about["scope"].as_str()), (Some(true), Some("openid")));
}
