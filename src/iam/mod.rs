//! The face for administrators' programs: principals, clients, roles, sessions and the audit log as REST resources under
//! `/resources/iam`. Errors are problem documents. What is done lies in [`crate::directory`].

use actix_web::{
    HttpRequest, HttpResponse,
    http::Method,
    web::{self, ServiceConfig},
};

use crate::{
    model::problem::{Code, Problem},
    web::{methods::Table, problem},
};

pub mod openapi;
mod role;

/// The routes: a path, its methods, and their handlers, each of which names the permission that it needs in its signature.
pub fn routes() -> Table {
    let (get, put, delete) = (|| Method::GET, || Method::PUT, || Method::DELETE);
    vec![
        ("/resources/iam/roles", vec![(get(), web::to(role::list))]),
        (
            "/resources/iam/roles/{key}",
            vec![(get(), web::to(role::get)), (put(), web::to(role::put)), (delete(), web::to(role::delete))],
        ),
    ]
}

/// Mounts them below the issuer's path.
pub fn mount(cfg: &mut ServiceConfig) {
    crate::web::methods::mount(cfg, routes(), refuse);
}

fn refuse(req: &HttpRequest, allow: &str) -> HttpResponse {
    let detail = format!("expected {allow}, got {}", req.method().as_str());
    problem::respond(&Problem::new(Code::MethodNotAllowed, detail))
}
