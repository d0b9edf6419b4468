//! The face for programs that know One Identity Manager's application server: which authentication modules there are, and
//! its login, under `/AppServer`. Errors are in its own form.
//!
//! A login says in one text, the authentication string, by which module somebody signs in and with what
//! ([`crate::model::auth_string`]). It opens a session as any other, which needs the permission `appserver/api:access`
//! and is looked at on each call.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    error::PathError,
    http::Method,
    web::{self, PathConfig, ServiceConfig},
};

use crate::{config::Appserver, web::methods};

mod answer;
mod apphost;
mod auth;
mod authmodules;
mod error;
mod login;
mod session;

use error::{AppserverError, Code};

/// Mounts the face below the issuer's path, if it is to be there.
pub fn mount(cfg: &mut ServiceConfig, options: &Appserver) {
    if !options.enabled {
        return;
    }
    let table: methods::Table = vec![
        ("/appserver/authmodules", vec![(Method::GET, web::to(authmodules::list))]),
        ("/appserver/authmodules/{id}", vec![(Method::GET, web::to(authmodules::detail))]),
        ("/auth/apphost", vec![(Method::POST, web::to(apphost::post))]),
        ("/auth/logout", vec![(Method::POST, web::to(auth::logout))]),
        ("/auth", vec![(Method::GET, web::to(auth::get))]),
    ];
    cfg.service(
        web::scope(&options.base_path)
            .app_data(PathConfig::default().error_handler(unreadable))
            .configure(|cfg| methods::mount(cfg, table, wrong_method))
            .default_service(web::to(not_found)),
    );
}

fn wrong_method(req: &HttpRequest, allow: &str) -> HttpResponse {
    let message = format!("expected {allow}, got {}", req.method().as_str());
    AppserverError::new(Code::MethodNotAllowed, message).error_response()
}

async fn not_found(req: HttpRequest) -> HttpResponse {
    let path = crate::model::id::shown(req.path());
    AppserverError::new(Code::NotFound, format!("there is nothing at {path}")).error_response()
}

fn unreadable(_: PathError, _: &HttpRequest) -> actix_web::Error {
    AppserverError::new(Code::NotFound, "expected a path in UTF-8").into()
}
