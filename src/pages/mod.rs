//! The human face: the pages on which people sign in, agree, sign out, and read what went wrong.

pub mod misdirected;
pub mod not_found;
pub mod view;

/// Mounts the pages.
pub fn routes(_: &mut actix_web::web::ServiceConfig) {}
