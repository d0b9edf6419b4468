//! `/oauth/userinfo` (OpenID Connect Core §5.3).

use serde_json::{Value, json};

use crate::{
    stage::{ADA, redacted, stage, stage_with, suspend},
    support::{
        TestApp,
        browser::Browser,
        relying_party::{RelyingParty, send},
    },
};

#[tokio::test]
async fn claims_follow_the_scopes() {
    let app = TestApp::spawn().await;
    app.principal(ADA, &[], |ada| {
        ada.name = Some("Ada Lovelace".to_owned());
        ada.phone = Some("+44 20 7946 0000".to_owned());
        ada.picture = Some("https://example.com/ada.png".to_owned());
        for name in ["given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile"] {
            ada.properties.insert(name.to_owned(), json!(format!("a {name}")));
        }
        for name in ["website", "gender", "birthdate", "zoneinfo", "locale"] {
            ada.properties.insert(name.to_owned(), json!(format!("a {name}")));
        }
        ada.properties.insert("address".to_owned(), json!({"country": "GB"}));
        ada.properties.insert("secret".to_owned(), json!("no standard claim"));
    })
    .await;
    let rp = RelyingParty::new(&app, &app.client("app", &[], |_| {}).await);
    let browser = Browser::new();
    let names = async |scope: &str| {
        let token = rp.sign_in(&browser, ADA, scope).await.access_token;
        let about = rp.userinfo(&token).await.json();
        about.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("openid").await, "sub");
    assert_eq!(names("openid email").await, "email email_verified sub");
    assert_eq!(names("openid phone").await, "phone_number phone_number_verified sub");
    assert_eq!(names("openid address").await, "address sub");
    let all = rp.sign_in(&browser, ADA, "openid profile email phone address").await.access_token;
    let answer = rp.userinfo(&all).await;
    assert_eq!((answer.header("content-type"), answer.header("cache-control")), ("application/json", "no-store"));
    insta::assert_json_snapshot!(redacted(&app, answer.json()), @r#"
    {
      "name": "Ada Lovelace",
      "family_name": "a family_name",
      "given_name": "a given_name",
      "middle_name": "a middle_name",
      "nickname": "a nickname",
      "preferred_username": "a preferred_username",
      "profile": "a profile",
      "picture": "https://example.com/ada.png",
      "website": "a website",
      "gender": "a gender",
      "birthdate": "a birthdate",
      "zoneinfo": "a zoneinfo",
      "locale": "a locale",
      "updated_at": 1795262400,
      "email": "ada@example.com",
      "email_verified": true,
      "phone_number": "+44 20 7946 0000",
      "phone_number_verified": false,
      "address": {
        "country": "GB"
      },
      "sub": "[sub]"
    }
    "#);
}

#[tokio::test]
async fn get_and_post_answer_the_same_and_only_the_header_carries_the_token() {
    let s = stage().await;
    let token = s.tokens("openid email").await.access_token;
    let url = s.app.url("/oauth/userinfo");
    let by_get = send(s.rp.http.get(&url).bearer_auth(&token)).await;
    let by_post = send(s.rp.http.post(&url).bearer_auth(&token)).await;
    assert_eq!(by_get.json(), by_post.json());
    assert_eq!(send(s.rp.http.get(&url).header("authorization", format!("bearer {token}"))).await.outcome(), "200");
    // RFC 9700 §4.3.2
    let in_query = send(s.rp.http.get(format!("{url}?access_token={token}"))).await;
    insta::assert_json_snapshot!(s.told(&in_query), @r#"
    {
      "status": 401,
      "cache-control": "no-store",
      "content-type": "application/json",
      "www-authenticate": "Bearer realm=\"keyward\"",
      "body": {
        "error": "invalid_request",
        "error_description": "expected an access token in the Authorization header, got none",
        "request_id": "[request_id]"
      }
    }
    "#);
    let in_body = send(s.rp.http.post(&url).form(&[("access_token", &token)])).await;
    assert_eq!(in_body.outcome(), "401 invalid_request");
}

#[tokio::test]
async fn a_bad_token_is_told_by_the_bearer_scheme() {
    let s = stage().await;
    let tokens = s.tokens("openid").await;
    insta::assert_json_snapshot!(s.told(&s.rp.userinfo("nonsense").await), @r#"
    {
      "status": 401,
      "cache-control": "no-store",
      "content-type": "application/json",
      "www-authenticate": "Bearer realm=\"keyward\", error=\"invalid_token\", error_description=\"the access token is malformed, expired, revoked, or not for this server\"",
      "body": {
        "error": "invalid_token",
        "error_description": "the access token is malformed, expired, revoked, or not for this server",
        "request_id": "[request_id]"
      }
    }
    "#);
    for token in [tokens.id_token.as_str(), &tokens.refresh_token, "a.b.c", "kwat_x", "\"", "%00"] {
        assert_eq!(s.rp.userinfo(token).await.outcome(), "401 invalid_token", "{token:.40}");
    }
    let url = s.app.url("/oauth/userinfo");
    let twice = s.rp.http.get(&url).bearer_auth(&tokens.access_token).header("authorization", "Bearer x");
    assert_eq!(send(twice).await.outcome(), "400 invalid_request");
}

#[tokio::test]
async fn a_token_without_openid_or_without_a_person_is_not_enough() {
    let s = stage().await;
    let token = s.tokens("email").await.access_token;
    insta::assert_json_snapshot!(s.told(&s.rp.userinfo(&token).await), @r#"
    {
      "status": 403,
      "cache-control": "no-store",
      "content-type": "application/json",
      "www-authenticate": "Bearer realm=\"keyward\", error=\"insufficient_scope\", error_description=\"expected a person's access token with the scope openid\"",
      "body": {
        "error": "insufficient_scope",
        "error_description": "expected a person's access token with the scope openid",
        "request_id": "[request_id]"
      }
    }
    "#);
    let own = s.rp.token(&[("grant_type", "client_credentials")]).await.tokens().access_token;
    assert_eq!(s.rp.userinfo(&own).await.outcome(), "403 insufficient_scope");
}

#[tokio::test]
async fn a_suspended_persons_token_does_not_work() {
    let s = stage().await;
    let token = s.tokens("openid").await.access_token;
    suspend(&s.app, &s.ada).await;
    assert_eq!(s.rp.userinfo(&token).await.outcome(), "401 invalid_token");
}

#[tokio::test]
async fn the_answer_is_signed_where_the_client_is_registered_so() {
    let s = stage_with(|_| {}, |client| client.metadata.userinfo_signed_response_alg = Some("RS256".to_owned())).await;
    let tokens = s.tokens("openid email").await;
    let answer = s.rp.userinfo(&tokens.access_token).await;
    assert_eq!(answer.header("content-type"), "application/jwt");
    let (header, claims) = s.rp.verify(&answer.body).await;
    assert_eq!(header["alg"], "RS256");
    insta::assert_json_snapshot!(redacted(&s.app, Value::Object(claims)), @r#"
    {
      "email": "ada@example.com",
      "email_verified": true,
      "sub": "[sub]",
      "iss": "[issuer]",
      "aud": "app"
    }
    "#);
}

#[tokio::test]
async fn a_signed_answer_does_not_pass_for_an_id_token() {
    let s = stage_with(|_| {}, |client| client.metadata.userinfo_signed_response_alg = Some("RS256".to_owned())).await;
    let tokens = s.tokens("openid").await;
    let signed = s.rp.userinfo(&tokens.access_token).await.body;
    let page = s.browser.get(&format!("{}?id_token_hint={signed}", s.app.url("/oauth/logout"))).await;
    assert_eq!(page.status.as_u16(), 400, "{}", page.text("main"));
    let callback = s.browser.get(&s.rp.authorization(&[("id_token_hint", &signed)]).url).await.callback();
    assert_eq!(callback.get("error"), "invalid_request");
}
