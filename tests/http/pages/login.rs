//! `/login`.

use std::time::Duration;

use reqwest::{Method, StatusCode};

use crate::{
    stage::{ADA, stage, stage_with, suspend},
    support::{
        PASSWORD, TestApp,
        browser::{Browser, Page},
    },
};

async fn guess(browser: &Browser, app: &TestApp, username: &str, password: &str) -> Page {
    let page = browser.open(&app.url("/login")).await;
    browser.submit(&page, "sign-in", &[("username", username), ("password", password)]).await
}

#[tokio::test]
async fn a_person_signs_in_and_sees_the_account() {
    let s = stage().await;
    let page = s.browser.sign_in(&s.app, " Ada@EXAMPLE.com ", PASSWORD).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/account"));
    assert_eq!(page.text("h1"), "Hello, Ada Lovelace");
    assert_eq!(s.browser.open(&s.app.url("/login")).await.url.path(), "/account", "and is not asked again");
}

#[tokio::test]
async fn no_answer_tells_whether_an_account_exists() {
    let s = stage().await;
    let suspended = s.app.principal("gone@example.com", &[], |_| {}).await;
    suspend(&s.app, &suspended.id).await;
    let past = s.app.now();
    s.app
        .principal("late@example.com", &[], |late| {
            late.password_temporary = true;
            late.password_expires_at = Some(past);
        })
        .await;
    s.app.principal("none@example.com", &[], |none| none.password_hash = None).await;
    let mut answers = Vec::new();
    for (username, password) in [
        (ADA, "wrong"),
        ("nobody@example.com", PASSWORD),
        ("no address at all", PASSWORD),
        ("gone@example.com", PASSWORD),
        ("late@example.com", PASSWORD),
        ("none@example.com", PASSWORD),
        (&"x".repeat(1000), PASSWORD),
    ] {
        let page = guess(&Browser::new(), &s.app, username, password).await;
        assert!(page.headers.get_all("set-cookie").iter().all(|c| !c.to_str().unwrap().contains("session")));
        let body = page.body.replace(username, "").replace(&page.attribute("[name=csrf_token]", "value").unwrap(), "");
        answers.push((page.status, page.text("#error-summary"), body.len()));
    }
    assert_eq!(answers[0].0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answers[0].1, "The email or the password is not right.");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn an_unknown_account_is_throttled_like_a_known_one() {
    let s = stage().await;
    let mut told = Vec::new();
    for username in [ADA, "nobody@example.com"] {
        let mut statuses = Vec::new();
        for _ in 0..7 {
            statuses.push(guess(&Browser::new(), &s.app, username, "wrong").await.status.as_u16());
        }
        told.push(statuses);
    }
    assert_eq!(told[0], [422, 422, 422, 422, 422, 429, 429]);
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn delays_grow_and_are_told() {
    let s = stage().await;
    for _ in 0..5 {
        assert_eq!(guess(&s.browser, &s.app, ADA, "wrong").await.status.as_u16(), 422);
    }
    let mut wait = 1;
    for _ in 0..6 {
        let page = guess(&s.browser, &s.app, ADA, PASSWORD).await;
        assert_eq!((page.status.as_u16(), page.header("retry-after")), (429, wait.to_string().as_str()));
        assert!(page.text("#error-summary").contains("Please wait"), "{}", page.text("#error-summary"));
        s.app.advance(Duration::from_secs(wait));
        assert_eq!(guess(&s.browser, &s.app, ADA, "wrong").await.status.as_u16(), 422);
        wait *= 2;
    }
    s.app.advance(Duration::from_secs(wait));
    assert_eq!(guess(&s.browser, &s.app, ADA, PASSWORD).await.status, StatusCode::SEE_OTHER);
    // the right password forgets them
    assert_eq!(guess(&Browser::new(), &s.app, ADA, "wrong").await.status.as_u16(), 422);
    assert_eq!(guess(&Browser::new(), &s.app, ADA, PASSWORD).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_delay_is_never_longer_than_the_longest() {
    let s = stage_with(|config| config.login.max_delay = Duration::from_secs(4), |_| {}).await;
    for wait in [0, 0, 0, 0, 0, 1, 2, 4, 4, 4] {
        s.app.advance(Duration::from_secs(wait));
        assert_eq!(guess(&s.browser, &s.app, ADA, "wrong").await.status.as_u16(), 422);
    }
    s.app.advance(Duration::from_secs(4));
    assert_eq!(guess(&s.browser, &s.app, ADA, PASSWORD).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn many_accounts_guessed_from_one_address_slow_that_address_down() {
    let s = stage_with(|config| config.login.free_attempts_address = 10, |_| {}).await;
    let browser = Browser::new();
    let page = browser.open(&s.app.url("/login")).await;
    for n in 0..10 {
        let username = format!("person{n}@example.com");
        let fields = [("username", username.as_str()), ("password", "wrong")];
        assert_eq!(browser.submit(&page, "sign-in", &fields).await.status.as_u16(), 422);
    }
    // another account, and a header that anybody can send
    let fields = [("username", "new@example.com"), ("password", "wrong")];
    let form = page.form_of("sign-in").filled(&fields);
    for (name, value) in
        [("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=203.0.113.8"), ("x-real-ip", "203.0.113.9")]
    {
        let spoofed = browser.send(browser.form_request(&form).header(name, value)).await;
        assert_eq!(spoofed.status.as_u16(), 429, "{name}");
    }
}

#[tokio::test]
async fn a_device_that_is_known_is_not_locked_out_by_others() {
    let s = stage().await;
    s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    let account = s.browser.open(&s.app.url("/account")).await;
    s.browser.press(&account, "sign-out", &[]).await;
    for _ in 0..8 {
        guess(&Browser::new(), &s.app, ADA, "wrong").await;
    }
    assert_eq!(guess(&Browser::new(), &s.app, ADA, PASSWORD).await.status.as_u16(), 429);
    assert_eq!(guess(&s.browser, &s.app, ADA, PASSWORD).await.status, StatusCode::SEE_OTHER);
    // it is no way around the lockout of another account, nor a way to guess without end
    s.app.principal("bob@example.com", &[], |_| {}).await;
    for _ in 0..5 {
        assert_eq!(guess(&Browser::new(), &s.app, "bob@example.com", "wrong").await.status.as_u16(), 422);
    }
    let other = Browser::new();
    let device = s.browser.cookie(&s.app, "keyward_device").unwrap();
    let port = s.app.issuer.rsplit(':').next().unwrap();
    other.set_cookie(&s.app, &format!("keyward_device_{port}={device}"));
    assert_eq!(guess(&other, &s.app, "bob@example.com", PASSWORD).await.status.as_u16(), 429);
    for _ in 0..5 {
        guess(&other, &s.app, ADA, "wrong").await;
    }
    assert_eq!(guess(&other, &s.app, ADA, PASSWORD).await.status.as_u16(), 429);
}

#[tokio::test]
async fn the_cookies_are_lax_and_hidden_from_scripts() {
    let s = stage().await;
    let page = s.browser.open(&s.app.url("/login")).await;
    let fields = [("username", ADA), ("password", PASSWORD)];
    let answer = s.browser.submit(&page, "sign-in", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "never 307");
    let port = s.app.issuer.rsplit(':').next().unwrap();
    let mut cookies: Vec<String> = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|cookie| {
            let (pair, rest) = cookie.to_str().unwrap().split_once("; ").unwrap();
            format!("{}; {rest}", pair.split('=').next().unwrap().replace(port, "PORT"))
        })
        .collect();
    cookies.sort();
    insta::assert_json_snapshot!(cookies, @r#"
    [
      "keyward_device_PORT; HttpOnly; SameSite=Lax; Path=/; Max-Age=15552000",
      "keyward_session_PORT; HttpOnly; SameSite=Lax; Path=/"
    ]
    "#);
    let browser = Browser::new();
    let page = browser.open(&s.app.url("/login")).await;
    let fields = [("username", ADA), ("password", PASSWORD), ("stay_signed_in", "true")];
    let kept = browser.submit(&page, "sign-in", &fields).await;
    let lines: Vec<&str> = kept.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    assert!(lines.iter().any(|line| line.contains("session") && line.contains("Max-Age=2592000")), "{lines:?}");
}

#[tokio::test]
async fn a_session_that_is_not_kept_ends_after_twelve_hours_and_a_kept_one_when_idle_for_a_day() {
    let s = stage().await;
    let hour = Duration::from_secs(3600);
    s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    let kept = Browser::new();
    let page = kept.open(&s.app.url("/login")).await;
    let fields = [("username", ADA), ("password", PASSWORD), ("stay_signed_in", "true")];
    kept.press(&page, "sign-in", &fields).await;
    s.app.advance(hour * 12);
    assert_eq!(s.browser.open(&s.app.url("/account")).await.url.path(), "/login");
    assert_eq!(kept.open(&s.app.url("/account")).await.url.path(), "/account");
    for _ in 0..31 {
        s.app.advance(hour * 23);
        kept.open(&s.app.url("/account")).await;
    }
    assert_eq!(kept.open(&s.app.url("/account")).await.url.path(), "/login", "30 days in any case");
}

#[tokio::test]
async fn the_session_id_changes_when_somebody_signs_in() {
    let s = stage().await;
    let port = s.app.issuer.rsplit(':').next().unwrap();
    // put there before by somebody else
    let planted = keyward::model::secret::Secret::generate(keyward::model::secret::Kind::Session);
    s.browser.set_cookie(&s.app, &format!("keyward_session_{port}={}", planted.reveal()));
    s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    let first = s.browser.cookie(&s.app, "keyward_session").unwrap();
    assert_ne!(first, planted.reveal());
    // a fresh proof
    let page = s.browser.open(&s.rp.authorization(&[("prompt", "login")]).url).await;
    s.browser.agree(page, ADA).await.callback().code();
    let second = s.browser.cookie(&s.app, "keyward_session").unwrap();
    assert_ne!(first, second);
    let old = Browser::new();
    old.set_cookie(&s.app, &format!("keyward_session_{port}={first}"));
    assert_eq!(old.open(&s.app.url("/account")).await.url.path(), "/login", "the old one is worth nothing");
    // signing out
    let account = s.browser.open(&s.app.url("/account")).await;
    s.browser.press(&account, "sign-out", &[]).await;
    old.set_cookie(&s.app, &format!("keyward_session_{port}={second}"));
    assert_eq!(old.open(&s.app.url("/account")).await.url.path(), "/login");
}

#[tokio::test]
async fn a_form_from_elsewhere_signs_nobody_in() {
    let s = stage().await;
    let page = s.browser.open(&s.app.url("/login")).await;
    let form = page.form_of("sign-in").filled(&[("username", ADA), ("password", PASSWORD)]);
    // without the browser's cookie, as from another site
    let foreign = Browser::new();
    let answer = foreign.send(foreign.form_request(&form)).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(foreign.cookie(&s.app, "keyward_session"), None);
    // with a token of another form or none
    for token in ["", "x"] {
        let form = form.clone().filled(&[("csrf_token", token)]);
        assert_eq!(s.browser.send(s.browser.form_request(&form)).await.status, StatusCode::FORBIDDEN);
    }
    // from a page of another origin
    for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        let answer = s.browser.send(s.browser.form_request(&form).header(name, value)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
    }
    // and the page that is shown instead works
    let answer = s.browser.send(s.browser.form_request(&form).header("origin", "https://evil.example")).await;
    let page = s.browser.press(&answer, "sign-in", &[("password", PASSWORD)]).await;
    assert_eq!(page.url.path(), "/account");
}

#[tokio::test]
async fn cancelling_tells_the_application() {
    let s = stage().await;
    let authorization = s.rp.authorization(&[]);
    let page = s.browser.open(&authorization.url).await;
    assert!(page.text("main").contains("to continue to Client app"));
    let callback = s.browser.press(&page, "cancel", &[]).await.callback();
    s.rp.check(&authorization, &callback);
    assert_eq!(callback.get("error"), "access_denied");
}

#[tokio::test]
async fn nothing_in_the_address_leads_elsewhere_after_signing_in() {
    let s = stage().await;
    for target in ["//evil.example", "/\\evil.example", "/%09/evil.example", "https://evil.example"] {
        let browser = Browser::new();
        let url = format!("{}?continue={target}&next={target}&redirect_uri={target}", s.app.url("/login"));
        let page = browser.open(&url).await;
        let next = browser.submit(&page, "sign-in", &[("username", ADA), ("password", PASSWORD)]).await;
        assert_eq!(next.location().unwrap().as_str(), s.app.url("/account"));
    }
}

#[tokio::test]
async fn a_request_that_is_none_of_ours_gets_a_page() {
    let s = stage().await;
    for sealed in ["x", "AAAA", &"A".repeat(20_000)] {
        let page = s.browser.get(&s.app.url(&format!("/login?request={sealed}"))).await;
        assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None));
    }
}

#[tokio::test]
async fn an_enormous_password_is_refused_without_hashing_it() {
    let s = stage().await;
    let page = s.browser.open(&s.app.url("/login")).await;
    for length in [5_000, 60_000, 1_000_000] {
        let password = "x".repeat(length);
        let answer = s.browser.submit(&page, "sign-in", &[("username", ADA), ("password", &password)]).await;
        assert!(answer.status.is_client_error(), "{length}: {}", answer.status);
    }
}

#[tokio::test]
async fn a_body_that_is_no_form_is_refused() {
    let s = stage().await;
    let request = s.browser.request(Method::POST, &s.app.url("/login")).json(&serde_json::json!({"username": ADA}));
    assert!(s.browser.send(request).await.status.is_client_error());
    let request = s.browser.request(Method::POST, &s.app.url("/login"));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(&b"username=%ff"[..]);
    assert_eq!(s.browser.send(request).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_empty_form_is_told_what_is_missing() {
    let s = stage().await;
    let page = guess(&s.browser, &s.app, "", "").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(page.text("#error-summary"), "Enter your email and your password.");
}

#[tokio::test]
async fn a_suspended_person_is_signed_out_everywhere() {
    let s = stage().await;
    s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    suspend(&s.app, &s.ada).await;
    assert_eq!(s.browser.open(&s.app.url("/account")).await.url.path(), "/login");
    assert!(s.browser.open(&s.rp.authorization(&[]).url).await.has("#login-form"));
    assert_eq!(
        s.browser.get(&s.rp.authorization(&[("prompt", "none")]).url).await.callback().get("error"),
        "login_required"
    );
}
