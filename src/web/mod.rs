//! What the faces share, below them.

pub mod assets;
pub mod browser;
pub mod continuation;
pub mod csrf;
pub mod forwarded;
pub mod health;
pub mod host;
pub mod methods;
pub mod page;
pub mod problem;
pub mod request;
pub mod view;
