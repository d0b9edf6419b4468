//! The administrators' API.

mod apply;
mod clients;
mod principals;
mod roles;
