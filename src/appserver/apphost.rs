//! `POST auth/apphost`: signing in with an authentication string.

use actix_web::{Error, HttpRequest, HttpResponse, http::header, web};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    error::{AppserverError, Code},
    login, session,
};
use crate::{app::App, model::id::shown, web::body};

/// The one member of the body; its name is compared without regard to case.
const AUTH_STRING: &str = "authString";

/// The body is JSON, which no form of another site can send.
pub async fn post(
    app: web::Data<App>,
    req: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> Result<HttpResponse, AppserverError> {
    session::same_origin(&app, &req)?;
    let text = auth_string(&req, body)?;
    let auth =
        text.parse().map_err(|fault| AppserverError::new(Code::AuthStringMalformed, format!("authString: {fault}")));
    login::answer(&app, &req, auth?).await
}

fn auth_string(req: &HttpRequest, body: Result<web::Bytes, Error>) -> Result<Zeroizing<String>, AppserverError> {
    let malformed = |message: &str| AppserverError::new(Code::BodyMalformed, message);
    let sent = body.map_err(|error| match error.as_response_error().status_code().as_u16() {
        413 => AppserverError::new(Code::BodyTooLarge, "the body is larger than this server takes"),
        _ => malformed("the body could not be read"),
    })?;
    let given = req.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        let message = format!("expected application/json, got '{}'", shown(given));
        return Err(AppserverError::new(Code::MediaTypeUnsupported, message));
    }
    let expected = "expected a JSON object with a text authString";
    let Ok(Value::Object(members)) = body::json(&sent) else { return Err(malformed(expected)) };
    let mut named = members.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case(AUTH_STRING));
    match (named.next(), named.next()) {
        (Some((_, Value::String(text))), None) => Ok(Zeroizing::new(text)),
        (Some(_), Some(_)) => Err(malformed("expected one authString, got two that differ in case")),
        _ => Err(malformed(expected)),
    }
}
