//! Codes and access tokens of this server: redeemed once, and never stronger than what was granted.

use std::time::Duration;

use keyward::model::client_auth::AuthMethod;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ADA, Program, by, stage, stage_with, told};
use crate::support::{
    TestApp,
    api::Api,
    browser::Browser,
    relying_party::{Authorization, RelyingParty},
};

const SCOPE: &str = "openid appserver/api:access";

async fn shop(app: &TestApp, id: &str, method: AuthMethod) -> RelyingParty {
    let client = app
        .client(id, &[], |client| {
            client.auth_method = method;
            client.scopes = "openid offline_access appserver/api:access".parse().unwrap();
            client.first_party = true;
        })
        .await;
    RelyingParty::new(app, &client)
}

async fn code(rp: &RelyingParty, browser: &Browser, scope: &str) -> (Authorization, String) {
    let (authorization, callback) = rp.authorize(browser, ADA, &[("scope", scope)]).await;
    (authorization, callback.code().to_owned())
}

fn redeem(rp: &RelyingParty, authorization: &Authorization, code: &str, change: &[(&str, &str)]) -> String {
    let mut all = vec![
        ("ClientId", rp.client.client.id.as_str()),
        ("RedirectUri", rp.redirect_uri.as_str()),
        ("CodeVerifier", authorization.verifier.as_str()),
        ("Code", code),
    ];
    if rp.client.client.auth_method != AuthMethod::None {
        all.push(("ClientSecret", rp.client.secret.as_str()));
    }
    all.retain(|(name, _)| !change.iter().any(|(other, _)| other == name));
    all.extend(change.iter().filter(|(_, value)| !value.is_empty()));
    by("OAuthRoleBased", &all)
}

#[tokio::test]
async fn a_code_is_redeemed_once_and_a_second_time_ends_what_it_gave() {
    let app = stage().await;
    let rp = shop(&app, "shop", AuthMethod::ClientSecretBasic).await;
    let (authorization, code) = code(&rp, &Browser::new(), SCOPE).await;
    let auth = redeem(&rp, &authorization, &code, &[]);
    let program = Program::new(&app);
    let answer = program.login(&auth).await;
    assert_eq!(told(&answer), ADA);
    assert_eq!((&answer.json()["passwordBased"], &answer.json()["userName"]), (&json!(false), &json!("Ada Lovelace")));
    assert_eq!(program.who().await, ADA);
    assert_eq!(told(&Program::new(&app).login(&auth).await), "401 1105");
    assert_eq!(program.who().await, "401 1103", "RFC 6749 §4.1.2");
    // nor at the token endpoint
    assert_eq!(rp.redeem(&authorization, &code).await.outcome(), "400 invalid_grant");
}

#[tokio::test]
async fn what_does_not_fit_the_code_does_not_use_it() {
    let app = stage().await;
    let rp = shop(&app, "shop", AuthMethod::ClientSecretPost).await;
    let other = shop(&app, "other", AuthMethod::ClientSecretBasic).await;
    let (authorization, code) = code(&rp, &Browser::new(), SCOPE).await;
    let login = async |change: &[(&str, &str)]| {
        told(&Program::new(&app).login(&redeem(&rp, &authorization, &code, change)).await)
    };
    let wrong = crate::support::relying_party::random();
    for (change, expected) in [
        (&[("CodeVerifier", wrong.as_str())][..], "401 1105"),
        (&[("CodeVerifier", "")], "401 1105"),
        (&[("RedirectUri", "https://app.example/cb/")], "401 1105"),
        (&[("RedirectUri", "")], "401 1105"),
        (&[("Code", "kwac_nothing")], "401 1105"),
        (&[("ClientSecret", "wrong")], "401 1101"),
        (&[("ClientSecret", "")], "401 1101"),
        (&[("ClientId", "nobody")], "401 1101"),
        (&[("ClientId", "")], "400 1003"),
        (&[("ClientId", "other"), ("ClientSecret", other.client.secret.as_str())], "401 1105"),
    ] {
        assert_eq!(login(change).await, expected, "{change:?}");
    }
    assert_eq!(login(&[]).await, ADA);
}

#[tokio::test]
async fn a_session_is_as_strong_as_what_was_granted() {
    let app = stage().await;
    let rp = shop(&app, "shop", AuthMethod::None).await;
    let browser = Browser::new();
    // Ada has access, but did not give it to the application
    let (authorization, weak) = code(&rp, &browser, "openid").await;
    assert_eq!(told(&Program::new(&app).login(&redeem(&rp, &authorization, &weak, &[])).await), "401 1104");
    assert_eq!(rp.redeem(&authorization, &weak).await.status, 200, "and the code was not used");
    let token = rp.sign_in(&browser, ADA, "openid").await.access_token;
    assert_eq!(told(&Program::new(&app).who_by(&token).await), "401 1104");
    let by_token = by("OAuthRoleBased", &[("AccessToken", &token)]);
    assert_eq!(told(&Program::new(&app).login(&by_token).await), "401 1104");

    let program = Program::new(&app);
    let (authorization, code) = code(&rp, &browser, SCOPE).await;
    assert_eq!(told(&program.login(&redeem(&rp, &authorization, &code, &[])).await), ADA);
    crate::stage::reregister(&app, &rp.client, |client| client.scopes = "openid".parse().unwrap()).await;
    assert_eq!(program.who().await, "401 1104", "the application may not ask for it any more");
}

#[tokio::test]
async fn it_ends_with_the_application_and_with_the_browsers_session() {
    let app = stage().await;
    let owner = Api::owner(&app).await;
    let rp = shop(&app, "shop", AuthMethod::None).await;
    let browser = Browser::new();
    let program = Program::new(&app);
    let (authorization, first) = code(&rp, &browser, SCOPE).await;
    assert_eq!(told(&program.login(&redeem(&rp, &authorization, &first, &[])).await), ADA);
    let page = browser.open(&app.url("/oauth/logout")).await;
    let signed_out = browser.press(&page, "sign-out", &[]).await;
    assert_eq!(signed_out.status, 200, "{}", signed_out.body);
    assert_eq!(program.who().await, "401 1103");

    let (authorization, second) = code(&rp, &browser, SCOPE).await;
    assert_eq!(told(&program.login(&redeem(&rp, &authorization, &second, &[])).await), ADA);
    owner.post("/resources/iam/clients/shop/suspend", Value::Null).await.object(200);
    assert_eq!(program.who().await, "401 1103");
}

#[tokio::test]
async fn a_token_opens_its_session_and_finds_it_again() {
    let app = stage().await;
    let rp = shop(&app, "shop", AuthMethod::None).await;
    let bearer = Program::new(&app);
    let token = rp.sign_in(&Browser::new(), ADA, SCOPE).await.access_token;
    let first = bearer.who_by(&token).await;
    assert_eq!((told(&first).as_str(), first.header("set-cookie")), (ADA, ""), "the token comes with each call");
    assert_eq!(first.json()["claims"]["module"], "OAuthRoleBased");
    let again = bearer.who_by(&token).await;
    assert_eq!(again.json(), first.json(), "the same session");
    let by_login = Program::new(&app);
    let login = by_login.login(&by("OAuthRoleBased", &[("AccessToken", &token)])).await;
    assert_eq!(login.json()["sessionId"], first.json()["sessionId"]);
    assert_eq!(by_login.who().await, ADA);
    let other = rp.sign_in(&Browser::new(), ADA, SCOPE).await.access_token;
    assert_ne!(bearer.who_by(&other).await.json()["sessionId"], first.json()["sessionId"]);

    // it cannot be opened again, and the token is asked on each call
    let headers = [("authorization", format!("Bearer {token}"))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(bearer.send(Method::POST, "/auth/logout", &headers, Value::Null).await.status, 200);
    let ended = bearer.who_by(&token).await;
    assert_eq!(told(&ended), "401 1105");
    let challenges: Vec<&str> =
        ended.headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(challenges, ["apphost", "Bearer realm=\"keyward\", error=\"invalid_token\""]);
    assert_eq!(by_login.who().await, "401 1103");
    assert_eq!(told(&bearer.who_by(&other).await), ADA);
    app.advance(Duration::from_secs(600));
    assert_eq!(told(&bearer.who_by(&other).await), "401 1105", "it has expired");
    for bad in ["", "x", "a.b.c", "kwpat_AAAA"] {
        assert_eq!(told(&bearer.who_by(bad).await), "401 1105", "{bad}");
    }
    assert_eq!(
        bearer.send(Method::POST, "/auth/logout", &[("authorization", "Bearer x")], Value::Null).await.status,
        200
    );
}

#[tokio::test]
async fn a_session_of_a_token_does_not_outlive_it() {
    let app = stage().await;
    let rp = shop(&app, "shop", AuthMethod::None).await;
    let sign_in = async || {
        let tokens = rp.sign_in(&Browser::new(), ADA, SCOPE).await;
        let program = Program::new(&app);
        let login = program.login(&by("OAuthRoleBased", &[("AccessToken", &tokens.access_token)])).await;
        assert_eq!(told(&login), ADA);
        (program, tokens)
    };
    let (revoked, tokens) = sign_in().await;
    assert_eq!(rp.revoke(&tokens.access_token).await.status, 200);
    assert_eq!(revoked.who().await, "401 1103");
    let (refreshed, tokens) = sign_in().await;
    assert_eq!(rp.revoke(&tokens.refresh_token).await.status, 200);
    assert_eq!(refreshed.who().await, "401 1103", "its grant is gone");
    let (expired, _) = sign_in().await;
    app.advance(Duration::from_secs(600));
    assert_eq!(expired.who().await, "401 1103");
}

#[tokio::test]
async fn calls_at_the_same_time_open_one_session() {
    let app = stage().await;
    let rp = shop(&app, "shop", AuthMethod::None).await;
    let token = rp.sign_in(&Browser::new(), ADA, SCOPE).await.access_token;
    let programs: Vec<Program> = (0..8).map(|_| Program::new(&app)).collect();
    let answers = futures_util::future::join_all(programs.iter().map(|program| program.who_by(&token))).await;
    for answer in &answers {
        assert_eq!((told(answer).as_str(), answer.json()), (ADA, answers[0].json()));
    }
    let owner = Api::owner(&app).await;
    let ada = answers[0].json()["claims"]["useruid"].as_str().unwrap().to_owned();
    let list = owner.get(&format!("/resources/iam/principals/{ada}/sessions")).await.object(200);
    assert_eq!(list["totalCount"], 2, "the browser's and this one");
}

#[tokio::test]
async fn of_logins_with_one_code_at_the_same_time_at_most_one_succeeds() {
    let app = stage().await;
    let rp = shop(&app, "shop", AuthMethod::None).await;
    let (authorization, code) = code(&rp, &Browser::new(), SCOPE).await;
    let auth = redeem(&rp, &authorization, &code, &[]);
    let programs: Vec<Program> = (0..6).map(|_| Program::new(&app)).collect();
    let answers = futures_util::future::join_all(programs.iter().map(|program| program.login(&auth))).await;
    let good = answers.iter().filter(|answer| told(answer) == ADA).count();
    assert_eq!(good, 1, "{:?}", answers.iter().map(told).collect::<Vec<_>>());
    for program in &programs {
        assert_eq!(program.who().await, "401 1103", "somebody had a copy of the code");
    }
}

#[tokio::test]
async fn initial_data_fill_in_what_is_left_out() {
    let app = stage_with(|config| {
        config.appserver.initial_data =
            vec!["Module=OAuthRoleBased;ClientId=shop;RedirectUri=https://app.example/cb".into()];
    })
    .await;
    let rp = shop(&app, "shop", AuthMethod::None).await;
    let detail = Program::new(&app).get("/appserver/authmodules/OAuthRoleBased").await.json();
    let template = detail[0]["authTemplate"].as_str().unwrap();
    assert!(template.starts_with("Module=OAuthRoleBased;ClientId[VI.DB_ClientId]=shop;"), "{template}");
    let (authorization, code) = code(&rp, &Browser::new(), SCOPE).await;
    let auth = format!("Module=OAuthRoleBased;ClientId=;CodeVerifier={};Code={code}", authorization.verifier);
    assert_eq!(told(&Program::new(&app).login(&auth).await), ADA);
}

#[tokio::test]
async fn without_the_module_no_token_counts() {
    use keyward::model::auth_module::AuthModule;
    let app = stage_with(|config| config.appserver.modules = vec![AuthModule::RoleBasedPerson]).await;
    let rp = shop(&app, "shop", AuthMethod::None).await;
    let token = rp.sign_in(&Browser::new(), ADA, SCOPE).await.access_token;
    assert_eq!(told(&Program::new(&app).who_by(&token).await), "401 1105");
    assert_eq!(told(&Program::new(&app).login(&by("OAuthRoleBased", &[("AccessToken", &token)])).await), "400 1003");
}
