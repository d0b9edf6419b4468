//! The administrators' API.

mod roles;
