//! `/resources/me/email/change` and `/resources/me/email/validate`

use std::time::Duration;

use keyward::store;
use serde_json::{Value, json};

use super::{ADA, Person, ada, password::at_once, steady};
use crate::{
    stage::suspend,
    support::{PASSWORD, TestApp, browser::Browser, relying_party::Answer},
};

const CHANGE: &str = "/resources/me/email/change";
const VALIDATE: &str = "/resources/me/email/validate";
const NEW: &str = "Ada@example.org";

/// Ada, whose application is trusted to send the secret itself.
async fn trusted() -> Person {
    trusted_on(TestApp::spawn().await).await
}

async fn trusted_on(app: TestApp) -> Person {
    app.role("house:mailer", &["me/email:verify"]).await;
    let ada = Box::pin(super::ada_on(app, &[], "me:*")).await;
    crate::stage::set_roles(&ada.app, "portal", &["house:mailer"]).await;
    ada
}

async fn secret(ada: &Person, email: &str) -> Value {
    let change = ada.api.post(CHANGE, json!({"email": email})).await.object(200);
    json!({"identityId": change["identityId"], "secret": change["secret"]})
}

async fn validate(ada: &Person, proof: &Value) -> Answer {
    ada.nobody().post(VALIDATE, proof.clone()).await
}

async fn email(ada: &Person) -> Value {
    let profile = ada.api.get("/resources/me").await.object(200);
    json!([profile["email"], profile["pendingEmail"]])
}

#[tokio::test]
async fn an_email_address_holds_once_it_is_proven() {
    let ada = trusted().await;
    let before = ada.api.get("/resources/me").await;
    let asked = ada.api.post(CHANGE, json!({"email": NEW})).await;
    assert_eq!(asked.header("cache-control"), "no-store");
    insta::assert_json_snapshot!(steady(asked.object(200)), @r#"
    {
      "email": "Ada@example.org",
      "identityId": "[identityId]",
      "secret": "[secret]"
    }
    "#);
    assert_eq!(email(&ada).await, json!([ADA, NEW]));
    assert_ne!(ada.api.get("/resources/me").await.header("etag"), before.header("etag"));
    let change = asked.json();
    assert_eq!(change["identityId"], ada.id.as_str());
    assert!(change["secret"].as_str().unwrap().starts_with("kwev_"));

    let proof = json!({"identityId": change["identityId"], "secret": change["secret"]});
    let proven = validate(&ada, &proof).await;
    assert_eq!((proven.said().as_str(), proven.body.as_str()), ("204", ""));
    assert_eq!(email(&ada).await, json!([NEW, null]));
    let id = ada.id.clone();
    let row = ada.app.app.store.read(move |conn| store::principal::find(conn, &id)).await.unwrap().unwrap();
    assert!(row.email_verified);
    // it works once; sessions stay, and the new address signs in
    assert_eq!(validate(&ada, &proof).await.said(), "422 VERIFICATION_INVALID");
    assert_eq!(ada.api.get("/resources/me/sessions").await.object(200)["totalCount"], 1);
    assert_eq!(Browser::new().sign_in(&ada.app, "ada@EXAMPLE.org", PASSWORD).await.status.as_u16(), 200);
    assert_eq!(Browser::new().sign_in(&ada.app, ADA, PASSWORD).await.status.as_u16(), 422);
    let events = [ada.audited("principal.email.change").await, ada.audited("principal.email.verify").await].concat();
    assert_eq!(events.len(), 2);
    assert!(!format!("{events:?}").contains("kwev_"), "no secrets in the audit log");
}

/// Attack 32: a token of Ada's proves no address that is not hers.
#[tokio::test]
async fn an_application_that_is_not_trusted_learns_no_secret() {
    let ada = ada().await;
    let refused = ada.api.post(CHANGE, json!({"email": NEW})).await;
    assert_eq!(refused.said(), "403 PERMISSION_MISSING");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("me/email:verify") && detail.contains("no outgoing mail"), "{detail}");
    assert_eq!(email(&ada).await, json!([ADA, null]));
    // what the person holds does not count, only what the application does
    ada.app.role("house:mailer", &["me/email:verify"]).await;
    crate::stage::set_roles(&ada.app, &ada.id, &["house:mailer"]).await;
    assert_eq!(ada.api.post(CHANGE, json!({"email": NEW})).await.said(), "403 PERMISSION_MISSING");
    crate::stage::set_roles(&ada.app, "portal", &["house:mailer"]).await;
    assert_eq!(ada.api.post(CHANGE, json!({"email": NEW})).await.said(), "200");
    crate::stage::set_roles(&ada.app, "portal", &[]).await;
    assert_eq!(ada.api.post(CHANGE, json!({"email": NEW})).await.said(), "403 PERMISSION_MISSING");
}

/// Attack 25: who asks learns nothing about others.
#[tokio::test]
async fn asking_for_an_address_does_not_tell_whether_somebody_has_it() {
    let ada = trusted().await;
    ada.app.principal("grace@example.com", &[], |_| {}).await;
    let mut free = ada.api.post(CHANGE, json!({"email": "nobody@example.com"})).await.object(200);
    let mut taken = ada.api.post(CHANGE, json!({"email": "GRACE@example.com"})).await.object(200);
    let proof = json!({"identityId": taken["identityId"], "secret": taken["secret"]});
    for document in [&mut free, &mut taken] {
        document["secret"] = json!(document["secret"].as_str().unwrap().len());
        document["email"] = json!("");
    }
    assert_eq!(free, taken);
    // only the proof tells, and is not used up by it
    let conflict = validate(&ada, &proof).await;
    assert_eq!(conflict.said(), "409 EMAIL_IN_USE");
    assert_eq!(email(&ada).await, json!([ADA, "GRACE@example.com"]));
    assert_eq!(validate(&ada, &proof).await.said(), "409 EMAIL_IN_USE");
}

/// Attack 24: wrong, used, replaced, expired, another's, of another kind, of somebody who is suspended.
#[tokio::test]
async fn every_proof_that_proves_nothing_gets_the_same_answer() {
    let ada = trusted().await;
    let grace = ada.app.principal("grace@example.com", &[], |_| {}).await.id;
    let first = secret(&ada, NEW).await;
    let second = secret(&ada, "other@example.org").await;
    let mut bodies = Vec::new();
    let text = second["secret"].as_str().unwrap();
    for proof in [
        first.clone(),
        json!({"identityId": grace, "secret": second["secret"]}),
        json!({"identityId": "0190a3c2-7b00-7000-8000-000000000001", "secret": second["secret"]}),
        json!({"identityId": "not an id", "secret": second["secret"]}),
        json!({"identityId": ada.id, "secret": ""}),
        json!({"identityId": ada.id, "secret": format!("{text}A")}),
        json!({"identityId": ada.id, "secret": text.to_ascii_uppercase()}),
        json!({"identityId": ada.id, "secret": text.replace("kwev_", "kwsu_")}),
        json!({"identityId": ada.id, "secret": &text[..text.len() - 1]}),
    ] {
        let answer = validate(&ada, &proof).await;
        assert_eq!(answer.said(), "422 VERIFICATION_INVALID", "{proof}");
        bodies.push(steady(answer.json()));
    }
    ada.app.advance(Duration::from_secs(24 * 3600));
    let expired = validate(&ada, &second).await;
    assert_eq!(expired.said(), "422 VERIFICATION_INVALID");
    bodies.push(steady(expired.json()));
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    for (body, said) in [
        (json!({"identityId": ada.id}), "400 FIELD_MALFORMED"),
        (json!({"identityId": ada.id, "secret": "x", "email": "x"}), "400 UNKNOWN_FIELD"),
        (Value::Null, "400 BODY_MALFORMED"),
    ] {
        assert_eq!(ada.nobody().post(VALIDATE, body).await.said(), said);
    }
}

#[tokio::test]
async fn a_proof_of_somebody_who_is_suspended_proves_nothing_for_good() {
    let ada = trusted().await;
    let proof = secret(&ada, NEW).await;
    suspend(&ada.app, &ada.id).await;
    assert_eq!(validate(&ada, &proof).await.said(), "422 VERIFICATION_INVALID");
    let id = ada.id.clone();
    ada.app.app.store.write(move |tx| store::principal::set_suspended(tx, &id, None)).await.unwrap();
    assert_eq!(validate(&ada, &proof).await.said(), "422 VERIFICATION_INVALID");
}

#[tokio::test]
async fn a_new_password_drops_the_change_that_waits() {
    let ada = trusted().await;
    let proof = secret(&ada, NEW).await;
    let body = json!({"currentPassword": PASSWORD, "newPassword": "Seven-purple-teapots-9"});
    assert_eq!(ada.api.post("/resources/me/password", body).await.said(), "204");
    assert_eq!(email(&ada).await, json!([ADA, null]));
    assert_eq!(validate(&ada, &proof).await.said(), "422 VERIFICATION_INVALID");
}

#[tokio::test]
async fn a_change_that_has_expired_is_not_shown() {
    let ada = trusted().await;
    let _ = secret(&ada, NEW).await;
    let id = ada.id.clone();
    let at = ada.app.now();
    let profile = |after: Duration| {
        let id = id.clone();
        ada.app.app.store.read(move |conn| keyward::directory::profile::get(conn, &id, at + after))
    };
    let (before, after) =
        (profile(Duration::ZERO).await.unwrap(), profile(Duration::from_secs(24 * 3600)).await.unwrap());
    assert_eq!((before.pending_email.as_deref(), after.pending_email.as_deref()), (Some(NEW), None));
    assert_ne!(before.e_tag, after.e_tag, "what looks different is another version");
}

#[tokio::test]
async fn bad_addresses_are_refused() {
    let ada = trusted().await;
    for (body, said) in [
        (json!({"email": "ada"}), "422 FIELD_INVALID"),
        (json!({"email": "Ada <ada@x.org>"}), "422 FIELD_INVALID"),
        (json!({"email": "a@x.org\r\nBcc: b@x.org"}), "422 FIELD_INVALID"),
        (json!({"email": format!("{}@example.com", "a".repeat(300))}), "422 FIELD_INVALID"),
        (json!({"email": null}), "400 FIELD_MALFORMED"),
        (json!({}), "400 FIELD_MALFORMED"),
        (json!({"email": NEW, "secret": "x"}), "400 UNKNOWN_FIELD"),
    ] {
        assert_eq!(ada.api.post(CHANGE, body.clone()).await.said(), said, "{body}");
    }
    assert_eq!(email(&ada).await, json!([ADA, null]));
}

#[tokio::test]
async fn guessing_secrets_from_one_address_is_slowed_down() {
    let app = TestApp::spawn_with(|config| config.login.free_attempts_address = 3).await;
    let ada = trusted_on(app).await;
    let proof = secret(&ada, NEW).await;
    let wrong = json!({"identityId": ada.id, "secret": "x"});
    for _ in 0..3 {
        assert_eq!(validate(&ada, &wrong).await.said(), "422 VERIFICATION_INVALID");
    }
    let blocked = validate(&ada, &proof).await;
    assert_eq!((blocked.said().as_str(), blocked.header("retry-after")), ("429 TOO_MANY_REQUESTS", "1"));
    // the counter is not the login's
    assert_eq!(Browser::new().sign_in(&ada.app, ADA, PASSWORD).await.status.as_u16(), 200);
    ada.app.advance(Duration::from_secs(1));
    assert_eq!(validate(&ada, &proof).await.said(), "204");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_prove_at_once_one_wins() {
    let app = TestApp::spawn_with(|config| {
        config.workers = Some(4);
        config.login.free_attempts_address = 1000;
    })
    .await;
    let ada = trusted_on(app).await;
    for round in 0..3 {
        let proof = secret(&ada, &format!("ada{round}@example.org")).await;
        let said = at_once(&ada, 20, |api, _| {
            let proof = proof.clone();
            async move { api.post(VALIDATE, proof).await.said() }
        })
        .await;
        assert_eq!(said.iter().filter(|said| *said == "204").count(), 1, "{said:?}");
        assert_eq!(said.iter().filter(|said| *said == "422 VERIFICATION_INVALID").count(), 19, "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_prove_the_same_address_at_once_one_has_it() {
    let app = TestApp::spawn_with(|config| {
        config.workers = Some(4);
        config.login.free_attempts_address = 1000;
    })
    .await;
    let ada = trusted_on(app).await;
    let mut proofs = vec![secret(&ada, NEW).await];
    for n in 0..7 {
        let email = format!("rival{n}@example.com");
        let id = ada.app.principal(&email, &[], |_| {}).await.id;
        let tokens = ada.rp.sign_in(&Browser::new(), &email, "openid me:*").await;
        let api = crate::support::api::Api::new(&ada.app, &tokens.access_token, &id);
        let change = api.post(CHANGE, json!({"email": NEW.to_lowercase()})).await.object(200);
        proofs.push(json!({"identityId": id, "secret": change["secret"]}));
    }
    let said = at_once(&ada, proofs.len(), |api, n| {
        let proof = proofs[n].clone();
        async move { api.post(VALIDATE, proof).await.said() }
    })
    .await;
    assert_eq!(said.iter().filter(|said| *said == "204").count(), 1, "{said:?}");
    assert_eq!(said.iter().filter(|said| *said == "409 EMAIL_IN_USE").count(), 7, "{said:?}");
}

#[tokio::test]
async fn a_request_that_is_made_again_gets_the_same_secret() {
    let ada = trusted().await;
    let ask = |email: &'static str| {
        ada.api.send(reqwest::Method::POST, CHANGE, &[("idempotency-key", "k1")], json!({"email": email}))
    };
    let (first, again) = (ask(NEW).await.object(200), ask(NEW).await.object(200));
    assert_eq!(first, again);
    assert_eq!(ask("x@example.org").await.said(), "422 IDEMPOTENCY_KEY_REUSED");
    let proof = json!({"identityId": first["identityId"], "secret": first["secret"]});
    assert_eq!(validate(&ada, &proof).await.said(), "204");
}
