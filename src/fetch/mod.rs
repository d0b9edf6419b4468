//! Outgoing requests, guarded against being turned on the inside of the network.
//!
//! Whoever registers a client names URLs that this server then asks, from where it stands: behind the firewall, beside
//! the cloud's metadata service. So a URL leads to a globally reachable address or to a network that the operator
//! listed, it is connected to exactly the address that was checked, nothing is followed, and time and size are bounded.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{Response, Url, header, redirect};
use serde_json::Value;
use url::Host;

use crate::{config, metrics::Caches, model::time::Timestamp, telemetry::trace};

pub mod address;
pub mod error;
mod guard;
pub mod jwks_cache;

#[cfg(test)]
mod tests;

pub use error::FetchError;

use address::Reach;
use guard::{Guard, Lookup};
use jwks_cache::JwksCache;

/// Longer than any URL that is meant well.
const MAX_URL: usize = 2048;
/// Below it only the schemes' own ports: whoever may name any port speaks to mail servers and the like.
const FIRST_FREE_PORT: u16 = 1024;

/// Fetches documents from other servers. Cheap to clone; clones share their cache.
#[derive(Clone, Debug)]
pub struct Fetcher {
    inner: Arc<Inner>,
    key_sets: Arc<JwksCache>,
}

#[derive(Debug)]
struct Inner {
    /// For https: reaches what is global and what is listed.
    secure: Via,
    /// For http: reaches only what is listed.
    plain: Via,
    timeout: Duration,
    max_bytes: usize,
}

#[derive(Debug)]
struct Via {
    client: reqwest::Client,
    reach: Reach,
}

impl Fetcher {
    /// A fetcher with these limits.
    ///
    /// # Errors
    /// If the TLS library cannot be set up.
    pub fn new(config: &config::Fetch) -> anyhow::Result<Fetcher> {
        Fetcher::with_lookup(config, Lookup::System)
    }

    fn with_lookup(config: &config::Fetch, lookup: Lookup) -> anyhow::Result<Fetcher> {
        // The HTTP client takes the process's provider; an error says that there is one already
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listed: Arc<[_]> = config.allowed_networks.as_slice().into();
        Ok(Fetcher {
            inner: Arc::new(Inner {
                secure: via(Reach { global: true, listed: listed.clone() }, lookup.clone())?,
                plain: via(Reach { global: false, listed }, lookup)?,
                timeout: config.timeout,
                max_bytes: config.max_bytes,
            }),
            key_sets: Arc::new(JwksCache::default()),
        })
    }

    /// The JSON document at `url`, asked for anew.
    ///
    /// The URL is https, or http to a listed network; without user or password; on the scheme's own port or one from
    /// 1024 on. Only a 200 counts, whatever its `Content-Type` says.
    pub async fn json(&self, url: &str) -> Result<Value, FetchError> {
        let (via, url) = self.inner.route(url)?;
        let Inner { timeout, max_bytes, .. } = *self.inner;
        let (here, begun) = (trace::current().map(|here| here.child()), Instant::now());
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut request = via.client.get(url);
        if let Some(here) = &here {
            request = request.header("traceparent", here.context.header());
        }
        let body = async {
            let response = request.send().await.map_err(FetchError::from_client)?;
            body(response, max_bytes).await
        };
        let body = tokio::time::timeout(timeout, body).await.unwrap_or(Err(FetchError::Timeout(timeout)));
        if let Some(here) = &here {
            here.asked(begun, &host, body.is_err());
        }
        let body = body?;
        serde_json::from_slice(&body).map_err(|error| FetchError::NotJson(error.to_string()))
    }

    /// The JWK Set at a client's `jwks_uri` (RFC 7517 §5), from the cache where it may serve; see [`jwks_cache`].
    /// `kid` is the key that is looked for: a set without it is asked for again, now and then.
    pub async fn client_keys(&self, uri: &str, now: Timestamp, kid: Option<&str>) -> Result<Arc<Value>, FetchError> {
        self.key_sets.keys(self, uri, now, kid).await
    }

    /// Shows the cache of key sets among the others.
    pub fn register(&self, caches: &Caches) {
        self.key_sets.register(caches);
    }
}

impl Inner {
    /// Checks a URL, and says by which client it is fetched.
    fn route(&self, url: &str) -> Result<(&Via, Url), FetchError> {
        let refused = |why| Err(FetchError::Url(why));
        if url.len() > MAX_URL {
            return refused("it is too long");
        }
        let Ok(url) = Url::parse(url) else {
            return refused("it is not a URL");
        };
        let via = match url.scheme() {
            "https" => &self.secure,
            "http" if !self.plain.reach.listed.is_empty() => &self.plain,
            _ => return refused("expected https"),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return refused("expected no user or password in it");
        }
        if url.port().is_some_and(|port| port < FIRST_FREE_PORT) {
            return refused("expected the scheme's own port or one from 1024 on");
        }
        // An address is connected to without asking the resolver, where names are checked. Decimal, octal and
        // hexadecimal spellings have become addresses here (WHATWG URL §3.5)
        let literal = match url.host() {
            None => return refused("it names no host"),
            Some(Host::Domain(_)) => None,
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
        };
        if let Some(ip) = literal {
            via.reach.check(ip).map_err(FetchError::Address)?;
        }
        Ok((via, url))
    }
}

/// A client that goes nowhere but where `reach` says.
fn via(reach: Reach, lookup: Lookup) -> anyhow::Result<Via> {
    let client = reqwest::Client::builder()
        .dns_resolver(Arc::new(Guard { reach: reach.clone(), lookup }))
        // A proxy would resolve names by itself
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        // Key sets are asked for every few minutes; no connection outlives its fetch
        .pool_max_idle_per_host(0)
        // The limit is on what is held in memory, which decompression would inflate
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .referer(false)
        .user_agent(concat!("keyward/", env!("CARGO_PKG_VERSION")))
        .default_headers(header::HeaderMap::from_iter([(
            header::ACCEPT,
            header::HeaderValue::from_static("application/jwk-set+json, application/json"),
        )]))
        .build()?;
    Ok(Via { client, reach })
}

async fn body(mut response: Response, max: usize) -> Result<Vec<u8>, FetchError> {
    if response.status().is_redirection() {
        return Err(FetchError::Redirect(response.status().as_u16()));
    }
    if response.status() != reqwest::StatusCode::OK {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    if response.content_length().is_some_and(|length| length > max as u64) {
        return Err(FetchError::TooLarge { max });
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(FetchError::from_client)? {
        if body.len() + chunk.len() > max {
            return Err(FetchError::TooLarge { max });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
