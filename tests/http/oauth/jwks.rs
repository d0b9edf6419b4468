//! `/oauth/jwks` (RFC 7517 §5), and what a rotation does to it.

use std::{collections::BTreeSet, time::Duration};

use keyward::{keys::KeyRing, model::key::SigningAlgorithm, store};
use reqwest::StatusCode;

use crate::{
    stage::{Stage, stage},
    support::relying_party::{header_of, send},
};

async fn kids(s: &Stage) -> BTreeSet<String> {
    let jwks = send(s.rp.http.get(s.app.url("/oauth/jwks"))).await.json();
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn public_keys_are_published_and_nothing_private() {
    let s = stage().await;
    let answer = send(s.rp.http.get(s.app.url("/oauth/jwks"))).await;
    assert_eq!(answer.header("content-type"), "application/jwk-set+json");
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let jwks = answer.json();
    let keys = jwks["keys"].as_array().unwrap();
    let algorithms: BTreeSet<&str> = keys.iter().map(|key| key["alg"].as_str().unwrap()).collect();
    assert_eq!(algorithms, BTreeSet::from(["ES256", "RS256"]));
    assert_eq!(kids(&s).await.len(), keys.len(), "each has its own kid");
    for key in keys {
        assert_eq!(key["use"], "sig");
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
}

#[tokio::test]
async fn a_client_that_knows_the_keys_transfers_nothing() {
    let s = stage().await;
    let url = s.app.url("/oauth/jwks");
    let answer = send(s.rp.http.get(&url)).await;
    let again = send(s.rp.http.get(&url).header("if-none-match", answer.header("etag"))).await;
    assert_eq!((again.status, again.body.as_str()), (StatusCode::NOT_MODIFIED, ""));
    assert_eq!(send(s.rp.http.get(&url).header("if-none-match", "\"other\"")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_new_key_is_published_before_it_signs_and_the_old_one_stays() {
    let s = stage().await;
    let before = kids(&s).await;
    let old = s.tokens("openid").await;
    // as `keyward key rotate` does: published now, signing once nobody caches a set without it
    let (now, max_age) = (s.app.now(), s.app.app.config.keys.jwks_max_age);
    let master = s.app.app.seals.master.clone();
    let next = KeyRing::generate(SigningAlgorithm::RS256, &master, now, now + max_age).unwrap();
    let kid = next.kid.clone();
    s.app.app.store.write(move |tx| store::signing_key::insert(tx, &next)).await.unwrap();
    s.app.app.reload_keys().await.unwrap();

    let published = kids(&s).await;
    assert!(published.contains(&kid) && published.is_superset(&before));
    assert_eq!(header_of(&s.tokens("openid").await.id_token)["kid"], header_of(&old.id_token)["kid"], "not yet");
    s.app.advance(max_age);
    let new = s.tokens("openid").await;
    assert_eq!(header_of(&new.id_token)["kid"], kid);
    assert!(kids(&s).await.is_superset(&before));
    s.rp.verify_id_token(&old.id_token).await;
    s.app.advance(Duration::from_secs(3600));
    assert!(kids(&s).await.is_superset(&before), "as long as its tokens may be looked at");
}

#[tokio::test]
async fn keys_survive_a_restart() {
    let mut s = stage().await;
    let (before, tokens) = (kids(&s).await, s.tokens("openid").await);
    s.app = s.app.restart().await;
    assert_eq!(kids(&s).await, before);
    s.rp.verify_id_token(&tokens.id_token).await;
    assert!(s.rp.is_active(&tokens.access_token).await);
}
