use super::*;
use crate::identity::support::{NOW, PASSWORD, Place};

async fn try_complete(
    place: &Place,
    now: Timestamp,
    link: Option<Secret>,
    email: &str,
) -> Result<Principal, SetupFault> {
    let email = email.parse().unwrap();
    let name = " Ada Lovelace ".to_owned();
    complete(&place.store, &place.hasher, &place.config, now, link, name, email, PASSWORD.into()).await.unwrap()
}

async fn link(place: &Place) -> Secret {
    mint_link(&place.store, NOW).await.unwrap()
}

async fn roles(place: &Place, id: &str) -> Vec<String> {
    let id = id.to_owned();
    place.store.read(move |conn| store::identity::roles(conn, &id)).await.unwrap()
}

async fn done(place: &Place) -> bool {
    place.store.read(store::setup::is_done).await.unwrap()
}

async fn count(place: &Place) -> i64 {
    use diesel::prelude::*;
    let read = |conn: &mut store::Conn| Ok::<_, store::Error>(store::schema::identity::table.count().get_result(conn)?);
    place.store.read(read).await.unwrap()
}

#[tokio::test]
async fn a_second_server_leaves_the_link_that_holds() {
    let place = Place::new().await;
    let first = mint_first_link(&place.store, NOW).await.unwrap().unwrap();
    assert!(mint_first_link(&place.store, NOW + Duration::from_secs(3600)).await.unwrap().is_none());
    assert!(link_holds(&place.store, NOW, &first).await.unwrap());
    // one that has expired is replaced
    let later = NOW + LINK_LIFETIME;
    let second = mint_first_link(&place.store, later).await.unwrap().unwrap();
    assert!(link_holds(&place.store, later, &second).await.unwrap());
    assert!(!link_holds(&place.store, NOW, &first).await.unwrap());
}

#[tokio::test]
async fn a_link_makes_the_owner_and_then_nothing_more() {
    let place = Place::new().await;
    let secret = link(&place).await;
    assert!(link_holds(&place.store, NOW, &secret).await.unwrap());
    let owner = try_complete(&place, NOW, Some(secret.clone()), "ada@example.org").await.unwrap();
    let stored = place.found(&owner.id).await;
    assert_eq!((stored.name.as_deref(), stored.email_verified), (Some("Ada Lovelace"), true));
    assert_eq!(roles(&place, &owner.id).await, ["system:owner"]);
    assert!(!link_holds(&place.store, NOW, &secret).await.unwrap());
    for secret in [Some(secret), Some(link(&place).await), None] {
        assert_eq!(try_complete(&place, NOW, secret, "b@example.org").await.unwrap_err(), SetupFault::Done);
    }
    assert_eq!(count(&place).await, 1);
}

#[tokio::test]
async fn of_twenty_at_once_one_becomes_the_owner() {
    let place = Place::new().await;
    let secret = link(&place).await;
    let emails: Vec<String> = (0..20).map(|n| format!("a{n}@example.org")).collect();
    let all = emails.iter().map(|email| try_complete(&place, NOW, Some(secret.clone()), email));
    let outcomes = futures_util::future::join_all(all).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let lost = outcomes.iter().filter(|outcome| matches!(outcome, Err(SetupFault::Done))).count();
    assert_eq!((lost, count(&place).await), (19, 1), "{outcomes:?}");
}

#[tokio::test]
async fn only_the_newest_link_holds_and_for_a_day() {
    let place = Place::new().await;
    let (old, new) = (link(&place).await, link(&place).await);
    let tomorrow = NOW + LINK_LIFETIME;
    for (link, now) in [(None, NOW), (Some(old), NOW), (Some(new.clone()), tomorrow)] {
        if let Some(link) = &link {
            assert!(!link_holds(&place.store, now, link).await.unwrap());
        }
        assert_eq!(try_complete(&place, now, link, "ada@example.org").await.unwrap_err(), SetupFault::LinkInvalid);
    }
    assert!(try_complete(&place, tomorrow - Duration::from_millis(1), Some(new), "ada@example.org").await.is_ok());
}

#[tokio::test]
async fn a_refusal_leaves_the_link_as_it_was() {
    let place = Place::new().await;
    let secret = link(&place).await;
    place.principal("bob@example.org").await;
    let taken = try_complete(&place, NOW, Some(secret.clone()), "BOB@example.org").await;
    assert_eq!(taken.unwrap_err(), SetupFault::EmailInUse);
    assert!(!done(&place).await);
    let email = "ada@example.org".parse().unwrap();
    let weak = complete(
        &place.store,
        &place.hasher,
        &place.config,
        NOW,
        Some(secret.clone()),
        String::new(),
        email,
        "weak".into(),
    );
    assert!(matches!(weak.await.unwrap(), Err(SetupFault::Policy(_))));
    assert!(try_complete(&place, NOW, Some(secret), "ada@example.org").await.is_ok());
}

fn configured(place: &mut Place) {
    let bootstrap = &mut place.config.bootstrap;
    bootstrap.owner_email = Some("ada@example.org".to_owned());
    bootstrap.owner_password = Some("0123456789abcdef0123456789abcdef".into());
    bootstrap.client_id = Some("ci".to_owned());
    bootstrap.client_secret = Some("fedcba9876543210fedcba9876543210".into());
}

async fn booted(place: &Place) -> Result<Option<String>, anyhow::Error> {
    bootstrap(&place.store, &place.hasher, &place.config, NOW).await
}

#[tokio::test]
async fn what_is_configured_is_made_once() {
    let mut place = Place::new().await;
    assert_eq!(booted(&place).await.unwrap(), None);
    configured(&mut place);
    let nodes = futures_util::future::join_all((0..8).map(|_| booted(&place))).await;
    let acted: Vec<String> = nodes.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(acted, ["the owner and the client ci"]);
    assert_eq!(booted(&place).await.unwrap(), None);
    assert_eq!(roles(&place, "ci").await, ["system:owner"]);
    let (client, secrets, ada) = place
        .store
        .read(|conn| {
            let client = store::client::find(conn, "ci")?.unwrap();
            let secrets = store::client_secret::of_client(conn, "ci")?;
            Ok::<_, store::Error>((client, secrets, store::principal::find_by_email(conn, "ada@example.org")?.unwrap()))
        })
        .await
        .unwrap();
    assert_eq!(roles(&place, &ada.id).await, ["system:owner"]);
    assert!(client.may(GrantType::ClientCredentials) && client.auth_method == AuthMethod::ClientSecretBasic);
    assert!(secrets[0].hash.matches(&SecretHash::of("fedcba9876543210fedcba9876543210")));
    assert_eq!((secrets.len(), secrets[0].hint.as_str()), (1, "3210"));
    let stored = ada.password_hash;
    assert!(place.hasher.verify("0123456789abcdef0123456789abcdef".into(), stored).await.unwrap().matches);
}

#[tokio::test]
async fn a_client_alone_is_an_owner_too() {
    let mut place = Place::new().await;
    configured(&mut place);
    place.config.bootstrap.owner_email = None;
    place.config.bootstrap.owner_password = None;
    assert_eq!(booted(&place).await.unwrap().unwrap(), "the client ci");
    assert_eq!(booted(&place).await.unwrap(), None);
}

#[tokio::test]
async fn where_an_owner_is_or_something_is_wrong_nothing_is_made() {
    let mut place = Place::new().await;
    configured(&mut place);
    place.config.bootstrap.client_id = Some("no slug".to_owned());
    assert!(format!("{:#}", booted(&place).await.unwrap_err()).starts_with("bootstrap.client_id: expected"));
    place.config.bootstrap.client_id = Some("ci".to_owned());
    place.config.bootstrap.owner_email = Some("no@ email".to_owned());
    assert!(format!("{:#}", booted(&place).await.unwrap_err()).starts_with("bootstrap.owner_email: expected"));
    place.config.bootstrap.owner_email = Some("bob@example.org".to_owned());
    place.principal("bob@example.org").await;
    assert!(booted(&place).await.unwrap_err().to_string().contains("bootstrap.owner_email"));
    assert!(!done(&place).await);
    assert_eq!(count(&place).await, 1);

    let secret = link(&place).await;
    try_complete(&place, NOW, Some(secret), "ada@example.org").await.unwrap();
    assert_eq!(booted(&place).await.unwrap(), None);
}
