//! `/setup`: the first owner, made by whoever holds the one-time link.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Payload},
};

use super::{
    error::{PageError, or_page},
    form::{self, Fields},
    password,
    view::{self, FieldError, Link},
    visit::{Visit, with_retry_after},
};
use crate::{
    app::App,
    identity::setup::{SetupFault, complete, link_holds},
    model::{
        email::Email,
        secret::{Kind, Secret},
    },
    store,
    web::page::FormTargets,
};

const FORM: &str = "setup";
/// The longest name, in characters.
const MAX_NAME: usize = 200;

/// `GET /setup?token=…`: the form, or what is needed to come to it.
pub async fn get(app: web::Data<App>, req: HttpRequest) -> HttpResponse {
    or_page(&app, &req, show(&Visit::new(&app, &req)).await)
}

/// `POST /setup`: the first owner.
pub async fn post(app: web::Data<App>, req: HttpRequest, payload: Payload) -> HttpResponse {
    let answer = async {
        let fields = form::read(&req, payload, app.config.limits.body_bytes).await?;
        decide(&Visit::new(&app, &req), &fields).await
    };
    or_page(&app, &req, answer.await)
}

async fn show(visit: &Visit<'_>) -> Result<HttpResponse, PageError> {
    if visit.app.store.read(store::setup::is_done).await? {
        return closed(visit).await;
    }
    let query = visit.query()?;
    if !query.has("token") {
        return Ok(needs_link(visit));
    }
    match Secret::presented(Kind::SetupLink, query.get("token")) {
        Some(link) if link_holds(&visit.app.store, visit.now, &link).await? => {
            Ok(form_again(visit, &query, StatusCode::OK, Vec::new()))
        }
        _ => Ok(link_invalid(visit)),
    }
}

async fn decide(visit: &Visit<'_>, fields: &Fields) -> Result<HttpResponse, PageError> {
    if !visit.is_own_form(FORM, fields) {
        let error =
            FieldError::new("new_password", "This page was not up to date. Please enter the password once more.");
        return Ok(form_again(visit, fields, StatusCode::FORBIDDEN, vec![error]));
    }
    let (email, mut errors) = person_errors(fields);
    errors.extend(password::typing_errors(fields));
    let Some(email) = email.filter(|_| errors.is_empty()) else {
        return Ok(form_again(visit, fields, StatusCode::UNPROCESSABLE_ENTITY, errors));
    };
    let app = visit.app;
    let link = Secret::presented(Kind::SetupLink, fields.get("token"));
    let (name, new) = (fields.get("name").trim().to_owned(), fields.get("new_password").to_owned().into());
    match complete(&app.store, &app.hasher, &app.config, visit.now, link, name, email, new).await? {
        Ok(owner) => match visit.sign_in_anew(&owner.id, owner.password_hash.clone(), false).await? {
            Some(signed_in) => Ok(visit.go_on(signed_in, None).await),
            None => closed(visit).await,
        },
        Err(SetupFault::Done) => closed(visit).await,
        Err(fault) => Ok(refused(visit, fields, fault)),
    }
}

fn refused(visit: &Visit<'_>, fields: &Fields, fault: SetupFault) -> HttpResponse {
    let wrong =
        |status, field: &str, message: &str| form_again(visit, fields, status, vec![FieldError::new(field, message)]);
    match fault {
        SetupFault::Policy(rules) => wrong(StatusCode::UNPROCESSABLE_ENTITY, "new_password", &rules.join(" ")),
        SetupFault::EmailInUse => wrong(StatusCode::CONFLICT, "email", "Another account has this email address."),
        SetupFault::LinkInvalid | SetupFault::Done => link_invalid(visit),
        SetupFault::Busy(busy) => {
            let page = wrong(StatusCode::SERVICE_UNAVAILABLE, "new_password", "The server is busy. Please try again.");
            with_retry_after(page, busy.retry_after)
        }
    }
}

/// The email if it is one, and what is wrong with name and email.
fn person_errors(fields: &Fields) -> (Option<Email>, Vec<FieldError>) {
    let mut errors = Vec::new();
    let name = fields.get("name").trim();
    if name.is_empty() {
        errors.push(FieldError::new("name", "Enter your name."));
    } else if name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        errors.push(FieldError::new("name", format!("Enter a name of at most {MAX_NAME} characters.")));
    }
    let email = fields.get("email").parse::<Email>();
    if email.is_err() {
        errors.push(FieldError::new("email", "Enter an email address such as ada@example.com."));
    }
    (email.ok(), errors)
}

fn form_again(visit: &Visit<'_>, fields: &Fields, status: StatusCode, errors: Vec<FieldError>) -> HttpResponse {
    let page = view::Setup {
        frame: visit.frame(),
        action: visit.path("/setup"),
        csrf_token: visit.csrf_token(FORM),
        token: fields.get("token").to_owned(),
        name: fields.get("name").to_owned(),
        email: fields.get("email").to_owned(),
        password_hint: password::hint(&visit.app.config.passwords),
        errors,
    };
    visit.page(status, &page, FormTargets::OwnPages)
}

fn needs_link(visit: &Visit<'_>) -> HttpResponse {
    let paragraphs = [
        "This server has no owner yet. Its first one is made with a link that works once.",
        "The server prints the link when it starts. To get a new one, run “keyward setup-link” on the machine that \
         runs the server.",
    ];
    say(visit, StatusCode::OK, "This server is not set up yet", &paragraphs, None)
}

fn link_invalid(visit: &Visit<'_>) -> HttpResponse {
    let paragraphs = [
        "A setup link works once and for a day, and a newer link replaces it. Check that you have opened all of it.",
        "To get a new one, run “keyward setup-link” on the machine that runs the server.",
    ];
    say(visit, StatusCode::FORBIDDEN, "This setup link does not work", &paragraphs, None)
}

/// Nothing to do any more. Whoever has just done it, and comes back by the back button or a second click, is signed in.
async fn closed(visit: &Visit<'_>) -> Result<HttpResponse, PageError> {
    if visit.person().await?.is_some() {
        return Ok(visit.see_other(&visit.path("/account")));
    }
    let link = Link { label: "Sign in".to_owned(), href: visit.path("/login") };
    let paragraphs = ["This server has an owner already, and the page for making the first one is closed for good."];
    Ok(say(visit, StatusCode::GONE, "Set-up is closed", &paragraphs, Some(link)))
}

fn say(visit: &Visit<'_>, status: StatusCode, heading: &str, paragraphs: &[&str], link: Option<Link>) -> HttpResponse {
    let paragraphs = paragraphs.iter().map(|text| (*text).to_owned()).collect();
    let page = view::Message { frame: visit.frame(), heading: heading.to_owned(), paragraphs, link, form: None };
    visit.page(status, &page, FormTargets::OwnPages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_own_complaint() {
        let wrong = |form: &str| -> Vec<String> {
            person_errors(&Fields::parse(form.as_bytes()).unwrap()).1.into_iter().map(|error| error.field).collect()
        };
        assert_eq!(wrong("name=Ada&email=ada%40example.com"), Vec::<String>::new());
        assert_eq!(wrong("name=+&email=ada"), ["name", "email"]);
        assert_eq!(wrong(&format!("name={}&email=ada%40example.com", "x".repeat(MAX_NAME + 1))), ["name"]);
        assert_eq!(wrong("name=a%0Ab&email=ada%40example.com"), ["name"]);
    }
}
