//! `/resources/me/settings`

use reqwest::Method;
use serde_json::{Value, json};

use super::ada;

const SETTINGS: &str = "/resources/me/settings";

#[tokio::test]
async fn settings_are_kept_key_by_key() {
    let ada = ada().await;
    let empty = ada.api.get(SETTINGS).await;
    assert_eq!(empty.object(200), json!({}));
    let first = ada.api.put(SETTINGS, json!({"theme": "dark", "shop": {"currency": "EUR"}, "eTag": "mine"})).await;
    assert_eq!(first.object(200), json!({"theme": "dark", "shop": {"currency": "EUR"}, "eTag": "mine"}));
    // keys that are given replace as a whole, null removes, the others stay
    let second = ada.api.put(SETTINGS, json!({"shop": {"language": "fr"}, "eTag": null, "unknown": null})).await;
    assert_eq!(second.object(200), json!({"theme": "dark", "shop": {"language": "fr"}}));
    let read = ada.api.get(SETTINGS).await;
    assert_eq!((read.object(200), read.header("etag")), (second.object(200), second.header("etag")));
    assert_ne!(first.header("etag"), second.header("etag"));
    let known = ada.api.send(Method::GET, SETTINGS, &[("if-none-match", read.header("etag"))], Value::Null).await;
    assert_eq!(known.status.as_u16(), 304);
    let stale = ada.api.send(Method::PUT, SETTINGS, &[("if-match", first.header("etag"))], json!({"a": 1})).await;
    assert_eq!(stale.said(), "409 ETAG_MISMATCH");
    let fresh = ada.api.send(Method::PUT, SETTINGS, &[("if-match", read.header("etag"))], json!({"a": 1})).await;
    assert_eq!(fresh.said(), "200");
    let events = ada.audited("principal.update").await;
    assert!(events.iter().any(|event| event.changes.len() == 1 && event.changes[0].path == "/settings/a"));
}

#[tokio::test]
async fn settings_are_bounded() {
    let ada = ada().await;
    let many: Value = Value::Object((0..101).map(|n| (format!("k{n}"), json!(n))).collect());
    let mut deep = json!(1);
    for _ in 0..8 {
        deep = json!([deep]);
    }
    for (body, said) in [
        (json!([]), "400 BODY_MALFORMED"),
        (json!("x"), "400 BODY_MALFORMED"),
        (json!({"a": "b\u{0}"}), "400 BODY_MALFORMED"),
        (json!({"": 1}), "422 FIELD_INVALID"),
        (json!({"k".repeat(65): 1}), "422 FIELD_INVALID"),
        (json!({"a\u{202e}": 1}), "422 FIELD_INVALID"),
        (json!({"a": deep}), "422 FIELD_INVALID"),
        (many, "422 FIELD_INVALID"),
        (json!({"a": "x".repeat(16_384)}), "422 FIELD_INVALID"),
        (json!({"a": "x".repeat(70_000)}), "413 BODY_TOO_LARGE"),
    ] {
        assert_eq!(ada.api.put(SETTINGS, body).await.said(), said);
    }
    assert_eq!(ada.api.get(SETTINGS).await.object(200), json!({}));
    // nor does it grow beyond that bit by bit
    assert_eq!(ada.api.put(SETTINGS, json!({"a": "x".repeat(10_000)})).await.said(), "200");
    assert_eq!(ada.api.put(SETTINGS, json!({"b": "x".repeat(10_000)})).await.said(), "422 FIELD_INVALID");
    assert_eq!(ada.api.put(SETTINGS, json!({"a": null, "b": "x".repeat(10_000)})).await.said(), "200");
}

#[tokio::test]
async fn settings_that_stay_as_they_are_keep_their_version_and_are_no_event() {
    let ada = ada().await;
    let first = ada.api.put(SETTINGS, json!({"theme": "dark", "shop": {"a": null}})).await;
    for body in [json!({}), json!({"theme": "dark"}), first.object(200), json!({"unknown": null})] {
        let again = ada.api.put(SETTINGS, body.clone()).await;
        assert_eq!((again.object(200), again.header("etag")), (first.object(200), first.header("etag")), "{body}");
    }
    assert_eq!(ada.api.get(SETTINGS).await.header("etag"), first.header("etag"));
    assert_eq!(ada.audited("principal.update").await.len(), 1);
}
