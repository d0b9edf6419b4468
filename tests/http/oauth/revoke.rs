//! `/oauth/revoke` (RFC 7009).

use reqwest::StatusCode;

use crate::{
    stage::{public, stage, stage_with},
    support::relying_party::send,
};

#[tokio::test]
async fn an_access_token_can_be_revoked_though_it_is_a_jwt() {
    let s = stage().await;
    let tokens = s.tokens("openid").await;
    let other = s.tokens("openid").await;
    let answer = s.rp.revoke(&tokens.access_token).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!s.rp.is_active(&tokens.access_token).await);
    assert_eq!(s.rp.userinfo(&tokens.access_token).await.outcome(), "401 invalid_token");
    assert!(s.rp.is_active(&tokens.refresh_token).await, "the grant goes on");
    assert!(s.rp.is_active(&other.access_token).await);
}

#[tokio::test]
async fn revoking_a_refresh_token_revokes_its_grant() {
    let s = stage().await;
    let tokens = s.tokens("openid offline_access").await;
    let next = s.rp.refresh(&tokens.refresh_token).await.tokens();
    assert_eq!(s.rp.revoke(&next.refresh_token).await.status, StatusCode::OK);
    for token in [&tokens.access_token, &next.access_token, &next.refresh_token] {
        assert!(!s.rp.is_active(token).await);
    }
    assert_eq!(s.rp.refresh(&next.refresh_token).await.outcome(), "400 invalid_grant");
}

#[tokio::test]
async fn a_revocation_survives_a_restart() {
    let mut s = stage().await;
    let (one, two) = (s.tokens("openid").await, s.tokens("openid").await);
    s.rp.revoke(&one.access_token).await;
    s.rp.revoke(&two.refresh_token).await;
    s.app = s.app.restart().await;
    assert!(!s.rp.is_active(&one.access_token).await);
    assert!(!s.rp.is_active(&two.access_token).await);
}

#[tokio::test]
async fn a_token_that_is_none_is_as_good_as_revoked() {
    let s = stage().await;
    let tokens = s.tokens("openid").await;
    for token in ["x", "kwrt_x", "a.b.c", &tokens.id_token] {
        assert_eq!(s.rp.revoke(token).await.status, StatusCode::OK, "{token:.40}");
    }
    s.rp.revoke(&tokens.access_token).await;
    assert_eq!(s.rp.revoke(&tokens.access_token).await.status, StatusCode::OK);
    assert_eq!(s.rp.post("/oauth/revoke", &[]).await.outcome(), "400 invalid_request");
}

#[tokio::test]
async fn another_clients_token_is_not_revoked() {
    let s = stage().await;
    let other = s.other("other", |_| {}).await;
    let tokens = s.tokens("openid").await;
    insta::assert_json_snapshot!(s.told(&other.revoke(&tokens.access_token).await), @r#"
    {
      "status": 400,
      "cache-control": "no-store",
      "content-type": "application/json",
      "body": {
        "error": "invalid_grant",
        "error_description": "the token was issued to another client",
        "request_id": "[request_id]"
      }
    }
    "#);
    assert_eq!(other.revoke(&tokens.refresh_token).await.outcome(), "400 invalid_grant");
    assert!(s.rp.is_active(&tokens.access_token).await);
    s.rp.refresh(&tokens.refresh_token).await.tokens();
}

#[tokio::test]
async fn a_public_client_revokes_its_own_tokens() {
    let s = stage_with(|_| {}, public).await;
    let tokens = s.tokens("openid").await;
    assert_eq!(s.rp.revoke(&tokens.refresh_token).await.status, StatusCode::OK);
    assert_eq!(s.rp.userinfo(&tokens.access_token).await.outcome(), "401 invalid_token");
}

#[tokio::test]
async fn a_caller_that_proves_nothing_revokes_nothing() {
    let s = stage().await;
    let tokens = s.tokens("openid").await;
    let anonymous = s.rp.http.post(s.app.url("/oauth/revoke")).form(&[("token", &tokens.access_token)]);
    assert_eq!(send(anonymous).await.outcome(), "401 invalid_client");
    assert!(s.rp.is_active(&tokens.access_token).await);
}
