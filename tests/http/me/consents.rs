//! `/resources/me/consents`

use serde_json::json;

use super::{ADA, ada, steady};
use crate::support::{api::Api, browser::Browser, relying_party::RelyingParty};

const CONSENTS: &str = "/resources/me/consents";

async fn shop(ada: &super::Person) -> RelyingParty {
    let client = ada
        .app
        .client("shop", &[], |client| {
            client.name = "The shop".to_owned();
            client.scopes = "openid profile offline_access me:*".parse().unwrap();
        })
        .await;
    RelyingParty::new(&ada.app, &client)
}

#[tokio::test]
async fn a_person_sees_and_disconnects_applications() {
    let ada = ada().await;
    assert_eq!(ada.api.get(CONSENTS).await.object(200)["consents"], json!([]));
    let shop = shop(&ada).await;
    let browser = Browser::new();
    let tokens = shop.sign_in(&browser, ADA, "openid offline_access me:*").await;
    ada.app.advance(std::time::Duration::from_secs(5));
    shop.sign_in(&browser, ADA, "openid profile").await;
    insta::assert_json_snapshot!(steady(ada.api.get(CONSENTS).await.object(200)), @r#"
    {
      "consents": [
        {
          "clientId": "shop",
          "clientName": "The shop",
          "createdAt": "2026-11-21T12:00:00.000Z",
          "scopes": [
            "openid",
            "offline_access",
            "me:*",
            "profile"
          ],
          "updatedAt": "2026-11-21T12:00:05.000Z"
        }
      ],
      "firstCursor": null,
      "lastCursor": null,
      "totalCount": 1
    }
    "#);
    let at_shop = Api::new(&ada.app, &tokens.access_token, &ada.id);
    let body = json!({"name": "left behind", "scopes": ["me/profile:read"]});
    let left = at_shop.post("/resources/me/pat", body).await.object(201)["token"].as_str().unwrap().to_owned();
    let left = Api::new(&ada.app, &left, &ada.id);
    assert_eq!(left.get("/resources/me").await.said(), "200");
    // a code that is under way
    let (authorization, callback) = shop.authorize(&browser, ADA, &[("scope", "openid profile")]).await;

    let path = format!("{CONSENTS}/shop");
    assert_eq!(ada.api.delete(&path).await.said(), "204");
    assert_eq!(at_shop.get("/resources/me").await.said(), "401 TOKEN_INVALID");
    assert_eq!(shop.refresh(&tokens.refresh_token).await.outcome(), "400 invalid_grant");
    assert_eq!(shop.redeem(&authorization, callback.code()).await.outcome(), "400 invalid_grant");
    assert_eq!(left.get("/resources/me").await.said(), "401 TOKEN_INVALID", "nothing is left behind");
    assert_eq!(ada.api.get(CONSENTS).await.object(200)["totalCount"], 0);
    assert_eq!(ada.api.delete(&path).await.said(), "404 NOT_FOUND");
    assert_eq!(ada.api.delete(&format!("{CONSENTS}/nothing")).await.said(), "404 NOT_FOUND");
    assert_eq!(ada.audited("consent.withdraw").await.len(), 1);
    // she stays signed in, and is asked again
    assert_eq!(ada.api.get("/resources/me").await.said(), "200");
    let page = browser.open(&shop.authorization(&[("scope", "openid profile")]).url).await;
    assert!(page.has("#allow"), "{}", page.body);
}
