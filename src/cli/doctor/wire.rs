//! HTTP with the server as its clients have it: through the issuer's name, proxy and TLS, bounded in time and size.

use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use reqwest::{
    Client, Method, RequestBuilder, StatusCode,
    header::{HeaderMap, HeaderName},
    redirect::Policy,
};
use rustls::ClientConfig;
use serde_json::Value;
use url::{Host, Url};

/// How long each step may take: name, connection, handshake, answer.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// The most bytes of an answer that are read.
const MOST_BYTES: usize = 1 << 20;
/// What the doctor calls itself.
pub const NAME: &str = concat!("keyward-doctor/", env!("CARGO_PKG_VERSION"));

/// A way to the server that works. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Wire {
    client: Client,
    /// The issuer.
    pub issuer: Url,
    /// The address that this machine has on that way.
    pub local: IpAddr,
    /// The address that was reached.
    pub remote: SocketAddr,
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
    /// How long it took.
    pub took: Duration,
}

impl Wire {
    /// A way to the issuer at this one address, so that all checks are of the same server.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(
        issuer: &Url,
        remote: SocketAddr,
        local: IpAddr,
        tls: Option<ClientConfig>,
    ) -> Result<Wire, reqwest::Error> {
        let mut client = Client::builder().user_agent(NAME).timeout(PATIENCE).redirect(Policy::none()).no_proxy();
        if let Some(Host::Domain(name)) = issuer.host() {
            client = client.resolve(name, remote);
        }
        if let Some(tls) = tls {
            client = client.use_preconfigured_tls(tls);
        }
        Ok(Wire { client: client.build()?, issuer: issuer.clone(), local, remote })
    }

    /// The address of a path below the issuer.
    pub fn below(&self, path: &str) -> String {
        format!("{}{path}", self.issuer.as_str().trim_end_matches('/'))
    }

    /// The address of a path at the issuer's host.
    pub fn at_root(&self, path: &str) -> String {
        format!("{}{path}", self.issuer.origin().ascii_serialization())
    }

    /// A request to be sent by [`Wire::send`].
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Asks for an address.
    ///
    /// # Errors
    /// As [`Wire::send`].
    pub async fn get(&self, url: &str) -> Result<Answer, String> {
        self.send(self.request(Method::GET, url)).await
    }

    /// Sends a request. Any status is an answer.
    ///
    /// # Errors
    /// There is no whole answer in time, or it is too large.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, String> {
        let begun = Instant::now();
        let mut response = request.send().await.map_err(|error| said(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| said(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST_BYTES {
                return Err(format!("the answer is larger than {MOST_BYTES} bytes"));
            }
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer { status, headers, body, took: begun.elapsed() })
    }
}

impl Answer {
    /// The body as JSON, if it is an object.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok().filter(Value::is_object)
    }

    /// A header, if it is there once and readable.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Everything that was set as a cookie.
    pub fn cookies(&self) -> Vec<String> {
        let set = self.headers.get_all(reqwest::header::SET_COOKIE);
        set.iter().filter_map(|value| value.to_str().ok().map(str::to_owned)).collect()
    }
}

/// An error with its causes; without the address, which may hold more than is to be told.
fn said(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", PATIENCE.as_secs());
    }
    let mut text = if error.is_connect() { "cannot connect" } else { "the exchange failed" }.to_owned();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
