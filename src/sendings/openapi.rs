//! What this face says about itself; [`crate::openapi`] makes one document of all faces.

use utoipa::OpenApi;

use super::{email, sending};

#[derive(OpenApi)]
#[openapi(paths(email::post, sending::get, sending::delete), tags((name = "sendings", description = SENDINGS)))]
struct Face;

const SENDINGS: &str = "Mails that programs have sent. What a mail says can be handed in and never read again; what became \
                        of it can.";

/// The operations of this face and their schemas.
pub fn document() -> utoipa::openapi::OpenApi {
    Face::openapi()
}
