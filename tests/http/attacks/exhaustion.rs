//! What is too much, too deep, too many or read in two ways.

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{FORM, answered, connect, exchange, get, statuses};
use crate::{
    appserver::Program,
    stage::{ADA, set_roles, stage, stage_with},
    support::{
        PASSWORD, TestApp,
        api::Api,
        browser::Browser,
        relying_party::{basic, send},
    },
};

// 37
#[tokio::test]
async fn quotes_and_wildcards_in_a_look_up_find_nothing() {
    let s = stage().await;
    for text in ["' OR '1'='1", "%", "_%", "app'--", "a\\", "app\u{0}", "\u{1f600}"] {
        let answer = send(s.rp.http.post(s.app.url("/oauth/token")).header("authorization", basic(text, "x"))).await;
        assert!(answer.status.is_client_error(), "{text}");
        let fields = [("grant_type", "authorization_code"), ("code", text), ("refresh_token", text), ("scope", text)];
        assert!(s.rp.token(&fields).await.status.is_client_error(), "{text}");
        let page = s.browser.sign_in(&s.app, text, PASSWORD).await;
        assert!(page.status.is_client_error(), "{text}");
    }
}

// 38
#[tokio::test]
async fn what_is_too_much_is_refused() {
    let s = stage().await;
    let header = basic("app", &s.rp.client.secret);
    let post = |path: &str, body: String| {
        let request = s.rp.http.post(s.app.url(path)).header("authorization", &header);
        request.header("content-type", "application/x-www-form-urlencoded").body(body)
    };
    let deep = format!("claims={}", "%7B%22a%22%3A".repeat(4_000));
    for (what, request) in [
        ("ampersands", post("/oauth/token", "&".repeat(1_000_000))),
        ("scopes", post("/oauth/token", format!("grant_type=client_credentials&scope={}", "a+".repeat(30_000)))),
        (
            "many scopes",
            post(
                "/oauth/token",
                format!(
                    "grant_type=client_credentials&scope={}",
                    (0..2000).map(|n| format!("s{n}+")).collect::<String>()
                ),
            ),
        ),
        ("a body", post("/oauth/introspect", format!("token={}", "x".repeat(5_000_000)))),
        ("parameters", post("/oauth/token", (0..5000).map(|n| format!("p{n}=1&")).collect::<String>())),
        (
            "a credential",
            s.rp.http.post(s.app.url("/oauth/token")).header("authorization", format!("Basic {}", "A".repeat(60_000))),
        ),
        (
            "a bearer",
            s.rp.http
                .get(s.app.url("/oauth/userinfo"))
                .header("authorization", format!("Bearer {}", "A.".repeat(30_000))),
        ),
        ("a cookie", s.rp.http.get(s.app.url("/account")).header("cookie", "a=b; ".repeat(12_000))),
        ("JSON", s.rp.http.get(format!("{}&{deep}", s.rp.authorization(&[]).url))),
        ("a query", s.rp.http.get(format!("{}?{}", s.app.url("/oauth/authorize"), "a=b&".repeat(15_000)))),
    ] {
        let outcome = request.send().await;
        // a server may close the connection before it has read everything
        if let Ok(response) = outcome {
            let status = response.status();
            assert!(status.is_client_error() || status.is_redirection(), "{what}: {status}");
        }
    }
    assert_eq!(s.rp.client_credentials("").await.outcome(), "200", "and the server is well");
}

// 40
#[tokio::test]
async fn a_request_whose_end_is_in_doubt_is_not_two_requests() {
    let s = stage().await;
    s.app.expect_errors("request parse error");
    let smuggled = "GET /oauth/jwks HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let head = "POST /oauth/token HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    for (what, request) in [
        ("CL and TE", format!("{head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}")),
        ("two lengths", format!("{head}content-length: 0\r\ncontent-length: 50\r\n\r\n{smuggled}")),
        ("a signed length", format!("{head}content-length: +5\r\n\r\nabcde{smuggled}")),
        ("an unknown coding", format!("{head}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}")),
        ("a folded header", format!("{head}x: a\r\n b: c\r\n\r\n{smuggled}")),
        ("a blank before the colon", format!("{head}content-length : 5\r\n\r\nabcde{smuggled}")),
    ] {
        let statuses = statuses(&exchange(&s.app, &request).await);
        assert!(!statuses.contains(&200), "{what}: {statuses:?}");
    }
    let url = s.app.url("/oauth/jwks");
    assert_eq!(send(s.rp.http.get(url)).await.status, StatusCode::OK);
}

// 40
#[tokio::test]
async fn tricks_with_paths_reach_nothing() {
    let s = stage().await;
    for path in [
        "/x/..;/oauth/jwks",
        "/x/%2e%2e/oauth/jwks",
        "/%2e%2e/oauth/jwks",
        "//oauth/jwks",
        "/oauth/jwks;x=1",
        "/oauth/jwks/",
        "/oauth%2fjwks",
        "/OAUTH/jwks",
        "/oauth/jwks%00",
        "/static/../oauth/jwks",
        "/static/..%2f..%2fetc%2fpasswd",
        "/static/%2e%2e%2fCargo.toml",
    ] {
        let statuses = statuses(
            &exchange(&s.app, format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await,
        );
        assert!(statuses.iter().all(|status| [400, 404].contains(status)), "{path}: {statuses:?}");
    }
}

// row 38: what was consented to adds up without bound, and is read back
#[tokio::test]
async fn many_consented_scopes_lock_nobody_out() {
    let s = stage_with(|_| {}, |client| client.scopes = "openid things/*:read".parse().unwrap()).await;
    s.app.role("things:all", &["things:*"]).await;
    set_roles(&s.app, &s.ada, &["things:all"]).await;
    for part in 0..3 {
        let many: Vec<String> = (0..60).map(|n| format!("things/{part}-{n}:read")).collect();
        let scope = format!("openid {}", many.join(" "));
        let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("scope", &scope)]).await;
        s.rp.redeem(&authorization, callback.code()).await.tokens();
    }
    s.tokens("openid").await;
}

// row 38: a wildcard is granted as what is held of it, up to what a request may name
#[tokio::test]
async fn a_wildcard_over_too_many_permissions_is_refused_and_not_an_error_of_ours() {
    let s = stage_with(|_| {}, |client| client.scopes = "openid *:read".parse().unwrap()).await;
    let many: Vec<String> = (0..120).map(|n| format!("thing{n}:read")).collect();
    s.app.role("things:many", &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    set_roles(&s.app, &s.ada, &["things:many"]).await;
    let (_, callback) = s.rp.authorize(&s.browser, ADA, &[("scope", "openid *:read")]).await;
    assert_eq!(callback.get("error"), "invalid_scope");
    set_roles(&s.app, "app", &["things:many"]).await;
    assert_eq!(s.rp.client_credentials("*:read").await.outcome(), "400 invalid_scope");
}

/// Bytes as gzip that is stored and not compressed (RFC 1951 §3.2.4, RFC 1952).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let crc = bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    });
    let length = u16::try_from(bytes.len()).unwrap();
    let mut all = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    all.extend(length.to_le_bytes());
    all.extend((!length).to_le_bytes());
    all.extend(bytes);
    all.extend((!crc).to_le_bytes());
    all.extend(u32::from(length).to_le_bytes());
    all
}

// 18, 38: a thousand times what is sent would be in memory before any limit is asked
#[tokio::test]
async fn no_body_is_unpacked() {
    let s = stage().await;
    let owner = Api::owner(&s.app).await;
    let form = b"grant_type=client_credentials&token=x&username=x&password=x&client_id=app";
    let json = br#"{"description": "x"}"#;
    for (method, path, kind, body) in [
        (Method::POST, "/oauth/token", FORM, &form[..]),
        (Method::POST, "/oauth/introspect", FORM, form),
        (Method::POST, "/oauth/revoke", FORM, form),
        (Method::POST, "/oauth/authorize", FORM, form),
        (Method::POST, "/oauth/logout", FORM, form),
        (Method::POST, "/login", FORM, form),
        (Method::PUT, "/resources/iam/roles/a:b", "application/json", json),
        (Method::POST, "/resources/graph", "application/json", br#"[{"edge": "roles"}]"#),
        (Method::POST, "/resources/sendings/email", "application/json", b"{}"),
        (Method::POST, "/AppServer/auth/apphost", "application/json", br#"{"authString": "Module=DialogUser"}"#),
    ] {
        let bearer = format!("Bearer {}", owner.token);
        let header = if path.starts_with("/oauth") { basic("app", &s.rp.client.secret) } else { bearer };
        for coding in ["gzip", "deflate", "x-gzip", "GZIP", "gzip, gzip", "identity, gzip", "br", "zstd", "compress"] {
            let request = s.rp.http.request(method.clone(), s.app.url(path)).header("authorization", &header);
            let request = request.header("content-type", kind).header("content-encoding", coding).body(gzip(body));
            let answer = send(request).await;
            assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path} {coding}: {}", answer.body);
        }
        let plain = s.rp.http.request(method, s.app.url(path)).header("authorization", &header).body(body.to_vec());
        let plain = send(plain.header("content-type", kind).header("content-encoding", "identity")).await;
        assert_ne!(plain.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path}: {}", plain.body);
    }
    assert_eq!(owner.get("/resources/iam/roles/a:b").await.object(200)["description"], "x", "by the plain one");
}

/// Every address that takes a body, with the body's type.
const BODIES: [(&str, &str, &str); 14] = [
    ("POST", "/oauth/token", FORM),
    ("POST", "/oauth/introspect", FORM),
    ("POST", "/oauth/revoke", FORM),
    ("POST", "/oauth/authorize", FORM),
    ("POST", "/oauth/logout", FORM),
    ("POST", "/login", FORM),
    ("POST", "/setup", FORM),
    ("POST", "/password", FORM),
    ("POST", "/email/confirm", FORM),
    ("PUT", "/resources/iam/roles/a:b", "application/json"),
    ("POST", "/resources/me/email/validate", "application/json"),
    ("POST", "/resources/sendings/email", "application/json"),
    ("POST", "/resources/graph", "application/json"),
    ("POST", "/AppServer/auth/apphost", "application/json"),
];

// 38, 40
#[tokio::test]
async fn a_body_without_end_is_answered_before_its_end() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    // more than any of them takes, and far less than what is announced
    let some = vec![b'1'; 1 << 20];
    for (method, path, kind) in BODIES {
        for (what, framing, first) in [
            ("chunks without end", "transfer-encoding: chunked\r\n", "100000\r\n"),
            ("a chunk of a terabyte", "transfer-encoding: chunked\r\n", "FFFFFFFFFF\r\n"),
            ("a length of a gigabyte", "content-length: 1073741824\r\n", ""),
        ] {
            let mut stream = connect(&app).await;
            let head = format!(
                "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: {kind}\r\n{framing}\r\n{first}",
                owner.token
            );
            let _ = stream.write_all(&[head.as_bytes(), &some].concat()).await;
            // nothing more is sent, and the body has not ended
            let mut answer = vec![0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 4"), "{path} {what}: {answer}");
        }
    }
    assert_eq!(owner.get("/resources/iam/roles").await.said(), "200", "and the server is well");
}

// 38
#[tokio::test]
async fn a_megabyte_in_any_header_or_parameter_is_refused() {
    let s = stage().await;
    s.app.expect_errors("request parse error");
    let big = "A".repeat(1 << 20);
    for name in [
        "authorization",
        "cookie",
        "accept",
        "accept-language",
        "content-type",
        "content-encoding",
        "user-agent",
        "origin",
        "referer",
        "if-match",
        "if-none-match",
        "idempotency-key",
        "x-request-id",
        "x-forwarded-for",
        "x-forwarded-host",
        "forwarded",
        "traceparent",
        "tracestate",
        "sec-fetch-site",
        "x",
    ] {
        for path in ["/oauth/userinfo", "/resources/me", "/login", "/AppServer/auth", "/health/live"] {
            let answer = exchange(&s.app, get(path, &format!("{name}: {big}\r\n"))).await;
            let refused = statuses(&answer).iter().all(|status| [400, 431].contains(status));
            assert!(refused, "{name} at {path}: {:?}", statuses(&answer));
        }
    }
    let answer = exchange(&s.app, get("/oauth/jwks", &"x: y\r\n".repeat(100_000))).await;
    assert!(!statuses(&answer).contains(&200), "{:?}", statuses(&answer));
    for name in [
        "grant_type",
        "client_id",
        "client_secret",
        "code",
        "redirect_uri",
        "code_verifier",
        "refresh_token",
        "scope",
        "resource",
        "client_assertion",
        "client_assertion_type",
        "token",
        "token_type_hint",
        "state",
        "nonce",
        "claims",
        "id_token_hint",
        "username",
        "password",
        "request",
    ] {
        for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/authorize", "/login"] {
            let request = s.rp.http.post(s.app.url(path)).form(&[(name, big.as_str())]).send().await;
            // a server may close the connection before it has read everything
            let refused =
                request.is_err() || request.is_ok_and(|answer| answer.status() == StatusCode::PAYLOAD_TOO_LARGE);
            assert!(refused, "{name} at {path}");
        }
        for path in ["/oauth/authorize", "/oauth/logout", "/resources/iam/principals", "/login"] {
            let answer = exchange(&s.app, get(&format!("{path}?{name}={big}"), "")).await;
            let refused = statuses(&answer).iter().all(|status| [400, 414, 431].contains(status));
            assert!(refused, "{name} at {path}: {:?}", statuses(&answer));
        }
    }
    assert_eq!(s.rp.client_credentials("").await.outcome(), "200", "and the server is well");
}

// 38
#[tokio::test]
async fn what_is_nested_without_end_is_refused_by_every_face() {
    let s = stage_with(|config| config.limits.body_bytes = 1 << 20, |_| {}).await;
    let owner = Api::owner(&s.app).await;
    let depth = 10_000;
    let arrays = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let open = "[".repeat(100_000);
    let within = format!(r#"{{"description": {arrays}, "settings": {objects}}}"#);
    let text = format!(r#"[{{"edge": "roles", "filter": "{}key == 'a'{}"}}]"#, "(".repeat(4000), ")".repeat(4000));
    let nots = format!(r#"[{{"edge": "roles", "filter": "{}key == 'a'"}}]"#, "not ".repeat(10_000));
    let many = format!(r#"[{{"edge": "roles", "filter": "key == 'a'{}"}}]"#, " or key == 'a'".repeat(20_000));
    for body in [&arrays, &objects, &open, &within, &text, &nots, &many] {
        for (method, path) in [
            ("PUT", "/resources/iam/roles/a:b"),
            ("PUT", "/resources/iam/clients/c"),
            ("PUT", "/resources/iam/principals/6ba7b810-9dad-41d1-80b4-00c04fd430c8"),
            ("POST", "/resources/iam/apply"),
            ("POST", "/resources/graph"),
            ("POST", "/resources/graph/query"),
            ("POST", "/resources/sendings/email"),
            ("POST", "/resources/me/email/validate"),
            ("POST", "/AppServer/auth/apphost"),
        ] {
            let request = s.rp.http.request(method.parse().unwrap(), s.app.url(path)).bearer_auth(&owner.token);
            let answer = send(request.header("content-type", "application/json").body(body.clone())).await;
            assert!(answer.status.is_client_error(), "{path} {body:.40}: {} {}", answer.status, answer.body);
        }
    }
    for claims in [&arrays[..9000], &objects[..9000], r#"{"id_token":{"a":[[[[[[[[[[]]]]]]]]]]}}"#] {
        let page = s.browser.get(&s.rp.authorization(&[("claims", claims)]).url).await;
        assert!(!page.status.is_server_error(), "{}", page.status);
    }
    assert_eq!(owner.get("/resources/iam/roles").await.said(), "200", "and the server is well");
}

// 39
#[tokio::test]
async fn a_password_is_hashed_only_if_it_is_short_enough_and_there_is_room() {
    let s = stage_with(
        |config| {
            config.passwords.argon2_memory_kib = 16_384;
            config.passwords.argon2_iterations = 3;
            config.passwords.hash_threads = Some(1);
            config.passwords.hash_queue = 2;
            config.login.free_attempts_address = 10_000;
            config.workers = Some(2);
        },
        |client| {
            client.scopes = "openid me:* appserver/api:access".parse().unwrap();
            client.first_party = true;
        },
    )
    .await;
    let browser = Browser::new();
    let login = browser.open(&s.app.url("/login")).await;
    // many at once: each waits for a place, is refused with a time to come back, or is answered
    let guesses = (0..24).map(|n| {
        let form =
            login.form_of("sign-in").filled(&[("username", &format!("p{n}@example.com")), ("password", "wrong")]);
        browser.send(browser.form_request(&form))
    });
    let pages = futures_util::future::join_all(guesses).await;
    let statuses: Vec<u16> = pages.iter().map(|page| page.status.as_u16()).collect();
    assert!(statuses.iter().all(|status| [422, 503].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&422) && statuses.contains(&503), "{statuses:?}");
    for page in pages.iter().filter(|page| page.status.as_u16() == 503) {
        assert!(page.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
    }
    // and what is too long is refused by its length at every face, whether or not there is room
    let api = Api::new(&s.app, &s.tokens("openid me:*").await.access_token, &s.ada);
    let (password, account) = (s.browser.open(&s.app.url("/password")).await, PASSWORD);
    for length in [2_000, 5_000, 60_000, 200_000] {
        let long = "Aa1-".repeat(length / 4);
        let fields = [("current_password", long.as_str()), ("new_password", &long), ("password_confirmation", &long)];
        let page = s.browser.send(s.browser.form_request(&password.form_of("save-password").filled(&fields))).await;
        assert!(page.status.is_client_error(), "{length}: {}", page.status);
        for (current, new) in [(account, long.as_str()), (long.as_str(), "Seven-purple-teapots-9")] {
            let body = json!({"currentPassword": current, "newPassword": new});
            let answer = api.post("/resources/me/password", body).await;
            assert!(answer.status.is_client_error(), "{length}: {}", answer.said());
        }
        let auth = json!({"authString": format!("Module=RoleBasedPerson;User={ADA};Password={long}")});
        let answer = Program::new(&s.app).post("/auth/apphost", auth).await;
        assert!(answer.status.is_client_error(), "{length}: {}", answer.status);
    }
    assert_eq!(Browser::new().sign_in(&s.app, ADA, PASSWORD).await.url.path(), "/account");
}

// 40
#[tokio::test]
async fn a_request_has_one_host_and_one_meaning() {
    let s = stage().await;
    s.app.expect_errors("request parse error");
    let ok = "GET /oauth/jwks HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
    assert_eq!(statuses(&exchange(&s.app, format!("{ok}\r\n")).await), [200]);
    for (what, request) in [
        ("no host", "GET /oauth/jwks HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned()),
        ("two hosts", format!("{ok}host: evil.example\r\n\r\n")),
        ("the same host twice", format!("{ok}host: localhost\r\n\r\n")),
        ("a host in another case", format!("{ok}Host: evil.example\r\n\r\n")),
        ("a host with a blank before the colon", "GET /oauth/jwks HTTP/1.1\r\nhost : localhost\r\n\r\n".to_owned()),
        ("a header that is folded", format!("{ok}x: a\r\n\tb: c\r\n\r\n")),
        ("a folded host", "GET /oauth/jwks HTTP/1.1\r\nhost:\r\n localhost\r\n\r\n".to_owned()),
        ("NUL in a header", format!("{ok}x: a\0b\r\n\r\n")),
        ("a bare CR in a header", format!("{ok}x: a\rhost: evil.example\r\n\r\n")),
        ("a name with a blank", format!("{ok}a b: c\r\n\r\n")),
        ("a header without a colon", format!("{ok}abc\r\n\r\n")),
        ("a blank first", " GET /oauth/jwks HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned()),
        ("a blank in the target", "GET /oauth/jwks x HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned()),
        ("a version that is none", "GET /oauth/jwks HTTP/9.9\r\nhost: localhost\r\n\r\n".to_owned()),
        ("the preface of HTTP/2 in the clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("a proxy's request", "CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example\r\n\r\n".to_owned()),
        ("a control character in the target", "GET /oauth/jwks\x01 HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned()),
    ] {
        let seen = statuses(&exchange(&s.app, request).await);
        assert!(!seen.contains(&200), "{what}: {seen:?}");
    }
    // a body whose end is in doubt is not the beginning of another request
    let smuggled = "GET /oauth/jwks HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let head = format!("POST /oauth/token HTTP/1.1\r\nhost: localhost\r\ncontent-type: {FORM}\r\n");
    for (what, rest) in [
        ("two codings", "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n"),
        ("chunked twice", "transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        ("chunked and more", "transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
        ("a coding in quotes", "transfer-encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
        ("a coding after a tab", "transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n"),
        ("length and coding", "transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n"),
        ("lengths that differ", "content-length: 5\r\ncontent-length: 6\r\n\r\nabcde"),
        ("lengths in a list", "content-length: 5, 6\r\n\r\nabcde"),
        ("a length in hexadecimal", "content-length: 0x5\r\n\r\nabcde"),
        ("a negative length", "content-length: -5\r\n\r\n"),
        ("a length beyond numbers", "content-length: 99999999999999999999\r\n\r\nabcde"),
        (
            "a chunk that is too long for a number",
            "transfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
        ),
        ("a chunk with a sign", "transfer-encoding: chunked\r\n\r\n+5\r\nabcde\r\n0\r\n\r\n"),
        ("a chunk in words", "transfer-encoding: chunked\r\n\r\nfive\r\nabcde\r\n0\r\n\r\n"),
        ("a chunk that is longer than it says", "transfer-encoding: chunked\r\n\r\n1\r\nabcde\r\n0\r\n\r\n"),
        ("a line feed alone after the size", "transfer-encoding: chunked\r\n\r\n5\nabcde\r\n0\r\n\r\n"),
    ] {
        let seen = statuses(&exchange(&s.app, format!("{head}{rest}{smuggled}")).await);
        assert!(!seen.contains(&200), "{what}: {seen:?}");
    }
    // a chunk without end is waited for and is no request
    let mut stream = connect(&s.app).await;
    let endless = format!("{head}transfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFF\r\n{smuggled}{smuggled}");
    stream.write_all(endless.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(!statuses(&answered(&mut stream).await).contains(&200));
}

// 40, 41
#[tokio::test]
async fn no_spelling_of_a_path_gets_around_a_permission() {
    let s = stage().await;
    let owner = Api::owner(&s.app).await;
    let reader = Api::holding(&s.app, "reader", &["iam/roles:read"]).await;
    let target = "/resources/iam/principals";
    let spellings = [
        "/x/..;/resources/iam/principals",
        "/resources/iam/roles/..;/principals",
        "/resources/iam/roles/../principals",
        "/resources/iam/roles/%2e%2e/principals",
        "/resources/iam/roles/%2E%2E%2Fprincipals",
        "/resources/iam/roles/..%2fprincipals",
        "/resources/iam/roles/..%252fprincipals",
        "/resources/iam/roles/..%c0%afprincipals",
        "/resources/iam/roles/..\\principals",
        "/resources/iam/roles;/../principals",
        "//resources/iam/principals",
        "/resources//iam/principals",
        "/resources/iam//principals",
        "/./resources/iam/principals",
        "/resources/./iam/principals",
        "/resources/iam/principals/",
        "/resources/iam/principals//",
        "/resources/iam/principals;x=1",
        "/resources/iam;x=1/principals",
        "/resources/iam/principals.json",
        "/resources/iam/principals%20",
        "/resources/iam/principals%00",
        "/resources/iam/principals%09",
        "/resources/iam/principals%3f",
        "/resources/iam/principals%23",
        "/resources/iam/PRINCIPALS",
        "/RESOURCES/iam/principals",
        "/resources/iam/principal%73",
        "/resources%2fiam%2fprincipals",
        "/%72esources/iam/principals",
        "/oauth/..%2fresources/iam/principals",
        "/static/../resources/iam/principals",
        "/static/..;/resources/iam/principals",
        "/AppServer/../resources/iam/principals",
        "/AppServer/..;/resources/iam/principals",
        "http://localhost/resources/iam/principals",
        "http://evil.example/resources/iam/principals",
        "resources/iam/principals",
        "*",
    ];
    let ask = async |path: &str, token: &str, more: &str| {
        let bearer = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
        let answer = exchange(&s.app, get(path, &format!("{bearer}{more}"))).await;
        assert!(!answer.contains(ADA) || token == owner.token, "{path} {more}: {answer}");
        statuses(&answer)
    };
    assert_eq!(ask(target, &owner.token, "").await, [200]);
    assert_eq!(ask(target, &reader.token, "").await, [403]);
    assert_eq!(ask(target, "", "").await, [401]);
    for path in spellings {
        for token in ["", reader.token.as_str()] {
            let seen = ask(path, token, "").await;
            assert!(!seen.contains(&200), "{path}: {seen:?}");
        }
        // to who may, it is either that very route or none: a proxy before it can go by the path
        let seen = ask(path, &owner.token, "").await;
        let decoded = ["/resources/iam/principal%73", "/%72esources/iam/principals"].contains(&path);
        let absolute = path.starts_with("http://");
        assert!(seen.iter().all(|status| [400, 404, 405].contains(status)) || decoded || absolute, "{path}: {seen:?}");
    }
    for header in [
        "x-original-url: /resources/iam/principals\r\n",
        "x-rewrite-url: /resources/iam/principals\r\n",
        "x-forwarded-prefix: /resources/iam\r\n",
        "x-forwarded-uri: /resources/iam/principals\r\n",
        "x-http-method-override: GET\r\n",
        "x-method-override: DELETE\r\n",
    ] {
        assert_eq!(ask(target, &reader.token, header).await, [403], "{header}");
        assert_eq!(ask("/oauth/jwks", &reader.token, header).await, [200], "{header}");
    }
}

// 37
#[tokio::test]
async fn nothing_in_a_query_is_read_as_another_query() {
    let s = stage().await;
    let owner = Api::owner(&s.app).await;
    s.app.role("shop:clerk", &["shop:read"]).await;
    let texts = [
        "' OR '1'='1",
        "\" OR \"\"=\"",
        "%",
        "_",
        "%%",
        "a%",
        "\\",
        "\\%",
        "'; DROP TABLE principal; --",
        "') UNION SELECT id, password_hash FROM principal --",
        "$1",
        "?1",
        ":name",
        "{{7*7}}",
        "*",
        "NULL",
        "0x61",
        "1;SELECT pg_sleep(10)",
        "/**/",
        "\u{2019} OR 1=1",
        "[a-z]",
        "a\\'b",
    ];
    let lists = [
        ("principals", &["name", "email", "q", "role", "roles", "rolePrefix"][..]),
        ("clients", &["name", "q", "role", "roles", "rolePrefix"]),
        ("roles", &["prefix"]),
        ("audit", &["action", "actor", "client", "target", "outcome", "since", "until"]),
    ];
    for (list, names) in lists {
        let path = |name: &str, text: &str| {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair(name, text).finish();
            format!("/resources/iam/{list}?{query}")
        };
        for text in texts {
            for name in names {
                let answer = owner.get(&path(name, text)).await;
                assert!(
                    answer.status.is_client_error() || answer.status == 200,
                    "{list} {name}={text}: {}",
                    answer.body
                );
                assert!(!answer.body.contains("UNKNOWN_PARAMETER"), "{list} has no {name}");
                if answer.status == 200 {
                    assert_eq!(
                        answer.json()[if list == "audit" { "events" } else { list }],
                        json!([]),
                        "{list} {name}={text}"
                    );
                }
            }
            for name in ["orderBy", "after", "before", "limit", "includeSuspended", text] {
                let answer = owner.get(&path(name, text)).await;
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{list} {name}={text}: {}", answer.body);
            }
        }
        for order in [
            "name; DROP TABLE role",
            "name,(SELECT 1)",
            "name desc, id",
            "password_hash",
            "(CASE WHEN 1=1 THEN name END)",
        ] {
            assert_eq!(owner.get(&path("orderBy", order)).await.status, StatusCode::BAD_REQUEST, "{list} {order}");
        }
    }
    for text in texts {
        let quoted = text.replace('\\', "\\\\").replace('\'', "\\'");
        for filter in
            [format!("name == '{quoted}'"), format!("name contains '{quoted}'"), format!("email startswith '{quoted}'")]
        {
            let answer = owner.post("/resources/graph", json!([{"edge": "identities", "filter": filter}])).await;
            assert!(
                answer.status.is_client_error() || answer.json()[0]["nodes"] == json!([]),
                "{filter}: {}",
                answer.body
            );
        }
        let unquoted = owner
            .post("/resources/graph", json!([{"edge": "identities", "filter": format!("name == '{text}'")}]))
            .await;
        let found = unquoted.status == 200 && unquoted.json()[0]["nodes"] != json!([]);
        assert!(!found, "{text}: {}", unquoted.body);
        for op in ["eq", "contains", "startswith", text] {
            let filters = json!([{"field": "name", "op": op, "value": text}]);
            let answer =
                owner.post("/resources/graph/query", json!({"resource": "identity", "filters": filters})).await;
            assert!(
                answer.status.is_client_error() || answer.json()["items"] == json!([]),
                "{op} {text}: {}",
                answer.body
            );
        }
        let filters = json!([{"field": text, "op": "eq", "value": "x"}]);
        let answer = owner.post("/resources/graph/query", json!({"resource": "identity", "filters": filters})).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{text}: {}", answer.body);
    }
    assert_eq!(owner.get("/resources/iam/principals").await.object(200)["totalCount"], 1, "all is still there");
}
