//! What an issuer identifier may look like, and the one that follows from the addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::Config;

/// What is wrong with an issuer (RFC 8414 §2, OpenID Connect Discovery §3); empty if it is right.
pub(super) fn faults(issuer: &str) -> Vec<String> {
    let Some(url) = Url::parse(issuer).ok().filter(|url| matches!(url.scheme(), "http" | "https")) else {
        return vec!["expected a URL such as https://login.example.com".to_owned()];
    };
    let mut faults = Vec::new();
    let mut refuse = |is_wrong: bool, what: &str| {
        if is_wrong {
            faults.push(what.to_owned());
        }
    };
    refuse(url.scheme() == "http" && !is_loopback(&url), "expected https: plain http is only for loopback hosts");
    refuse(!url.username().is_empty() || url.password().is_some(), "expected no user or password in it");
    refuse(url.query().is_some(), "expected no query, nothing from '?' on");
    refuse(url.fragment().is_some(), "expected no fragment, nothing from '#' on");
    refuse(issuer.ends_with('/'), "expected no '/' at its end");
    if faults.is_empty() {
        // Clients compare the exact text (OpenID Connect Core §3.1.3.7), so there must be one way to write it
        let normal = url.as_str().trim_end_matches('/');
        if normal != issuer {
            faults.push(format!("expected its normal form {normal}"));
        }
    }
    faults
}

/// `localhost`, 127.0.0.0/8 and `[::1]` (RFC 8252 §7.3 names the addresses).
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// The issuer where none is set; the error says why there can be none.
pub(super) fn derived(config: &Config) -> Result<String, String> {
    let Some(first) = config.listen.first() else {
        return Err("must be set, because there is no `listen`".to_owned());
    };
    if let Some(public) = config.listen.iter().find(|address| !address.ip().is_loopback()) {
        return Err(format!(
            "must be set to the URL by which clients reach this server, because it listens on {public}"
        ));
    }
    let host = if first.ip() == Ipv4Addr::LOCALHOST || first.ip() == Ipv6Addr::LOCALHOST {
        "localhost".to_owned()
    } else {
        first.ip().to_string()
    };
    let scheme = if config.tls_certificate.is_some() { "https" } else { "http" };
    match (scheme, first.port()) {
        (_, 0) => Err("must be set, because port 0 of `listen` is another port each time".to_owned()),
        ("http", 80) | ("https", 443) => Ok(format!("{scheme}://{host}")),
        (_, port) => Ok(format!("{scheme}://{host}:{port}")),
    }
}
