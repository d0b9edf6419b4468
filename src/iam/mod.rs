//! The face for administrators' programs: principals, clients, roles, sessions and the audit log as REST resources under
//! `/resources/iam`. Errors are problem documents. What is done lies in [`crate::directory`].

use actix_web::{
    http::Method,
    web::{self, ServiceConfig},
};

use crate::web::{
    methods::{self, Table},
    problem,
};

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
    methods::mount(cfg, routes(), problem::wrong_method);
}
