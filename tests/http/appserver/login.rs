//! Signing in by email and password: as on the sign-in page, and told nothing more.

use std::time::Duration;

use keyward::store::{
    audit::Filter,
    listing::{Order, Page},
};

use super::{ADA, Program, ROLE, by, shown, stage, stage_with, told};
use crate::{
    stage::{set_roles, suspend},
    support::{PASSWORD, TestApp, api::Api, browser::Browser},
};

const TEMPORARY: &str = "Temporary-horse-42-battery";
const NEW: &str = "Another-staple-77-battery";

/// Signs in a system user.
fn dialog(user: &str, password: &str) -> String {
    by("DialogUser", &[("User", user), ("Password", password)])
}

fn person(user: &str, password: &str) -> String {
    by("RoleBasedPerson", &[("User", user), ("Password", password)])
}

#[tokio::test]
async fn unknown_wrong_locked_and_suspended_are_one_answer() {
    let app = stage().await;
    let bob = app.principal("bob@example.com", &[ROLE], |_| {}).await;
    app.principal("nopassword@example.com", &[ROLE], |user| user.password_hash = None).await;
    suspend(&app, &bob.id).await;
    let wrong = shown(&app, &Program::new(&app).login(&person(ADA, "wrong")).await);
    assert_eq!((&wrong["status"], &wrong["body"]["exceptions"][0]["number"]), (&401.into(), &1101.into()));
    for auth in [
        person("nobody@example.com", PASSWORD),
        person("bob@example.com", PASSWORD),
        person("nopassword@example.com", PASSWORD),
        person(&"x".repeat(300), PASSWORD),
        person("' OR 1=1 --", "x"),
        // she is no system user
        dialog(ADA, PASSWORD),
        dialog(ADA, "wrong"),
    ] {
        let answer = Program::new(&app).login(&auth).await;
        assert_eq!(shown(&app, &answer), wrong, "{auth}");
        assert_eq!(answer.header("set-cookie"), "");
    }
    for _ in 0..5 {
        assert_eq!(shown(&app, &Program::new(&app).login(&person(ADA, "wrong")).await), wrong);
    }
    let locked = Program::new(&app).login(&person(ADA, PASSWORD)).await;
    assert_eq!(shown(&app, &locked), wrong, "locked, though the password is right");
    app.advance(Duration::from_secs(3600));
    assert_eq!(told(&Program::new(&app).login(&person(ADA, PASSWORD)).await), ADA);
}

#[tokio::test]
async fn guesses_here_and_on_the_sign_in_page_are_counted_together() {
    let app = stage().await;
    for _ in 0..5 {
        Program::new(&app).login(&person(ADA, "wrong")).await;
    }
    let page = Browser::new().sign_in(&app, ADA, PASSWORD).await;
    assert_eq!(page.status, 429, "{}", page.body);
}

#[tokio::test]
async fn system_users_are_marked_by_administrators() {
    let app = stage().await;
    let owner = Api::owner(&app).await;
    let bob = app.principal("bob@example.com", &[ROLE], |_| {}).await;
    let path = format!("/resources/iam/principals/{}", bob.id);
    assert_eq!(owner.get(&path).await.object(200)["systemUser"], false);
    assert_eq!(told(&Program::new(&app).login(&dialog("bob@example.com", PASSWORD)).await), "401 1101");
    let marked = owner.put(&path, serde_json::json!({"systemUser": true})).await.object(200);
    assert_eq!(marked["systemUser"], true);
    let program = Program::new(&app);
    assert_eq!(told(&program.login(&dialog("BOB@Example.com", PASSWORD)).await), "bob@example.com");
    assert_eq!(owner.put(&path, serde_json::json!({"name": "Bob"})).await.object(200)["systemUser"], true);
    assert_eq!(owner.put(&path, serde_json::json!({"systemUser": null})).await.object(200)["systemUser"], false);
    assert_eq!(owner.put(&path, serde_json::json!({"systemUser": "yes"})).await.said(), "400 FIELD_MALFORMED");
    assert_eq!(told(&Program::new(&app).login(&dialog("bob@example.com", PASSWORD)).await), "401 1101");

    // nobody rises by it
    let weak = Api::holding(&app, "weak", &["iam/principals:*"]).await;
    let refused = weak.put(&path, serde_json::json!({"systemUser": true})).await;
    assert_eq!(refused.said(), "403 PRIVILEGE_ESCALATION", "bob may do what it may not");
    let scope = "iam/principals:read iam/principals:write appserver/api:access";
    let eve = Api::person(&app, "eve@example.com", &["system:owner"], scope).await;
    let own = format!("/resources/iam/principals/{}", eve.subject);
    let refused = eve.put(&own, serde_json::json!({"systemUser": true})).await;
    assert_eq!(refused.said(), "403 PRIVILEGE_ESCALATION", "nobody makes themselves one");
}

#[tokio::test]
async fn without_the_program_function_nobody_comes_in() {
    let app = stage().await;
    let bob = app.principal("bob@example.com", &[], |_| {}).await;
    let refused = Program::new(&app).by_password("bob@example.com").await;
    assert_eq!((told(&refused).as_str(), refused.header("www-authenticate")), ("401 1104", "apphost"));
    assert_eq!(refused.header("set-cookie"), "");
    let message = refused.json()["errorString"].as_str().unwrap().to_owned();
    for part in ["Enables access to the REST API in the application server", "AppServer_API", "appserver/api:access"] {
        assert!(message.contains(part), "{message}");
    }
    let filter = Filter { action: Some("request.refuse".to_owned()), ..Default::default() };
    let page = Page::first(10, Order::At);
    let events = app.app.store.read(move |conn| keyward::store::audit::list(conn, &filter, &page)).await.unwrap().items;
    assert_eq!(events.len(), 1);
    let noted = (events[0].actor_id.as_deref(), events[0].refused.as_deref(), events[0].target_id.as_deref());
    assert_eq!(noted, (Some(bob.id.as_str()), Some("PERMISSION_MISSING"), Some("POST /AppServer/auth/apphost")));
    // by a role, or by one's own list
    set_roles(&app, &bob.id, &[ROLE]).await;
    let program = Program::new(&app);
    assert_eq!(told(&program.by_password("bob@example.com").await), "bob@example.com");
    assert_eq!(program.who().await, "bob@example.com");
    set_roles(&app, &bob.id, &[]).await;
    assert_eq!(program.who().await, "401 1104", "it is asked for on each call");
    set_roles(&app, &bob.id, &[ROLE]).await;
    assert_eq!(program.who().await, "bob@example.com");
    app.principal("eve@example.com", &[], |eve| {
        eve.acl = keyward::model::permission::Acl::of(&["appserver/api:access"]).unwrap();
    })
    .await;
    assert_eq!(told(&Program::new(&app).by_password("eve@example.com").await), "eve@example.com");
    // who may everything may this
    app.principal("owner@example.com", &["system:owner"], |_| {}).await;
    assert_eq!(told(&Program::new(&app).by_password("owner@example.com").await), "owner@example.com");
}

async fn with_temporary_password() -> TestApp {
    let app = stage().await;
    let hash = app.app.hasher.hash(TEMPORARY.into()).await.unwrap();
    let expires = app.now() + Duration::from_secs(72 * 3600);
    app.principal("bob@example.com", &[ROLE], |bob| {
        bob.password_hash = Some(hash);
        bob.password_temporary = true;
        bob.password_expires_at = Some(expires);
    })
    .await;
    app
}

fn replace(old: &str, new: &str) -> String {
    by("RoleBasedPerson", &[("User", "bob@example.com"), ("Password", old), ("NewPassword", new)])
}

#[tokio::test]
async fn an_expired_password_is_replaced_in_the_same_call() {
    let app = with_temporary_password().await;
    let program = Program::new(&app);
    let expired = program.login(&person("bob@example.com", TEMPORARY)).await;
    assert_eq!((told(&expired).as_str(), expired.header("set-cookie")), ("401 1102", ""));
    for (new, part) in [("short", "at least 8"), (TEMPORARY, "another password"), ("bob@example.com", "")] {
        let refused = program.login(&replace(TEMPORARY, new)).await;
        let message = refused.json()["errorString"].as_str().unwrap().to_owned();
        assert_eq!(told(&refused), "400 1004", "{message}");
        assert!(message.starts_with("NewPassword: ") && message.to_lowercase().contains(part), "{message}");
    }
    assert_eq!(told(&program.login(&replace("wrong", NEW)).await), "401 1101");
    assert_eq!(told(&program.login(&replace(TEMPORARY, NEW)).await), "bob@example.com");
    assert_eq!(program.who().await, "bob@example.com");
    assert_eq!(told(&Program::new(&app).login(&person("bob@example.com", TEMPORARY)).await), "401 1101");
    assert_eq!(told(&Program::new(&app).login(&person("bob@example.com", NEW)).await), "bob@example.com");
    // a new password ends what was begun with the old one
    assert_eq!(told(&Program::new(&app).login(&replace(NEW, PASSWORD)).await), "bob@example.com");
    assert_eq!(program.who().await, "401 1103");
}

#[tokio::test]
async fn a_password_that_is_too_old_or_gives_no_access_is_not_replaced() {
    let app = with_temporary_password().await;
    app.principal("eve@example.com", &[], |_| {}).await;
    let no_access = by("RoleBasedPerson", &[("User", "eve@example.com"), ("Password", PASSWORD), ("NewPassword", NEW)]);
    assert_eq!(told(&Program::new(&app).login(&no_access).await), "401 1104");
    app.advance(Duration::from_secs(72 * 3600));
    assert_eq!(told(&Program::new(&app).login(&replace(TEMPORARY, NEW)).await), "401 1101");
}

#[tokio::test]
async fn a_login_is_noted_and_told_where_it_is_new() {
    let mails = tempfile::tempdir().unwrap();
    let directory = mails.path().to_owned();
    let app = stage_with(|config| {
        config.mail.directory = Some(directory);
        config.mail.from = Some("keyward@example.org".to_owned());
    })
    .await;
    let letters = || std::fs::read_dir(mails.path()).unwrap().count();
    let programs = [Program::new(&app), Program::new(&app)];
    assert_eq!(told(&programs[0].by_password(ADA).await), ADA);
    assert_eq!(told(&programs[1].by_password(ADA).await), ADA, "from the same place, the same program");
    let pending = || async {
        let find = |conn: &mut keyward::store::Conn| {
            use diesel::{QueryDsl, RunQueryDsl};
            let rows: i64 = keyward::store::schema::sending::table.count().get_result(conn)?;
            Ok::<_, keyward::store::Error>(rows)
        };
        app.app.store.read(find).await.unwrap()
    };
    assert_eq!(pending().await, 0);
    let body = serde_json::json!({"authString": person(ADA, PASSWORD)});
    let other = [("user-agent", "Another program")];
    let answer = Program::new(&app).send(reqwest::Method::POST, "/auth/apphost", &other, body).await;
    assert_eq!(told(&answer), ADA);
    assert_eq!(pending().await, 1, "{}", letters());

    let filter = Filter { action: Some("session.begin".to_owned()), ..Default::default() };
    let page = Page::first(10, Order::At);
    let events = app.app.store.read(move |conn| keyward::store::audit::list(conn, &filter, &page)).await.unwrap().items;
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event.actor_kind == "principal" && event.ip_address.is_some()));
}

#[tokio::test]
async fn a_known_program_is_not_locked_out_by_guesses_from_elsewhere() {
    let app = stage().await;
    let known = Program::new(&app);
    assert_eq!(told(&known.login(&person(ADA, PASSWORD)).await), ADA);
    for _ in 0..6 {
        Program::new(&app).login(&person(ADA, "wrong")).await;
    }
    assert_eq!(told(&Program::new(&app).login(&person(ADA, PASSWORD)).await), "401 1101");
    // its cookie of a known device is for all of the server
    assert_eq!(told(&known.login(&person(ADA, PASSWORD)).await), ADA);
}
