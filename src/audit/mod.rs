//! The audit log can be trusted: events are chained by hash, what the chain had come to is signed, and both are verified.
//!
//! A transaction only adds its event. Afterwards one server at a time, the one that holds a lease, gives committed events
//! their positions and hashes ([`sealer`]). An event has its place in the chain by when it is sealed, not by its id or
//! time: with several writers a smaller id may become visible after a larger one, and it is sealed then. Numbers from a
//! sequence, or a hash taken inside the writers' transactions, were the rejected options: the first leaves gaps where a
//! transaction is rolled back, the other makes all writers wait for each other.
//!
//! # What is hashed
//!
//! `hash(0)` is 32 zero bytes. `hash(p)` is SHA-256 over the bytes of `keyward audit event 1`, `hash(p - 1)`, `p`, and
//! then every column of `audit_event` in the order of its definition, without position and hash. Integers are 8 bytes,
//! big-endian. A text is the byte 1, its length in bytes as 8 bytes, and its UTF-8; null is the byte 0.
//!
//! # What is signed
//!
//! Checkpoints, every [`sealer::CHECKPOINT_EVENTS`] events or [`sealer::CHECKPOINT_AFTER`], say which hash the chain had at
//! a position; they are JWS by a key of their own ([`crate::keys::AuditKeys`]). Before one is signed, what was added since
//! the one before is verified. What the retention policy removes is a beginning of the chain, and a signed [`cut`] says up
//! to which position, with which hash, how many and when.
//!
//! # What it proves
//!
//! Whoever can write to the database, but does not have the master key, cannot change, remove, insert or reorder what
//! lies before a checkpoint without [`verify`] telling. After the last checkpoint they could compute the hashes anew; and
//! they could remove the last checkpoints with the events after the one before. So each checkpoint is also logged
//! (`audit checkpoint`), and `keyward audit verify --expect POSITION:HASH` holds the chain to what a log elsewhere has
//! kept. What is written straight into the table is an event as any other: the chain proves when it was there, not who
//! wrote it.

pub mod chain;
pub mod cut;
pub mod sealer;
pub mod verify;

use crate::{keys::KeyError, store};

/// The `typ` of signed checkpoints.
pub const CHECKPOINT: &str = "keyward-audit-checkpoint+jwt";
/// The `typ` of signed cuts.
pub const CUT: &str = "keyward-audit-cut+jwt";

/// Why the log cannot be sealed or looked at. That it was tampered with is no failure but an answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database's.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The keys'.
    #[error(transparent)]
    Key(#[from] KeyError),
}
