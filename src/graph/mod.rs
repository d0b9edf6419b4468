//! The face for programs that ask across resources: `/resources/graph`.

pub mod csv;
