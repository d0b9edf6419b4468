//! The pages.

mod account;
mod consent;
mod journey;
mod login;
mod password;
mod setup;
