//! The human face: the pages on which people sign in, agree, sign out, and read what went wrong.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode},
    web,
};

use crate::{
    app::App,
    web::{email_proof, methods::resource},
};

mod account;
mod consent;
mod email;
pub mod error;
pub mod form;
mod home;
mod login;
mod logout;
pub mod misdirected;
pub mod not_found;
mod password;
mod setup;
#[cfg(test)]
mod tests;
pub mod view;
mod visit;

pub use error::error_page;

/// The pages, to be mounted under the base path.
pub fn routes(cfg: &mut web::ServiceConfig) {
    let page = |path: &str, get, post| {
        let routes = vec![(Method::GET, get), (Method::POST, post)];
        resource(path, routes, wrong_method)
    };
    cfg.app_data(login::SIGN_IN_PAGE);
    // under a base path the address without the slash at its end leads home too
    cfg.service(resource("", vec![(Method::GET, web::to(home::get))], wrong_method))
        .service(resource("/", vec![(Method::GET, web::to(home::get))], wrong_method))
        .service(page("/setup", web::to(setup::get), web::to(setup::post)))
        .service(page(email_proof::PAGE, web::to(email::get), web::to(email::post)))
        .service(page("/login", web::to(login::get), web::to(login::post)))
        .service(page("/consent", web::to(consent::get), web::to(consent::post)))
        .service(page("/password", web::to(password::get), web::to(password::post)))
        .service(page("/logout", web::to(logout::get), web::to(logout::post)))
        .service(resource("/account", vec![(Method::GET, web::to(account::get))], wrong_method));
}

fn wrong_method(req: &HttpRequest, allow: &str) -> HttpResponse {
    let Some(app) = req.app_data::<web::Data<App>>() else {
        return HttpResponse::MethodNotAllowed().finish();
    };
    let explanation = format!("This page answers {allow}. Go back and try again.");
    error_page(app, req, StatusCode::METHOD_NOT_ALLOWED, "This does not work that way", &[&explanation], Vec::new())
}
