//! The protocol.

mod authorize;
pub mod client_auth;
mod discovery;
mod introspect;
mod jwks;
mod logout;
mod refresh;
mod revoke;
mod token;
mod userinfo;
