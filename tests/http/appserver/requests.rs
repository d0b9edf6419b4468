//! The requests of the guide, and each error in the form of the application server.

use keyward::store;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ADA, Program, ROLE, by, shown, stage, stage_with, told};
use crate::support::{PASSWORD, browser::http, relying_party::send};

#[tokio::test]
async fn the_example_of_the_guide_signs_in_and_out() {
    let app = stage().await;
    let hash = app.app.hasher.hash("$ecret".into()).await.unwrap();
    app.principal("MyUser@example.com", &[ROLE], |user| {
        user.email = Some("MyUser".to_owned());
        user.system_user = true;
        user.password_hash = Some(hash);
    })
    .await;
    let program = Program::new(&app);
    let login = program.login("Module=DialogUser;User=MyUser;Password=$ecret").await;
    let session_id = login.json()["sessionId"].as_str().unwrap().to_owned();
    assert_eq!(session_id.len(), "kwas_".len() + 43, "256 bits");
    assert_eq!(
        login.headers.get_all("set-cookie").iter().next().unwrap().to_str().unwrap(),
        format!("ss-id={session_id}; HttpOnly; SameSite=Strict; Path=/AppServer")
    );
    insta::assert_json_snapshot!(shown(&app, &login), @r#"
    {
      "status": 200,
      "cache-control": "no-store",
      "content-type": "application/json",
      "body": {
        "claims": {
          "id": "MyUser",
          "useruid": "[useruid]",
          "module": "DialogUser"
        },
        "passwordBased": true,
        "moduleDisplay": "System user",
        "sessionId": "[sessionId]",
        "userName": "MyUser",
        "responseStatus": {}
      }
    }
    "#);
    assert_eq!(shown(&app, &program.get("/auth").await), shown(&app, &login));
    let logout = program.post("/auth/logout", Value::Null).await;
    assert_eq!(logout.header("set-cookie"), "ss-id=; HttpOnly; SameSite=Strict; Path=/AppServer; Max-Age=0");
    insta::assert_json_snapshot!(shown(&app, &logout), @r#"
    {
      "status": 200,
      "cache-control": "no-store",
      "content-type": "application/json",
      "body": {
        "responseStatus": {}
      }
    }
    "#);
    insta::assert_json_snapshot!(shown(&app, &program.get("/auth").await), @r#"
    {
      "status": 401,
      "cache-control": "no-store",
      "content-type": "application/json",
      "www-authenticate": "apphost",
      "body": {
        "responseStatus": {
          "message": "Nobody is signed in: the session is over, or there was none."
        },
        "errorString": "Nobody is signed in: the session is over, or there was none.",
        "exceptions": [
          {
            "number": 1103,
            "message": "Nobody is signed in: the session is over, or there was none."
          }
        ]
      }
    }
    "#);
    assert_eq!(program.post("/auth/logout", Value::Null).await.status, 200, "without a session, too");
    // the id alone is what is left of it, and it is worth nothing any more
    let cookie = format!("ss-id={session_id}");
    let again = Program::new(&app).send(Method::GET, "/auth", &[("cookie", &cookie)], Value::Null).await;
    assert_eq!(told(&again), "401 1103");
    let wrong = program.login("Module=DialogUser;User=MyUser;Password=$ecre").await;
    insta::assert_json_snapshot!(shown(&app, &wrong), @r#"
    {
      "status": 401,
      "cache-control": "no-store",
      "content-type": "application/json",
      "www-authenticate": "apphost",
      "body": {
        "responseStatus": {
          "message": "The login failed: user name and password do not fit."
        },
        "errorString": "The login failed: user name and password do not fit.",
        "exceptions": [
          {
            "number": 1101,
            "message": "The login failed: user name and password do not fit."
          }
        ]
      }
    }
    "#);
}

#[tokio::test]
async fn what_is_not_there_is_told_in_the_form_of_the_face() {
    let app = stage().await;
    let program = Program::new(&app);
    for (method, path, expected, allow) in [
        (Method::GET, "", "404 1301", ""),
        (Method::GET, "/", "404 1301", ""),
        (Method::GET, "/appserver", "404 1301", ""),
        (Method::GET, "/appserver/authmodules/", "404 1301", ""),
        (Method::GET, "/nothing/at/all", "404 1301", ""),
        (Method::GET, "/auth/apphost/x", "404 1301", ""),
        (Method::GET, "/auth/apphost", "405 1302", "POST"),
        (Method::GET, "/auth/logout", "405 1302", "POST"),
        (Method::POST, "/auth", "405 1302", "GET, HEAD"),
        (Method::DELETE, "/appserver/authmodules", "405 1302", "GET, HEAD"),
        (Method::PUT, "/appserver/authmodules/DialogUser", "405 1302", "GET, HEAD"),
    ] {
        let answer = program.send(method.clone(), path, &[], Value::Null).await;
        assert_eq!((told(&answer).as_str(), answer.header("allow")), (expected, allow), "{method} {path}");
        let body = answer.json();
        assert_eq!(body["responseStatus"]["message"], body["errorString"]);
        assert_eq!(body["exceptions"][0]["message"], body["errorString"]);
    }
    // outside of it the others speak
    let page = send(http().build().unwrap().get(app.url("/AppServerX"))).await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (404, "application/problem+json"));
}

#[tokio::test]
async fn it_is_where_it_is_configured_or_nowhere() {
    let app = stage_with(|config| {
        config.issuer = Some("path:/sso".to_owned());
        config.appserver.base_path = "/D/One-Identity".to_owned();
    })
    .await;
    let http = http().build().unwrap();
    let body = json!({"authString": by("RoleBasedPerson", &[("User", ADA), ("Password", PASSWORD)])});
    let answer = send(http.post(app.url("/D/One-Identity/auth/apphost")).json(&body)).await;
    assert_eq!(told(&answer), ADA);
    assert!(answer.header("set-cookie").ends_with("; Path=/sso/D/One-Identity"), "{}", answer.header("set-cookie"));
    assert_eq!(send(http.get(app.url("/AppServer/appserver/authmodules"))).await.status, 404);

    let without = stage_with(|config| config.appserver.enabled = false).await;
    let gone = send(http.get(without.url("/AppServer/appserver/authmodules"))).await;
    assert_eq!((gone.status.as_u16(), gone.header("content-type")), (404, "application/problem+json"));
}

#[tokio::test]
async fn what_is_wrong_with_a_login_is_told_by_its_part() {
    let app = stage().await;
    let program = Program::new(&app);
    for (auth, expected) in [
        ("", "authString: expected Module=<name>;<property>=<value>;…, got nothing"),
        ("User=a;Module=DialogUser", "authString: part 1: expected Module=<name> as the first"),
        (
            "Module=DialogUser;User=a;Password=se;cret",
            "authString: part 4: expected <property>=<value>; a value with a ; in it has to be quoted",
        ),
        ("Module=DialogUser;User=a;user=b", "authString: part 3: its name is there already"),
        ("Module=DialogUser;User='a", "authString: part 2: expected a quote at the end of the value"),
        ("Module=DialogUser;User=a\0", "authString: expected text without the character U+0000"),
        (
            "Module=Nothing",
            "Module: expected one of DialogUser, RoleBasedPerson, OAuthRoleBased, ComponentAuthenticator, got 'Nothing'",
        ),
        (
            "Module=ADSAccount;User=a;Password=b",
            "Module: expected one of DialogUser, RoleBasedPerson, OAuthRoleBased, ComponentAuthenticator, got 'ADSAccount'",
        ),
        ("Module=DialogUser", "User: expected a value, got none"),
        ("Module=DialogUser;User=a;Password=", "Password: expected a value, got none"),
        ("Module=OAuthRoleBased;ClientId=app", "expected one of Code and AccessToken"),
        ("Module=OAuthRoleBased;Code=a;AccessToken=b", "expected one of Code and AccessToken"),
        ("Module=ComponentAuthenticator;ClientId=app", "ClientSecret: expected a value, got none"),
    ] {
        let answer = program.login(auth).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["errorString"]), (400, &json!(expected)), "{auth}");
    }
    let long = program.login(&format!("Module=DialogUser;User={}", "x".repeat(20_000))).await;
    assert_eq!(told(&long), "400 1002");
    for (body, expected) in [
        (json!({}), "400 1001"),
        (json!([]), "400 1001"),
        (json!("Module=DialogUser"), "400 1001"),
        (json!({"authString": 1}), "400 1001"),
        (json!({"authString": "x", "AuthString": "y"}), "400 1001"),
        (json!({"AUTHSTRING": by("RoleBasedPerson", &[("User", ADA), ("Password", PASSWORD)]), "more": 1}), ADA),
    ] {
        assert_eq!(told(&program.post("/auth/apphost", body.clone()).await), expected, "{body}");
    }
    let url = app.url("/AppServer/auth/apphost");
    let post = |kind: &'static str, body: String| {
        send(http().build().unwrap().post(&url).header("content-type", kind).body(body))
    };
    let auth = format!("authString={}", by("RoleBasedPerson", &[("User", ADA), ("Password", PASSWORD)]));
    assert_eq!(told(&post("application/x-www-form-urlencoded", auth.clone()).await), "415 1304");
    assert_eq!(told(&post("text/plain", "{\"authString\":\"Module=DialogUser\"}".to_owned()).await), "415 1304");
    assert_eq!(told(&post("application/json", "{".to_owned()).await), "400 1001");
    assert_eq!(told(&post("application/json", "[".repeat(50_000)).await), "400 1001");
    assert_eq!(told(&post("application/json", "\"".repeat(70_000)).await), "413 1303");
    assert_eq!(told(&post("application/json; charset=utf-8", String::new()).await), "400 1001");
}

#[tokio::test]
async fn another_sites_page_signs_nobody_in_or_out() {
    let app = stage().await;
    let program = Program::new(&app);
    assert_eq!(told(&program.by_password(ADA).await), ADA);
    for headers in [
        [("origin", "https://evil.example")],
        [("origin", "null")],
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
    ] {
        let logout = program.send(Method::POST, "/auth/logout", &headers, Value::Null).await;
        assert_eq!((told(&logout).as_str(), logout.header("set-cookie")), ("403 1201", ""), "{headers:?}");
        let body = json!({"authString": by("RoleBasedPerson", &[("User", ADA), ("Password", PASSWORD)])});
        let login = program.send(Method::POST, "/auth/apphost", &headers, body).await;
        assert_eq!((told(&login).as_str(), login.header("set-cookie")), ("403 1201", ""), "{headers:?}");
    }
    assert_eq!(program.who().await, ADA);
    // scripts of other sites may read nothing
    let read = program.send(Method::GET, "/auth", &[("origin", "https://evil.example")], Value::Null).await;
    assert_eq!(read.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn a_failing_database_is_told_in_the_form_of_the_face() {
    let app = stage().await;
    app.expect_errors("a request failed");
    let program = Program::new(&app);
    assert_eq!(told(&program.by_password(ADA).await), ADA);
    app.app
        .store
        .write(|tx| {
            use diesel::RunQueryDsl;
            diesel::sql_query("DROP TABLE appserver_session").execute(&mut **tx)?;
            Ok::<_, store::Error>(())
        })
        .await
        .unwrap();
    assert_eq!(program.who().await, "500 1500");
    assert!(!program.get("/auth").await.body.contains("appserver_session"), "the cause goes to the log only");
}
