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

pub mod apply;
pub mod audit;
pub mod client;
pub mod client_secret;
pub mod openapi;
pub mod principal;
pub mod role;

/// The routes: a path, its methods, and their handlers, each of which names the permission that it needs in its signature.
pub fn routes() -> Table {
    let (get, put, delete) = (|| Method::GET, || Method::PUT, || Method::DELETE);
    let post = || Method::POST;
    vec![
        (apply::PATH, vec![(post(), web::to(apply::apply))]),
        ("/resources/iam/audit", vec![(get(), web::to(audit::list))]),
        ("/resources/iam/principals", vec![(get(), web::to(principal::list))]),
        (
            "/resources/iam/principals/{id}",
            vec![
                (get(), web::to(principal::get)),
                (put(), web::to(principal::put)),
                (delete(), web::to(principal::delete)),
            ],
        ),
        ("/resources/iam/principals/{id}/roles", vec![(put(), web::to(principal::put_roles))]),
        ("/resources/iam/principals/{id}/suspend", vec![(post(), web::to(principal::suspend))]),
        ("/resources/iam/principals/{id}/unsuspend", vec![(post(), web::to(principal::unsuspend))]),
        ("/resources/iam/principals/{id}/password/reset", vec![(post(), web::to(principal::password::reset))]),
        (
            "/resources/iam/principals/{id}/sessions",
            vec![(get(), web::to(principal::session::list)), (delete(), web::to(principal::session::end_all))],
        ),
        ("/resources/iam/principals/{id}/sessions/{sessionId}", vec![(delete(), web::to(principal::session::end))]),
        ("/resources/iam/clients", vec![(get(), web::to(client::list))]),
        (
            "/resources/iam/clients/{id}",
            vec![(get(), web::to(client::get)), (put(), web::to(client::put)), (delete(), web::to(client::delete))],
        ),
        ("/resources/iam/clients/{id}/roles", vec![(put(), web::to(client::set_roles))]),
        ("/resources/iam/clients/{id}/suspend", vec![(post(), web::to(client::suspend))]),
        ("/resources/iam/clients/{id}/unsuspend", vec![(post(), web::to(client::unsuspend))]),
        (
            "/resources/iam/clients/{id}/secrets",
            vec![(get(), web::to(client_secret::list)), (post(), web::to(client_secret::create))],
        ),
        ("/resources/iam/clients/{id}/secrets/{secretId}", vec![(delete(), web::to(client_secret::delete))]),
        ("/resources/iam/roles", vec![(get(), web::to(role::list))]),
        (
            "/resources/iam/roles/{key}",
            vec![(get(), web::to(role::get)), (put(), web::to(role::put)), (delete(), web::to(role::delete))],
        ),
    ]
}

/// Mounts them below the issuer's path.
pub fn mount(cfg: &mut ServiceConfig) {
    for (path, routes) in routes() {
        let resource = methods::resource(path, routes, problem::wrong_method);
        cfg.service(match path == apply::PATH {
            true => resource.app_data(web::PayloadConfig::new(apply::MAX_BODY)),
            false => resource,
        });
    }
}
