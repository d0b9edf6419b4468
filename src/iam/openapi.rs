//! What this face says about itself; [`crate::openapi`] makes one document of all faces.

use utoipa::OpenApi;

use super::role;

#[derive(OpenApi)]
#[openapi(paths(role::list, role::get, role::put, role::delete), tags((name = "roles", description = ROLES)))]
struct Face;

const ROLES: &str = "Roles are named lists of permissions that principals and clients have. Those of the namespace \
                     `system` are built in and cannot be changed.";

/// The operations of this face and their schemas.
pub fn document() -> utoipa::openapi::OpenApi {
    Face::openapi()
}
