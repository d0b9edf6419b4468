//! From an administrator's first request to a person who uses the application, with the mail in between.

use serde_json::json;

use crate::{
    chrome::wait_for,
    scene::Scene,
    support::{
        api::Api,
        smtp::{self, Smtp},
    },
};

const GRACE: &str = "grace@example.com";
const NEW_PASSWORD: &str = "Violet-harbour-91-lantern";

#[tokio::test]
async fn a_person_is_invited_by_mail_chooses_a_password_and_signs_in() {
    let Some(mut smtp) = Smtp::start() else { return };
    let Some(scene) = Scene::sending_by(&smtp).await else { return };
    let owner = Api::owner(&scene.server).await;
    scene.server.role("support:agent", &["tickets:read"]).await;

    let id = "0190a3c2-7b00-7000-8000-00000000beef";
    let person = format!("/resources/iam/principals/{id}");
    let made = owner.put(&person, json!({ "name": "Grace Hopper", "email": GRACE })).await.object(201);
    assert_eq!((&made["passwordLogin"], &made["roles"]), (&json!(false), &json!([])));
    let given = owner.put(&format!("{person}/roles"), json!({ "roles": ["support:agent"] })).await.object(200);
    assert_eq!(given["roles"], json!(["support:agent"]));
    let reset = owner.post(&format!("{person}/password/reset"), json!({})).await.object(200);
    let temporary = reset["temporaryPassword"].as_str().unwrap();
    let text = format!("Welcome, Grace!\n\nYour password for the beginning: {temporary}\n\n{}\n", scene.request(&[]));
    let mail = json!({ "to": GRACE, "subject": "Your account", "body": { "plainText": text } });
    let sending = owner.post("/resources/sendings/email", mail).await.object(202);

    // everything that follows is what the person has: the mail
    let received = wait_for(async || Ok(smtp.received().into_iter().next())).await.expect("the mail arrives");
    assert_eq!(received.to, [GRACE]);
    let message = smtp::decoded(&received.message);
    let after = |mark: &str| {
        let begin = message.find(mark).unwrap_or_else(|| panic!("no {mark} in {message}")) + mark.len();
        message[begin..].split_whitespace().next().unwrap().to_owned()
    };
    let (password, link) = (after("the beginning: "), format!("http{}", after("\r\nhttp")));

    scene.browser.go(&link).await;
    scene.browser.page("Sign in").await;
    scene.sign_in(GRACE, &password).await;
    scene.browser.page("Choose a new password").await;
    scene.browser.fill("new_password", NEW_PASSWORD).await;
    scene.browser.fill("password_confirmation", NEW_PASSWORD).await;
    scene.browser.click("save-password").await;
    scene.allow().await;
    let tokens = scene.arrives_with_tokens("xyz").await;
    assert_eq!(scene.email(&tokens).await, GRACE);

    // the next time with the password of her own, and never again with the other
    scene.browser.driver.delete_all_cookies().await.unwrap();
    for (used, title) in [(password.as_str(), "Error: Sign in"), (NEW_PASSWORD, "Application")] {
        scene.browser.go(&link).await;
        scene.browser.page("Sign in").await;
        scene.sign_in(GRACE, used).await;
        scene.browser.page(title).await;
    }
    let tokens = scene.arrives_with_tokens("xyz").await;
    assert_eq!(scene.email(&tokens).await, GRACE);
    let record =
        owner.get(&format!("/resources/sendings/{}", sending["sendingId"].as_str().unwrap())).await.object(200);
    assert_eq!((&record["status"], &record["recipient"]), (&json!("sent"), &json!(GRACE)));
    let now = owner.get(&person).await.object(200);
    assert_eq!((&now["passwordLogin"], &now["passwordExpiresAt"]), (&json!(true), &json!(null)));
    scene.end().await;
}
