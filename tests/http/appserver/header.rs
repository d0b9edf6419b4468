//! Whom a proxy names in a header: believed from the configured ones, and from nobody else.

use keyward::config::HeaderField;
use reqwest::Method;
use serde_json::json;

use super::{ADA, Program, ROLE, stage, stage_with, told};
use crate::{
    stage::suspend,
    support::{TestApp, api::Api, relying_party::Answer},
};

async fn behind(proxies: &str, field: HeaderField) -> TestApp {
    let proxies = proxies.parse().unwrap();
    stage_with(move |config| {
        config.appserver.header = Some("X-Remote-User".to_owned());
        config.appserver.header_field = field;
        config.appserver.header_proxies = vec![proxies];
    })
    .await
}

async fn login(app: &TestApp, headers: &[(&str, &str)]) -> Answer {
    let body = json!({ "authString": "Module=RoleBasedHTTPHeader" });
    Program::new(app).send(Method::POST, "/auth/apphost", headers, body).await
}

#[tokio::test]
async fn a_configured_proxy_is_believed() {
    let app = behind("127.0.0.1/32", HeaderField::Email).await;
    let bob = app.principal("bob@example.com", &[ROLE], |bob| bob.password_hash = None).await;
    app.principal("eve@example.com", &[], |_| {}).await;
    for (headers, expected) in [
        (&[("x-remote-user", ADA)][..], ADA),
        (&[("X-Remote-User", "  ADA@Example.com ")], ADA),
        (&[("x-remote-user", "bob@example.com")], "bob@example.com"),
        (&[("x-remote-user", "eve@example.com")], "401 1104"),
        (&[("x-remote-user", "nobody@example.com")], "401 1101"),
        (&[("x-remote-user", "")], "401 1101"),
        (&[("x-remote-user", bob.id.as_str())], "401 1101"),
        (&[], "401 1101"),
        (&[("x-other-user", ADA)], "401 1101"),
        // the proxy's and the client's own
        (&[("x-remote-user", "bob@example.com"), ("x-remote-user", ADA)], "401 1101"),
    ] {
        assert_eq!(told(&login(&app, headers).await), expected, "{headers:?}");
    }
    let list = Api::owner(&app).await.get(&format!("/resources/iam/principals/{}/sessions", bob.id)).await.object(200);
    assert_eq!(list["sessions"][0]["authenticationMethods"], json!([]), "how, the proxy does not say");
    suspend(&app, &bob.id).await;
    assert_eq!(told(&login(&app, &[("x-remote-user", "bob@example.com")]).await), "401 1101");
    // the header opens a session, and is none
    let asked = Program::new(&app).send(Method::GET, "/auth", &[("x-remote-user", ADA)], json!(null)).await;
    assert_eq!(told(&asked), "401 1103");
}

#[tokio::test]
async fn nobody_else_is() {
    let app = behind("10.0.0.0/8", HeaderField::Email).await;
    for headers in [
        &[("x-remote-user", ADA)][..],
        &[("x-remote-user", ADA), ("x-forwarded-for", "10.0.0.1")],
        &[("x-remote-user", ADA), ("forwarded", "for=10.0.0.1")],
    ] {
        assert_eq!(told(&login(&app, headers).await), "401 1101", "{headers:?}");
    }
    // a proxy whose X-Forwarded-For is believed is not by that one that says who somebody is
    let app = stage_with(|config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        config.appserver.header = Some("X-Remote-User".to_owned());
        config.appserver.header_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    })
    .await;
    let headers = [("x-remote-user", ADA), ("x-forwarded-for", "10.0.0.1")];
    assert_eq!(told(&login(&app, &headers).await), "401 1101");
    let app = stage().await;
    assert_eq!(told(&login(&app, &[("x-remote-user", ADA)]).await), "400 1003", "it is not configured");
}

#[tokio::test]
async fn the_header_may_name_the_id() {
    let app = behind("127.0.0.1/32", HeaderField::Id).await;
    let bob = app.principal("bob@example.com", &[ROLE], |_| {}).await;
    assert_eq!(told(&login(&app, &[("x-remote-user", &bob.id.to_uppercase())]).await), "bob@example.com");
    for other in ["bob@example.com", "6ba7b810-9dad-41d1-80b4-00c04fd430c8"] {
        assert_eq!(told(&login(&app, &[("x-remote-user", other)]).await), "401 1101", "{other}");
    }
}
