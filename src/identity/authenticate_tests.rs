use diesel::prelude::*;

use super::*;
use crate::{
    identity::support::{NOW, PASSWORD, Place},
    model::secret::SecretHash,
    store::{grant, schema, session},
};

fn attempt(username: &str, password: &str) -> Attempt {
    Attempt {
        username: username.to_owned(),
        password: password.into(),
        address: Some(IpAddr::from([192, 0, 2, 7])),
        device: None,
    }
}

async fn answer(place: &Place, now: Timestamp, attempt: Attempt) -> Outcome {
    authenticate(&place.store, &place.hasher, &place.config, now, attempt).await.unwrap()
}

async fn refused(place: &Place, username: &str, password: &str) {
    let outcome = answer(place, NOW, attempt(username, password)).await;
    assert!(matches!(outcome, Outcome::Refused), "{username}: {outcome:?}");
}

async fn authenticated(place: &Place, now: Timestamp, attempt: Attempt) -> (Principal, bool) {
    match answer(place, now, attempt).await {
        Outcome::Authenticated { principal, password_temporary, .. } => (principal, password_temporary),
        other => panic!("{other:?}"),
    }
}

async fn counters(place: &Place) -> Vec<(i64, i64, i64)> {
    use schema::throttle::dsl::*;
    let read = |conn: &mut store::Conn| {
        Ok::<_, store::Error>(
            throttle.select((failures, blocked_until, expires_at)).order((failures, expires_at)).load(conn)?,
        )
    };
    place.store.read(read).await.unwrap()
}

#[tokio::test]
async fn the_right_password_signs_in_in_every_spelling_of_the_name() {
    let place = Place::new().await;
    let ada = place.principal("Ada@Example.org").await;
    for username in ["ada@example.org", " ADA@EXAMPLE.ORG "] {
        let (principal, temporary) = authenticated(&place, NOW, attempt(username, PASSWORD)).await;
        assert_eq!((principal.id, temporary), (ada.id.clone(), false));
    }
    assert!(counters(&place).await.is_empty());
}

#[tokio::test]
async fn whoever_may_not_sign_in_is_refused() {
    let place = Place::new().await;
    place.principal("ada@example.org").await;
    place.principal_with("suspended@example.org", |p| p.suspended_at = Some(NOW)).await;
    place.principal_with("none@example.org", |p| p.password_hash = None).await;
    place.principal_with("foreign@example.org", |p| p.password_hash = Some("$1$foreign".to_owned())).await;
    refused(&place, "ada@example.org", "Correct-horse-43").await;
    refused(&place, "ada@example.org", &PASSWORD.repeat(100)).await;
    refused(&place, "suspended@example.org", PASSWORD).await;
    refused(&place, "none@example.org", PASSWORD).await;
    refused(&place, "none@example.org", "").await;
    refused(&place, "foreign@example.org", PASSWORD).await;
    refused(&place, "nobody@example.org", PASSWORD).await;
    refused(&place, "", PASSWORD).await;
    refused(&place, "a\0b@example.org", PASSWORD).await;
    refused(&place, &format!("{}@example.org", "a".repeat(60_000)), PASSWORD).await;
}

#[tokio::test]
async fn known_and_unknown_names_leave_the_same_rows() {
    let mut rows = Vec::new();
    for username in ["ada@example.org", "suspended@example.org", "nobody@example.org"] {
        let place = Place::new().await;
        place.principal("ada@example.org").await;
        place.principal_with("suspended@example.org", |p| p.suspended_at = Some(NOW)).await;
        for _ in 0..7 {
            answer(&place, NOW, attempt(username, "wrong")).await;
        }
        rows.push(counters(&place).await);
    }
    assert_eq!(rows[0].len(), 2);
    assert_eq!(rows[0], rows[1]);
    assert_eq!(rows[0], rows[2]);
}

#[tokio::test]
async fn guesses_in_parallel_do_not_slip_past() {
    let place = Place::new().await;
    place.principal("ada@example.org").await;
    let guesses = (0..32).map(|n| answer(&place, NOW, attempt("ada@example.org", &format!("guess {n}"))));
    let outcomes = futures_util::future::join_all(guesses).await;
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Refused)).count();
    assert_eq!(refused, 5);
    // and then even the right one is not checked
    let outcome = answer(&place, NOW, attempt("ada@example.org", PASSWORD)).await;
    assert!(matches!(outcome, Outcome::Throttled { retry_after } if retry_after == Duration::from_secs(1)));
}

#[tokio::test]
async fn a_known_device_is_not_locked_out_and_only_its_own_account_profits() {
    let place = Place::new().await;
    let ada = place.principal("ada@example.org").await;
    place.principal("bob@example.org").await;
    for n in 0..40 {
        answer(&place, NOW, attempt(if n < 20 { "ada@example.org" } else { "bob@example.org" }, "guess")).await;
    }
    let device = Some(Device {
        principal_id: ada.id.clone(),
        device_id: "d".to_owned(),
        password_changed_at: ada.password_changed_at,
    });
    let from_device = |username, password| Attempt { device: device.clone(), ..attempt(username, password) };
    let outcome = answer(&place, NOW, attempt("ada@example.org", PASSWORD)).await;
    assert!(matches!(outcome, Outcome::Throttled { .. }));
    let outcome = answer(&place, NOW, from_device("bob@example.org", PASSWORD)).await;
    assert!(matches!(outcome, Outcome::Throttled { .. }));
    authenticated(&place, NOW, from_device("ada@example.org", PASSWORD)).await;
    // a stolen device may not guess for ever either
    for _ in 0..5 {
        assert!(matches!(answer(&place, NOW, from_device("ada@example.org", "guess")).await, Outcome::Refused));
    }
    let outcome = answer(&place, NOW, from_device("ada@example.org", PASSWORD)).await;
    assert!(matches!(outcome, Outcome::Throttled { .. }));
}

#[tokio::test]
async fn a_temporary_password_says_so_and_expires() {
    let place = Place::new().await;
    let until = NOW + Duration::from_secs(60);
    place
        .principal_with("ada@example.org", |p| {
            p.password_temporary = true;
            p.password_expires_at = Some(until);
        })
        .await;
    assert!(authenticated(&place, NOW, attempt("ada@example.org", PASSWORD)).await.1);
    let outcome = answer(&place, until, attempt("ada@example.org", PASSWORD)).await;
    assert!(matches!(outcome, Outcome::Refused));
}

#[tokio::test]
async fn changed_parameters_hash_anew_at_the_next_login() {
    let mut place = Place::new().await;
    let ada = place.principal("ada@example.org").await;
    authenticated(&place, NOW, attempt("ada@example.org", PASSWORD)).await;
    assert_eq!(place.found(&ada.id).await.password_hash, ada.password_hash);
    place.config.passwords.argon2_iterations = 2;
    place.hasher = Hasher::new(&place.config.passwords);
    assert!(matches!(answer(&place, NOW, attempt("ada@example.org", "wrong")).await, Outcome::Refused));
    assert_eq!(place.found(&ada.id).await.password_hash, ada.password_hash);
    let (signed_in, _) = authenticated(&place, NOW, attempt("ada@example.org", PASSWORD)).await;
    let after = place.found(&ada.id).await;
    assert_eq!(signed_in.password_hash, after.password_hash, "so that it can be changed at once");
    assert!(after.password_hash.as_ref().unwrap().contains("m=8,t=2,p=1"));
    assert_eq!((after.password_changed_at, after.etag), (ada.password_changed_at, ada.etag));
    authenticated(&place, NOW, attempt("ada@example.org", PASSWORD)).await;
}

#[tokio::test]
async fn what_is_too_busy_to_be_checked_is_not_counted() {
    let mut place = Place::new().await;
    place.principal("ada@example.org").await;
    place.config.passwords.hash_queue = 0;
    place.hasher = Hasher::new(&place.config.passwords);
    for _ in 0..50 {
        assert!(matches!(answer(&place, NOW, attempt("ada@example.org", PASSWORD)).await, Outcome::Busy { .. }));
    }
    assert!(counters(&place).await.is_empty());
}

#[tokio::test]
async fn every_answer_takes_the_same_least_time() {
    let mut place = Place::new().await;
    place.principal("ada@example.org").await;
    let floor = Duration::from_millis(100);
    place.config.passwords.answer_floor = floor;
    let place = &place;
    let guesses = [("ada@example.org", PASSWORD), ("ada@example.org", "wrong"), ("nobody@example.org", "wrong")];
    let timed = guesses.iter().cycle().take(30).map(|(username, password)| async move {
        let begun = Instant::now();
        let outcome = answer(place, NOW, attempt(username, password)).await;
        (begun.elapsed(), outcome)
    });
    for (taken, outcome) in futures_util::future::join_all(timed).await {
        assert!(taken >= floor, "{taken:?} {outcome:?}");
    }
}

#[tokio::test]
async fn a_login_during_which_the_account_is_suspended_or_changed_is_refused() {
    let place = Place::new().await;
    let ada = place.principal("ada@example.org").await;
    let hash = ada.password_hash.clone().unwrap();
    let allowed = throttle::begin(&place.store, &place.config.login, NOW, Keys::new("ada@example.org", None));
    let allowed = allowed.await.unwrap().unwrap();
    let admitted = |hash: String| admit(&place.store, NOW, ada.id.clone(), hash, allowed.clone(), |_, _| Ok(Some(())));
    assert!(admitted(hash.clone()).await.unwrap().is_some());
    assert!(admitted("another".to_owned()).await.unwrap().is_none());
    let id = ada.id.clone();
    place.write(move |tx| store::principal::set_suspended(tx, &id, Some(NOW))).await;
    assert!(admitted(hash).await.unwrap().is_none());
}

#[tokio::test]
async fn what_a_sign_in_begins_is_kept_with_it_or_not_at_all() {
    let place = Place::new().await;
    let ada = place.principal("ada@example.org").await;
    place.principal_with("temporary@example.org", |p| p.password_temporary = true).await;
    let sign_in = async |username: &str, begun: fn() -> Result<Option<u8>, store::Error>| {
        let begin = move |tx: &mut Tx<'_>, principal: &Principal| {
            store::revoked_token::insert(tx, &principal.id, NOW)?;
            begun()
        };
        authenticate_and(&place.store, &place.hasher, &place.config, NOW, attempt(username, PASSWORD), begin).await
    };
    let kept = async || {
        let id = ada.id.clone();
        place.store.read(move |conn| store::revoked_token::contains(conn, &id)).await.unwrap()
    };

    let failed = sign_in("ada@example.org", || Err(store::Error::Internal("no".to_owned()))).await;
    assert!(matches!(failed, Err(store::Error::Internal(_))) && !kept().await);
    let refused = sign_in("ada@example.org", || Ok(None)).await.unwrap();
    assert!(matches!(refused, Outcome::Refused), "{refused:?}");
    let begun = sign_in("ada@example.org", || Ok(Some(7))).await.unwrap();
    assert!(matches!(begun, Outcome::Authenticated { begun: Some(7), .. }), "{begun:?}");
    assert!(kept().await);
    let temporary = sign_in("temporary@example.org", || panic!("begun")).await.unwrap();
    assert!(matches!(temporary, Outcome::Authenticated { password_temporary: true, begun: None, .. }));
}

const NEW: &str = "Seven-purple-teapots-9";

async fn set(place: &Place, id: &str, current: Option<String>, new: &str) -> Result<(), PasswordFault> {
    let keep = Kept::session(Some("kept".to_owned()));
    set_password(&place.store, &place.hasher, &place.config, NOW, id, current, new.into(), keep, Origin::default())
        .await
        .unwrap()
        .map(|_| ())
}

#[tokio::test]
async fn a_new_password_ends_other_sessions_and_what_they_granted() {
    let place = Place::new().await;
    let ada = place
        .principal_with("ada@example.org", |p| {
            p.password_temporary = true;
            p.password_expires_at = Some(NOW + Duration::from_secs(1));
        })
        .await;
    let client =
        store::client::Client::new("app".into(), "App".into(), crate::model::client_auth::AuthMethod::None, NOW);
    place.write(move |tx| store::client::insert(tx, &client)).await;
    for sid in ["kept", "other"] {
        let new = session::Session {
            id: sid.to_owned(),
            principal_id: ada.id.clone(),
            secret_hash: SecretHash::of(sid),
            auth_time: NOW,
            amr: vec!["pwd".to_owned()],
            acr: String::new(),
            persistent: true,
            created_at: NOW,
            last_active_at: NOW,
            idle_expires_at: NOW + Duration::from_secs(60),
            expires_at: NOW + Duration::from_secs(60),
            ip_address: None,
            user_agent: None,
            ended_at: None,
        };
        let granted = grant::Grant {
            id: format!("grant in {sid}"),
            client_id: "app".to_owned(),
            principal_id: ada.id.clone(),
            session_id: Some(sid.to_owned()),
            scope: crate::model::scope::Scope::empty(),
            details: grant::Details::default(),
            auth_time: NOW,
            offline: true,
            created_at: NOW,
            expires_at: NOW + Duration::from_secs(60),
            revoked_at: None,
        };
        place
            .write(move |tx| {
                session::insert(tx, &new)?;
                grant::insert(tx, &granted)
            })
            .await;
    }
    set(&place, &ada.id, ada.password_hash.clone(), NEW).await.unwrap();
    for (sid, lives) in [("kept", true), ("other", false)] {
        let (ended, revoked) = place
            .store
            .read(move |conn| {
                let ended = session::find(conn, sid)?.unwrap().ended_at;
                Ok::<_, store::Error>((ended, grant::find(conn, &format!("grant in {sid}"))?.unwrap().revoked_at))
            })
            .await
            .unwrap();
        assert_eq!((ended.is_none(), revoked.is_none()), (lives, lives), "{sid}");
    }
    let after = NOW + Duration::from_secs(60);
    assert!(!authenticated(&place, after, attempt("ada@example.org", NEW)).await.1);
    refused(&place, "ada@example.org", PASSWORD).await;
}

#[tokio::test]
async fn a_password_is_replaced_only_by_a_good_other_one_and_only_once() {
    let place = Place::new().await;
    let ada = place.principal_with("ada.lovelace@example.org", |p| p.name = Some("Ada Lovelace".to_owned())).await;
    let current = ada.password_hash.clone();
    assert!(
        matches!(set(&place, &ada.id, current.clone(), "short").await, Err(PasswordFault::Policy(rules)) if rules.len() == 3)
    );
    let own_name = set(&place, &ada.id, current.clone(), "Ada.lovelace1").await;
    assert!(matches!(own_name, Err(PasswordFault::Policy(_))), "{own_name:?}");
    assert_eq!(set(&place, &ada.id, current.clone(), PASSWORD).await, Err(PasswordFault::SameAsOld));
    assert_eq!(set(&place, &ada.id, None, NEW).await, Err(PasswordFault::Changed));
    assert_eq!(set(&place, &ada.id, Some("x".into()), NEW).await, Err(PasswordFault::Changed));
    assert_eq!(set(&place, "nobody", None, NEW).await, Err(PasswordFault::Changed));
    let news: Vec<String> = (0..8).map(|n| format!("{NEW}{n}")).collect();
    let all = news.iter().map(|new| set(&place, &ada.id, current.clone(), new));
    let outcomes = futures_util::future::join_all(all).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(PasswordFault::Changed)).count(), 7);
    assert_eq!(place.found(&ada.id).await.password_changed_at, Some(NOW));
}
