//! What holds for every address: methods, limits, faces of errors, CORS, headers.

use keyward::model::secret::random_text;
use reqwest::{Method, StatusCode};

use crate::{
    stage::{redacted, stage, told},
    support::{
        TestApp,
        api::Api,
        browser::{Browser, http},
        relying_party::send,
    },
};

#[tokio::test]
async fn a_method_that_is_not_there_is_405_with_allow() {
    let app = TestApp::spawn().await;
    let http = http().build().unwrap();
    for (path, allow) in [
        ("/oauth/authorize", "GET, HEAD, POST"),
        ("/oauth/token", "POST"),
        ("/oauth/introspect", "POST"),
        ("/oauth/revoke", "POST"),
        ("/oauth/userinfo", "GET, HEAD, POST"),
        ("/oauth/jwks", "GET, HEAD"),
        ("/oauth/logout", "GET, HEAD, POST"),
        ("/.well-known/openid-configuration", "GET, HEAD"),
        ("/.well-known/oauth-authorization-server", "GET, HEAD"),
        ("/login", "GET, HEAD, POST"),
        ("/consent", "GET, HEAD, POST"),
        ("/password", "GET, HEAD, POST"),
        ("/setup", "GET, HEAD, POST"),
        ("/logout", "GET, HEAD, POST"),
        ("/account", "GET, HEAD"),
        ("/", "GET, HEAD"),
    ] {
        for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::TRACE] {
            let answer = send(http.request(method.clone(), app.url(path))).await;
            assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, allow), "{method} {path}");
        }
    }
    let answer = send(http.get(app.url("/oauth/token"))).await;
    insta::assert_json_snapshot!(told(&app, &answer), @r#"
    {
      "status": 405,
      "allow": "POST",
      "cache-control": "no-store",
      "content-type": "application/json",
      "body": {
        "error": "invalid_request",
        "error_description": "expected the method POST, got GET",
        "request_id": "[request_id]"
      }
    }
    "#);
}

#[tokio::test]
async fn what_is_not_there_is_a_page_for_people_and_a_problem_for_programs() {
    let app = TestApp::spawn().await;
    for path in [
        "/nope",
        "/oauth/nope",
        "/oauth/token/",
        "//oauth/token",
        "/oauth/..;/token",
        "/.well-known/nope",
        "/static/nope",
    ] {
        let answer = send(http().build().unwrap().get(app.url(path)).header("accept", "application/json")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let answer = send(http().build().unwrap().get(app.url("/nope"))).await;
    assert_eq!(answer.header("content-type"), "application/problem+json");
    insta::assert_json_snapshot!(redacted(&app, answer.json()), @r#"
    {
      "type": "about:blank",
      "title": "Not Found",
      "status": 404,
      "detail": "there is nothing at this path",
      "request_id": "[request_id]",
      "code": "NOT_FOUND"
    }
    "#);
    let page = Browser::new().get(&app.url("/nope")).await;
    assert_eq!((page.status, page.text("h1").as_str()), (StatusCode::NOT_FOUND, "This page does not exist"));
}

#[tokio::test]
async fn a_person_at_another_address_is_told_the_right_one() {
    let app = TestApp::spawn().await;
    let url = app.url("/login").replace("localhost", "127.0.0.1");
    let page = Browser::new().get(&url).await;
    assert_eq!(page.status, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(page.text("h1"), "This server has another address");
    assert_eq!(page.attribute("#expected", "href").as_deref(), Some(app.issuer.as_str()));
    // programs are not disturbed
    let jwks = app.url("/oauth/jwks").replace("localhost", "127.0.0.1");
    assert_eq!(send(http().build().unwrap().get(jwks)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn browsers_of_public_clients_may_read_the_answers_but_never_with_cookies() {
    let s = stage().await;
    let token = s.tokens("openid").await.access_token;
    let origin = "https://spa.example";
    let http = &s.rp.http;
    for (method, path) in [
        (Method::GET, "/.well-known/openid-configuration"),
        (Method::GET, "/.well-known/oauth-authorization-server"),
        (Method::GET, "/oauth/jwks"),
        (Method::POST, "/oauth/token"),
        (Method::POST, "/oauth/revoke"),
        (Method::GET, "/oauth/userinfo"),
    ] {
        let answer = send(http.request(method.clone(), s.app.url(path)).header("origin", origin)).await;
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{method} {path}, errors included");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        let preflight = http
            .request(Method::OPTIONS, s.app.url(path))
            .header("origin", origin)
            .header("access-control-request-method", method.as_str())
            .header("access-control-request-headers", "authorization,content-type");
        let answer = send(preflight).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.status);
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        assert!(answer.header("access-control-allow-methods").contains(method.as_str()), "{path}");
        assert!(answer.header("access-control-allow-headers").to_ascii_lowercase().contains("authorization"));
    }
    let answer = send(http.get(s.app.url("/oauth/userinfo")).bearer_auth(token).header("origin", origin)).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, "*"));
}

#[tokio::test]
async fn other_answers_are_not_for_other_sites_scripts() {
    let s = stage().await;
    for (method, path) in [
        (Method::GET, "/oauth/authorize"),
        (Method::POST, "/oauth/introspect"),
        (Method::GET, "/oauth/logout"),
        (Method::GET, "/login"),
        (Method::GET, "/account"),
    ] {
        let request = s.rp.http.request(method, s.app.url(path)).header("origin", "https://spa.example");
        assert_eq!(send(request).await.header("access-control-allow-origin"), "", "{path}");
    }
}

#[tokio::test]
async fn every_post_of_the_protocol_wants_a_form_of_bounded_length() {
    let s = stage().await;
    for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/authorize", "/oauth/logout"] {
        let answer = send(s.rp.http.post(s.app.url(path)).json(&serde_json::json!({}))).await;
        let large = send(s.rp.http.post(s.app.url(path)).form(&[("x", "y".repeat(100_000))])).await;
        if path == "/oauth/logout" {
            assert!(answer.status.is_client_error() && large.status.is_client_error());
            continue;
        }
        assert_eq!((answer.status.as_u16(), large.status.as_u16()), (415, 413), "{path}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let s = stage().await;
    for length in [70_000, 100_000] {
        let answer = send(s.rp.http.get(s.app.url("/oauth/jwks")).header("x-large", "x".repeat(length))).await;
        assert!(answer.status.is_client_error(), "{length}: {}", answer.status);
    }
}

#[tokio::test]
async fn what_the_apis_refuse_by_the_head_alone_has_a_code_and_is_described() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    assert_eq!(owner.get("/resources/iam/nothing").await.said(), "404 NOT_FOUND");
    let (role, none, gzip) = ("/resources/iam/roles/a:b", serde_json::Value::Null, [("content-encoding", "gzip")]);
    let put = owner.send(Method::PUT, role, &gzip, serde_json::json!({})).await;
    assert_eq!((put.said().as_str(), put.header("accept-encoding")), ("415 MEDIA_TYPE_UNSUPPORTED", "identity"));
    // nothing is encoded where nothing is sent
    assert_eq!(owner.send(Method::GET, role, &gzip, none.clone()).await.said(), "404 NOT_FOUND");
    assert_eq!(owner.put(role, serde_json::json!({})).await.said(), "201");
    assert_eq!(owner.send(Method::GET, role, &gzip, none.clone()).await.said(), "200");
    assert_eq!(owner.send(Method::DELETE, role, &gzip, none.clone()).await.said(), "204");
    let large = "x".repeat(70_000);
    for (method, path) in [(Method::GET, role), (Method::DELETE, role), (Method::POST, "/resources/iam/apply")] {
        let answer = owner.send(method.clone(), path, &[("x-large", &large)], none.clone()).await;
        assert_eq!(answer.said(), "431 HEADERS_TOO_LARGE", "{method}");
    }
}

#[tokio::test]
async fn each_answer_has_a_request_id_that_nobody_else_chooses() {
    let s = stage().await;
    let request = s.rp.http.get(s.app.url("/oauth/userinfo")).header("x-request-id", "chosen");
    let answer = send(request).await;
    let id = answer.header("x-request-id");
    assert!(!id.is_empty() && id != "chosen");
    assert_eq!(answer.json()["request_id"], id);
    let page = s.browser.get(&s.rp.authorization(&[("client_id", "nobody")]).url).await;
    assert_eq!(page.text("#request-id"), page.header("x-request-id"));
}

#[tokio::test]
async fn whatever_is_sent_is_answered_and_never_by_a_fault() {
    let s = stage().await;
    for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/logout", "/login", "/consent", "/setup"]
    {
        for body in [
            String::new(),
            "&".repeat(60_000),
            "a=b&".repeat(5_000),
            "%".repeat(1000),
            "%00=%00".to_owned(),
            "=".repeat(1000),
            format!("grant_type={}", "%F0%9F%98%80".repeat(100)),
            format!("scope={}&grant_type=client_credentials&client_id=app", "a+".repeat(20_000)),
            random_text::<512>(),
        ] {
            let request = s.rp.http.post(s.app.url(path)).header("content-type", "application/x-www-form-urlencoded");
            let answer = send(request.body(body.clone())).await;
            assert!(!answer.status.is_server_error(), "{path} {body:.40}: {} {}", answer.status, answer.body);
        }
    }
}
