//! Who was active of late: so that activity is written down once a minute, and not at each request.

use std::time::Duration;

use moka::sync::Cache;

use crate::model::time::Timestamp;

/// Activity is noted to the minute.
pub const NOTED_EVERY: Duration = Duration::from_secs(60);
/// The most people that are remembered; of others it is written a few times too often.
const CAPACITY: u64 = 50_000;

/// When this process has last noted somebody's activity. Cheap to clone.
#[derive(Clone)]
pub struct ActivityCache(Cache<String, Timestamp>);

impl Default for ActivityCache {
    fn default() -> ActivityCache {
        ActivityCache(Cache::new(CAPACITY))
    }
}

impl ActivityCache {
    /// Whether activity `now` is to be written down, given the time that the database has; then it counts as written.
    pub fn is_due(&self, principal_id: &str, last_active_at: Option<Timestamp>, now: Timestamp) -> bool {
        let noted = |at: Timestamp| now.since(at) < NOTED_EVERY;
        if last_active_at.is_some_and(noted) || self.0.get(principal_id).is_some_and(noted) {
            return false;
        }
        self.0.insert(principal_id.to_owned(), now);
        true
    }
}

impl std::fmt::Debug for ActivityCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActivityCache").field("entries", &self.0.entry_count()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activity_is_due_once_a_minute() {
        let cache = ActivityCache::default();
        let at = |seconds: i64| Timestamp::from_seconds(1000 + seconds);
        assert!(!cache.is_due("ada", Some(at(0)), at(59)));
        assert!(cache.is_due("ada", Some(at(0)), at(60)));
        // many requests see the old row before the write is done
        assert!(!cache.is_due("ada", Some(at(0)), at(60)));
        assert!(cache.is_due("bob", None, at(60)) && !cache.is_due("bob", None, at(119)));
        assert!(cache.is_due("bob", None, at(120)));
    }
}
