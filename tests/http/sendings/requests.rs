//! What can be asked for, and what is refused.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{EMAIL, mail, path, send, status};
use crate::support::{TestApp, api::Api};

/// A server that takes mails and, since nobody listens there, delivers none.
async fn taking(change: impl FnOnce(&mut keyward::config::Config)) -> (TestApp, Api) {
    let app = TestApp::spawn_with(|config| {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        config.mail.host = Some("127.0.0.1".to_owned());
        config.mail.port = Some(nobody.into());
        config.mail.security = keyward::config::MailSecurity::None;
        config.mail.from = Some("no-reply@keyward.example".to_owned());
        change(config);
    })
    .await;
    let api = Api::holding(&app, "mailer", &["sendings:*"]).await;
    (app, api)
}

fn with(name: &str, value: Value) -> Value {
    let mut mail = mail("ada@example.org");
    mail[name] = value;
    mail
}

#[tokio::test]
async fn a_server_without_mail_says_so() {
    let app = TestApp::spawn().await;
    let api = Api::holding(&app, "mailer", &["sendings:*"]).await;
    assert_eq!(api.post(EMAIL, mail("ada@example.org")).await.said(), "503 MAIL_NOT_CONFIGURED");
}

#[tokio::test]
async fn what_is_wrong_with_a_mail_is_told() {
    let (_app, api) = taking(|config| config.mail.max_bytes = 1024).await;
    let many: Vec<String> = (0..51).map(|n| format!("a{n}@example.org")).collect();
    for (body, said) in [
        (Value::Null, "400 BODY_MALFORMED"),
        (json!([]), "400 BODY_MALFORMED"),
        (json!({}), "400 FIELD_MALFORMED"),
        (with("attachments", json!([])), "400 UNKNOWN_FIELD"),
        (with("to", json!(1)), "400 FIELD_MALFORMED"),
        (with("to", json!({ "email": "ada@example.org" })), "400 FIELD_MALFORMED"),
        (with("body", json!("text")), "400 FIELD_MALFORMED"),
        (with("body", json!({ "text": "x" })), "400 UNKNOWN_FIELD"),
        (with("dynamic", json!([])), "400 FIELD_MALFORMED"),
        (with("subject", json!("a\u{0}b")), "400 BODY_MALFORMED"),
        (with("category", json!("system:password_reset")), "400 CATEGORY_RESERVED"),
        (with("category", json!("System:x")), "400 CATEGORY_RESERVED"),
        (with("category", json!("system")), "400 CATEGORY_RESERVED"),
        (with("category", json!(" system:x")), "400 CATEGORY_RESERVED"),
        (with("category", json!("a b")), "422 FIELD_INVALID"),
        (with("category", json!("")), "422 FIELD_INVALID"),
        (with("category", json!("x".repeat(65))), "422 FIELD_INVALID"),
        (with("to", json!([])), "422 FIELD_INVALID"),
        (with("to", json!("ada")), "422 FIELD_INVALID"),
        (with("to", json!(many)), "422 FIELD_INVALID"),
        (with("cc", json!(many[..50])), "422 FIELD_INVALID"),
        (with("subject", json!("")), "422 FIELD_INVALID"),
        (with("subject", json!("x".repeat(256))), "422 FIELD_INVALID"),
        (with("body", json!({})), "422 FIELD_INVALID"),
        (with("body", json!({ "plainText": "" })), "422 FIELD_INVALID"),
        (with("body", json!({ "plainText": "x".repeat(1000), "html": "x".repeat(25) })), "422 FIELD_INVALID"),
        (with("body", json!({ "html": "x".repeat(60_000) })), "422 FIELD_INVALID"),
        (with("body", json!({ "html": "x".repeat(1_000_000) })), "413 BODY_TOO_LARGE"),
        (with("from", json!("ceo@bank.example")), "422 FIELD_INVALID"),
        (with("from", json!("x@evil.keyward.example")), "422 FIELD_INVALID"),
        (with("fromName", json!(" ")), "422 FIELD_INVALID"),
        (with("fromName", json!("x".repeat(129))), "422 FIELD_INVALID"),
        (with("dynamic", json!({ "x": "y".repeat(8200) })), "422 FIELD_INVALID"),
    ] {
        let shown = body.to_string().chars().take(100).collect::<String>();
        assert_eq!(api.post(EMAIL, body).await.said(), said, "{shown}");
    }
    let all = api.post(EMAIL, json!({ "to": "ada", "subject": "", "body": {}, "replyTo": "x" })).await;
    let errors = all.json()["errors"].as_array().unwrap().clone();
    let pointers: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect();
    assert_eq!(pointers, ["/to", "/replyTo", "/subject", "/body"]);
    let second = api.post(EMAIL, with("cc", json!(["ada@example.org", "ada"]))).await;
    assert_eq!(second.json()["errors"][0]["pointer"], "/cc/1");
    let get = api.get(EMAIL).await;
    assert_eq!((get.said().as_str(), get.header("allow")), ("405 METHOD_NOT_ALLOWED", "POST"));
    assert_eq!(api.get(&path("0190a3c2-7b00-7000-8000-000000000001")).await.said(), "404 NOT_FOUND");
}

#[tokio::test]
async fn nothing_that_is_handed_in_becomes_a_header() {
    let (_app, api) = taking(|_| {}).await;
    let breaks = ["\r\n", "\n", "\r", "\u{b}", "\u{c}", "\u{85}", "\u{2028}", "\u{2029}", "\u{1b}", "\u{7f}", "\r\n "];
    for end in breaks {
        let text = format!("x{end}Bcc: mallory@example.org");
        for field in ["subject", "fromName", "category"] {
            assert_eq!(api.post(EMAIL, with(field, json!(text))).await.said(), "422 FIELD_INVALID", "{field} {text:?}");
        }
        for address in [
            format!("ada@example.org{end}Bcc: mallory@example.org"),
            format!("ada@example.org{end}"),
            format!("{end}ada@example.org"),
            format!("a{end}da@example.org"),
            format!("\"a{end}da\"@example.org"),
            format!("<ada@example.org>{end}RCPT TO:<mallory@example.org>"),
        ] {
            for field in ["to", "cc", "bcc", "replyTo", "from"] {
                let said = api.post(EMAIL, with(field, json!(address))).await.said();
                assert_eq!(said, "422 FIELD_INVALID", "{field} {address:?}");
            }
        }
    }
    for address in [
        "a,b@example.org",
        "ada@example.org,eve@example.org",
        "ada@example.org;eve@example.org",
        "Ada <ada@example.org>",
        "ada@[127.0.0.1]",
        "ada@127.0.0.1",
        "ada@example.org>",
        "-oQ/tmp@",
        "ada@exa mple.org",
        "ada@=?x?=.org",
    ] {
        assert_eq!(api.post(EMAIL, with("to", json!(address))).await.said(), "422 FIELD_INVALID", "{address}");
    }
    assert_eq!(api.post(EMAIL, with("subject", json!("=?utf-8?q?x=0D=0ABcc:_m@x.org?="))).await.said(), "202");
}

#[tokio::test]
async fn who_may_ask_is_decided_by_permissions() {
    let (app, api) = taking(|_| {}).await;
    let id = send(&api, mail("ada@example.org")).await;
    let reader = Api::holding(&app, "reader", &["sendings:read"]).await;
    let writer = Api::holding(&app, "writer", &["sendings:write"]).await;
    assert_eq!(reader.post(EMAIL, mail("ada@example.org")).await.said(), "403 PERMISSION_MISSING");
    assert_eq!(reader.delete(&path(&id)).await.said(), "403 PERMISSION_MISSING");
    assert_eq!(reader.get(&path(&id)).await.said(), "200");
    assert_eq!(writer.get(&path(&id)).await.said(), "403 PERMISSION_MISSING");
    let nobody = Api::new(&app, "", "");
    assert_eq!(nobody.post(EMAIL, mail("ada@example.org")).await.said(), "401 TOKEN_MISSING");
    let put = api.send(Method::PUT, &path(&id), &[], json!({})).await;
    assert_eq!((put.said().as_str(), put.header("allow")), ("405 METHOD_NOT_ALLOWED", "GET, HEAD, DELETE"));
    // the server's own mails are not the callers' to stop
    let new = app.app.mail.test("ada@example.org", app.now()).unwrap();
    let own = new.id.clone();
    app.app.store.write(move |tx| keyward::store::sending::insert(tx, &new)).await.unwrap();
    assert_eq!(status(&reader, &own).await["category"], "system:test");
    assert_eq!(writer.delete(&path(&own)).await.said(), "403 PERMISSION_MISSING");
}

#[tokio::test]
async fn the_same_request_under_the_same_key_sends_once() {
    let (_app, api) = taking(|config| config.mail.caller_rate = 1).await;
    let key = [("idempotency-key", "order-42")];
    let first = api.send(Method::POST, EMAIL, &key, mail("ada@example.org")).await;
    let again = api.send(Method::POST, EMAIL, &key, mail("ada@example.org")).await;
    assert_eq!((first.object(202), again.header("idempotency-replayed")), (again.object(202), "true"));
    let other = api.send(Method::POST, EMAIL, &key, mail("eve@example.org")).await;
    assert_eq!(other.said(), "422 IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn a_caller_that_writes_too_much_is_told_when_to_come_back() {
    let (app, api) = taking(|config| config.mail.caller_rate = 4).await;
    let to = |number: usize| {
        let to: Vec<String> = (0..number).map(|n| format!("a{n}@example.org")).collect();
        with("to", json!(to))
    };
    assert_eq!(api.post(EMAIL, to(3)).await.said(), "202");
    let early = api.post(EMAIL, to(3)).await;
    assert_eq!((early.said().as_str(), early.header("retry-after")), ("429 TOO_MANY_REQUESTS", "30"));
    assert_eq!(api.post(EMAIL, to(1)).await.said(), "202", "a smaller one still fits");
    let other = Api::holding(&app, "other", &["sendings:write"]).await;
    assert_eq!(other.post(EMAIL, to(3)).await.said(), "202", "each caller has its own");
    app.advance(Duration::from_secs(45));
    assert_eq!(api.post(EMAIL, to(3)).await.said(), "202");
    // together they get no more than alone
    app.advance(Duration::from_secs(60));
    let all = futures_util::future::join_all((0..12).map(|_| api.post(EMAIL, to(1)))).await;
    assert_eq!(all.iter().filter(|answer| answer.said() == "202").count(), 4);
}

#[tokio::test]
async fn handing_in_and_taking_back_are_in_the_audit_log() {
    use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
    use keyward::store::{Conn, Error, schema::audit_event};
    let (app, api) = taking(|config| config.mail.connections = 1).await;
    let id = send(&api, mail("ada@example.org")).await;
    super::until_retry(&app, &api, &id, 1).await;
    assert_eq!(api.delete(&path(&id)).await.said(), "204");
    let read = move |conn: &mut Conn| -> Result<Vec<(String, Option<String>, String)>, Error> {
        let events = audit_event::table.filter(audit_event::target_id.eq(id)).order(audit_event::id);
        Ok(events.select((audit_event::action, audit_event::actor_id, audit_event::changes)).load(conn)?)
    };
    let events = app.app.store.read(read).await.unwrap();
    let mut actions: Vec<_> = events.iter().map(|event| event.0.as_str()).collect();
    actions.sort_unstable();
    assert_eq!(actions, ["sending.cancel", "sending.create"]);
    assert!(events.iter().all(|event| event.1.as_deref() == Some("mailer")));
    assert!(events.iter().all(|event| !event.2.contains("Good morning") && !event.2.contains("Hello")));
}
