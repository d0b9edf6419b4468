//! `/resources/sendings`, and what arrives at the other end.

mod delivery;
mod notices;
mod queue;
mod requests;
mod verification;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{TestApp, api::Api, smtp};

/// Longer than anything here takes; only a failure waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

const EMAIL: &str = "/resources/sendings/email";

/// A server that sends by `smtp`, and a program that may have mail sent.
async fn sending_by(smtp: &smtp::Smtp) -> (TestApp, Api) {
    sending_with(smtp, |_| {}).await
}

async fn sending_with(smtp: &smtp::Smtp, change: impl FnOnce(&mut keyward::config::Config)) -> (TestApp, Api) {
    let app = TestApp::spawn_with(|config| {
        smtp.configure(config);
        change(config);
    })
    .await;
    let api = Api::holding(&app, "mailer", &["sendings:read", "sendings:write"]).await;
    (app, api)
}

/// A mail like any other.
fn mail(to: &str) -> Value {
    json!({ "to": to, "subject": "Hello", "body": { "plainText": "Good morning" } })
}

/// Hands in a mail; its id.
async fn send(api: &Api, mail: Value) -> String {
    let accepted = api.post(EMAIL, mail).await.object(202);
    accepted["sendingId"].as_str().unwrap().to_owned()
}

fn path(id: &str) -> String {
    format!("/resources/sendings/{id}")
}

async fn status(api: &Api, id: &str) -> Value {
    api.get(&path(id)).await.object(200)
}

/// The record of a mail as soon as it is as it should be.
async fn until(app: &TestApp, api: &Api, id: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let record = status(api, id).await;
        if holds(&record) {
            return record;
        }
        assert!(begun.elapsed() < PATIENCE, "{record}");
        app.app.mail.wake();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn until_it_is(app: &TestApp, api: &Api, id: &str, status: &str) -> Value {
    until(app, api, id, |record| record["status"] == status).await
}

/// The record once so many retries were noted.
async fn until_retry(app: &TestApp, api: &Api, id: &str, number: i64) -> Value {
    until(app, api, id, |record| record["retryCount"] == number && record["errorMessage"] != Value::Null).await
}

/// Waits for something outside.
async fn eventually(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "it does not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What is kept of a mail's content.
async fn content(app: &TestApp, id: &str) -> Option<String> {
    use diesel::{QueryDsl, RunQueryDsl};
    use keyward::store::{Conn, Error, schema::sending};
    let id = id.to_owned();
    let read = move |conn: &mut Conn| -> Result<Option<String>, Error> {
        Ok(sending::table.find(id).select(sending::sealed_content).get_result(conn)?)
    };
    app.app.store.read(read).await.unwrap()
}
