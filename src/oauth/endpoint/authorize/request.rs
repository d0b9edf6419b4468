//! What an authorization request asks, checked: everything that the application is told by redirect if it is wrong.

use serde_json::Value;

use crate::{
    app::App,
    identity::session::ACR_PASSWORD,
    model::{grant_type::GrantType, id::shown, pkce, scope::Scope},
    oauth::{
        claims,
        error::{Code, OAuthError},
        id_token,
        params::Params,
        resource,
    },
    store::client::Client,
};

/// The one response type; `token` and `id_token` put tokens into URLs (RFC 9700 §2.1.2).
pub const RESPONSE_TYPE: &str = "code";
/// How answers can be sent (OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode).
pub const RESPONSE_MODES: [&str; 2] = ["query", "form_post"];
/// The prompts that mean something here.
pub const PROMPTS: [&str; 4] = ["none", "login", "consent", "select_account"];
/// The displays that pages are made for; others are shown the same.
pub const DISPLAYS: [&str; 1] = ["page"];

/// A request whose answer can be sent to the application.
pub struct Request {
    /// All of its parameters.
    pub params: Params,
    /// Where the answer goes; proven.
    pub redirect_uri: String,
    /// Whether the answer is posted.
    pub form_post: bool,
    /// `state`, unless it is there twice.
    pub state: Option<String>,
}

/// What a well-formed request asks.
pub struct Asked {
    /// What for.
    pub scope: Scope,
    /// `nonce`.
    pub nonce: Option<String>,
    /// RFC 7636, S256.
    pub code_challenge: Option<String>,
    /// `prompt`.
    pub prompts: Vec<String>,
    /// How old the proof of who it is may be, in seconds.
    pub max_age: Option<u64>,
    /// RFC 8707.
    pub resources: Vec<String>,
    /// The subject that the application expects (`id_token_hint`, or `sub` in `claims`).
    pub subject: Option<String>,
    /// Claims asked for by name in the ID token; the client is registered for their scopes.
    pub id_token_claims: Vec<String>,
    /// The same at userinfo.
    pub userinfo_claims: Vec<String>,
}

/// Checks everything about a request that the application is told.
///
/// # Errors
/// As RFC 6749 §4.1.2.1 and OpenID Connect Core §3.1.2.6 have them.
pub async fn parse(app: &App, client: &Client, request: &Request) -> Result<Asked, OAuthError> {
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
