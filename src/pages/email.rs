//! `/email/confirm`: a new email address, proven by whoever has opened the link that was mailed to it.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Payload},
};

use super::{
    error::{PageError, or_page},
    form::{self, Fields},
    view::{self, Link, PostButton},
    visit::{Visit, with_retry_after},
};
use crate::{
    app::App,
    directory::Refusal,
    model::problem::Code,
    web::{
        email_proof::{self, IDENTITY, NotProven, PAGE, TOKEN},
        page::FormTargets,
    },
};

const FORM: &str = "confirm email";

/// `GET /email/confirm?identity=…&token=…`: asks. Mail scanners open links: nothing changes by it, and nothing is looked
/// up, so that it tells nothing about the link either.
pub async fn get(app: web::Data<App>, req: HttpRequest) -> HttpResponse {
    let visit = Visit::new(&app, &req);
    let answer = visit.query().map(|query| match email_proof::could_prove(query.get(IDENTITY), query.get(TOKEN)) {
        true => ask(&visit, &query, StatusCode::OK, None),
        false => link_invalid(&visit),
    });
    or_page(&app, &req, answer)
}

/// `POST /email/confirm`: confirms.
pub async fn post(app: web::Data<App>, req: HttpRequest, payload: Payload) -> HttpResponse {
    let answer = async {
        let fields = form::read(&req, payload, app.config.limits.body_bytes).await?;
        decide(&Visit::new(&app, &req), &fields).await
    };
    or_page(&app, &req, answer.await)
}

async fn decide(visit: &Visit<'_>, fields: &Fields) -> Result<HttpResponse, PageError> {
    if !visit.is_own_form(FORM, fields) {
        let reason = "This page was not up to date. Please press the button once more.";
        return Ok(ask(visit, fields, StatusCode::FORBIDDEN, Some(reason)));
    }
    match email_proof::prove(visit.app, visit.req, fields.get(IDENTITY), fields.get(TOKEN)).await {
        Ok(()) => {
            let paragraphs = ["It is the address of your account from now on, and you sign in with it."];
            let link = Link { label: "Go to your account".to_owned(), href: visit.path("/account") };
            Ok(say(visit, StatusCode::OK, "Your email address is confirmed", &paragraphs, Some(link), None))
        }
        Err(NotProven::Throttled { retry_after }) => {
            let wait = format!(
                "There were too many links that do not work. Please wait {} and press the button once more.",
                view::in_words(retry_after)
            );
            Ok(with_retry_after(ask(visit, fields, StatusCode::TOO_MANY_REQUESTS, Some(&wait)), retry_after))
        }
        Err(NotProven::Refused(Refusal::Store(error))) => Err(error.into()),
        Err(NotProven::Refused(Refusal::Problem(problem))) => match problem.code {
            Code::VerificationInvalid => Ok(link_invalid(visit)),
            Code::EmailInUse => {
                let paragraphs = ["Another account has this email address by now. Nothing was changed."];
                let heading = "This address belongs to another account";
                Ok(say(visit, StatusCode::CONFLICT, heading, &paragraphs, None, None))
            }
            _ => Err(PageError::Internal(problem.detail.clone())),
        },
    }
}

fn ask(visit: &Visit<'_>, fields: &Fields, status: StatusCode, reason: Option<&str>) -> HttpResponse {
    let mut paragraphs: Vec<&str> = reason.into_iter().collect();
    paragraphs.extend([
        "Somebody, most likely you, wants to use the address that this link was sent to for their account.",
        "Confirm it only if you have asked for this. If not, close this page: nothing changes then.",
    ]);
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let form = PostButton {
        label: "Confirm this address".to_owned(),
        action: visit.path(PAGE),
        fields: vec![
            field("csrf_token", &visit.csrf_token(FORM)),
            field(IDENTITY, fields.get(IDENTITY)),
            field(TOKEN, fields.get(TOKEN)),
        ],
    };
    say(visit, status, "Is this your email address?", &paragraphs, None, Some(form))
}

/// The same for every link that confirms nothing, as [`crate::directory::email::invalid`].
fn link_invalid(visit: &Visit<'_>) -> HttpResponse {
    let paragraphs = [
        "It was used already, has expired, was replaced by a newer one, or is incomplete: a link works once, for 24 hours. \
         Check that you have opened all of it.",
        "If you have confirmed the address before, there is nothing left to do. If not, ask for the change once more.",
    ];
    say(visit, StatusCode::FORBIDDEN, "This link does not work any more", &paragraphs, None, None)
}

fn say(
    visit: &Visit<'_>,
    status: StatusCode,
    heading: &str,
    paragraphs: &[&str],
    link: Option<Link>,
    form: Option<PostButton>,
) -> HttpResponse {
    let paragraphs = paragraphs.iter().map(|text| (*text).to_owned()).collect();
    let page = view::Message { frame: visit.frame(), heading: heading.to_owned(), paragraphs, link, form };
    visit.page(status, &page, FormTargets::OwnPages)
}
