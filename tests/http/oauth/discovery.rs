//! Metadata (OpenID Connect Discovery §4, RFC 8414 §3).

use std::collections::BTreeSet;

use keyward::model::{client_auth::AuthMethod, grant_type::GrantType};
use serde_json::Value;

use crate::{
    stage::{ADA, redacted, stage},
    support::{
        TestApp,
        browser::{Browser, http},
        relying_party::{RelyingParty, send},
    },
};

fn names(metadata: &Value, member: &str) -> BTreeSet<String> {
    metadata[member].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn everything_that_is_supported_is_advertised_and_nothing_else() {
    let s = stage().await;
    let answer = send(s.rp.http.get(s.app.url("/.well-known/openid-configuration"))).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    let metadata = answer.json();
    let all = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    let grants = all(GrantType::ALL.iter().map(|grant| grant.as_str()).collect());
    assert_eq!(names(&metadata, "grant_types_supported"), grants);
    let methods = all(AuthMethod::ALL.iter().map(|method| method.as_str()).collect());
    assert_eq!(names(&metadata, "token_endpoint_auth_methods_supported"), methods);
    assert!(names(&metadata, "scopes_supported").contains("openid"));
    assert!(names(&metadata, "id_token_signing_alg_values_supported").contains("RS256"));
    insta::assert_json_snapshot!(redacted(&s.app, metadata), @r#"
    {
      "issuer": "[issuer]",
      "authorization_endpoint": "[issuer]/oauth/authorize",
      "token_endpoint": "[issuer]/oauth/token",
      "userinfo_endpoint": "[issuer]/oauth/userinfo",
      "jwks_uri": "[issuer]/oauth/jwks",
      "introspection_endpoint": "[issuer]/oauth/introspect",
      "revocation_endpoint": "[issuer]/oauth/revoke",
      "end_session_endpoint": "[issuer]/oauth/logout",
      "scopes_supported": [
        "openid",
        "profile",
        "email",
        "phone",
        "address",
        "offline_access"
      ],
      "response_types_supported": [
        "code"
      ],
      "response_modes_supported": [
        "query",
        "form_post"
      ],
      "grant_types_supported": [
        "authorization_code",
        "refresh_token",
        "client_credentials"
      ],
      "subject_types_supported": [
        "public"
      ],
      "id_token_signing_alg_values_supported": [
        "RS256",
        "ES256"
      ],
      "userinfo_signing_alg_values_supported": [
        "RS256",
        "ES256"
      ],
      "token_endpoint_auth_methods_supported": [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "none"
      ],
      "token_endpoint_auth_signing_alg_values_supported": [
        "RS256",
        "PS256",
        "ES256",
        "ES384",
        "EdDSA"
      ],
      "revocation_endpoint_auth_methods_supported": [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "none"
      ],
      "revocation_endpoint_auth_signing_alg_values_supported": [
        "RS256",
        "PS256",
        "ES256",
        "ES384",
        "EdDSA"
      ],
      "introspection_endpoint_auth_methods_supported": [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt"
      ],
      "introspection_endpoint_auth_signing_alg_values_supported": [
        "RS256",
        "PS256",
        "ES256",
        "ES384",
        "EdDSA"
      ],
      "code_challenge_methods_supported": [
        "S256"
      ],
      "acr_values_supported": [
        "keyward:password"
      ],
      "display_values_supported": [
        "page"
      ],
      "prompt_values_supported": [
        "none",
        "login",
        "consent",
        "select_account"
      ],
      "claim_types_supported": [
        "normal"
      ],
      "claims_supported": [
        "iss",
        "sub",
        "aud",
        "azp",
        "exp",
        "iat",
        "auth_time",
        "nonce",
        "acr",
        "amr",
        "at_hash",
        "sid",
        "name",
        "family_name",
        "given_name",
        "middle_name",
        "nickname",
        "preferred_username",
        "profile",
        "picture",
        "website",
        "gender",
        "birthdate",
        "zoneinfo",
        "locale",
        "updated_at",
        "email",
        "email_verified",
        "phone_number",
        "phone_number_verified",
        "address"
      ],
      "claims_parameter_supported": true,
      "request_parameter_supported": false,
      "request_uri_parameter_supported": false,
      "ui_locales_supported": [
        "en"
      ],
      "authorization_response_iss_parameter_supported": true
    }
    "#);
}

#[tokio::test]
async fn what_is_advertised_works() {
    let s = stage().await;
    s.tokens("openid").await;
    let metadata = send(s.rp.http.get(s.app.url("/.well-known/openid-configuration"))).await.json();
    for member in metadata.as_object().unwrap().keys().filter(|name| name.ends_with("_endpoint") || *name == "jwks_uri")
    {
        let url = metadata[member].as_str().unwrap();
        assert!(url.starts_with(&format!("{}/", s.app.issuer)));
        assert_ne!(send(s.rp.http.get(url)).await.status.as_u16(), 404, "{member}");
    }
    let works = async |parameter: &'static str, value: String| {
        let authorization = s.rp.authorization(&[(parameter, &value)]);
        let page = s.browser.open(&authorization.url).await;
        if value != "none" && page.location().is_none() && !page.has("#response-form") {
            assert_eq!(page.status.as_u16(), 200, "{parameter}={value}");
            return;
        }
        assert_eq!(page.callback().get("error"), "", "{parameter}={value}");
    };
    for (member, parameter) in [
        ("response_types_supported", "response_type"),
        ("response_modes_supported", "response_mode"),
        ("prompt_values_supported", "prompt"),
        ("display_values_supported", "display"),
        ("acr_values_supported", "acr_values"),
        ("scopes_supported", "scope"),
        ("ui_locales_supported", "ui_locales"),
    ] {
        for value in names(&metadata, member) {
            works(parameter, if parameter == "scope" && value != "openid" { format!("openid {value}") } else { value })
                .await;
        }
    }
    for grant in names(&metadata, "grant_types_supported") {
        let answer = s.rp.token(&[("grant_type", &grant)]).await;
        assert_ne!(answer.outcome(), "400 unsupported_grant_type", "{grant}");
    }
}

#[tokio::test]
async fn every_well_known_address_tells_the_same() {
    let app = TestApp::spawn().await;
    let http = http().build().unwrap();
    let oidc = send(http.get(app.url("/.well-known/openid-configuration"))).await;
    let oauth = send(http.get(app.url("/.well-known/oauth-authorization-server"))).await;
    assert_eq!(oidc.json(), oauth.json());
    assert_eq!(oidc.json()["issuer"], app.issuer.as_str());
}

#[tokio::test]
async fn an_issuer_with_a_path_is_found_before_and_after_the_path() {
    let app = TestApp::spawn_with(|config| config.issuer = Some("path:/auth/eu".to_owned())).await;
    let host = app.issuer.strip_suffix("/auth/eu").unwrap();
    let http = http().build().unwrap();
    for url in [
        format!("{}/.well-known/openid-configuration", app.issuer),
        format!("{host}/.well-known/openid-configuration/auth/eu"),
        format!("{host}/.well-known/oauth-authorization-server/auth/eu"),
    ] {
        let answer = send(http.get(&url)).await;
        assert_eq!(answer.status.as_u16(), 200, "{url}");
        assert_eq!(answer.json()["issuer"], app.issuer.as_str());
        assert_eq!(answer.json()["token_endpoint"], format!("{}/oauth/token", app.issuer));
    }
    // and the whole journey works there
    app.principal(ADA, &[], |_| {}).await;
    let rp = RelyingParty::new(&app, &app.client("app", &[], |_| {}).await);
    let tokens = rp.sign_in(&Browser::new(), ADA, "openid").await;
    assert!(rp.is_active(&tokens.access_token).await);
}

#[tokio::test]
async fn an_issuer_with_a_path_survives_a_restart() {
    let app = TestApp::spawn_with(|config| config.issuer = Some("path:/auth".to_owned())).await;
    let issuer = app.issuer.clone();
    assert_eq!(app.restart().await.issuer, issuer);
}

#[tokio::test]
async fn metadata_does_not_believe_the_host_header() {
    let app = TestApp::spawn().await;
    let request = http().build().unwrap().get(app.url("/.well-known/openid-configuration"));
    let request = request
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "host=evil.example;proto=https");
    let body = send(request).await.body;
    assert!(!body.contains("evil.example") && body.contains(&app.issuer), "{body}");
}
