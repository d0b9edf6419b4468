//! Signing in, staying signed in, and being out.

use std::time::Duration;

use keyward::model::secret::{Kind, Secret};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    appserver::{self, Program, by, told},
    stage::{ADA, set_roles, stage, stage_with, suspend},
    support::{
        PASSWORD, TestApp,
        api::Api,
        browser::{Browser, http},
        relying_party::{basic, send},
    },
};

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

async fn guess(browser: &Browser, app: &TestApp, username: &str, password: &str) -> u16 {
    let page = browser.open(&app.url("/login")).await;
    browser.submit(&page, "sign-in", &[("username", username), ("password", password)]).await.status.as_u16()
}

// 23
#[tokio::test]
async fn every_spelling_that_signs_in_shares_the_counter_of_the_name() {
    let s = stage_with(|config| config.login.free_attempts_address = 10_000, |_| {}).await;
    s.app.principal("kim.smith@example.com", &[], |_| {}).await;
    let spellings = [
        "kim.smith@example.com",
        " kim.smith@example.com ",
        "KIM.SMITH@EXAMPLE.COM",
        "Kim.Smith@example.com",
        "\tkim.smith@example.com\n",
        "\u{a0}kim.smith@example.com\u{3000}",
        // the sign for Kelvin is a K, a dotted capital I is an i with a dot
        "\u{212a}im.smith@example.com",
        "k\u{130}m.smith@example.com",
        "kim.\u{17f}mith@example.com",
        "kim.smith@example.com.",
        "kim.smith+x@example.com",
        "kimsmith@example.com",
        "kim.smith@example.com\u{200b}",
        "kim.smith@exam\u{ad}ple.com",
        "\u{ff4b}im.smith@example.com",
        "kim.smith@example.com,x@example.com",
        "\"kim.smith\"@example.com",
        "kim.smith@(comment)example.com",
    ];
    let mut signs_in = Vec::new();
    for spelling in spellings {
        signs_in.push(guess(&Browser::new(), &s.app, spelling, PASSWORD).await == 303);
    }
    assert_eq!(signs_in.iter().filter(|yes| **yes).count(), 7, "{signs_in:?}");
    for _ in 0..5 {
        assert_eq!(guess(&Browser::new(), &s.app, "kim.smith@example.com", "wrong").await, 422);
    }
    for (spelling, signs_in) in spellings.iter().zip(signs_in) {
        let status = guess(&Browser::new(), &s.app, spelling, PASSWORD).await;
        assert_eq!(status, if signs_in { 429 } else { 422 }, "{spelling:?}");
    }
}

// 20, 23
#[tokio::test]
async fn behind_a_proxy_nobody_chooses_the_address_that_is_counted() {
    let s = stage_with(
        |config| {
            config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
            config.login.free_attempts_address = 5;
        },
        |_| {},
    )
    .await;
    let browser = Browser::new();
    let page = browser.open(&s.app.url("/login")).await;
    // what the proxy has appended comes last
    let from = async |n: usize, forwarded: &str| {
        let username = format!("somebody{n}@example.com");
        let form = page.form_of("sign-in").filled(&[("username", &username), ("password", "wrong")]);
        let request = browser.form_request(&form);
        let request = forwarded.split('|').fold(request, |request, line| request.header("x-forwarded-for", line));
        browser.send(request).await.status.as_u16()
    };
    for n in 0..5 {
        let forwarded = format!("10.0.0.{n}, 198.51.100.{n}, 203.0.113.9");
        assert_eq!(from(n, &forwarded).await, 422);
    }
    for (n, forwarded) in [
        "192.0.2.1, 203.0.113.9",
        "192.0.2.1|203.0.113.9",
        "203.0.113.9, 127.0.0.1",
        "::ffff:203.0.113.9",
        "192.0.2.1, 203.0.113.9:4711",
        "unknown, 203.0.113.9",
        ", 203.0.113.9",
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(from(100 + n, forwarded).await, 429, "{forwarded}");
    }
    // nor was anybody blocked whose address stood to the left
    for (n, forwarded) in ["10.0.0.1", "198.51.100.1", "192.0.2.1"].into_iter().enumerate() {
        assert_eq!(from(200 + n, forwarded).await, 422, "{forwarded}");
    }
    // one network of IPv6 is one address
    for n in 0..5 {
        assert_eq!(from(300 + n, &format!("2001:db8:1:2::{n}")).await, 422);
    }
    assert_eq!(from(400, "2001:db8:1:2:ffff:ffff:ffff:ffff").await, 429);
    assert_eq!(from(401, "2001:db8:1:3::1").await, 422);
}

// 23
#[tokio::test]
async fn knocking_at_a_closed_account_keeps_it_closed_no_longer() {
    let s = stage_with(|config| config.login.free_attempts_address = 10_000, |_| {}).await;
    let mut waited = Duration::ZERO;
    for round in 0..14 {
        let mut wait = 0;
        for _ in 0..20 {
            let page = s.browser.open(&s.app.url("/login")).await;
            let page = s.browser.submit(&page, "sign-in", &[("username", ADA), ("password", "wrong")]).await;
            if page.status.as_u16() == 429 {
                let told: u64 = page.header("retry-after").parse().unwrap();
                assert!(wait == 0 || told <= wait, "knocking has prolonged it to {told}");
                wait = told;
            }
        }
        assert!((1..=15 * 60).contains(&wait), "round {round}: {wait}");
        waited += Duration::from_secs(wait);
        s.app.advance(Duration::from_secs(wait));
    }
    assert!(waited > Duration::from_secs(3600));
    assert_eq!(
        guess(&Browser::new(), &s.app, ADA, PASSWORD).await,
        303,
        "she comes in as soon as the last wait is over"
    );
}

// 26
#[tokio::test]
async fn a_programs_session_that_was_planted_is_not_taken_over() {
    let app = appserver::stage().await;
    app.principal("eve@example.com", &[appserver::ROLE], |_| {}).await;
    let eves = Program::new(&app).by_password("eve@example.com").await.json()["sessionId"].as_str().unwrap().to_owned();
    let made_up = Secret::generate(Kind::AppserverSession).reveal().to_owned();
    for planted in [eves.as_str(), &made_up] {
        let cookie = format!("ss-id={planted}");
        let body = json!({"authString": by("RoleBasedPerson", &[("User", ADA), ("Password", PASSWORD)])});
        let login = Program::new(&app).send(Method::POST, "/auth/apphost", &[("cookie", &cookie)], body).await;
        assert_eq!(told(&login), ADA);
        assert_ne!(login.json()["sessionId"], planted);
        let who = Program::new(&app).send(Method::GET, "/auth", &[("cookie", &cookie)], Value::Null).await;
        assert_eq!(told(&who), if planted == eves { "eve@example.com" } else { "401 1103" });
    }
    // two cookies of that name: the one that stands first counts, and none is mixed up
    let cookie = format!("ss-id={made_up}; ss-id={eves}");
    let who = Program::new(&app).send(Method::GET, "/auth", &[("cookie", &cookie)], Value::Null).await;
    assert_eq!(told(&who), "401 1103");
}

// 31
#[tokio::test]
async fn what_a_thief_took_out_of_a_browser_is_ended_from_elsewhere() {
    for end in ["the session", "all sessions", "the password", "signing out"] {
        let s = stage_with(
            |_| {},
            |client| {
                client.scopes = "openid me:*".parse().unwrap();
                client.first_party = true;
            },
        )
        .await;
        let page = s.browser.open(&s.app.url("/login")).await;
        let fields = [("username", ADA), ("password", PASSWORD), ("stay_signed_in", "true")];
        s.browser.press(&page, "sign-in", &fields).await;
        let taken: Vec<String> = ["session", "device", "browser"]
            .map(|name| {
                let value = s.browser.cookie(&s.app, &format!("keyward_{name}")).unwrap();
                format!("keyward_{name}_{}={value}", s.port())
            })
            .into();
        let thief = Browser::new();
        taken.iter().for_each(|cookie| thief.set_cookie(&s.app, cookie));
        let account = thief.open(&s.app.url("/account")).await;
        assert!(account.has("#sign-out"), "the thief is in");
        let stolen = s.rp.sign_in(&thief, ADA, "openid me:*").await;

        let elsewhere = Browser::new();
        s.app.advance(Duration::from_secs(5));
        let hers = s.rp.sign_in(&elsewhere, ADA, "openid me:*").await;
        let api = Api::new(&s.app, &hers.access_token, &s.ada);
        match end {
            "the session" => {
                let list = api.get("/resources/me/sessions").await.object(200);
                let other = list["sessions"].as_array().unwrap().iter().find(|one| one["current"] == false).unwrap();
                let path = format!("/resources/me/sessions/{}", other["id"].as_str().unwrap());
                assert_eq!(api.delete(&path).await.said(), "204");
            }
            "all sessions" => {
                let owner = Api::owner(&s.app).await;
                let path = format!("/resources/iam/principals/{}/sessions", s.ada);
                assert_eq!(owner.delete(&path).await.status.as_u16() / 100, 2);
            }
            "the password" => {
                let body = json!({"currentPassword": PASSWORD, "newPassword": "Seven-purple-teapots-9"});
                assert_eq!(api.post("/resources/me/password", body).await.said(), "204");
            }
            _ => {
                let account = s.browser.open(&s.app.url("/account")).await;
                s.browser.press(&account, "sign-out", &[]).await;
            }
        }
        assert_eq!(thief.open(&s.app.url("/account")).await.url.path(), "/login", "{end}");
        assert_eq!(s.rp.userinfo(&stolen.access_token).await.outcome(), "401 invalid_token", "{end}");
        let silent = s.rp.authorization(&[("prompt", "none")]).url;
        assert_eq!(thief.get(&silent).await.callback().get("error"), "login_required", "{end}");
        // a form that was open is worth nothing either
        let page = thief.press(&account, "sign-out", &[]).await;
        assert!(!page.has("#sign-out") || page.url.path() != "/account", "{end}");
        if end == "the password" {
            // neither is the browser known any more: guesses from it count as anybody's
            for _ in 0..5 {
                guess(&Browser::new(), &s.app, ADA, "wrong").await;
            }
            let known = Browser::new();
            known.set_cookie(&s.app, &taken[1]);
            assert_eq!(guess(&known, &s.app, ADA, "Seven-purple-teapots-9").await, 429);
        }
    }
}

// ASVS 6.2
#[tokio::test]
async fn a_password_is_compared_whole_and_as_it_was_typed() {
    let s = stage_with(
        |config| {
            config.login.free_attempts = 1000;
            config.login.free_attempts_address = 1000;
        },
        |_| {},
    )
    .await;
    // longer than some hashes read, with what others would trim, fold or normalise
    let chosen = format!(" {}-42-\u{e9}\u{1f600} Z", "Correct-horse-battery-staple".repeat(7));
    let temporary = s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    assert_eq!(temporary.url.path(), "/account");
    let page = s.browser.open(&s.app.url("/password")).await;
    let fields = [("current_password", PASSWORD), ("new_password", &chosen), ("password_confirmation", &chosen)];
    assert_eq!(s.browser.press(&page, "save-password", &fields).await.url.path(), "/account");
    let without_last = &chosen[..chosen.len() - 1];
    for wrong in [
        without_last,
        chosen.trim(),
        &chosen[..72],
        &chosen[..128],
        &format!("{chosen} "),
        &format!("{chosen}Z"),
        &chosen.to_lowercase(),
        &chosen.to_uppercase(),
        &chosen.replace('\u{e9}', "e\u{301}"),
        &chosen.replace('\u{e9}', "e"),
        &chosen.replace('\u{1f600}', "?"),
        PASSWORD,
    ] {
        assert_eq!(guess(&Browser::new(), &s.app, ADA, wrong).await, 422, "{wrong}");
    }
    assert_eq!(guess(&Browser::new(), &s.app, ADA, &chosen).await, 303);
}

// ASVS 6.3.2
#[tokio::test]
async fn a_fresh_server_knows_no_account_and_no_client_that_could_act() {
    let app = TestApp::spawn().await;
    let http = http().build().unwrap();
    for name in ["admin", "root", "administrator", "keyward", "owner", "system", "test", "guest", "viadmin"] {
        for password in ["", "admin", "password", "keyward", "changeme", "root", name] {
            let username = format!("{name}@localhost");
            for username in [name, &username] {
                assert_ne!(guess(&Browser::new(), &app, username, password).await, 303, "{username} {password}");
            }
            let client = http.post(app.url("/oauth/token")).header("authorization", basic(name, password));
            let answer = send(client.form(&[("grant_type", "client_credentials")])).await;
            assert_eq!(answer.outcome(), "401 invalid_client", "{name} {password}");
        }
    }
    for name in [keyward::store::system_client::DOCS] {
        for (method, secret) in [("none", ""), ("secret", "x")] {
            let mut fields = vec![("grant_type", "client_credentials"), ("client_id", name)];
            fields.extend((method == "secret").then_some(("client_secret", secret)));
            let answer = send(http.post(app.url("/oauth/token")).form(&fields)).await;
            assert!(answer.status.is_client_error(), "{name}: {}", answer.body);
        }
    }
}

// 32
#[tokio::test]
async fn a_name_in_ones_own_properties_is_nobodys_login() {
    let s = stage().await;
    let eves = "Eves-own-battery-77";
    let hash = s.app.app.hasher.hash(eves.into()).await.unwrap();
    let id = s.ada.clone();
    s.app
        .principal("eve@example.com", &[], |eve| {
            eve.password_hash = Some(hash);
            for name in ["preferred_username", "nickname", "email", "sub", "upn", "mail"] {
                eve.properties.insert(name.to_owned(), json!(ADA));
            }
            eve.name = Some(ADA.to_owned());
            eve.phone = Some("+4912345".to_owned());
        })
        .await;
    for name in [ADA, id.as_str(), "+4912345", "Ada Lovelace"] {
        assert_eq!(guess(&Browser::new(), &s.app, name, eves).await, 422, "{name}");
    }
    assert_eq!(guess(&Browser::new(), &s.app, &id, PASSWORD).await, 422, "an id is no name to sign in with");
    let browser = Browser::new();
    let (authorization, callback) = {
        let authorization = s.rp.authorization(&[("scope", "openid profile email")]);
        let page = browser.open(&authorization.url).await;
        let page = browser.press(&page, "sign-in", &[("username", "eve@example.com"), ("password", eves)]).await;
        (authorization, browser.press(&page, "allow", &[]).await.callback())
    };
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    let about = s.rp.userinfo(&tokens.access_token).await.json();
    assert_eq!((&about["email"], about["sub"] == s.ada.as_str()), (&json!("eve@example.com"), false));
}

// 29
#[tokio::test]
async fn a_suspended_client_gets_nothing_at_any_endpoint() {
    let s = stage_with(
        |_| {},
        |client| {
            client.scopes = "openid offline_access me:* appserver/api:access".parse().unwrap();
            client.first_party = true;
        },
    )
    .await;
    s.app.role("appserver:user", &["appserver/api:access"]).await;
    set_roles(&s.app, &s.ada, &["appserver:user"]).await;
    set_roles(&s.app, "app", &["appserver:user"]).await;
    let scope = "openid offline_access me:* appserver/api:access";
    let tokens = s.tokens(scope).await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("scope", scope)]).await;
    let api = Api::new(&s.app, &tokens.access_token, &s.ada);
    let pat = api.post("/resources/me/pat", json!({"name": "n", "scopes": ["me/profile:read"]})).await.object(201);
    let component = by("ComponentAuthenticator", &[("ClientId", "app"), ("ClientSecret", &s.rp.client.secret)]);
    let program = Program::new(&s.app);
    assert_eq!(told(&program.login(&component).await), "app");
    let sealed = s.browser.open(&s.rp.authorization(&[("prompt", "login")]).url).await.url;
    let now = s.app.now();
    s.reregister(|client| client.suspended_at = Some(now)).await;

    for outcome in [
        s.rp.redeem(&authorization, callback.code()).await.outcome(),
        s.rp.refresh(&tokens.refresh_token).await.outcome(),
        s.rp.client_credentials("").await.outcome(),
        s.rp.introspect(&tokens.access_token).await.outcome(),
        s.rp.revoke(&tokens.access_token).await.outcome(),
        s.rp.token(&[("grant_type", "password")]).await.outcome(),
    ] {
        assert_eq!(outcome, "401 invalid_client");
    }
    assert_eq!(s.rp.userinfo(&tokens.access_token).await.outcome(), "401 invalid_token");
    assert_eq!(api.get("/resources/me").await.said(), "401 TOKEN_INVALID");
    assert_eq!(
        Api::new(&s.app, pat["token"].as_str().unwrap(), "").get("/resources/me").await.said(),
        "401 TOKEN_INVALID"
    );
    assert_eq!(program.who().await, "401 1103");
    assert_eq!(told(&Program::new(&s.app).login(&component).await), "401 1101");
    assert_eq!(told(&Program::new(&s.app).who_by(&tokens.access_token).await), "401 1105");
    for url in [
        s.rp.authorization(&[]).url,
        s.rp.authorization(&[("prompt", "none")]).url,
        format!("{}?{}", s.app.url("/oauth/authorize"), sealed.query().unwrap().replace("request=", "continue=")),
        s.app.url("/oauth/logout?client_id=app&post_logout_redirect_uri=https://app.example/bye"),
    ] {
        let page = s.browser.get(&url).await;
        assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None), "{url}");
    }
}
