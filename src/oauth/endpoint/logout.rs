//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0): never an open redirect, and never without asking the
//! person unless the application proves whose session it means.

use actix_web::{
    Error, HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use serde_json::Value;

use crate::{
    app::App,
    identity::session,
    model::{access_token::audiences, id::shown},
    oauth::{error::OAuthError, id_token, params::Params},
    store::{self, audit::Origin, client::Client},
    web::{
        browser,
        continuation::{self, Pending, PendingLogout},
        forwarded::client_address,
        page::{FormTargets, html},
        request::request_id,
        view,
    },
};

/// `GET /oauth/logout`.
pub async fn get(req: HttpRequest, app: web::Data<App>) -> HttpResponse {
    let params = Params::parse(req.query_string().as_bytes());
    finish(&req, &app, params).await
}

/// `POST /oauth/logout`.
pub async fn post(req: HttpRequest, app: web::Data<App>, body: Result<web::Bytes, Error>) -> HttpResponse {
    let params = Params::from_body(&req, body);
    finish(&req, &app, params).await
}

async fn finish(req: &HttpRequest, app: &App, params: Result<Params, OAuthError>) -> HttpResponse {
    let outcome = match params.and_then(Params::unrepeated) {
        Ok(params) => logout(req, app, &params).await,
        Err(error) => Err(Refusal::Page(error.description, Vec::new())),
    };
    match outcome {
        Ok(response) => response,
        Err(Refusal::Failed(error)) => {
            let error = OAuthError::from(error);
            error.log();
            page(req, app, StatusCode::SERVICE_UNAVAILABLE, &error.description, Vec::new())
        }
        Err(Refusal::Page(description, details)) => page(req, app, StatusCode::BAD_REQUEST, &description, details),
    }
}

/// Why nobody is signed out and nothing redirected.
enum Refusal {
    Page(String, Vec<(String, String)>),
    Failed(store::Error),
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Refusal {
        Refusal::Failed(error)
    }
}

/// What an `id_token_hint` proves.
struct Hint {
    subject: String,
    session_id: Option<String>,
    client_id: String,
}

async fn logout(req: &HttpRequest, app: &App, params: &Params) -> Result<HttpResponse, Refusal> {
    let now = app.clock.now();
    let hint = match params.get("id_token_hint") {
        Some(hint) => Some(read_hint(app, hint)?),
        None => None,
    };
    let client = client(app, params, hint.as_ref()).await?;
    let return_to = return_to(params, client.as_ref())?;
    let signed_in = match browser::session_cookie(req, &app.config) {
        Some(cookie) => session::current(&app.store, &app.config.sessions, now, &cookie).await?,
        None => None,
    };
    let proven = |sid: &str, subject: &str| {
        hint.as_ref().is_some_and(|hint| hint.subject == subject && hint.session_id.as_ref().is_none_or(|s| s == sid))
    };
    match signed_in {
        Some((session, principal)) if proven(&session.id, &principal.id) => {
            let origin = Origin {
                ip_address: client_address(req, &app.config).map(|address| address.to_string()),
                client_id: client.map(|client| client.id),
                request_id: request_id(req),
            };
            session::end(&app.store, now, &session, origin).await?;
        }
        Some(_) => {
            // somebody else, or nobody knows who is meant: the person decides
            let pending = PendingLogout {
                client_id: client.map(|client| client.id),
                return_to,
                expires_at: now + app.config.tokens.authorization_request_lifetime,
            };
            let sealed = pending.seal(&app.seals.logout_request);
            return Ok(see_other(&continuation::logout_path(app.config.base_path(), &sealed)));
        }
        // An ID token alone ends nothing: any application that has one, or a thief, could sign people out everywhere.
        None => {}
    }
    // without an address to return to, the page that says so
    let signed_out = || format!("{}/logout", app.config.base_path());
    let mut response = see_other(&return_to.unwrap_or_else(signed_out));
    // a cookie that cannot be set here could not have been there
    let _ = response.add_cookie(&browser::clear_session(&app.config));
    Ok(response)
}

/// An ID token of this server; that it has expired does not matter (RP-Initiated Logout §2).
fn read_hint(app: &App, hint: &str) -> Result<Hint, Refusal> {
    let refuse = || Refusal::Page("The id_token_hint is not an ID token of this server.".to_owned(), Vec::new());
    let claims = id_token::read_hint(&app.keys.load(), app.config.issuer(), hint).ok_or_else(refuse)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let client_id = audiences(&claims).first().map(|client| (*client).to_owned());
    match (text("sub"), client_id) {
        (Some(subject), Some(client_id)) => Ok(Hint { subject, session_id: text("sid"), client_id }),
        _ => Err(refuse()),
    }
}

async fn client(app: &App, params: &Params, hint: Option<&Hint>) -> Result<Option<Client>, Refusal> {
    let named = params.get("client_id");
    if let (Some(named), Some(hint)) = (named, hint)
        && named != hint.client_id
    {
        // RP-Initiated Logout §2
        return Err(Refusal::Page(
            "The client_id is not the one that the id_token_hint was issued to.".to_owned(),
            Vec::new(),
        ));
    }
    let Some(id) = named.map(str::to_owned).or_else(|| hint.map(|hint| hint.client_id.clone())) else {
        return Ok(None);
    };
    let wanted = id.clone();
    match app.store.read(move |conn| store::client::find(conn, &wanted)).await? {
        Some(client) if client.suspended_at.is_none() => Ok(Some(client)),
        _ => Err(Refusal::Page(
            "The application is not registered.".to_owned(),
            vec![("client_id".to_owned(), shown(&id))],
        )),
    }
}

/// Where to go afterwards: registered to the letter, with `state` (RP-Initiated Logout §3).
fn return_to(params: &Params, client: Option<&Client>) -> Result<Option<String>, Refusal> {
    let Some(uri) = params.get("post_logout_redirect_uri") else { return Ok(None) };
    let sent = || {
        (
            "post_logout_redirect_uri that was sent".to_owned(),
            uri.chars().filter(|c| !c.is_control()).take(300).collect(),
        )
    };
    let Some(client) = client else {
        return Err(Refusal::Page(
            "The request does not say which application it comes from: expected id_token_hint or client_id.".to_owned(),
            vec![sent()],
        ));
    };
    if !client.post_logout_redirect_uris.iter().any(|registered| registered == uri) {
        return Err(Refusal::Page(
            "The address to return to is not registered for this application. It must be the same, character by character."
                .to_owned(),
            vec![("Application".to_owned(), client.name.clone()), sent()],
        ));
    }
    Ok(Some(match params.get("state") {
        Some(state) => {
            let separator = if uri.contains('?') { '&' } else { '?' };
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("state", state).finish();
            format!("{uri}{separator}{query}")
        }
        None => uri.to_owned(),
    }))
}

fn see_other(location: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, location))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

fn page(
    req: &HttpRequest,
    app: &App,
    status: StatusCode,
    description: &str,
    details: Vec<(String, String)>,
) -> HttpResponse {
    let page = view::Error {
        frame: view::frame(app, req),
        title: "Signing out does not work this way".to_owned(),
        explanation: vec![description.to_owned(), "You are still signed in if you were before.".to_owned()],
        details,
        link: Some(view::Link {
            label: "Sign out here".to_owned(),
            href: format!("{}/logout", app.config.base_path()),
        }),
    };
    html(status, &page, FormTargets::OwnPages)
}
