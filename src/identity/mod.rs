//! Decisions that several faces share.

pub mod access;
pub mod token;
