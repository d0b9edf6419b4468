//! The administrators' API.

mod principals;
mod roles;
