//! Lists of principals, clients and roles, a page at a time, at a cost that does not grow with the number of rows.
//!
//! A page is found by its position in an order (keyset paging), never by counting rows off, so it stays right while
//! rows come and go. Where a filter is given, the index of what it asks for drives the search in the default order:
//! role members, attribute values and (SQLite) text matches all lie in the order of registration, so the search ends
//! as soon as the page is full. See `search` for the other orders and for PostgreSQL.
//!
//! Totals: without a filter they are kept by triggers; with one, rows are counted up to [`BOUND`] and the answer says
//! whether it stopped there. A count never includes what the caller may not see.

use serde::{Deserialize, Serialize};

pub mod clients;
mod kept;
pub mod principals;
pub mod roles;
pub(super) mod search;

pub(super) mod texts;

pub use clients::ClientFilter;
pub use kept::{Documents, Kept, Version};
pub use principals::PrincipalFilter;

/// The most rows that one page has.
pub const MAX_LIMIT: usize = 100;
/// Up to how many rows are counted where a filter is given. A small number: counting costs as much as showing.
pub const BOUND: usize = 100;

/// What rows are ordered by. The order of registration decides between equal ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The order of registration.
    CreatedAt,
    /// The name in lower case (its first 200 characters); rows without one come first.
    Name,
    /// The email in lower case; rows without one come first.
    Email,
    /// The last activity; rows without one come first.
    LastActiveAt,
    /// The identifier.
    Id,
    /// The key of a role.
    Key,
    /// When an event happened.
    At,
}

impl Order {
    /// The field's name in requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Order::CreatedAt => "createdAt",
            Order::Name => "name",
            Order::Email => "email",
            Order::LastActiveAt => "lastActiveAt",
            Order::Id => "id",
            Order::Key => "key",
            Order::At => "at",
        }
    }
}

/// Which way an order runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Small to large, early to late.
    #[default]
    Ascending,
    /// Large to small, late to early.
    Descending,
}

/// On which side of a position a page lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The rows that follow it.
    After,
    /// The rows that precede it.
    Before,
}

/// What a row is ordered by, besides its registration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sort {
    /// A point in time.
    Number(i64),
    /// A text.
    Text(String),
    /// Nothing.
    None,
}

/// A row's position in an order; of two in the same, the greater one comes later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// What it is ordered by.
    #[serde(rename = "k")]
    pub sort: Sort,
    /// Its number of registration.
    #[serde(rename = "s")]
    pub seq: i64,
}

/// Which part of a list is asked for.
#[derive(Clone, Debug)]
pub struct Page {
    /// How many rows at most, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// What they are ordered by.
    pub order: Order,
    /// Which way.
    pub direction: Direction,
    /// Where it begins or ends; the beginning of the list without one.
    pub position: Option<(Side, Key)>,
}

impl Page {
    /// The first page of this many rows.
    pub fn first(limit: usize, order: Order) -> Page {
        Page { limit, order, direction: Direction::Ascending, position: None }
    }

    /// Whether the database walks from small to large for this page.
    pub(super) fn ascends(&self) -> bool {
        let before = matches!(self.position, Some((Side::Before, _)));
        (self.direction == Direction::Ascending) != before
    }
}

/// How many rows a list has in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    /// Exactly so many.
    Exact(u64),
    /// So many or more.
    AtLeast(u64),
}

impl Total {
    /// From a count that stopped at [`BOUND`].
    pub(in crate::store) fn counted(rows: usize) -> Total {
        if rows > BOUND { Total::AtLeast(BOUND as u64) } else { Total::Exact(rows as u64) }
    }
}

/// A page.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// Its rows, in order.
    pub items: Vec<T>,
    /// How many rows all pages have together.
    pub total: Total,
    /// The position of the first row.
    pub first: Option<Key>,
    /// The position of the last row.
    pub last: Option<Key>,
}

impl<T> Listed<T> {
    /// The same page with other items, such as documents made from rows.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Listed<U> {
        Listed { items: self.items.into_iter().map(f).collect(), total: self.total, first: self.first, last: self.last }
    }

    /// A list without rows.
    fn empty() -> Listed<T> {
        Listed { items: Vec::new(), total: Total::Exact(0), first: None, last: None }
    }
}
