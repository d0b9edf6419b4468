//! Decisions that several faces share.

pub mod access;
pub mod activity;
pub mod appserver_session;
pub mod authenticate;
pub mod bearer;
pub mod client;
pub mod code;
pub mod device;
pub mod notice;
pub mod personal_access_token;
pub mod session;
pub mod setup;
#[cfg(test)]
mod support;
pub mod throttle;
pub mod token;
