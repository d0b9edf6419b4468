use super::*;
use crate::identity::support::{NOW, Place};

fn signed_in(principal: &Principal, persistent: bool, previous: Option<Session>) -> (Principal, NewSession) {
    let new = NewSession {
        amr: vec!["pwd".to_owned()],
        acr: "1".to_owned(),
        persistent,
        address: Some("192.0.2.7".to_owned()),
        user_agent: Some(format!("Browser\n{}", "ä".repeat(1000))),
        previous,
        origin: Origin::default(),
    };
    (principal.clone(), new)
}

async fn try_to_open(
    place: &Place,
    now: Timestamp,
    (principal, new): (Principal, NewSession),
) -> Option<(Session, Secret)> {
    let (config, cookie) = (place.config.sessions.clone(), Secret::generate(Kind::Session));
    let hash = cookie.hash();
    let password = principal.password_hash.clone();
    let session =
        place.write(move |tx| open(tx, &config, now, &principal.id, password.as_deref(), &new, &hash)).await?;
    Some((session, cookie))
}

async fn opened(place: &Place, now: Timestamp, new: (Principal, NewSession)) -> (Session, Secret) {
    try_to_open(place, now, new).await.unwrap()
}

async fn seen(place: &Place, now: Timestamp, cookie: &str) -> Option<(Session, Principal)> {
    current(&place.store, &place.config.sessions, now, cookie).await.unwrap()
}

async fn stored(place: &Place, sid: &str) -> Session {
    let sid = sid.to_owned();
    place.store.read(move |conn| session::find(conn, &sid)).await.unwrap().unwrap()
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

#[tokio::test]
async fn a_session_is_found_by_its_cookie_only() {
    let place = Place::new().await;
    let ada = place.principal("ada@example.org").await;
    let (session, cookie) = opened(&place, NOW, signed_in(&ada, false, None)).await;
    let (found, principal) = seen(&place, NOW, cookie.reveal()).await.unwrap();
    assert_eq!((found.id, principal.id), (session.id.clone(), ada.id));
    assert_eq!(session.user_agent.unwrap().chars().count(), USER_AGENT);
    let other = Secret::generate(Kind::Session);
    for wrong in ["", &session.id, session.secret_hash.as_str(), other.reveal()] {
        assert!(seen(&place, NOW, wrong).await.is_none());
    }
}

#[tokio::test]
async fn the_same_person_again_keeps_the_sid_under_a_new_cookie() {
    let place = Place::new().await;
    let ada = place.principal("ada@example.org").await;
    let (first, old) = opened(&place, NOW, signed_in(&ada, false, None)).await;
    let later = NOW + minutes(5);
    let (second, new) = opened(&place, later, signed_in(&ada, true, Some(first.clone()))).await;
    assert_eq!((&second.id, second.auth_time, second.created_at), (&first.id, later, NOW));
    assert!(second.persistent);
    assert_eq!(second.expires_at, later + place.config.sessions.absolute);
    assert!(seen(&place, later, old.reveal()).await.is_none());
    let found = seen(&place, later, new.reveal()).await.unwrap().0;
    assert_eq!((found.auth_time, found.expires_at), (later, second.expires_at));
}

#[tokio::test]
async fn another_person_gets_a_session_of_their_own_and_offline_grants_stay() {
    use crate::store::{client, grant};
    let place = Place::new().await;
    let (ada, bob) = (place.principal("ada@example.org").await, place.principal("bob@example.org").await);
    let (first, old) = opened(&place, NOW, signed_in(&ada, true, None)).await;
    let app = client::Client::new("app".into(), "App".into(), crate::model::client_auth::AuthMethod::None, NOW);
    let granted = grant::Grant {
        id: "grant".to_owned(),
        client_id: "app".to_owned(),
        principal_id: ada.id.clone(),
        session_id: Some(first.id.clone()),
        scope: crate::model::scope::Scope::empty(),
        details: grant::Details::default(),
        auth_time: NOW,
        offline: true,
        created_at: NOW,
        expires_at: NOW + minutes(60),
        revoked_at: None,
    };
    place
        .write(move |tx| {
            client::insert(tx, &app)?;
            grant::insert(tx, &granted)
        })
        .await;
    let revoked = || async { place.store.read(|conn| grant::find(conn, "grant")).await.unwrap().unwrap().revoked_at };

    let (second, new) = opened(&place, NOW, signed_in(&bob, true, Some(first.clone()))).await;
    assert_ne!(second.id, first.id);
    assert!(seen(&place, NOW, old.reveal()).await.is_none());
    assert_eq!(seen(&place, NOW, new.reveal()).await.unwrap().1.id, bob.id);
    assert_eq!(stored(&place, &first.id).await.ended_at, Some(NOW));
    assert!(revoked().await.is_none());

    // signing out, by contrast, takes back what was granted
    end(&place.store, NOW, &first, Origin::default()).await.unwrap();
    assert!(revoked().await.is_some());
}

#[tokio::test]
async fn an_ended_or_expired_session_is_not_renewed() {
    let place = Place::new().await;
    let ada = place.principal("ada@example.org").await;
    let (first, _) = opened(&place, NOW, signed_in(&ada, false, None)).await;
    assert!(end(&place.store, NOW, &first, Origin::default()).await.unwrap());
    assert!(!end(&place.store, NOW, &first, Origin::default()).await.unwrap());
    let (second, _) = opened(&place, NOW, signed_in(&ada, false, Some(first.clone()))).await;
    assert_ne!(second.id, first.id);
    let (third, _) = opened(&place, second.expires_at, signed_in(&ada, false, Some(second.clone()))).await;
    assert_ne!(third.id, second.id);
}

#[tokio::test]
async fn use_prolongs_a_session_up_to_its_absolute_end() {
    let place = Place::new().await;
    let ada = place.principal("ada@example.org").await;
    let sessions = &place.config.sessions;
    let (session, cookie) = opened(&place, NOW, signed_in(&ada, true, None)).await;
    assert_eq!(session.idle_expires_at, NOW + sessions.idle);
    let mut now = NOW;
    while let Some((found, _)) = seen(&place, now, cookie.reveal()).await {
        assert!(found.idle_expires_at <= session.expires_at);
        now = now + sessions.idle - Duration::from_secs(1);
    }
    assert!(now >= session.expires_at);

    let (session, cookie) = opened(&place, NOW, signed_in(&ada, true, None)).await;
    assert!(seen(&place, session.idle_expires_at, cookie.reveal()).await.is_none());
    let (session, cookie) = opened(&place, NOW, signed_in(&ada, false, None)).await;
    assert_eq!((session.idle_expires_at, session.expires_at), (NOW + sessions.browser, NOW + sessions.browser));
    assert!(seen(&place, session.expires_at - Duration::from_secs(1), cookie.reveal()).await.is_some());
    assert!(seen(&place, session.expires_at, cookie.reveal()).await.is_none());
}

#[tokio::test]
async fn use_is_noted_once_a_minute() {
    let place = Place::new().await;
    let ada = place.principal("ada@example.org").await;
    let (session, cookie) = opened(&place, NOW, signed_in(&ada, true, None)).await;
    seen(&place, NOW + Duration::from_secs(59), cookie.reveal()).await.unwrap();
    assert_eq!(stored(&place, &session.id).await.last_active_at, NOW);
    let (found, principal) = seen(&place, NOW + minutes(1), cookie.reveal()).await.unwrap();
    assert_eq!((found.last_active_at, principal.last_active_at), (NOW + minutes(1), Some(NOW + minutes(1))));
    assert_eq!(stored(&place, &session.id).await.last_active_at, NOW + minutes(1));
    assert_eq!(place.found(&ada.id).await.last_active_at, Some(NOW + minutes(1)));
}

#[tokio::test]
async fn a_suspended_person_has_no_session() {
    let place = Place::new().await;
    let ada = place.principal("ada@example.org").await;
    let (_, cookie) = opened(&place, NOW, signed_in(&ada, true, None)).await;
    let id = ada.id.clone();
    place.write(move |tx| principal::set_suspended(tx, &id, Some(NOW))).await;
    assert!(seen(&place, NOW, cookie.reveal()).await.is_none());
}

#[tokio::test]
async fn no_session_begins_with_a_password_that_was_replaced_meanwhile() {
    let place = Place::new().await;
    let ada = place.principal("ada@example.org").await;
    let new = signed_in(&ada, false, None);
    let (id, hash) = (ada.id.clone(), ada.password_hash.clone());
    place
        .write(move |tx| {
            principal::change_password(tx, &id, hash.as_deref(), "another", NOW).map(|changed| assert!(changed))
        })
        .await;
    assert!(try_to_open(&place, NOW, new).await.is_none());
}
