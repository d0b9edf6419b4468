//! The grant refresh_token (RFC 6749 §6, RFC 9700 §4.14): rotation, and what tells a lost response from a theft.

use std::time::Duration;

use keyward::store;
use serde_json::Value;

use crate::{
    stage::{ADA, Stage, public, redacted, set_roles, stage, stage_with, suspend},
    support::{PASSWORD, browser::Browser, relying_party::claims_of},
};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn a_refresh_token_is_rotated() {
    let s = stage().await;
    let first = s.tokens("openid email offline_access").await;
    let answer = s.rp.refresh(&first.refresh_token).await;
    insta::assert_json_snapshot!(s.told(&answer), @r#"
    {
      "status": 200,
      "cache-control": "no-store",
      "content-type": "application/json",
      "body": {
        "access_token": "[access_token]",
        "token_type": "Bearer",
        "expires_in": 600,
        "refresh_token": "[refresh_token]",
        "id_token": "[id_token]",
        "scope": "openid email offline_access"
      }
    }
    "#);
    let second = answer.tokens();
    assert_ne!(first.refresh_token, second.refresh_token);
    assert!(s.rp.is_active(&first.access_token).await, "a rotation revokes nothing");
    assert!(s.rp.is_active(&second.access_token).await);
    assert!(!s.rp.is_active(&first.refresh_token).await);
    assert!(s.rp.is_active(&second.refresh_token).await);
}

#[tokio::test]
async fn a_lost_response_is_recovered_by_a_confidential_client_for_thirty_seconds() {
    a_lost_response_is_recovered(stage().await, 30).await;
}

#[tokio::test]
async fn a_lost_response_is_recovered_by_a_public_client_for_ten_seconds() {
    a_lost_response_is_recovered(stage_with(|_| {}, public).await, 10).await;
}

async fn a_lost_response_is_recovered(s: Stage, window: u32) {
    let first = s.tokens("offline_access").await;
    let lost = s.rp.refresh(&first.refresh_token).await.tokens();
    s.app.advance(SECOND * (window - 1));
    let recovered = s.rp.refresh(&first.refresh_token).await.tokens();
    assert_eq!(recovered.refresh_token, lost.refresh_token, "the same successor");
    let again = s.rp.refresh(&first.refresh_token).await.tokens();
    assert_eq!(again.refresh_token, lost.refresh_token, "as often as it is asked for");
    let next = s.rp.refresh(&recovered.refresh_token).await.tokens();
    s.rp.refresh(&next.refresh_token).await.tokens();
}

#[tokio::test]
async fn a_replay_after_the_window_revokes_the_grant() {
    for (s, window) in [(stage().await, 30), (stage_with(|_| {}, public).await, 10)] {
        let first = s.tokens("offline_access").await;
        let second = s.rp.refresh(&first.refresh_token).await.tokens();
        s.app.advance(SECOND * window);
        let replay = s.rp.refresh(&first.refresh_token).await;
        assert_eq!(replay.outcome(), "400 invalid_grant");
        assert_eq!(s.rp.refresh(&second.refresh_token).await.outcome(), "400 invalid_grant");
        for token in [&first.access_token, &second.access_token] {
            assert_eq!(s.rp.userinfo(token).await.outcome(), "401 invalid_token");
        }
    }
}

#[tokio::test]
async fn a_replay_after_the_successor_was_used_revokes_the_grant_even_within_the_window() {
    let s = stage().await;
    let first = s.tokens("offline_access").await;
    let second = s.rp.refresh(&first.refresh_token).await.tokens();
    let third = s.rp.refresh(&second.refresh_token).await.tokens();
    assert_eq!(s.rp.refresh(&first.refresh_token).await.outcome(), "400 invalid_grant");
    for tokens in [&first, &second, &third] {
        assert!(!s.rp.is_active(&tokens.access_token).await);
        assert!(!s.rp.is_active(&tokens.refresh_token).await);
        assert_eq!(s.rp.refresh(&tokens.refresh_token).await.outcome(), "400 invalid_grant");
    }
}

#[tokio::test]
async fn a_window_of_nothing_forgives_no_replay() {
    let s = stage_with(|config| config.tokens.refresh_replay_window = Duration::ZERO, |_| {}).await;
    let first = s.tokens("offline_access").await;
    let second = s.rp.refresh(&first.refresh_token).await.tokens();
    assert_eq!(s.rp.refresh(&first.refresh_token).await.outcome(), "400 invalid_grant");
    assert!(!s.rp.is_active(&second.refresh_token).await);
}

#[tokio::test]
async fn a_lost_response_is_recovered_after_a_restart() {
    let mut s = stage().await;
    let first = s.tokens("offline_access").await;
    let lost = s.rp.refresh(&first.refresh_token).await.tokens();
    s.app = s.app.restart().await;
    assert_eq!(s.rp.refresh(&first.refresh_token).await.tokens().refresh_token, lost.refresh_token);
}

#[tokio::test]
async fn a_refresh_token_is_bound_to_its_client() {
    let s = stage().await;
    let thief = s.other("thief", |_| {}).await;
    let first = s.tokens("offline_access").await;
    assert_eq!(thief.refresh(&first.refresh_token).await.outcome(), "400 invalid_grant");
    let second = s.rp.refresh(&first.refresh_token).await.tokens();
    // nor does another client's replay count
    s.app.advance(SECOND * 60);
    assert_eq!(thief.refresh(&first.refresh_token).await.outcome(), "400 invalid_grant");
    s.rp.refresh(&second.refresh_token).await.tokens();
}

#[tokio::test]
async fn a_refresh_token_that_is_not_used_for_thirty_days_ends() {
    let s = stage().await;
    let tokens = s.tokens("offline_access").await;
    s.app.advance(DAY * 30 - SECOND);
    let tokens = s.rp.refresh(&tokens.refresh_token).await.tokens();
    s.app.advance(DAY * 30);
    assert_eq!(s.rp.refresh(&tokens.refresh_token).await.outcome(), "400 invalid_grant");
}

#[tokio::test]
async fn a_grant_ends_after_half_a_year_however_often_it_is_refreshed() {
    let s = stage().await;
    let mut tokens = s.tokens("offline_access").await;
    for _ in 0..8 {
        s.app.advance(DAY * 20);
        tokens = s.rp.refresh(&tokens.refresh_token).await.tokens();
    }
    s.app.advance(DAY * 20 - SECOND);
    tokens = s.rp.refresh(&tokens.refresh_token).await.tokens();
    s.app.advance(SECOND);
    assert_eq!(s.rp.refresh(&tokens.refresh_token).await.outcome(), "400 invalid_grant");
    assert!(!s.rp.is_active(&tokens.access_token).await, "nor does an access token outlive its grant");
}

#[tokio::test]
async fn a_narrower_scope_narrows_the_access_token_and_never_the_grant() {
    let s = stage().await;
    let first = s.tokens("openid email profile offline_access").await;
    let narrow = [("grant_type", "refresh_token"), ("refresh_token", &first.refresh_token), ("scope", "email")];
    let narrowed = s.rp.token(&narrow).await.tokens();
    assert_eq!(narrowed.scope, "email");
    assert_eq!(claims_of(&narrowed.access_token)["scope"], "email");
    assert_eq!(narrowed.id_token, "");
    let whole = s.rp.refresh(&narrowed.refresh_token).await.tokens();
    assert_eq!(whole.scope, "openid email profile offline_access");
}

#[tokio::test]
async fn a_wider_scope_is_refused_and_costs_nothing() {
    let s = stage().await;
    let first = s.tokens("openid offline_access").await;
    let wider = [("grant_type", "refresh_token"), ("refresh_token", &first.refresh_token), ("scope", "openid email")];
    assert_eq!(s.rp.token(&wider).await.outcome(), "400 invalid_scope");
    s.rp.refresh(&first.refresh_token).await.tokens();
}

#[tokio::test]
async fn the_id_token_of_a_refresh_keeps_who_and_when() {
    let s = stage().await;
    let before = s.tokens("openid offline_access").await;
    s.app.advance(SECOND * 1000);
    let after = s.rp.refresh(&before.refresh_token).await.tokens();
    let (old, new) = (claims_of(&before.id_token), s.rp.verify_id_token(&after.id_token).await);
    for claim in ["iss", "sub", "aud", "azp", "auth_time", "acr", "amr", "sid"] {
        assert_eq!(old[claim], new[claim], "{claim}");
    }
    assert_eq!(new["iat"], s.app.now().seconds());
    insta::assert_json_snapshot!(redacted(&s.app, Value::Object(new)), @r#"
    {
      "iss": "[issuer]",
      "sub": "[sub]",
      "aud": "app",
      "azp": "app",
      "iat": 1795263400,
      "exp": 1795264000,
      "auth_time": 1795262400,
      "acr": "keyward:password",
      "amr": [
        "pwd"
      ],
      "at_hash": "[at_hash]",
      "sid": "[sid]"
    }
    "#);
}

#[tokio::test]
async fn signing_out_ends_what_was_granted_in_the_session() {
    for scope in ["openid", "openid offline_access"] {
        let s = stage().await;
        let tokens = s.tokens(scope).await;
        let account = s.browser.open(&s.app.url("/account")).await;
        s.browser.press(&account, "sign-out", &[]).await;
        assert_eq!(s.rp.refresh(&tokens.refresh_token).await.outcome(), "400 invalid_grant");
        assert!(!s.rp.is_active(&tokens.access_token).await);
    }
}

#[tokio::test]
async fn offline_access_outlives_the_session_and_other_grants_do_not() {
    let s = stage().await;
    let offline = s.tokens("openid offline_access").await;
    let online = s.tokens("openid").await;
    s.app.advance(SECOND * 12 * 3600);
    assert_eq!(s.rp.refresh(&online.refresh_token).await.outcome(), "400 invalid_grant");
    s.rp.refresh(&offline.refresh_token).await.tokens();
}

#[tokio::test]
async fn a_suspended_person_or_client_refreshes_nothing() {
    let s = stage().await;
    let tokens = s.tokens("openid offline_access").await;
    suspend(&s.app, &s.ada).await;
    assert_eq!(s.rp.refresh(&tokens.refresh_token).await.outcome(), "400 invalid_grant");
    assert!(!s.rp.is_active(&tokens.access_token).await);
    assert!(!s.rp.is_active(&tokens.refresh_token).await);

    let s = stage().await;
    let tokens = s.tokens("openid offline_access").await;
    let now = s.app.now();
    s.reregister(|client| client.suspended_at = Some(now)).await;
    assert_eq!(s.rp.refresh(&tokens.refresh_token).await.outcome(), "401 invalid_client");
    assert_eq!(s.rp.userinfo(&tokens.access_token).await.outcome(), "401 invalid_token");
}

#[tokio::test]
async fn a_role_that_was_taken_away_is_not_refreshed() {
    let s = stage_with(|_| {}, |client| client.scopes = "openid offline_access orders:read".parse().unwrap()).await;
    s.app.role("orders", &["orders:read"]).await;
    set_roles(&s.app, &s.ada, &["orders"]).await;
    let tokens = s.tokens("openid offline_access orders:read").await;
    assert_eq!(tokens.scope, "openid offline_access orders:read");
    set_roles(&s.app, &s.ada, &[]).await;
    let about = s.rp.introspect(&tokens.access_token).await.json();
    assert_eq!(about["scope"], "openid offline_access", "at use");
    assert!(about.get("roles").is_none_or(|roles| roles == &serde_json::json!([])), "{about}");
    let tokens = s.rp.refresh(&tokens.refresh_token).await.tokens();
    assert_eq!(tokens.scope, "openid offline_access", "at issue");
    assert!(!claims_of(&tokens.access_token).contains_key("roles"));
    // and comes back with the role: the grant was not narrowed
    set_roles(&s.app, &s.ada, &["orders"]).await;
    assert_eq!(s.rp.refresh(&tokens.refresh_token).await.tokens().scope, "openid offline_access orders:read");
}

#[tokio::test]
async fn a_client_that_may_no_longer_ask_for_offline_access_ends_with_the_session() {
    let s = stage().await;
    let tokens = s.tokens("openid offline_access").await;
    s.reregister(|client| client.scopes = "openid".parse().unwrap()).await;
    let tokens = s.rp.refresh(&tokens.refresh_token).await.tokens();
    s.app.advance(SECOND * 12 * 3600);
    assert_eq!(s.rp.refresh(&tokens.refresh_token).await.outcome(), "400 invalid_grant");
}

#[tokio::test]
async fn a_new_password_ends_what_was_granted_in_other_sessions() {
    let s = stage().await;
    let elsewhere = s.tokens("openid offline_access").await;
    let here = Browser::new();
    let mine = s.rp.sign_in(&here, ADA, "openid offline_access").await;
    let page = here.open(&s.app.url("/password")).await;
    let new = "Another-horse-43-battery";
    let fields = [("current_password", PASSWORD), ("new_password", new), ("password_confirmation", new)];
    let account = here.press(&page, "save-password", &fields).await;
    assert!(account.text("main").contains("Your password was changed"), "{}", account.text("main"));
    assert_eq!(s.rp.refresh(&elsewhere.refresh_token).await.outcome(), "400 invalid_grant");
    assert!(!s.rp.is_active(&elsewhere.access_token).await);
    s.rp.refresh(&mine.refresh_token).await.tokens();
}

#[tokio::test]
async fn a_consent_that_was_withdrawn_ends_what_it_granted() {
    let s = stage().await;
    let tokens = s.tokens("openid offline_access").await;
    let (ada, now) = (s.ada.clone(), s.app.now());
    let withdraw = move |tx: &mut store::Tx<'_>| {
        store::consent::withdraw(tx, &ada, "app")?;
        store::grant::revoke_of_principal_and_client(tx, &ada, "app", now)
    };
    s.app.app.store.write(withdraw).await.unwrap();
    assert_eq!(s.rp.refresh(&tokens.refresh_token).await.outcome(), "400 invalid_grant");
    assert!(!s.rp.is_active(&tokens.access_token).await);
    let page = s.browser.open(&s.rp.authorization(&[]).url).await;
    assert!(page.has("#consent-form"), "and is asked for again");
}

#[tokio::test]
async fn refreshing_is_activity_of_the_session() {
    let s = stage().await;
    let login = s.browser.open(&s.rp.authorization(&[("scope", "openid")]).url).await;
    let fields = [("username", ADA), ("password", PASSWORD), ("stay_signed_in", "true")];
    let page = s.browser.press(&login, "sign-in", &fields).await;
    s.browser.agree(page, ADA).await.callback().code();
    let mut tokens = s.tokens("openid").await;
    for _ in 0..3 {
        s.app.advance(SECOND * 23 * 3600);
        tokens = s.rp.refresh(&tokens.refresh_token).await.tokens();
    }
    assert!(s.browser.open(&s.app.url("/account")).await.has("#sign-out"));
}
