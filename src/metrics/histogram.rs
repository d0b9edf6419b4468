//! A histogram without a lock.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

/// Nanoseconds of a second.
const SECOND: f64 = 1e9;

/// From half a millisecond to ten seconds, in nanoseconds: what requests, queries and queues take.
const TIMES: [u64; 14] = [
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Powers of two.
const SIZES: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// How values are distributed over buckets. To observe one is two relaxed atomic additions, so a reader may see the sum
/// of one more or less value than the buckets. Clones share the numbers.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bounds: &'static [u64],
    /// How much a whole unit is.
    unit: f64,
    /// One more than bounds: the last one holds what is above all of them.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// Of times, in seconds.
    pub fn of_times() -> Histogram {
        Histogram::new(&TIMES, SECOND)
    }

    /// Of sizes, up to a few hundred.
    pub fn of_sizes() -> Histogram {
        Histogram::new(&SIZES, 1.0)
    }

    fn new(bounds: &'static [u64], unit: f64) -> Histogram {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram(Arc::new(Inner { bounds, unit, buckets, sum: AtomicU64::new(0) }))
    }

    /// One more time.
    pub fn time(&self, took: Duration) {
        // as nanoseconds, half a thousand years fit
        self.observe(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// One more size.
    pub fn size(&self, size: usize) {
        self.observe(size as u64);
    }

    fn observe(&self, value: u64) {
        let Inner { bounds, buckets, sum, .. } = &*self.0;
        let at = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
        if let Some(bucket) = buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        sum.fetch_add(value, Ordering::Relaxed);
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.0.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let Inner { bounds, unit, buckets, sum } = &*self.0;
        let bounds = bounds.iter().map(|bound| *bound as f64 / unit).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> =
            bounds.zip(buckets.iter()).map(|(bound, bucket)| (bound, bucket.load(Ordering::Relaxed))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = sum.load(Ordering::Relaxed) as f64 / unit;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}
