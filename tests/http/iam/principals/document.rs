//! What can be said about a principal, and how it is answered.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ID, made, owned, path};
use crate::support::{TestApp, api::Api};

fn whole() -> Value {
    json!({
        "name": "Ada Lovelace",
        "email": "Ada@Example.org",
        "phone": "+44 20 7946 0000",
        "picture": "https://example.org/ada.png",
        "settings": {"theme": "dark"},
        "properties": {
            "given_name": "Ada", "family_name": "Lovelace", "birthdate": "1815-12-10", "locale": "en-GB",
            "zoneinfo": "Europe/London", "website": "https://ada.example.org",
            "address": {"locality": "London", "country": "GB", "region": null},
            "email_verified": true, "tier": {"level": 3},
        },
        "roles": ["system:portal:full"],
        "acl": {"entries": [{"resource": "registry", "permission": "read"}]},
        "accessAttributes": {"region": ["eu"]},
    })
}

#[tokio::test]
async fn a_principal_is_made_read_changed_and_deleted() {
    let (_app, owner) = owned().await;
    let put = owner.put(&path(&ID.to_uppercase()), whole()).await;
    let ada = put.object(201);
    assert_eq!(put.header("etag"), format!("\"{}\"", ada["eTag"].as_str().unwrap()));
    let mut shown = ada.clone();
    shown["eTag"] = json!("[eTag]");
    insta::assert_json_snapshot!(shown, @r#"
    {
      "id": "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
      "type": "principal",
      "name": "Ada Lovelace",
      "email": "Ada@Example.org",
      "phone": "+44 20 7946 0000",
      "picture": "https://example.org/ada.png",
      "settings": {
        "theme": "dark"
      },
      "properties": {
        "given_name": "Ada",
        "family_name": "Lovelace",
        "birthdate": "1815-12-10",
        "locale": "en-GB",
        "zoneinfo": "Europe/London",
        "website": "https://ada.example.org",
        "address": {
          "locality": "London",
          "country": "GB"
        },
        "tier": {
          "level": 3
        },
        "name": "Ada Lovelace",
        "email": "Ada@Example.org",
        "email_verified": true,
        "phone": "+44 20 7946 0000",
        "phone_number_verified": false,
        "picture": "https://example.org/ada.png"
      },
      "roles": [
        "system:portal:full"
      ],
      "acl": {
        "entries": [
          {
            "resource": [
              "registry"
            ],
            "permission": [
              "read"
            ]
          }
        ]
      },
      "accessAttributes": {
        "region": [
          "eu"
        ]
      },
      "systemUser": false,
      "suspendedAt": null,
      "lastActiveAt": null,
      "createdAt": "2026-11-21T12:00:00.000Z",
      "eTag": "[eTag]",
      "passwordLogin": false,
      "passwordExpiresAt": null
    }
    "#);

    let read = owner.get(&path(ID)).await;
    assert_eq!(read.object(200), ada);
    let known = owner.send(Method::GET, &path(ID), &[("if-none-match", read.header("etag"))], Value::Null).await;
    assert_eq!((known.status.as_u16(), known.body.as_str()), (304, ""));

    // what was read is written back, with a change; the rest stays
    let mut body = ada.clone();
    body["name"] = json!("Augusta Ada King");
    let second = owner.put(&path(ID), body).await.object(200);
    let mut expected = ada.clone();
    expected["name"] = json!("Augusta Ada King");
    expected["properties"]["name"] = json!("Augusta Ada King");
    expected["eTag"] = second["eTag"].clone();
    assert_eq!(second, expected);
    assert_ne!(second["eTag"], ada["eTag"]);

    assert_eq!(owner.delete(&path(ID)).await.said(), "204");
    for answer in [owner.get(&path(ID)).await, owner.delete(&path(ID)).await] {
        assert_eq!(answer.said(), "404 NOT_FOUND");
    }
    assert_eq!(owner.put(&path(ID), json!({})).await.said(), "409 ID_IN_USE", "an id is never used again");
    // but the email is free
    made(&owner, "6ba7b810-9dad-41d1-80b4-00c04fd430c9", json!({"email": "ada@example.org"})).await;
}

#[tokio::test]
async fn members_stand_flat_or_in_properties() {
    let (_app, owner) = owned().await;
    let body = json!({"properties": {"name": "Ada", "email": "ada@example.org", "phone_number": "+49 1", "tier": 1}});
    let ada = made(&owner, ID, body).await;
    assert_eq!(
        (&ada["name"], &ada["email"], &ada["phone"]),
        (&json!("Ada"), &json!("ada@example.org"), &json!("+49 1"))
    );
    assert_eq!(ada["properties"]["phone_number"], Value::Null, "it stands there as phone");
    // where both are given, the one that is new counts
    let mut body = ada.clone();
    body["properties"]["name"] = json!("Augusta");
    body["properties"]["phone_number"] = json!("+49 2");
    let second = owner.put(&path(ID), body).await.object(200);
    assert_eq!((&second["name"], &second["phone"]), (&json!("Augusta"), &json!("+49 2")));
    for body in [
        json!({"name": "B", "properties": {"name": "C"}}),
        json!({"phone": "+49 3", "properties": {"phone_number": "+49 4"}}),
        json!({"properties": {"phone": "+49 3", "phone_number": "+49 4"}}),
    ] {
        assert_eq!(owner.put(&path(ID), body).await.said(), "400 CONFLICTING_VALUES");
    }
    // keys of properties are replaced one by one; settings as a whole
    let body = json!({"properties": {"tier": null, "team": "x"}, "settings": {"a": 1}});
    let third = owner.put(&path(ID), body).await.object(200);
    assert_eq!((third["properties"].get("tier"), &third["properties"]["team"]), (None, &json!("x")));
    assert_eq!(third["name"], "Augusta");
    let fourth = owner.put(&path(ID), json!({"settings": {"b": 2, "c": null}, "name": null})).await.object(200);
    assert_eq!((&fourth["settings"], &fourth["name"]), (&json!({"b": 2}), &Value::Null));
    assert_eq!(fourth["properties"]["team"], "x");
}

#[tokio::test]
async fn what_was_proven_of_an_old_address_says_nothing_about_a_new_one() {
    let (_app, owner) = owned().await;
    let body = json!({"email": "ada@example.org", "phone": "110",
        "properties": {"email_verified": true, "phone_number_verified": true}});
    let ada = made(&owner, ID, body).await;
    assert_eq!(ada["properties"]["phone_number_verified"], true);
    let verified = |answer: &Value| answer["properties"]["email_verified"].clone();
    assert_eq!(verified(&owner.put(&path(ID), json!({"name": "Ada"})).await.object(200)), true);
    // not even where what was read is written back with another email
    let mut body = owner.get(&path(ID)).await.object(200);
    body["email"] = json!("king@example.org");
    let moved = owner.put(&path(ID), body).await.object(200);
    assert_eq!((verified(&moved), &moved["properties"]["phone_number_verified"]), (json!(false), &json!(true)));
    let both = json!({"email": "lovelace@example.org", "properties": {"email_verified": true}});
    assert_eq!(verified(&owner.put(&path(ID), both).await.object(200)), true, "who says so is believed");
    assert_eq!(
        verified(&owner.put(&path(ID), json!({"properties": {"email_verified": null}})).await.object(200)),
        false
    );
    let gone = owner.put(&path(ID), json!({"email": null, "properties": {"email_verified": true}})).await.object(200);
    assert_eq!(verified(&gone), false, "nothing is there to be verified");
}

#[tokio::test]
async fn nobody_assigns_what_belongs_to_the_server() {
    let (app, owner) = owned().await;
    app.principal("bob@example.org", &[], |_| {}).await;
    for (field, value) in [
        ("passwordHash", json!("$argon2id$")),
        ("password_hash", json!("x")),
        ("password", json!("x")),
        ("emailVerified", json!(true)),
        ("given_name", json!("Ada")),
        ("updatedAt", json!("2026-11-21T12:00:00.000Z")),
        ("system_user", json!(true)),
        ("passwordTemporary", json!(false)),
    ] {
        assert_eq!(owner.put(&path(ID), json!({field: value})).await.said(), "400 UNKNOWN_FIELD", "{field}");
    }
    let ada = made(&owner, ID, json!({"email": "ada@example.org", "id": ID, "type": "principal"})).await;
    for (field, value) in [
        ("id", json!("6ba7b810-9dad-41d1-80b4-00c04fd430c9")),
        ("id", json!(7)),
        ("type", json!("client")),
        ("createdAt", json!("2020-01-01T00:00:00.000Z")),
        ("suspendedAt", json!("2020-01-01T00:00:00.000Z")),
        ("passwordLogin", json!(true)),
        ("passwordExpiresAt", json!("2020-01-01T00:00:00.000Z")),
    ] {
        assert_eq!(owner.put(&path(ID), json!({field: value})).await.said(), "422 FIELD_INVALID", "{field}");
    }
    // what tokens and the document mean by a name, no custom key means
    for name in ["sub", "iss", "aud", "exp", "roles", "acl", "updated_at", "passwordLogin", "id"] {
        let body = json!({"properties": {name: "x"}});
        assert_eq!(owner.put(&path(ID), body).await.said(), "422 FIELD_INVALID", "{name}");
    }
    // an old time of activity is no contradiction: it moves without a new version
    assert_eq!(owner.put(&path(ID), json!({"lastActiveAt": "2020-01-01T00:00:00.000Z"})).await.said(), "200");
    let mut now = owner.get(&path(ID)).await.object(200);
    now["eTag"] = ada["eTag"].clone();
    assert_eq!(now, ada, "nothing of it was kept");
}

#[tokio::test]
async fn what_was_exported_can_be_imported() {
    let (app, owner) = owned().await;
    let there = app.principal("ada@example.org", &[], |ada| ada.name = Some("Ada".to_owned())).await;
    let mut exported = owner.get(&path(&there.id)).await.object(200);
    assert_eq!(exported["passwordLogin"], true);
    let elsewhere = TestApp::spawn().await;
    let other = Api::owner(&elsewhere).await;
    exported.as_object_mut().unwrap().remove("eTag");
    let imported = other.put(&path(&there.id), exported).await.object(201);
    assert_eq!((&imported["name"], &imported["passwordLogin"]), (&json!("Ada"), &json!(false)));
}

#[tokio::test]
async fn what_is_wrong_with_a_principal_is_told() {
    let (app, owner) = owned().await;
    app.client("6ba7b810-9dad-41d1-80b4-00c04fd430aa", &[], |_| {}).await;
    made(&owner, "6ba7b810-9dad-41d1-80b4-00c04fd430bb", json!({"email": "bob@example.org"})).await;
    let mine = path(ID);
    let many: serde_json::Map<String, Value> = (0..101).map(|n| (format!("k{n}"), json!(n))).collect();
    for (path, body, said) in [
        (path("ada"), json!({}), "400 ID_INVALID"),
        (path("6ba7b810-9dad-41d1-80b4-00c04fd430aa"), json!({}), "409 ID_IN_USE"),
        (mine.clone(), json!({"email": "BOB@example.org"}), "409 EMAIL_IN_USE"),
        (mine.clone(), json!([]), "400 BODY_MALFORMED"),
        (mine.clone(), Value::Null, "400 BODY_MALFORMED"),
        (mine.clone(), json!({"name": 1}), "400 FIELD_MALFORMED"),
        (mine.clone(), json!({"name": "a\u{0}b"}), "400 BODY_MALFORMED"),
        (mine.clone(), json!({"name": " "}), "422 FIELD_INVALID"),
        (mine.clone(), json!({"name": "x".repeat(257)}), "422 FIELD_INVALID"),
        (mine.clone(), json!({"name": "a\u{202e}b"}), "422 FIELD_INVALID"),
        (mine.clone(), json!({"email": "ada"}), "422 FIELD_INVALID"),
        (mine.clone(), json!({"email": "ada@example.org\r\nBcc: x@example.org"}), "422 FIELD_INVALID"),
        (mine.clone(), json!({"phone": "call me"}), "422 FIELD_INVALID"),
        (mine.clone(), json!({"picture": "javascript:alert(1)"}), "422 FIELD_INVALID"),
        (mine.clone(), json!({"properties": []}), "400 FIELD_MALFORMED"),
        (mine.clone(), json!({"properties": {"birthdate": "1815-02-30"}}), "422 FIELD_INVALID"),
        (mine.clone(), json!({"properties": {"profile": "data:text/html,x"}}), "422 FIELD_INVALID"),
        (mine.clone(), json!({"properties": {"gender": 1}}), "400 FIELD_MALFORMED"),
        (mine.clone(), json!({"properties": {"address": "London"}}), "400 FIELD_MALFORMED"),
        (mine.clone(), json!({"properties": {"address": {"planet": "x"}}}), "400 UNKNOWN_FIELD"),
        (mine.clone(), json!({"properties": {"email_verified": "yes"}}), "400 FIELD_MALFORMED"),
        (mine.clone(), json!({"properties": many}), "422 FIELD_INVALID"),
        (mine.clone(), json!({"properties": {"x": "x".repeat(17_000)}}), "422 FIELD_INVALID"),
        (mine.clone(), json!({"settings": {"x": "x".repeat(17_000)}}), "422 FIELD_INVALID"),
        (mine.clone(), json!({"settings": "x"}), "400 FIELD_MALFORMED"),
        (mine.clone(), json!({"roles": ["no:such"]}), "422 UNKNOWN_ROLE"),
        (mine.clone(), json!({"roles": "system:owner"}), "400 FIELD_MALFORMED"),
        (mine.clone(), json!({"acl": {"entries": [{"resource": "a b", "permission": "read"}]}}), "422 FIELD_INVALID"),
        (mine.clone(), json!({"accessAttributes": {"region": "eu"}}), "400 FIELD_MALFORMED"),
        (mine.clone(), json!({"accessAttributes": {"": ["eu"]}}), "422 FIELD_INVALID"),
        (mine.clone(), json!({"suspendedAt": "2026-11-21T12:00:00.000Z"}), "422 FIELD_INVALID"),
        (mine.clone(), json!({"etag": "x"}), "409 ETAG_MISMATCH"),
        (format!("{mine}?force=true"), json!({}), "400 UNKNOWN_PARAMETER"),
    ] {
        let answer = owner.put(&path, body.clone()).await;
        assert_eq!(answer.said(), said, "{path} {body} {}", answer.body);
    }
    // all that is wrong is told at once
    let answer = owner.put(&mine, json!({"name": "", "email": "x", "properties": {"a": 1, "sub": 2}})).await;
    let pointers: Vec<Value> =
        answer.json()["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(pointers, ["/name", "/email", "/properties/sub"]);
    assert_eq!(owner.get(&mine).await.said(), "404 NOT_FOUND", "nothing was made");
    assert_eq!(owner.get(&path("ada")).await.said(), "404 NOT_FOUND");
    assert_eq!(owner.get(&path("6ba7b810-9dad-41d1-80b4-00c04fd430aa")).await.said(), "404 NOT_FOUND");
    let patch = owner.send(Method::PATCH, &mine, &[], json!({})).await;
    assert_eq!((patch.said().as_str(), patch.header("allow")), ("405 METHOD_NOT_ALLOWED", "GET, HEAD, PUT, DELETE"));
    for sub in ["roles", "suspend", "unsuspend", "password/reset", "sessions", "sessions/x"] {
        let method = match sub {
            "roles" => Method::PUT,
            "sessions" => Method::GET,
            "sessions/x" => Method::DELETE,
            _ => Method::POST,
        };
        let body = if sub == "roles" { json!([]) } else { Value::Null };
        let answer = owner.send(method, &format!("{mine}/{sub}"), &[], body).await;
        assert_eq!(answer.said(), "404 NOT_FOUND", "{sub}");
    }
}

#[tokio::test]
async fn of_two_who_save_the_same_principal_the_second_is_told() {
    let (_app, owner) = owned().await;
    let ada = made(&owner, ID, json!({"email": "ada@example.org", "name": "1"})).await;
    let etag = ada["eTag"].as_str().unwrap();
    assert_eq!(owner.put_if(&path(ID), etag, json!({"name": "2"})).await.said(), "200");
    let stale = format!("\"{etag}\"");
    let stale = [("if-match", stale.as_str())];
    for answer in [
        owner.put_if(&path(ID), etag, json!({"name": "3"})).await,
        owner.put(&path(ID), json!({"name": "3", "etag": etag})).await,
        owner.put(&path(ID), ada.clone()).await,
        owner.send(Method::DELETE, &path(ID), &stale, Value::Null).await,
        owner.send(Method::PUT, &format!("{}/roles", path(ID)), &stale, json!([])).await,
        owner.put(&format!("{}/roles", path(ID)), json!({"roles": [], "etag": etag})).await,
        owner.send(Method::POST, &format!("{}/suspend", path(ID)), &stale, Value::Null).await,
        owner.send(Method::POST, &format!("{}/unsuspend", path(ID)), &stale, Value::Null).await,
        owner.send(Method::POST, &format!("{}/password/reset", path(ID)), &stale, Value::Null).await,
    ] {
        assert_eq!(answer.said(), "409 ETAG_MISMATCH");
    }
    let exists = owner.send(Method::PUT, &path(ID), &[("if-none-match", "*")], json!({})).await;
    assert_eq!(exists.said(), "409 ALREADY_EXISTS");
    assert_eq!(owner.put_if(&path(ID), "x", json!({"etag": "y"})).await.said(), "400 CONFLICTING_VALUES");
    let now = owner.get(&path(ID)).await.object(200);
    assert_eq!((&now["name"], &now["suspendedAt"]), (&json!("2"), &Value::Null));

    // each of them makes a new version
    let mut versions = vec![now["eTag"].clone()];
    for answer in [
        owner.put(&format!("{}/roles", path(ID)), json!(["system:portal:full"])).await,
        owner.post(&format!("{}/suspend", path(ID)), Value::Null).await,
        owner.post(&format!("{}/unsuspend", path(ID)), json!({})).await,
    ] {
        let object = answer.object(200);
        assert_eq!(answer.header("etag"), format!("\"{}\"", object["eTag"].as_str().unwrap()));
        versions.push(object["eTag"].clone());
    }
    let reset = owner.post(&format!("{}/password/reset", path(ID)), Value::Null).await;
    versions.push(json!(reset.header("etag").trim_matches('"')));
    assert_eq!(owner.get(&path(ID)).await.object(200)["eTag"], versions[4]);
    versions.sort_by_key(Value::to_string);
    versions.dedup();
    assert_eq!(versions.len(), 5);
}

#[tokio::test]
async fn a_server_may_want_a_version_for_every_change() {
    let app = TestApp::spawn_with(|config| config.iam.require_if_match = true).await;
    let owner = Api::owner(&app).await;
    let ada = made(&owner, ID, json!({"email": "ada@example.org"})).await;
    for answer in [
        owner.put(&path(ID), json!({})).await,
        owner.delete(&path(ID)).await,
        owner.put(&format!("{}/roles", path(ID)), json!([])).await,
        owner.post(&format!("{}/suspend", path(ID)), Value::Null).await,
        owner.post(&format!("{}/password/reset", path(ID)), Value::Null).await,
    ] {
        assert_eq!(answer.said(), "428 PRECONDITION_REQUIRED");
    }
    assert_eq!(owner.put(&path(ID), json!({"etag": ada["eTag"]})).await.said(), "200");
}

#[tokio::test]
async fn roles_are_given_as_an_object_or_as_an_array() {
    let (app, owner) = owned().await;
    app.role("support:agent", &["actors:read"]).await;
    made(&owner, ID, json!({"email": "ada@example.org"})).await;
    let roles = format!("{}/roles", path(ID));
    let both = json!(["system:portal:full", "support:agent", "support:agent"]);
    let given = owner.put(&roles, both).await.object(200);
    assert_eq!(given["roles"], json!(["support:agent", "system:portal:full"]));
    let same = owner.put(&roles, json!({"roles": ["system:portal:full", "support:agent"]})).await.object(200);
    assert_eq!(same["eTag"], given["eTag"], "nothing has changed");
    assert_eq!(owner.put(&path(ID), json!({"name": "Ada"})).await.object(200)["roles"], given["roles"]);
    assert_eq!(
        owner.put(&path(ID), json!({"roles": ["support:agent"]})).await.object(200)["roles"],
        json!(["support:agent"])
    );
    assert_eq!(owner.put(&roles, json!({"roles": []})).await.object(200)["roles"], json!([]));
    for (body, said) in [
        (json!({}), "400 FIELD_MALFORMED"),
        (json!({"roles": null}), "400 FIELD_MALFORMED"),
        (json!([1]), "400 FIELD_MALFORMED"),
        (json!("support:agent"), "400 BODY_MALFORMED"),
        (Value::Null, "400 BODY_MALFORMED"),
        (json!({"roles": [], "more": 1}), "400 UNKNOWN_FIELD"),
        (json!(["support:agent", "no:such"]), "422 UNKNOWN_ROLE"),
        (json!((0..101).map(|n| format!("a:{n}")).collect::<Vec<_>>()), "422 FIELD_INVALID"),
    ] {
        assert_eq!(owner.put(&roles, body.clone()).await.said(), said, "{body}");
    }
    assert_eq!(owner.get(&path(ID)).await.object(200)["roles"], json!([]));
}
