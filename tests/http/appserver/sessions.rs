//! A login is a session as any other: listed, and ended with everything that ends sessions.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{ADA, Program, ROLE, stage, told};
use crate::{
    stage::suspend,
    support::{PASSWORD, api::Api, browser::Browser},
};

#[tokio::test]
async fn it_is_in_the_lists_of_administrators_and_of_the_person() {
    let app = stage().await;
    let owner = Api::owner(&app).await;
    let bob = Api::person(&app, "bob@example.com", &[ROLE], "me:*").await;
    app.advance(Duration::from_secs(1));
    let program = Program::new(&app);
    let login = program.by_password("bob@example.com").await.json();
    let sessions = format!("/resources/iam/principals/{}/sessions", bob.subject);
    let list = owner.get(&sessions).await.object(200);
    assert_eq!(list["totalCount"], 2);
    let newest = &list["sessions"][0];
    assert_eq!(newest["authenticationMethods"], json!(["pwd"]));
    assert_eq!((&newest["clientIds"], &newest["ipAddress"]), (&json!([]), &json!("127.0.0.1")));
    assert_eq!(newest["expiresAt"], "2026-11-22T00:00:01.000Z");
    assert!(!list.to_string().contains(login["sessionId"].as_str().unwrap()), "the session id is a secret");
    let mine = bob.get("/resources/me/sessions").await.object(200);
    assert_eq!((&mine["totalCount"], &mine["sessions"][0]["current"]), (&json!(2), &json!(false)));

    let id = newest["id"].as_str().unwrap();
    assert_eq!(program.who().await, "bob@example.com");
    assert_eq!(bob.delete(&format!("/resources/me/sessions/{id}")).await.said(), "204");
    assert_eq!(program.who().await, "401 1103");
    // the other one goes on
    assert_eq!(bob.get("/resources/me/sessions").await.object(200)["totalCount"], 1);
}

#[tokio::test]
async fn it_ends_with_all_that_ends_sessions() {
    let app = stage().await;
    let owner = Api::owner(&app).await;
    let bob = app.principal("bob@example.com", &[ROLE], |_| {}).await;
    let path = format!("/resources/iam/principals/{}", bob.id);
    for end in ["sessions", "suspend", "password/reset", "delete"] {
        let program = Program::new(&app);
        assert_eq!(told(&program.by_password("bob@example.com").await), "bob@example.com", "{end}");
        let ended = match end {
            "sessions" => owner.delete(&format!("{path}/sessions")).await.said(),
            "delete" => owner.delete(&path).await.said(),
            other => owner.post(&format!("{path}/{other}"), Value::Null).await.said(),
        };
        assert!(ended == "204" || ended == "200", "{end}: {ended}");
        assert_eq!(program.who().await, "401 1103", "{end}");
        if end == "suspend" {
            assert_eq!(told(&Program::new(&app).by_password("bob@example.com").await), "401 1101");
            owner.post(&format!("{path}/unsuspend"), Value::Null).await.object(200);
            assert_eq!(program.who().await, "401 1103", "what ended does not come back");
        }
        if end == "password/reset" {
            let hash = app.app.hasher.hash(PASSWORD.into()).await.unwrap();
            let id = bob.id.clone();
            let set = move |tx: &mut keyward::store::Tx<'_>| {
                let current = keyward::store::principal::find(tx, &id)?.and_then(|bob| bob.password_hash);
                let now = keyward::model::time::Timestamp::from_seconds(1_795_262_400);
                keyward::store::principal::change_password(tx, &id, current.as_deref(), &hash, now)
            };
            assert!(app.app.store.write(set).await.unwrap());
        }
    }
}

#[tokio::test]
async fn signing_out_ends_the_session_of_the_cookie_whatever_else_is_sent() {
    let app = stage().await;
    let program = Program::new(&app);
    let session = program.by_password(ADA).await.json()["sessionId"].as_str().unwrap().to_owned();
    let junk = [("authorization", "Bearer x")];
    assert_eq!(program.send(Method::POST, "/auth/logout", &junk, Value::Null).await.status, 200);
    let kept = format!("ss-id={session}");
    let answer = Program::new(&app).send(Method::GET, "/auth", &[("cookie", &kept)], Value::Null).await;
    assert_eq!(told(&answer), "401 1103");
}

#[tokio::test]
async fn who_is_no_system_user_any_more_is_out() {
    let app = stage().await;
    let owner = Api::owner(&app).await;
    let bob = app.principal("bob@example.com", &[ROLE], |bob| bob.system_user = true).await;
    let (system, person) = (Program::new(&app), Program::new(&app));
    let auth = super::by("DialogUser", &[("User", "bob@example.com"), ("Password", PASSWORD)]);
    assert_eq!(told(&system.login(&auth).await), "bob@example.com");
    assert_eq!(told(&person.by_password("bob@example.com").await), "bob@example.com");
    let path = format!("/resources/iam/principals/{}", bob.id);
    assert_eq!(owner.put(&path, serde_json::json!({ "systemUser": false })).await.said(), "200");
    assert_eq!(system.who().await, "401 1103");
    assert_eq!(person.who().await, "bob@example.com");
}

#[tokio::test]
async fn it_ends_after_its_time_however_it_is_used() {
    let app = stage().await;
    let program = Program::new(&app);
    assert_eq!(told(&program.by_password(ADA).await), ADA);
    for _ in 0..11 {
        app.advance(Duration::from_secs(3600));
        assert_eq!(program.who().await, ADA);
    }
    app.advance(Duration::from_secs(3600));
    assert_eq!(program.who().await, "401 1103");
}

#[tokio::test]
async fn somebody_who_is_suspended_behind_its_back_is_out() {
    let app = stage().await;
    let bob = app.principal("bob@example.com", &[ROLE], |_| {}).await;
    let program = Program::new(&app);
    assert_eq!(told(&program.by_password("bob@example.com").await), "bob@example.com");
    suspend(&app, &bob.id).await;
    assert_eq!(program.who().await, "401 1103");
    assert_eq!(program.post("/auth/logout", Value::Null).await.status, 200);
}

#[tokio::test]
async fn its_id_and_the_cookie_of_the_pages_are_not_the_same_thing() {
    let app = stage().await;
    let browser = Browser::new();
    browser.sign_in(&app, ADA, PASSWORD).await;
    let port = app.issuer.rsplit(':').next().unwrap().to_owned();
    let name = format!("keyward_session_{port}");
    let cookie = browser.cookie(&app, &name).unwrap();
    let ask = |cookie: String| {
        let program = Program::new(&app);
        async move { program.send(Method::GET, "/auth", &[("cookie", &cookie)], Value::Null).await }
    };
    assert_eq!(told(&ask(format!("ss-id={cookie}")).await), "401 1103");
    let swapped = cookie.replace("kwss_", "kwas_");
    assert_eq!(told(&ask(format!("ss-id={swapped}")).await), "401 1103");
    for bad in ["", "x", "kwas_", "kwas_AAAA", &"A".repeat(5000)] {
        assert_eq!(told(&ask(format!("ss-id={bad}")).await), "401 1103");
    }

    let session_id = Program::new(&app).by_password(ADA).await.json()["sessionId"].as_str().unwrap().to_owned();
    assert_eq!(told(&ask(format!("ss-id={session_id}")).await), ADA, "alone it authenticates");
    for value in [session_id.clone(), session_id.replace("kwas_", "kwss_")] {
        let visitor = Browser::new();
        let request = visitor.request(Method::GET, &app.url("/account")).header("cookie", format!("{name}={value}"));
        assert_eq!(visitor.send(request).await.location().unwrap().path(), "/login");
    }
    let bearer = Program::new(&app).who_by(&session_id).await;
    assert_eq!(told(&bearer), "401 1105");
}

#[tokio::test]
async fn two_servers_of_one_database_share_it() {
    let app = stage().await;
    let twin = app.twin().await;
    let session_id = Program::new(&app).by_password(ADA).await.json()["sessionId"].as_str().unwrap().to_owned();
    let cookie = format!("ss-id={session_id}");
    let there = Program::new(&twin);
    let headers = [("cookie", cookie.as_str())];
    assert_eq!(told(&there.send(Method::GET, "/auth", &headers, Value::Null).await), ADA);
    assert_eq!(there.send(Method::POST, "/auth/logout", &headers, Value::Null).await.status, 200);
    assert_eq!(told(&Program::new(&app).send(Method::GET, "/auth", &headers, Value::Null).await), "401 1103");
}
