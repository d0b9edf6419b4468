//! The commands of the `keyward` program, one file per command.

pub mod config;
pub mod demo;
