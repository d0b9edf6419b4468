//! Where a principal is signed in.

use std::time::Duration;

use serde_json::{Value, json};

use super::path;
use crate::{
    stage::{ADA, stage},
    support::{PASSWORD, api::Api, browser::Browser},
};

#[tokio::test]
async fn the_sessions_of_a_principal_are_told_with_their_clients() {
    let s = stage().await;
    let owner = Api::owner(&s.app).await;
    let sessions = format!("{}/sessions", path(&s.ada));
    let empty = json!({"sessions": [], "totalCount": 0, "firstCursor": null, "lastCursor": null});
    assert_eq!(owner.get(&sessions).await.object(200), empty);
    s.tokens("openid").await;
    s.tokens("openid offline_access").await;
    let other = s.other("another", |_| {}).await;
    other.sign_in(&s.browser, ADA, "openid").await;
    s.app.advance(Duration::from_secs(5));
    let elsewhere = Browser::new();
    elsewhere.sign_in(&s.app, ADA, PASSWORD).await;
    let list = owner.get(&sessions).await;
    assert_eq!(list.header("cache-control"), "no-store");
    let mut list = list.object(200);
    for session in list["sessions"].as_array_mut().unwrap() {
        assert_eq!(session["id"].as_str().unwrap().len(), 36);
        session["id"] = json!("[id]");
    }
    let session = |clients: Value, second: &str, expires: &str| {
        json!({
            "id": "[id]", "clientIds": clients, "createdAt": format!("2026-11-21T12:00:{second}.000Z"),
            "lastActiveAt": format!("2026-11-21T12:00:{second}.000Z"),
            "expiresAt": format!("2026-11-22T00:00:{expires}.000Z"), "ipAddress": "127.0.0.1", "userAgent": null,
            "authenticationMethods": ["pwd"],
        })
    };
    let expected = [session(json!([]), "05", "05"), session(json!(["another", "app"]), "00", "00")];
    assert_eq!(list, json!({"sessions": expected, "totalCount": 2, "firstCursor": null, "lastCursor": null}));
}

#[tokio::test]
async fn a_session_that_is_ended_takes_its_tokens_along() {
    let s = stage().await;
    let owner = Api::owner(&s.app).await;
    let sessions = format!("{}/sessions", path(&s.ada));
    let kept = s.tokens("openid offline_access").await;
    s.app.advance(Duration::from_secs(1));
    let elsewhere = Browser::new();
    let gone = s.rp.sign_in(&elsewhere, ADA, "openid offline_access").await;
    let id = owner.get(&sessions).await.object(200)["sessions"][0]["id"].as_str().unwrap().to_owned();
    let bob = s.app.principal("bob@example.org", &[], |_| {}).await;
    let others = format!("{}/sessions/{id}", path(&bob.id));
    assert_eq!(owner.delete(&others).await.said(), "404 NOT_FOUND", "it is not Bob's");
    assert_eq!(owner.delete(&format!("{sessions}/{id}")).await.said(), "204");
    assert_eq!(owner.delete(&format!("{sessions}/{id}")).await.said(), "404 NOT_FOUND");
    assert_eq!(s.rp.userinfo(&gone.access_token).await.outcome(), "401 invalid_token");
    assert_eq!(s.rp.refresh(&gone.refresh_token).await.outcome(), "400 invalid_grant");
    assert_eq!(elsewhere.open(&s.app.url("/account")).await.url.path(), "/login");
    assert_eq!(s.rp.userinfo(&kept.access_token).await.outcome(), "200");
    assert_eq!(s.browser.open(&s.app.url("/account")).await.url.path(), "/account");

    assert_eq!(owner.delete(&sessions).await.said(), "204");
    assert_eq!(owner.delete(&sessions).await.said(), "204", "there is nothing left to end");
    assert_eq!(s.rp.userinfo(&kept.access_token).await.outcome(), "401 invalid_token");
    assert_eq!(s.rp.refresh(&kept.refresh_token).await.outcome(), "400 invalid_grant");
    assert_eq!(s.browser.open(&s.app.url("/account")).await.url.path(), "/login");
    assert_eq!(owner.get(&sessions).await.object(200)["totalCount"], 0);
    assert_eq!(s.browser.sign_in(&s.app, ADA, PASSWORD).await.url.path(), "/account");
}

#[tokio::test]
async fn a_session_that_is_over_is_not_told() {
    let s = stage().await;
    let sessions = format!("{}/sessions", path(&s.ada));
    s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    s.app.advance(Duration::from_secs(12 * 3600));
    assert_eq!(Api::owner(&s.app).await.get(&sessions).await.object(200)["totalCount"], 0);
}
