//! Documents that lists have shown, as the JSON that they are written as: a page of them costs what its positions cost.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{
    metrics::{CacheCounts, Caches},
    model::time::Timestamp,
    store::Error,
};

/// Bytes that are kept.
const MOST: u64 = 4 << 20;
/// Bytes that a document usually has.
const USUAL: usize = 1000;

/// Which state of a row a document shows. Its ETag says all but when the row was last active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The number of registration, which no two rows ever have.
    pub seq: i64,
    /// Its ETag.
    pub etag: String,
    /// When the row was last active.
    pub last_active_at: Option<Timestamp>,
}

/// A document of a page. Clones share it.
#[derive(Clone, Debug)]
pub struct Kept(Arc<(Version, Box<RawValue>)>);

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.1.serialize(serializer)
    }
}

/// The documents.
pub struct Documents(Arc<Cache<i64, Kept, Bytes>>, CacheCounts);

#[derive(Clone)]
struct Bytes;

impl Weighter<i64, Kept> for Bytes {
    fn weight(&self, _: &i64, kept: &Kept) -> u64 {
        kept.0.1.get().len() as u64 + 200
    }
}

impl Default for Documents {
    fn default() -> Documents {
        let cache = Cache::with_weighter(MOST as usize / USUAL, MOST, Bytes);
        Documents(Arc::new(cache), CacheCounts::default())
    }
}

impl std::fmt::Debug for Documents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Documents").finish_non_exhaustive()
    }
}

impl Documents {
    /// Shows the cache among the others.
    pub fn register(&self, caches: &Caches) {
        let entries = self.0.clone();
        caches.add("documents", &self.1, move || entries.len() as u64);
    }

    /// The document of this version, if it is here.
    pub fn get(&self, version: &Version) -> Option<Kept> {
        let found = self.0.get(&version.seq).filter(|kept| kept.0.0 == *version);
        if found.is_some() {
            self.1.hit()
        } else {
            self.1.miss()
        }
        found
    }

    /// Keeps the document of this version.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn keep(&self, version: Version, document: &impl Serialize) -> Result<Kept, Error> {
        let written = serde_json::value::to_raw_value(document).map_err(|e| Error::Internal(e.to_string()))?;
        let seq = version.seq;
        let kept = Kept(Arc::new((version, written)));
        self.0.insert(seq, kept.clone());
        Ok(kept)
    }
}
