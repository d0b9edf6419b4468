//! Administrators' acts over HTTP, with a token, through the API.

use std::{net::IpAddr, time::Duration};

use anyhow::{Context, bail};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, header, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::{Kind, database::told};
use crate::{cli::Refused, directory::Precondition, model::problem::Code, server};

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one may take that does many things.
const LONG: Duration = Duration::from_secs(600);
/// The most bytes of an answer.
const MAX_ANSWER: usize = 64 << 20;

/// A server's API, and a token for it.
pub struct Server {
    http: Client,
    base: Url,
    token: SecretString,
}

impl Server {
    /// The server at this address. The token goes nowhere else, and only over TLS or within this machine.
    ///
    /// # Errors
    /// [`Refused`] where the address is none that a token may be sent to.
    pub fn new(address: &str, token: impl FnOnce() -> anyhow::Result<SecretString>) -> anyhow::Result<Server> {
        let base = address_of(address).map_err(|fault| Refused(vec![format!("--server: {fault}")]))?;
        let token = token()?;
        // Fails only if the process has a provider already, which serves as well.
        let _ = server::provider().install_default();
        // no proxy: it would see the token where there is no TLS
        let http = Client::builder().timeout(PATIENCE).redirect(redirect::Policy::none()).no_proxy().build()?;
        Ok(Server { http, base, token })
    }

    fn request(
        &self,
        method: Method,
        segments: &[&str],
        precondition: &Precondition,
    ) -> anyhow::Result<RequestBuilder> {
        if let Some(id) = segments.iter().find(|id| !is_one_segment(id)) {
            let id = crate::model::id::shown(id);
            return Err(match method == Method::PUT {
                true => told(400, Code::IdInvalid.as_str(), &format!("expected an id, got '{id}'"), &[], None),
                false => told(404, Code::NotFound.as_str(), &format!("there is nothing with the id '{id}'"), &[], None),
            });
        }
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["resources", "iam"]).extend(segments);
        }
        let request = self.http.request(method, url).bearer_auth(self.token.expose_secret());
        Ok(match precondition {
            Precondition::None => request,
            Precondition::Exists => request.header(header::IF_MATCH, "*"),
            Precondition::Is(etags) => {
                let etags: Vec<String> = etags.iter().map(|etag| format!("\"{etag}\"")).collect();
                request.header(header::IF_MATCH, etags.join(", "))
            }
            Precondition::Absent => request.header(header::IF_NONE_MATCH, "*"),
        })
    }

    /// The answer's document; null where it has none.
    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let response = request.send().await.map_err(reqwest::Error::without_url);
        let mut response = response.with_context(|| format!("{} does not answer", self.base))?;
        let status = response.status();
        let body = bounded(&mut response).await?;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            if value.is_null() && status != StatusCode::NO_CONTENT {
                bail!("{} answers {status}, but with no JSON: is it a Keyward server?", self.base);
            }
            return Ok(value);
        }
        let Some(code) = value["code"].as_str() else {
            let elsewhere = if status.is_redirection() { "; --server takes the issuer" } else { "" };
            bail!("{} answers {status}{elsewhere}", self.base);
        };
        let faults: Vec<(Option<&str>, &str)> = value["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|fault| (fault["pointer"].as_str(), fault["message"].as_str().unwrap_or_default()))
            .collect();
        let detail = value["detail"].as_str().unwrap_or_default();
        Err(told(status.as_u16(), code, detail, &faults, value["request_id"].as_str()))
    }

    pub(super) async fn list(&self, kind: Kind, query: &str) -> anyhow::Result<Value> {
        let mut request = self.request(Method::GET, &[kind.plural()], &Precondition::None)?.build()?;
        request.url_mut().set_query(Some(query));
        self.send(RequestBuilder::from_parts(self.http.clone(), request)).await
    }

    pub(super) async fn get(&self, kind: Kind, id: &str) -> anyhow::Result<Value> {
        self.send(self.request(Method::GET, &[kind.plural(), id], &Precondition::None)?).await
    }

    pub(super) async fn put(
        &self,
        kind: Kind,
        id: &str,
        body: &Map<String, Value>,
        precondition: &Precondition,
    ) -> anyhow::Result<Value> {
        self.send(self.request(Method::PUT, &[kind.plural(), id], precondition)?.json(body)).await
    }

    pub(super) async fn delete(
        &self,
        kind: Kind,
        id: &str,
        force: bool,
        precondition: &Precondition,
    ) -> anyhow::Result<()> {
        let mut request = self.request(Method::DELETE, &[kind.plural(), id], precondition)?;
        if force {
            request = request.query(&[("force", "true")]);
        }
        self.send(request).await.map(|_| ())
    }

    pub(super) async fn suspend(
        &self,
        kind: Kind,
        id: &str,
        suspended: bool,
        precondition: &Precondition,
    ) -> anyhow::Result<Value> {
        let act = if suspended { "suspend" } else { "unsuspend" };
        self.send(self.request(Method::POST, &[kind.plural(), id, act], precondition)?).await
    }

    pub(super) async fn reset_password(&self, id: &str, precondition: &Precondition) -> anyhow::Result<Value> {
        self.send(self.request(Method::POST, &["principals", id, "password", "reset"], precondition)?).await
    }

    pub(super) async fn secrets(&self, id: &str) -> anyhow::Result<Value> {
        self.send(self.request(Method::GET, &["clients", id, "secrets"], &Precondition::None)?).await
    }

    pub(super) async fn add_secret(&self, id: &str, body: &Map<String, Value>) -> anyhow::Result<Value> {
        // whatever version it is now: nothing of it is replaced
        self.send(self.request(Method::POST, &["clients", id, "secrets"], &Precondition::Exists)?.json(body)).await
    }

    pub(super) async fn delete_secret(&self, id: &str, secret: &str) -> anyhow::Result<()> {
        let request = self.request(Method::DELETE, &["clients", id, "secrets", secret], &Precondition::Exists)?;
        self.send(request).await.map(|_| ())
    }

    pub(super) async fn apply(&self, body: &Map<String, Value>, dry_run: bool, prune: bool) -> anyhow::Result<Value> {
        let request = self.request(Method::POST, &["apply"], &Precondition::None)?.timeout(LONG);
        self.send(request.query(&json!({ "dryRun": dry_run, "prune": prune })).json(body)).await
    }
}

/// Whether a text can be written as one segment of a path that stays what it is: parsers of URLs take dots for places, and
/// drop line breaks and tabs.
fn is_one_segment(id: &str) -> bool {
    !matches!(id, "" | "." | "..") && !id.chars().any(char::is_control)
}

async fn bounded(response: &mut Response) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            bail!("the answer is larger than {MAX_ANSWER} bytes");
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An address that a token may be sent to.
fn address_of(text: &str) -> Result<Url, String> {
    let shown = crate::model::id::shown(text);
    let url = Url::parse(text).map_err(|fault| format!("expected a URL, got '{shown}': {fault}"))?;
    let loopback = url.host_str().is_some_and(|host| {
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    });
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        _ => return Err(format!("expected https, or http to this very machine, got '{shown}'")),
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("expected an address without user, query and fragment".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sent_over_tls_or_within_the_machine() {
        for good in
            ["https://id.example.org", "https://id.example.org/path/", "http://localhost:8080", "http://[::1]:1"]
        {
            assert!(address_of(good).is_ok(), "{good}");
        }
        for bad in [
            "id.example.org",
            "http://id.example.org",
            "http://localhost.example.org",
            "http://127.0.0.1.example.org",
            "ftp://localhost",
            "https://user@id.example.org",
            "https://id.example.org?x",
            "file:///etc",
        ] {
            assert!(address_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_stay_one_segment_of_the_address() {
        let server = Server::new("https://id.example.org/base/", || Ok("x".to_owned().into())).unwrap();
        for (id, path) in [
            ("support:agent", "/base/resources/iam/roles/support:agent"),
            ("../clients/x?y#z", "/base/resources/iam/roles/..%2Fclients%2Fx%3Fy%23z"),
        ] {
            let request = server.request(Method::GET, &["roles", id], &Precondition::None).unwrap().build().unwrap();
            assert_eq!(request.url().as_str(), format!("https://id.example.org{path}"));
        }
        for id in ["", ".", "..", ".\t", "\n..", "a\tb"] {
            assert!(server.request(Method::GET, &["roles", id], &Precondition::None).is_err(), "{id:?}");
        }
        let dots = server.request(Method::GET, &["roles", "%2e%2E"], &Precondition::None).unwrap().build().unwrap();
        assert_eq!(dots.url().path(), "/base/resources/iam/roles/%252e%252E");
    }
}
