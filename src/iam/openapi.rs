//! What this face says about itself; [`crate::openapi`] makes one document of all faces.

use utoipa::OpenApi;

use super::{audit, client, client_secret, principal, role};

#[derive(OpenApi)]
#[openapi(
    paths(
        principal::list, principal::get, principal::put, principal::delete, principal::put_roles, principal::suspend,
        principal::unsuspend, principal::password::reset, principal::session::list, principal::session::end_all,
        principal::session::end,
        client::list, client::get, client::put, client::delete, client::set_roles, client::suspend, client::unsuspend,
        client_secret::list, client_secret::create, client_secret::delete,
        role::list, role::get, role::put, role::delete,
        audit::list,
    ),
    tags(
        (name = "principals", description = PRINCIPALS),
        (name = "clients", description = CLIENTS),
        (name = "roles", description = ROLES),
        (name = "audit", description = AUDIT),
    )
)]
struct Face;

const PRINCIPALS: &str = "Principals are the humans who sign in. Their email is their username; whoever has none signs in \
                          by other means than a password.";
const CLIENTS: &str = "Clients are the applications and services that ask for tokens. Several secrets live side by side, \
                       so that one is replaced without an interruption.";
const ROLES: &str = "Roles are named lists of permissions that principals and clients have. Those of the namespace \
                     `system` are built in and cannot be changed.";
const AUDIT: &str = "Every change, and every refusal of a caller who is known, leaves an event.";

/// The operations of this face and their schemas.
pub fn document() -> utoipa::openapi::OpenApi {
    Face::openapi()
}
