//! The demo application against a real server.

use std::process::Command;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::{
    Demo, pages, paths,
    scripted::{self, Browser},
    seed,
};
use crate::{
    app::App,
    cli::data_dir,
    config::Config,
    server::{self, Running},
};

struct Trial {
    app: App,
    demo: Demo,
    _running: Running,
    _directory: tempfile::TempDir,
}

async fn trial() -> Trial {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::defaults();
    config.listen = vec!["127.0.0.1:0".parse().unwrap()];
    config.data_dir = directory.path().join("data");
    config.workers = Some(1);
    config.passwords.argon2_memory_kib = 64;
    let listeners = server::bind(&config).unwrap();
    let address = listeners.addresses()[0];
    let issuer = format!("http://localhost:{}", address.port());
    config.issuer = Some(issuer.clone());
    let app = data_dir::open(config).await.unwrap();
    let seeded = seed::seed(&app).await.unwrap();
    let demo = Demo::new(&issuer, address, seeded, app.clock.clone()).unwrap();
    let mounted = demo.clone();
    let running = server::start_with(app.clone(), listeners, move |config| pages::routes(config, &mounted)).unwrap();
    Trial { app, demo, _running: running, _directory: directory }
}

#[tokio::test]
async fn a_person_signs_in_refreshes_and_signs_out() {
    let Trial { app, demo, .. } = &trial().await;
    let mut browser = Browser::new(demo);
    let home = browser.open(&demo.url(paths::HOME)).await.unwrap();
    for shown in [demo.seeded.email.as_str(), demo.seeded.password(), "curl -s -u", "href=\"/demo/sign-in\""] {
        assert!(home.body.contains(shown), "{shown}");
    }

    let session = browser.sign_in().await.unwrap();
    assert_eq!(session.display_name, "Ada Lovelace");
    assert_eq!(session.userinfo["email"], "ada@example.org");
    assert_eq!(session.userinfo["email_verified"], true);
    let titles: Vec<&str> = session.hops.iter().map(|hop| hop.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "Discovery",
            "The browser goes to sign in, and comes back",
            "The code becomes tokens",
            "The ID token is verified",
            "Who is it?",
        ]
    );
    assert_eq!(session.tokens().len(), 3);
    let home = browser.open(&demo.url(paths::HOME)).await.unwrap();
    assert!(home.body.contains("Ada Lovelace") && home.body.contains(&session.access_token));

    let result = browser.open(&demo.url(paths::RESULT)).await.unwrap();
    let refreshed = browser.press(&result, "refresh-form").await.unwrap();
    assert_eq!((refreshed.status, refreshed.url.path()), (StatusCode::OK, paths::RESULT));
    assert!(refreshed.body.contains("The tokens are refreshed"), "{}", refreshed.title());
    let newer = demo.visitors.session(browser.cookie(&demo.cookie).unwrap()).unwrap();
    assert_ne!(newer.access_token, session.access_token);
    assert_ne!(newer.refresh_token, session.refresh_token);

    // The ID token that was shown names the session, so nobody is asked
    let end = browser.open(&demo.url(paths::SIGN_OUT)).await.unwrap();
    assert_eq!((end.status, end.url.as_str()), (StatusCode::OK, format!("{}/", demo.issuer).as_str()));
    assert!(end.body.contains("href=\"/demo/sign-in\""));
    let again = browser.open(&demo.url(paths::SIGN_IN)).await.unwrap();
    assert!(again.body.contains("login-form"), "signed out of the server as well: {}", again.title());

    // The next person is asked again, and not before: the script insists on the consent page
    assert!(Browser::new(demo).sign_in().await.unwrap_err().to_string().contains("consent"));
    scripted::forget_consent(app, demo).await.unwrap();
    scripted::sign_in(demo).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_this_browser_did_not_ask_for_is_refused() {
    let Trial { demo, .. } = &trial().await;
    let mut browser = Browser::new(demo);
    browser.open(&demo.url(paths::SIGN_IN)).await.unwrap();
    for query in ["", "?code=c&state=s", "?code=c", "?error=access_denied&state=s"] {
        let page = browser.open(&format!("{}{query}", demo.url(paths::CALLBACK))).await.unwrap();
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(page.body.contains("belongs to no sign-in"), "{query}");
    }
    let page = browser.open(&demo.url(paths::RESULT)).await.unwrap();
    assert_eq!(page.url.path(), paths::HOME);
}

async fn run(command: String) -> String {
    let shell = move || Command::new("sh").arg("-c").arg(command).env("no_proxy", "*").output();
    let output = tokio::task::spawn_blocking(shell).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_commands_work_as_they_are_pasted() {
    let Trial { app, demo, .. } = &trial().await;
    let session = scripted::sign_in(demo).await.unwrap();
    scripted::forget_consent(app, demo).await.unwrap();
    let lines: Vec<String> =
        demo.curl_lines(Some(&session.access_token)).into_iter().map(|line| line.command).collect();
    let json = |text: String| -> Value { serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}")) };

    let token = json(run(lines[0].clone()).await);
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["scope"], "demo/resource:read");
    let told = json(run(lines[1].clone()).await);
    assert_eq!((&told["active"], &told["client_id"]), (&Value::Bool(true), &Value::from("demo-service")));
    let userinfo = json(run(lines[2].clone()).await);
    assert_eq!((&userinfo["name"], &userinfo["given_name"]), (&Value::from("Ada Lovelace"), &Value::from("Ada")));
    // In the same shell, as the start page says
    let both = format!("{}; echo; {}", lines[1], demo.resource_line().command);
    let answer = run(both).await;
    assert_eq!(json(answer.lines().last().unwrap().to_owned())["client_id"], "demo-service");
}

#[tokio::test]
async fn the_resource_is_for_tokens_that_are_meant_for_it() {
    let Trial { demo, .. } = &trial().await;
    let session = scripted::sign_in(demo).await.unwrap();
    let ask = async |token: Option<&str>| {
        let mut request = demo.wire.request(Method::GET, &demo.url(paths::RESOURCE));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let exchange = demo.wire.send(request).await.unwrap();
        let challenge = exchange.headers.get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
        (exchange.status.as_u16(), challenge.unwrap_or_default())
    };
    assert_eq!(ask(None).await, (401, "Bearer realm=\"demo\"".to_owned()));
    for foreign in ["made up", &session.access_token] {
        let (status, challenge) = ask(Some(foreign)).await;
        assert_eq!(status, 401);
        assert!(challenge.contains("invalid_token"), "{challenge}");
    }
}
