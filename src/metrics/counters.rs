//! Counters by labels whose values are known from the start.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

/// One counter for each of a few lists of label values. Clones share the numbers.
#[derive(Clone, Debug)]
pub struct Counters<const N: usize> {
    labels: [&'static str; N],
    rows: Arc<[([&'static str; N], AtomicU64)]>,
}

impl<const N: usize> Counters<N> {
    /// Counters for these values of these labels, all zero: that nothing has happened yet is shown, too.
    pub fn new(labels: [&'static str; N], rows: impl IntoIterator<Item = [&'static str; N]>) -> Counters<N> {
        Counters { labels, rows: rows.into_iter().map(|values| (values, AtomicU64::new(0))).collect() }
    }

    /// Counts one more. Values that are in none of the lists are not counted.
    pub fn count(&self, values: [&str; N]) {
        if let Some((_, counter)) = self.rows.iter().find(|(known, _)| *known == values) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether these values are counted.
    pub fn has(&self, values: [&str; N]) -> bool {
        self.rows.iter().any(|(known, _)| *known == values)
    }
}

impl<const N: usize> EncodeMetric for Counters<N> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (values, counter) in self.rows.iter() {
            let labels: Vec<(&str, &str)> = self.labels.into_iter().zip(*values).collect();
            let value = counter.load(Ordering::Relaxed);
            encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}
