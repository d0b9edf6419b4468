//! The description of the APIs (OpenAPI 3.1) and its viewer. Operations and schemas come from the handlers and documents
//! themselves; what all operations have in common (errors, headers, permissions) is added here, in one place.

mod document;
mod headers;
mod outcomes;
mod page;
mod problem;

pub use document::document;
pub use page::{Viewer, mount};
