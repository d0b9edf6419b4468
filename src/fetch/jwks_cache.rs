//! Clients' key sets, kept for a while.
//!
//! A client that begins to use a new key is served at once: a `kid` that is not in the set makes it be asked for again.
//! As anybody can send a made-up `kid`, that happens at most twice a minute, and whoever asks for a key that is there
//! does not wait for it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tracing::Instrument;

use super::{FetchError, Fetcher};
use crate::{
    metrics::{CacheCounts, Caches},
    model::time::Timestamp,
    telemetry::trace,
};

/// How long a set serves without being asked for again.
const FRESH: Duration = Duration::from_secs(300);
/// The least time between two requests for a set that is still fresh.
const AGAIN: Duration = Duration::from_secs(30);
/// How long an error is remembered.
const ERROR: Duration = Duration::from_secs(10);
/// The most sets that are held.
const MOST: usize = 1000;

/// The key sets by their `jwks_uri`.
#[derive(Debug, Default)]
pub struct JwksCache {
    entries: Arc<Mutex<HashMap<String, Arc<Entry>>>>,
    counts: CacheCounts,
}

#[derive(Debug)]
struct Entry {
    held: Mutex<Held>,
    /// Held while the set is on its way, so that it is asked for once.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Held {
    keys: Option<(Arc<Value>, Timestamp)>,
    error: Option<FetchError>,
    /// When the set was last asked for, with whatever success.
    tried_at: Timestamp,
}

impl JwksCache {
    /// The JWK Set at `uri`: the held one if it is less than five minutes old and has the key `need_kid`, or was asked
    /// for less than 30 seconds ago; else it is fetched, once for all who wait. An error is remembered for ten seconds,
    /// and takes nothing from a set that still serves.
    pub async fn keys(
        &self,
        fetcher: &Fetcher,
        uri: &str,
        now: Timestamp,
        need_kid: Option<&str>,
    ) -> Result<Arc<Value>, FetchError> {
        let entry = self.entry(uri, now);
        if let Some(answer) = entry.answer(now, need_kid) {
            self.counts.hit();
            return answer;
        }
        self.counts.miss();
        let (fetcher, uri, kid) = (fetcher.clone(), uri.to_owned(), need_kid.map(str::to_owned));
        // A task of its own: a caller who hangs up neither stops the fetch nor makes it be forgotten
        let flight = async move {
            let _flight = entry.flight.lock().await;
            match entry.answer(now, kid.as_deref()) {
                Some(answer) => answer,
                None => {
                    let fetched = fetcher.json(&uri).await.and_then(key_set);
                    entry.record(now, fetched)
                }
            }
        };
        let flight = flight.in_current_span();
        let flight = match trace::current() {
            Some(here) => tokio::spawn(trace::within(here, flight)),
            None => tokio::spawn(flight),
        };
        flight.await.unwrap_or_else(|error| Err(FetchError::Connection(error.to_string())))
    }

    /// Shows the cache among the others.
    pub(super) fn register(&self, caches: &Caches) {
        let entries = self.entries.clone();
        caches.add("client_keys", &self.counts, move || lock(&entries).len() as u64);
    }

    fn entry(&self, uri: &str, now: Timestamp) -> Arc<Entry> {
        let mut entries = lock(&self.entries);
        if let Some(entry) = entries.get(uri) {
            return entry.clone();
        }
        if entries.len() >= MOST {
            let oldest = entries.iter().min_by_key(|(_, entry)| lock(&entry.held).tried_at).map(|(uri, _)| uri.clone());
            if let Some(oldest) = oldest {
                entries.remove(&oldest);
            }
        }
        let held = Mutex::new(Held { keys: None, error: None, tried_at: now });
        let entry = Arc::new(Entry { held, flight: tokio::sync::Mutex::default() });
        entries.insert(uri.to_owned(), entry.clone());
        entry
    }
}

impl Entry {
    /// The answer without a fetch; `None` if there must be one.
    fn answer(&self, now: Timestamp, need_kid: Option<&str>) -> Option<Result<Arc<Value>, FetchError>> {
        let held = lock(&self.held);
        let since_try = now.since(held.tried_at);
        match (&held.keys, &held.error) {
            (Some((keys, at)), _) if now.since(*at) < FRESH => {
                let serves = need_kid.is_none_or(|kid| has(keys, kid)) || since_try < AGAIN;
                serves.then(|| Ok(keys.clone()))
            }
            (_, Some(error)) if since_try < ERROR => Some(Err(error.clone())),
            _ => None,
        }
    }

    fn record(&self, now: Timestamp, fetched: Result<Arc<Value>, FetchError>) -> Result<Arc<Value>, FetchError> {
        let mut held = lock(&self.held);
        held.tried_at = now;
        match fetched {
            Ok(keys) => {
                held.keys = Some((keys.clone(), now));
                held.error = None;
                Ok(keys)
            }
            Err(error) => {
                held.error = Some(error.clone());
                match &held.keys {
                    Some((keys, at)) if now.since(*at) < FRESH => Ok(keys.clone()),
                    _ => {
                        held.keys = None;
                        Err(error)
                    }
                }
            }
        }
    }
}

/// The document as a JWK Set, without members that nobody reads.
fn key_set(mut document: Value) -> Result<Arc<Value>, FetchError> {
    match document.get_mut("keys").map(Value::take) {
        Some(keys @ Value::Array(_)) => Ok(Arc::new(serde_json::json!({ "keys": keys }))),
        _ => Err(FetchError::NotKeys),
    }
}

fn has(keys: &Value, kid: &str) -> bool {
    let keys = keys.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    keys.iter().any(|key| key.get("kid").and_then(Value::as_str) == Some(kid))
}

/// What is behind the lock is whole after every statement, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_holds_no_more_than_its_most() {
        let cache = JwksCache::default();
        for n in 0..MOST as i64 + 50 {
            cache.entry(&format!("https://c{n}.example/keys"), Timestamp::from_seconds(n));
        }
        let entries = lock(&cache.entries);
        assert_eq!(entries.len(), MOST);
        assert!(!entries.contains_key("https://c49.example/keys"));
        assert!(entries.contains_key("https://c50.example/keys"));
    }

    #[test]
    fn only_a_key_set_is_kept() {
        assert!(key_set(serde_json::json!({"keys": []})).is_ok());
        for wrong in ["[]", "null", "{}", "{\"keys\": {}}", "\"keys\""] {
            assert_eq!(key_set(serde_json::from_str(wrong).unwrap()), Err(FetchError::NotKeys), "{wrong}");
        }
    }
}
