//! The server as its clients see it: one module per address.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod appserver;
mod attacks;
mod audit_chain;
mod backup;
mod commands;
mod doctor;
mod graph;
mod iam;
mod listing;
mod log;
mod me;
mod metrics;
mod oauth;
mod openapi;
mod pages;
mod permissions;
mod program;
mod races;
mod retention;
mod sendings;
mod server;
mod stage;
mod traces;
mod upgrade;
