//! `/resources/openapi.json`, `/resources/docs`, and whether the handlers do what they say about themselves.

use std::collections::BTreeSet;

use keyward::{store, web::caller::need};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    PASSWORD, TestApp, TestClient,
    api::Api,
    browser::{Browser, http},
    contract::{DOCUMENT, operations, resolved},
    relying_party::{RelyingParty, send},
};

/// A path with something in the place of its parameters.
fn filled(template: &str) -> String {
    let fill = |segment: &str| match segment {
        "{key}" => "test:none".to_owned(),
        other if other.starts_with('{') => "0199c0de-0000-7000-8000-000000000000".to_owned(),
        other => other.to_owned(),
    };
    template.split('/').map(fill).collect::<Vec<_>>().join("/")
}

/// The permissions of which, as the description of an operation says, one suffices; none if it needs none.
fn permissions(operation: &Value) -> Vec<&str> {
    let security = operation["security"].as_array().filter(|security| security.iter().any(|one| *one != json!({})));
    let Some((last, named)) = security.and_then(|security| security.split_last()) else { return Vec::new() };
    assert_eq!(*last, json!({ "bearer": [] }), "{operation}");
    let one = |requirement: &Value| {
        assert_eq!(requirement["oauth"].as_array().unwrap().len(), 1, "{operation}");
    };
    named.iter().for_each(one);
    named.iter().map(|requirement| requirement["oauth"][0].as_str().unwrap()).collect()
}

/// A body, where an operation takes one.
fn body(operation: &Value) -> Value {
    if operation.get("requestBody").is_some() { json!({}) } else { Value::Null }
}

#[test]
fn every_route_is_described_and_every_description_has_a_route() {
    let routes: BTreeSet<(String, String)> =
        [keyward::iam::routes(), keyward::me::routes(), keyward::sendings::routes(), keyward::graph::routes()]
            .iter()
            .flatten()
            .flat_map(|(path, methods)| methods.iter().map(|(method, _)| (method.to_string(), (*path).to_owned())))
            .collect();
    let described = operations().into_iter().map(|(method, path, _)| (method.to_string(), path.to_owned())).collect();
    assert_eq!(routes, described);
}

#[test]
fn operations_have_names_of_their_own_and_say_what_they_do() {
    let mut names = BTreeSet::new();
    let tags: Vec<&str> =
        DOCUMENT["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    for (method, path, operation) in operations() {
        let name = operation["operationId"].as_str().unwrap();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
        assert!(names.insert(name), "{name} twice");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{method} {path}");
        assert!(tags.contains(&operation["tags"][0].as_str().unwrap()), "{method} {path}: {}", operation["tags"]);
        for (status, response) in operation["responses"].as_object().unwrap() {
            let response = if response.get("$ref").is_some() { resolved(&DOCUMENT, response).1 } else { response };
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path} {status}");
        }
    }
}

#[tokio::test]
async fn each_operation_needs_the_permission_that_it_says_and_no_other() {
    let app = TestApp::spawn().await;
    let mut named = BTreeSet::new();
    for (n, needed) in need::ALL.iter().enumerate() {
        let described = operations();
        let offered = described.iter().map(|(_, _, operation)| permissions(operation));
        let enough: BTreeSet<&str> = offered.filter(|offered| offered.contains(needed)).flatten().collect();
        let others: Vec<&str> =
            need::ALL.iter().filter(|other| *other != needed && !enough.contains(**other)).copied().collect();
        let (without, only) = if needed.starts_with("me/") {
            // what every person holds, as far as the scope goes
            let mine: Vec<&str> = others.into_iter().filter(|other| other.starts_with("me/")).collect();
            let without = Api::person(&app, &format!("without-{n}@example.com"), &[], &mine.join(" ")).await;
            (without, Api::person(&app, &format!("only-{n}@example.com"), &[], needed).await)
        } else {
            let without = Api::holding(&app, &format!("without-{n}"), &others).await;
            (without, Api::holding(&app, &format!("only-{n}"), &[needed]).await)
        };
        for (method, path, operation) in operations() {
            let offered = permissions(operation);
            if !offered.contains(needed) {
                continue;
            }
            named.insert(*needed);
            let (path, body) = (filled(path), body(operation));
            let refused = without.send(method.clone(), &path, &[], body.clone()).await;
            assert_eq!(refused.said(), "403 PERMISSION_MISSING", "{method} {path}");
            let challenge = refused.header("www-authenticate");
            assert!(challenge.ends_with(&format!("scope=\"{}\"", offered[0])), "{method} {path}: {challenge}");
            let allowed = only.send(method.clone(), &path, &[], body).await.said();
            assert!(allowed != "403 PERMISSION_MISSING" && !allowed.starts_with("401"), "{method} {path}: {allowed}");
        }
    }
    let nobody = Api::new(&app, "", "");
    for (method, path, operation) in operations() {
        let said = nobody.send(method.clone(), &filled(path), &[], body(operation)).await.said();
        assert_eq!(said == "401 TOKEN_MISSING", !permissions(operation).is_empty(), "{method} {path}: {said}");
        assert!(permissions(operation).iter().all(|needed| named.contains(needed)), "{method} {path}");
    }
}

#[tokio::test]
async fn preconditions_and_idempotency_keys_are_read_where_the_description_has_them() {
    let app = TestApp::spawn().await;
    let owner = Api::person(&app, "owner@example.com", &["system:owner"], "iam:* me:* sendings:*").await;
    for (method, path, operation) in operations() {
        let parameters: Vec<&str> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|parameter| parameter["$ref"].as_str()?.rsplit('/').next())
            .collect();
        for (name, header, value) in [
            ("IfMatch", "if-match", "\""),
            ("CreateOnly", "if-none-match", "\""),
            ("IdempotencyKey", "idempotency-key", "ä"),
        ] {
            if method == Method::GET {
                continue;
            }
            let answer = owner.send(method.clone(), &filled(path), &[(header, value)], body(operation)).await;
            let read = answer.said() == "400 HEADER_INVALID";
            // a handler that has preconditions reads both headers; only what is put can be made
            let described = parameters.contains(&name) || (name == "CreateOnly" && parameters.contains(&"IfMatch"));
            assert_eq!(read, described, "{method} {path} with {header}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn the_description_is_public_cached_and_about_this_server() {
    for issuer in ["", "path:/id"] {
        let app = TestApp::spawn_with(|config| {
            if !issuer.is_empty() {
                config.issuer = Some(issuer.to_owned());
            }
        })
        .await;
        let client = http().build().unwrap();
        let get = |header: &'static str, value: String| {
            send(client.get(app.url("/resources/openapi.json")).header(header, value))
        };
        let answer = get("origin", "https://elsewhere.example".to_owned()).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("cache-control"), "public, max-age=300");
        let document = answer.json();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["servers"][0]["url"], json!(app.issuer));
        let flow = &document["components"]["securitySchemes"]["oauth"]["flows"]["authorizationCode"];
        assert_eq!(flow["authorizationUrl"], json!(app.url("/oauth/authorize")));
        assert_eq!(flow["tokenUrl"], json!(app.url("/oauth/token")));
        let scopes: Vec<&str> = flow["scopes"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(BTreeSet::from_iter(scopes), BTreeSet::from_iter(need::ALL.iter().copied()));
        let known = get("if-none-match", answer.header("etag").to_owned()).await;
        assert_eq!((known.status.as_u16(), known.body.as_str()), (304, ""));
        let posted = send(client.post(app.url("/resources/openapi.json"))).await;
        assert_eq!((posted.said().as_str(), posted.header("allow")), ("405 METHOD_NOT_ALLOWED", "GET, HEAD"));
    }
}

#[tokio::test]
async fn the_viewer_loads_nothing_from_elsewhere_and_runs_no_inline_script() {
    let app = TestApp::spawn_with(|config| config.issuer = Some("path:/id".to_owned())).await;
    let client = http().build().unwrap();
    let page = send(client.get(app.url("/resources/docs"))).await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
    insta::assert_snapshot!(page.header("content-security-policy"), @"default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
    let html = scraper::Html::parse_document(&page.body);
    let mut files = 0;
    for (selector, attribute) in [("script", "src"), ("link", "href"), ("main", "data-document")] {
        for element in html.select(&scraper::Selector::parse(selector).unwrap()) {
            assert!(selector != "script" || element.inner_html().is_empty());
            let address = element.value().attr(attribute).unwrap();
            assert!(address.starts_with("/id/"), "{address}");
            let file = send(client.get(app.url(address.strip_prefix("/id").unwrap()))).await;
            assert_eq!(file.status, 200, "{address}");
            assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable", "{address}");
            assert!(!file.body.is_empty() && file.header("x-content-type-options") == "nosniff");
            files += 1;
        }
    }
    assert_eq!(files, 5);
    let back = send(client.get(app.url("/resources/docs/oauth2-redirect.html?code=x"))).await;
    assert_eq!(back.header("content-security-policy"), page.header("content-security-policy"));
    assert!(back.body.contains("oauth2-redirect.js") && !back.body.contains("<script>"));
    for absent in ["index.html", "swagger-initializer.js", "..%2F..%2Fhealth", "swagger-ui-es-bundle.js"] {
        assert_eq!(send(client.get(app.url(&format!("/resources/docs/{absent}")))).await.said(), "404 NOT_FOUND");
    }
}

/// The viewer's client as it is registered.
async fn registered(app: &TestApp) -> Option<store::client::Client> {
    app.app.store.read(|conn| store::client::find(conn, store::system_client::DOCS)).await.unwrap()
}

#[tokio::test]
async fn the_viewers_client_is_built_in_and_asks_for_consent_each_time() {
    let app = TestApp::spawn().await;
    let client = registered(&app).await.unwrap();
    assert!(client.system_client && client.is_public() && client.requires_pkce() && !client.first_party);
    assert_eq!(client.redirect_uris, [app.url("/resources/docs/oauth2-redirect.html")]);
    app.principal("owner@example.com", &["system:owner"], |_| {}).await;
    let client = TestClient { client, secret: String::new() };
    let rp = RelyingParty::new(&app, &client);
    let owner = Browser::new();
    for _ in 0..2 {
        let request = rp.authorization(&[("scope", "iam/roles:read")]);
        let mut page = owner.open(&request.url).await;
        if page.has("#sign-in") {
            page = owner.press(&page, "sign-in", &[("username", "owner@example.com"), ("password", PASSWORD)]).await;
        }
        assert!(page.has("#allow"), "{}", page.url);
        let back = owner.press(&page, "allow", &[]).await;
        assert_eq!((back.status.as_u16(), back.url.path()), (200, "/resources/docs/oauth2-redirect.html"));
        let code = back.url.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
        let tokens = rp.redeem(&request, &code).await.tokens();
        let api = Api::new(&app, &tokens.access_token, "");
        assert_eq!(api.get("/resources/iam/roles/system:owner").await.said(), "200");
        assert_eq!(api.delete("/resources/iam/roles/test:none").await.said(), "403 PERMISSION_MISSING");
    }
}

#[tokio::test]
async fn the_viewer_can_be_switched_off_and_its_client_with_it() {
    let off = TestApp::spawn_with(|config| config.iam.docs = false).await;
    assert!(registered(&off).await.is_none());
    let client = http().build().unwrap();
    for path in ["/resources/docs", "/resources/docs/oauth2-redirect.html"] {
        assert_eq!(send(client.get(off.url(path))).await.status, 404);
    }
    assert_eq!(send(client.get(off.url("/resources/openapi.json"))).await.status, 200);

    let app = TestApp::spawn().await;
    let etag = registered(&app).await.unwrap().etag;
    let store = app.app.store.clone();
    let ensure = async |issuer: &'static str, enabled| {
        let now = app.now();
        let ensured = store.write(move |tx| store::system_client::ensure_docs(tx, issuer, enabled, now)).await;
        let ensured: Result<bool, store::Error> = ensured;
        assert!(ensured.unwrap());
        registered(&app).await.unwrap()
    };
    let moved = ensure("https://id.example.org", true).await;
    assert_eq!(moved.redirect_uris, ["https://id.example.org/resources/docs/oauth2-redirect.html"]);
    assert_ne!(moved.etag, etag);
    let again = ensure("https://id.example.org", true).await;
    assert_eq!(again.etag, moved.etag, "nothing is written where nothing changes");
    assert!(ensure("https://id.example.org", false).await.suspended_at.is_some());
    assert!(ensure("https://id.example.org", true).await.suspended_at.is_none());
}

#[tokio::test]
async fn a_client_of_somebody_elses_with_the_viewers_name_stays_as_it_is() {
    let app = TestApp::spawn_with(|config| config.iam.docs = false).await;
    app.client(store::system_client::DOCS, &[], |client| client.name = "Ours".to_owned()).await;
    let now = app.now();
    let ensured = app.app.store.write(move |tx| store::system_client::ensure_docs(tx, "https://id.example", true, now));
    let ensured: Result<bool, store::Error> = ensured.await;
    assert!(!ensured.unwrap());
    assert_eq!(registered(&app).await.unwrap().name, "Ours");
}
