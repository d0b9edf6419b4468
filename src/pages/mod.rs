//! The human face: the pages on which people sign in, agree, sign out, and read what went wrong.

pub mod view;
