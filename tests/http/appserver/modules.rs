//! `appserver/authmodules`, and what a program makes of the templates.

use std::time::Duration;

use keyward::{config::Config, model::auth_module::AuthModule};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    ADA, Program, ROLE, shown,
    slapd::{DIRECTORY_PASSWORD, Slapd},
    stage, stage_with, told,
};
use crate::support::{PASSWORD, TestApp, browser::Browser, relying_party::RelyingParty};

#[tokio::test]
async fn after_a_fresh_start_what_can_work_here_is_listed() {
    let app = stage().await;
    let program = Program::new(&app);
    insta::assert_json_snapshot!(shown(&app, &program.get("/appserver/authmodules").await), @r#"
    {
      "status": 200,
      "cache-control": "no-store",
      "content-type": "application/json",
      "body": [
        {
          "id": "DialogUser",
          "caption": "System user",
          "passwordBased": true,
          "isDefault": true
        },
        {
          "id": "RoleBasedPerson",
          "caption": "Employee (role based)",
          "passwordBased": true,
          "isDefault": false
        },
        {
          "id": "OAuthRoleBased",
          "caption": "OAuth 2.0 (role based)",
          "passwordBased": false,
          "isDefault": false
        },
        {
          "id": "ComponentAuthenticator",
          "caption": "Component Authenticator",
          "passwordBased": true,
          "isDefault": false
        }
      ]
    }
    "#);
    insta::assert_json_snapshot!(shown(&app, &program.get("/appserver/authmodules/DialogUser").await), @r#"
    {
      "status": 200,
      "cache-control": "no-store",
      "content-type": "application/json",
      "body": [
        {
          "id": "DialogUser",
          "caption": "System user",
          "authTemplate": "Module=DialogUser;User[VI.DB_USER]=;(Password)Password[VI.DB_Password]=",
          "passwordBased": true,
          "isDefault": true
        }
      ]
    }
    "#);
    for (id, expected) in [
        ("Nothing", "404 1301"),
        ("DynamicPerson", "404 1301"),
        ("ADSAccount", "404 1301"),
        ("RoleBasedHTTPHeader", "404 1301"),
        ("%FF", "404 1301"),
        ("%00", "404 1301"),
    ] {
        assert_eq!(told(&program.get(&format!("/appserver/authmodules/{id}")).await), expected, "{id}");
    }
}

/// Everything there is, all of it able to work.
fn everything(slapd: &Slapd) -> impl FnOnce(&mut Config) {
    |config| {
        slapd.configure(config);
        config.appserver.modules = AuthModule::ALL.to_vec();
        config.appserver.header = Some("X-Remote-User".to_owned());
        config.appserver.header_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    }
}

#[tokio::test]
async fn the_list_is_in_the_configured_order_with_one_default() {
    let slapd = Slapd::start();
    let app = stage_with(everything(&slapd)).await;
    let program = Program::new(&app);
    let list = program.get("/appserver/authmodules").await.json();
    let listed: Vec<(&str, &str)> =
        list.as_array().unwrap().iter().map(|m| (m["id"].as_str().unwrap(), m["caption"].as_str().unwrap())).collect();
    assert_eq!(
        listed,
        [
            ("RoleBasedManualADS", "Active Directory user account (manual input/role based)"),
            ("ADSAccount", "Active Directory user account"),
            ("RoleBasedADSAccount", "Active Directory user account (role based)"),
            ("DialogUser", "System user"),
            ("RoleBasedPerson", "Employee (role based)"),
            ("DynamicPerson", "Employee (dynamic)"),
            ("OAuthRoleBased", "OAuth 2.0 (role based)"),
            ("OAuth", "OAuth 2.0"),
            ("HTTPHeader", "HTTP header"),
            ("RoleBasedHTTPHeader", "HTTP header (role based)"),
            ("ComponentAuthenticator", "Component Authenticator"),
        ]
    );
    let defaults: Vec<&Value> = list.as_array().unwrap().iter().filter(|m| m["isDefault"] == true).collect();
    assert_eq!((defaults.len(), &defaults[0]["id"]), (1, &json!("DialogUser")));

    for (modules, default, expected) in [
        (vec![AuthModule::OAuth, AuthModule::DynamicPerson], None, "OAuth"),
        (vec![AuthModule::OAuth, AuthModule::DynamicPerson], Some(AuthModule::DynamicPerson), "DynamicPerson"),
    ] {
        let app = stage_with(|config| {
            config.appserver.modules = modules;
            config.appserver.default_module = default;
        })
        .await;
        let list = Program::new(&app).get("/appserver/authmodules").await.json();
        let defaults: Vec<&Value> = list.as_array().unwrap().iter().filter(|m| m["isDefault"] == true).collect();
        assert_eq!((defaults.len(), &defaults[0]["id"]), (1, &json!(expected)));
    }
}

/// A template without what stands in brackets, and with these values: what the guide says a program does.
fn filled(template: &str, values: &[(&str, &str)]) -> String {
    let mut stripped = String::new();
    let mut inside = None;
    for c in template.chars() {
        match (inside, c) {
            (None, '(') => inside = Some(')'),
            (None, '[') => inside = Some(']'),
            (None, c) => stripped.push(c),
            (Some(end), c) if c == end => inside = None,
            (Some(_), _) => {}
        }
    }
    let fill = |part: &str| match values.iter().find(|(name, _)| part.strip_suffix('=') == Some(name)) {
        Some((_, value)) => format!("{part}\"{}\"", value.replace('"', "\"\"")),
        None => part.to_owned(),
    };
    stripped.split(';').map(fill).collect::<Vec<_>>().join(";")
}

/// A code for Ada that gives access, with what redeems it.
async fn code(app: &TestApp, rp: &RelyingParty) -> (String, String) {
    let scope = [("scope", "openid appserver/api:access")];
    let (authorization, callback) = rp.authorize(&Browser::new(), ADA, &scope).await;
    app.advance(Duration::from_secs(1));
    (callback.code().to_owned(), authorization.verifier)
}

#[tokio::test]
async fn every_template_filled_in_is_a_login() {
    let slapd = Slapd::start();
    let app = stage_with(everything(&slapd)).await;
    app.principal("system@example.com", &[ROLE], |user| user.system_user = true).await;
    let client = app
        .client("app", &[ROLE], |client| {
            client.scopes = "openid appserver/api:access".parse().unwrap();
            client.first_party = true;
        })
        .await;
    let rp = RelyingParty::new(&app, &client);
    let list = Program::new(&app).get("/appserver/authmodules").await.json();
    let mut seen = 0;
    for module in list.as_array().unwrap() {
        let id = module["id"].as_str().unwrap();
        let detail = Program::new(&app).get(&format!("/appserver/authmodules/{id}")).await.json();
        assert_eq!(detail.as_array().unwrap().len(), 1);
        for name in ["id", "caption", "passwordBased", "isDefault"] {
            assert_eq!(detail[0][name], module[name], "one truth in both places");
        }
        let template = detail[0]["authTemplate"].as_str().unwrap();
        assert_eq!(detail[0]["passwordBased"], template.contains("(Password)"), "{id}");
        let (code, verifier) = code(&app, &rp).await;
        let token = rp.sign_in(&Browser::new(), ADA, "openid appserver/api:access").await.access_token;
        let by_code = [
            ("ClientId", "app"),
            ("ClientSecret", client.secret.as_str()),
            ("RedirectUri", rp.redirect_uri.as_str()),
            ("CodeVerifier", verifier.as_str()),
            ("Code", code.as_str()),
        ];
        let ways: Vec<(Vec<(&str, &str)>, &str)> = match id {
            "DialogUser" => vec![(vec![("User", "system@example.com"), ("Password", PASSWORD)], "system@example.com")],
            "RoleBasedPerson" | "DynamicPerson" => vec![(vec![("User", ADA), ("Password", PASSWORD)], ADA)],
            "RoleBasedManualADS" | "ADSAccount" | "RoleBasedADSAccount" => {
                vec![(vec![("User", "ada"), ("Password", DIRECTORY_PASSWORD)], ADA)]
            }
            "OAuth" | "OAuthRoleBased" => vec![(by_code.to_vec(), ADA), (vec![("AccessToken", token.as_str())], ADA)],
            "HTTPHeader" | "RoleBasedHTTPHeader" => vec![(vec![], ADA)],
            "ComponentAuthenticator" => vec![(by_code[..2].to_vec(), "app")],
            other => panic!("an unknown module: {other}"),
        };
        for (values, user) in ways {
            let (program, auth) = (Program::new(&app), filled(template, &values));
            let headers: &[(&str, &str)] = if id.ends_with("HTTPHeader") { &[("x-remote-user", ADA)] } else { &[] };
            let answer = program.send(Method::POST, "/auth/apphost", headers, json!({ "AuthString": auth })).await;
            assert_eq!(told(&answer), user, "{id}");
            let answer = answer.json();
            assert_eq!((&answer["claims"]["module"], &answer["moduleDisplay"]), (&module["id"], &module["caption"]));
            assert_eq!(answer["passwordBased"], module["passwordBased"]);
            assert_eq!(program.who().await, user, "{id}");
            assert_eq!(program.post("/auth/logout", Value::Null).await.json(), json!({"responseStatus": {}}));
            assert_eq!(program.who().await, "401 1103", "{id}");
            seen += 1;
        }
    }
    assert_eq!(seen, AuthModule::ALL.len() + 2, "the OAuth modules have two ways each");
}
