//! Codes, tokens and links: each worth what it was given for, once.

use std::{sync::Arc, time::Duration};

use keyward::store::{
    self,
    client::{AccessTokenFormat, Client},
};
use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};

use crate::{
    appserver::{self, Program, by, told},
    races::{at_once, several_workers},
    stage::{ADA, Stage, set_roles, stage, stage_with},
    support::{
        PASSWORD, TestApp,
        api::Api,
        browser::{Browser, Page, http},
        relying_party::{Answer, Authorization, RelyingParty, basic, challenge, claims_of, random, send},
    },
};

// 9
#[tokio::test]
async fn a_code_of_one_session_does_not_pass_for_another_with_pkce_or_nonce() {
    let s = stage().await;
    let (_, attackers) = s.rp.authorize(&Browser::new(), ADA, &[]).await;
    let (victims, _) = s.rp.authorize(&s.browser, ADA, &[]).await;
    assert_eq!(s.rp.redeem(&victims, attackers.code()).await.outcome(), "400 invalid_grant");
}

// 12
#[tokio::test]
async fn a_one_time_secret_of_one_kind_is_worth_nothing_as_another() {
    let s = stage().await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("scope", "openid offline_access")]).await;
    let code = callback.code().to_owned();
    let session = s.browser.cookie(&s.app, "keyward_session").unwrap();
    let device = s.browser.cookie(&s.app, "keyward_device").unwrap();
    let tokens = s.tokens("openid offline_access").await;
    let login = s.browser.open(&s.rp.authorization(&[("prompt", "login")]).url).await;
    let sealed = login.attribute("[name=request]", "value").unwrap();
    let all = [&code, &session, &device, &tokens.refresh_token, &tokens.access_token, &tokens.id_token, &sealed];
    for secret in all {
        if *secret != tokens.refresh_token {
            assert_eq!(s.rp.refresh(secret).await.outcome(), "400 invalid_grant", "{secret:.10}");
        }
        if *secret != code {
            assert_eq!(s.rp.redeem(&authorization, secret).await.outcome(), "400 invalid_grant", "{secret:.10}");
        }
        if *secret != tokens.access_token {
            assert_eq!(s.rp.userinfo(secret).await.outcome(), "401 invalid_token", "{secret:.10}");
        }
        if *secret != session {
            let browser = Browser::new();
            let port = s.app.issuer.rsplit(':').next().unwrap();
            browser.set_cookie(&s.app, &format!("keyward_session_{port}={secret}"));
            assert_eq!(browser.open(&s.app.url("/account")).await.url.path(), "/login", "{secret:.10}");
        }
        assert!(!s.browser.get(&s.app.url(&format!("/setup?token={secret}"))).await.has("#setup-form"));
        assert_eq!(s.browser.get(&s.app.url(&format!("/password?ticket={secret}"))).await.status.as_u16(), 400);
        if *secret != sealed {
            for path in ["/login?request=", "/consent?request=", "/oauth/authorize?continue="] {
                let page = s.browser.get(&s.app.url(&format!("{path}{secret}"))).await;
                assert_eq!(page.status, StatusCode::BAD_REQUEST, "{path}{secret:.10}");
            }
        }
    }
    let page = s.browser.open(&s.app.url(&format!("/logout?request={sealed}"))).await;
    let form = page.form_of("sign-out");
    assert!(form.fields.iter().any(|(name, value)| name == "request" && value.is_empty()), "{:?}", form.fields);
    s.rp.redeem(&authorization, &code).await.tokens();
}

/// The same secret, a little different.
fn variants(secret: &str) -> Vec<String> {
    let flipped: String = secret
        .chars()
        .map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    let prefix = secret.split('_').next().unwrap();
    vec![
        secret[..secret.len() - 1].to_owned(),
        format!("{secret}A"),
        format!("{secret}="),
        format!("{secret} "),
        format!(" {secret}"),
        format!("{secret}%00"),
        format!("{secret}\n"),
        flipped,
        secret.replacen(prefix, &prefix.to_uppercase(), 1),
        secret.replacen('_', "", 1),
        format!("{secret}{secret}"),
        secret.replacen(prefix, "", 1),
    ]
}

// 13
#[tokio::test]
async fn a_credential_that_was_truncated_padded_or_flipped_is_worth_nothing() {
    let s = stage().await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("scope", "openid offline_access")]).await;
    for code in variants(callback.code()) {
        assert_eq!(s.rp.redeem(&authorization, &code).await.outcome(), "400 invalid_grant", "{code}");
    }
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    for token in variants(&tokens.refresh_token) {
        assert_eq!(s.rp.refresh(&token).await.outcome(), "400 invalid_grant", "{token}");
    }
    for secret in variants(&s.rp.client.secret) {
        let request = s.rp.http.post(s.app.url("/oauth/token")).header("authorization", basic("app", &secret));
        let answer = send(request.form(&[("grant_type", "client_credentials")])).await;
        assert_eq!(answer.outcome(), "401 invalid_client", "{secret}");
    }
    for token in [
        format!("{}A", tokens.access_token),
        format!("{}=", tokens.access_token),
        tokens.access_token.replace('.', ".."),
    ] {
        assert_eq!(s.rp.userinfo(&token).await.outcome(), "401 invalid_token", "{token:.40}");
    }
    s.rp.refresh(&tokens.refresh_token).await.tokens();
    // client ids are compared to the letter too
    for id in ["APP", "app ", " app", "app\0", "app%00"] {
        let url = s.rp.authorization(&[("client_id", id)]).url;
        assert_eq!(s.browser.get(&url).await.status, StatusCode::BAD_REQUEST, "{id:?}");
    }
}

// 14, as far as it shows from outside
#[tokio::test]
async fn a_revocation_that_was_answered_is_on_disk() {
    let s = stage().await;
    let tokens = s.tokens("openid").await;
    s.rp.revoke(&tokens.refresh_token).await;
    let grant_id = claims_of(&tokens.access_token)["grant_id"].as_str().unwrap().to_owned();
    let revoked = s.app.app.store.read(move |conn| store::grant::find(conn, &grant_id)).await.unwrap().unwrap();
    assert!(revoked.revoked_at.is_some());
}

/// An application whose codes both the token endpoint and the application server's login redeem.
async fn shop(app: &TestApp, change: impl FnOnce(&mut Client)) -> RelyingParty {
    let client = app.client("shop", &[], |client| {
        client.scopes = "openid offline_access appserver/api:access".parse().unwrap();
        client.first_party = true;
        change(client);
    });
    RelyingParty::new(app, &client.await)
}

fn login_by_code(rp: &RelyingParty, code: &str, verifier: &str) -> String {
    let (id, secret) = (rp.client.client.id.as_str(), rp.client.secret.as_str());
    let all = [("ClientId", id), ("ClientSecret", secret), ("RedirectUri", &rp.redirect_uri), ("Code", code)];
    let mut all = all.to_vec();
    all.extend((!verifier.is_empty()).then_some(("CodeVerifier", verifier)));
    by("OAuthRoleBased", &all)
}

// 8
#[tokio::test]
async fn no_face_lets_a_challenge_be_dropped() {
    let app = appserver::stage().await;
    let rp = shop(&app, |client| client.metadata.pkce_optional = true).await;
    let scope = ("scope", "openid appserver/api:access");
    let login =
        async |code: &str, verifier: &str| told(&Program::new(&app).login(&login_by_code(&rp, code, verifier)).await);
    let browser = Browser::new();
    let bare = [scope, ("code_challenge", ""), ("code_challenge_method", "")];
    let (authorization, callback) = rp.authorize(&browser, ADA, &bare).await;
    assert_eq!(login(callback.code(), &authorization.verifier).await, "401 1105", "dropped, and the verifier sent");
    assert_eq!(login(callback.code(), "").await, ADA);
    let (authorization, callback) = rp.authorize(&browser, ADA, &[scope]).await;
    // RFC 7636 §4.2: the challenge itself would be the verifier of the method plain
    let plain = challenge(&authorization.verifier);
    for verifier in ["", &plain, &random(), &authorization.verifier[1..], &format!("{}=", authorization.verifier)] {
        assert_eq!(login(callback.code(), verifier).await, "401 1105", "{verifier}");
        let mut fields = vec![("grant_type", "authorization_code"), ("code", callback.code())];
        fields.extend([("redirect_uri", &*rp.redirect_uri), ("code_verifier", verifier)]);
        assert_eq!(rp.token(&fields).await.outcome(), "400 invalid_grant", "{verifier}");
    }
    assert_eq!(login(callback.code(), &authorization.verifier).await, ADA);
    for method in ["plain", "PLAIN", "none", "S256 ", "s256", "S384"] {
        for parameters in
            [&[("code_challenge_method", method)][..], &[("code_challenge_method", method), ("code_challenge", "")]]
        {
            let callback = browser.get(&rp.authorization(parameters).url).await.callback();
            assert_eq!(callback.get("error"), "invalid_request", "{parameters:?}");
        }
    }
}

// 10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_faces_that_redeem_one_code_at_once_one_wins_and_the_others_revoke() {
    let app = Arc::new(appserver::stage_with(several_workers).await);
    let rp = shop(&app, |_| {}).await;
    let browser = Browser::new();
    for _ in 0..3 {
        let asked = [("scope", "openid offline_access appserver/api:access")];
        let (authorization, callback) = rp.authorize(&browser, ADA, &asked).await;
        let code = callback.code().to_owned();
        let answers = at_once(20, |n| {
            let (app, rp, authorization, code) = (app.clone(), rp.clone(), authorization.clone(), code.clone());
            async move {
                if n % 2 == 0 {
                    return rp.redeem(&authorization, &code).await;
                }
                Program::new(&app).login(&login_by_code(&rp, &code, &authorization.verifier)).await
            }
        })
        .await;
        let good: Vec<&Answer> = answers.iter().filter(|answer| answer.status.is_success()).collect();
        assert_eq!(good.len(), 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
        let won = good[0].json();
        match won["sessionId"].as_str() {
            Some(session) => {
                let cookie = format!("ss-id={session}");
                let who = Program::new(&app).send(Method::GET, "/auth", &[("cookie", &cookie)], Value::Null).await;
                assert_eq!(told(&who), "401 1103", "the replays have ended it");
            }
            None => {
                assert!(!rp.is_active(&good[0].tokens().access_token).await, "the replays have revoked it");
                let refreshed = rp.refresh(&good[0].tokens().refresh_token).await;
                assert_eq!(refreshed.outcome(), "400 invalid_grant");
            }
        }
    }
}

/// Ada, with one secret of each kind that this server gives out.
struct House {
    s: Stage,
    authorization: Authorization,
    secrets: Vec<(&'static str, String)>,
}

async fn house() -> House {
    let s = stage_with(
        |config| {
            config.login.free_attempts_address = 10_000;
            config.login.free_attempts = 1000;
        },
        |client| client.scopes = "openid offline_access me:* iam:* appserver/api:access".parse().unwrap(),
    )
    .await;
    let app = &s.app;
    app.role("house:all", &["iam:*", "appserver/api:access"]).await;
    app.role("house:mailer", &["me/email:verify"]).await;
    set_roles(app, &s.ada, &["house:all"]).await;
    set_roles(app, "app", &["house:mailer"]).await;
    let expires = app.now() + Duration::from_secs(3600);
    app.principal("new@example.com", &[], |new| {
        new.password_temporary = true;
        new.password_expires_at = Some(expires);
    })
    .await;
    for n in 0..3 {
        app.principal(&format!("extra{n}@example.com"), &[], |_| {}).await;
    }
    let scope = "openid offline_access me:* iam:* appserver/api:access";
    let tokens = s.tokens(scope).await;
    let opaque = s.other("opaque", |client| client.metadata.access_token_format = AccessTokenFormat::Opaque).await;
    let opaque = opaque.sign_in(&s.browser, ADA, "openid").await.access_token;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("scope", scope)]).await;
    let api = Api::new(app, &tokens.access_token, &s.ada);
    let pat = api.post("/resources/me/pat", json!({"name": "n", "scopes": ["me/profile:read"]})).await.object(201);
    let change = api.post("/resources/me/email/change", json!({"email": "new@example.org"})).await.object(200);
    let people = api.get("/resources/iam/principals?limit=1").await.object(200);
    let program = Program::new(app).by_password(ADA).await.json();
    let link = keyward::identity::setup::mint_link(&app.app.store, app.now()).await.unwrap();

    let fresh = Browser::new();
    let login = fresh.open(&s.rp.authorization(&[]).url).await;
    let replaced = fresh.press(&login, "sign-in", &[("username", "new@example.com"), ("password", PASSWORD)]).await;
    let ticket = replaced.url.query_pairs().find(|(name, _)| name == "ticket").unwrap().1.into_owned();
    let asked = s.browser.open(&s.rp.authorization(&[("prompt", "consent")]).url).await;
    let leaving = s.browser.open(&app.url("/oauth/logout?client_id=app")).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let field = |page: &Page, name: &str| page.attribute(&format!("[name={name}]"), "value").unwrap();
    let secrets = vec![
        ("code", callback.code().to_owned()),
        ("refresh token", tokens.refresh_token.clone()),
        ("access token", tokens.access_token.clone()),
        ("opaque access token", opaque),
        ("ID token", tokens.id_token.clone()),
        ("personal access token", text(&pat["token"])),
        ("session", s.browser.cookie(app, "keyward_session").unwrap()),
        ("device", s.browser.cookie(app, "keyward_device").unwrap()),
        ("browser", s.browser.cookie(app, "keyward_browser").unwrap()),
        ("program's session", text(&program["sessionId"])),
        ("email proof", text(&change["secret"])),
        ("set-up link", link.reveal().to_owned()),
        ("client secret", s.rp.client.secret.clone()),
        ("password", PASSWORD.to_owned()),
        ("ticket", ticket),
        ("login request", field(&login, "request")),
        ("consent request", field(&asked, "request")),
        ("logout request", field(&leaving, "request")),
        ("form token", field(&asked, "csrf_token")),
        ("cursor", text(&people["lastCursor"])),
        ("version", people["principals"][0]["eTag"].as_str().unwrap().to_owned()),
    ];
    House { s, authorization, secrets }
}

const DOORS: [&str; 20] = [
    "code grant",
    "refresh grant",
    "userinfo",
    "introspection",
    "API",
    "login of a program",
    "session of a program",
    "bearer of a program",
    "session cookie",
    "set-up",
    "ticket",
    "login page",
    "consent page",
    "continuation",
    "logout page",
    "email proof",
    "email page",
    "cursor",
    "client",
    "id_token_hint",
];

impl House {
    /// Whether a secret opens a door.
    async fn opens(&self, door: &str, secret: &str) -> bool {
        let Stage { app, rp, browser, ada } = &self.s;
        let page = async |path: &str, name: &str| {
            let url = Url::parse_with_params(&app.url(path), [("identity", ada.as_str()), (name, secret)]).unwrap();
            browser.get(url.as_str()).await
        };
        let program = Program::new(app);
        match door {
            "code grant" => rp.redeem(&self.authorization, secret).await.status.is_success(),
            "refresh grant" => rp.refresh(secret).await.status.is_success(),
            "userinfo" => rp.userinfo(secret).await.status.is_success(),
            "introspection" => rp.is_active(secret).await,
            "API" => Api::new(app, secret, ada).get("/resources/me").await.status.is_success(),
            "login of a program" => {
                let token = program.login(&by("OAuthRoleBased", &[("AccessToken", secret)])).await;
                let code = program.login(&login_by_code(rp, secret, &random())).await;
                token.status.is_success() || code.status.is_success()
            }
            "session of a program" => {
                let cookie = format!("ss-id={secret}");
                program.send(Method::GET, "/auth", &[("cookie", &cookie)], Value::Null).await.status.is_success()
            }
            "bearer of a program" => program.who_by(secret).await.status.is_success(),
            "session cookie" => {
                let cookie = format!("keyward_session_{}={secret}", self.s.port());
                let request = http().build().unwrap().get(app.url("/account")).header("cookie", cookie);
                send(request).await.status.is_success()
            }
            "set-up" => page("/setup", "token").await.has("#setup-form"),
            "ticket" => {
                let page = page("/password", "ticket").await;
                // in another browser than its own it leads back to the login, which is still its own door
                page.status.is_success() || page.location().is_some()
            }
            "login page" => page("/login", "request").await.has("#login-form"),
            "consent page" => page("/consent", "request").await.status != StatusCode::BAD_REQUEST,
            "continuation" => page("/oauth/authorize", "continue").await.status != StatusCode::BAD_REQUEST,
            "logout page" => {
                let form = page("/logout", "request").await.form_of("sign-out");
                form.fields.iter().any(|(name, value)| name == "request" && !value.is_empty())
            }
            "email page" => page("/email/confirm", "token").await.has("#confirm"),
            "email proof" => {
                let proof = json!({"identityId": ada, "secret": secret});
                Api::new(app, "", "").post("/resources/me/email/validate", proof).await.status.is_success()
            }
            "cursor" => {
                let api = Api::new(app, &self.secrets[2].1, ada);
                let query = form_urlencoded::Serializer::new(String::new()).append_pair("after", secret).finish();
                api.get(&format!("/resources/iam/principals?limit=1&{query}")).await.status.is_success()
            }
            "client" => {
                let request = rp.http.post(app.url("/oauth/token")).header("authorization", basic("app", secret));
                send(request.form(&[("grant_type", "client_credentials")])).await.status.is_success()
            }
            "id_token_hint" => {
                let url = rp.authorization(&[("id_token_hint", secret), ("prompt", "none")]).url;
                browser.get(&url).await.callback().get("error").is_empty()
            }
            other => panic!("{other}"),
        }
    }
}

// 12, 13
#[tokio::test]
async fn each_secret_of_this_server_opens_its_own_doors_and_no_other() {
    let house = house().await;
    let mut opened = Vec::new();
    for door in DOORS.iter().rev() {
        for (kind, secret) in &house.secrets {
            if house.opens(door, secret).await {
                opened.push(format!("{kind}: {door}"));
            }
        }
    }
    opened.sort();
    let mut expected = [
        "ID token: id_token_hint",
        "access token: API",
        "access token: bearer of a program",
        "access token: introspection",
        "access token: login of a program",
        "access token: userinfo",
        "client secret: client",
        "code: code grant",
        "consent request: consent page",
        "consent request: continuation",
        "consent request: login page",
        "cursor: cursor",
        "email proof: email page",
        "email proof: email proof",
        "login request: consent page",
        "login request: continuation",
        "login request: login page",
        "logout request: logout page",
        "opaque access token: userinfo",
        "personal access token: API",
        "program's session: session of a program",
        "refresh token: introspection",
        "refresh token: refresh grant",
        "session: session cookie",
        "set-up link: set-up",
        "ticket: ticket",
    ];
    expected.sort_unstable();
    assert_eq!(opened, expected);
}

/// Every way to change one character at the beginning, in the middle or at the end, and [`variants`].
fn altered(secret: &str) -> Vec<String> {
    let mut all: Vec<String> = variants(secret);
    for at in [0, secret.len() / 2, secret.len() - 1] {
        for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%+/= ".chars() {
            all.push(format!("{}{c}{}", &secret[..at], &secret[at + 1..]));
        }
    }
    all.extend([secret[1..].to_owned(), secret[..secret.len() / 2].to_owned(), format!("A{secret}")]);
    // nothing at all is no cursor, which is no fault
    all.retain(|other| other != secret && !other.is_empty());
    all
}

// 13
#[tokio::test]
async fn what_is_sealed_or_kept_in_a_cookie_has_one_spelling() {
    let house = house().await;
    let doors = [
        ("session", "session cookie"),
        ("program's session", "session of a program"),
        ("set-up link", "set-up"),
        ("ticket", "ticket"),
        ("login request", "continuation"),
        ("consent request", "consent page"),
        ("cursor", "cursor"),
        ("email proof", "email proof"),
        ("refresh token", "introspection"),
        ("access token", "userinfo"),
        ("opaque access token", "userinfo"),
        ("personal access token", "API"),
    ];
    for (kind, door) in doors {
        let (_, secret) = house.secrets.iter().find(|(name, _)| *name == kind).unwrap();
        for other in altered(secret) {
            // blanks around a value are no part of a header
            let in_header = ["cookie", "userinfo", "API", "program"].iter().any(|part| door.contains(part));
            if !in_header || other.trim() == other {
                assert!(!house.opens(door, &other).await, "{door} by {other:?} instead of {secret:?}");
            }
        }
        assert!(house.opens(door, secret).await, "{kind}: {door}");
    }
}

// 14
#[tokio::test]
async fn an_end_that_cannot_be_stored_is_never_told_as_done() {
    let house = house().await;
    let House { s, secrets, .. } = &house;
    s.app.expect_errors("fault injected");
    s.app.expect_errors("a request failed");
    s.app.expect_errors("could not be");
    let secret = |kind: &str| secrets.iter().find(|(name, _)| *name == kind).unwrap().1.clone();
    let api = |path: &str, method: Method| {
        s.rp.http
            .request(method, s.app.url(path))
            .bearer_auth(secret("access token"))
            .header("accept", "application/json")
    };
    let list = async |path: &str, name: &str| {
        send(api(path, Method::GET)).await.json()[name][0]["id"].as_str().unwrap().to_owned()
    };
    let session = list("/resources/me/sessions", "sessions").await;
    let pat = list("/resources/me/pat", "personalAccessTokens").await;
    let account = s.browser.open(&s.app.url("/account")).await;
    s.app.app.store.write(refuse_writes).await.unwrap();
    for answer in [s.rp.revoke(&secret("access token")).await, s.rp.revoke(&secret("refresh token")).await] {
        assert!(answer.status.is_server_error(), "{}: {}", answer.status, answer.body);
    }
    let find = |conn: &mut store::Conn| store::principal::find_by_email(conn, "extra0@example.com");
    let extra = s.app.app.store.read(find).await.unwrap().unwrap().id;
    for path in [
        format!("/resources/me/sessions/{session}"),
        format!("/resources/me/pat/{pat}"),
        "/resources/me/consents/app".to_owned(),
        format!("/resources/iam/principals/{}/sessions", s.ada),
        format!("/resources/iam/principals/{extra}"),
        "/resources/iam/clients/opaque".to_owned(),
    ] {
        let answer = send(api(&path, Method::DELETE)).await;
        assert!(answer.status.is_server_error(), "{path}: {} {}", answer.status, answer.body);
        assert!(!answer.body.contains("fault injected"), "the cause goes to the log only: {}", answer.body);
    }
    for path in
        [format!("/resources/iam/principals/{extra}/suspend"), "/resources/iam/clients/opaque/suspend".to_owned()]
    {
        let answer = send(api(&path, Method::POST)).await;
        assert!(answer.status.is_server_error(), "{path}: {} {}", answer.status, answer.body);
    }
    let page = s.browser.submit(&account, "sign-out", &[]).await;
    assert!(page.status.is_server_error(), "{}: {}", page.status, page.text("main"));
    let hint = secret("ID token");
    let page = s.browser.get(&s.app.url(&format!("/oauth/logout?id_token_hint={hint}"))).await;
    assert!(page.status.is_server_error(), "{}: {}", page.status, page.text("main"));
    let cookie = format!("ss-id={}", secret("program's session"));
    let program = Program::new(&s.app).send(Method::POST, "/auth/logout", &[("cookie", &cookie)], Value::Null).await;
    assert!(program.status.is_server_error(), "{}", program.body);
    // and what was not ended goes on
    assert_eq!(send(api("/resources/me", Method::GET)).await.status, StatusCode::OK);
    assert!(s.browser.open(&s.app.url("/account")).await.has("#sign-out"));
}

/// From now on these tables can be read, and nothing in them changed.
fn refuse_writes(tx: &mut store::Tx<'_>) -> Result<(), store::Error> {
    use diesel::connection::SimpleConnection;
    let tables = [
        "session",
        "oauth_grant",
        "revoked_token",
        "personal_access_token",
        "consent",
        "appserver_session",
        "principal",
        "client",
        "refresh_token",
    ];
    let sqlite = |table: &str| {
        let one = |on: &str| {
            format!(
                "CREATE TRIGGER refuse_{table}_{on} BEFORE {on} ON {table} BEGIN SELECT RAISE(ABORT, 'fault injected'); END;"
            )
        };
        [one("UPDATE"), one("DELETE"), one("INSERT")].concat()
    };
    let postgres = |table: &str| {
        format!(
            "CREATE TRIGGER refuse BEFORE UPDATE OR DELETE OR INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse();"
        )
    };
    match &mut **tx {
        store::Conn::Sqlite(conn) => conn.batch_execute(&tables.map(sqlite).concat())?,
        store::Conn::Postgres(conn) => {
            let function = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                            $$ BEGIN RAISE EXCEPTION 'fault injected'; END $$;";
            conn.batch_execute(&format!("{function}{}", tables.map(postgres).concat()))?;
        }
    }
    Ok(())
}

// 30
#[tokio::test]
async fn what_this_server_does_not_offer_is_not_there() {
    let s = stage().await;
    s.tokens("openid").await;
    for grant in [
        "password",
        "implicit",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:saml2-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "urn:openid:params:grant-type:ciba",
        "Authorization_Code",
        "client_credentials ",
    ] {
        let fields = [
            ("grant_type", grant),
            ("username", ADA),
            ("password", PASSWORD),
            ("assertion", "a.b.c"),
            ("subject_token", "x"),
            ("scope", "openid"),
        ];
        assert_eq!(s.rp.token(&fields).await.outcome(), "400 unsupported_grant_type", "{grant}");
    }
    for kind in
        ["token", "id_token", "code token", "code id_token", "code id_token token", "none", "id_token token", "CODE"]
    {
        let callback = s.browser.get(&s.rp.authorization(&[("response_type", kind)]).url).await.callback();
        assert_eq!(callback.get("error"), "unsupported_response_type", "{kind}");
        assert!(callback.url.fragment().unwrap_or_default().is_empty() && !callback.parameters.contains_key("code"));
    }
    for path in [
        "/oauth/register",
        "/oauth/par",
        "/oauth/device",
        "/oauth/device_authorization",
        "/oauth/bc-authorize",
        "/register",
        "/signup",
        "/password/reset",
        "/password/forgot",
        "/forgot",
        "/reset",
        "/connect/register",
        "/admin",
        "/console",
        "/scim/v2/Users",
        "/debug",
        "/metrics",
        "/actuator",
        "/.git/config",
        "/.env",
        "/resources/iam/import",
    ] {
        for method in [Method::GET, Method::POST] {
            let request =
                s.rp.http
                    .request(method.clone(), s.app.url(path))
                    .header("authorization", basic("app", &s.rp.client.secret));
            assert_eq!(send(request.form(&[("a", "b")])).await.status, StatusCode::NOT_FOUND, "{method} {path}");
        }
    }
}
