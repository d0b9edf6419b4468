//! `/oauth/authorize` (RFC 6749 §3.1, OpenID Connect Core §3.1.2).

use std::time::Duration;

use reqwest::{Method, StatusCode, Url};

use crate::{
    stage::{ADA, public, set_roles, stage, stage_with},
    support::{PASSWORD, browser::Browser, relying_party::claims_of},
};

#[tokio::test]
async fn a_request_may_come_by_get_or_by_post() {
    let s = stage().await;
    s.tokens("openid").await;
    let authorization = s.rp.authorization(&[]);
    let fields: Vec<(&str, &str)> = authorization.parameters.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let answer = s.browser.post(&s.app.url("/oauth/authorize"), &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "a cross-site post comes without the session's cookie");
    let callback = s.browser.follow(answer).await.callback();
    s.rp.check(&authorization, &callback);
    s.rp.redeem(&authorization, callback.code()).await.tokens();
}

#[tokio::test]
async fn the_order_of_parameters_and_scopes_does_not_matter() {
    let s = stage().await;
    s.tokens("openid email profile").await;
    let authorization = s.rp.authorization(&[("scope", "profile openid email")]);
    let mut turned = authorization.parameters.clone();
    turned.reverse();
    let url = Url::parse_with_params(&s.app.url("/oauth/authorize"), &turned).unwrap();
    let callback = s.browser.open(url.as_str()).await.callback();
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    assert_eq!(tokens.scope, "profile openid email");
}

#[tokio::test]
async fn parameters_that_only_hint_and_unknown_ones_break_nothing() {
    let s = stage().await;
    let hints = [
        ("display", "touch"),
        ("ui_locales", "fr-CA fr en"),
        ("claims_locales", "de"),
        ("acr_values", "urn:mace:incommon:iap:silver keyward:password"),
        ("login_hint", ADA),
        ("extra", "foobar"),
        ("prompt", "whatever"),
    ];
    let authorization = s.rp.authorization(&hints);
    let page = s.browser.open(&authorization.url).await;
    assert_eq!(page.attribute("#username", "value").as_deref(), Some(ADA));
    let callback = s.browser.agree(page, ADA).await.callback();
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    let claims = s.rp.verify_id_token(&tokens.id_token).await;
    assert_eq!(claims["acr"], "keyward:password", "one of the asked values, where it is true");
}

#[tokio::test]
async fn without_a_nonce_and_a_state_the_code_flow_succeeds() {
    let s = stage().await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("nonce", ""), ("state", "")]).await;
    assert!(!callback.parameters.contains_key("state"));
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    assert!(!claims_of(&tokens.id_token).contains_key("nonce"));
}

#[tokio::test]
async fn an_unproven_client_never_gets_a_redirect() {
    let s = stage().await;
    let suspended =
        s.other("gone", |client| client.suspended_at = Some(keyward::model::time::Timestamp::from_seconds(1))).await;
    for mode in ["query", "form_post", "fragment"] {
        for (id, fault) in [("", "client_id is missing"), ("nobody", "not registered"), ("gone", "switched off")] {
            let page = s.browser.get(&suspended.authorization(&[("client_id", id), ("response_mode", mode)]).url).await;
            assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None));
            assert!(page.text("main").contains(fault), "{}", page.text("main"));
            assert!(!page.has("#response-form"));
        }
    }
    let twice = format!("{}&client_id=app", s.rp.authorization(&[]).url);
    assert_eq!(s.browser.get(&twice).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_another_server_registered_a_moment_ago_is_not_refused() {
    let s = stage().await;
    let url = s.rp.authorization(&[("redirect_uri", "https://new.example/cb")]).url;
    assert_eq!(s.browser.get(&url).await.status, StatusCode::BAD_REQUEST);
    let other = keyward::store::Store::open(&keyward::app::target(&s.app.app.config)).unwrap();
    let mut client = s.rp.client.client.clone();
    client.redirect_uris.push("https://new.example/cb".to_owned());
    let written = other.write(move |tx| keyward::store::client::update(tx, &client, &client.etag)).await;
    assert!(written.unwrap());
    assert_eq!(s.browser.get(&url).await.status, StatusCode::OK);
}

#[tokio::test]
async fn several_registered_redirect_uris_need_one_to_be_named() {
    let s = stage_with(|_| {}, |client| client.redirect_uris.push("https://other.example/cb".to_owned())).await;
    let page = s.browser.get(&s.rp.authorization(&[("redirect_uri", ""), ("scope", "email")]).url).await;
    assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None));
}

#[tokio::test]
async fn the_only_registered_redirect_uri_need_not_be_named_without_openid() {
    let s = stage().await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("redirect_uri", ""), ("scope", "email")]).await;
    let verifier = authorization.verifier.as_str();
    let fields = [("grant_type", "authorization_code"), ("code", callback.code()), ("code_verifier", verifier)];
    s.rp.token(&fields).await.tokens();
    // OpenID Connect Core §3.1.2.1 requires it
    let callback = s.browser.open(&s.rp.authorization(&[("redirect_uri", "")]).url).await.callback();
    assert_eq!(callback.get("error"), "invalid_request");
}

#[tokio::test]
async fn the_port_of_a_loopback_redirect_uri_may_vary() {
    let s = stage_with(|_| {}, |client| client.redirect_uris = vec!["http://127.0.0.1/cb".to_owned()]).await;
    let mut rp = s.rp.clone();
    rp.redirect_uri = "http://127.0.0.1:51004/cb".to_owned();
    let (authorization, callback) = rp.authorize(&s.browser, ADA, &[]).await;
    assert_eq!(callback.url.port(), Some(51004));
    // the code is for that very address
    let other =
        crate::support::relying_party::RelyingParty { redirect_uri: "http://127.0.0.1/cb".into(), ..rp.clone() };
    assert_eq!(other.redeem(&authorization, callback.code()).await.outcome(), "400 invalid_grant");
    rp.redeem(&authorization, callback.code()).await.tokens();
}

#[tokio::test]
async fn what_the_query_of_a_redirect_uri_holds_is_kept() {
    let s = stage_with(|_| {}, |client| client.redirect_uris = vec!["https://app.example/cb?tenant=a%2Fb".to_owned()])
        .await;
    let (_, callback) = s.rp.authorize(&s.browser, ADA, &[]).await;
    assert!(callback.url.as_str().starts_with("https://app.example/cb?tenant=a%2Fb&code="), "{}", callback.url);
}

/// Each fault of a request with a proven client and redirect URI.
const FAULTS: [(&[(&str, &str)], &str); 19] = [
    (&[("response_type", "")], "invalid_request"),
    (&[("response_type", "token")], "unsupported_response_type"),
    (&[("response_type", "code id_token")], "unsupported_response_type"),
    (&[("scope", "")], "invalid_scope"),
    (&[("scope", "op\"en")], "invalid_scope"),
    (&[("scope", "unheard-of")], "invalid_scope"),
    (&[("request", "eyJhbGciOiJub25lIn0.e30.")], "request_not_supported"),
    (&[("request_uri", "https://app.example/request")], "request_uri_not_supported"),
    (&[("registration", "{}")], "registration_not_supported"),
    (&[("prompt", "none login")], "invalid_request"),
    (&[("max_age", "soon")], "invalid_request"),
    (&[("max_age", "-1")], "invalid_request"),
    (&[("claims", "[]")], "invalid_request"),
    (&[("claims", r#"{"id_token":{"acr":{"essential":true,"value":"gold"}}}"#)], "unmet_authentication_requirements"),
    (&[("id_token_hint", "no.token.here")], "invalid_request"),
    (&[("resource", "https://nobody.example")], "invalid_target"),
    (&[("resource", "relative")], "invalid_target"),
    (&[("code_challenge", ""), ("code_challenge_method", "")], "invalid_request"),
    (&[("code_challenge", "short")], "invalid_request"),
];

#[tokio::test]
async fn every_error_goes_back_by_redirect_with_state_and_iss() {
    let s = stage().await;
    s.tokens("openid").await;
    for (parameters, error) in FAULTS {
        let authorization = s.rp.authorization(parameters);
        let callback = s.browser.get(&authorization.url).await.callback();
        s.rp.check(&authorization, &callback);
        assert_eq!(callback.get("error"), error, "{parameters:?}: {}", callback.get("error_description"));
        assert_ne!(callback.get("error_description"), "", "{parameters:?}");
        assert!(!callback.parameters.contains_key("code"));
    }
}

#[tokio::test]
async fn every_error_goes_back_by_form_post_where_that_was_asked_for() {
    let s = stage().await;
    s.tokens("openid").await;
    for (parameters, error) in FAULTS {
        let mut parameters = parameters.to_vec();
        parameters.push(("response_mode", "form_post"));
        let authorization = s.rp.authorization(&parameters);
        let page = s.browser.get(&authorization.url).await;
        assert_eq!(page.location(), None);
        let callback = page.callback();
        s.rp.check(&authorization, &callback);
        assert_eq!(callback.get("error"), error);
        assert_eq!(callback.url.query(), None, "nothing in the query");
    }
}

#[tokio::test]
async fn an_unknown_response_mode_is_told_in_the_query() {
    let s = stage().await;
    for mode in ["fragment", "query.jwt", "web_message"] {
        let callback = s.browser.get(&s.rp.authorization(&[("response_mode", mode)]).url).await.callback();
        assert_eq!((callback.get("error"), callback.form_post), ("invalid_request", false));
    }
}

#[tokio::test]
async fn a_client_without_the_grant_is_refused() {
    let s =
        stage_with(|_| {}, |client| client.grant_types.retain(|grant| grant.as_str() != "authorization_code")).await;
    assert_eq!(s.browser.get(&s.rp.authorization(&[]).url).await.callback().get("error"), "unauthorized_client");
}

#[tokio::test]
async fn form_post_sends_the_answer_by_a_page_with_a_button() {
    let s = stage().await;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("response_mode", "form_post")]).await;
    assert!(callback.form_post);
    assert_eq!(callback.url.as_str(), "https://app.example/cb");
    let mut names: Vec<&str> = callback.parameters.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["code", "iss", "state"], "and nothing else");
    s.rp.redeem(&authorization, callback.code()).await.tokens();

    let page = s.browser.open(&s.rp.authorization(&[("response_mode", "form_post")]).url).await;
    let policy = page.header("content-security-policy");
    assert!(!policy.contains("form-action"), "Chrome would block the form: {policy}");
    assert!(!policy.contains("unsafe-inline") && !page.body.contains("<script>"), "the script is no inline one");
    assert_eq!(page.header("cache-control"), "no-store");
}

#[tokio::test]
async fn prompt_none_shows_no_page() {
    let s = stage().await;
    let silent = |scope| s.rp.authorization(&[("prompt", "none"), ("scope", scope)]);
    assert_eq!(s.browser.get(&silent("openid").url).await.callback().get("error"), "login_required");
    s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    assert_eq!(s.browser.get(&silent("openid").url).await.callback().get("error"), "consent_required");
    s.tokens("openid").await;
    s.browser.get(&silent("openid").url).await.callback().code();
    assert_eq!(s.browser.get(&silent("openid email").url).await.callback().get("error"), "consent_required");
    s.app.advance(Duration::from_secs(13 * 3600));
    assert_eq!(s.browser.get(&silent("openid").url).await.callback().get("error"), "login_required");
}

#[tokio::test]
async fn silent_sign_in_keeps_auth_time() {
    let s = stage().await;
    let first = s.tokens("openid").await;
    s.app.advance(Duration::from_secs(600));
    let (authorization, callback) = s.rp.authorize(&s.browser, "nobody", &[("prompt", "none")]).await;
    let second = s.rp.redeem(&authorization, callback.code()).await.tokens();
    assert_eq!(claims_of(&first.id_token)["auth_time"], claims_of(&second.id_token)["auth_time"]);
    assert_eq!(claims_of(&first.id_token)["sid"], claims_of(&second.id_token)["sid"]);
}

#[tokio::test]
async fn prompt_login_asks_although_a_session_exists_and_moves_auth_time() {
    let s = stage().await;
    let before = claims_of(&s.tokens("openid").await.id_token);
    s.app.advance(Duration::from_secs(600));
    let authorization = s.rp.authorization(&[("prompt", "login")]);
    let page = s.browser.open(&authorization.url).await;
    assert!(page.has("#login-form"));
    let callback = s.browser.agree(page, ADA).await.callback();
    let after = claims_of(&s.rp.redeem(&authorization, callback.code()).await.tokens().id_token);
    assert_eq!(after["auth_time"].as_i64().unwrap() - before["auth_time"].as_i64().unwrap(), 600);
    assert_eq!(after["sub"], before["sub"]);
}

#[tokio::test]
async fn prompt_consent_asks_although_consent_is_remembered() {
    let s = stage().await;
    s.tokens("openid").await;
    let page = s.browser.open(&s.rp.authorization(&[("prompt", "consent")]).url).await;
    assert!(page.has("#consent-form"));
    s.browser.press(&page, "allow", &[]).await.callback().code();
}

#[tokio::test]
async fn prompt_select_account_lets_the_person_choose() {
    let s = stage().await;
    s.tokens("openid").await;
    s.app.principal("bob@example.com", &[], |_| {}).await;
    let authorization = s.rp.authorization(&[("prompt", "select_account")]);
    let page = s.browser.open(&authorization.url).await;
    assert_eq!(page.text("#account-form"), "Continue as Ada Lovelace");
    let callback = s.browser.press(&page, "continue", &[]).await.callback();
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    assert_eq!(claims_of(&tokens.id_token)["sub"], s.ada.as_str());

    let authorization = s.rp.authorization(&[("prompt", "select_account")]);
    let page = s.browser.open(&authorization.url).await;
    let callback = s.browser.agree(page, "bob@example.com").await.callback();
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    assert_ne!(claims_of(&tokens.id_token)["sub"], s.ada.as_str());
}

#[tokio::test]
async fn max_age_counts_from_the_real_authentication() {
    let s = stage().await;
    s.tokens("openid").await;
    s.app.advance(Duration::from_secs(50));
    s.browser.open(&s.rp.authorization(&[]).url).await.callback().code();
    s.app.advance(Duration::from_secs(50));
    // a silent sign-in at 50 s was no authentication
    s.browser.open(&s.rp.authorization(&[("max_age", "100")]).url).await.callback().code();
    let callback = s.browser.open(&s.rp.authorization(&[("max_age", "99"), ("prompt", "none")]).url).await.callback();
    assert_eq!(callback.get("error"), "login_required");
    let authorization = s.rp.authorization(&[("max_age", "99")]);
    let page = s.browser.open(&authorization.url).await;
    assert!(page.has("#login-form"));
    let callback = s.browser.agree(page, ADA).await.callback();
    let claims = claims_of(&s.rp.redeem(&authorization, callback.code()).await.tokens().id_token);
    assert_eq!(claims["auth_time"], s.app.now().seconds());
}

#[tokio::test]
async fn a_max_age_of_zero_means_prompt_login() {
    let s = stage().await;
    s.tokens("openid").await;
    let page = s.browser.open(&s.rp.authorization(&[("max_age", "0")]).url).await;
    assert!(page.has("#login-form"), "also within the second of the sign-in");
    s.browser.agree(page, ADA).await.callback().code();
}

#[tokio::test]
async fn a_clients_default_max_age_holds_where_the_request_names_none() {
    let s = stage_with(|_| {}, |client| client.metadata.default_max_age = Some(60)).await;
    s.tokens("openid").await;
    s.app.advance(Duration::from_secs(61));
    assert!(s.browser.open(&s.rp.authorization(&[]).url).await.has("#login-form"));
    s.browser.open(&s.rp.authorization(&[("max_age", "600")]).url).await.callback().code();
}

#[tokio::test]
async fn an_id_token_hint_for_another_person_is_refused_silently_and_asked_about_otherwise() {
    let s = stage().await;
    let bob = Browser::new();
    s.app.principal("bob@example.com", &[], |_| {}).await;
    let bobs = s.rp.sign_in(&bob, "bob@example.com", "openid").await.id_token;
    let adas = s.tokens("openid").await.id_token;
    s.app.advance(Duration::from_secs(3600));
    let silent = |hint| s.rp.authorization(&[("prompt", "none"), ("id_token_hint", hint)]).url;
    s.browser.get(&silent(&adas)).await.callback().code();
    assert_eq!(s.browser.get(&silent(&bobs)).await.callback().get("error"), "login_required");
    assert!(s.browser.open(&s.rp.authorization(&[("id_token_hint", &bobs)]).url).await.has("#login-form"));
}

#[tokio::test]
async fn the_subject_of_the_claims_parameter_must_be_who_is_signed_in() {
    let s = stage().await;
    s.tokens("openid").await;
    let claims = |sub: &str| format!(r#"{{"id_token":{{"sub":{{"value":"{sub}"}}}}}}"#);
    let silent = |sub: &str| s.rp.authorization(&[("prompt", "none"), ("claims", &claims(sub))]).url;
    s.browser.get(&silent(&s.ada)).await.callback().code();
    assert_eq!(s.browser.get(&silent("somebody else")).await.callback().get("error"), "login_required");
}

#[tokio::test]
async fn claims_that_are_asked_for_by_name_are_in_the_id_token_and_others_are_not() {
    let s = stage().await;
    let plain = claims_of(&s.tokens("openid profile email").await.id_token);
    assert!(!plain.contains_key("email") && !plain.contains_key("name"), "{plain:?}");
    let asked =
        r#"{"id_token":{"email":{"essential":true},"name":null,"iss":{"value":"forged"}},"userinfo":{"email":null}}"#;
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("claims", asked)]).await;
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    let claims = s.rp.verify_id_token(&tokens.id_token).await;
    assert_eq!((claims["email"].as_str(), claims["name"].as_str()), (Some(ADA), Some("Ada Lovelace")));
    assert_eq!(s.rp.userinfo(&tokens.access_token).await.json()["email"], ADA);
}

#[tokio::test]
async fn granted_is_what_was_asked_for_and_the_client_may_have_and_the_person_holds() {
    let s = stage_with(
        |_| {},
        |client| {
            client.scopes =
                "openid registry:read registry:write actors/order:create iam/principals:read".parse().unwrap();
        },
    )
    .await;
    s.app.role("support:agent", &["actors:*", "graph:*", "registry:read"]).await;
    set_roles(&s.app, &s.ada, &["support:agent"]).await;
    let asked = "openid registry:read registry:write actors/order:create graph:read";
    let tokens = s.tokens(asked).await;
    assert_eq!(tokens.scope, "openid registry:read actors/order:create");
    let claims = claims_of(&tokens.access_token);
    assert_eq!(claims["scope"], "openid registry:read actors/order:create");
    assert_eq!(claims["roles"], serde_json::json!(["support:agent"]));
    // nothing of it
    let authorization = s.rp.authorization(&[("scope", "registry:write")]);
    assert_eq!(s.browser.open(&authorization.url).await.callback().get("error"), "invalid_scope");
}

#[tokio::test]
async fn a_public_client_must_use_pkce_whatever_its_registration_says() {
    let s = stage_with(
        |_| {},
        |client| {
            public(client);
            client.metadata.pkce_optional = true;
        },
    )
    .await;
    let bare = s.rp.authorization(&[("code_challenge", ""), ("code_challenge_method", "")]);
    assert_eq!(s.browser.get(&bare.url).await.callback().get("error"), "invalid_request");
}

#[tokio::test]
async fn a_confidential_client_need_not_use_pkce_if_its_registration_relaxes_that() {
    let s = stage_with(|_| {}, |client| client.metadata.pkce_optional = true).await;
    let bare = [("code_challenge", ""), ("code_challenge_method", "")];
    let (_, callback) = s.rp.authorize(&s.browser, ADA, &bare).await;
    let fields =
        [("grant_type", "authorization_code"), ("code", callback.code()), ("redirect_uri", &s.rp.redirect_uri)];
    s.rp.token(&fields).await.tokens();
}

#[tokio::test]
async fn only_s256_is_a_challenge_method() {
    let s = stage().await;
    for method in ["plain", "", "s256", "S512"] {
        let callback = s.browser.get(&s.rp.authorization(&[("code_challenge_method", method)]).url).await.callback();
        assert_eq!(callback.get("error"), "invalid_request", "{method}");
    }
    // a method without a challenge
    let callback = s.browser.get(&s.rp.authorization(&[("code_challenge", "")]).url).await.callback();
    assert_eq!(callback.get("error"), "invalid_request");
}

#[tokio::test]
async fn a_repeated_parameter_is_an_error_but_resources_may_repeat() {
    let s = stage().await;
    for name in ["scope", "state", "nonce", "response_type", "prompt", "code_challenge", "x"] {
        let url = format!("{}&{name}=a&{name}=a", s.rp.authorization(&[]).url);
        let callback = s.browser.get(&url).await.callback();
        assert_eq!(callback.get("error"), "invalid_request", "{name}");
        assert_eq!(callback.get("iss"), s.app.issuer);
        assert_eq!(callback.get("state").is_empty(), name == "state", "a state that is not one is not sent back");
    }
    let twice = format!("{}&redirect_uri=https%3A%2F%2Fapp.example%2Fcb", s.rp.authorization(&[]).url);
    assert_eq!(s.browser.get(&twice).await.status, StatusCode::BAD_REQUEST);
    let (a, b) = ("https://api.example/a", "https://api.example/b");
    let resources = vec![a.to_owned(), b.to_owned()];
    s.app.app.store.write(move |tx| keyward::store::client::set_resources(tx, "app", &resources)).await.unwrap();
    let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("resource", a), ("resource", b)]).await;
    let tokens = s.rp.redeem(&authorization, callback.code()).await.tokens();
    assert_eq!(claims_of(&tokens.access_token)["aud"], serde_json::json!([a, b, s.app.issuer]));
}

#[tokio::test]
async fn an_altered_or_foreign_continuation_gets_a_page() {
    let s = stage().await;
    let login = s.browser.get(&s.rp.authorization(&[]).url).await;
    let sealed = login.attribute("input[name=request]", "value").unwrap();
    let altered = format!("{}{}", if sealed.starts_with('A') { 'B' } else { 'A' }, &sealed[1..]);
    for sealed in [altered.as_str(), "", "x", &"A".repeat(30_000)] {
        let page = s.browser.get(&s.app.url(&format!("/oauth/authorize?continue={sealed}"))).await;
        assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None));
    }
}

#[tokio::test]
async fn head_is_answered_like_get() {
    let s = stage().await;
    let answer = s.browser.send(s.browser.request(Method::HEAD, &s.rp.authorization(&[]).url)).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""));
}
