//! `/resources/me/pat`

use std::time::Duration;

use keyward::store;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Person, ada, ada_on, password::at_once, steady};
use crate::{
    stage::{reregister, set_roles, suspend},
    support::{PASSWORD, TestApp, api::Api, browser::Browser, relying_party::RelyingParty},
};

const PATS: &str = "/resources/me/pat";

impl Person {
    async fn pat(&self, scopes: &[&str]) -> Api {
        let made = self.api.post(PATS, json!({"name": "script", "scopes": scopes})).await.object(201);
        Api::new(&self.app, made["token"].as_str().unwrap(), &self.id)
    }
}

#[tokio::test]
async fn a_personal_access_token_is_shown_once_works_and_is_ended() {
    let ada = ada().await;
    let made = ada.api.post(PATS, json!({"name": "nightly report", "scopes": ["me/profile:read"]})).await;
    assert_eq!(made.header("cache-control"), "no-store");
    let document = made.object(201);
    insta::assert_json_snapshot!(steady(document.clone()), @r#"
    {
      "clientId": "portal",
      "createdAt": "2026-11-21T12:00:00.000Z",
      "expiresAt": "2027-02-19T12:00:00.000Z",
      "hint": "[hint]",
      "id": "[id]",
      "lastUsedAt": null,
      "name": "nightly report",
      "scopes": [
        "me/profile:read"
      ],
      "token": "[token]"
    }
    "#);
    let token = document["token"].as_str().unwrap();
    assert!(token.starts_with("kwpat_") && token.ends_with(document["hint"].as_str().unwrap()));
    let script = Api::new(&ada.app, token, &ada.id);
    assert_eq!(script.get("/resources/me").await.object(200)["id"], ada.id.as_str());
    assert_eq!(script.get("/resources/me/settings").await.said(), "403 PERMISSION_MISSING");

    let listed = ada.api.get(PATS).await;
    assert!(!listed.body.contains(token), "shown once");
    let mut one = listed.object(200)["personalAccessTokens"][0].clone();
    one["lastUsedAt"] = Value::Null;
    let mut expected = document.clone();
    expected.as_object_mut().unwrap().remove("token");
    assert_eq!(one, expected);
    assert_eq!(listed.json()["totalCount"], 1);

    let path = format!("{PATS}/{}", document["id"].as_str().unwrap());
    assert_eq!(ada.api.delete(&path).await.said(), "204");
    assert_eq!(script.get("/resources/me").await.said(), "401 TOKEN_INVALID");
    assert_eq!(ada.api.delete(&path).await.said(), "404 NOT_FOUND");
    let events = [ada.audited("personalAccessToken.create").await, ada.audited("personalAccessToken.delete").await];
    assert_eq!((events[0].len(), events[1].len()), (1, 1));
    assert!(!format!("{events:?}").contains(token), "no secrets in the audit log");
}

#[tokio::test]
async fn what_is_wrong_with_a_personal_access_token_is_told() {
    let ada = ada().await;
    let scopes = json!(["me/profile:read"]);
    let with = |more: Value| {
        let mut body = json!({"name": "n", "scopes": scopes});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (body, said) in [
        (json!({"scopes": scopes}), "400 FIELD_MALFORMED"),
        (json!({"name": "n"}), "400 FIELD_MALFORMED"),
        (with(json!({"scopes": "me/profile:read"})), "400 FIELD_MALFORMED"),
        (with(json!({"token": "x"})), "400 UNKNOWN_FIELD"),
        (with(json!({"name": ""})), "422 FIELD_INVALID"),
        (with(json!({"name": "x".repeat(101)})), "422 FIELD_INVALID"),
        (with(json!({"scopes": []})), "422 FIELD_INVALID"),
        (with(json!({"scopes": vec!["me/profile:read"; 51]})), "422 FIELD_INVALID"),
        (with(json!({"scopes": ["openid"]})), "422 FIELD_INVALID"),
        (with(json!({"scopes": ["me/profile:read", "offline_access"]})), "422 FIELD_INVALID"),
        (with(json!({"scopes": ["nonsense"]})), "422 FIELD_INVALID"),
        (with(json!({"scopes": ["me/profile:read me/pat:write"]})), "422 FIELD_INVALID"),
        (with(json!({"expiresAt": "tomorrow"})), "422 FIELD_INVALID"),
        (with(json!({"expiresAt": "2026-11-21T12:00:00Z"})), "422 FIELD_INVALID"),
        (with(json!({"expiresAt": "2027-11-21T12:00:01Z"})), "422 FIELD_INVALID"),
        (with(json!({"expiresAt": 5})), "400 FIELD_MALFORMED"),
    ] {
        assert_eq!(ada.api.post(PATS, body.clone()).await.said(), said, "{body}");
    }
    let longest = ada.api.post(PATS, with(json!({"expiresAt": "2027-11-21T13:00:00+01:00"}))).await.object(201);
    assert_eq!(longest["expiresAt"], "2027-11-21T12:00:00.000Z");
    assert_eq!(ada.api.get(PATS).await.object(200)["totalCount"], 1);
    assert_eq!(ada.api.get(&format!("{PATS}?limit=5")).await.said(), "400 UNKNOWN_PARAMETER");
}

/// Attacks 43 and 44.
#[tokio::test]
async fn no_token_makes_one_that_is_stronger_than_itself() {
    let app = TestApp::spawn().await;
    let ada = ada_on(app, &["system:owner"], "me:* iam:* *:*").await;
    let ask = |api: Api, scope: &'static str| async move {
        api.post(PATS, json!({"name": "n", "scopes": ["me/pat:write", scope]})).await.said()
    };
    let narrow = ada.with_scope("me/pat:write me/profile:read iam/roles:read").await;
    for (scope, said) in [
        ("me/profile:read", "201"),
        ("iam/roles:read", "201"),
        ("me/profile:write", "403 PRIVILEGE_ESCALATION"),
        ("me/profile:*", "403 PRIVILEGE_ESCALATION"),
        ("me:*", "403 PRIVILEGE_ESCALATION"),
        ("iam:*", "403 PRIVILEGE_ESCALATION"),
        ("iam/principals:read", "403 PRIVILEGE_ESCALATION"),
        ("*:*", "403 PRIVILEGE_ESCALATION"),
        ("*:read", "403 PRIVILEGE_ESCALATION"),
    ] {
        assert_eq!(ask(narrow.clone(), scope).await, said, "{scope}");
    }
    assert_eq!(ada.with_scope("me/pat:read").await.post(PATS, json!({})).await.said(), "403 PERMISSION_MISSING");
    // nor does a person who holds less than an application may ask for
    let grace = ada.app.principal("grace@example.com", &[], |_| {}).await;
    let tokens = ada.rp.sign_in(&Browser::new(), "grace@example.com", "openid me:* iam:* *:*").await;
    let grace = Api::new(&ada.app, &tokens.access_token, &grace.id);
    assert_eq!(ask(grace.clone(), "iam/roles:read").await, "403 PRIVILEGE_ESCALATION");
    assert_eq!(ask(grace, "me:*").await, "201");
}

/// Attack 44: a personal access token does not renew itself, nor replace what its person signs in with.
#[tokio::test]
async fn a_personal_access_token_makes_no_other_and_takes_over_nothing() {
    let ada = ada().await;
    let script = ada.pat(&["me:*"]).await;
    for (path, body) in [
        (PATS, json!({"name": "n", "scopes": ["me/profile:read"]})),
        ("/resources/me/password", json!({"currentPassword": PASSWORD, "newPassword": "Seven-purple-teapots-9"})),
        ("/resources/me/email/change", json!({"email": "eve@example.com"})),
    ] {
        assert_eq!(script.post(path, body).await.said(), "403 PRIVILEGE_ESCALATION", "{path}");
    }
    assert_eq!(script.get(PATS).await.object(200)["totalCount"], 1);
    assert_eq!(script.get("/resources/me/sessions").await.object(200)["sessions"][0]["current"], false);
    // it is a bearer token of these APIs only
    assert_eq!(ada.rp.userinfo(&script.token).await.status.as_u16(), 401);
    let grant = [("grant_type", "refresh_token"), ("refresh_token", script.token.as_str())];
    assert_eq!(ada.rp.token(&grant).await.outcome(), "400 invalid_grant");
}

#[tokio::test]
async fn a_personal_access_token_allows_what_its_person_may_now() {
    let app = TestApp::spawn().await;
    app.role("support:agent", &["iam/roles:read", "iam/audit:read"]).await;
    let ada = ada_on(app, &["support:agent"], "me:* iam:*").await;
    let script = ada.pat(&["iam/roles:read"]).await;
    let role = "/resources/iam/roles/support:agent";
    assert_eq!(script.get(role).await.said(), "200");
    assert_eq!(script.put(role, json!({})).await.said(), "403 PERMISSION_MISSING");
    assert_eq!(script.get("/resources/me").await.said(), "403 PERMISSION_MISSING");
    set_roles(&ada.app, &ada.id, &[]).await;
    assert_eq!(script.get(role).await.said(), "403 PERMISSION_MISSING");
    set_roles(&ada.app, &ada.id, &["support:agent"]).await;
    assert_eq!(script.get(role).await.said(), "200");
    // nor more than the application that made it may ask for
    reregister(&ada.app, &ada.client, |client| client.scopes = "openid me:*".parse().unwrap()).await;
    assert_eq!(script.get(role).await.said(), "403 PERMISSION_MISSING");
}

#[tokio::test]
async fn it_ends_with_its_time_its_person_or_its_application() {
    let ada = ada().await;
    let script = ada.pat(&["me/profile:read"]).await;
    // signing out does not end it: it is for when nobody is there
    let session = ada.api.get("/resources/me/sessions").await.json()["sessions"][0]["id"].as_str().unwrap().to_owned();
    let other = ada.elsewhere().await.0;
    assert_eq!(other.delete(&format!("/resources/me/sessions/{session}")).await.said(), "204");
    assert_eq!(script.get("/resources/me").await.said(), "200");
    // an application that is suspended acts by no token of whatever kind
    reregister(&ada.app, &ada.client, |client| {
        client.suspended_at = Some(keyward::model::time::Timestamp::from_seconds(1))
    })
    .await;
    assert_eq!(script.get("/resources/me").await.said(), "401 TOKEN_INVALID");
    reregister(&ada.app, &ada.client, |_| {}).await;
    assert_eq!(script.get("/resources/me").await.said(), "200");
    ada.app.advance(Duration::from_secs(90 * 24 * 3600 - 1));
    assert_eq!(script.get("/resources/me").await.said(), "200");
    ada.app.advance(Duration::from_secs(1));
    assert_eq!(script.get("/resources/me").await.said(), "401 TOKEN_INVALID");
}

#[tokio::test]
async fn suspension_ends_it_for_good() {
    let ada = ada().await;
    let script = ada.pat(&["me/profile:read"]).await;
    suspend(&ada.app, &ada.id).await;
    assert_eq!(script.get("/resources/me").await.said(), "401 TOKEN_INVALID");
    let id = ada.id.clone();
    ada.app.app.store.write(move |tx| store::principal::set_suspended(tx, &id, None)).await.unwrap();
    assert_eq!(script.get("/resources/me").await.said(), "401 TOKEN_INVALID");
}

#[tokio::test]
async fn a_new_password_ends_it_only_where_the_person_wishes_it() {
    let ada = ada().await;
    let script = ada.pat(&["me/profile:read"]).await;
    let change = |current: &str, new: &str, revoke: bool| {
        let body = json!({"currentPassword": current, "newPassword": new, "revokePersonalAccessTokens": revoke});
        let api = ada.api.clone();
        async move { api.post("/resources/me/password", body).await.said() }
    };
    assert_eq!(change(PASSWORD, "Seven-purple-teapots-9", false).await, "204");
    assert_eq!(script.get("/resources/me").await.said(), "200");
    assert_eq!(change("Seven-purple-teapots-9", "Eight-purple-teapots-9", true).await, "204");
    assert_eq!(script.get("/resources/me").await.said(), "401 TOKEN_INVALID");
}

/// Attack 13: truncated, padded, case-flipped, appended; of another kind.
#[tokio::test]
async fn only_the_exact_value_is_the_token() {
    let ada = ada().await;
    let script = ada.pat(&["me/profile:read"]).await;
    let token = &script.token;
    for bad in [
        &token[..token.len() - 1],
        &format!("{token}A"),
        &format!("{token}="),
        &token.to_ascii_uppercase(),
        &token.replace("kwpat_", "kwrt_"),
        "kwpat_",
        &format!("kwpat_{}", "a".repeat(50_000)),
    ] {
        let answer = Api::new(&ada.app, bad, "").get("/resources/me").await;
        assert_eq!(answer.said(), "401 TOKEN_INVALID", "{}", &bad[..bad.len().min(60)]);
    }
}

/// Attack 45.
#[tokio::test]
async fn nobody_sees_or_ends_anothers_tokens() {
    let ada = ada().await;
    let made = ada.api.post(PATS, json!({"name": "n", "scopes": ["me/profile:read"]})).await.object(201);
    let grace = ada.app.principal("grace@example.com", &[], |_| {}).await;
    let tokens = ada.rp.sign_in(&Browser::new(), "grace@example.com", "openid me:*").await;
    let grace = Api::new(&ada.app, &tokens.access_token, &grace.id);
    assert_eq!(grace.get(PATS).await.object(200)["totalCount"], 0);
    let path = format!("{PATS}/{}", made["id"].as_str().unwrap());
    assert_eq!(grace.delete(&path).await.said(), "404 NOT_FOUND");
    assert_eq!(ada.api.get(PATS).await.object(200)["totalCount"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_has_more_than_fifty_however_many_ask_at_once() {
    let app = TestApp::spawn_with(|config| config.workers = Some(4)).await;
    let ada = ada_on(app, &[], "me:*").await;
    let said = at_once(&ada, 60, |api, _| async move {
        api.post(PATS, json!({"name": "n", "scopes": ["me/profile:read"]})).await.said()
    })
    .await;
    assert_eq!(said.iter().filter(|said| *said == "201").count(), 50, "{said:?}");
    assert_eq!(said.iter().filter(|said| *said == "422 TOO_MANY").count(), 10, "{said:?}");
    let list = ada.api.get(PATS).await.object(200);
    assert_eq!(list["totalCount"], 50);
    let path = format!("{PATS}/{}", list["personalAccessTokens"][0]["id"].as_str().unwrap());
    assert_eq!(ada.api.delete(&path).await.said(), "204");
    assert_eq!(ada.api.post(PATS, json!({"name": "n", "scopes": ["me:*"]})).await.said(), "201");
}

#[tokio::test]
async fn its_use_is_noted_to_the_minute() {
    let ada = ada().await;
    let script = ada.pat(&["me/profile:read"]).await;
    // noted after the answer: asked until it is there
    let noted = async |at: &str| {
        for _ in 0..1000 {
            let list = ada.api.get(PATS).await.object(200);
            if list["personalAccessTokens"][0]["lastUsedAt"] == at {
                return;
            }
        }
        panic!("{at} was not noted");
    };
    assert_eq!(script.get("/resources/me").await.said(), "200");
    noted("2026-11-21T12:00:00.000Z").await;
    ada.app.advance(Duration::from_secs(59));
    assert_eq!(script.get("/resources/me").await.said(), "200");
    ada.app.advance(Duration::from_secs(1));
    assert_eq!(script.get("/resources/me").await.said(), "200");
    noted("2026-11-21T12:01:00.000Z").await;
}

#[tokio::test]
async fn introspection_tells_clients_with_the_permission_only() {
    let ada = ada().await;
    let script = ada.pat(&["me/profile:read"]).await;
    assert!(!ada.rp.is_active(&script.token).await, "not the application that made it");
    ada.app.role("house:gateway", &["oauth/tokens:introspect"]).await;
    let gateway = ada.app.client("gateway", &["house:gateway"], |_| {}).await;
    let gateway = RelyingParty::new(&ada.app, &gateway);
    let mut told = gateway.introspect(&script.token).await.json();
    assert_eq!(told["sub"], ada.id.as_str());
    told["sub"] = json!("");
    let expected = json!({
        "active": true, "token_type": "Bearer", "iss": ada.app.issuer, "aud": ada.app.issuer, "sub": "",
        "client_id": "portal", "scope": "me/profile:read", "iat": 1_795_262_400, "exp": 1_803_038_400,
    });
    assert_eq!(told, expected);
    suspend(&ada.app, &ada.id).await;
    assert!(!gateway.is_active(&script.token).await);
}

#[tokio::test]
async fn a_request_that_is_made_again_makes_no_second_token() {
    let ada = ada().await;
    let body = json!({"name": "n", "scopes": ["me/profile:write"]});
    let ask =
        |api: Api, body: Value| async move { api.send(Method::POST, PATS, &[("idempotency-key", "k1")], body).await };
    let first = ask(ada.api.clone(), body.clone()).await.object(201);
    assert_eq!(ask(ada.api.clone(), body.clone()).await.object(201), first);
    assert_eq!(ada.api.get(PATS).await.object(200)["totalCount"], 1);
    let other = json!({"name": "other", "scopes": ["me/profile:write"]});
    assert_eq!(ask(ada.api.clone(), other).await.said(), "422 IDEMPOTENCY_KEY_REUSED");
    // a weaker token does not get the stronger one's answer
    let weak = ada.with_scope("me/pat:write").await;
    assert_eq!(ask(weak, body).await.said(), "403 PRIVILEGE_ESCALATION");
}
