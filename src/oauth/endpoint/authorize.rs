//! The authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2).
//!
//! Which check runs in which order: the client and the redirect URI first, since until they are proven nothing may be
//! sent to the application and a page explains; then everything that the application is told by redirect; then the
//! person. A request that needs the person leaves for a page, sealed, and comes back through [`CONTINUE`]; on its way
//! back every check runs again, so that settings that changed meanwhile take effect.

use actix_web::{
    Error, HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use serde_json::Value;

use crate::{
    app::App,
    identity::{access::Access, session::ACR_PASSWORD},
    model::{
        grant_type::GrantType,
        id::{self, shown},
        pkce, redirect_uri,
        scope::Scope,
        secret::{Kind, Secret},
        time::Timestamp,
    },
    oauth::{
        claims,
        error::{Code, OAuthError},
        flow::{self, AuthorizationForm},
        id_token,
        params::Params,
        resource,
    },
    store::{
        self, authorization_code::AuthorizationCode, client::Client, grant::Details, principal::Principal,
        session::Session,
    },
    web::{
        browser,
        continuation::{self, CONTINUE, ConsentQuestion, Pending, PendingAuthorization, Unsealed},
        page::{FormTargets, html},
        view,
    },
};

/// The one response type; `token` and `id_token` put tokens into URLs (RFC 9700 §2.1.2).
pub const RESPONSE_TYPE: &str = "code";
/// How answers can be sent (OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode).
pub const RESPONSE_MODES: [&str; 2] = ["query", "form_post"];
/// The prompts that mean something here.
pub const PROMPTS: [&str; 4] = ["none", "login", "consent", "select_account"];
/// The displays that pages are made for; others are shown the same.
pub const DISPLAYS: [&str; 1] = ["page"];

/// The longest authorization request; sealed, it still fits into a URL.
const MAX_REQUEST: usize = 12 * 1024;
/// How long a used code's row is kept, so that a replay is seen.
const CODE_ROW_KEPT: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// `GET /oauth/authorize`.
pub async fn get(req: HttpRequest, app: web::Data<App>) -> HttpResponse {
    let now = app.clock.now();
    // sealed, a long request is longer than a parameter may be
    let mut query = form_urlencoded::parse(req.query_string().as_bytes());
    let outcome = match query.find(|(name, _)| name == CONTINUE) {
        Some((_, sealed)) => resume(&req, &app, &sealed, now).await,
        None => match Params::parse(req.query_string().as_bytes()) {
            Ok(params) => begin(&req, &app, params, now).await,
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

async fn begin(req: &HttpRequest, app: &App, params: Params, now: Timestamp) -> Result<HttpResponse, Ended> {
    let (client, pending) = prove(req, app, params, now).await?;
    decide(req, app, client, pending, now).await
}

async fn resume(req: &HttpRequest, app: &App, sealed: &str, now: Timestamp) -> Result<HttpResponse, Ended> {
    match PendingAuthorization::unseal(&app.seals.authorization_request, sealed, now) {
        Unsealed::Fresh(pending) => {
            let (client, fresh) = prove(req, app, Params::from_pairs(pending.parameters.clone()), now).await?;
            // what is proven is proven anew; what the person did is kept
            let pending = PendingAuthorization { redirect_uri: fresh.redirect_uri, ..pending };
            decide(req, app, client, pending, now).await
        }
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
) -> Result<(Client, PendingAuthorization), Ended> {
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
    let wanted = client_id.clone();
    let found = app.store.read(move |conn| store::client::find(conn, &wanted)).await;
    let client = found.map_err(|error| Box::new(failed(app, req, error)))?;
    let Some(client) = client.filter(|client| client.suspended_at.is_none()) else {
        return refuse(
            "The application that sent you here is not registered, or was switched off.".to_owned(),
            vec![("client_id that was sent".to_owned(), shown(&client_id))],
        );
    };
    let scope = Scope::empty();
    let form = AuthorizationForm {
        client_id: &client.id,
        redirect_uri: params.get("redirect_uri"),
        response_type: None,
        scope: &scope,
        state: None,
    };
    let Some(redirect_uri) = flow::bound_redirect(&client, &form) else {
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

/// A request whose answer can be sent to the application.
struct Request {
    params: Params,
    redirect_uri: String,
    form_post: bool,
    state: Option<String>,
}

/// What a well-formed request asks.
struct Asked {
    scope: Scope,
    nonce: Option<String>,
    code_challenge: Option<String>,
    prompts: Vec<String>,
    max_age: Option<u64>,
    resources: Vec<String>,
    /// The subject that the application expects (`id_token_hint`, or `sub` in `claims`).
    subject: Option<String>,
    id_token_claims: Vec<String>,
    userinfo_claims: Vec<String>,
}

async fn decide(
    req: &HttpRequest,
    app: &App,
    client: Client,
    pending: PendingAuthorization,
    now: Timestamp,
) -> Result<HttpResponse, Ended> {
    let params = Params::from_pairs(pending.parameters.clone());
    let request = Request {
        redirect_uri: pending.redirect_uri.clone(),
        form_post: params.get("response_mode") == Some("form_post"),
        state: if params.all("state").count() == 1 { params.get("state").map(str::to_owned) } else { None },
        params,
    };
    let answered = answer(req, app, &client, pending, &request, now).await;
    answered.map_err(|error| {
        error.log();
        // OpenID Connect Core §3.1.2.6: every error goes back by the way that was asked for
        let fields = vec![
            ("error".to_owned(), error.code.as_str().to_owned()),
            ("error_description".to_owned(), error.description()),
        ];
        Box::new(send(req, app, &request, fields))
    })
}

async fn answer(
    req: &HttpRequest,
    app: &App,
    client: &Client,
    pending: PendingAuthorization,
    request: &Request,
    now: Timestamp,
) -> Result<HttpResponse, OAuthError> {
    let asked = parse(app, client, request).await?;
    if pending.denied {
        return Err(OAuthError::new(Code::AccessDenied, "the person declined"));
    }
    let silent = asked.prompts.iter().any(|prompt| prompt == "none");
    let signed_in = signed_in(req, app, now).await?;
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
            return Ok(see_other(&continuation::login_path(base, &pending.seal(&app.seals.authorization_request))));
        }
    };

    // What?
    let (person, for_client) = (principal.clone(), client.clone());
    let host = redirect_uri::origin(&pending.redirect_uri);
    let consent_host = host.clone();
    let looked_up = app.store.read(move |conn| {
        let access = Access::of_principal(conn, &person)?;
        let remembered = store::consent::find(conn, &person.id, &for_client.id, &consent_host)?;
        Ok::<_, store::Error>((access, remembered))
    });
    let (access, remembered) = looked_up.await?;
    let grant = |asked: Option<&Scope>| {
        let granted = access.grant(asked.unwrap_or(&Scope::empty()), client, true);
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

async fn signed_in(req: &HttpRequest, app: &App, now: Timestamp) -> Result<Option<(Session, Principal)>, OAuthError> {
    match browser::session_cookie(req, &app.config) {
        Some(cookie) => Ok(crate::identity::session::current(&app.store, &app.config.sessions, now, &cookie).await?),
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

/// Everything about a request that the application is told.
async fn parse(app: &App, client: &Client, request: &Request) -> Result<Asked, OAuthError> {
    let params = &request.params;
    let refuse = |code: Code, description: String| Err(OAuthError::new(code, description));
    // RFC 6749 §3.1
    if let Some(name) = params.repeated() {
        return refuse(Code::InvalidRequest, format!("the parameter '{}' is there more than once", shown(name)));
    }
    // OpenID Connect Core §3.1.2.6, §6: not supported, and said so
    for (name, code) in [
        ("request", Code::RequestNotSupported),
        ("request_uri", Code::RequestUriNotSupported),
        ("registration", Code::RegistrationNotSupported),
    ] {
        if params.get(name).is_some() {
            return refuse(code, format!("the parameter '{name}' is not supported"));
        }
    }
    match params.get("response_type") {
        Some(RESPONSE_TYPE) => {}
        Some(other) => {
            let got = shown(other);
            return refuse(
                Code::UnsupportedResponseType,
                format!("response_type: expected {RESPONSE_TYPE}, got '{got}'"),
            );
        }
        None => return refuse(Code::InvalidRequest, "the parameter 'response_type' is missing".to_owned()),
    }
    if let Some(mode) = params.get("response_mode").filter(|mode| !RESPONSE_MODES.contains(mode)) {
        let got = shown(mode);
        return refuse(
            Code::InvalidRequest,
            format!("response_mode: expected {}, got '{got}'", RESPONSE_MODES.join(" or ")),
        );
    }
    if !client.may(GrantType::AuthorizationCode) {
        let grant = GrantType::AuthorizationCode.as_str();
        return refuse(Code::UnauthorizedClient, format!("the client is not registered for the grant {grant}"));
    }
    let scope: Scope = match params.get("scope") {
        Some(text) => text.parse().map_err(|e| OAuthError::new(Code::InvalidScope, format!("scope: {e}")))?,
        // RFC 6749 §3.3: no default here, since every scope is asked of a person
        None => return refuse(Code::InvalidScope, "the parameter 'scope' is missing".to_owned()),
    };
    // OpenID Connect Core §3.1.2.1: REQUIRED
    if scope.contains("openid") && params.get("redirect_uri").is_none() {
        return refuse(Code::InvalidRequest, "the parameter 'redirect_uri' is missing".to_owned());
    }
    let prompts: Vec<String> = params.get("prompt").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    if prompts.len() > 1 && prompts.iter().any(|prompt| prompt == "none") {
        return refuse(Code::InvalidRequest, "prompt: expected none alone".to_owned());
    }
    let max_age = match params.get("max_age") {
        Some(text) => match text.parse::<u64>() {
            Ok(seconds) => Some(seconds),
            Err(_) => return refuse(Code::InvalidRequest, format!("max_age: expected seconds, got '{}'", shown(text))),
        },
        None => client.metadata.default_max_age,
    };
    let nonce = params.get("nonce").map(str::to_owned);
    if nonce.as_ref().is_some_and(|nonce| nonce.len() > 2048) {
        return refuse(Code::InvalidRequest, "nonce: expected at most 2048 characters".to_owned());
    }
    let claims = requested_claims(client, params)?;
    let hinted = match params.get("id_token_hint") {
        Some(hint) => Some(hinted_subject(app, hint)?),
        None => None,
    };
    let subject = match (hinted, claims.subject) {
        (Some(hinted), Some(claimed)) if hinted != claimed => {
            return refuse(Code::InvalidRequest, "claims and id_token_hint name different people".to_owned());
        }
        (hinted, claimed) => hinted.or(claimed),
    };
    let code_challenge = code_challenge(client, params)?;
    let (asked, issuer) = (params.clone(), app.config.issuer().to_owned());
    let resources = app.store.read(move |conn| resource::requested(conn, &asked, &issuer)).await?;
    Ok(Asked {
        scope,
        nonce,
        code_challenge,
        prompts,
        max_age,
        resources,
        subject,
        id_token_claims: claims.id_token,
        userinfo_claims: claims.userinfo,
    })
}

/// RFC 7636 §4.3, S256 only.
fn code_challenge(client: &Client, params: &Params) -> Result<Option<String>, OAuthError> {
    let refuse = |description: String| Err(OAuthError::new(Code::InvalidRequest, description));
    let method = params.get("code_challenge_method");
    match (params.get("code_challenge"), method) {
        (Some(challenge), Some(pkce::METHOD)) => {
            pkce::challenge(challenge).map(Some).map_err(|e| OAuthError::new(Code::InvalidRequest, e))
        }
        (Some(_), method) => {
            let got =
                method.map_or_else(|| "none, which means plain".to_owned(), |method| format!("'{}'", shown(method)));
            refuse(format!("code_challenge_method: expected {}, got {got}", pkce::METHOD))
        }
        (None, Some(_)) => refuse("code_challenge_method is there, but code_challenge is missing".to_owned()),
        (None, None) if client.requires_pkce() => {
            refuse("the parameter 'code_challenge' is missing: this client must use PKCE with S256".to_owned())
        }
        (None, None) => Ok(None),
    }
}

#[derive(Default)]
struct RequestedClaims {
    subject: Option<String>,
    id_token: Vec<String>,
    userinfo: Vec<String>,
}

/// The `claims` parameter (OpenID Connect Core §5.5).
///
/// A claim about the person is asked for like the scope that it belongs to: the client must be registered for that
/// scope, and the person is asked for it.
fn requested_claims(client: &Client, params: &Params) -> Result<RequestedClaims, OAuthError> {
    let Some(text) = params.get("claims") else { return Ok(RequestedClaims::default()) };
    let malformed =
        || OAuthError::new(Code::InvalidRequest, "claims: expected a JSON object with userinfo or id_token");
    // serde_json bounds the depth, the request's length bounds the rest
    let claims: Value = serde_json::from_str(text).map_err(|_| malformed())?;
    let claims = claims.as_object().ok_or_else(malformed)?;
    let names = |member: &str| -> Result<Vec<String>, OAuthError> {
        match claims.get(member) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Object(names)) => {
                let registered =
                    |name: &&String| claims::scope_of(name).is_none_or(|scope| client.scopes.contains(scope));
                Ok(names.keys().filter(registered).cloned().collect())
            }
            Some(_) => Err(malformed()),
        }
    };
    let (id_token, userinfo) = (names("id_token")?, names("userinfo")?);
    let member = |place: &str, name: &str| claims.get(place).and_then(|place| place.get(name)).cloned();
    // §5.5.1.1: an essential acr that cannot be had fails the request
    if let Some(acr) = member("id_token", "acr") {
        let essential = acr.get("essential").and_then(Value::as_bool).unwrap_or(false);
        let one = acr.get("value").and_then(Value::as_str);
        let many = acr.get("values").and_then(Value::as_array);
        let named = one.is_some() || many.is_some();
        let can = one == Some(ACR_PASSWORD) || many.is_some_and(|many| many.iter().any(|value| value == ACR_PASSWORD));
        if essential && named && !can {
            return Err(OAuthError::new(
                Code::UnmetAuthenticationRequirements,
                format!("claims: the only acr that can be had is {ACR_PASSWORD}"),
            ));
        }
    }
    let subject = ["id_token", "userinfo"]
        .into_iter()
        .find_map(|place| member(place, "sub")?.get("value")?.as_str().map(str::to_owned));
    Ok(RequestedClaims { subject, id_token, userinfo })
}

/// The subject of an ID token that was issued here; that it has expired does not matter (OpenID Connect Core §3.1.2.1).
fn hinted_subject(app: &App, hint: &str) -> Result<String, OAuthError> {
    let malformed = || OAuthError::new(Code::InvalidRequest, "id_token_hint: expected an ID token of this server");
    let claims = id_token::read_hint(&app.keys.load(), app.config.issuer(), hint).ok_or_else(malformed)?;
    claims.get("sub").and_then(Value::as_str).map(str::to_owned).ok_or_else(malformed)
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
    let purge_at = code.expires_at + CODE_ROW_KEPT;
    app.store.write(move |tx| store::authorization_code::insert(tx, &code, purge_at)).await?;
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
