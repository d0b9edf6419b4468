//! The log of the program itself: what stands in it, what must not, and how its level is changed.

use std::{io::Write, process::Stdio};

use keyward::{
    model::{client_auth::AuthMethod, time::Timestamp},
    store::client::Client,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    program::{Served, program, text},
    support::{
        PASSWORD, TestClient,
        browser::{Browser, http},
        relying_party::{RelyingParty, basic, send},
    },
};

const EMAIL: &str = "lovelace@example.com";
const NAME: &str = "Augusta Ada King";
const WRONG: &str = "a password that is not hers";
const ADDRESS: &str = "203.0.113.77";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A server that logs as much as it can, behind a proxy on loopback.
async fn talkative(settings: &[&str]) -> Served {
    let all = ["--set", "log.format=json", "--set", "log.level=trace", "--set", "trusted_proxies=127.0.0.1"];
    Served::start("http", &[&all[..], settings].concat()).await
}

/// The lines that are JSON objects: all but what the program prints at its start.
fn lines(served: &Served) -> Vec<Value> {
    let log = served.log();
    let objects = log.lines().filter(|line| line.starts_with('{'));
    objects.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Ada, with a password.
fn make_person(served: &Served) {
    let create = ["principal", "create", "--email", EMAIL, "--name", NAME, "--password-stdin"];
    let mut child = program(served.directory.path(), &create)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// A client, made on the command line; its secret.
fn make_client(served: &Served, id: &str, settings: &[&str]) -> String {
    let made = served.run(&[&["client", "create", "--id", id, "--name", "Made up", "--json"], settings].concat());
    let made: Value = serde_json::from_slice(&made.stdout).unwrap_or_else(|_| panic!("{}", text(&made)));
    made["secret"].as_str().unwrap().to_owned()
}

/// An application that people sign in to.
fn make_application(served: &Served) -> RelyingParty {
    let redirect_uri = "https://app.example/cb";
    let secret = make_client(served, "app", &["--redirect-uri", redirect_uri]);
    let client =
        Client::new("app".to_owned(), "App".to_owned(), AuthMethod::ClientSecretBasic, Timestamp::from_seconds(0));
    RelyingParty {
        http: http().build().unwrap(),
        issuer: served.issuer.clone(),
        redirect_uri: redirect_uri.to_owned(),
        client: TestClient { client, secret },
    }
}

/// The cookies of a browser, by their values.
fn cookies(browser: &Browser, served: &Served) -> Vec<String> {
    let values = ["keyward_session", "keyward_browser", "keyward_device"];
    values.iter().filter_map(|name| browser.cookie_at(&served.issuer, name)).collect()
}

/// Everything that a person, an application and an administrator do; all secrets and all that tells of people.
async fn everything(served: &Served) -> Vec<String> {
    make_person(served);
    let rp = make_application(served);
    let http = http().build().unwrap();
    let mut secrets: Vec<String> = [EMAIL, "lovelace", NAME, PASSWORD, WRONG, ADDRESS].map(str::to_owned).to_vec();
    secrets.extend([rp.client.secret.clone(), basic("app", &rp.client.secret)]);

    // a person: a wrong password, the right one, consent, the account
    let browser = Browser::new();
    let page = browser.open(&served.url("/login")).await;
    browser.press(&page, "sign-in", &[("username", EMAIL), ("password", WRONG)]).await;
    let asked = [("scope", "openid profile email offline_access"), ("login_hint", EMAIL)];
    let (authorization, callback) = rp.authorize(&browser, EMAIL, &asked).await;
    secrets.extend([callback.code().to_owned(), authorization.verifier.clone(), authorization.state.clone()]);
    let tokens = rp.redeem(&authorization, callback.code()).await.tokens();
    assert_eq!(browser.get(&served.url("/account")).await.status, StatusCode::OK);
    let of_browser = cookies(&browser, served);
    assert!(of_browser.len() >= 2, "{of_browser:?}");
    secrets.extend(of_browser);

    // an application: refresh, userinfo, introspection, a code twice, what is wrong, the end
    let refreshed = rp.refresh(&tokens.refresh_token).await.tokens();
    for tokens in [&tokens, &refreshed] {
        secrets.extend([&tokens.access_token, &tokens.refresh_token, &tokens.id_token].map(Clone::clone));
    }
    let bearer = format!("Bearer {}", refreshed.access_token);
    let userinfo = http.get(served.url("/oauth/userinfo")).header("authorization", &bearer);
    assert_eq!(send(userinfo).await.json()["email"], EMAIL);
    let ask = |path: &str, form: &[(&str, &str)]| {
        let request = http.post(served.url(path)).header("authorization", basic("app", &rp.client.secret));
        let trace = format!("00-{TRACE}-00f067aa0ba902b7-01");
        request.header("x-forwarded-for", ADDRESS).header("traceparent", trace).form(form)
    };
    assert_eq!(send(ask("/oauth/introspect", &[("token", &refreshed.access_token)])).await.json()["active"], true);
    assert_eq!(rp.redeem(&authorization, callback.code()).await.outcome(), "400 invalid_grant");
    for wrong in [
        vec![("grant_type", EMAIL)],
        vec![("grant_type", "client_credentials"), ("scope", EMAIL)],
        vec![("grant_type", "refresh_token"), ("refresh_token", "kwrt_wrong")],
        vec![("grant_type", "client_credentials"), ("client_assertion", tokens.id_token.as_str())],
    ] {
        assert!(send(ask("/oauth/token", &wrong)).await.status.is_client_error());
    }
    let hint = [("id_token_hint", tokens.id_token.as_str()), ("login_hint", EMAIL)];
    send(http.get(served.url("/oauth/authorize")).query(&hint).query(&[("client_id", EMAIL)])).await;
    for path in [format!("/{EMAIL}"), format!("/oauth/token/{}", tokens.access_token), format!("/setup?token={WRONG}")]
    {
        send(http.get(served.url(&path)).header("x-forwarded-for", ADDRESS)).await;
    }

    // an administrator
    let admin = make_client(served, "admin", &["--role", "system:owner"]);
    let own = http.post(served.url("/oauth/token")).header("authorization", basic("admin", &admin));
    let own = send(own.form(&[("grant_type", "client_credentials")])).await.tokens().access_token;
    let bearer = format!("Bearer {own}");
    let api = |request: reqwest::RequestBuilder| send(request.header("authorization", &bearer));
    let principals = served.url("/resources/iam/principals");
    api(http.get(&principals).query(&[("filter", format!("email eq \"{EMAIL}\""))])).await;
    let found = api(http.get(&principals)).await;
    assert!(found.status == StatusCode::OK && found.body.contains(EMAIL), "{}", found.body);
    let twin = json!({ "email": EMAIL, "name": NAME });
    assert!(api(http.put(format!("{principals}/twin")).json(&twin)).await.status.is_client_error());
    let broken = http.put(format!("{principals}/twin")).header("content-type", "application/json");
    assert!(api(broken.body(format!("{{\"{EMAIL}\": "))).await.status.is_client_error());
    assert!(api(http.get(format!("{principals}/{EMAIL}"))).await.status.is_client_error());
    let login = json!({ "authString": format!("Module=DialogUser;User={EMAIL};Password={PASSWORD}") });
    send(http.post(served.url("/AppServer/auth/apphost")).json(&login)).await;
    assert_eq!(send(ask("/oauth/revoke", &[("token", &refreshed.refresh_token)])).await.status, StatusCode::OK);
    let page = browser.open(&served.url("/logout")).await;
    browser.press(&page, "sign-out", &[]).await;
    secrets.extend([own, admin]);
    secrets
}

#[tokio::test]
async fn no_secret_and_nothing_about_people_is_in_the_log_at_any_level() {
    let served = talkative(&[]).await;
    let secrets = everything(&served).await;
    let log = served.log();
    let setup = log.split_whitespace().find(|word| word.contains("/setup?token=")).unwrap().to_owned();
    // printed for whoever starts the server, once
    let log = log.replace(&setup, "");
    for secret in &secrets {
        let found = log.lines().find(|line| line.to_lowercase().contains(&secret.to_lowercase()));
        assert!(found.is_none(), "{secret}: {found:?}");
    }
    let lines = lines(&served);
    let answered: Vec<&Value> = lines.iter().filter(|line| line["message"] == "answered").collect();
    assert!(answered.len() > 20, "{}", answered.len());
    for line in answered {
        assert!(line["endpoint"].is_string() && line["status"].is_u64() && line["ms"].is_u64(), "{line}");
        assert!(line["path"].is_null() && line["address"].is_null(), "{line}");
    }
    assert!(lines.iter().any(|line| line["endpoint"] == "/resources/iam/principals/{id}"));
    for line in lines.iter().filter(|line| line["request_id"].is_string()) {
        let digits = |name: &str| line[name].as_str().map_or(0, str::len);
        assert_eq!((digits("trace_id"), digits("span_id")), (32, 16), "{line}");
    }
    let followed = lines.iter().filter(|line| line["trace_id"] == TRACE && line["message"] == "answered");
    assert!(followed.count() >= 6, "the proxy's trace is not followed");
}

#[tokio::test]
async fn with_personal_data_lines_say_who_asked_for_what() {
    let served = talkative(&["--set", "log.personal_data=true", "--set", "log.level=info"]).await;
    let request = http().build().unwrap().get(served.url("/somewhere")).header("x-forwarded-for", ADDRESS);
    assert_eq!(send(request).await.status, StatusCode::NOT_FOUND);
    let lines = lines(&served);
    let line = lines.iter().find(|line| line["message"] == "answered").unwrap();
    assert_eq!((&line["path"], &line["address"]), (&json!("/somewhere"), &json!(ADDRESS)));
}

#[tokio::test]
async fn only_a_trusted_proxy_says_which_trace_a_request_is_part_of() {
    let served = Served::start("http", &["--set", "log.format=json"]).await;
    let request = http().build().unwrap().get(served.url("/somewhere"));
    send(request.header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"))).await;
    let lines = lines(&served);
    let line = lines.iter().find(|line| line["message"] == "answered").unwrap();
    assert!(line["trace_id"].is_string() && line["trace_id"] != TRACE, "{line}");
}

#[tokio::test]
async fn a_line_has_each_member_once_also_where_the_level_is_its_subject() {
    let served = Served::start("http", &["--set", "log.format=json"]).await;
    assert!(text(&served.run(&["log-level", "debug"])).contains("within two seconds"));
    served.until(|| served.log().contains("another level")).await;
    let log = served.log();
    let line = log.lines().find(|line| line.contains("another level")).unwrap();
    assert_eq!(line.matches("\"level\":").count(), 1, "{line}");
}

#[tokio::test]
async fn the_level_is_changed_while_the_server_runs() {
    let served = Served::start("http", &["--log-level", "warn"]).await;
    let live = || reqwest::get(served.url("/health/live"));
    live().await.unwrap();
    assert!(!served.log().contains("answered"));
    let listen = ["--log-level", "warn"];
    let run = |arguments: &[&str]| served.run(&[&["log-level"], arguments].concat());
    assert!(text(&run(&["debug"])).contains("within two seconds"));
    served.until(|| served.log().contains("another level")).await;
    live().await.unwrap();
    served.until(|| served.log().contains("answered")).await;
    let before = served.log().matches("answered").count();
    assert!(text(&run(&listen)).contains("at warn again"));
    served.until(|| served.log().matches("another level").count() == 2).await;
    live().await.unwrap();
    assert_eq!(served.log().matches("answered").count(), before);

    let wrong = run(&["loud"]);
    assert_eq!((wrong.status.code(), text(&wrong).contains("loud")), (Some(2), true));
    let elsewhere = tempfile::tempdir().unwrap();
    let nobody = program(elsewhere.path(), &["log-level", "debug"]).output().unwrap();
    assert_eq!((nobody.status.code(), text(&nobody).contains("no server runs")), (Some(2), true), "{}", text(&nobody));
}

#[tokio::test]
async fn requests_have_no_lines_where_that_is_not_wanted() {
    let served = Served::start("http", &["--set", "log.requests=false"]).await;
    assert_eq!(reqwest::get(served.url("/login")).await.unwrap().status(), StatusCode::OK);
    assert!(!served.log().contains("answered"));
}
