//! Callers of the APIs who try to be more than they are.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    appserver::{Program, by, told},
    stage::{ADA, set_roles, stage_with},
    support::{
        PASSWORD, TestApp,
        api::Api,
        browser::{Browser, http},
        contract,
        relying_party::{basic, send},
    },
};

// 21, 41
#[tokio::test]
async fn a_token_counts_in_the_authorization_header_alone() {
    let s = stage_with(
        |_| {},
        |client| {
            client.scopes = "openid me:*".parse().unwrap();
            client.first_party = true;
        },
    )
    .await;
    let token = s.tokens("openid me:*").await.access_token;
    let (app, http) = (&s.app, http().build().unwrap());
    let owner = Api::owner(app).await;
    for (token, path) in [(&token, "/resources/me"), (&owner.token, "/resources/iam/roles")] {
        let get = |more: &str| http.get(app.url(&format!("{path}{more}")));
        let cookie = |name: &str| get("").header("cookie", format!("{name}={token}"));
        assert_eq!(send(get("").bearer_auth(token)).await.status, StatusCode::OK);
        for (what, request) in [
            ("the query", get(&format!("?access_token={token}"))),
            ("the query, as a bearer", get(&format!("?authorization=Bearer%20{token}"))),
            ("the fragment of the path", get(&format!(";access_token={token}"))),
            ("a form", http.post(app.url(path)).form(&[("access_token", token)])),
            ("a form of a GET", get("").form(&[("access_token", token)])),
            ("a cookie", cookie("access_token")),
            ("the session's cookie", cookie(&format!("keyward_session_{}", s.port()))),
            ("a program's cookie", cookie("ss-id")),
            ("another header", get("").header("x-access-token", token)),
            ("a proxy's header", get("").header("proxy-authorization", format!("Bearer {token}"))),
            ("a forwarded header", get("").header("x-forwarded-access-token", token)),
            ("Basic", get("").header("authorization", basic(token, ""))),
            ("Basic, as the password", get("").header("authorization", basic("oauth2", token))),
            ("no scheme", get("").header("authorization", token)),
            ("another scheme", get("").header("authorization", format!("Token {token}"))),
            ("DPoP", get("").header("authorization", format!("DPoP {token}"))),
            ("two schemes", get("").header("authorization", format!("Basic x, Bearer {token}"))),
            ("two tokens", get("").header("authorization", format!("Bearer x {token}"))),
            ("a list", get("").header("authorization", format!("Bearer {token}, Bearer {token}"))),
            ("two headers", get("").bearer_auth("x").header("authorization", format!("Bearer {token}"))),
            ("the same header twice", get("").bearer_auth(token).header("authorization", format!("Bearer {token}"))),
        ] {
            let answer = send(request).await;
            assert!(
                [400, 401, 404, 405].contains(&answer.status.as_u16()),
                "{what}: {} {}",
                answer.status,
                answer.body
            );
        }
    }
    // nor is a browser that is signed in a caller
    for (method, path, operation) in contract::operations() {
        let guarded = operation["security"].as_array().is_none_or(|ways| !ways.is_empty());
        if !guarded || !path.starts_with("/resources/") || path.ends_with("/validate") {
            continue;
        }
        let path = path.replace(['{', '}'], "");
        let answer = s.browser.send(s.browser.request(method.clone(), &app.url(&path)).json(&json!({}))).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}: {}", answer.body);
    }
}

// 42
#[tokio::test]
async fn what_belongs_to_the_server_is_set_by_no_import_and_no_other_way() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let ada = app.principal(ADA, &[], |_| {}).await;
    app.client("shop", &[], |_| {}).await;
    app.role("a:b", &["shop:read"]).await;
    let apply = "/resources/iam/apply";
    let past = json!("2020-01-01T00:00:00.000Z");
    for (section, id, fields) in [
        (
            "principals",
            json!({"id": ada.id}),
            vec![
                ("passwordHash", json!("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA")),
                ("password_hash", json!("x")),
                ("password", json!(PASSWORD)),
                ("temporaryPassword", json!(PASSWORD)),
                ("passwordTemporary", json!(false)),
                ("passwordLogin", json!(false)),
                ("passwordExpiresAt", past.clone()),
                ("suspendedAt", past.clone()),
                ("createdAt", past.clone()),
                ("type", json!("client")),
                ("emailVerified", json!(true)),
                ("tokensSince", json!(0)),
                ("seq", json!(1)),
                ("sub", json!("x")),
                ("properties", json!({"sub": "x"})),
                ("properties", json!({"roles": ["system:owner"]})),
                ("properties", json!({"acl": {}})),
                ("__proto__", json!({"roles": ["system:owner"]})),
                ("constructor", json!({})),
            ],
        ),
        (
            "clients",
            json!({"id": "shop"}),
            vec![
                ("systemClient", json!(true)),
                ("secret", json!("x")),
                ("secrets", json!([])),
                ("clientSecret", json!("x")),
                ("secretHash", json!("x")),
                ("suspendedAt", past.clone()),
                ("createdAt", past.clone()),
                ("type", json!("principal")),
                ("metadata", json!({})),
                ("tokensSince", json!(0)),
                ("properties", json!({"systemClient": true})),
                ("properties", json!({"roles": ["system:owner"]})),
            ],
        ),
        (
            "roles",
            json!({"key": "a:b"}),
            vec![
                ("system", json!(true)),
                ("createdAt", past.clone()),
                ("updatedAt", past.clone()),
                ("holders", json!([ada.id])),
                ("id", json!("x")),
            ],
        ),
    ] {
        let direct = match section {
            "principals" => format!("/resources/iam/principals/{}", ada.id),
            "clients" => "/resources/iam/clients/shop".to_owned(),
            _ => "/resources/iam/roles/a:b".to_owned(),
        };
        let before = owner.get(&direct).await.object(200);
        for (field, value) in fields {
            let mut one = id.clone();
            one[field] = value.clone();
            for answer in
                [owner.post(apply, json!({section: [one]})).await, owner.put(&direct, json!({field: value})).await]
            {
                assert!(answer.status.is_client_error(), "{section} {field}: {} {}", answer.status, answer.body);
            }
            assert_eq!(owner.get(&direct).await.object(200), before, "{section} {field}");
        }
    }
    assert_eq!(
        Browser::new().sign_in(&app, ADA, PASSWORD).await.url.path(),
        "/account",
        "the password is the one it was"
    );
}

// 43
#[tokio::test]
async fn nobody_widens_what_they_hold_themselves_by_any_route() {
    let app = TestApp::spawn().await;
    app.role("crew:all", &["iam/principals:*", "iam/clients:*", "iam/roles:*", "me:*", "shop:read"]).await;
    app.role("crew:more", &["shop:read"]).await;
    app.role("big:one", &["*:*"]).await;
    let scope = "iam/principals:* iam/clients:* iam/roles:* me:* shop:read";
    let ada = Api::person(&app, ADA, &["crew:all"], scope).await;
    let owner = Api::owner(&app).await;
    let own_role = owner.get("/resources/iam/roles/crew:all").await.object(200);
    let entries = |permissions: &[&str]| {
        let entry = |text: &&str| {
            let (resource, permission) = text.rsplit_once(':').unwrap();
            json!({"resource": resource, "permission": permission})
        };
        json!({"entries": permissions.iter().map(entry).collect::<Vec<_>>()})
    };
    let me = format!("/resources/iam/principals/{}", ada.subject);
    let wider = entries(&["iam/principals:*", "iam/clients:*", "iam/roles:*", "me:*", "shop:*"]);
    let attempts = [
        (Method::PUT, "/resources/iam/roles/crew:all".to_owned(), json!({"acl": wider})),
        (Method::PUT, "/resources/iam/roles/crew:all".to_owned(), json!({"acl": entries(&["*:*"])})),
        (Method::PUT, "/resources/iam/roles/new:one".to_owned(), json!({"acl": entries(&["shop:write"])})),
        (Method::PUT, me.clone(), json!({"roles": ["crew:all", "big:one"]})),
        (Method::PUT, me.clone(), json!({"roles": ["crew:all", "crew:more"]})),
        (Method::PUT, me.clone(), json!({"acl": entries(&["shop:read"])})),
        (Method::PUT, me.clone(), json!({"accessAttributes": {"region": ["eu"]}})),
        (Method::PUT, format!("{me}/roles"), json!(["crew:all", "system:owner"])),
        (Method::PUT, format!("{me}/roles"), json!({"roles": ["crew:all", "crew:more"]})),
        (Method::PUT, "/resources/iam/clients/app-of-ada".to_owned(), json!({"scopes": ["openid", "*:*"]})),
        (Method::PUT, "/resources/iam/clients/app-of-ada".to_owned(), json!({"roles": ["big:one"]})),
        (Method::PUT, "/resources/iam/clients/app-of-ada/roles".to_owned(), json!(["big:one"])),
        (Method::PUT, "/resources/iam/clients/puppet".to_owned(), json!({"roles": ["big:one"]})),
        (Method::PUT, "/resources/iam/clients/puppet".to_owned(), json!({"acl": entries(&["shop:write"])})),
        (Method::PUT, "/resources/iam/clients/owner-service".to_owned(), json!({"name": "Mine"})),
        (Method::POST, "/resources/iam/clients/owner-service/secrets".to_owned(), json!({})),
        (Method::POST, "/resources/iam/apply".to_owned(), json!({"roles": [{"key": "crew:all", "acl": wider}]})),
        (
            Method::POST,
            "/resources/iam/apply".to_owned(),
            json!({"principals": [{"id": ada.subject, "roles": ["big:one"]}]}),
        ),
        (
            Method::POST,
            "/resources/iam/apply".to_owned(),
            json!({"principals": [{"email": ADA, "acl": entries(&["*:*"])}]}),
        ),
        (
            Method::POST,
            "/resources/iam/apply".to_owned(),
            json!({"clients": [{"id": "puppet", "acl": entries(&["*:*"])}]}),
        ),
        (
            Method::POST,
            "/resources/iam/apply".to_owned(),
            json!({"roles": [{"key": "n:n", "acl": entries(&["*:read"])}]}),
        ),
        (Method::POST, "/resources/me/pat".to_owned(), json!({"name": "n", "scopes": ["shop:write"]})),
        (Method::POST, "/resources/me/pat".to_owned(), json!({"name": "n", "scopes": ["*:*"]})),
        (Method::POST, "/resources/me/pat".to_owned(), json!({"name": "n", "scopes": ["shop:*"]})),
    ];
    for (method, path, body) in attempts {
        let answer = ada.send(method.clone(), &path, &[], body.clone()).await;
        assert_eq!(answer.said(), "403 PRIVILEGE_ESCALATION", "{method} {path} {body}: {}", answer.body);
    }
    assert_eq!(owner.get("/resources/iam/roles/crew:all").await.object(200), own_role);
    assert_eq!(owner.get("/resources/iam/clients/puppet").await.said(), "404 NOT_FOUND");
    let now = owner.get(&me).await.object(200);
    assert_eq!((&now["roles"], &now["accessAttributes"]), (&json!(["crew:all"]), &json!({})));
    // in two steps: a role that is harmless is given away, and made strong afterwards
    assert_eq!(ada.put("/resources/iam/roles/step:one", json!({})).await.said(), "201");
    assert_eq!(ada.put("/resources/iam/clients/puppet", json!({"roles": ["step:one"]})).await.said(), "201");
    let strong = json!({"acl": entries(&["shop:write"])});
    assert_eq!(ada.put("/resources/iam/roles/step:one", strong).await.said(), "403 PRIVILEGE_ESCALATION");
    // or a client that asks for no consent is made to serve another redirect URI
    let silent = json!({"redirectUris": ["https://evil.example/cb"], "scopes": ["openid", "me:*"], "firstParty": true});
    assert_eq!(ada.put("/resources/iam/clients/silent", silent).await.said(), "403 PRIVILEGE_ESCALATION");
}

// 44
#[tokio::test]
async fn no_token_becomes_a_longer_or_a_stronger_one_at_another_face() {
    let s = stage_with(
        |_| {},
        |client| {
            client.scopes = "openid offline_access me:* iam/roles:read appserver/api:access".parse().unwrap();
            client.first_party = true;
        },
    )
    .await;
    s.app.role("crew:all", &["iam/roles:*", "appserver/api:access"]).await;
    set_roles(&s.app, &s.ada, &["crew:all"]).await;
    let whole = s.tokens("openid offline_access me:* iam/roles:read appserver/api:access").await;
    let api = Api::new(&s.app, &whole.access_token, &s.ada);
    let body = json!({"name": "n", "scopes": ["me:*", "iam/roles:read", "appserver/api:access"]});
    let pat = api.post("/resources/me/pat", body).await.object(201)["token"].as_str().unwrap().to_owned();
    let script = Api::new(&s.app, &pat, &s.ada);
    // a personal access token opens no session, and is renewed or widened nowhere
    let program = Program::new(&s.app);
    assert_eq!(told(&program.who_by(&pat).await), "401 1105");
    assert_eq!(told(&program.login(&by("OAuthRoleBased", &[("AccessToken", &pat)])).await), "401 1105");
    assert_eq!(s.rp.userinfo(&pat).await.outcome(), "401 invalid_token");
    for (name, grant) in [("refresh_token", "refresh_token"), ("code", "authorization_code")] {
        assert_eq!(s.rp.token(&[("grant_type", grant), (name, &pat)]).await.outcome(), "400 invalid_grant");
    }
    assert_eq!(s.rp.revoke(&pat).await.status, StatusCode::OK);
    assert_eq!(script.get("/resources/me").await.said(), "200", "nor is it the application's to revoke");
    for (path, body) in [
        ("/resources/me/pat", json!({"name": "n", "scopes": ["me/profile:read"]})),
        ("/resources/me/password", json!({"currentPassword": PASSWORD, "newPassword": "Seven-purple-teapots-9"})),
        ("/resources/me/email/change", json!({"email": "eve@example.com"})),
    ] {
        assert_eq!(script.post(path, body).await.said(), "403 PRIVILEGE_ESCALATION", "{path}");
    }
    // what is narrow stays narrow, whatever it is exchanged for
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", whole.refresh_token.as_str()),
        ("scope", "openid iam/roles:read"),
    ];
    let narrow = s.rp.token(&fields).await.tokens();
    let weak = Api::new(&s.app, &narrow.access_token, &s.ada);
    assert_eq!(weak.get("/resources/iam/roles").await.said(), "200");
    assert_eq!(weak.get("/resources/me").await.said(), "403 PERMISSION_MISSING");
    assert_eq!(weak.put("/resources/iam/roles/a:b", json!({})).await.said(), "403 PERMISSION_MISSING");
    assert_eq!(told(&program.who_by(&narrow.access_token).await), "401 1104");
    assert_eq!(
        weak.post("/resources/me/pat", json!({"name": "n", "scopes": ["me:*"]})).await.said(),
        "403 PERMISSION_MISSING"
    );
    // a session of a program is none of the pages and no token
    let session = program.login(&by("OAuthRoleBased", &[("AccessToken", &whole.access_token)])).await;
    let session = session.json()["sessionId"].as_str().unwrap().to_owned();
    assert_eq!(Api::new(&s.app, &session, "").get("/resources/me").await.said(), "401 TOKEN_INVALID");
    // and a service has no self service by which it could make itself a lasting token
    let service = Api::service(&s.app, "service", &["crew:all"], |_| {}).await;
    let body = json!({"name": "n", "scopes": ["iam/roles:read"]});
    assert_eq!(service.post("/resources/me/pat", body).await.said(), "403 PERSON_REQUIRED");
}

// 45
#[tokio::test]
async fn what_is_anothers_cannot_be_told_from_what_is_not_there() {
    let s = stage_with(
        |_| {},
        |client| {
            client.scopes = "openid me:*".parse().unwrap();
            client.first_party = true;
        },
    )
    .await;
    let bob = s.app.principal("bob@example.com", &[], |_| {}).await;
    let shop = s.other("shop", |client| client.scopes = "openid me:*".parse().unwrap()).await;
    let hers = Api::new(&s.app, &s.tokens("openid me:*").await.access_token, &s.ada);
    shop.sign_in(&s.browser, ADA, "openid").await;
    let tokens = s.rp.sign_in(&Browser::new(), "bob@example.com", "openid me:*").await;
    let his = Api::new(&s.app, &tokens.access_token, &bob.id);
    let made = hers.post("/resources/me/pat", json!({"name": "n", "scopes": ["me:*"]})).await.object(201);
    let session = hers.get("/resources/me/sessions").await.object(200)["sessions"][0]["id"].clone();
    let nothing = "0190a3c2-7b00-7000-8000-00000000000f";
    for (path, id) in [
        ("/resources/me/pat/", made["id"].as_str().unwrap()),
        ("/resources/me/sessions/", session.as_str().unwrap()),
        ("/resources/me/consents/", "shop"),
    ] {
        let anothers = his.delete(&format!("{path}{id}")).await;
        let missing = his.delete(&format!("{path}{nothing}")).await;
        assert_eq!(
            (anothers.said(), missing.said()),
            ("404 NOT_FOUND".to_owned(), "404 NOT_FOUND".to_owned()),
            "{path}"
        );
        let told = |text: &str, id: &str| {
            let mut json: Value = serde_json::from_str(text).unwrap();
            json.as_object_mut().unwrap().remove("request_id");
            json.to_string().replace(id, "[id]")
        };
        assert_eq!(told(&anothers.body, id), told(&missing.body, nothing), "{path}");
    }
    for (path, array) in [("pat", "personalAccessTokens"), ("consents", "consents")] {
        let list = his.get(&format!("/resources/me/{path}")).await.object(200);
        assert_eq!((&list[array], &list["totalCount"]), (&json!([]), &json!(0)), "{path}");
    }
    assert_eq!(hers.get("/resources/me/pat").await.object(200)["totalCount"], 1);
    assert_eq!(hers.get("/resources/me/consents").await.object(200)["totalCount"], 1);
    // ids that were used come to nobody else, and what had them stays gone
    let owner = Api::owner(&s.app).await;
    assert_eq!(owner.delete("/resources/iam/clients/shop").await.said(), "204");
    assert_eq!(owner.put("/resources/iam/clients/shop", json!({})).await.said(), "409 ID_IN_USE");
    assert_eq!(owner.delete(&format!("/resources/iam/principals/{}", bob.id)).await.said(), "204");
    let again = owner.put(&format!("/resources/iam/principals/{}", bob.id), json!({"email": "bob@example.com"})).await;
    assert_eq!(again.said(), "409 ID_IN_USE");
    assert_eq!(his.get("/resources/me").await.said(), "401 TOKEN_INVALID");
    // whoever gets the address of somebody who is gone gets nothing else of theirs
    let heir = s.app.principal("bob@example.com", &[], |_| {}).await;
    let tokens = s.rp.sign_in(&Browser::new(), "bob@example.com", "openid me:*").await;
    let heir = Api::new(&s.app, &tokens.access_token, &heir.id);
    assert_eq!(heir.get("/resources/me/sessions").await.object(200)["totalCount"], 1);
    assert_ne!(heir.get("/resources/me").await.object(200)["id"], bob.id.as_str());
}
