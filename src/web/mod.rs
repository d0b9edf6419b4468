//! What the faces share, below them.

pub mod assets;
pub mod continuation;
pub mod page;
pub mod request;
pub mod view;
