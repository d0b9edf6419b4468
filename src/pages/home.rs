//! `/`: where somebody lands who has typed the server's address.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use super::{
    error::{PageError, or_page},
    view,
    visit::Visit,
};
use crate::{app::App, store, web::page::FormTargets};

/// `GET /`: to the setup until there is an owner, to the account of who is signed in, else the way to sign in.
pub async fn get(app: web::Data<App>, req: HttpRequest) -> HttpResponse {
    or_page(&app, &req, show(&Visit::new(&app, &req)).await)
}

async fn show(visit: &Visit<'_>) -> Result<HttpResponse, PageError> {
    if visit.person().await?.is_some() {
        return Ok(visit.see_other(&visit.path("/account")));
    }
    if !visit.app.store.read(store::setup::is_done).await? {
        return Ok(visit.see_other(&visit.path("/setup")));
    }
    let page = view::Home { frame: visit.frame(), sign_in_url: visit.path("/login") };
    Ok(visit.page(StatusCode::OK, &page, FormTargets::OwnPages))
}
