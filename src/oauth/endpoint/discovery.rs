//! Metadata (RFC 8414, OpenID Connect Discovery §3), generated from the enums that the code dispatches on.

use actix_web::{HttpResponse, http::header, web};
use serde_json::{Map, Value, json};

use super::authorize::{DISPLAYS, PROMPTS, RESPONSE_MODES, RESPONSE_TYPE};
use crate::{
    app::App,
    identity::session::ACR_PASSWORD,
    keys::CLIENT_ASSERTION_ALGORITHMS,
    model::{client_auth::AuthMethod, grant_type::GrantType, pkce, scope::OPENID_SCOPES},
    oauth::claims,
};

/// `GET /.well-known/openid-configuration` and its relatives.
pub async fn get(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "public, max-age=300")).json(metadata(&app))
}

fn metadata(app: &App) -> Value {
    let issuer = app.config.issuer();
    let endpoint = |path: &str| format!("{issuer}/oauth/{path}");
    let algorithms: Vec<&str> = app.keys.load().algorithms().iter().map(|alg| alg.as_str()).collect();
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
