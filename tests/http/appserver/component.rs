//! A client that acts for itself: its session ends with its secret, its suspension, itself.

use keyward::model::{client_auth::AuthMethod, grant_type::GrantType};
use serde_json::Value;

use super::{Program, ROLE, by, stage, told};
use crate::support::{TestApp, TestClient, api::Api, relying_party::RelyingParty};

fn auth(client: &TestClient) -> String {
    by("ComponentAuthenticator", &[("ClientId", &client.client.id), ("ClientSecret", &client.secret)])
}

async fn service(app: &TestApp, id: &str) -> TestClient {
    app.client(id, &[ROLE], |client| client.scopes = Default::default()).await
}

#[tokio::test]
async fn a_client_signs_in_by_its_secret() {
    let app = stage().await;
    let client = service(&app, "jobs").await;
    let program = Program::new(&app);
    let answer = program.login(&auth(&client)).await.json();
    assert_eq!(
        (&answer["claims"]["id"], &answer["claims"]["useruid"], &answer["userName"]),
        (&"jobs".into(), &"jobs".into(), &"Client jobs".into())
    );
    assert_eq!(program.who().await, "jobs");
    app.client("weak", &[], |_| {}).await;
    let login = |id: &str, secret: &str| by("ComponentAuthenticator", &[("ClientId", id), ("ClientSecret", secret)]);
    let post = app.client("post", &[ROLE], |client| client.auth_method = AuthMethod::ClientSecretPost).await;
    let keys = app.client("keys", &[ROLE], |client| client.auth_method = AuthMethod::PrivateKeyJwt).await;
    let code_only = app.client("code", &[ROLE], |client| client.grant_types = vec![GrantType::AuthorizationCode]).await;
    let public = app.client("public", &[ROLE], |client| client.auth_method = AuthMethod::None).await;
    let weak = app.client("no-access", &[], |_| {}).await;
    for (auth, expected) in [
        (auth(&post), "post"),
        (auth(&keys), "401 1101"),
        (auth(&code_only), "401 1101"),
        (auth(&public), "401 1101"),
        (auth(&weak), "401 1104"),
        (login("jobs", "wrong"), "401 1101"),
        (login("nobody", &client.secret), "401 1101"),
        (login("no such/id", &client.secret), "401 1101"),
        (login("post", &client.secret), "401 1101"),
    ] {
        assert_eq!(told(&Program::new(&app).login(&auth).await), expected, "{auth}");
    }
}

#[tokio::test]
async fn it_ends_with_what_it_was_opened_with() {
    let app = stage().await;
    let owner = Api::owner(&app).await;
    let client = service(&app, "jobs").await;
    let path = "/resources/iam/clients/jobs";

    let program = Program::new(&app);
    assert_eq!(told(&program.login(&auth(&client)).await), "jobs");
    assert_eq!(program.post("/auth/logout", Value::Null).await.status, 200);
    assert_eq!(program.who().await, "401 1103");

    assert_eq!(told(&program.login(&auth(&client)).await), "jobs");
    // within the same second
    app.advance(std::time::Duration::from_millis(100));
    owner.post(&format!("{path}/suspend"), Value::Null).await.object(200);
    assert_eq!(program.who().await, "401 1103");
    assert_eq!(told(&Program::new(&app).login(&auth(&client)).await), "401 1101");
    owner.post(&format!("{path}/unsuspend"), Value::Null).await.object(200);
    assert_eq!(program.who().await, "401 1103", "what was opened before does not come back");

    app.advance(std::time::Duration::from_secs(2));
    assert_eq!(told(&program.login(&auth(&client)).await), "jobs");
    let secrets = owner.get(&format!("{path}/secrets")).await.object(200);
    let secret = secrets["secrets"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(owner.delete(&format!("{path}/secrets/{secret}")).await.said(), "204");
    assert_eq!(program.who().await, "401 1103");

    let other = service(&app, "others").await;
    assert_eq!(told(&program.login(&auth(&other)).await), "others");
    app.advance(std::time::Duration::from_secs(12 * 3600));
    assert_eq!(program.who().await, "401 1103", "after its time");
    assert_eq!(told(&program.login(&auth(&other)).await), "others");
    assert_eq!(owner_of(&app).await.delete("/resources/iam/clients/others").await.said(), "204");
    assert_eq!(program.who().await, "401 1103");
}

/// Another owner, whose token is younger.
async fn owner_of(app: &TestApp) -> Api {
    Api::service(app, "another-owner", &["system:owner"], |_| {}).await
}

#[tokio::test]
async fn a_clients_own_token_is_a_session_of_the_client() {
    let app = stage().await;
    let client = service(&app, "jobs").await;
    let rp = RelyingParty::new(&app, &client);
    let token = rp.client_credentials("").await.tokens().access_token;
    let program = Program::new(&app);
    assert_eq!(told(&program.who_by(&token).await), "jobs");
    let narrowed = rp.client_credentials("appserver/api:access").await.tokens().access_token;
    assert_eq!(told(&program.who_by(&narrowed).await), "jobs");
    assert_eq!(rp.revoke(&token).await.status, 200);
    assert_eq!(told(&program.who_by(&token).await), "401 1105");
    assert_eq!(told(&program.who_by(&narrowed).await), "jobs");
    app.advance(std::time::Duration::from_secs(2));
    let owner = Api::owner(&app).await;
    owner.post("/resources/iam/clients/jobs/suspend", Value::Null).await.object(200);
    assert_eq!(told(&program.who_by(&narrowed).await), "401 1105");
}
