//! The time, as an argument.
//!
//! Nothing else in the crate asks the system for the time: a decision takes a [`Timestamp`], a handler asks
//! [`Clock::now`] once per request, and a test holds the hands of a [`Clock::Fixed`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use crate::model::time::Timestamp;

/// Where "now" comes from.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's wall clock.
    #[default]
    System,
    /// A clock that stands still until it is moved; milliseconds since the Unix epoch.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now`.
    pub fn fixed(now: Timestamp) -> Clock {
        Clock::Fixed(Arc::new(AtomicI64::new(now.millis())))
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        match self {
            #[allow(clippy::disallowed_methods)] // the one caller
            Clock::System => {
                let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                Timestamp::from_millis(since_epoch.map_or(0, |d| d.as_millis() as i64))
            }
            Clock::Fixed(millis) => Timestamp::from_millis(millis.load(Ordering::SeqCst)),
        }
    }

    /// Sets a fixed clock back, as an operator or a time server might; the system clock does not listen.
    pub fn set_back(&self, by: Duration) {
        if let Clock::Fixed(millis) = self {
            millis.fetch_sub(by.as_millis() as i64, Ordering::SeqCst);
        }
    }

    /// Moves a fixed clock forward; the system clock does not listen.
    pub fn advance(&self, by: Duration) {
        if let Clock::Fixed(millis) = self {
            millis.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
        }
    }
}
