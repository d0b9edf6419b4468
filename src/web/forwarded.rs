//! Who is at the other end, behind the reverse proxies that are trusted.
//!
//! Anybody can send `X-Forwarded-*`, so these headers are read only where the peer is a trusted proxy, and of the
//! addresses in them only those are believed that trusted proxies have added.

use std::net::{IpAddr, SocketAddr};

use actix_web::{HttpRequest, http::header::HeaderMap};
use ipnet::IpNet;

use crate::config::Config;

/// The address of the client: the peer's, unless the peer is a trusted proxy. Then it is the right-most address in
/// `X-Forwarded-For` that is not a trusted proxy's: what stands left of it came from the client and may be invented.
/// `None` where the connection has no address.
pub fn client_address(req: &HttpRequest, config: &Config) -> Option<IpAddr> {
    let peer = req.peer_addr()?.ip().to_canonical();
    Some(behind(peer, req.headers(), &config.trusted_proxies))
}

/// Whether the request came through a trusted proxy, so that what proxies say may be believed.
pub fn through_trusted_proxy(peer: Option<SocketAddr>, config: &Config) -> bool {
    peer.is_some_and(|peer| is_trusted(peer.ip().to_canonical(), &config.trusted_proxies))
}

/// The value that the nearest proxy gave to a header such as `X-Forwarded-Host`: the right-most, since proxies append.
pub fn nearest<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let last = headers.get_all(name).last()?.to_str().ok()?;
    last.rsplit(',').next().map(str::trim).filter(|value| !value.is_empty())
}

fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer;
    if !is_trusted(peer, trusted) {
        return client;
    }
    let lines: Vec<&str> =
        headers.get_all("x-forwarded-for").map(|value| value.to_str().unwrap_or("unreadable")).collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        // What cannot be read is where the chain that can be followed ends.
        let Some(address) = address(hop.trim()) else { break };
        client = address;
        if !is_trusted(address, trusted) {
            break;
        }
    }
    client
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// An address, as proxies write it: alone, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> Option<String> {
        let mut config = Config::defaults();
        config.trusted_proxies = trusted.iter().map(|network| network.parse().unwrap()).collect();
        let mut request = TestRequest::get().peer_addr(peer.parse().unwrap());
        for line in forwarded {
            request = request.append_header(("x-forwarded-for", *line));
        }
        client_address(&request.to_http_request(), &config).map(|address| address.to_string())
    }

    #[test]
    fn a_peer_that_is_no_trusted_proxy_speaks_for_itself() {
        assert_eq!(client("203.0.113.9:5000", &[], &[]).as_deref(), Some("203.0.113.9"));
        for trusted in [&[][..], &["10.0.0.0/8"]] {
            assert_eq!(client("203.0.113.9:5000", &["10.0.0.1, 1.1.1.1"], trusted).as_deref(), Some("203.0.113.9"));
        }
    }

    #[test]
    fn behind_a_trusted_proxy_the_right_most_untrusted_address_counts() {
        let trusted = &["10.0.0.0/8", "fd00::/8"];
        for (forwarded, expected) in [
            (&["198.51.100.7"][..], "198.51.100.7"),
            // the client invented what stands on the left
            (&["127.0.0.1, 10.9.9.9, 198.51.100.7"], "198.51.100.7"),
            (&["1.1.1.1, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            (&["1.1.1.1", "198.51.100.7", "10.0.0.2"], "198.51.100.7"),
            (&["198.51.100.7:4711, fd00::1"], "198.51.100.7"),
            (&["[2001:db8::7]:4711,10.0.0.2"], "2001:db8::7"),
            (&["[2001:db8::7]"], "2001:db8::7"),
            (&["::ffff:198.51.100.7"], "198.51.100.7"),
            // everybody is a proxy: the first of them
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // nothing that could be believed
            (&["198.51.100.7, unknown"], "10.0.0.1"),
            (&["198.51.100.7, "], "10.0.0.1"),
            (&[""], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1:5000", forwarded, trusted).as_deref(), Some(expected), "{forwarded:?}");
            assert_eq!(
                client("[::ffff:10.0.0.1]:5000", forwarded, trusted).as_deref(),
                Some(expected),
                "{forwarded:?}, as a dual-stack socket names the peer"
            );
        }
    }

    #[test]
    fn the_nearest_proxy_has_the_last_word() {
        let mut headers = HeaderMap::new();
        let name = actix_web::http::header::HeaderName::from_static("x-forwarded-host");
        assert_eq!(nearest(&headers, "x-forwarded-host"), None);
        headers.append(name.clone(), "evil.example".parse().unwrap());
        headers.append(name.clone(), "evil.example, login.example".parse().unwrap());
        assert_eq!(nearest(&headers, "x-forwarded-host"), Some("login.example"));
        headers.append(name, "".parse().unwrap());
        assert_eq!(nearest(&headers, "x-forwarded-host"), None);
    }
}
