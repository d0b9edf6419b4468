//! `/login`: who are you?

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Payload},
};
use futures_util::future::LocalBoxFuture;

use super::{
    error::{PageError, or_page},
    form::{self, Fields},
    password,
    view::{self, SignedIn},
    visit::{Visit, whole_seconds, with_retry_after},
};
use crate::{
    app::App,
    identity::authenticate::Outcome,
    store::principal::Principal,
    web::{
        continuation::{Pending, PendingAuthorization, SignInPage},
        page::FormTargets,
    },
};

const FORM: &str = "login";

/// One sentence for an unknown email, a wrong password and a suspended account.
const REFUSED: &str = "The email or the password is not right.";

/// `GET /login?request=…`: the form. Without a request it leads to the account.
pub async fn get(app: web::Data<App>, req: HttpRequest) -> HttpResponse {
    or_page(&app, &req, show(&Visit::new(&app, &req)).await)
}

/// `POST /login`: the form as it was sent, or the button that goes on with the account that is signed in.
pub async fn post(app: web::Data<App>, req: HttpRequest, payload: Payload) -> HttpResponse {
    let answer = async {
        let fields = form::read(&req, payload, app.config.limits.body_bytes).await?;
        decide(&Visit::new(&app, &req), &fields).await
    };
    or_page(&app, &req, answer.await)
}

async fn show(visit: &Visit<'_>) -> Result<HttpResponse, PageError> {
    let login = Waiting::open(visit, visit.query()?.get("request"))?;
    if login.request.is_none() && visit.person().await?.is_some() {
        return Ok(visit.see_other(&visit.path("/account")));
    }
    login.first(visit).await
}

/// The login page as it is shown again, with a word on why.
///
/// # Errors
/// As the database has them.
pub async fn again(visit: &Visit<'_>, sealed: &str, notice: &str) -> Result<HttpResponse, PageError> {
    let login = Waiting::open(visit, sealed)?;
    let mut page = login.form(visit).await?;
    page.notice = Some(notice.to_owned());
    Ok(login.answer(visit, StatusCode::OK, &page))
}

/// What the authorization endpoint shows to who has to sign in (see [`SignInPage`]).
pub const SIGN_IN_PAGE: SignInPage = SignInPage(in_its_place);

fn in_its_place<'a>(
    req: &'a HttpRequest,
    app: &'a App,
    request: PendingAuthorization,
) -> LocalBoxFuture<'a, HttpResponse> {
    Box::pin(async move {
        let visit = Visit::new(app, req);
        let sealed = request.seal(&app.seals.authorization_request);
        or_page(app, req, Waiting { sealed, request: Some(request) }.first(&visit).await)
    })
}

async fn decide(visit: &Visit<'_>, fields: &Fields) -> Result<HttpResponse, PageError> {
    let login = Waiting::open(visit, fields.get("request"))?;
    if !visit.is_own_form(FORM, fields) {
        let mut page = login.typed(visit, fields).await?;
        page.notice = Some(
            "This page was not up to date, or the browser kept no cookie. Please sign in once more; cookies must be \
             allowed for this address."
                .to_owned(),
        );
        return Ok(login.answer(visit, StatusCode::FORBIDDEN, &page));
    }
    if fields.has("cancel") {
        return Ok(match login.request {
            Some(mut request) => {
                request.denied = true;
                visit.resume(request).await
            }
            None => visit.see_other(&visit.path("/")),
        });
    }
    if fields.has("account") {
        return go_on_as_signed_in(visit, login, fields.get("session")).await;
    }
    sign_in(visit, login, fields).await
}

/// The account button: goes on with the session that the page has shown.
async fn go_on_as_signed_in(visit: &Visit<'_>, login: Waiting, shown: &str) -> Result<HttpResponse, PageError> {
    // Somebody else may have signed in meanwhile, in another tab.
    let person = visit.person().await?.filter(|person| shown.is_empty() || shown == person.session.id);
    match (person, login.request) {
        // Only where it was offered: the button is no answer to a request for a fresh proof.
        (Some(person), Some(mut request)) if request.offer_account => {
            request.chosen = Some(person.session.id);
            Ok(visit.resume(request).await)
        }
        (Some(_), None) => Ok(visit.see_other(&visit.path("/account"))),
        (person, request) => {
            let login = Waiting { request, sealed: login.sealed };
            let mut page = login.form(visit).await?;
            if person.is_none() {
                page.notice = Some("That account is not signed in any more.".to_owned());
            }
            Ok(login.answer(visit, StatusCode::OK, &page))
        }
    }
}

async fn refused(visit: &Visit<'_>, login: &Waiting, fields: &Fields) -> Result<HttpResponse, PageError> {
    let mut page = login.typed(visit, fields).await?;
    page.error = Some(REFUSED.to_owned());
    // 401 must name a scheme for the Authorization header (RFC 9110 §15.5.2), and a browser would ask for it by itself.
    // The form was well-formed and what it says is not so: 422.
    Ok(login.answer(visit, StatusCode::UNPROCESSABLE_ENTITY, &page))
}

async fn sign_in(visit: &Visit<'_>, login: Waiting, fields: &Fields) -> Result<HttpResponse, PageError> {
    let (username, password) = (fields.get("username"), fields.get("password"));
    if username.trim().is_empty() || password.is_empty() {
        let mut page = login.typed(visit, fields).await?;
        page.error = Some("Enter your email and your password.".to_owned());
        return Ok(login.answer(visit, StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    let persistent = fields.has("stay_signed_in");
    let outcome = visit.sign_in(username, password, persistent).await?;
    visit.app.metrics.sign_ins.count(["page", outcome.as_str()]);
    match outcome {
        Outcome::Authenticated { begun: Some(signed_in), .. } => Ok(visit.go_on(signed_in, login.request).await),
        Outcome::Authenticated { principal, begun: None, .. } => {
            Ok(replace_password(visit, &login, &principal, persistent))
        }
        Outcome::Refused => refused(visit, &login, fields).await,
        Outcome::Throttled { retry_after } => {
            let mut page = login.typed(visit, fields).await?;
            page.error = Some("There were too many attempts.".to_owned());
            page.retry_after_seconds = Some(whole_seconds(retry_after));
            let response = login.answer(visit, StatusCode::TOO_MANY_REQUESTS, &page);
            Ok(with_retry_after(response, retry_after))
        }
        Outcome::Busy { retry_after } => {
            let mut page = login.typed(visit, fields).await?;
            page.error = Some("Many people are signing in just now.".to_owned());
            page.retry_after_seconds = Some(whole_seconds(retry_after));
            let response = login.answer(visit, StatusCode::SERVICE_UNAVAILABLE, &page);
            Ok(with_retry_after(response, retry_after))
        }
    }
}

/// A temporary password opens no session: it leads to the page that replaces it.
fn replace_password(visit: &Visit<'_>, login: &Waiting, principal: &Principal, persistent: bool) -> HttpResponse {
    let ticket = password::Ticket::new(visit, principal, &login.sealed, persistent);
    visit.see_other(&ticket.path(visit))
}

/// What waits for a sign-in: the authorization request, in its sealed form too, or nothing.
struct Waiting {
    sealed: String,
    request: Option<PendingAuthorization>,
}

impl Waiting {
    fn open(visit: &Visit<'_>, sealed: &str) -> Result<Waiting, PageError> {
        Ok(Waiting { sealed: sealed.to_owned(), request: visit.authorization_if_any(sealed)? })
    }

    /// The page as it is shown first.
    async fn first(&self, visit: &Visit<'_>) -> Result<HttpResponse, PageError> {
        let mut page = self.form(visit).await?;
        if let Some(request) = &self.request {
            page.username = request.login_hint.clone().unwrap_or_default();
        }
        Ok(self.answer(visit, StatusCode::OK, &page))
    }

    /// The page with nothing typed.
    async fn form(&self, visit: &Visit<'_>) -> Result<view::Login, PageError> {
        let action = visit.path("/login");
        let (mut client_name, mut account, mut notice) = (None, None, None);
        if let Some(request) = &self.request {
            client_name = visit.client(&request.client_id).await?.map(|client| client.name.clone());
            if let Some(person) = visit.person().await? {
                if request.offer_account {
                    account = Some(SignedIn {
                        display: person.principal.display_name().to_owned(),
                        session: person.session.id,
                        action: action.clone(),
                    });
                } else if request.authenticated.as_ref() == Some(&person.session.id) {
                    // the right password, and still here: by `id_token_hint` or `claims` it has to be somebody else
                    notice = Some("The application asks for another account than this one.".to_owned());
                } else if asks_for_proof(&request.parameters) {
                    notice = Some("To go on, sign in once more.".to_owned());
                }
            }
        }
        Ok(view::Login {
            frame: visit.frame(),
            csrf_token: visit.csrf_token(FORM),
            request: self.sealed.clone(),
            action,
            client_name,
            username: String::new(),
            stay_signed_in: false,
            error: None,
            retry_after_seconds: None,
            notice,
            account,
        })
    }

    /// The page with what was typed, but for the password.
    async fn typed(&self, visit: &Visit<'_>, fields: &Fields) -> Result<view::Login, PageError> {
        let mut page = self.form(visit).await?;
        page.username = fields.get("username").to_owned();
        page.stay_signed_in = fields.has("stay_signed_in");
        Ok(page)
    }

    fn answer(&self, visit: &Visit<'_>, status: StatusCode, page: &view::Login) -> HttpResponse {
        let leads = if self.request.is_some() { FormTargets::LeadsToApplication } else { FormTargets::OwnPages };
        visit.page(status, page, leads)
    }
}

/// Whether the application wants a fresh proof from somebody who is signed in (OpenID Connect Core §3.1.2.1).
fn asks_for_proof(parameters: &[(String, String)]) -> bool {
    parameters.iter().any(|(name, value)| match name.as_str() {
        "prompt" => value.split(' ').any(|prompt| prompt == "login"),
        "max_age" => true,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_proof_is_asked_for_by_prompt_or_max_age() {
        let asks = |name: &str, value: &str| asks_for_proof(&[(name.to_owned(), value.to_owned())]);
        assert!(asks("prompt", "login") && asks("prompt", "consent login") && asks("max_age", "0"));
        assert!(!asks("prompt", "select_account") && !asks("scope", "login"));
    }
}
