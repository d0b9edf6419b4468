//! What servers of this kind have fallen to. Each test names the attack; the number is the row of the list of attacks
//! that the project keeps.
//!
//! | row | where |
//! |---|---|
//! | 1, 2, 3, 5, 6, 7 | here |
//! | 4 | registration: unit tests of `model::redirect_uri`, until clients are registered over the network |
//! | 8, 9 | `oauth::token`, `oauth::refresh`; the session of a code: here |
//! | 10 | `races` |
//! | 11 | `oauth::refresh` |
//! | 12, 13 | here |
//! | 14 | fault injection: not in this binary |
//! | 15 | `pages::consent`, and here |
//! | 16 | here; assertions: `oauth::client_auth` |
//! | 17 | `oauth::client_auth`, `races` |
//! | 18 | here; the formats: unit tests of `keys` |
//! | 19 | by construction (`subtle`, look-up by hash) |
//! | 20 | client certificates are not there yet; forwarded headers: here |
//! | 21, 22 | `oauth::introspect`, here |
//! | 23 | `pages::login`, `races` |
//! | 24 | set-up links: `pages::setup`; codes by mail are not there yet |
//! | 25 | `pages::login`; recovery and registration are not there yet |
//! | 26, 31 | `pages::login`, `pages::password`, `pages::account` |
//! | 27 | `pages::journey`; second factors are not there yet |
//! | 28 | `oauth::discovery`, here |
//! | 29 | `oauth::refresh`, `oauth::token`, `pages::login`, here |
//! | 30 | `oauth::token`, `pages::setup` |
//! | 32 | linking and self service are not there yet |
//! | 33 | `pages::consent`, `oauth::authorize` |
//! | 34, 35 | here, `pages::account`, `server` |
//! | 36 | `oauth::client_auth`; addresses: unit tests of `fetch` |
//! | 37 | filters: `graph::dialects`, `graph::cost`; quotes in look-ups: here |
//! | 38, 39 | here, `server`, `pages::login` |
//! | 40 | here |
//! | 41 to 46 | administration is not there yet |

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::jws;
use keyward::{
    model::key::SigningAlgorithm,
    store::{self, principal::Principal},
};
use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    oauth::client_auth::sign,
    stage::{ADA, Stage, public, set_roles, stage, stage_with, suspend},
    support::{
        PASSWORD,
        browser::{Browser, Page, http},
        relying_party::{basic, claims_of, send},
    },
};

/// Addresses that look like `https://app.example/cb` to somebody who does not compare them.
const LOOKALIKES: [&str; 31] = [
    "https://evil.example/cb",
    "https://ok@app.example/cb",
    "https://app.example@evil.example/cb",
    "https://a@b@app.example/cb",
    "https://app.example\\@evil.example/cb",
    "https://app.example%25@evil.example/cb",
    "https://app.example%2540evil.example/cb",
    "https://app.example/cb/",
    "https://app.example/cb/../cb",
    "https://app.example/x/..;/cb",
    "https://app.example/x%2f..%2fcb",
    "https://app.example//cb",
    "https://app.example/CB",
    "https://APP.example/cb",
    "HTTPS://app.example/cb",
    "http://app.example/cb",
    "https://app.example/cb?x=1",
    "https://app.example/cb?",
    "https://app.example/cb#",
    "https://app.example/cb#fragment",
    "https://app.example:443/cb",
    "https://app.example:80/cb",
    "https://app.example./cb",
    "https://app.example/cb\t",
    "https://app.example/cb\n",
    " https://app.example/cb",
    "//app.example/cb",
    "https:app.example/cb",
    "https://app.example.evil.example/cb",
    "javascript:alert(1)//https://app.example/cb",
    "data:text/html,https://app.example/cb",
];

// 1, 2
#[tokio::test]
async fn a_redirect_uri_that_is_not_the_registered_string_never_gets_a_redirect() {
    let s = stage().await;
    s.tokens("openid").await;
    for uri in LOOKALIKES.into_iter().chain([&*"https://app.example/cb".repeat(1500)]) {
        for extra in [("x", "y"), ("response_mode", "form_post"), ("prompt", "none"), ("response_type", "token")] {
            let url = s.rp.authorization(&[("redirect_uri", uri), extra]).url;
            let page = s.browser.get(&url).await;
            assert!(page.status.is_client_error(), "{uri:.80} {extra:?}: {}", page.status);
            assert_eq!(page.location(), None, "{uri:.80} {extra:?}");
            assert!(!page.has("#response-form"));
        }
    }
    let nul = format!("{}%00", s.rp.authorization(&[]).url);
    let nul = s.browser.get(&nul.replace("app.example%2Fcb", "app.example%2Fcb%00")).await;
    assert_eq!((nul.status, nul.location()), (StatusCode::BAD_REQUEST, None));
    let url = s.rp.authorization(&[("redirect_uri", "")]).url;
    for name in ["redirect_uri[]", "redirect_uri%5B0%5D", "Redirect_Uri"] {
        let callback = s.browser.get(&format!("{url}&{name}=https%3A%2F%2Fevil.example")).await.callback();
        assert_eq!(callback.url.host_str(), Some("app.example"), "{name}");
    }
}

// 3
#[tokio::test]
async fn a_loopback_registration_lets_no_other_host_through() {
    let registered = ["http://127.0.0.1/cb", "http://localhost:3000/cb", "http://[::1]/cb"];
    let s = stage_with(|_| {}, |client| client.redirect_uris = registered.map(str::to_owned).to_vec()).await;
    for uri in [
        "http://localhost.evil.example/cb",
        "http://127.0.0.1.nip.io/cb",
        "http://127.0.0.1:80@evil.example/cb",
        "http://127.0.0.2/cb",
        "http://127.1/cb",
        "http://0/cb",
        "http://[::ffff:7f00:1]/cb",
        "https://localhost:3000/cb",
        "http://localhost:3000/cb/..",
        "http://localhost:99999/cb",
    ] {
        let page = s.browser.get(&s.rp.authorization(&[("redirect_uri", uri)]).url).await;
        assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None), "{uri}");
    }
    for uri in ["http://localhost:54321/cb", "http://[::1]:8/cb", "http://127.0.0.1:9/cb"] {
        assert!(s.browser.open(&s.rp.authorization(&[("redirect_uri", uri)]).url).await.has("#login-form"), "{uri}");
    }
}

// 6
#[tokio::test]
async fn a_repeated_parameter_is_refused_everywhere() {
    let s = stage().await;
    let tokens = s.tokens("openid").await;
    let (header, http) = (basic("app", &s.rp.client.secret), &s.rp.http);
    for (path, good) in [
        ("/oauth/token", "grant_type=client_credentials".to_owned()),
        ("/oauth/introspect", format!("token={}", tokens.access_token)),
        ("/oauth/revoke", format!("token={}", tokens.refresh_token)),
    ] {
        for extra in ["client_id=app&client_id=app", "x=1&x=2", good.as_str()] {
            let request = http.post(s.app.url(path)).header("authorization", &header);
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            let answer = send(request.body(format!("{good}&{extra}"))).await;
            assert_eq!(answer.outcome(), "400 invalid_request", "{path} {extra:.40}");
        }
    }
    assert!(s.rp.is_active(&tokens.refresh_token).await);
}

// 7
#[tokio::test]
async fn an_answer_carries_no_fragment_along_and_no_password_is_posted_on() {
    let s = stage().await;
    let page = s.browser.open(&s.rp.authorization(&[]).url).await;
    let next = s.browser.submit(&page, "sign-in", &[("username", ADA), ("password", PASSWORD)]).await;
    assert_eq!(next.status, StatusCode::SEE_OTHER);
    let consent = s.browser.follow(next).await;
    let answer = s.browser.submit(&consent, "allow", &[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let answer = s.browser.get(answer.location().unwrap().as_str()).await;
    let location = answer.header("location");
    assert!(location.starts_with("https://app.example/cb?code=") && location.ends_with('#'), "{location}");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    let error = s.browser.get(&s.rp.authorization(&[("response_type", "token")]).url).await;
    assert!(error.header("location").ends_with('#'));
}

// 9
#[tokio::test]
async fn a_code_of_one_session_does_not_pass_for_another_with_pkce_or_nonce() {
    let s = stage().await;
    let (_, attackers) = s.rp.authorize(&Browser::new(), ADA, &[]).await;
    let (victims, _) = s.rp.authorize(&s.browser, ADA, &[]).await;
    assert_eq!(s.rp.redeem(&victims, attackers.code()).await.outcome(), "400 invalid_grant");
}

// 12
#[tokio::test]
async fn a_one_time_secret_of_one_kind_is_worth_nothing_as_another() {
    let s = stage().await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("scope", "openid offline_access")]).await;
    let code = callback.code().to_owned();
    let session = s.browser.cookie(&s.app, "keyward_session").unwrap();
    let device = s.browser.cookie(&s.app, "keyward_device").unwrap();
    let tokens = s.tokens("openid offline_access").await;
    let login = s.browser.open(&s.rp.authorization(&[("prompt", "login")]).url).await;
    let sealed = login.attribute("[name=request]", "value").unwrap();
    let all = [&code, &session, &device, &tokens.refresh_token, &tokens.access_token, &tokens.id_token, &sealed];
    for secret in all {
        if *secret != tokens.refresh_token {
            assert_eq!(s.rp.refresh(secret).await.outcome(), "400 invalid_grant", "{secret:.10}");
        }
        if *secret != code {
            assert_eq!(s.rp.redeem(&authorization, secret).await.outcome(), "400 invalid_grant", "{secret:.10}");
        }
        if *secret != tokens.access_token {
            assert_eq!(s.rp.userinfo(secret).await.outcome(), "401 invalid_token", "{secret:.10}");
        }
        if *secret != session {
            let browser = Browser::new();
            let port = s.app.issuer.rsplit(':').next().unwrap();
            browser.set_cookie(&s.app, &format!("keyward_session_{port}={secret}"));
            assert_eq!(browser.open(&s.app.url("/account")).await.url.path(), "/login", "{secret:.10}");
        }
        assert!(!s.browser.get(&s.app.url(&format!("/setup?token={secret}"))).await.has("#setup-form"));
        assert_eq!(s.browser.get(&s.app.url(&format!("/password?ticket={secret}"))).await.status.as_u16(), 400);
        if *secret != sealed {
            for path in ["/login?request=", "/consent?request=", "/oauth/authorize?continue="] {
                let page = s.browser.get(&s.app.url(&format!("{path}{secret}"))).await;
                assert_eq!(page.status, StatusCode::BAD_REQUEST, "{path}{secret:.10}");
            }
        }
    }
    let page = s.browser.open(&s.app.url(&format!("/logout?request={sealed}"))).await;
    let form = page.form_of("sign-out");
    assert!(form.fields.iter().any(|(name, value)| name == "request" && value.is_empty()), "{:?}", form.fields);
    s.rp.redeem(&authorization, &code).await.tokens();
}

/// The same secret, a little different.
fn variants(secret: &str) -> Vec<String> {
    let flipped: String = secret
        .chars()
        .map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    let prefix = secret.split('_').next().unwrap();
    vec![
        secret[..secret.len() - 1].to_owned(),
        format!("{secret}A"),
        format!("{secret}="),
        format!("{secret} "),
        format!(" {secret}"),
        format!("{secret}%00"),
        format!("{secret}\n"),
        flipped,
        secret.replacen(prefix, &prefix.to_uppercase(), 1),
        secret.replacen('_', "", 1),
        format!("{secret}{secret}"),
        secret.replacen(prefix, "", 1),
    ]
}

// 13
#[tokio::test]
async fn a_credential_that_was_truncated_padded_or_flipped_is_worth_nothing() {
    let s = stage().await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("scope", "openid offline_access")]).await;
    for code in variants(callback.code()) {
        assert_eq!(s.rp.redeem(&authorization, &code).await.outcome(), "400 invalid_grant", "{code}");
    }
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    for token in variants(&tokens.refresh_token) {
        assert_eq!(s.rp.refresh(&token).await.outcome(), "400 invalid_grant", "{token}");
    }
    for secret in variants(&s.rp.client.secret) {
        let request = s.rp.http.post(s.app.url("/oauth/token")).header("authorization", basic("app", &secret));
        let answer = send(request.form(&[("grant_type", "client_credentials")])).await;
        assert_eq!(answer.outcome(), "401 invalid_client", "{secret}");
    }
    for token in [
        format!("{}A", tokens.access_token),
        format!("{}=", tokens.access_token),
        tokens.access_token.replace('.', ".."),
    ] {
        assert_eq!(s.rp.userinfo(&token).await.outcome(), "401 invalid_token", "{token:.40}");
    }
    s.rp.refresh(&tokens.refresh_token).await.tokens();
    // client ids are compared to the letter too
    for id in ["APP", "app ", " app", "app\0", "app%00"] {
        let url = s.rp.authorization(&[("client_id", id)]).url;
        assert_eq!(s.browser.get(&url).await.status, StatusCode::BAD_REQUEST, "{id:?}");
    }
}

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
async fn no_forged_token_is_believed_anywhere_and_none_costs_time() {
    let s = stage().await;
    let tokens = s.tokens("openid").await;
    assert_eq!(s.rp.userinfo(&tokens.access_token).await.outcome(), "200");
    for (what, token) in forgeries(&s, &tokens.access_token, &tokens.id_token).await {
        let begun = Instant::now();
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
        assert!(begun.elapsed() < Duration::from_secs(3), "{what}: {:?}", begun.elapsed());
    }
    assert!(s.rp.is_active(&tokens.access_token).await, "nor was the good one revoked by a forgery");
}

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
    let page = s.browser.send(request).await;
    let location = page.location().unwrap();
    assert!(location.as_str().starts_with(&s.app.url("/login?request=")), "{location}");
    let login = s.browser.follow(page).await;
    assert!(!login.body.contains("evil.example"));
    let mut request =
        s.rp.http.post(s.app.url("/oauth/token")).form(&[("grant_type", "client_credentials"), ("client_id", "app")]);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    assert_eq!(send(request).await.outcome(), "401 invalid_client");
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

// 15, 27, 29
#[tokio::test]
async fn what_is_suspended_on_the_way_does_not_arrive() {
    let s = stage().await;
    let page = s.browser.open(&s.rp.authorization(&[]).url).await;
    let consent = s.browser.press(&page, "sign-in", &[("username", ADA), ("password", PASSWORD)]).await;
    suspend(&s.app, &s.ada).await;
    assert!(s.browser.press(&consent, "allow", &[]).await.has("#login-form"));

    let s = stage().await;
    let page = s.browser.open(&s.rp.authorization(&[]).url).await;
    let now = s.app.now();
    s.reregister(|client| client.suspended_at = Some(now)).await;
    let next = s.browser.press(&page, "sign-in", &[("username", ADA), ("password", PASSWORD)]).await;
    assert_eq!((next.status, next.location()), (StatusCode::BAD_REQUEST, None));
    assert_eq!(s.rp.client_credentials("openid").await.outcome(), "401 invalid_client");
    assert_eq!(s.rp.introspect("x").await.outcome(), "401 invalid_client");
    assert_eq!(s.rp.revoke("x").await.outcome(), "401 invalid_client");
}

// 29
#[tokio::test]
async fn a_suspended_clients_own_token_and_permissions_are_gone() {
    let s = stage().await;
    s.app.role("watcher", &["oauth/tokens:introspect"]).await;
    let service = s.other("service", |_| {}).await;
    set_roles(&s.app, "service", &["watcher"]).await;
    let own = s.rp.token(&[("grant_type", "client_credentials")]).await.tokens().access_token;
    assert!(service.is_active(&own).await);
    let now = s.app.now();
    s.reregister(|client| client.suspended_at = Some(now)).await;
    assert!(!service.is_active(&own).await);
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
async fn what_is_too_much_is_refused_quickly() {
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
        let begun = Instant::now();
        let outcome = request.send().await;
        // a server may close the connection before it has read everything
        if let Ok(response) = outcome {
            let status = response.status();
            assert!(status.is_client_error() || status.is_redirection(), "{what}: {status}");
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{what}: {:?}", begun.elapsed());
    }
    assert_eq!(s.rp.client_credentials("").await.outcome(), "200", "and the server is well");
}

/// What the server answers to bytes on a connection of their own: the statuses of all answers.
async fn raw(s: &Stage, bytes: &str) -> Vec<u16> {
    let port = s.app.issuer.rsplit(':').next().unwrap();
    let mut stream = tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
    let _ = stream.write_all(bytes.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(3), stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    text.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()).collect()
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
        let statuses = raw(&s, &request).await;
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
        let statuses = raw(&s, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await;
        assert!(statuses.iter().all(|status| [400, 404].contains(status)), "{path}: {statuses:?}");
    }
}

// 14, as far as it shows from outside
#[tokio::test]
async fn a_revocation_that_was_answered_is_on_disk() {
    let s = stage().await;
    let tokens = s.tokens("openid").await;
    s.rp.revoke(&tokens.refresh_token).await;
    let grant_id = claims_of(&tokens.access_token)["grant_id"].as_str().unwrap().to_owned();
    let revoked = s.app.app.store.read(move |conn| store::grant::find(conn, &grant_id)).await.unwrap().unwrap();
    assert!(revoked.revoked_at.is_some());
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

// RFC 8252 §8.6: another application can take a private-use scheme
#[tokio::test]
async fn a_public_client_with_a_scheme_of_its_own_is_asked_for_each_time() {
    let s = stage_with(
        |_| {},
        |client| {
            public(client);
            client.redirect_uris = vec!["com.example.app:/cb".to_owned()];
        },
    )
    .await;
    s.tokens("openid").await;
    let silent = s.browser.open(&s.rp.authorization(&[("prompt", "none")]).url).await;
    assert_eq!(silent.callback().get("error"), "consent_required");
}

// row 26: what a browser does not take for a cookie of this host alone is none
#[tokio::test]
async fn a_cookie_whose_name_is_padded_with_other_blanks_is_not_ours() {
    let s = stage().await;
    s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    let session = s.browser.cookie(&s.app, "keyward_session").unwrap();
    let port = s.app.issuer.rsplit(':').next().unwrap();
    let account = |padding: &str| {
        let cookie = format!("{padding}keyward_session_{port}={session}");
        let value = reqwest::header::HeaderValue::from_bytes(cookie.as_bytes()).unwrap();
        http().build().unwrap().get(s.app.url("/account")).header("cookie", value).send()
    };
    assert_eq!(account(" ").await.unwrap().status(), reqwest::StatusCode::OK);
    for padding in ["\u{2000}", "\u{a0}", "\u{85}", "\u{3000}"] {
        assert_eq!(account(padding).await.unwrap().status(), reqwest::StatusCode::SEE_OTHER, "{padding:?}");
    }
}
