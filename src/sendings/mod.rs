//! The face for programs that have mail sent: REST under `/resources/sendings`. What a mail says can be handed in and
//! never read again; what became of it can. Errors are problem documents.

use actix_web::{
    http::Method,
    web::{self, PayloadConfig, ServiceConfig},
};

use crate::web::{
    methods::{self, Table},
    problem::wrong_method,
};

mod email;
pub mod openapi;
mod sending;

/// What a body may have besides the texts of the mail.
const BESIDES: usize = 65_536;

/// The routes: a path, its methods, and their handlers, each of which names the permission that it needs in its signature.
pub fn routes() -> Table {
    vec![
        ("/resources/sendings/email", vec![(Method::POST, web::to(email::post))]),
        (
            "/resources/sendings/{id}",
            vec![(Method::GET, web::to(sending::get)), (Method::DELETE, web::to(sending::delete))],
        ),
    ]
}

/// Mounts them below the issuer's path; `texts` is the most bytes that the texts of a mail may have.
pub fn mount(cfg: &mut ServiceConfig, texts: usize) {
    // a text in JSON may be twice as long, and one that is too long is to be told so
    let body = PayloadConfig::new(texts.saturating_mul(2).saturating_add(BESIDES));
    for (path, routes) in routes() {
        cfg.service(methods::resource(path, routes, wrong_method).app_data(body.clone()));
    }
}
