//! Values that cannot be wrong: each type here is checked where it is made. No I/O, no HTTP, no database.

pub mod key;
pub mod secret;
pub mod time;
