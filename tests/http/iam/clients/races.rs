//! Of those who do the same at once, exactly one wins, and nothing is half done.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::{SHOP, made, path, secret, service};
use crate::support::{TestApp, api::Api};

/// How many do it at once.
const MANY: usize = 12;

fn winners(said: &[String], winner: &str, loser: &str) -> usize {
    assert!(said.iter().all(|said| said == winner || said == loser), "{said:?}");
    said.iter().filter(|said| *said == winner).count()
}

#[tokio::test]
async fn of_many_who_save_the_same_version_one_wins() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let client = owner.put(SHOP, service()).await.object(201);
    let etag = client["eTag"].as_str().unwrap();
    let all = join_all((0..MANY).map(|n| {
        let (owner, body) = (owner.clone(), json!({"description": n.to_string()}));
        async move {
            let answer = match n % 3 {
                0 => owner.send(Method::POST, &format!("{SHOP}/secrets"), &[("if-match", etag)], json!({})).await,
                1 => owner.put(SHOP, json!({"description": n.to_string(), "etag": etag})).await,
                _ => owner.put_if(SHOP, etag, body).await,
            };
            (n, answer.said().replace("201", "200"))
        }
    }))
    .await;
    let said: Vec<String> = all.iter().map(|(_, said)| said.clone()).collect();
    assert_eq!(winners(&said, "200", "409 ETAG_MISMATCH"), 1);
    let (n, _) = all.iter().find(|(_, said)| said == "200").unwrap();
    let expected = if n % 3 == 0 { Value::Null } else { json!(n.to_string()) };
    assert_eq!(owner.get(SHOP).await.json()["description"], expected);
    assert_eq!(owner.get(&format!("{SHOP}/secrets")).await.json()["totalCount"], i32::from(n % 3 == 0));
}

#[tokio::test]
async fn of_many_who_make_the_same_client_one_makes_it() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let said = join_all((0..MANY).map(|_| {
        let owner = owner.clone();
        async move { owner.send(Method::PUT, SHOP, &[("if-none-match", "*")], service()).await.said() }
    }))
    .await;
    assert_eq!(winners(&said, "201", "409 ALREADY_EXISTS"), 1);
}

#[tokio::test]
async fn of_many_who_claim_a_resource_one_gets_it() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let said =
        join_all((0..MANY).map(|n| {
            let owner = owner.clone();
            async move {
                owner.put(&path(&format!("shop-{n}")), json!({"resourceUris": ["https://api.example/"]})).await.said()
            }
        }))
        .await;
    assert_eq!(winners(&said, "201", "409 RESOURCE_URI_IN_USE"), 1);
}

#[tokio::test]
async fn there_are_never_more_than_ten_secrets() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    assert_eq!(owner.put(SHOP, service()).await.said(), "201");
    let said = join_all((0..MANY + 3).map(|_| {
        let owner = owner.clone();
        async move { owner.post(&format!("{SHOP}/secrets"), json!({})).await.said() }
    }))
    .await;
    assert_eq!(winners(&said, "201", "422 TOO_MANY"), 10);
}

#[tokio::test]
async fn a_secret_that_is_removed_while_it_is_used_works_until_then_and_not_after() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let shop = made(&app, &owner, "shop", service()).await;
    let secrets = format!("{SHOP}/secrets");
    let first = owner.get(&secrets).await.json()["secrets"][0]["id"].as_str().unwrap().to_owned();
    secret(&owner, SHOP).await;
    let at = format!("{secrets}/{first}");
    let (removed, used) = tokio::join!(
        async {
            let removals = join_all((0..2).map(|_| owner.delete(&at))).await;
            removals.iter().map(|answer| answer.said()).collect::<Vec<_>>()
        },
        join_all((0..MANY).map(|_| async { shop.client_credentials("").await.outcome() }))
    );
    assert_eq!(winners(&removed, "204", "404 NOT_FOUND"), 1);
    winners(&used, "200", "401 invalid_client");
    assert_eq!(shop.client_credentials("").await.outcome(), "401 invalid_client");
}

#[tokio::test]
async fn a_client_that_is_deleted_while_it_is_changed_is_gone() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let shop = made(&app, &owner, "shop", service()).await;
    let said = join_all((0..MANY).map(|n| {
        let (owner, shop) = (owner.clone(), &shop);
        async move {
            match n % 4 {
                0 => owner.delete(SHOP).await.said(),
                1 => owner.put(SHOP, json!({"description": "x"})).await.said(),
                2 => owner.post(&format!("{SHOP}/secrets"), json!({})).await.said(),
                _ => shop.client_credentials("").await.outcome(),
            }
        }
    }))
    .await;
    let fine = ["200", "201", "204", "404 NOT_FOUND", "409 ID_IN_USE", "401 invalid_client"];
    assert!(said.iter().all(|said| fine.contains(&said.as_str())), "{said:?}");
    assert_eq!(said.iter().filter(|said| *said == "204").count(), 1);
    assert_eq!(owner.get(SHOP).await.said(), "404 NOT_FOUND");
}
