//! What a client looks like, and what can be said about it.

use reqwest::Method;
use serde_json::{Value, json};

use super::{SHOP, application, path, service};
use crate::support::{TestApp, api::Api};

/// Without what differs from run to run.
fn steady(mut client: Value) -> Value {
    client["eTag"] = json!("[version]");
    client
}

#[tokio::test]
async fn a_client_is_made_read_changed_and_deleted() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    app.role("support:agent", &["actors:*"]).await;
    let made = owner
        .put(
            SHOP,
            json!({
                "name": " Shop ",
                "description": "Where things are sold",
                "redirectUris": ["https://shop.example/cb", "myapp://callback", "https://shop.example/cb"],
                "postLogoutRedirectUris": ["https://shop.example/bye"],
                "resourceUris": ["https://shop.example/api", "https://a.example/"],
                "scopes": ["openid", "iam/principals:read"],
                "roles": ["support:agent"],
                "acl": {"entries": [{"resource": "actors", "permission": "read"}]},
                "accessAttributes": {"region": ["eu"]},
                "tokenEndpointAuthMethod": "client_secret_post",
                "clientUri": "https://shop.example/",
                "logoUri": "http://localhost:3000/logo.png",
                "accessTokenSignedResponseAlg": "RS256",
                "accessTokenFormat": "opaque",
                "accessTokenLifetime": 60,
                "defaultMaxAge": 3600,
                "properties": {"costCentre": 4711, "tosUri": "https://shop.example/terms"}
            }),
        )
        .await;
    let client = made.object(201);
    assert_eq!(made.header("etag"), format!("\"{}\"", client["eTag"].as_str().unwrap()));
    insta::assert_json_snapshot!(steady(client.clone()), @r#"
    {
      "id": "shop",
      "type": "client",
      "name": "Shop",
      "description": "Where things are sold",
      "redirectUris": [
        "https://shop.example/cb",
        "myapp://callback"
      ],
      "postLogoutRedirectUris": [
        "https://shop.example/bye"
      ],
      "resourceUris": [
        "https://a.example/",
        "https://shop.example/api"
      ],
      "grantTypes": [
        "authorization_code",
        "refresh_token"
      ],
      "scopes": [
        "openid",
        "iam/principals:read"
      ],
      "roles": [
        "support:agent"
      ],
      "acl": {
        "entries": [
          {
            "resource": [
              "actors"
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
      "tokenEndpointAuthMethod": "client_secret_post",
      "clientUri": "https://shop.example/",
      "logoUri": "http://localhost:3000/logo.png",
      "policyUri": null,
      "tosUri": "https://shop.example/terms",
      "jwks": null,
      "jwksUri": null,
      "idTokenSignedResponseAlg": null,
      "userinfoSignedResponseAlg": null,
      "accessTokenSignedResponseAlg": "RS256",
      "accessTokenFormat": "opaque",
      "accessTokenLifetime": 60,
      "pkceOptional": false,
      "assertionAudienceTokenEndpoint": false,
      "requireAuthTime": false,
      "defaultMaxAge": 3600,
      "firstParty": false,
      "properties": {
        "name": "Shop",
        "description": "Where things are sold",
        "redirectUris": [
          "https://shop.example/cb",
          "myapp://callback"
        ],
        "postLogoutRedirectUris": [
          "https://shop.example/bye"
        ],
        "grantTypes": [
          "authorization_code",
          "refresh_token"
        ],
        "scopes": [
          "openid",
          "iam/principals:read"
        ],
        "tokenEndpointAuthMethod": "client_secret_post",
        "costCentre": 4711
      },
      "suspendedAt": null,
      "systemClient": false,
      "createdAt": "2026-11-21T12:00:00.000Z",
      "eTag": "[version]"
    }
    "#);

    let read = owner.get(SHOP).await;
    assert_eq!(read.object(200), client);
    let known = owner.send(Method::GET, SHOP, &[("if-none-match", made.header("etag"))], Value::Null).await;
    assert_eq!((known.status.as_u16(), known.body.as_str()), (304, ""));

    // what is given replaces, what is absent stays, null is the default
    let changed =
        owner.put(SHOP, json!({"description": null, "accessTokenFormat": null, "roles": []})).await.object(200);
    let mut expected = client.clone();
    expected["description"] = Value::Null;
    expected["properties"]["description"] = Value::Null;
    expected["accessTokenFormat"] = json!("jwt");
    expected["roles"] = json!([]);
    assert_eq!(steady(changed.clone()), steady(expected));
    assert_ne!(changed["eTag"], client["eTag"]);

    assert_eq!(owner.delete(SHOP).await.said(), "204");
    assert_eq!(owner.get(SHOP).await.said(), "404 NOT_FOUND");
    assert_eq!(owner.delete(SHOP).await.said(), "404 NOT_FOUND");
}

#[tokio::test]
async fn what_is_not_said_follows_from_what_is() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let defaults = |client: &Value| json!([client["name"], client["grantTypes"], client["scopes"]]);
    let blank = owner.put(&path("blank"), json!({})).await.object(201);
    assert_eq!(defaults(&blank), json!(["blank", ["client_credentials"], []]));
    assert_eq!(blank["tokenEndpointAuthMethod"], "client_secret_basic");
    let people = owner.put(&path("people"), json!({"redirectUris": ["https://app.example/cb"]})).await.object(201);
    assert_eq!(
        defaults(&people),
        json!(["people", ["authorization_code", "refresh_token"], ["openid", "profile", "email", "offline_access"]])
    );
    assert_eq!(people["firstParty"], false);
    // whatever the case of a UUID, there is one way to write it
    let uuid = "0190a3c2-7b00-7000-8000-00000000000a";
    assert_eq!(owner.put(&path(uuid), json!({})).await.said(), "201");
    assert_eq!(owner.put(&path(&uuid.to_uppercase()), json!({})).await.said(), "400 ID_INVALID");
}

#[tokio::test]
async fn what_was_read_can_be_written_back_here_and_elsewhere() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let mut body = application();
    body["properties"] = json!({"costCentre": {"number": [4711]}, "äöü/~": "x"});
    body["accessAttributes"] = json!({"region": ["eu"]});
    body["acl"] = json!({"entries": [{"resource": "actors", "permission": "read", "attributeKeys": ["region"]}]});
    let client = owner.put(SHOP, body).await.object(201);
    let again = owner.put(SHOP, client.clone()).await.object(200);
    assert_eq!(steady(again.clone()), steady(client.clone()));

    app.advance(std::time::Duration::from_secs(60));
    let elsewhere = TestApp::spawn().await;
    let other = Api::owner(&elsewhere).await;
    let imported = other.put(SHOP, again.clone()).await.object(201);
    assert_eq!(steady(imported), steady(again.clone()));
    // as does a change to either of the two places in which a member stands
    let mut flat = again.clone();
    flat["name"] = json!("Flat");
    let flat = owner.put(SHOP, flat).await.object(200);
    assert_eq!((&flat["name"], &flat["properties"]["name"]), (&json!("Flat"), &json!("Flat")));
    let mut inside = flat.clone();
    inside["properties"]["redirectUris"] = json!(["https://app.example/other"]);
    let inside = owner.put(SHOP, inside).await.object(200);
    assert_eq!(inside["redirectUris"], json!(["https://app.example/other"]));
    let mut both = inside.clone();
    both["name"] = json!("One");
    both["properties"]["name"] = json!("Other");
    assert_eq!(owner.put(SHOP, both).await.said(), "400 CONFLICTING_VALUES");
    // one that is suspended is not brought to life elsewhere
    let suspended = owner.post(&format!("{SHOP}/suspend"), Value::Null).await.object(200);
    assert_eq!(owner.put(SHOP, suspended.clone()).await.said(), "200");
    assert_eq!(other.put(&path("second"), suspended).await.said(), "422 FIELD_INVALID");
}

#[tokio::test]
async fn custom_keys_live_in_properties() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let custom = |client: Value| {
        let mut properties = client["properties"].as_object().unwrap().clone();
        properties.retain(|key, _| key.starts_with("my"));
        Value::Object(properties)
    };
    let mut body = service();
    body["properties"] = json!({"myA": 1, "myB": null, "myC": [true]});
    assert_eq!(custom(owner.put(SHOP, body).await.object(201)), json!({"myA": 1, "myC": [true]}));
    let changed = json!({"properties": {"name": "Inside", "myA": null, "myD": "d"}});
    let client = owner.put(SHOP, changed).await.object(200);
    assert_eq!((&client["name"], custom(client.clone())), (&json!("Inside"), json!({"myC": [true], "myD": "d"})));
    for (properties, said) in [
        (json!([]), "400 FIELD_MALFORMED"),
        (json!({"my": "x".repeat(9000)}), "422 FIELD_INVALID"),
        (json!({"": 1}), "422 FIELD_INVALID"),
        (json!({"my\nkey": 1}), "422 FIELD_INVALID"),
        (json!({"x".repeat(200): 1}), "422 FIELD_INVALID"),
        (json!({"systemClient": true}), "422 FIELD_INVALID"),
        (json!({"roles": ["system:owner"]}), "422 FIELD_INVALID"),
        (json!({"acl": {}}), "422 FIELD_INVALID"),
        ((0..60).map(|n| (format!("my{n}"), json!(n))).collect::<Value>(), "422 FIELD_INVALID"),
    ] {
        assert_eq!(owner.put(SHOP, json!({"properties": properties})).await.said(), said, "{properties:.80}");
    }
    assert_eq!(custom(owner.get(SHOP).await.json()), json!({"myC": [true], "myD": "d"}));
}

#[tokio::test]
async fn what_the_server_says_about_a_client_cannot_be_said_by_others() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let client = owner.put(SHOP, service()).await.object(201);
    for (name, value, said) in [
        ("systemClient", json!(true), "422 FIELD_INVALID"),
        ("id", json!("other"), "422 FIELD_INVALID"),
        ("type", json!("principal"), "422 FIELD_INVALID"),
        ("createdAt", json!("2020-01-01T00:00:00Z"), "422 FIELD_INVALID"),
        ("suspendedAt", json!("2020-01-01T00:00:00Z"), "422 FIELD_INVALID"),
        ("secretHash", json!("x"), "400 UNKNOWN_FIELD"),
        ("secret", json!("x"), "400 UNKNOWN_FIELD"),
        ("secrets", json!([]), "400 UNKNOWN_FIELD"),
        ("client_id", json!("x"), "400 UNKNOWN_FIELD"),
        ("updatedAt", json!(1), "400 UNKNOWN_FIELD"),
        ("metadata", json!({}), "400 UNKNOWN_FIELD"),
        ("tokensSince", json!(1), "400 UNKNOWN_FIELD"),
        ("__proto__", json!({}), "400 UNKNOWN_FIELD"),
    ] {
        for path in [SHOP, "/resources/iam/clients/new"] {
            let answer = owner.put(path, json!({name: value})).await;
            // a client that is not there yet may come with its date of birth
            let said = if name == "createdAt" && path != SHOP { "201" } else { said };
            assert_eq!(answer.said(), said, "{path} {name}");
            assert!(said == "201" || answer.body.contains(name), "{}", answer.body);
        }
    }
    assert_eq!(owner.get(SHOP).await.json(), client);
    let new = owner.get("/resources/iam/clients/new").await.json();
    assert_ne!(new["createdAt"], "2020-01-01T00:00:00Z");
}

#[tokio::test]
async fn ids_are_never_used_again() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let ada = app.principal("ada@example.com", &[], |_| {}).await.id;
    assert_eq!(owner.put(&path(&ada), service()).await.said(), "409 ID_IN_USE");
    assert_eq!(owner.get(&path(&ada)).await.said(), "404 NOT_FOUND");
    assert_eq!(owner.put(SHOP, service()).await.said(), "201");
    assert_eq!(owner.delete(SHOP).await.said(), "204");
    assert_eq!(owner.put(SHOP, service()).await.said(), "409 ID_IN_USE");
    for bad in ["a%20b", "-a", "%C3%A4", "a%00b", "a%2Fb", &"a".repeat(129)] {
        assert_eq!(owner.put(&path(bad), service()).await.said(), "400 ID_INVALID", "{bad}");
        for answer in [
            owner.get(&path(bad)).await,
            owner.delete(&path(bad)).await,
            owner.put(&format!("{}/roles", path(bad)), json!([])).await,
            owner.post(&format!("{}/suspend", path(bad)), Value::Null).await,
            owner.get(&format!("{}/secrets", path(bad))).await,
            owner.post(&format!("{}/secrets", path(bad)), Value::Null).await,
            owner.delete(&format!("{}/secrets/{bad}", path(bad))).await,
        ] {
            assert_eq!(answer.said(), "404 NOT_FOUND", "{bad}");
        }
    }
}

#[tokio::test]
async fn methods_that_are_not_there_are_told() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    for (at, allow) in [
        ("", "GET, HEAD, PUT, DELETE"),
        ("/roles", "PUT"),
        ("/suspend", "POST"),
        ("/unsuspend", "POST"),
        ("/secrets", "GET, HEAD, POST"),
        ("/secrets/x", "DELETE"),
    ] {
        let answer = owner.send(Method::PATCH, &format!("{SHOP}{at}"), &[], json!({})).await;
        assert_eq!((answer.said().as_str(), answer.header("allow")), ("405 METHOD_NOT_ALLOWED", allow));
    }
}
