//! Addresses to which people are sent, and answers on their way there.

use std::{collections::BTreeSet, time::Duration};

use reqwest::{Method, StatusCode, Url};

use super::{FORM, exchange, get};
use crate::{
    stage::{ADA, public, stage, stage_with},
    support::{
        PASSWORD,
        browser::Browser,
        relying_party::{basic, send},
    },
};

/// Addresses that look like `https://app.example/cb` to somebody who does not compare them.
const LOOKALIKES: [&str; 31] = [
    "https://evil.example/cb",
    "https://ok@app.example/cb",
    "https://app.example@evil.example/cb",
    "https://a@b@app.example/cb",
    "https://app.example\\@evil.example/cb",
    "https://app.example%25@evil.example/cb",
    "https://app.example%2540evil.example/cb",
    "https://app.example/cb/",
    "https://app.example/cb/../cb",
    "https://app.example/x/..;/cb",
    "https://app.example/x%2f..%2fcb",
    "https://app.example//cb",
    "https://app.example/CB",
    "https://APP.example/cb",
    "HTTPS://app.example/cb",
    "http://app.example/cb",
    "https://app.example/cb?x=1",
    "https://app.example/cb?",
    "https://app.example/cb#",
    "https://app.example/cb#fragment",
    "https://app.example:443/cb",
    "https://app.example:80/cb",
    "https://app.example./cb",
    "https://app.example/cb\t",
    "https://app.example/cb\n",
    " https://app.example/cb",
    "//app.example/cb",
    "https:app.example/cb",
    "https://app.example.evil.example/cb",
    "javascript:alert(1)//https://app.example/cb",
    "data:text/html,https://app.example/cb",
];

// 1, 2
#[tokio::test]
async fn a_redirect_uri_that_is_not_the_registered_string_never_gets_a_redirect() {
    let s = stage().await;
    s.tokens("openid").await;
    for uri in LOOKALIKES.into_iter().chain([&*"https://app.example/cb".repeat(1500)]) {
        for extra in [("x", "y"), ("response_mode", "form_post"), ("prompt", "none"), ("response_type", "token")] {
            let url = s.rp.authorization(&[("redirect_uri", uri), extra]).url;
            let page = s.browser.get(&url).await;
            assert!(page.status.is_client_error(), "{uri:.80} {extra:?}: {}", page.status);
            assert_eq!(page.location(), None, "{uri:.80} {extra:?}");
            assert!(!page.has("#response-form"));
        }
    }
    let nul = format!("{}%00", s.rp.authorization(&[]).url);
    let nul = s.browser.get(&nul.replace("app.example%2Fcb", "app.example%2Fcb%00")).await;
    assert_eq!((nul.status, nul.location()), (StatusCode::BAD_REQUEST, None));
    let url = s.rp.authorization(&[("redirect_uri", "")]).url;
    for name in ["redirect_uri[]", "redirect_uri%5B0%5D", "Redirect_Uri"] {
        let callback = s.browser.get(&format!("{url}&{name}=https%3A%2F%2Fevil.example")).await.callback();
        assert_eq!(callback.url.host_str(), Some("app.example"), "{name}");
    }
}

// 3
#[tokio::test]
async fn a_loopback_registration_lets_no_other_host_through() {
    let registered = ["http://127.0.0.1/cb", "http://localhost:3000/cb", "http://[::1]/cb"];
    let s = stage_with(|_| {}, |client| client.redirect_uris = registered.map(str::to_owned).to_vec()).await;
    for uri in [
        "http://localhost.evil.example/cb",
        "http://127.0.0.1.nip.io/cb",
        "http://127.0.0.1:80@evil.example/cb",
        "http://127.0.0.2/cb",
        "http://127.1/cb",
        "http://0/cb",
        "http://[::ffff:7f00:1]/cb",
        "https://localhost:3000/cb",
        "http://localhost:3000/cb/..",
        "http://localhost:99999/cb",
    ] {
        let page = s.browser.get(&s.rp.authorization(&[("redirect_uri", uri)]).url).await;
        assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None), "{uri}");
    }
    for uri in ["http://localhost:54321/cb", "http://[::1]:8/cb", "http://127.0.0.1:9/cb"] {
        assert!(s.browser.open(&s.rp.authorization(&[("redirect_uri", uri)]).url).await.has("#login-form"), "{uri}");
    }
}

// 6
#[tokio::test]
async fn a_repeated_parameter_is_refused_everywhere() {
    let s = stage().await;
    let tokens = s.tokens("openid").await;
    let (header, http) = (basic("app", &s.rp.client.secret), &s.rp.http);
    for (path, good) in [
        ("/oauth/token", "grant_type=client_credentials".to_owned()),
        ("/oauth/introspect", format!("token={}", tokens.access_token)),
        ("/oauth/revoke", format!("token={}", tokens.refresh_token)),
    ] {
        for extra in ["client_id=app&client_id=app", "x=1&x=2", good.as_str()] {
            let request = http.post(s.app.url(path)).header("authorization", &header);
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            let answer = send(request.body(format!("{good}&{extra}"))).await;
            assert_eq!(answer.outcome(), "400 invalid_request", "{path} {extra:.40}");
        }
    }
    assert!(s.rp.is_active(&tokens.refresh_token).await);
}

// 7
#[tokio::test]
async fn an_answer_carries_no_fragment_along_and_no_password_is_posted_on() {
    let s = stage().await;
    let page = s.browser.open(&s.rp.authorization(&[]).url).await;
    let next = s.browser.submit(&page, "sign-in", &[("username", ADA), ("password", PASSWORD)]).await;
    assert_eq!(next.status, StatusCode::SEE_OTHER);
    let consent = s.browser.follow(next).await;
    let answer = s.browser.submit(&consent, "allow", &[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let location = answer.header("location");
    assert!(location.starts_with("https://app.example/cb?code=") && location.ends_with('#'), "{location}");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    let error = s.browser.get(&s.rp.authorization(&[("response_type", "token")]).url).await;
    assert!(error.header("location").ends_with('#'));
}

// RFC 8252 §8.6: another application can take a private-use scheme
#[tokio::test]
async fn a_public_client_with_a_scheme_of_its_own_is_asked_for_each_time() {
    let s = stage_with(
        |_| {},
        |client| {
            public(client);
            client.redirect_uris = vec!["com.example.app:/cb".to_owned()];
        },
    )
    .await;
    s.tokens("openid").await;
    let silent = s.browser.open(&s.rp.authorization(&[("prompt", "none")]).url).await;
    assert_eq!(silent.callback().get("error"), "consent_required");
}

/// What may be put between two characters of an address so that some reader sees another one.
const INSERTED: [&str; 29] = [
    "\t", "\n", "\r", "\0", " ", "%00", "%09", "%0a", "%20", "%2e", "%2f", "%5c", "%23", "%3f", "%40", "\\", "/", "@",
    ":", ".", ";", "*", "'", "\"", "/../", "..;/", "\u{200b}", "\u{ff0e}", "\u{e9}",
];

// 1, 2
#[tokio::test]
async fn no_change_of_one_character_to_a_redirect_uri_is_accepted() {
    let s = stage().await;
    s.tokens("openid").await;
    let good = "https://app.example/cb";
    let mut changed = BTreeSet::new();
    for at in 0..=good.len() {
        let (before, after) = good.split_at(at);
        changed.extend(INSERTED.iter().map(|text| format!("{before}{text}{after}")));
        let Some(c) = after.chars().next() else { continue };
        let rest = &after[1..];
        changed.extend([
            format!("{before}{rest}"),
            format!("{before}{c}{c}{rest}"),
            format!("{before}{}{rest}", c.to_ascii_uppercase()),
            format!("{before}%{:02x}{rest}", u32::from(c)),
            format!("{before}%25{:02x}{rest}", u32::from(c)),
            // the same letter of another script, as far as it looks
            format!("{before}{}{rest}", char::from_u32(u32::from(c) + 0xfee0).unwrap()),
        ]);
    }
    changed.remove(good);
    assert!(changed.len() > 700, "{}", changed.len());
    for uri in changed {
        let page = s.browser.get(&s.rp.authorization(&[("redirect_uri", &uri)]).url).await;
        assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None), "{uri:?}");
        assert!(!page.has("#response-form"), "{uri:?}");
    }
    s.browser.get(&s.rp.authorization(&[]).url).await.callback().code();
}

// 1, 2
#[tokio::test]
async fn lookalikes_are_refused_by_post_and_at_the_logout_too() {
    let s = stage().await;
    let hint = s.tokens("openid").await.id_token;
    for uri in LOOKALIKES {
        let authorization = s.rp.authorization(&[("redirect_uri", uri)]);
        let fields: Vec<(&str, &str)> = authorization.parameters.iter().map(|(n, v)| (&**n, &**v)).collect();
        let page = s.browser.post(&s.app.url("/oauth/authorize"), &fields).await;
        assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None), "{uri:?}");
        let bye = uri.replace("/cb", "/bye").replace("/CB", "/BYE");
        for proof in [("id_token_hint", hint.as_str()), ("client_id", "app")] {
            let fields = [proof, ("post_logout_redirect_uri", &bye)];
            let url = Url::parse_with_params(&s.app.url("/oauth/logout"), fields).unwrap();
            for page in [s.browser.get(url.as_str()).await, s.browser.post(&s.app.url("/oauth/logout"), &fields).await]
            {
                assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None), "{bye:?}");
            }
        }
    }
    assert!(s.browser.open(&s.app.url("/account")).await.has("#sign-out"), "and nobody was signed out");
}

// 2, 6
#[tokio::test]
async fn what_stands_in_the_other_half_of_a_request_does_not_count() {
    let s = stage().await;
    s.tokens("openid").await;
    let evil = "redirect_uri=https%3A%2F%2Fevil.example%2Fcb&client_id=app&response_mode=form_post";
    let authorization = s.rp.authorization(&[]);
    let fields: Vec<(&str, &str)> = authorization.parameters.iter().map(|(n, v)| (&**n, &**v)).collect();
    // a query besides the body, beside what is sealed, and a body besides the query
    let posted = s.browser.post(&format!("{}?{evil}", s.app.url("/oauth/authorize")), &fields).await;
    let sealed = posted.location().unwrap();
    assert_eq!(sealed.path(), "/oauth/authorize");
    let bare = s.browser.get(&format!("{sealed}&{evil}")).await;
    let twice = s.browser.get(&format!("{sealed}&continue=AAAA")).await;
    let request = s.browser.request(Method::GET, &authorization.url).header("content-type", FORM).body(evil);
    for page in [s.browser.follow(posted).await, bare, twice, s.browser.send(request).await] {
        let callback = page.callback();
        assert_eq!((callback.url.host_str(), callback.form_post), (Some("app.example"), false));
        s.rp.check(&authorization, &callback);
        callback.code();
    }
    let first = s.browser.get(&s.app.url(&format!("/oauth/authorize?continue=AAAA&{}", sealed.query().unwrap()))).await;
    assert_eq!((first.status, first.location()), (StatusCode::BAD_REQUEST, None));
    // nor does the token endpoint add up query and body
    let url = format!("{}?grant_type=client_credentials&scope=openid", s.app.url("/oauth/token"));
    let request = s.rp.http.post(url).header("authorization", basic("app", &s.rp.client.secret));
    assert_eq!(send(request.form(&[("grant_type", "refresh_token")])).await.outcome(), "400 invalid_request");
}

// 7
#[tokio::test]
async fn every_form_with_a_credential_is_answered_by_303() {
    let s = stage().await;
    let expires = s.app.now() + Duration::from_secs(3600);
    s.app
        .principal("new@example.com", &[], |new| {
            new.password_temporary = true;
            new.password_expires_at = Some(expires);
        })
        .await;
    let link = keyward::identity::setup::mint_link(&s.app.app.store, s.app.now()).await.unwrap();
    let chosen = "Quite-another-43-lantern";
    let (fresh, first) = (Browser::new(), Browser::new());
    let mut answers = Vec::new();

    let page = fresh.open(&s.app.url("/login")).await;
    answers.push(fresh.submit(&page, "sign-in", &[("username", "new@example.com"), ("password", PASSWORD)]).await);
    let page = fresh.follow(answers[0].clone()).await;
    answers.push(
        fresh.submit(&page, "save-password", &[("new_password", chosen), ("password_confirmation", chosen)]).await,
    );
    let page = first.open(&s.app.url(&format!("/setup?token={}", link.reveal()))).await;
    let owner = [
        ("name", "Owner"),
        ("email", "owner@example.com"),
        ("new_password", chosen),
        ("password_confirmation", chosen),
    ];
    answers.push(first.submit(&page, "create-owner", &owner).await);
    s.browser.sign_in(&s.app, ADA, PASSWORD).await;
    let page = s.browser.open(&s.app.url("/password")).await;
    let fields = [("current_password", PASSWORD), ("new_password", chosen), ("password_confirmation", chosen)];
    answers.push(s.browser.submit(&page, "save-password", &fields).await);
    let page = s.browser.open(&s.app.url("/account")).await;
    answers.push(s.browser.submit(&page, "sign-out", &[]).await);
    // those that lead to the application
    let page = s.browser.open(&s.rp.authorization(&[]).url).await;
    let page = s.browser.press(&page, "sign-in", &[("username", ADA), ("password", chosen)]).await;
    let allowed = s.browser.submit(&page, "allow", &[]).await;
    let again = s.browser.open(&s.rp.authorization(&[("prompt", "login")]).url).await;
    let signed_in = s.browser.submit(&again, "sign-in", &[("username", ADA), ("password", chosen)]).await;
    let own = answers.iter().map(|answer| (answer, s.app.issuer.as_str()));
    let away = [&allowed, &signed_in].map(|answer| (answer, "https://app.example"));
    for (answer, origin) in own.chain(away) {
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.url);
        let location = answer.location().unwrap();
        assert_eq!(location.origin().ascii_serialization(), origin, "{location}");
        assert!(!location.as_str().contains("lantern") && !location.as_str().contains("battery"), "{location}");
    }
}

// 2, 34
#[tokio::test]
async fn nothing_that_is_sent_along_becomes_a_header_of_the_answer() {
    let s = stage().await;
    let hint = s.tokens("openid").await.id_token;
    let hostile = "%0d%0ax-injected:%201%0d%0a%0d%0a%3Cscript%3E";
    let path = |url: String| url[s.app.issuer.len()..].to_owned();
    let good = path(s.rp.authorization(&[("prompt", "none"), ("state", "")]).url);
    let targets = [
        format!("{good}&state={hostile}"),
        format!("{good}&state={hostile}&max_age=soon"),
        format!("{good}&ui_locales={hostile}&{hostile}={hostile}"),
        good.replace("client_id=app", &format!("client_id=app{hostile}")),
        good.replace("scope=openid", &format!("scope={hostile}")),
        format!("/oauth/logout?id_token_hint={hint}&post_logout_redirect_uri=https://app.example/bye&state={hostile}"),
        format!("/login?request={hostile}"),
        format!("/{hostile}"),
        format!("/resources/iam/roles/{hostile}"),
        format!("/AppServer/appserver/authmodules/{hostile}"),
    ];
    let cookie = format!("keyward_session_{}={}", s.port(), s.browser.cookie(&s.app, "keyward_session").unwrap());
    for target in targets {
        for accept in ["text/html", "application/json"] {
            let answer = exchange(&s.app, &get(&target, &format!("accept: {accept}\r\ncookie: {cookie}\r\n"))).await;
            let (head, _) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{target}: {answer}"));
            assert!(!head.to_ascii_lowercase().contains("\nx-injected"), "{target}: {head}");
            assert!(!head.contains('<'), "{target}: {head}");
        }
    }
}
