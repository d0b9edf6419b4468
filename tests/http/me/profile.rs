//! `/resources/me` and `/resources/me/profile`

use reqwest::Method;
use serde_json::{Value, json};

use super::{ada, steady};
use crate::{
    stage::{set_roles, suspend},
    support::{TestApp, api::Api},
};

const PROFILE: &str = "/resources/me/profile";

#[tokio::test]
async fn a_person_reads_their_profile() {
    let ada = ada().await;
    let read = ada.api.get(PROFILE).await;
    let profile = read.object(200);
    assert_eq!(profile["id"], ada.id.as_str());
    assert_eq!(read.header("etag"), format!("\"{}\"", profile["eTag"].as_str().unwrap()));
    insta::assert_json_snapshot!(steady(profile.clone()), @r#"
    {
      "eTag": "[eTag]",
      "email": "ada@example.com",
      "id": "[id]",
      "name": "Ada Lovelace",
      "passwordExpiresAt": null,
      "passwordLogin": true,
      "pendingEmail": null,
      "phone": null,
      "picture": null,
      "roles": []
    }
    "#);
    assert_eq!(ada.api.get("/resources/me").await.object(200), profile);
    let known = ada.api.send(Method::GET, PROFILE, &[("if-none-match", read.header("etag"))], Value::Null).await;
    assert_eq!((known.status.as_u16(), known.body.as_str()), (304, ""));
}

#[tokio::test]
async fn a_person_changes_what_is_their_own_and_the_rest_stays() {
    let ada = ada().await;
    let id = ada.id.clone();
    let change = json!({"phone": "+44 20 7946 0000", "picture": "https://example.com/ada.png"});
    let profile = ada.api.put(PROFILE, change).await.object(200);
    assert_eq!(
        (&profile["name"], &profile["phone"], &profile["picture"]),
        (&json!("Ada Lovelace"), &json!("+44 20 7946 0000"), &json!("https://example.com/ada.png"))
    );
    assert_eq!(ada.api.put(PROFILE, json!({"picture": null})).await.object(200)["picture"], Value::Null);
    // what was read is written back, with a change
    let mut all = ada.api.get(PROFILE).await.object(200);
    all["name"] = json!("Ada King");
    let written = ada.api.put(PROFILE, all).await.object(200);
    assert_eq!(written["name"], "Ada King");
    assert_eq!(ada.api.get(PROFILE).await.object(200), written);
    let events = ada.audited("principal.update").await;
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event.actor_id.as_ref() == Some(&id) && event.target_id.as_ref() == Some(&id)));
    assert!(events.iter().any(|event| event.changes.len() == 1 && event.changes[0].path == "/name"));
    // and the administrators' lists find the new name
    let row = ada.app.app.store.read(move |conn| keyward::store::principal::find(conn, &id)).await.unwrap().unwrap();
    assert_eq!(row.name.as_deref(), Some("Ada King"));
}

#[tokio::test]
async fn a_new_phone_number_is_not_verified() {
    let ada = ada().await;
    let verify = |id: String| {
        move |tx: &mut keyward::store::Tx<'_>| {
            let mut row = keyward::store::principal::find(tx, &id)?.unwrap();
            let etag = row.etag.clone();
            row.phone_verified = true;
            keyward::store::principal::set_own(tx, &row, &etag)
        }
    };
    let verified = || {
        let id = ada.id.clone();
        async {
            let found = ada.app.app.store.read(move |conn| keyward::store::principal::find(conn, &id));
            found.await.unwrap().unwrap().phone_verified
        }
    };
    assert_eq!(ada.api.put(PROFILE, json!({"phone": "112"})).await.said(), "200");
    ada.app.app.store.write(verify(ada.id.clone())).await.unwrap();
    assert_eq!(ada.api.put(PROFILE, json!({"phone": "112", "name": "A"})).await.said(), "200");
    assert!(verified().await, "the same number stays verified");
    assert_eq!(ada.api.put(PROFILE, json!({"phone": "113"})).await.said(), "200");
    assert!(!verified().await);
}

/// Attack 42, 32: privileged fields through self service.
#[tokio::test]
async fn nothing_that_is_not_the_persons_own_is_set_through_the_profile() {
    let ada = ada().await;
    let before = ada.api.get(PROFILE).await.object(200);
    for (body, said) in [
        (json!({"email": "eve@example.com"}), "422 FIELD_INVALID"),
        (json!({"pendingEmail": "eve@example.com"}), "422 FIELD_INVALID"),
        (json!({"roles": ["system:owner"]}), "422 FIELD_INVALID"),
        (json!({"id": "0190a3c2-7b00-7000-8000-000000000001"}), "422 FIELD_INVALID"),
        (json!({"passwordLogin": false}), "422 FIELD_INVALID"),
        (json!({"passwordExpiresAt": "2030-01-01T00:00:00.000Z"}), "422 FIELD_INVALID"),
        (json!({"email_verified": true}), "400 UNKNOWN_FIELD"),
        (json!({"emailVerified": true}), "400 UNKNOWN_FIELD"),
        (json!({"phone_number_verified": true}), "400 UNKNOWN_FIELD"),
        (json!({"phoneVerified": true}), "400 UNKNOWN_FIELD"),
        (json!({"acl": {"entries": []}}), "400 UNKNOWN_FIELD"),
        (json!({"accessAttributes": {}}), "400 UNKNOWN_FIELD"),
        (json!({"suspendedAt": null}), "400 UNKNOWN_FIELD"),
        (json!({"password": "x"}), "400 UNKNOWN_FIELD"),
        (json!({"properties": {"email_verified": true}}), "400 UNKNOWN_FIELD"),
        (json!({"settings": {}}), "400 UNKNOWN_FIELD"),
    ] {
        assert_eq!(ada.api.put(PROFILE, body.clone()).await.said(), said, "{body}");
    }
    assert_eq!(ada.api.get(PROFILE).await.object(200), before);
}

#[tokio::test]
async fn what_is_wrong_with_a_profile_is_told() {
    let ada = ada().await;
    for (body, said) in [
        (json!([]), "400 BODY_MALFORMED"),
        (Value::Null, "400 BODY_MALFORMED"),
        (json!({"name": 1}), "400 FIELD_MALFORMED"),
        (json!({"name": ""}), "422 FIELD_INVALID"),
        (json!({"name": "a\nb"}), "422 FIELD_INVALID"),
        (json!({"name": "x".repeat(257)}), "422 FIELD_INVALID"),
        (json!({"phone": "call me"}), "422 FIELD_INVALID"),
        (json!({"picture": "javascript:alert(1)"}), "422 FIELD_INVALID"),
        (json!({"picture": "https://u:p@example.com/"}), "422 FIELD_INVALID"),
        (json!({"picture": "https://x/\u{202e}"}), "422 FIELD_INVALID"),
    ] {
        assert_eq!(ada.api.put(PROFILE, body.clone()).await.said(), said, "{body}");
    }
    let all = ada.api.put(PROFILE, json!({"name": "", "phone": "x"})).await;
    let pointers: Vec<Value> =
        all.json()["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(pointers, [json!("/name"), json!("/phone")]);
    let patch = ada.api.send(Method::PATCH, PROFILE, &[], json!({})).await;
    assert_eq!((patch.said().as_str(), patch.header("allow")), ("405 METHOD_NOT_ALLOWED", "GET, HEAD, PUT"));
}

#[tokio::test]
async fn of_two_who_save_the_same_profile_the_second_is_told() {
    let ada = ada().await;
    let etag = ada.api.get(PROFILE).await.object(200)["eTag"].as_str().unwrap().to_owned();
    assert_eq!(ada.api.put_if(PROFILE, &etag, json!({"name": "1"})).await.said(), "200");
    assert_eq!(ada.api.put_if(PROFILE, &etag, json!({"name": "2"})).await.said(), "409 ETAG_MISMATCH");
    assert_eq!(ada.api.put(PROFILE, json!({"name": "2", "etag": etag})).await.said(), "409 ETAG_MISMATCH");
    assert_eq!(ada.api.put_if(PROFILE, "x", json!({"etag": "y"})).await.said(), "400 CONFLICTING_VALUES");
    let create = ada.api.send(Method::PUT, PROFILE, &[("if-none-match", "*")], json!({})).await;
    assert_eq!(create.said(), "409 ALREADY_EXISTS");
    assert_eq!(ada.api.get(PROFILE).await.object(200)["name"], "1");

    let app = TestApp::spawn_with(|config| config.iam.require_if_match = true).await;
    let strict = super::ada_on(app, &[], "me:*").await;
    assert_eq!(strict.api.put(PROFILE, json!({"name": "2"})).await.said(), "428 PRECONDITION_REQUIRED");
    let settings = "/resources/me/settings";
    assert_eq!(strict.api.put(settings, json!({"a": 2})).await.said(), "428 PRECONDITION_REQUIRED");
}

#[tokio::test]
async fn a_token_allows_what_its_scopes_say_and_no_more() {
    let ada = ada().await;
    let reader = ada.with_scope("me/profile:read").await;
    assert_eq!(reader.get(PROFILE).await.said(), "200");
    assert_eq!(reader.get("/resources/me").await.said(), "200");
    for (method, path, permission) in [
        (Method::PUT, PROFILE, "me/profile:write"),
        (Method::POST, "/resources/me/password", "me/password:write"),
        (Method::POST, "/resources/me/email/change", "me/email:write"),
        (Method::GET, "/resources/me/settings", "me/settings:read"),
        (Method::PUT, "/resources/me/settings", "me/settings:write"),
        (Method::GET, "/resources/me/pat", "me/pat:read"),
        (Method::POST, "/resources/me/pat", "me/pat:write"),
        (Method::DELETE, "/resources/me/pat/x", "me/pat:delete"),
        (Method::GET, "/resources/me/sessions", "me/sessions:read"),
        (Method::DELETE, "/resources/me/sessions/x", "me/sessions:delete"),
        (Method::GET, "/resources/me/consents", "me/consents:read"),
        (Method::DELETE, "/resources/me/consents/x", "me/consents:delete"),
    ] {
        let refused = reader.send(method, path, &[], json!({})).await;
        assert_eq!(refused.said(), "403 PERMISSION_MISSING", "{path}");
        assert!(refused.json()["detail"].as_str().unwrap().contains(permission), "{path}: {}", refused.body);
        assert!(refused.header("www-authenticate").contains("insufficient_scope"));
    }
    // OpenID Connect's scopes are no permissions
    let openid = ada.with_scope("").await;
    assert_eq!(openid.get(PROFILE).await.said(), "403 PERMISSION_MISSING");
    assert_eq!(ada.nobody().get(PROFILE).await.said(), "401 TOKEN_MISSING");
}

#[tokio::test]
async fn a_client_that_acts_for_itself_has_no_self_service() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let service = Api::holding(&app, "service", &["iam:*"]).await;
    for path in ["/resources/me", PROFILE, "/resources/me/settings", "/resources/me/pat", "/resources/me/sessions"] {
        for caller in [&owner, &service] {
            assert_eq!(caller.get(path).await.said(), "403 PERSON_REQUIRED", "{path}");
        }
    }
    let refused = owner.post("/resources/me/password", json!({})).await;
    assert_eq!(refused.said(), "403 PERSON_REQUIRED");
    assert!(refused.json()["detail"].as_str().unwrap().contains("person"));
}

#[tokio::test]
async fn roles_and_suspension_show_at_the_next_request() {
    let ada = ada().await;
    ada.app.role("support:agent", &["actors:read"]).await;
    set_roles(&ada.app, &ada.id, &["support:agent"]).await;
    assert_eq!(ada.api.get(PROFILE).await.object(200)["roles"], json!(["support:agent"]));
    suspend(&ada.app, &ada.id).await;
    assert_eq!(ada.api.get(PROFILE).await.said(), "401 TOKEN_INVALID");
    assert_eq!(ada.api.put(PROFILE, json!({"name": "x"})).await.said(), "401 TOKEN_INVALID");
}

#[tokio::test]
async fn people_and_administrators_say_names_phones_and_pictures_by_the_same_rules() {
    let ada = ada().await;
    let owner = Api::owner(&ada.app).await;
    let path = format!("/resources/iam/principals/{}", ada.id);
    for (member, text, kept) in [
        ("name", "  lead", Some("lead")),
        ("name", &"x".repeat(256), Some(&*"x".repeat(256))),
        ("name", &"x".repeat(257), None),
        ("name", "a\u{202e}b", None),
        ("name", "\u{200b}", None),
        ("phone", "0049/30", Some("0049/30")),
        ("phone", "(030) 1234", Some("(030) 1234")),
        ("phone", "+1 604;ext=5678", Some("+1 604;ext=5678")),
        ("phone", "+", None),
        ("phone", "call me", None),
        ("picture", "https://example.com/ada.png", Some("https://example.com/ada.png")),
        ("picture", "https://x/\u{202e}", None),
        ("picture", "https://x/a\\b", None),
        ("picture", "https:///x", None),
        ("picture", &format!("https://x/{}", "a".repeat(2040)), None),
    ] {
        owner.put(&path, json!({member: null})).await.object(200);
        let by_person = ada.api.put(PROFILE, json!({member: text})).await;
        owner.put(&path, json!({member: null})).await.object(200);
        let by_administrator = owner.put(&path, json!({member: text})).await;
        for answer in [by_person, by_administrator] {
            match kept {
                Some(kept) => assert_eq!(answer.object(200)[member], kept, "{member} {text:?}"),
                None => assert_eq!(answer.said(), "422 FIELD_INVALID", "{member} {text:?}"),
            }
        }
    }
}

/// What an older version or an import has stored is never refused as long as it stays.
#[tokio::test]
async fn what_is_stored_may_be_written_back_whatever_the_rules_are_by_now() {
    let ada = ada().await;
    let owner = Api::owner(&ada.app).await;
    let id = ada.id.clone();
    let stored = ada.app.app.store.write(move |tx| {
        let mut row = keyward::store::principal::find(tx, &id)?.unwrap();
        let etag = row.etag.clone();
        row.name = Some("\u{200b}".to_owned());
        row.picture = Some("https://a:99999/".to_owned());
        row.settings.insert("a\u{202e}".to_owned(), json!(1));
        row.properties.insert("b\u{202e}".to_owned(), json!(1));
        row.access_attributes.insert(String::new(), vec!["\u{200b}".to_owned()]);
        keyward::store::principal::update(tx, &row, &etag)
    });
    let stored: Result<bool, keyward::store::Error> = stored.await;
    assert!(stored.unwrap());
    let path = format!("/resources/iam/principals/{}", ada.id);
    let read = owner.get(&path).await.object(200);
    assert_eq!(owner.put(&path, read.clone()).await.object(200)["eTag"], read["eTag"]);
    let mut changed = read;
    for (n, member) in ["eTag", "lastActiveAt"].into_iter().enumerate() {
        changed.as_object_mut().unwrap().remove(member);
        changed["phone"] = json!(format!("11{n}"));
        changed["settings"]["more"] = json!(n);
        changed["properties"]["more"] = json!(n);
        changed["properties"]["phone"] = changed["phone"].clone();
        assert_eq!(owner.put(&path, changed.clone()).await.object(200)["name"], "\u{200b}");
    }
    let mut entry = json!({"id": ada.id, "phone": "113"});
    for member in ["name", "picture", "settings", "accessAttributes"] {
        entry[member] = changed[member].clone();
    }
    let applied = owner.post("/resources/iam/apply", json!({"principals": [entry]})).await.object(200);
    assert_eq!(applied["changed"], 1);
    let mut mine = ada.api.get(PROFILE).await.object(200);
    mine["phone"] = json!("114");
    assert_eq!(ada.api.put(PROFILE, mine).await.object(200)["picture"], "https://a:99999/");
    let settings = ada.api.put("/resources/me/settings", json!({"a\u{202e}": 1, "b": 2})).await.object(200);
    assert_eq!((&settings["a\u{202e}"], &settings["b"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn a_profile_that_stays_as_it_is_keeps_its_version_and_is_no_event() {
    let ada = ada().await;
    let read = ada.api.get(PROFILE).await;
    let etag = read.header("etag").to_owned();
    for body in
        [json!({}), json!({"name": "Ada Lovelace"}), json!({"name": " Ada Lovelace", "phone": null}), read.json()]
    {
        let answer = ada.api.put(PROFILE, body.clone()).await;
        assert_eq!((answer.object(200), answer.header("etag")), (read.json(), &*etag), "{body}");
    }
    assert_eq!(ada.api.put(PROFILE, json!({"etag": "old"})).await.said(), "409 ETAG_MISMATCH");
    assert!(ada.audited("principal.update").await.is_empty());
}
