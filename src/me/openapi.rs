//! What this face says about itself; [`crate::openapi`] makes one document of all faces.

use utoipa::OpenApi;

use super::{consent, email, password, pat, profile, session, settings};

#[derive(OpenApi)]
#[openapi(
    paths(
        profile::me,
        profile::get,
        profile::put,
        password::post,
        email::change,
        email::validate,
        settings::get,
        settings::put,
        pat::list,
        pat::create,
        pat::delete,
        session::list,
        session::delete,
        consent::list,
        consent::delete
    ),
    tags((name = "me", description = ME))
)]
struct Face;

const ME: &str = "What people do with their own account, through an application that they have allowed to. A token that a \
                  client got for itself is no person's.";

/// The operations of this face and their schemas.
pub fn document() -> utoipa::openapi::OpenApi {
    Face::openapi()
}
