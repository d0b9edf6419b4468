//! Keyward: an OAuth 2.x and OpenID Connect authorization server with an IAM surface.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod fetch;
pub mod hasher;
pub mod identity;
pub mod keys;
pub mod model;
pub mod oauth;
pub mod pages;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod web;
