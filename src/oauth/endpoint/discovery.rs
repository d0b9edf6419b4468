//! Metadata (RFC 8414, OpenID Connect Discovery §3), generated from the enums that the code dispatches on.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use arc_swap::ArcSwapOption;
use serde_json::{Map, Value, json};

use super::{
    authorize::{DISPLAYS, PROMPTS, RESPONSE_MODES, RESPONSE_TYPE},
    document,
};
use crate::{
    app::App,
    identity::session::ACR_PASSWORD,
    keys::{CLIENT_ASSERTION_ALGORITHMS, KeyRing},
    model::{client_auth::AuthMethod, grant_type::GrantType, pkce, scope::OPENID_SCOPES},
    oauth::claims,
};

/// `GET /.well-known/openid-configuration` and its relatives.
pub async fn get(req: HttpRequest, app: web::Data<App>, made: web::Data<Made>) -> HttpResponse {
    let document = made.of(&app);
    document::answer(&req, &document.body, &document.etag, "application/json", "public, max-age=300".to_owned())
}

/// The document, for as long as there are the same signing keys.
#[derive(Default)]
pub struct Made(ArcSwapOption<Document>);

struct Document {
    keys: Arc<KeyRing>,
    body: String,
    etag: String,
}

impl Made {
    fn of(&self, app: &App) -> Arc<Document> {
        let keys = app.keys.load_full();
        if let Some(made) = self.0.load_full().filter(|made| Arc::ptr_eq(&made.keys, &keys)) {
            return made;
        }
        let body = metadata(app, &keys).to_string();
        let made = Arc::new(Document { etag: document::etag(&body), keys, body });
        self.0.store(Some(made.clone()));
        made
    }
}

fn metadata(app: &App, keys: &KeyRing) -> Value {
    let issuer = app.config.issuer();
    let endpoint = |path: &str| format!("{issuer}/oauth/{path}");
    let algorithms: Vec<&str> = keys.algorithms().iter().map(|alg| alg.as_str()).collect();
    let grants: Vec<&str> = GrantType::ALL.iter().map(|grant| grant.as_str()).collect();
    let methods: Vec<&str> = AuthMethod::ALL.iter().map(|method| method.as_str()).collect();
    // introspection is for clients that prove who they are (RFC 7662 §2.1)
    let proving: Vec<&str> =
        AuthMethod::ALL.iter().filter(|method| **method != AuthMethod::None).map(|method| method.as_str()).collect();
    let fixed = ["iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid"];
    let claims: Vec<&str> = fixed.into_iter().chain(claims::supported()).collect();

    let mut metadata: Map<String, Value> = Map::new();
    let mut set = |name: &str, value: Value| metadata.insert(name.to_owned(), value);
    set("issuer", json!(issuer));
    set("authorization_endpoint", json!(endpoint("authorize")));
    set("token_endpoint", json!(endpoint("token")));
    set("userinfo_endpoint", json!(endpoint("userinfo")));
    set("jwks_uri", json!(endpoint("jwks")));
    set("introspection_endpoint", json!(endpoint("introspect")));
    set("revocation_endpoint", json!(endpoint("revoke")));
    set("end_session_endpoint", json!(endpoint("logout")));
    set("scopes_supported", json!(OPENID_SCOPES));
    set("response_types_supported", json!([RESPONSE_TYPE]));
    set("response_modes_supported", json!(RESPONSE_MODES));
    set("grant_types_supported", json!(grants));
    set("subject_types_supported", json!(["public"]));
    set("id_token_signing_alg_values_supported", json!(algorithms));
    set("userinfo_signing_alg_values_supported", json!(algorithms));
    for (name, methods) in [("token", &methods), ("revocation", &methods), ("introspection", &proving)] {
        set(&format!("{name}_endpoint_auth_methods_supported"), json!(methods));
        set(&format!("{name}_endpoint_auth_signing_alg_values_supported"), json!(CLIENT_ASSERTION_ALGORITHMS));
    }
    set("code_challenge_methods_supported", json!([pkce::METHOD]));
    set("acr_values_supported", json!([ACR_PASSWORD]));
    set("display_values_supported", json!(DISPLAYS));
    set("prompt_values_supported", json!(PROMPTS));
    set("claim_types_supported", json!(["normal"]));
    set("claims_supported", json!(claims));
    set("claims_parameter_supported", json!(true));
    set("request_parameter_supported", json!(false));
    set("request_uri_parameter_supported", json!(false));
    set("ui_locales_supported", json!(["en"]));
    // RFC 9207 §3
    set("authorization_response_iss_parameter_supported", json!(true));
    Value::Object(metadata)
}
