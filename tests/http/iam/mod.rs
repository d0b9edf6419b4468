//! The administrators' API.

mod audit;
mod clients;
mod lists;
mod principals;
mod roles;
