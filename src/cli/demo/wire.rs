//! HTTP from the demo application to the server, kept as text so that it can be shown.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use reqwest::{
    Client, Method, RequestBuilder, StatusCode,
    header::{AUTHORIZATION, HeaderMap, HeaderName, LOCATION, WWW_AUTHENTICATE},
    redirect,
};
use serde_json::Value;

use crate::pages::view::DemoHop;

/// Every call ends within it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A client for one server.
#[derive(Clone, Debug)]
pub struct Wire(Client);

/// A request and its answer.
#[derive(Debug)]
pub struct Exchange {
    /// The request as it was sent.
    pub request: String,
    /// The answer as it came, JSON indented.
    pub response: String,
    /// The answer's status.
    pub status: StatusCode,
    /// The answer's headers.
    pub headers: HeaderMap,
    /// The answer's body.
    pub body: String,
}

impl Wire {
    /// A client for the server that listens on `address`, where it is called `localhost` as well.
    ///
    /// # Errors
    /// If the HTTP client cannot be set up.
    pub fn new(address: SocketAddr) -> anyhow::Result<Wire> {
        // The HTTP client takes the process's provider; an error says that there is one already
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder()
            .no_proxy()
            .resolve("localhost", reachable(address))
            .redirect(redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()?;
        Ok(Wire(client))
    }

    /// A request to be sent by [`Wire::send`].
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.0.request(method, url)
    }

    /// Sends a request, and keeps it with its answer.
    ///
    /// # Errors
    /// If there is no complete answer. Any status is an answer.
    pub async fn send(&self, request: RequestBuilder) -> anyhow::Result<Exchange> {
        let request = request.build()?;
        let shown = show_request(&request);
        let target = format!("{} {}", request.method(), request.url());
        let response = self.0.execute(request).await.with_context(|| format!("{target}: no answer"))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await.with_context(|| format!("{target}: the answer broke off"))?;
        Ok(Exchange { request: shown, response: show_response(status, &headers, &body), status, headers, body })
    }
}

impl Exchange {
    /// The body of a 200 answer as JSON.
    ///
    /// # Errors
    /// What was answered instead.
    pub fn json(&self) -> anyhow::Result<Value> {
        if self.status != StatusCode::OK {
            bail!("expected 200, got:\n{}", self.response);
        }
        serde_json::from_str(&self.body).map_err(|error| anyhow!("expected JSON ({error}), got:\n{}", self.response))
    }

    /// As a step to be shown.
    pub fn hop(&self, title: &str, explanation: &str) -> DemoHop {
        DemoHop {
            title: title.to_owned(),
            explanation: explanation.to_owned(),
            request: self.request.clone(),
            response: self.response.clone(),
        }
    }
}

/// The address to connect to for one that is listened on: the wildcards stand for the machine itself.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(ip, address.port())
}

fn show_request(request: &reqwest::Request) -> String {
    let url = request.url();
    let mut text = format!("{} {}\n", request.method(), split_query(url.as_str()));
    show_headers(&mut text, request.headers(), &[AUTHORIZATION, reqwest::header::CONTENT_TYPE]);
    if let Some(body) = request.body().and_then(|body| body.as_bytes()).filter(|body| !body.is_empty()) {
        text.push('\n');
        text.push_str(&split_form(&String::from_utf8_lossy(body)));
    }
    text
}

fn show_response(status: StatusCode, headers: &HeaderMap, body: &str) -> String {
    let mut text = format!("{status}\n");
    let worth_showing = [reqwest::header::CONTENT_TYPE, reqwest::header::CACHE_CONTROL, LOCATION, WWW_AUTHENTICATE];
    show_headers(&mut text, headers, &worth_showing);
    if !body.is_empty() {
        text.push('\n');
        match serde_json::from_str::<Value>(body) {
            Ok(json) => text.push_str(&pretty(&json)),
            Err(_) => text.push_str(body),
        }
    }
    text
}

fn show_headers(text: &mut String, headers: &HeaderMap, names: &[HeaderName]) {
    for name in names {
        for value in headers.get_all(name) {
            text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
        }
    }
}

/// A URL with each query parameter on a line of its own.
pub fn split_query(url: &str) -> String {
    match url.split_once('?') {
        Some((path, query)) => format!("{path}\n  ?{}", query.replace('&', "\n  &")),
        None => url.to_owned(),
    }
}

fn split_form(body: &str) -> String {
    body.replace('&', "\n&")
}

/// JSON for people.
pub fn pretty(json: &Value) -> String {
    serde_json::to_string_pretty(json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_are_shown_as_text() {
        let wire = Wire::new("0.0.0.0:80".parse().unwrap()).unwrap();
        let request = wire
            .request(Method::POST, "http://localhost/oauth/token")
            .basic_auth("demo-app", Some("secret"))
            .form(&[("grant_type", "authorization_code"), ("code", "a b&c")])
            .build()
            .unwrap();
        assert_eq!(
            show_request(&request),
            "POST http://localhost/oauth/token\nauthorization: Basic ZGVtby1hcHA6c2VjcmV0\n\
             content-type: application/x-www-form-urlencoded\n\ngrant_type=authorization_code\n&code=a+b%26c"
        );
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, "http://localhost/x".parse().unwrap());
        headers.insert(reqwest::header::DATE, "today".parse().unwrap());
        assert_eq!(
            show_response(StatusCode::OK, &headers, "{\"a\":[1]}"),
            "200 OK\nlocation: http://localhost/x\n\n{\n  \"a\": [\n    1\n  ]\n}"
        );
        assert_eq!(show_response(StatusCode::BAD_GATEWAY, &HeaderMap::new(), "<p>"), "502 Bad Gateway\n\n<p>");
        assert_eq!(split_query("http://x/a?b=1&c=2"), "http://x/a\n  ?b=1\n  &c=2");
    }

    #[test]
    fn wildcards_are_reached_on_loopback() {
        assert_eq!(reachable("0.0.0.0:81".parse().unwrap()).to_string(), "127.0.0.1:81");
        assert_eq!(reachable("[::]:81".parse().unwrap()).to_string(), "[::1]:81");
        assert_eq!(reachable("10.0.0.1:81".parse().unwrap()).to_string(), "10.0.0.1:81");
    }
}
