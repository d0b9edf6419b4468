//! The face for programs that ask across resources: `/resources/graph`. It only reads; errors are problem documents.

use actix_web::{
    http::Method,
    web::{self, PayloadConfig, ServiceConfig},
};

use crate::web::{
    methods::{self, Table},
    problem::wrong_method,
};

mod access;
mod answer;
pub mod csv;
pub mod cursor;
mod meta;
pub mod openapi;
mod query;

/// The most bytes of a request.
const BODY: usize = 65_536;

/// The routes: a path, its methods, and their handlers. Which permissions a query needs depends on what it asks for.
pub fn routes() -> Table {
    vec![
        ("/resources/graph", vec![(Method::POST, web::to(query::nested))]),
        ("/resources/graph/query", vec![(Method::POST, web::to(query::structured))]),
        ("/resources/graph/meta", vec![(Method::GET, web::to(meta::get))]),
    ]
}

/// Mounts them below the issuer's path.
pub fn mount(cfg: &mut ServiceConfig) {
    let body = PayloadConfig::new(BODY);
    for (path, routes) in routes() {
        cfg.service(methods::resource(path, routes, wrong_method).app_data(body.clone()));
    }
}
