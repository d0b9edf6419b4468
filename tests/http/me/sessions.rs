//! `/resources/me/sessions`

use serde_json::json;

use super::{ada, steady};
use crate::support::{api::Api, browser::Browser, relying_party::RelyingParty};

const SESSIONS: &str = "/resources/me/sessions";

#[tokio::test]
async fn a_person_sees_where_they_are_signed_in() {
    let ada = ada().await;
    ada.app.advance(std::time::Duration::from_secs(60));
    let (elsewhere, _) = ada.elsewhere().await;
    let list = ada.api.get(SESSIONS).await;
    assert_eq!(list.header("cache-control"), "no-store");
    insta::assert_json_snapshot!(steady(list.object(200)), @r#"
    {
      "firstCursor": null,
      "lastCursor": null,
      "sessions": [
        {
          "authenticationMethods": [
            "pwd"
          ],
          "clientIds": [
            "portal"
          ],
          "createdAt": "2026-11-21T12:01:00.000Z",
          "current": false,
          "expiresAt": "2026-11-22T00:01:00.000Z",
          "id": "[id]",
          "ipAddress": "[ipAddress]",
          "lastActiveAt": "2026-11-21T12:01:00.000Z",
          "userAgent": null
        },
        {
          "authenticationMethods": [
            "pwd"
          ],
          "clientIds": [
            "portal"
          ],
          "createdAt": "2026-11-21T12:00:00.000Z",
          "current": true,
          "expiresAt": "2026-11-22T00:00:00.000Z",
          "id": "[id]",
          "ipAddress": "[ipAddress]",
          "lastActiveAt": "2026-11-21T12:00:00.000Z",
          "userAgent": null
        }
      ],
      "totalCount": 2
    }
    "#);
    assert_eq!(ada.api.get(&format!("{SESSIONS}?limit=1")).await.said(), "400 UNKNOWN_PARAMETER");
    let mine = |list: serde_json::Value| {
        let sessions = list["sessions"].as_array().unwrap().clone();
        sessions.into_iter().find(|session| session["current"] == true).unwrap()["id"].clone()
    };
    assert_ne!(mine(elsewhere.get(SESSIONS).await.json()), mine(ada.api.get(SESSIONS).await.json()));
}

#[tokio::test]
async fn a_session_that_is_ended_takes_what_was_granted_in_it_along() {
    let ada = ada().await;
    let (elsewhere, tokens) = ada.elsewhere().await;
    let list = ada.api.get(SESSIONS).await.object(200);
    let other = list["sessions"].as_array().unwrap().iter().find(|session| session["current"] == false).unwrap();
    let path = format!("{SESSIONS}/{}", other["id"].as_str().unwrap());
    assert_eq!(ada.api.delete(&path).await.said(), "204");
    assert_eq!(elsewhere.get("/resources/me").await.said(), "401 TOKEN_INVALID");
    assert_eq!(ada.rp.refresh(&tokens.refresh_token).await.outcome(), "400 invalid_grant");
    assert_eq!(ada.api.delete(&path).await.said(), "404 NOT_FOUND");
    assert_eq!(ada.api.get(SESSIONS).await.object(200)["totalCount"], 1);
    assert_eq!(ada.audited("session.end").await.len(), 1);
    // one's own last
    let own = ada.api.get(SESSIONS).await.object(200)["sessions"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(ada.api.delete(&format!("{SESSIONS}/{own}")).await.said(), "204");
    assert_eq!(ada.api.get(SESSIONS).await.said(), "401 TOKEN_INVALID");
}

/// Attack 45.
#[tokio::test]
async fn nobody_sees_or_ends_anothers_session() {
    let ada = ada().await;
    let grace = ada.app.principal("grace@example.com", &[], |_| {}).await;
    let rp = RelyingParty::new(&ada.app, &ada.client);
    let tokens = rp.sign_in(&Browser::new(), "grace@example.com", "openid me:*").await;
    let grace = Api::new(&ada.app, &tokens.access_token, &grace.id);
    let list = grace.get(SESSIONS).await.object(200);
    assert_eq!(list["totalCount"], 1);
    let hers = list["sessions"][0]["id"].as_str().unwrap().to_owned();
    let (another, unknown) =
        (ada.api.delete(&format!("{SESSIONS}/{hers}")).await, ada.api.delete(&format!("{SESSIONS}/x")).await);
    assert_eq!((another.said(), unknown.said()), ("404 NOT_FOUND".to_owned(), "404 NOT_FOUND".to_owned()));
    assert_eq!(
        another.json()["detail"].as_str().unwrap().replace(&hers, "x"),
        unknown.json()["detail"].as_str().unwrap()
    );
    assert_eq!(grace.get("/resources/me").await.object(200)["roles"], json!([]));
}
