//! The administrators' API.

mod clients;
mod principals;
mod roles;
