//! A protected API: it asks the server about each token that is brought to it (RFC 7662), as the service that serves
//! it.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Demo, paths,
    seed::{SERVICE, SERVICE_SCOPE},
};
use crate::model::permission::Permission;

/// `GET /demo/resource`: who asks, if the token is good for it.
pub async fn read(req: HttpRequest, demo: web::Data<Demo>) -> HttpResponse {
    let Some(token) = bearer(&req) else {
        // RFC 6750 §3.1: without a token there is no error to name
        return refused(StatusCode::UNAUTHORIZED, None);
    };
    let request = demo.wire.request(Method::POST, &demo.url("/oauth/introspect"));
    let request = request.basic_auth(SERVICE, Some(demo.seeded.service_secret.reveal())).form(&[("token", token)]);
    let told = match demo.wire.send(request).await.and_then(|exchange| exchange.json()) {
        Ok(told) => told,
        Err(error) => {
            tracing::warn!(%error, "the demo resource could not ask about a token");
            return HttpResponse::ServiceUnavailable().json(json!({"error": "the token could not be looked up"}));
        }
    };
    match judge(&told, &demo.url(paths::RESOURCE)) {
        Ok(()) => HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(json!({
            "message": "The token is good for this resource.",
            "client_id": told["client_id"],
            "sub": told["sub"],
            "scope": told["scope"],
        })),
        Err((status, error)) => refused(status, Some(error)),
    }
}

fn bearer(req: &HttpRequest) -> Option<&str> {
    let (scheme, token) = req.headers().get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}

/// Whether what introspection told is enough for `resource`; else the answer (RFC 6750 §3.1).
fn judge(told: &Value, resource: &str) -> Result<(), (StatusCode, &'static str)> {
    let meant_for_us = match &told["aud"] {
        Value::String(one) => one == resource,
        Value::Array(many) => many.iter().any(|aud| aud == resource),
        _ => false,
    };
    if told["active"] != true || !meant_for_us {
        return Err((StatusCode::UNAUTHORIZED, "invalid_token"));
    }
    let needed: Option<Permission> = SERVICE_SCOPE.parse().ok();
    let covers = |held: &str| {
        let held: Option<Permission> = held.parse().ok();
        held.zip(needed.as_ref()).is_some_and(|(held, needed)| held.meet(needed).as_ref() == Some(needed))
    };
    match told["scope"].as_str().is_some_and(|scope| scope.split(' ').any(covers)) {
        true => Ok(()),
        false => Err((StatusCode::FORBIDDEN, "insufficient_scope")),
    }
}

fn refused(status: StatusCode, error: Option<&str>) -> HttpResponse {
    let mut challenge = "Bearer realm=\"demo\"".to_owned();
    if let Some(error) = error {
        challenge.push_str(&format!(", error=\"{error}\", scope=\"{SERVICE_SCOPE}\""));
    }
    HttpResponse::build(status)
        .insert_header((header::WWW_AUTHENTICATE, challenge))
        .json(json!({"error": error.unwrap_or("a bearer token is needed")}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_must_be_active_for_this_resource_and_wide_enough() {
        let told = |change: Value| {
            let mut told = json!({"active": true, "aud": "http://localhost/r", "scope": "x demo/resource:read"});
            for (name, value) in change.as_object().unwrap() {
                told[name] = value.clone();
            }
            judge(&told, "http://localhost/r").map_err(|(status, _)| status.as_u16())
        };
        assert_eq!(told(json!({})), Ok(()));
        assert_eq!(told(json!({"aud": ["a", "http://localhost/r"]})), Ok(()));
        assert_eq!(told(json!({"scope": "demo/*:*"})), Ok(()));
        for wrong in [
            json!({"active": false}),
            json!({"active": "true"}),
            json!({"aud": "http://localhost"}),
            json!({"aud": null}),
        ] {
            assert_eq!(told(wrong.clone()), Err(401), "{wrong}");
        }
        for narrow in
            [json!({"scope": "demo/resource:write"}), json!({"scope": null}), json!({"scope": "demo/resource/x:read"})]
        {
            assert_eq!(told(narrow.clone()), Err(403), "{narrow}");
        }
    }
}
