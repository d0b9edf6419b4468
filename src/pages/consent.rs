//! `/consent`: may this application use the account?

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Payload},
};
use serde_json::Value;
use url::Url;

use super::{
    error::{PageError, or_page},
    form::{self, Fields},
    view::{self, ConsentItem, Lasts},
    visit::{Person, Visit},
};
use crate::{
    app::App,
    config::Tokens,
    model::{permission::Permission, redirect_uri, scope::Scope},
    store::{
        self,
        audit::{Change, Event},
    },
    web::{
        continuation::{ConsentQuestion, Consented, Pending, PendingAuthorization, consent_path, login_path},
        page::FormTargets,
    },
};

const FORM: &str = "consent";

/// `GET /consent?request=…`: the question.
pub async fn get(app: web::Data<App>, req: HttpRequest) -> HttpResponse {
    or_page(&app, &req, show(&Visit::new(&app, &req)).await)
}

/// `POST /consent`: the answer.
pub async fn post(app: web::Data<App>, req: HttpRequest, payload: Payload) -> HttpResponse {
    let answer = async {
        let fields = form::read(&req, payload, app.config.limits.body_bytes).await?;
        decide(&Visit::new(&app, &req), &fields).await
    };
    or_page(&app, &req, answer.await)
}

async fn show(visit: &Visit<'_>) -> Result<HttpResponse, PageError> {
    let sealed = visit.query()?.get("request").to_owned();
    let request = visit.authorization(&sealed)?;
    let Some((question, person)) = asked(visit, &request).await? else {
        return Ok(visit.resume(request).await);
    };
    let Some(client) = visit.client(&request.client_id).await? else {
        return Ok(visit.resume(request).await);
    };
    let page = view::Consent {
        frame: visit.frame(),
        action: visit.path("/consent"),
        csrf_token: visit.csrf_token(FORM),
        request: sealed,
        client_name: client.name.clone(),
        client_host: place(&request.redirect_uri),
        display_name: person.principal.display_name().to_owned(),
        email: person.principal.email.clone().unwrap_or_default(),
        items: items(&question.scope, &question.remembered),
        lasts: lasts(&question.scope, &visit.app.config.tokens),
        policy_url: client.metadata.policy_uri.clone(),
        terms_url: client.metadata.tos_uri.clone(),
    };
    Ok(visit.page(StatusCode::OK, &page, FormTargets::LeadsToApplication))
}

async fn decide(visit: &Visit<'_>, fields: &Fields) -> Result<HttpResponse, PageError> {
    let sealed = fields.get("request");
    let mut request = visit.authorization(sealed)?;
    if !visit.is_own_form(FORM, fields) {
        return Ok(visit.see_other(&consent_path(visit.base(), sealed)));
    }
    match fields.get("decision") {
        "allow" => {
            let Some((question, person)) = asked(visit, &request).await? else {
                return Ok(visit.resume(request).await);
            };
            remember(visit, &person, &request, question).await?;
            request.consented = Some(Consented {
                session_id: question.session_id.clone(),
                auth_time: question.auth_time,
                scope: question.scope.clone(),
            });
            Ok(visit.resume(request).await)
        }
        "deny" => {
            request.denied = true;
            Ok(visit.resume(request).await)
        }
        "switch" => {
            request.offer_account = false;
            request.authenticated = None;
            request.chosen = None;
            request.consent = None;
            // what was typed before names the account that is not wanted
            request.login_hint = None;
            let sealed = request.seal(&visit.app.seals.authorization_request);
            Ok(visit.see_other(&login_path(visit.base(), &sealed)))
        }
        _ => Ok(visit.see_other(&consent_path(visit.base(), sealed))),
    }
}

/// The question, if there is one and it is for who is signed in now; otherwise the authorization endpoint asks anew.
async fn asked<'r>(
    visit: &Visit<'_>,
    request: &'r PendingAuthorization,
) -> Result<Option<(&'r ConsentQuestion, Person)>, PageError> {
    let Some(question) = &request.consent else { return Ok(None) };
    let person = visit
        .person()
        .await?
        .filter(|person| person.session.id == question.session_id && person.session.auth_time == question.auth_time);
    Ok(person.map(|person| (question, person)))
}

async fn remember(
    visit: &Visit<'_>,
    person: &Person,
    request: &PendingAuthorization,
    question: &ConsentQuestion,
) -> Result<(), PageError> {
    let principal = person.principal.id.clone();
    let client = request.client_id.clone();
    let origin = redirect_uri::origin(&request.redirect_uri);
    let scope = question.scope.clone();
    let (now, from) = (visit.now, visit.origin());
    let allowed = visit.app.store.write(move |tx| {
        store::consent::allow(tx, &principal, &client, &origin, &scope, now)?;
        let mut event = Event::by(&principal, &from, "consent.allow", ("client", &client), now);
        event.changes = vec![Change { path: "/scope".to_owned(), from: Value::Null, to: scope.to_string().into() }];
        store::audit::insert(tx, &event)
    });
    let allowed: Result<(), store::Error> = allowed.await;
    Ok(allowed?)
}

/// Where a redirect URI leads, as a person can recognise it: a host, or which application on the device.
fn place(uri: &str) -> String {
    let origin = redirect_uri::origin(uri);
    match origin.split_once("://") {
        Some(("http" | "https", host)) => host.to_owned(),
        _ => {
            let scheme = Url::parse(uri).map(|url| url.scheme().to_owned()).unwrap_or_default();
            format!("the application {scheme} on this device")
        }
    }
}

/// How long what is allowed lasts: with `offline_access` as long as refresh tokens do.
fn lasts(scope: &Scope, tokens: &Tokens) -> Lasts {
    if !scope.contains("offline_access") {
        return Lasts::UntilSignOut;
    }
    let days = tokens.refresh_absolute.as_secs().div_ceil(24 * 3600);
    Lasts::UpToDays(u32::try_from(days).unwrap_or(u32::MAX))
}

/// What is asked for, item by item. New is what was not allowed before, where anything was.
fn items(scope: &Scope, remembered: &Scope) -> Vec<ConsentItem> {
    let item = |token: &str| {
        let (sentence, detail) = in_words(token);
        ConsentItem { sentence, detail, new: !remembered.is_empty() && !remembered.contains(token) }
    };
    scope.iter().map(item).collect()
}

/// What a scope means: a sentence that goes on after "… asks to", and what it means exactly.
fn in_words(token: &str) -> (String, Option<String>) {
    let (sentence, detail) = match token {
        "openid" => ("Know who you are", "An identifier that stays the same, and when you signed in"),
        "profile" => ("See your profile", "Your name, picture, language and what else you keep there"),
        "email" => ("See your email address", ""),
        "phone" => ("See your phone number", ""),
        "address" => ("See your postal address", ""),
        "offline_access" => ("Stay connected when you are away", ""),
        _ => return permission_in_words(token),
    };
    (sentence.to_owned(), (!detail.is_empty()).then(|| detail.to_owned()))
}

fn permission_in_words(token: &str) -> (String, Option<String>) {
    let Ok(permission) = token.parse::<Permission>() else {
        return (format!("Use “{token}”"), None);
    };
    let what = match permission.resource() {
        "*" => "everything that you may use".to_owned(),
        resource => format!("“{}”", resource.strip_suffix("/*").unwrap_or(resource)),
    };
    let sentence = match permission.action() {
        "*" => format!("Do all that you may do with {what}"),
        "read" => format!("Read {what} for you"),
        "write" | "update" => format!("Change {what} for you"),
        "create" => format!("Create in {what} for you"),
        "delete" => format!("Delete in {what} for you"),
        action => format!("Use your permission “{action}” with {what}"),
    };
    (sentence, Some(format!("Permission {token}, as far as you have it yourself")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, model::scope::OPENID_SCOPES};

    #[test]
    fn every_scope_is_a_sentence_of_its_own() {
        let mut sentences: Vec<String> = OPENID_SCOPES.iter().map(|token| in_words(token).0).collect();
        assert!(sentences.iter().all(|sentence| !sentence.contains('“')));
        sentences.extend(["registry:read", "registry:*", "*:read", "*:*", "a/*:approve", "odd"].map(|t| in_words(t).0));
        assert_eq!(
            sentences[6..],
            [
                "Read “registry” for you",
                "Do all that you may do with “registry”",
                "Read everything that you may use for you",
                "Do all that you may do with everything that you may use",
                "Use your permission “approve” with “a”",
                "Use “odd”",
            ]
        );
        let count = sentences.len();
        sentences.sort();
        sentences.dedup();
        assert_eq!(sentences.len(), count);
    }

    #[test]
    fn new_is_what_was_not_allowed_before() {
        let scope: Scope = "openid email".parse().unwrap();
        let new = |remembered: &str| -> Vec<bool> {
            items(&scope, &remembered.parse().unwrap()).iter().map(|item| item.new).collect()
        };
        assert_eq!(new(""), [false, false]);
        assert_eq!(new("openid"), [false, true]);
        assert_eq!(new("email openid"), [false, false]);
    }

    #[test]
    fn the_place_is_what_a_name_cannot_pretend() {
        assert_eq!(place("https://ledger.example/cb?x=1"), "ledger.example");
        assert_eq!(place("https://ledger.example:8443/cb"), "ledger.example:8443");
        assert_eq!(place("http://127.0.0.1:50123/cb"), "127.0.0.1");
        assert_eq!(place("com.example.app:/cb"), "the application com.example.app on this device");
        assert_eq!(place("com.example.app://bank.example/cb"), "the application com.example.app on this device");
        assert_eq!(place("https://bücher.example/"), "xn--bcher-kva.example");
    }

    #[test]
    fn offline_access_lasts_as_long_as_refresh_tokens() {
        let tokens = Config::defaults().tokens;
        assert!(matches!(lasts(&"openid".parse().unwrap(), &tokens), Lasts::UntilSignOut));
        assert!(matches!(lasts(&"openid offline_access".parse().unwrap(), &tokens), Lasts::UpToDays(180)));
    }
}
