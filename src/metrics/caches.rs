//! How well caches do.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

/// The hits and misses of one cache. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub struct CacheCounts(Arc<(AtomicU64, AtomicU64)>);

impl CacheCounts {
    /// It had what was asked for.
    pub fn hit(&self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }

    /// It did not, or not fresh enough.
    pub fn miss(&self) {
        self.0.1.fetch_add(1, Ordering::Relaxed);
    }

    /// How many of both there were.
    pub fn so_far(&self) -> (u64, u64) {
        (self.0.0.load(Ordering::Relaxed), self.0.1.load(Ordering::Relaxed))
    }
}

/// The caches of a server. Clones share them.
#[derive(Clone, Default)]
pub struct Caches(Arc<Mutex<Vec<Cache>>>);

struct Cache {
    name: &'static str,
    counts: CacheCounts,
    entries: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl Caches {
    /// Shows a cache under this name, which no other has. `entries` says about how many it holds; it is asked whenever
    /// somebody reads, and so must be cheap.
    pub fn add(&self, name: &'static str, counts: &CacheCounts, entries: impl Fn() -> u64 + Send + Sync + 'static) {
        let cache = Cache { name, counts: counts.clone(), entries: Box::new(entries) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(cache);
    }
}

impl fmt::Debug for Caches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caches").finish_non_exhaustive()
    }
}

impl Collector for Caches {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let caches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = |mut encoder: MetricEncoder<'_>, of: fn(&Cache) -> u64| {
            caches.iter().try_for_each(|cache| {
                let labels = [("cache", cache.name)];
                encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&of(cache), None)
            })
        };
        let help = "Look-ups that a cache could answer.";
        let hits = encoder.encode_descriptor("keyward_cache_hits", help, None, MetricType::Counter)?;
        counted(hits, |cache| cache.counts.so_far().0)?;
        let help = "Look-ups that a cache could not answer.";
        let misses = encoder.encode_descriptor("keyward_cache_misses", help, None, MetricType::Counter)?;
        counted(misses, |cache| cache.counts.so_far().1)?;
        let help = "About how much a cache holds.";
        let mut entries = encoder.encode_descriptor("keyward_cache_entries", help, None, MetricType::Gauge)?;
        caches.iter().try_for_each(|cache| {
            let labels = [("cache", cache.name)];
            entries.encode_family(&labels)?.encode_gauge(&(cache.entries)())
        })
    }
}
