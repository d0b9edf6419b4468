//! The face for people's own programs: profile, password, email, settings, personal access tokens, sessions and connected
//! applications as REST resources under `/resources/me`. Errors are problem documents. What is done lies in
//! [`crate::directory`].
//!
//! Every person holds `me:*` by nature; the token's scopes say how much of it a program has. A token that a client got for
//! itself has no person, and nothing here is for it.

use actix_web::{
    http::Method,
    web::{self, ServiceConfig},
};

use crate::web::{
    methods::{self, Table},
    problem,
};

mod consent;
mod email;
pub mod openapi;
mod password;
mod pat;
mod profile;
mod session;
mod settings;

/// The routes: a path, its methods, and their handlers, each of which names the permission that it needs in its signature.
/// The one that needs none is the proof of an email address, whose secret is the permission.
pub fn routes() -> Table {
    let (get, put, post, delete) = (|| Method::GET, || Method::PUT, || Method::POST, || Method::DELETE);
    vec![
        ("/resources/me", vec![(get(), web::to(profile::me))]),
        ("/resources/me/profile", vec![(get(), web::to(profile::get)), (put(), web::to(profile::put))]),
        ("/resources/me/password", vec![(post(), web::to(password::post))]),
        ("/resources/me/email/change", vec![(post(), web::to(email::change))]),
        ("/resources/me/email/validate", vec![(post(), web::to(email::validate))]),
        ("/resources/me/settings", vec![(get(), web::to(settings::get)), (put(), web::to(settings::put))]),
        ("/resources/me/pat", vec![(get(), web::to(pat::list)), (post(), web::to(pat::create))]),
        ("/resources/me/pat/{id}", vec![(delete(), web::to(pat::delete))]),
        ("/resources/me/sessions", vec![(get(), web::to(session::list))]),
        ("/resources/me/sessions/{id}", vec![(delete(), web::to(session::delete))]),
        ("/resources/me/consents", vec![(get(), web::to(consent::list))]),
        ("/resources/me/consents/{clientId}", vec![(delete(), web::to(consent::delete))]),
    ]
}

/// Mounts them below the issuer's path.
pub fn mount(cfg: &mut ServiceConfig) {
    methods::mount(cfg, routes(), problem::wrong_method);
}
