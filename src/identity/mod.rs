//! Decisions that several faces share.

pub mod access;
