//! What the databases' doors count and measure.

use crate::metrics::{Counter, Gauge, Histogram, Registry};

/// The embedded database's writer. Clones share the numbers.
#[derive(Clone, Debug)]
pub(super) struct SqliteNumbers {
    /// Writes that wait for the writer.
    pub(super) waiting: Gauge,
    /// Writes of a group.
    pub(super) group: Histogram,
    /// How long a commit took.
    pub(super) commit: Histogram,
    /// Groups of which nothing was kept.
    pub(super) failed: Counter,
}

impl Default for SqliteNumbers {
    fn default() -> SqliteNumbers {
        SqliteNumbers {
            waiting: Gauge::default(),
            group: Histogram::of_sizes(),
            commit: Histogram::of_times(),
            failed: Counter::default(),
        }
    }
}

impl SqliteNumbers {
    pub(super) fn register(&self, registry: &mut Registry) {
        let SqliteNumbers { waiting, group, commit, failed } = self.clone();
        registry.register(
            "keyward_sqlite_writes_waiting",
            "Writes that wait for the writer or are in its group",
            waiting,
        );
        registry.register("keyward_sqlite_group_size", "Writes that shared one commit", group);
        registry.register(
            "keyward_sqlite_commit_seconds",
            "Time that a commit took, until it was on disk where it has to be",
            commit,
        );
        registry.register("keyward_sqlite_groups_failed", "Groups of writes of which nothing was kept", failed);
    }
}

/// The pool of connections to PostgreSQL. Clones share the numbers.
#[derive(Clone, Debug)]
pub(super) struct PostgresNumbers {
    /// Work that waits for a connection.
    pub(super) waiting: Gauge,
    /// Work that has one.
    pub(super) in_use: Gauge,
    /// The most connections.
    pub(super) size: Gauge,
    /// How long work waited for a connection.
    pub(super) wait: Histogram,
    /// Write transactions that were committed.
    pub(super) committed: Counter,
    /// Write transactions that were run once more, having lost against another.
    pub(super) retries: Counter,
}

impl Default for PostgresNumbers {
    fn default() -> PostgresNumbers {
        PostgresNumbers {
            waiting: Gauge::default(),
            in_use: Gauge::default(),
            size: Gauge::default(),
            wait: Histogram::of_times(),
            committed: Counter::default(),
            retries: Counter::default(),
        }
    }
}

impl PostgresNumbers {
    pub(super) fn register(&self, registry: &mut Registry) {
        let PostgresNumbers { waiting, in_use, size, wait, committed, retries } = self.clone();
        registry.register("keyward_postgres_pool_size", "The most connections to the database", size);
        registry.register("keyward_postgres_pool_in_use", "Connections that are in use", in_use);
        registry.register("keyward_postgres_pool_waiting", "Work that waits for a connection", waiting);
        registry.register("keyward_postgres_pool_wait_seconds", "Time that work waited for a connection", wait);
        registry.register("keyward_postgres_transactions", "Write transactions that were committed", committed);
        registry.register(
            "keyward_postgres_retries",
            "Write transactions that were run once more, because they lost against another",
            retries,
        );
    }
}

/// One more for as long as this lives, however it ends.
pub(super) struct Counted(Gauge);

impl Counted {
    pub(super) fn new(gauge: &Gauge) -> Counted {
        gauge.inc();
        Counted(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
