//! What administrators do with principals, clients and roles, and people with themselves: shared by every face that does
//! it (REST, self service, command line, pages).
//!
//! Each function takes a transaction, the [`Actor`] who asks, and a document; it checks what the actor may do, keeps the
//! rules (preconditions, escalation, the last owner, what is built in), writes, and notes the change in the audit log in
//! the same transaction. Whoever calls it hands in what may not happen inside a transaction: hashes, secrets, times.
//!
//! # One after the other
//!
//! Such a write begins with [`store::Tx::raise`]: on PostgreSQL the generation's row lock makes administrators' writes
//! happen one after the other, on every node, so that what was checked still holds when it is written (the last owner, a
//! role that is free). The embedded database has one writer anyway. Objects are replaced under their ETag besides
//! (compare-and-set), since sign-in pages write, too. What people do with themselves waits for nobody else: it locks the
//! person's own row ([`store::principal::lock`]), which a suspension and a deletion write, too.

pub mod actor;
pub mod apply;
pub mod audit;
pub mod client;
pub mod consent;
pub mod document;
pub mod email;
pub mod guard;
pub mod personal_access_token;
pub mod precondition;
pub mod principal;
pub mod profile;
mod refusal;
pub mod role;
pub mod session;
pub mod settings;

pub use actor::Actor;
pub use precondition::Precondition;
pub use refusal::Refusal;

#[allow(unused_imports)] // named in the documentation
use crate::store;
