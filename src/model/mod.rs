//! Values that cannot be wrong: each type here is checked where it is made. No I/O, no HTTP, no database.

pub mod access_token;
pub mod auth_module;
pub mod auth_string;
pub mod client_auth;
pub mod email;
pub mod grant_type;
pub mod graph;
pub mod id;
pub mod key;
pub mod password;
pub mod permission;
pub mod pkce;
pub mod problem;
pub mod redirect_uri;
pub mod role_key;
pub mod scope;
pub mod secret;
pub mod text;
pub mod time;
