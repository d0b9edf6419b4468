//! What proxies on the way do to requests: the host that was asked for, the address of who asks, plain http.

use std::net::IpAddr;

use ipnet::IpNet;
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, LOCATION, STRICT_TRANSPORT_SECURITY},
};

use super::{
    finding::{Fault, Finding},
    wire::{Answer, Wire},
};
use crate::{config::Config, model::id::shown};

const HEADERS: &str = "proxy_headers";
const ADDRESS: &str = "client_address";
const HTTPS: &str = "https_only";
/// An address that nobody has (RFC 5737), sent as if a proxy had seen it.
pub const FORGED_ADDRESS: &str = "192.0.2.77";
/// A host that nobody has (RFC 6761 §6.4), sent as if a proxy had been asked for it.
const FORGED_HOST: &str = "forged.invalid";

/// A page as a browser opens it, with what a client could invent or without.
pub async fn page(wire: &Wire, forged: bool) -> Result<Answer, String> {
    let mut request = wire.request(Method::GET, &wire.below("/login")).header(ACCEPT, "text/html");
    if forged {
        request = request
            .header("x-forwarded-host", FORGED_HOST)
            .header("x-forwarded-proto", "http")
            .header("x-forwarded-for", FORGED_ADDRESS)
            .header("forwarded", format!("for={FORGED_ADDRESS};host={FORGED_HOST};proto=http"));
    }
    wire.send(request).await
}

/// Whether the server sees the host that was asked for, and believes no client about it.
pub async fn headers(wire: &Wire, config: &Config, honest: &Result<Answer, String>) -> Finding {
    let honest = match honest {
        Ok(answer) => answer,
        Err(error) => {
            return Finding::problem(HEADERS, format!("the page to sign in: {error}"), "Look into the server's log.");
        }
    };
    match honest.status {
        StatusCode::OK => {}
        // RFC 9110 §15.5.20
        StatusCode::MISDIRECTED_REQUEST => {
            let what =
                "the server was not told the host that was asked for: it takes people for lost and sends them away";
            let fix = "Have the proxy pass `Host` on as it came, or set X-Forwarded-Host and name the proxy in \
                       `trusted_proxies` (deploy/nginx.conf and deploy/Caddyfile do).";
            return Finding::problem(HEADERS, what, fix);
        }
        status => {
            let what = format!("the page to sign in answers {status}, expected 200");
            return Finding::problem(HEADERS, what, "Look into the logs of server and proxy.");
        }
    }
    let forged = page(wire, true).await;
    let believed = forged.as_ref().is_ok_and(|answer| {
        answer.status == StatusCode::MISDIRECTED_REQUEST
            || answer.body.contains(FORGED_HOST)
            || answer.header(LOCATION).is_some_and(|location| location.contains(FORGED_HOST))
    });
    match believed {
        false => Finding::ok(HEADERS, "the server sees the host that was asked for, and no client can tell it another"),
        true if is_trusted(wire.local, &config.trusted_proxies) => Finding::skipped(
            HEADERS,
            format!("this machine ({}) is among trusted_proxies, so its own word is believed", wire.local),
            "Run this on another machine that can reach the issuer, or have the proxy set X-Forwarded-Host itself.",
        ),
        true => Finding::problem(
            HEADERS,
            "the server believes an X-Forwarded-Host that a client has invented",
            "Have the proxy set X-Forwarded-Host, -Proto and -For itself instead of passing on what clients send, and \
             name nobody but proxies in `trusted_proxies`.",
        ),
    }
}

/// Whether browsers that come by plain http are led to https, and told to stay there.
pub async fn https_only(wire: &Wire, page: Option<&Answer>) -> Finding {
    if wire.issuer.scheme() != "https" {
        let why = "the issuer is plain http, which is only for development on one machine";
        return Finding::skipped(HTTPS, why, "In public, set `issuer` to an https address.");
    }
    let mut faults = Vec::new();
    if page.is_some_and(|page| page.header(STRICT_TRANSPORT_SECURITY).is_none()) {
        let fix = "Have the proxy pass Strict-Transport-Security on: Keyward sends it (RFC 6797).";
        faults.push(Fault::warning("browsers are not told to stay with https", fix));
    }
    let plain = match wire.issuer.port() {
        // on another port there is nothing that people would type
        Some(_) => "port 80 is not its own".to_owned(),
        None => match wire.get(&format!("http://{}/", wire.issuer.host_str().unwrap_or_default())).await {
            Err(_) => "nothing answers plain http".to_owned(),
            Ok(answer) if answer.status.is_redirection() => match answer.header(LOCATION) {
                Some(to) if to.starts_with("https://") => "plain http leads to https".to_owned(),
                to => {
                    let what = format!("plain http leads to {}, expected https", shown(to.unwrap_or("nowhere")));
                    faults.push(Fault::warning(what, "Redirect port 80 to the issuer."));
                    String::new()
                }
            },
            Ok(answer) => {
                let what = format!("plain http answers {} instead of leading to https", answer.status);
                faults.push(Fault::warning(what, "Redirect port 80 to the issuer, or answer nothing there."));
                String::new()
            }
        },
    };
    Finding::of_faults(HTTPS, faults, format!("browsers are told to stay with https; {plain}"))
}

/// Whether the server saw the right address of this machine when it signed in, having sent [`FORGED_ADDRESS`] along.
pub fn client_address(local: IpAddr, seen: Option<IpAddr>, trusted: &[IpNet]) -> Finding {
    let fix = "Name the proxy, by its address or network, in `trusted_proxies`, and have it set X-Forwarded-For: \
               otherwise all people share one address, and one who guesses passwords locks all of them out.";
    let Some(seen) = seen else {
        return Finding::problem(ADDRESS, "the server saw no address of who signed in", fix);
    };
    let is_forged = FORGED_ADDRESS.parse() == Ok(seen);
    if is_forged && is_trusted(local, trusted) {
        let why = format!("this machine ({local}) is among trusted_proxies, so its own word is believed");
        return Finding::skipped(ADDRESS, why, "Run this on another machine that can reach the issuer.");
    }
    if is_forged {
        return Finding::problem(
            ADDRESS,
            format!("the server believed an X-Forwarded-For that a client has invented ({FORGED_ADDRESS})"),
            "Have the proxy set X-Forwarded-For instead of passing on what clients send, and name nobody but proxies in \
             `trusted_proxies`: otherwise whoever guesses passwords chooses a new address for each guess.",
        );
    }
    if seen == local {
        return Finding::ok(ADDRESS, format!("the server saw this machine at its own address, {seen}"));
    }
    match (seen.is_loopback(), is_private(seen) && !is_trusted(seen, trusted)) {
        (true, _) => {
            let what = format!("the server saw {seen}, the address of a proxy beside it; expected {local}");
            Finding::problem(ADDRESS, what, fix)
        }
        (_, true) => {
            let what = format!("the server saw {seen}, where this machine is {local}: probably the address of a proxy");
            Finding::warning(ADDRESS, what, fix)
        }
        _ => Finding::ok(ADDRESS, format!("the server saw this machine as {seen} (here it is {local}, behind NAT)")),
    }
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Status;

    #[test]
    fn the_address_that_was_seen_tells_what_is_wrong_with_the_proxy() {
        for (local, seen, trusted, expected) in [
            ("203.0.113.5", "203.0.113.5", &[][..], Status::Ok),
            ("127.0.0.1", "127.0.0.1", &[], Status::Ok),
            // the proxy on the same machine is not trusted
            ("203.0.113.5", "127.0.0.1", &[], Status::Problem),
            ("203.0.113.5", "10.0.0.2", &[], Status::Warning),
            ("203.0.113.5", "10.0.0.2", &["10.0.0.0/8"], Status::Ok),
            // behind NAT
            ("192.168.0.5", "203.0.113.5", &["127.0.0.1/32"], Status::Ok),
            ("192.168.0.5", FORGED_ADDRESS, &["127.0.0.1/32"], Status::Problem),
            ("127.0.0.1", FORGED_ADDRESS, &["127.0.0.1/32"], Status::Skipped),
        ] {
            let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
            let finding = client_address(local.parse().unwrap(), seen.parse().ok(), &trusted);
            assert_eq!(finding.status, expected, "{local} {seen}: {}", finding.summary);
        }
        assert_eq!(client_address(IpAddr::from([127, 0, 0, 1]), None, &[]).status, Status::Problem);
    }
}
