//! What the faces share, below them.

pub mod answer;
pub mod assets;
pub mod body;
pub mod browser;
pub mod caller;
pub mod continuation;
pub mod cors;
pub mod csrf;
pub mod email_proof;
pub mod forwarded;
pub mod health;
pub mod host;
pub mod idempotency;
pub mod listing;
pub mod metered;
pub mod methods;
pub mod page;
pub mod precondition;
pub mod problem;
pub mod query;
pub mod refusals;
pub mod request;
pub mod view;
