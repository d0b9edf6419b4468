//! `/resources/me/password`

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::Barrier;

use super::{ADA, Person, ada, ada_on};
use crate::{
    stage::suspend,
    support::{PASSWORD, TestApp, api::Api, relying_party::Answer},
};

const PATH: &str = "/resources/me/password";
const NEW: &str = "Seven-purple-teapots-9";

async fn change(api: &Api, current: &str, new: &str) -> Answer {
    api.post(PATH, json!({"currentPassword": current, "newPassword": new})).await
}

/// Attack 31.
#[tokio::test]
async fn a_new_password_ends_all_sessions_but_ones_own() {
    let ada = ada().await;
    let (elsewhere, tokens) = ada.elsewhere().await;
    assert_eq!(change(&ada.api, PASSWORD, NEW).await.said(), "204");
    assert_eq!(ada.api.get("/resources/me").await.said(), "200");
    assert_eq!(elsewhere.get("/resources/me").await.said(), "401 TOKEN_INVALID");
    assert_eq!(ada.rp.refresh(&tokens.refresh_token).await.outcome(), "400 invalid_grant");
    assert_eq!(ada.api.get("/resources/me/sessions").await.object(200)["totalCount"], 1);
    // the old one opens nothing any more
    let page = crate::support::browser::Browser::new().sign_in(&ada.app, ADA, PASSWORD).await;
    assert_eq!(page.status.as_u16(), 422);
    let page = crate::support::browser::Browser::new().sign_in(&ada.app, ADA, NEW).await;
    assert_eq!(page.status.as_u16(), 200);
    let events = ada.audited("principal.password.change").await;
    assert_eq!((events.len(), events[0].client_id.as_deref()), (1, Some("portal")));
}

#[tokio::test]
async fn other_sessions_go_on_where_the_person_wishes_it() {
    let ada = ada().await;
    let (elsewhere, _) = ada.elsewhere().await;
    let body = json!({"currentPassword": PASSWORD, "newPassword": NEW, "keepSessions": true});
    assert_eq!(ada.api.post(PATH, body).await.said(), "204");
    assert_eq!(elsewhere.get("/resources/me").await.said(), "200");
}

#[tokio::test]
async fn what_is_wrong_with_a_new_password_is_told_rule_by_rule() {
    let ada = ada().await;
    let bad = change(&ada.api, PASSWORD, "ab").await;
    assert_eq!(bad.said(), "422 PASSWORD_POLICY");
    let errors = bad.json()["errors"].as_array().unwrap().clone();
    assert_eq!(errors.len(), 3, "length, capital, digit");
    assert!(errors.iter().all(|e| e["code"] == "PASSWORD_POLICY" && e["pointer"] == "/newPassword"), "{errors:?}");
    for new in ["Password1", "Lovelace1", PASSWORD, &"Aa1".repeat(400)] {
        assert_eq!(change(&ada.api, PASSWORD, new).await.said(), "422 PASSWORD_POLICY", "{new}");
    }
    for (body, said) in [
        (json!({"newPassword": NEW}), "400 FIELD_MALFORMED"),
        (json!({"currentPassword": PASSWORD}), "400 FIELD_MALFORMED"),
        (json!({"currentPassword": 1, "newPassword": NEW}), "400 FIELD_MALFORMED"),
        (json!({"currentPassword": PASSWORD, "newPassword": NEW, "id": "x"}), "400 UNKNOWN_FIELD"),
        (Value::Null, "400 BODY_MALFORMED"),
    ] {
        assert_eq!(ada.api.post(PATH, body).await.said(), said);
    }
    let wrong = change(&ada.api, "wrong", NEW).await;
    assert_eq!(
        (wrong.said().as_str(), &wrong.json()["errors"][0]["pointer"]),
        ("422 PASSWORD_WRONG", &json!("/currentPassword"))
    );
    assert_eq!(change(&ada.api, PASSWORD, NEW).await.said(), "204");
}

/// Attack 23: a stolen token is no way around the lockout, and shares its counter with the login page.
#[tokio::test]
async fn guesses_count_and_block_as_logins_do() {
    let ada = ada().await;
    for _ in 0..5 {
        assert_eq!(change(&ada.api, "wrong", NEW).await.said(), "422 PASSWORD_WRONG");
    }
    let blocked = change(&ada.api, PASSWORD, NEW).await;
    assert_eq!((blocked.said().as_str(), blocked.header("retry-after")), ("429 TOO_MANY_REQUESTS", "1"));
    let page = crate::support::browser::Browser::new().sign_in(&ada.app, ADA, PASSWORD).await;
    assert_eq!(page.status.as_u16(), 429);
    ada.app.advance(Duration::from_secs(1));
    assert_eq!(change(&ada.api, PASSWORD, NEW).await.said(), "204");
}

#[tokio::test]
async fn who_has_no_password_is_told_so() {
    let ada = ada().await;
    let id = ada.id.clone();
    let take = move |tx: &mut keyward::store::Tx<'_>| {
        use diesel::prelude::*;
        use keyward::store::schema::principal;
        tx.changes_known();
        diesel::update(principal::table.find(&id))
            .set(principal::password_hash.eq(None::<String>))
            .execute(&mut **tx)
            .map_err(keyward::store::Error::from)
    };
    ada.app.app.store.write(take).await.unwrap();
    let refused = change(&ada.api, PASSWORD, NEW).await;
    assert_eq!(refused.said(), "422 PASSWORD_WRONG");
    assert!(refused.json()["detail"].as_str().unwrap().contains("has no password"));
    assert_eq!(ada.api.get("/resources/me").await.object(200)["passwordLogin"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_change_a_password_at_once_one_wins() {
    let app = TestApp::spawn_with(|config| {
        config.workers = Some(4);
        config.login.free_attempts = 100;
        config.login.free_attempts_address = 100;
        config.passwords.hash_queue = 100;
    })
    .await;
    let ada = ada_on(app, &[], "me:*").await;
    let said =
        at_once(&ada, 12, |api, n| async move { change(&api, PASSWORD, &format!("{NEW}{n}")).await.said() }).await;
    assert_eq!(said.iter().filter(|said| *said == "204").count(), 1, "{said:?}");
    assert_eq!(said.iter().filter(|said| *said == "422 PASSWORD_WRONG").count(), 11, "{said:?}");
    let winner = said.iter().position(|said| said == "204").unwrap();
    let page = crate::support::browser::Browser::new().sign_in(&ada.app, ADA, &format!("{NEW}{winner}")).await;
    assert_eq!(page.status.as_u16(), 200);
}

#[tokio::test]
async fn a_suspended_person_changes_nothing() {
    let ada = ada().await;
    suspend(&ada.app, &ada.id).await;
    assert_eq!(change(&ada.api, PASSWORD, NEW).await.said(), "401 TOKEN_INVALID");
}

/// Runs `act` at one moment with as many copies of her program.
pub async fn at_once<F, T>(person: &Person, count: usize, act: impl Fn(Api, usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let barrier = Arc::new(Barrier::new(count));
    let tasks: Vec<_> = (0..count)
        .map(|n| {
            let (barrier, act) = (barrier.clone(), act(person.api.clone(), n));
            tokio::spawn(async move {
                barrier.wait().await;
                act.await
            })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}
