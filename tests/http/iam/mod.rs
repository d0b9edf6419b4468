//! The administrators' API.

mod apply;
mod audit;
mod clients;
mod lists;
mod principals;
mod roles;
mod takeover;
