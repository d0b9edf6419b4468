//! The authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2).
//!
//! Which check runs in which order: the client and the redirect URI first, since until they are proven nothing may be
//! sent to the application and a page explains; then everything that the application is told by redirect; then the
//! person. A request that needs the person leaves for a page, sealed ([`SignInPage`] is shown at once), and comes back
//! through [`CONTINUE`], or without a redirect between through [`Onward`]; on its way back every check runs again, so that
//! settings that changed meanwhile take effect.

use std::sync::Arc;

use actix_web::{
    Error, HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};

use futures_util::future::LocalBoxFuture;

use crate::{
    app::App,
    identity,
    metrics::ErrorCode,
    model::{
        grant_type::GrantType,
        id::{self, shown},
        redirect_uri,
        scope::Scope,
        secret::{Kind, Secret},
        time::Timestamp,
    },
    oauth::{
        claims,
        error::{Code, OAuthError},
        flow::{self, AuthorizationForm},
        params::Params,
    },
    store::{
        self, KnownClient, KnownPrincipal, authorization_code::AuthorizationCode, client::Client, grant::Details,
        principal::Principal, session::Session,
    },
    web::{
        browser,
        continuation::{self, CONTINUE, ConsentQuestion, Onward, Pending, PendingAuthorization, SignInPage, Unsealed},
        page::{FormTargets, html},
        view,
    },
};

mod request;

use request::{Asked, Request, parse};
pub use request::{DISPLAYS, PROMPTS, RESPONSE_MODES, RESPONSE_TYPE};

/// The longest authorization request; sealed, it still fits into a URL.
const MAX_REQUEST: usize = 12 * 1024;

/// `GET /oauth/authorize`.
pub async fn get(req: HttpRequest, app: web::Data<App>) -> HttpResponse {
    let (now, cookie) = (app.clock.now(), browser::session_cookie(&req, &app.config));
    // sealed, a long request is longer than a parameter may be
    let mut query = form_urlencoded::parse(req.query_string().as_bytes());
    let outcome = match query.find(|(name, _)| name == CONTINUE) {
        Some((_, sealed)) => resume(&req, &app, &sealed, cookie.as_deref(), now).await,
        None => match Params::parse(req.query_string().as_bytes()) {
            Ok(params) => begin(&req, &app, params, cookie.as_deref(), now).await,
            Err(error) => Err(Box::new(unproven(&app, &req, error))),
        },
    };
    outcome.unwrap_or_else(|response| *response)
}

/// `POST /oauth/authorize`: a post from another site comes without the session's cookie, so the request goes on as a
/// GET, sealed.
pub async fn post(req: HttpRequest, app: web::Data<App>, body: Result<web::Bytes, Error>) -> HttpResponse {
    let now = app.clock.now();
    let params = match Params::from_body(&req, body) {
        Ok(params) => params,
        Err(error) => return unproven(&app, &req, error),
    };
    match prove(&req, &app, params, now).await {
        Ok((_, pending)) => {
            let sealed = pending.seal(&app.seals.authorization_request);
            see_other(&continuation::resume_path(app.config.base_path(), &sealed))
        }
        Err(response) => *response,
    }
}

/// A response that ends the walk: a page, or an answer for the application.
type Ended = Box<HttpResponse>;

async fn begin(
    req: &HttpRequest,
    app: &App,
    params: Params,
    cookie: Option<&str>,
    now: Timestamp,
) -> Result<HttpResponse, Ended> {
    let (client, pending) = prove(req, app, params, now).await?;
    decide(req, app, client, pending, cookie, now).await
}

/// What pages go on with (see [`Onward`]).
pub const ONWARD: Onward = Onward(in_its_place);

fn in_its_place<'a>(
    req: &'a HttpRequest,
    app: &'a App,
    pending: PendingAuthorization,
    cookie: Option<&'a str>,
) -> LocalBoxFuture<'a, HttpResponse> {
    Box::pin(async move {
        let outcome = go_on(req, app, pending, cookie, app.clock.now()).await;
        outcome.unwrap_or_else(|response| *response)
    })
}

async fn go_on(
    req: &HttpRequest,
    app: &App,
    pending: PendingAuthorization,
    cookie: Option<&str>,
    now: Timestamp,
) -> Result<HttpResponse, Ended> {
    let (client, fresh) = prove(req, app, Params::from_pairs(pending.parameters.clone()), now).await?;
    // what is proven is proven anew; what the person did is kept
    let pending = PendingAuthorization { redirect_uri: fresh.redirect_uri, ..pending };
    decide(req, app, client, pending, cookie, now).await
}

async fn resume(
    req: &HttpRequest,
    app: &App,
    sealed: &str,
    cookie: Option<&str>,
    now: Timestamp,
) -> Result<HttpResponse, Ended> {
    match PendingAuthorization::unseal(&app.seals.authorization_request, sealed, now) {
        Unsealed::Fresh(pending) => go_on(req, app, pending, cookie, now).await,
        Unsealed::Expired(pending) => {
            let page = view::Expired {
                frame: view::frame(app, req),
                action: format!("{}/oauth/authorize", app.config.base_path()),
                fields: pending.parameters,
            };
            Err(Box::new(html(StatusCode::BAD_REQUEST, &page, FormTargets::LeadsToApplication)))
        }
        Unsealed::Invalid => {
            let error = OAuthError::new(Code::InvalidRequest, "the request was not made here, or was altered");
            Err(Box::new(unproven(app, req, error)))
        }
    }
}

/// Client and redirect URI: until both are proven, nothing may be sent to the application.
async fn prove(
    req: &HttpRequest,
    app: &App,
    params: Params,
    now: Timestamp,
) -> Result<(Arc<KnownClient>, PendingAuthorization), Ended> {
    let refuse = |description: String, details: Vec<(String, String)>| {
        Err(Box::new(page_about(app, req, StatusCode::BAD_REQUEST, &description, details)))
    };
    // as it is sealed, with what JSON has to escape
    let length = serde_json::to_string(params.pairs()).map_or(usize::MAX, |text| text.len());
    if length > MAX_REQUEST {
        return refuse(format!("The request is longer than {MAX_REQUEST} characters."), Vec::new());
    }
    for name in ["client_id", "redirect_uri"] {
        if params.all(name).count() > 1 {
            return refuse(format!("The parameter {name} is there more than once."), Vec::new());
        }
    }
    let Some(client_id) = params.get("client_id").map(str::to_owned) else {
        return refuse(
            "The request does not say which application it comes from: client_id is missing.".to_owned(),
            Vec::new(),
        );
    };
    let found = identity::client::active(&app.store, &client_id).await;
    let Some(mut client) = found.map_err(|error| Box::new(failed(app, req, error)))? else {
        return refuse(
            "The application that sent you here is not registered, or was switched off.".to_owned(),
            vec![("client_id that was sent".to_owned(), shown(&client_id))],
        );
    };
    let scope = Scope::empty();
    let form = AuthorizationForm {
        client_id: &client_id,
        redirect_uri: params.get("redirect_uri"),
        response_type: None,
        scope: &scope,
        state: None,
    };
    let mut bound = flow::bound_redirect(&client, &form);
    if bound.is_none() {
        // what was registered a moment ago, on another server, must not be refused
        app.store.doubt(&client_id);
        let again = identity::client::active(&app.store, &client_id).await;
        if let Some(newer) = again.map_err(|error| Box::new(failed(app, req, error)))? {
            bound = flow::bound_redirect(&newer, &form);
            client = newer;
        }
    }
    let Some(redirect_uri) = bound else {
        let sent = params.get("redirect_uri").map_or_else(|| "none".to_owned(), shown_uri);
        let registered = match client.redirect_uris.as_slice() {
            [] => "none".to_owned(),
            uris => uris.iter().take(10).cloned().collect::<Vec<_>>().join(" "),
        };
        return refuse(
            "The address to which the answer should go is not registered for this application. It must be the same, \
             character by character."
                .to_owned(),
            vec![
                ("Application".to_owned(), client.name.clone()),
                ("redirect_uri that was sent".to_owned(), sent),
                ("redirect_uri that is registered".to_owned(), registered),
            ],
        );
    };
    let pending = PendingAuthorization {
        parameters: params.pairs().to_vec(),
        client_id,
        redirect_uri,
        login_hint: params.get("login_hint").map(|hint| hint.chars().take(254).collect()),
        requested_at: now,
        expires_at: now + app.config.tokens.authorization_request_lifetime,
        offer_account: false,
        authenticated: None,
        chosen: None,
        consent: None,
        consented: None,
        denied: false,
    };
    Ok((client, pending))
}

fn shown_uri(uri: &str) -> String {
    uri.chars().filter(|c| !c.is_control()).take(300).collect()
}

async fn decide(
    req: &HttpRequest,
    app: &App,
    client: Arc<KnownClient>,
    pending: PendingAuthorization,
    cookie: Option<&str>,
    now: Timestamp,
) -> Result<HttpResponse, Ended> {
    let params = Params::from_pairs(pending.parameters.clone());
    let request = Request {
        redirect_uri: pending.redirect_uri.clone(),
        form_post: params.get("response_mode") == Some("form_post"),
        state: if params.all("state").count() == 1 { params.get("state").map(str::to_owned) } else { None },
        params,
    };
    let answered = answer(req, app, &client, pending, &request, cookie, now).await;
    answered.map_err(|error| {
        error.log();
        // OpenID Connect Core §3.1.2.6: every error goes back by the way that was asked for
        let fields = vec![
            ("error".to_owned(), error.code.as_str().to_owned()),
            ("error_description".to_owned(), error.description()),
        ];
        let mut response = send(req, app, &request, fields);
        response.extensions_mut().insert(ErrorCode(error.code.as_str()));
        Box::new(response)
    })
}

async fn answer(
    req: &HttpRequest,
    app: &App,
    client: &Client,
    pending: PendingAuthorization,
    request: &Request,
    cookie: Option<&str>,
    now: Timestamp,
) -> Result<HttpResponse, OAuthError> {
    let asked = parse(app, client, request).await?;
    if pending.denied {
        return Err(OAuthError::new(Code::AccessDenied, "the person declined"));
    }
    let silent = asked.prompts.iter().any(|prompt| prompt == "none");
    let signed_in = signed_in(app, cookie, now).await?;
    let base = app.config.base_path();

    // Who?
    let (session, principal) = match signed_in {
        Some((session, principal)) if is_right_person(&asked, &pending, &session, &principal, now) => {
            (session, principal)
        }
        signed_in => {
            if silent {
                return Err(OAuthError::new(Code::LoginRequired, "prompt=none, and the person would have to sign in"));
            }
            let select = asked.prompts.iter().any(|prompt| prompt == "select_account");
            let expected =
                |principal: &Principal| asked.subject.as_ref().is_none_or(|subject| *subject == principal.id);
            let fresh_enough = |session: &Session| !must_authenticate(&asked, &pending, session, now);
            let offer =
                signed_in.is_some_and(|(session, person)| select && expected(&person) && fresh_enough(&session));
            let pending = PendingAuthorization { offer_account: offer, ..pending };
            return Ok(match req.app_data::<SignInPage>() {
                Some(SignInPage(show)) => show(req, app, pending).await,
                None => see_other(&continuation::login_path(base, &pending.seal(&app.seals.authorization_request))),
            });
        }
    };

    // What?
    let (person_id, client_id) = (principal.id.clone(), client.id.clone());
    let host = redirect_uri::origin(&pending.redirect_uri);
    let consent_host = host.clone();
    let looked_up = app.store.read(move |conn| store::consent::find(conn, &person_id, &client_id, &consent_host));
    let remembered = looked_up.await?;
    let grant = |asked: Option<&Scope>| {
        let granted = principal.access.grant(asked.unwrap_or(&Scope::empty()), client, true);
        // OpenID Connect Core §11: offline_access means a refresh token, which this client may not have
        granted.filtered(|token| token != "offline_access" || client.may(GrantType::RefreshToken))
    };
    let form = AuthorizationForm {
        client_id: &client.id,
        redirect_uri: Some(&pending.redirect_uri),
        response_type: request.params.get("response_type"),
        scope: &asked.scope,
        state: request.state.as_deref(),
    };
    let granted = flow::negotiate(client, &form, &grant)?;

    // May it?
    let by_name = asked.id_token_claims.iter().chain(&asked.userinfo_claims);
    let wanted = granted.union(&by_name.filter_map(|name| claims::scope_of(name)).collect());
    let consented = pending.consented.as_ref().is_some_and(|consented| {
        consented.session_id == session.id
            && consented.auth_time == session.auth_time
            && consented.scope.covers(&wanted)
    });
    let asks = asked.prompts.iter().any(|prompt| prompt == "consent");
    // RFC 8252 §8.6: another application can take a private-use scheme, so a public client's is asked for each time
    let assured = !client.is_public() || pending.redirect_uri.starts_with("http");
    // a built-in client asks for administrators' permissions, and everybody knows its name
    let assured = assured && !client.system_client;
    let remembers = client.first_party || (assured && remembered.covers(&wanted));
    if !consented && (asks || !remembers) {
        if silent {
            return Err(OAuthError::new(Code::ConsentRequired, "prompt=none, and the person would have to be asked"));
        }
        let question = ConsentQuestion {
            session_id: session.id.clone(),
            auth_time: session.auth_time,
            remembered: remembered.filtered(|token| wanted.contains(token)),
            scope: wanted,
        };
        let pending = PendingAuthorization { consent: Some(question), consented: None, ..pending };
        return Ok(see_other(&continuation::consent_path(base, &pending.seal(&app.seals.authorization_request))));
    }

    let code = issue(app, client, request, asked, &session, granted, host, now).await?;
    Ok(send(req, app, request, vec![("code".to_owned(), code.reveal().to_owned())]))
}

async fn signed_in(
    app: &App,
    cookie: Option<&str>,
    now: Timestamp,
) -> Result<Option<(Session, Arc<KnownPrincipal>)>, OAuthError> {
    match cookie {
        Some(cookie) => Ok(identity::session::known(&app.store, &app.config.sessions, now, cookie).await?),
        None => Ok(None),
    }
}

/// Whether the person has to prove again who they are (OpenID Connect Core §3.1.2.1, `prompt`, `max_age`).
fn must_authenticate(asked: &Asked, pending: &PendingAuthorization, session: &Session, now: Timestamp) -> bool {
    if pending.authenticated.as_ref() == Some(&session.id) {
        return false;
    }
    let login = asked.prompts.iter().any(|prompt| prompt == "login");
    // §15.1: zero means prompt=login, also within the second of the last proof
    let age = now.since(session.auth_time).as_secs();
    let too_old = asked.max_age.is_some_and(|max_age| max_age == 0 || age > max_age);
    login || too_old
}

fn is_right_person(
    asked: &Asked,
    pending: &PendingAuthorization,
    session: &Session,
    principal: &Principal,
    now: Timestamp,
) -> bool {
    let expected = asked.subject.as_ref().is_none_or(|subject| *subject == principal.id);
    let select = asked.prompts.iter().any(|prompt| prompt == "select_account");
    let chosen =
        !select || pending.chosen.as_ref() == Some(&session.id) || pending.authenticated.as_ref() == Some(&session.id);
    expected && chosen && !must_authenticate(asked, pending, session, now)
}

#[allow(clippy::too_many_arguments)] // the code binds all of them together
async fn issue(
    app: &App,
    client: &Client,
    request: &Request,
    asked: Asked,
    session: &Session,
    scope: Scope,
    redirect_host: String,
    now: Timestamp,
) -> Result<Secret, OAuthError> {
    let secret = Secret::generate(Kind::AuthorizationCode);
    let code = AuthorizationCode {
        hash: secret.hash(),
        grant_id: id::generate(now),
        client_id: client.id.clone(),
        principal_id: session.principal_id.clone(),
        session_id: session.id.clone(),
        redirect_uri: request.redirect_uri.clone(),
        redirect_uri_sent: request.params.get("redirect_uri").is_some(),
        scope,
        code_challenge: asked.code_challenge,
        details: Details {
            nonce: asked.nonce,
            acr: session.acr.clone(),
            amr: session.amr.clone(),
            resources: asked.resources,
            id_token_claims: asked.id_token_claims,
            userinfo_claims: asked.userinfo_claims,
            redirect_host,
        },
        auth_time: session.auth_time,
        created_at: now,
        expires_at: now + app.config.tokens.authorization_code_lifetime,
        used_at: None,
    };
    app.store.write(move |tx| store::authorization_code::insert(tx, &code)).await?;
    Ok(secret)
}

/// Sends an answer or an error to the application, by the way that it asked for; `state` and `iss` (RFC 9207) go along.
fn send(req: &HttpRequest, app: &App, request: &Request, mut fields: Vec<(String, String)>) -> HttpResponse {
    if let Some(state) = &request.state {
        fields.push(("state".to_owned(), state.clone()));
    }
    fields.push(("iss".to_owned(), app.config.issuer().to_owned()));
    if request.form_post {
        let page = view::FormPost { frame: view::frame(app, req), action: request.redirect_uri.clone(), fields };
        return html(StatusCode::OK, &page, FormTargets::LeadsToApplication);
    }
    see_other(&with_query(&request.redirect_uri, &fields))
}

/// The registered text with parameters appended; never normalised. An http(s) address ends in an empty fragment, so
/// that no fragment of the request is carried along (RFC 9700 §4.12).
fn with_query(uri: &str, fields: &[(String, String)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let separator = match uri.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, query)) if query.ends_with('&') => "",
        Some(_) => "&",
    };
    let end = if uri.starts_with("https:") || uri.starts_with("http:") { "#" } else { "" };
    format!("{uri}{separator}{query}{end}")
}

/// 303: whatever the method was, the next is a GET (RFC 9700 §4.12).
fn see_other(location: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, location))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .finish()
}

fn failed(app: &App, req: &HttpRequest, error: store::Error) -> HttpResponse {
    let error = OAuthError::from(error);
    error.log();
    let status = if error.code == Code::TemporarilyUnavailable {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    };
    let page = view::Error {
        frame: view::frame(app, req),
        title: "Signing in is not possible at the moment".to_owned(),
        explanation: vec!["The service cannot answer now. Please try again in a moment: reload this page.".to_owned()],
        details: Vec::new(),
        link: None,
    };
    let mut response = html(status, &page, FormTargets::LeadsToApplication);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}

fn unproven(app: &App, req: &HttpRequest, error: OAuthError) -> HttpResponse {
    error.log();
    let status = error.status.unwrap_or(StatusCode::BAD_REQUEST);
    page_about(app, req, status, &format!("The request cannot be read: {}.", error.description), Vec::new())
}

fn page_about(
    app: &App,
    req: &HttpRequest,
    status: StatusCode,
    description: &str,
    details: Vec<(String, String)>,
) -> HttpResponse {
    let page = view::Error {
        frame: view::frame(app, req),
        title: "This sign-in request does not work".to_owned(),
        explanation: vec![
            description.to_owned(),
            "You cannot do anything about it here. Go back to the application, and tell its operators if it happens again."
                .to_owned(),
        ],
        details,
        link: None,
    };
    html(status, &page, FormTargets::OwnPages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_appended_to_the_registered_text() {
        let fields = [("code".to_owned(), "a b&c".to_owned()), ("iss".to_owned(), "https://as".to_owned())];
        let sent = |uri: &str| with_query(uri, &fields);
        assert_eq!(sent("https://App.example/CB"), "https://App.example/CB?code=a+b%26c&iss=https%3A%2F%2Fas#");
        assert_eq!(sent("https://app.example/cb?x=1"), "https://app.example/cb?x=1&code=a+b%26c&iss=https%3A%2F%2Fas#");
        assert_eq!(sent("https://app.example/cb?"), "https://app.example/cb?code=a+b%26c&iss=https%3A%2F%2Fas#");
        assert_eq!(sent("com.example.app:/cb"), "com.example.app:/cb?code=a+b%26c&iss=https%3A%2F%2Fas");
    }
}
