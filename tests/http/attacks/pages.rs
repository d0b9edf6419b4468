//! What pages, mails and answers show, and to whom.

use std::{fs, path::Path, time::Duration};

use reqwest::{Method, StatusCode, Url};
use serde_json::json;

use super::{exchange, statuses};
use crate::{
    appserver::{Program, told},
    stage::{ADA, stage, stage_with},
    support::{
        PASSWORD, TestApp,
        api::Api,
        browser::{Browser, Page},
        contract,
        relying_party::{RelyingParty, claims_of, send},
        smtp,
    },
};

// 20, 28
#[tokio::test]
async fn headers_of_an_untrusted_peer_change_nothing() {
    let s = stage().await;
    let headers = [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-prefix", "/evil"),
        ("x-original-url", "/oauth/jwks"),
        ("x-rewrite-url", "/oauth/jwks"),
        ("x-http-method-override", "DELETE"),
        ("forwarded", "host=evil.example;proto=https"),
        ("ssl-client-cert", "-----BEGIN CERTIFICATE-----"),
        ("x-client-cert", "app"),
        ("x-remote-user", ADA),
    ];
    let mut request = s.browser.request(Method::GET, &s.rp.authorization(&[]).url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let login = s.browser.send(request).await;
    assert_eq!((login.status, login.form_of("sign-in").action.as_str()), (StatusCode::OK, &*s.app.url("/login")));
    assert!(!login.body.contains("evil.example"));
    let mut request =
        s.rp.http.post(s.app.url("/oauth/token")).form(&[("grant_type", "client_credentials"), ("client_id", "app")]);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    assert_eq!(send(request).await.outcome(), "401 invalid_client");
}

/// Texts that become something else in HTML, attributes, scripts, styles or addresses.
const HOSTILE: [&str; 12] = [
    "<script>alert(1)</script>",
    "\"><script>alert(1)</script>",
    "'><img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)",
    "javascript:alert(1)",
    "</title><svg onload=alert(1)>",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "&lt;script&gt;",
    "</style><script>alert(1)</script>",
    "\u{202e}gnp.exe",
    "x\u{2028}y",
    "`;alert(1)//",
];

/// Fails if a page holds an element or attribute that its templates do not hold, as a browser reads it.
fn assert_inert(page: &Page, what: &str) {
    let foreign = ["svg", "img[src=x]", "[onerror]", "[onmouseover]", "[onload]", "script:not([src])", "style"];
    for element in
        foreign.into_iter().chain(["[href^='javascript:']", "[action^='javascript:']", "[src^='javascript:']"])
    {
        assert!(!page.has(element), "{what}: {element} in {}", page.body);
    }
}

// 34
#[tokio::test]
async fn what_somebody_sends_is_text_on_every_page() {
    for hostile in HOSTILE {
        let s = stage_with(
            |config| config.branding.name = hostile.to_owned(),
            |client| {
                client.name = hostile.to_owned();
                client.metadata.policy_uri = Some(hostile.to_owned());
                client.metadata.tos_uri = Some(hostile.to_owned());
            },
        )
        .await;
        s.app.principal("eve@example.com", &[], |eve| eve.name = Some(hostile.to_owned())).await;
        let parameters: Vec<(&str, &str)> =
            ["login_hint", "ui_locales", "state", "acr_values", "nonce", "display", "x"]
                .into_iter()
                .map(|name| (name, hostile))
                .collect();
        let authorization = s.rp.authorization(&parameters);
        let login = s.browser.open(&authorization.url).await;
        assert!(login.has("#login-form"));
        assert_inert(&login, "login");
        assert_eq!(login.attribute("#username", "value").as_deref(), Some(hostile), "and complete");
        let wrong = s.browser.press(&login, "sign-in", &[("username", hostile), ("password", hostile)]).await;
        assert_inert(&wrong, "login again");
        let fields = [("username", "eve@example.com"), ("password", PASSWORD)];
        let consent = s.browser.press(&login, "sign-in", &fields).await;
        assert!(consent.has("#allow"));
        assert_inert(&consent, "consent");
        assert_inert(&s.browser.open(&s.app.url("/account")).await, "account");
        assert_inert(&s.browser.open(&s.app.url("/logout")).await, "logout");
        let callback = s.browser.press(&consent, "allow", &[]).await.callback();
        assert_eq!(callback.get("state"), hostile);
        let form_post = s.rp.authorization(&[("state", hostile), ("response_mode", "form_post")]);
        let page = s.browser.open(&form_post.url).await;
        assert_inert(&page, "form post");
        assert_eq!(page.callback().get("state"), hostile);
        for name in ["client_id", "redirect_uri", "response_type", "scope", "request", "prompt", "claims"] {
            let page = s.browser.open(&s.rp.authorization(&[(name, hostile)]).url).await;
            assert_inert(&page, name);
        }
        for (path, name) in
            [("/oauth/logout", "client_id"), ("/oauth/logout", "post_logout_redirect_uri"), ("/oauth/logout", "state")]
        {
            let url = Url::parse_with_params(&s.app.url(path), [(name, hostile)]).unwrap();
            assert_inert(&s.browser.open(url.as_str()).await, name);
        }
        // JSON is never taken for HTML
        let answer = s.rp.token(&[("grant_type", hostile)]).await;
        assert_eq!(answer.header("content-type"), "application/json");
    }
}

// row 33: what is asked for by name is asked of the person, and only where the client is registered for it
#[tokio::test]
async fn the_claims_parameter_passes_neither_consent_nor_registration() {
    let claims = r#"{"userinfo":{"email":null},"id_token":{"email":null}}"#;
    let s = stage_with(|_| {}, |client| client.scopes = "openid email".parse().unwrap()).await;
    s.tokens("openid").await;
    let silent = s.browser.open(&s.rp.authorization(&[("claims", claims), ("prompt", "none")]).url).await;
    assert_eq!(silent.callback().get("error"), "consent_required");
    let page = s.browser.open(&s.rp.authorization(&[("claims", claims)]).url).await;
    assert!(page.body.contains("email"), "the person is asked: {}", page.body);
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("claims", claims)]).await;
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    assert_eq!(claims_of(&tokens.id_token)["email"], ADA);
    let again = s.browser.open(&s.rp.authorization(&[("claims", claims), ("prompt", "none")]).url).await;
    assert!(!again.callback().code().is_empty(), "and the answer is remembered");

    let s = stage_with(|_| {}, |client| client.scopes = "openid".parse().unwrap()).await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("claims", claims)]).await;
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    assert!(!claims_of(&tokens.id_token).contains_key("email"));
    assert!(s.rp.userinfo(&tokens.access_token).await.json().get("email").is_none());
}

/// A server that writes its mails into a folder.
async fn writing(folder: &Path) -> TestApp {
    TestApp::spawn_with(|config| {
        config.mail.directory = Some(folder.to_owned());
        config.mail.from = Some("no-reply@keyward.example".to_owned());
    })
    .await
}

/// The mails in a folder, once there are so many.
async fn mails(folder: &Path, count: usize) -> Vec<String> {
    for _ in 0..6000 {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "eml")).collect();
        if files.len() >= count {
            return files.iter().map(|path| smtp::decoded(&fs::read_to_string(path).unwrap())).collect();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the mail was not written");
}

/// Headers that say that the server is somebody else's.
const MISLEADING: [(&str, &str); 9] = [
    ("host", "evil.example"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-port", "6666"),
    ("x-forwarded-prefix", "/evil.example"),
    ("x-host", "evil.example"),
    ("x-original-host", "evil.example"),
    ("forwarded", "for=1.2.3.4;host=evil.example;proto=https"),
    ("referer", "https://evil.example/"),
];

// 28
#[tokio::test]
async fn a_hostile_host_is_in_no_link_no_redirect_and_no_metadata() {
    let s = stage().await;
    let session = s.tokens("openid").await;
    let port = s.port();
    let lines: String = MISLEADING.iter().skip(1).map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let cookie = format!("cookie: keyward_session_{port}={}\r\n", s.browser.cookie(&s.app, "keyward_session").unwrap());
    let path = |url: String| url[s.app.issuer.len()..].to_owned();
    let targets = [
        "/".to_owned(),
        "/login".to_owned(),
        "/account".to_owned(),
        "/password".to_owned(),
        "/setup".to_owned(),
        "/logout".to_owned(),
        "/nothing".to_owned(),
        "/health/ready".to_owned(),
        "/.well-known/openid-configuration".to_owned(),
        "/.well-known/oauth-authorization-server".to_owned(),
        "/oauth/jwks".to_owned(),
        "/oauth/userinfo".to_owned(),
        "/oauth/logout".to_owned(),
        format!("/oauth/logout?id_token_hint={}&post_logout_redirect_uri=https://app.example/bye", session.id_token),
        "/resources/docs".to_owned(),
        "/resources/openapi.json".to_owned(),
        "/resources/me".to_owned(),
        "/AppServer/auth".to_owned(),
        path(s.rp.authorization(&[]).url),
        path(s.rp.authorization(&[("prompt", "login")]).url),
        path(s.rp.authorization(&[("response_mode", "form_post")]).url),
        path(s.rp.authorization(&[("client_id", "nobody")]).url),
    ];
    for host in ["evil.example", "localhost:1@evil.example", "evil.example:80", "localhost.evil.example"] {
        for target in &targets {
            for accept in ["application/json", "text/html"] {
                let request = format!(
                    "GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\naccept: {accept}\r\n{lines}{cookie}\r\n"
                );
                let answer = exchange(&s.app, request).await;
                let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
                assert!(!head.contains("evil.example"), "{host} {target}: {head}");
                // who opened the page under another address is shown that address, as text
                let misdirected = statuses(&answer) == [421];
                assert_eq!(misdirected, accept == "text/html" && body.contains("This server has another address"));
                assert!(misdirected || !body.contains("evil.example"), "{host} {target}: {body}");
                let html = scraper::Html::parse_document(body);
                let links = scraper::Selector::parse("[href], [src], [action], [content], [formaction]").unwrap();
                for element in html.select(&links) {
                    let values = element.value().attrs().map(|(_, value)| value).collect::<String>();
                    assert!(!values.contains("evil.example"), "{host} {target}: {values}");
                }
            }
        }
    }
}

// 28, 34
#[tokio::test]
async fn mails_are_about_this_server_whatever_the_request_said() {
    let folder = tempfile::tempdir().unwrap();
    let app = writing(folder.path()).await;
    app.principal(ADA, &[], |ada| ada.name = Some("<script>alert(1)</script>".to_owned())).await;
    Browser::new().sign_in(&app, ADA, PASSWORD).await;
    let with = |request: reqwest::RequestBuilder| {
        MISLEADING.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    };
    // a sign-in from a browser whose name is an attack
    let browser = Browser::new();
    let page = browser.open(&app.url("/login")).await;
    let form = page.form_of("sign-in").filled(&[("username", ADA), ("password", PASSWORD)]);
    let agent = "<a href=https://evil.example>Firefox</a> <img src=x onerror=alert(1)> {{7*7}} Bcc: x@evil.example";
    let signed_in = browser.send(with(browser.form_request(&form)).header("user-agent", agent)).await;
    assert_eq!(signed_in.location().unwrap().as_str(), app.url("/account"));
    // and a new address, asked for under another name of the server
    let client = app.client("portal", &[], |client| {
        client.scopes = "openid me:*".parse().unwrap();
        client.first_party = true;
    });
    let rp = RelyingParty::new(&app, &client.await);
    let token = rp.sign_in(&browser, ADA, "openid me:*").await.access_token;
    let request = rp.http.post(app.url("/resources/me/email/change")).bearer_auth(token);
    let asked = send(with(request).json(&json!({"email": "new@example.org"}))).await;
    assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
    for mail in mails(folder.path(), 2).await {
        assert!(mail.contains(&app.issuer), "{mail}");
        for foreign in ["evil.example", ":6666", "<script", "onerror", "<img"] {
            assert!(!mail.contains(foreign), "{foreign}: {mail}");
        }
        let head = mail.split("\r\n\r\n").next().unwrap().to_ascii_lowercase();
        assert!(!head.contains("bcc") && head.matches("\r\nto: ").count() == 1, "{head}");
    }
}

// 34
#[tokio::test]
async fn what_somebody_sends_to_an_api_is_never_answered_as_a_page() {
    let s = stage().await;
    let owner = Api::owner(&s.app).await;
    for hostile in HOSTILE {
        let encoded: String = form_urlencoded::byte_serialize(hostile.as_bytes()).collect();
        let encoded = encoded.replace('+', "%20");
        let bearer = |request: reqwest::RequestBuilder| request.bearer_auth(&owner.token);
        let http = &s.rp.http;
        let url = |path: &str| s.app.url(path);
        let requests = [
            bearer(http.get(url(&format!("/resources/iam/principals?orderBy={encoded}")))),
            bearer(http.get(url(&format!("/resources/iam/principals?{encoded}=x")))),
            bearer(http.get(url(&format!("/resources/iam/roles/{encoded}")))),
            bearer(http.put(url(&format!("/resources/iam/roles/{encoded}"))).json(&json!({hostile: hostile}))),
            bearer(http.put(url("/resources/iam/roles/a:b")).json(&json!({"description": hostile}))),
            bearer(http.get(url("/resources/iam/roles/a:b"))),
            bearer(http.post(url("/resources/graph")).json(&json!([{"edge": hostile, "filter": hostile}]))),
            bearer(http.post(url("/resources/graph/query")).json(&json!({"resource": hostile}))),
            bearer(http.post(url("/resources/iam/apply")).json(&json!({hostile: []}))),
            bearer(http.put(url("/resources/iam/roles/a:b")).header("content-type", "text/html").body(hostile)),
            bearer(http.get(url("/resources/iam/roles/a:b"))).header("idempotency-key", "<script>"),
            http.get(url("/resources/me")).header("authorization", "Bearer <script>alert(1)</script>"),
            http.post(url("/oauth/token")).form(&[("grant_type", hostile), ("client_id", hostile)]),
            http.post(url("/oauth/introspect")).form(&[("token", hostile), (hostile, "x")]),
            http.get(url(&format!("/{encoded}"))),
            http.get(url(&format!("/oauth/{encoded}"))),
            http.post(url("/AppServer/auth/apphost")).json(&json!({"authString": format!("Module={hostile}")})),
            http.get(url(&format!("/AppServer/appserver/authmodules/{encoded}"))),
            http.get(url(&format!("/static/{encoded}"))),
        ];
        for request in requests {
            let answer = send(request.header("accept", "*/*")).await;
            let kind = answer.header("content-type");
            let data = ["application/json", "application/problem+json", "text/plain; charset=utf-8"].contains(&kind);
            assert!(data, "{kind}: {}", answer.body);
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{}", answer.body);
            assert!(!answer.status.is_server_error(), "{}", answer.body);
        }
    }
}

// 35
#[tokio::test]
async fn no_script_of_another_site_reads_an_api_or_acts_with_cookies() {
    let s = stage().await;
    s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    let program = Program::new(&s.app);
    let operations = contract::operations();
    let more = ["/AppServer/auth", "/AppServer/auth/apphost", "/AppServer/appserver/authmodules"];
    let more = more.map(|path| (Method::GET, path));
    let all = operations.into_iter().map(|(method, path, _)| (method, path)).chain(more);
    for (method, path) in all {
        let path = path.replace(['{', '}'], "");
        for origin in ["https://evil.example", "null", "http://localhost", &s.app.issuer] {
            let request = s.browser.request(method.clone(), &s.app.url(&path)).header("origin", origin);
            let answer = s.browser.send(request).await;
            let preflight = s
                .browser
                .request(Method::OPTIONS, &s.app.url(&path))
                .header("origin", origin)
                .header("access-control-request-method", method.as_str())
                .header("access-control-request-headers", "authorization, content-type, x-evil");
            let preflight = s.browser.send(preflight).await;
            for page in [&answer, &preflight] {
                let allowed = page.header("access-control-allow-origin");
                // what anybody may read needs a token or is public, and is told to no script together with cookies
                assert!(matches!(allowed, "" | "*"), "{method} {path} {origin}: {allowed}");
                assert_eq!(page.header("access-control-allow-credentials"), "", "{method} {path} {origin}");
            }
            // the pages' cookie is no token
            let public =
                ["/oauth/", "/.well-known/", "/resources/openapi.json", "/resources/docs", "/AppServer/appserver"];
            if !public.iter().any(|prefix| path.starts_with(prefix)) && !path.ends_with("/email/validate") {
                assert!(answer.status.is_client_error(), "{method} {path}: {} by a cookie", answer.status);
            }
        }
    }
    assert_eq!(told(&program.by_password(ADA).await), "401 1104");
    let docs = s.browser.get(&s.app.url("/resources/docs")).await;
    let policy = docs.header("content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe-eval"), "{policy}");
    assert_eq!(docs.header("x-frame-options"), "DENY");
}

// 33
#[tokio::test]
async fn no_form_of_a_page_is_taken_from_elsewhere() {
    let s = stage().await;
    s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    let link = keyward::identity::setup::mint_link(&s.app.app.store, s.app.now()).await.unwrap();
    let fresh = Browser::new();
    let new = "Quite-another-43-lantern";
    let chosen = [("current_password", PASSWORD), ("new_password", new), ("password_confirmation", new)];
    let owner = [("name", "O"), ("email", "o@example.com"), ("new_password", new), ("password_confirmation", new)];
    let sign_in = [("username", ADA), ("password", PASSWORD)];
    let open = async |browser: &Browser, url: &str| browser.open(url).await;
    let forms = [
        (&fresh, open(&fresh, &s.app.url("/login")).await.form_of("sign-in").filled(&sign_in)),
        (
            &fresh,
            open(&fresh, &s.app.url(&format!("/setup?token={}", link.reveal())))
                .await
                .form_of("create-owner")
                .filled(&owner),
        ),
        (&s.browser, open(&s.browser, &s.app.url("/password")).await.form_of("save-password").filled(&chosen)),
        (&s.browser, open(&s.browser, &s.rp.authorization(&[]).url).await.form_of("allow")),
        (&s.browser, open(&s.browser, &s.app.url("/account")).await.form_of("sign-out")),
    ];
    let other_token = s.browser.open(&s.app.url("/password")).await.attribute("[name=csrf_token]", "value").unwrap();
    for (browser, form) in &forms {
        let without = |name: &str, value: &str| {
            let mut form = form.clone();
            form.fields.retain(|(field, _)| field != name);
            form.fields.extend((!value.is_empty()).then(|| (name.to_owned(), value.to_owned())));
            form
        };
        let own = form.fields.iter().find(|(name, _)| name == "csrf_token").unwrap().1.clone();
        let mut attempts = vec![
            ("no token", browser.form_request(&without("csrf_token", ""))),
            ("no cookie", Browser::new().form_request(form)),
            ("the token in the query only", {
                let mut form = without("csrf_token", "");
                form.action.query_pairs_mut().append_pair("csrf_token", &own);
                browser.form_request(&form)
            }),
            ("the token in capitals", browser.form_request(&without("csrf_token", &own.to_uppercase()))),
            (
                "as text",
                browser
                    .request(Method::POST, form.action.as_str())
                    .header("content-type", "text/plain")
                    .body(own.clone()),
            ),
        ];
        if own != other_token {
            attempts.push(("the token of another form", browser.form_request(&without("csrf_token", &other_token))));
        }
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "http://localhost"),
            ("origin", ""),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", ""),
        ] {
            attempts.push((value, browser.form_request(form).header(name, value)));
        }
        for (what, attempt) in attempts {
            let page = browser.send(attempt).await;
            let done = page.status == StatusCode::SEE_OTHER
                && page
                    .location()
                    .is_some_and(|url| !matches!(url.path(), "/login" | "/consent" | "/logout" | "/oauth/authorize"));
            assert!(!done, "{} {what}: {} {:?}", form.action, page.status, page.location());
        }
    }
    // nothing of it has happened
    assert!(s.browser.open(&s.app.url("/account")).await.has("#sign-out"));
    assert_eq!(fresh.cookie(&s.app, "keyward_session"), None);
    assert_eq!(Browser::new().sign_in(&s.app, ADA, PASSWORD).await.url.path(), "/account");
    assert!(fresh.get(&s.app.url(&format!("/setup?token={}", link.reveal()))).await.has("#setup-form"));
    assert!(s.browser.open(&s.rp.authorization(&[]).url).await.has("#allow"));
}
