//! What is done to a principal acts at the very next request of their tokens and browsers.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{ID, acl, made, path};
use crate::{
    stage::{ADA, Stage, stage},
    support::{
        PASSWORD,
        api::Api,
        browser::Browser,
        relying_party::{Authorization, RelyingParty, Tokens},
    },
};

const NEW: &str = "Quite-another-43-lantern";

/// Ada, signed in, with tokens and a code that was not redeemed yet.
struct SignedIn {
    s: Stage,
    owner: Api,
    tokens: Tokens,
    authorization: Authorization,
    code: String,
}

async fn signed_in() -> SignedIn {
    let s = stage().await;
    let owner = Api::owner(&s.app).await;
    let tokens = s.tokens("openid offline_access").await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("scope", "openid")]).await;
    let code = callback.code().to_owned();
    assert_eq!(s.browser.open(&s.app.url("/account")).await.url.path(), "/account");
    SignedIn { s, owner, tokens, authorization, code }
}

impl SignedIn {
    async fn post(&self, sub: &str) -> Value {
        self.owner.post(&format!("{}/{sub}", path(&self.s.ada)), Value::Null).await.object(200)
    }

    /// Nothing that was begun goes on.
    async fn all_has_ended(&self) {
        let Stage { app, rp, browser, .. } = &self.s;
        assert_eq!(rp.userinfo(&self.tokens.access_token).await.outcome(), "401 invalid_token");
        assert!(!rp.is_active(&self.tokens.access_token).await);
        assert_eq!(rp.refresh(&self.tokens.refresh_token).await.outcome(), "400 invalid_grant");
        assert_eq!(rp.redeem(&self.authorization, &self.code).await.outcome(), "400 invalid_grant");
        assert_eq!(browser.open(&app.url("/account")).await.url.path(), "/login");
    }

    async fn sign_in(&self, password: &str) -> (StatusCode, String) {
        let page = Browser::new().sign_in(&self.s.app, ADA, password).await;
        (page.status, page.url.path().to_owned())
    }
}

#[tokio::test]
async fn who_is_suspended_does_nothing_any_more_and_begins_anew_afterwards() {
    let ada = signed_in().await;
    let suspended = ada.post("suspend").await;
    assert_eq!(suspended["suspendedAt"], "2026-11-21T12:00:00.000Z");
    ada.all_has_ended().await;
    assert_eq!(ada.sign_in(PASSWORD).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    // once more changes nothing
    ada.s.app.advance(Duration::from_secs(1));
    assert_eq!(ada.post("suspend").await, suspended);

    let back = ada.post("unsuspend").await;
    assert_eq!(back["suspendedAt"], Value::Null);
    assert_eq!(ada.post("unsuspend").await, back);
    ada.all_has_ended().await;
    let sessions = ada.owner.get(&format!("{}/sessions", path(&ada.s.ada))).await.object(200);
    assert_eq!(sessions["totalCount"], 0);
    assert_eq!(ada.sign_in(PASSWORD).await, (StatusCode::OK, "/account".to_owned()));
}

#[tokio::test]
async fn who_is_deleted_is_gone() {
    let ada = signed_in().await;
    let page = ada.s.browser.open(&ada.s.app.url("/password")).await;
    assert_eq!(ada.owner.delete(&path(&ada.s.ada)).await.said(), "204");
    ada.all_has_ended().await;
    assert_eq!(ada.sign_in(PASSWORD).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let fields = [("current_password", PASSWORD), ("new_password", NEW), ("password_confirmation", NEW)];
    let late = ada.s.browser.press(&page, "save-password", &fields).await;
    assert_eq!(late.url.path(), "/login", "a form that was open is worth nothing");
    // somebody else may have the email, and is somebody else
    made(&ada.owner, ID, json!({"email": ADA})).await;
    ada.all_has_ended().await;
}

#[tokio::test]
async fn a_password_that_was_reset_is_good_for_choosing_another_only() {
    let ada = signed_in().await;
    let reset = ada.owner.post(&format!("{}/password/reset", path(&ada.s.ada)), json!({})).await;
    let answer = reset.object(200);
    assert_eq!(reset.header("cache-control"), "no-store");
    assert_eq!(answer["expiresAt"], "2026-11-24T12:00:00.000Z");
    let read = ada.owner.get(&path(&ada.s.ada)).await;
    assert_eq!(read.header("etag"), reset.header("etag"));
    assert_eq!(read.json()["passwordExpiresAt"], answer["expiresAt"]);
    let temporary = answer["temporaryPassword"].as_str().unwrap();
    assert!(!read.body.contains(temporary));
    ada.all_has_ended().await;
    assert_eq!(ada.sign_in(PASSWORD).await.0, StatusCode::UNPROCESSABLE_ENTITY, "the old one is gone");

    let browser = Browser::new();
    let page = browser.sign_in(&ada.s.app, ADA, temporary).await;
    assert_eq!(page.text("h1"), "Choose a new password");
    assert_eq!(browser.cookie(&ada.s.app, "keyward_session"), None);
    assert_eq!(browser.open(&ada.s.app.url("/account")).await.url.path(), "/login");
    let fields = [("new_password", NEW), ("password_confirmation", NEW)];
    assert_eq!(browser.press(&page, "save-password", &fields).await.url.path(), "/account");
    assert_eq!(ada.sign_in(temporary).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(ada.sign_in(NEW).await, (StatusCode::OK, "/account".to_owned()));
    assert_eq!(ada.owner.get(&path(&ada.s.ada)).await.json()["passwordExpiresAt"], Value::Null);
    ada.all_has_ended().await;
}

#[tokio::test]
async fn a_reset_that_is_asked_for_again_gives_the_same_password() {
    let s = stage().await;
    let owner = Api::owner(&s.app).await;
    let reset = format!("{}/password/reset", path(&s.ada));
    let once = || owner.send(Method::POST, &reset, &[("idempotency-key", "k")], Value::Null);
    let (first, second) = (once().await, once().await);
    assert_eq!(first.object(200), second.object(200));
    assert_eq!(first.header("etag"), second.header("etag"));
    let other = owner.post(&reset, Value::Null).await.object(200);
    assert_ne!(other["temporaryPassword"], first.json()["temporaryPassword"]);
    let old = first.json()["temporaryPassword"].as_str().unwrap().to_owned();
    assert_eq!(Browser::new().sign_in(&s.app, ADA, &old).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(owner.post(&reset, json!({"password": "x"})).await.said(), "400 UNKNOWN_FIELD");
}

#[tokio::test]
async fn without_an_email_nobody_signs_in_with_a_password() {
    let s = stage().await;
    let owner = Api::owner(&s.app).await;
    let gone = owner.put(&path(&s.ada), json!({"email": null})).await.object(200);
    assert_eq!((&gone["email"], &gone["passwordLogin"]), (&Value::Null, &json!(false)));
    assert_eq!(Browser::new().sign_in(&s.app, ADA, PASSWORD).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let reset = owner.post(&format!("{}/password/reset", path(&s.ada)), Value::Null).await;
    assert_eq!(reset.said(), "422 FIELD_INVALID");
    let back = owner.put(&path(&s.ada), json!({"email": "King@Example.org"})).await.object(200);
    assert_eq!(back["passwordLogin"], true);
    assert_eq!(Browser::new().sign_in(&s.app, "king@example.org", PASSWORD).await.url.path(), "/account");
}

#[tokio::test]
async fn what_somebody_holds_counts_at_the_next_request_of_old_tokens() {
    let s = stage().await;
    let owner = Api::owner(&s.app).await;
    s.app.role("test:reader", &["iam/principals:read"]).await;
    let bob = Api::person(&s.app, "bob@example.org", &["test:reader"], "iam/principals:read").await;
    let mine = path(&bob.subject);
    assert_eq!(bob.get(&path(&s.ada)).await.said(), "200");
    let reader = acl(&["iam/principals:read"]);
    for (body, said) in [
        (json!({"roles": []}), "403 PERMISSION_MISSING"),
        (json!({"acl": reader}), "200"),
        (json!({"acl": null}), "403 PERMISSION_MISSING"),
        (json!({"acl": super::regional(&["iam/principals:read"])}), "403 PERMISSION_MISSING"),
        (json!({"accessAttributes": {"region": ["eu"]}}), "404 NOT_FOUND"),
    ] {
        assert_eq!(owner.put(&mine, body.clone()).await.said(), "200");
        assert_eq!(bob.get(&path(&s.ada)).await.said(), said, "{body}");
    }
    assert_eq!(owner.put(&path(&s.ada), json!({"accessAttributes": {"region": ["eu"]}})).await.said(), "200");
    assert_eq!(bob.get(&path(&s.ada)).await.said(), "200");
    assert_eq!(owner.put(&format!("{mine}/roles"), json!(["test:reader"])).await.said(), "200");
    assert_eq!(owner.put(&mine, json!({"acl": null})).await.said(), "200");
    assert_eq!(bob.get(&path(&s.ada)).await.said(), "200");
}

#[tokio::test]
async fn somebody_new_is_made_given_a_role_and_a_password_and_signs_in() {
    let s = stage().await;
    let owner = Api::owner(&s.app).await;
    s.app.role("test:reader", &["iam/principals:read"]).await;
    made(&owner, ID, json!({"email": "new@example.org", "name": "Somebody New"})).await;
    assert_eq!(owner.put(&format!("{}/roles", path(ID)), json!({"roles": ["test:reader"]})).await.said(), "200");
    let reset = owner.post(&format!("{}/password/reset", path(ID)), Value::Null).await.object(200);
    let temporary = reset["temporaryPassword"].as_str().unwrap();

    let client = s.app.client("console", &[], |client| {
        client.scopes = "openid iam/principals:read".parse().unwrap();
        client.first_party = true;
    });
    let rp = RelyingParty::new(&s.app, &client.await);
    let authorization = rp.authorization(&[("scope", "openid iam/principals:read")]);
    let login = s.browser.open(&authorization.url).await;
    let page = s.browser.press(&login, "sign-in", &[("username", "new@example.org"), ("password", temporary)]).await;
    let fields = [("new_password", NEW), ("password_confirmation", NEW)];
    let callback = s.browser.press(&page, "save-password", &fields).await.callback();
    let tokens = rp.redeem(&authorization, callback.code()).await.tokens();
    let new = Api::new(&s.app, &tokens.access_token, ID);
    assert_eq!(new.get(&path(ID)).await.object(200)["name"], "Somebody New");
    assert_eq!(rp.userinfo(&tokens.access_token).await.json()["sub"], ID);
}

#[tokio::test]
async fn activity_is_noted_to_the_minute() {
    let s = stage().await;
    s.app.role("test:reader", &["iam/principals:read"]).await;
    let owner = Api::owner(&s.app).await;
    let bob = Api::person(&s.app, "bob@example.org", &["test:reader"], "iam/principals:read").await;
    let active = || async { owner.get(&path(&bob.subject)).await.json()["lastActiveAt"].clone() };
    assert_eq!(active().await, "2026-11-21T12:00:00.000Z", "signing in is activity");
    let version = owner.get(&path(&bob.subject)).await.json()["eTag"].clone();
    s.app.advance(Duration::from_secs(60));
    assert_eq!(bob.get(&path(&s.ada)).await.said(), "200");
    // nobody waits for it, so it comes a moment later
    for _ in 0..1000 {
        if active().await != "2026-11-21T12:00:00.000Z" {
            break;
        }
    }
    assert_eq!(active().await, "2026-11-21T12:01:00.000Z");
    assert_eq!(owner.get(&path(&bob.subject)).await.json()["eTag"], version, "that is no new version");

    let tokens = s.tokens("openid offline_access").await;
    s.app.advance(Duration::from_secs(60));
    s.rp.refresh(&tokens.refresh_token).await.tokens();
    assert_eq!(owner.get(&path(&s.ada)).await.json()["lastActiveAt"], "2026-11-21T12:02:00.000Z");
}
