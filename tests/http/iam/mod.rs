//! The administrators' API.

mod clients;
mod roles;
