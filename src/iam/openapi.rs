//! What this face says about itself; [`crate::openapi`] makes one document of all faces.

use utoipa::{OpenApi, ToSchema};

use super::{apply, audit, client, client_secret, principal, role};
use crate::directory::principal::RolesInput;

#[derive(OpenApi)]
#[openapi(
    paths(
        principal::list,
        principal::get,
        principal::put,
        principal::delete,
        principal::put_roles,
        principal::suspend,
        principal::unsuspend,
        principal::password::reset,
        principal::session::list,
        principal::session::end_all,
        principal::session::end,
        client::list,
        client::get,
        client::put,
        client::delete,
        client::set_roles,
        client::suspend,
        client::unsuspend,
        client_secret::list,
        client_secret::create,
        client_secret::delete,
        role::list,
        role::get,
        role::put,
        role::delete,
        apply::apply,
        audit::list
    ),
    tags(
        (name = "principals", description = PRINCIPALS),
        (name = "clients", description = CLIENTS),
        (name = "roles", description = ROLES),
        (name = "audit", description = AUDIT)
    )
)]
struct Face;

const PRINCIPALS: &str = "Principals are people. Members stand flat, and those of OpenID Connect and custom ones in \
                          `properties`.";
const CLIENTS: &str = "Clients are the applications and services that ask for tokens. Those with `systemClient` are built \
                       in and cannot be changed.";
const ROLES: &str = "Roles are named lists of permissions that principals and clients have. Those of the namespace \
                     `system` are built in and cannot be changed.";
const AUDIT: &str = "The audit log: who did what to whom, from where, and what was refused.";

/// The operations of this face and their schemas.
pub fn document() -> utoipa::openapi::OpenApi {
    Face::openapi()
}

/// All roles that an identity is to have.
#[derive(Debug, ToSchema)]
#[serde(untagged)]
#[allow(dead_code)] // what describes the body; the directory reads it
pub(super) enum RolesBody {
    /// As an object
    Object(RolesInput),
    /// Their keys alone
    Keys(Vec<String>),
}
