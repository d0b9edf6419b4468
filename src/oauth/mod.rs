//! The protocol face: what client programs talk to (RFC 6749, OpenID Connect).
//!
//! A request walks: [`endpoint`] (form, header, time) → [`client_auth`] → [`grant`] (the one match) → [`flow`] (the
//! seat of oxide-auth, inside one transaction) → tokens, signed after the commit.

pub mod access_token;
pub mod claims;
pub mod client_auth;
pub mod endpoint;
pub mod error;
pub mod flow;
pub mod grant;
pub mod id_token;
pub mod params;
pub mod resource;

pub use endpoint::{routes, well_known};
