//! `/logout`: the person decides, whoever asks.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Payload},
};

use super::{
    error::{PageError, or_page},
    form::{self, Fields},
    view,
    visit::{Visit, add_cookie},
};
use crate::{
    app::App,
    identity,
    web::{
        browser,
        continuation::{Pending, PendingLogout, Unsealed, logout_path},
        page::FormTargets,
    },
};

/// The account page has a form of this name too.
pub const FORM: &str = "logout";

/// `GET /logout?request=…`: asks who is signed in; tells who is not, or lets them return to the application.
pub async fn get(app: web::Data<App>, req: HttpRequest) -> HttpResponse {
    or_page(&app, &req, show(&Visit::new(&app, &req)).await)
}

/// `POST /logout`: the answer.
pub async fn post(app: web::Data<App>, req: HttpRequest, payload: Payload) -> HttpResponse {
    let answer = async {
        let fields = form::read(&req, payload, app.config.limits.body_bytes).await?;
        decide(&Visit::new(&app, &req), &fields).await
    };
    or_page(&app, &req, answer.await)
}

/// What an application asked for. What was open for too long, or is none of ours, asks for nothing: signing out works
/// in any case, but leads nowhere.
fn asked(visit: &Visit<'_>, sealed: &str) -> Option<PendingLogout> {
    match PendingLogout::unseal(&visit.app.seals.logout_request, sealed, visit.now) {
        Unsealed::Fresh(request) => Some(request),
        Unsealed::Expired(_) | Unsealed::Invalid => None,
    }
}

async fn show(visit: &Visit<'_>) -> Result<HttpResponse, PageError> {
    let sealed = visit.query()?.get("request").to_owned();
    let request = asked(visit, &sealed);
    let return_to = request.as_ref().and_then(|request| request.return_to.clone());
    let Some(person) = visit.person().await? else {
        return Ok(match return_to {
            Some(address) => visit.see_other(&address),
            None => {
                let page = view::SignedOut { frame: visit.frame(), client: None };
                visit.page(StatusCode::OK, &page, FormTargets::OwnPages)
            }
        });
    };
    let client = match request.as_ref().and_then(|request| request.client_id.as_deref()) {
        Some(id) => visit.client(id).await?,
        None => None,
    };
    let page = view::SignOutConfirm {
        frame: visit.frame(),
        action: visit.path("/logout"),
        csrf_token: visit.csrf_token(FORM),
        request: if request.is_some() { sealed } else { String::new() },
        display_name: person.principal.display_name().to_owned(),
        client_name: client.map(|client| client.name.clone()),
    };
    let leads = if return_to.is_some() { FormTargets::LeadsToApplication } else { FormTargets::OwnPages };
    Ok(visit.page(StatusCode::OK, &page, leads))
}

async fn decide(visit: &Visit<'_>, fields: &Fields) -> Result<HttpResponse, PageError> {
    let sealed = fields.get("request");
    let request = asked(visit, sealed);
    let question = if request.is_some() { logout_path(visit.base(), sealed) } else { visit.path("/logout") };
    if !visit.is_own_form(FORM, fields) {
        return Ok(visit.see_other(&question));
    }
    match fields.get("decision") {
        "sign-out" => {
            if let Some(person) = visit.person().await? {
                identity::session::end(&visit.app.store, visit.now, &person.session, visit.origin()).await?;
            }
            let return_to = request.and_then(|request| request.return_to);
            // Where nobody waits, this page tells that it is done, and may be reloaded.
            let mut response = visit.see_other(&return_to.unwrap_or_else(|| visit.path("/logout")));
            add_cookie(&mut response, &browser::clear_session(&visit.app.config));
            Ok(response)
        }
        "stay" => Ok(visit.see_other(&visit.path("/account"))),
        _ => Ok(visit.see_other(&question)),
    }
}
