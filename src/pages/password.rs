//! `/password`: a new password, in the place of a temporary one or because its owner wants it.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Payload},
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{
    error::{PageError, or_page},
    form::{self, Fields},
    login,
    view::{self, FieldError},
    visit::{Person, Visit, add_cookie, with_retry_after},
};
use crate::{
    app::App,
    config::Passwords,
    identity::authenticate::{Kept, Outcome, PasswordFault, set_password},
    model::{secret::SecretHash, time::Timestamp},
    store::{self, principal::Principal},
    web::{
        continuation::{Pending, Unsealed},
        page::FormTargets,
    },
};

const FORM: &str = "password";
/// How long somebody may think about a new password.
const TICKET_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// The proof that somebody has just presented a temporary password. It opens this page and nothing else, in the browser
/// where it was presented, as long as that password is the stored one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ticket {
    principal_id: String,
    /// The hash of the stored hash: after another change the ticket is void.
    password: String,
    /// A ticket in a link leads nobody else into this account.
    browser: String,
    /// The sealed authorization request that waits; may be empty.
    request: String,
    /// Whether the person wants to stay signed in.
    persistent: bool,
    expires_at: Timestamp,
}

impl Pending for Ticket {
    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl Ticket {
    /// A ticket for somebody whose temporary password was just found right.
    pub fn new(visit: &Visit<'_>, principal: &Principal, request: &str, persistent: bool) -> Ticket {
        Ticket {
            principal_id: principal.id.clone(),
            password: fingerprint(principal),
            browser: visit.browser_id(),
            request: request.to_owned(),
            persistent,
            expires_at: visit.now + TICKET_LIFETIME,
        }
    }

    /// The path and query of this page for it.
    pub fn path(&self, visit: &Visit<'_>) -> String {
        visit.path(&format!("/password?ticket={}", self.seal(&visit.app.seals.password_ticket)))
    }
}

fn fingerprint(principal: &Principal) -> String {
    let hash = principal.password_hash.as_deref().unwrap_or_default();
    SecretHash::of(hash).as_str().to_owned()
}

/// `GET /password?ticket=…`: the form; without a ticket for who is signed in.
pub async fn get(app: web::Data<App>, req: HttpRequest) -> HttpResponse {
    or_page(&app, &req, show(&Visit::new(&app, &req)).await)
}

/// `POST /password`: the new password.
pub async fn post(app: web::Data<App>, req: HttpRequest, payload: Payload) -> HttpResponse {
    let answer = async {
        let fields = form::read(&req, payload, app.config.limits.body_bytes).await?;
        decide(&Visit::new(&app, &req), &fields).await
    };
    or_page(&app, &req, answer.await)
}

async fn show(visit: &Visit<'_>) -> Result<HttpResponse, PageError> {
    Ok(match open(visit, visit.query()?.get("ticket")).await? {
        Ok(change) => change.answer(visit, StatusCode::OK, Vec::new()),
        Err(elsewhere) => elsewhere,
    })
}

/// A password that may be changed, and why.
enum Change {
    /// A temporary password was presented.
    Forced { ticket: Ticket, sealed: String, principal: Box<Principal> },
    /// Somebody who is signed in wants it.
    Wanted(Box<Person>),
}

/// Finds out whose password may be changed, or else where to go.
async fn open(visit: &Visit<'_>, sealed: &str) -> Result<Result<Change, HttpResponse>, PageError> {
    if sealed.is_empty() {
        return Ok(match visit.person().await? {
            Some(person) => Ok(Change::Wanted(Box::new(person))),
            None => Err(visit.see_other(&visit.path("/login"))),
        });
    }
    let ticket = match Ticket::unseal(&visit.app.seals.password_ticket, sealed, visit.now) {
        Unsealed::Fresh(ticket) if ticket.browser == visit.browser_id() => ticket,
        Unsealed::Fresh(ticket) | Unsealed::Expired(ticket) => {
            let notice = "This took too long, or it began in another browser. Please sign in once more.";
            return Ok(Err(login::again(visit, &ticket.request, notice).await?));
        }
        Unsealed::Invalid => return Err(PageError::Request),
    };
    let id = ticket.principal_id.clone();
    let found = visit.app.store.read(move |conn| store::principal::find(conn, &id)).await?;
    let holds = |principal: &Principal| {
        let expired = principal.password_expires_at.is_some_and(|at| at <= visit.now);
        principal.suspended_at.is_none() && !expired && fingerprint(principal) == ticket.password
    };
    match found.filter(holds) {
        Some(principal) => Ok(Ok(Change::Forced { ticket, sealed: sealed.to_owned(), principal: Box::new(principal) })),
        None => Ok(Err(changed_before(visit, &ticket.request).await?)),
    }
}

/// The password is another one by now, as after the form was sent twice.
async fn changed_before(visit: &Visit<'_>, request: &str) -> Result<HttpResponse, PageError> {
    login::again(visit, request, "Your password was changed. Sign in with the new one.").await
}

async fn decide(visit: &Visit<'_>, fields: &Fields) -> Result<HttpResponse, PageError> {
    let change = match open(visit, fields.get("ticket")).await? {
        Ok(change) => change,
        Err(elsewhere) => return Ok(elsewhere),
    };
    if !visit.is_own_form(FORM, fields) {
        let error = FieldError::new("new_password", "This page was not up to date. Please enter everything once more.");
        return Ok(change.answer(visit, StatusCode::FORBIDDEN, vec![error]));
    }
    let errors = typing_errors(fields);
    if !errors.is_empty() {
        return Ok(change.answer(visit, StatusCode::UNPROCESSABLE_ENTITY, errors));
    }
    let new = SecretString::from(fields.get("new_password"));
    match change {
        Change::Forced { .. } => replace_temporary(visit, change, new).await,
        Change::Wanted(person) => replace_own(visit, *person, fields.get("current_password"), new).await,
    }
}

async fn replace_temporary(visit: &Visit<'_>, change: Change, new: SecretString) -> Result<HttpResponse, PageError> {
    let Change::Forced { ticket, principal, .. } = &change else { return Err(PageError::Form) };
    match set(visit, principal, new, None).await? {
        Ok(hash) => {
            let Some(signed_in) = visit.sign_in_anew(&principal.id, Some(hash), ticket.persistent).await? else {
                return changed_before(visit, &ticket.request).await;
            };
            // A request that has expired meanwhile is begun anew with one button, by somebody who is signed in.
            match visit.authorization_if_any(&ticket.request) {
                Ok(request) => Ok(visit.go_on(signed_in, request).await),
                Err(error) => {
                    let mut page = or_page(visit.app, visit.req, Err(error));
                    signed_in.cookies.iter().for_each(|cookie| add_cookie(&mut page, cookie));
                    Ok(page)
                }
            }
        }
        Err(PasswordFault::Changed) => changed_before(visit, &ticket.request).await,
        Err(fault) => Ok(change.refused(visit, fault)),
    }
}

async fn replace_own(
    visit: &Visit<'_>,
    person: Person,
    current: &str,
    new: SecretString,
) -> Result<HttpResponse, PageError> {
    let (session, email) = (person.session.clone(), person.principal.email.clone().unwrap_or_default());
    let change = Change::Wanted(Box::new(person));
    let wrong =
        |status, message: &str| change.answer(visit, status, vec![FieldError::new("current_password", message)]);
    // A guess like any other, or a stolen session could guess without end.
    let principal = match visit.authenticate(&email, current).await? {
        Outcome::Authenticated { principal, .. } if principal.id == session.principal_id => principal,
        Outcome::Authenticated { .. } | Outcome::Refused => {
            return Ok(wrong(StatusCode::UNPROCESSABLE_ENTITY, "The current password is not right."));
        }
        Outcome::Throttled { retry_after } => {
            let message = format!("There were too many attempts. Please wait {}.", view::in_words(retry_after));
            return Ok(with_retry_after(wrong(StatusCode::TOO_MANY_REQUESTS, &message), retry_after));
        }
        Outcome::Busy { retry_after } => {
            let message = "The server is busy. Please try again in a moment.";
            return Ok(with_retry_after(wrong(StatusCode::SERVICE_UNAVAILABLE, message), retry_after));
        }
    };
    match set(visit, &principal, new, Some(session.id.clone())).await? {
        Ok(hash) => {
            let Some(signed_in) = visit.sign_in_anew(&principal.id, Some(hash), session.persistent).await? else {
                return Ok(visit.see_other(&visit.path("/login")));
            };
            let mut response = visit.see_other(&visit.path("/account?password=changed"));
            signed_in.cookies.iter().for_each(|cookie| add_cookie(&mut response, cookie));
            Ok(response)
        }
        Err(fault) => Ok(change.refused(visit, fault)),
    }
}

/// Sets the password of somebody whose stored one was just found right; the new stored hash.
async fn set(
    visit: &Visit<'_>,
    principal: &Principal,
    new: SecretString,
    keep_session: Option<String>,
) -> Result<Result<String, PasswordFault>, PageError> {
    let (app, current, kept) = (visit.app, principal.password_hash.clone(), Kept::session(keep_session));
    let (now, origin) = (visit.now, visit.origin());
    let set = set_password(&app.store, &app.hasher, &app.config, now, &principal.id, current, new, kept, origin);
    Ok(set.await?)
}

impl Change {
    fn answer(&self, visit: &Visit<'_>, status: StatusCode, errors: Vec<FieldError>) -> HttpResponse {
        let (principal, ticket, reason, leads) = match self {
            Change::Forced { ticket, sealed, principal } => (
                principal.as_ref(),
                sealed.clone(),
                Some("The password that you used was temporary. Choose one that only you know.".to_owned()),
                if ticket.request.is_empty() { FormTargets::OwnPages } else { FormTargets::LeadsToApplication },
            ),
            Change::Wanted(person) => (&person.principal, String::new(), None, FormTargets::OwnPages),
        };
        let page = view::ChangePassword {
            frame: visit.frame(),
            action: visit.path("/password"),
            csrf_token: visit.csrf_token(FORM),
            ask_current_password: ticket.is_empty(),
            ticket,
            username: principal.email.clone().unwrap_or_default(),
            reason,
            password_hint: hint(&visit.app.config.passwords),
            errors,
        };
        visit.page(status, &page, leads)
    }

    fn refused(&self, visit: &Visit<'_>, fault: PasswordFault) -> HttpResponse {
        let wrong =
            |status, message: String| self.answer(visit, status, vec![FieldError::new("new_password", message)]);
        match fault {
            PasswordFault::Policy(rules) => wrong(StatusCode::UNPROCESSABLE_ENTITY, rules.join(" ")),
            PasswordFault::SameAsOld => {
                wrong(StatusCode::UNPROCESSABLE_ENTITY, "Choose another password than the present one.".to_owned())
            }
            PasswordFault::Changed => {
                wrong(StatusCode::CONFLICT, "The password was changed elsewhere. Please try again.".to_owned())
            }
            PasswordFault::Busy(busy) => {
                let page = wrong(StatusCode::SERVICE_UNAVAILABLE, "The server is busy. Please try again.".to_owned());
                with_retry_after(page, busy.retry_after)
            }
        }
    }
}

/// What is wrong with a new password before its rules are looked at.
pub fn typing_errors(fields: &Fields) -> Vec<FieldError> {
    let (new, confirmation) = (fields.get("new_password"), fields.get("password_confirmation"));
    if new.is_empty() {
        vec![FieldError::new("new_password", "Choose a password.")]
    } else if new != confirmation {
        vec![FieldError::new("password_confirmation", "Enter the same password twice.")]
    } else {
        Vec::new()
    }
}

/// What makes a password good enough, for people.
pub fn hint(rules: &Passwords) -> String {
    format!(
        "At least {} characters, among them a capital letter, a small letter and a digit. A few unrelated words are \
         easy to remember and hard to guess.",
        rules.min_length
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_fields_must_agree() {
        let wrong = |form: &str| -> Vec<String> {
            typing_errors(&Fields::parse(form.as_bytes()).unwrap()).into_iter().map(|error| error.field).collect()
        };
        assert_eq!(wrong("new_password=a&password_confirmation=a"), Vec::<String>::new());
        assert_eq!(wrong("new_password=a&password_confirmation=A"), ["password_confirmation"]);
        assert_eq!(wrong("new_password=a"), ["password_confirmation"]);
        assert_eq!(wrong("password_confirmation=a"), ["new_password"]);
    }
}
