//! The way to the server: name, connection, TLS, a first answer.

use std::{
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use futures_util::future::join_all;
use reqwest::StatusCode;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use url::{Host, Url};

use super::{
    finding::{Finding, told},
    tls,
    wire::{PATIENCE, Wire},
};
use crate::{config::Config, model::time::Timestamp};

const CHECK: &str = "issuer";
/// The most addresses of a name that are tried.
const MOST_ADDRESSES: usize = 8;

/// Tries to reach the server. The way is there only if everything on it holds.
pub async fn examine(config: &Config, now: Timestamp, found: &mut Vec<Finding>) -> Option<Wire> {
    let issuer = Url::parse(config.issuer()).ok()?;
    let secure = issuer.scheme() == "https";
    let skipped_tls = || match secure {
        true => Finding::skipped("tls", "there is no connection", "See to the check issuer first."),
        false => Finding::skipped(
            "tls",
            "the issuer is plain http, which is only for development on one machine",
            "In public, set `issuer` to an https address.",
        ),
    };
    let reached = match connect(&issuer).await {
        Ok(reached) => reached,
        Err(finding) => {
            found.extend([*finding, skipped_tls()]);
            return None;
        }
    };
    let Reached { stream, remote, local, silent, begun } = reached;
    let mut shaken = None;
    let tls_finding = match secure {
        true => {
            let host = issuer.host().map(|host| host.to_owned())?;
            let (finding, config) = Box::pin(tls::examine(stream, &host, now)).await;
            shaken = config;
            finding
        }
        false => skipped_tls(),
    };
    let wire = match secure && shaken.is_none() {
        true => None,
        false => Wire::new(&issuer, remote, local, shaken).ok(),
    };
    let Some(wire) = wire else {
        let what = format!("{remote} takes connections, but no client can speak with it safely");
        found.extend([Finding::problem(CHECK, what, "See to the check tls first."), tls_finding]);
        return None;
    };
    let (finding, answers) = first_answer(&wire, silent, begun).await;
    found.extend([finding, tls_finding]);
    answers.then_some(wire)
}

struct Reached {
    stream: TcpStream,
    remote: SocketAddr,
    local: IpAddr,
    /// Addresses of the same name where nobody answers.
    silent: Vec<SocketAddr>,
    begun: Instant,
}

async fn connect(issuer: &Url) -> Result<Reached, Box<Finding>> {
    let begun = Instant::now();
    let host = issuer.host_str().unwrap_or_default();
    let port = issuer.port_or_known_default().unwrap_or(443);
    let problem = |what: String, fix: String| Err(Box::new(Finding::problem(CHECK, what, fix)));
    let addresses: Vec<SocketAddr> = match issuer.host() {
        Some(Host::Ipv4(ip)) => vec![(ip, port).into()],
        Some(Host::Ipv6(ip)) => vec![(ip, port).into()],
        _ => match timeout(PATIENCE, lookup_host((host, port))).await {
            Ok(Ok(found)) => found.take(MOST_ADDRESSES).collect(),
            Ok(Err(error)) => {
                let fix = format!("Make a DNS record for {host}, or set `issuer` to the name that the server has.");
                return problem(format!("the name {host} has no address: {error}"), fix);
            }
            Err(_) => {
                let what = format!("nobody said within {} s what address {host} has", PATIENCE.as_secs());
                return problem(what, "See to the name servers of this machine (/etc/resolv.conf).".to_owned());
            }
        },
    };
    let tried = join_all(addresses.iter().map(|address| async move {
        match timeout(PATIENCE, TcpStream::connect(*address)).await {
            Ok(Ok(stream)) => Ok((stream, *address)),
            Ok(Err(error)) => Err((*address, error.to_string())),
            Err(_) => Err((*address, format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }));
    let (mut reached, mut failed) = (Vec::new(), Vec::new());
    for outcome in tried.await {
        match outcome {
            Ok(one) => reached.push(one),
            Err(one) => failed.push(one),
        }
    }
    let local_of = |stream: &TcpStream| stream.local_addr().map(|address| address.ip().to_canonical()).ok();
    let first = reached.into_iter().find_map(|(stream, remote)| local_of(&stream).map(|local| (stream, remote, local)));
    let Some((stream, remote, local)) = first else {
        let failed: Vec<String> = failed.iter().map(|(address, why)| format!("{address}: {why}")).collect();
        let what = format!("nothing answers at {host}, port {port} ({})", failed.join("; "));
        let fix = format!(
            "Start the server (keyward serve), see that it or the proxy in front of it listens on port {port}, and that \
             no firewall keeps this machine away."
        );
        return problem(what, fix);
    };
    // a machine need not have both families on loopback
    let silent = failed.into_iter().map(|(address, _)| address).filter(|address| !address.ip().is_loopback());
    Ok(Reached { stream, remote, local, silent: silent.collect(), begun })
}

/// Whether there is HTTP behind it, and more than a proxy.
async fn first_answer(wire: &Wire, silent: Vec<SocketAddr>, begun: Instant) -> (Finding, bool) {
    let (issuer, remote) = (wire.below(""), wire.remote);
    match wire.get(&wire.below("/.well-known/openid-configuration")).await {
        Err(error) => {
            let what = format!("{remote} takes connections, but does not answer HTTP: {error}");
            let fix = "See that `issuer` names the port of Keyward or its proxy, and look into their logs.";
            (Finding::problem(CHECK, what, fix), false)
        }
        Ok(answer) if is_proxys(answer.status) => {
            let what = format!("{issuer} answers {}: a proxy does not reach Keyward", answer.status);
            let fix = "Start the server (keyward serve), and have the proxy pass requests to an address of `listen`.";
            (Finding::problem(CHECK, what, fix), false)
        }
        Ok(_) if !silent.is_empty() => {
            let silent: Vec<String> = silent.iter().map(ToString::to_string).collect();
            let what = format!("{issuer} answers at {remote}, but not at {}", silent.join(", "));
            let fix = "Have the server answer there too, or take these addresses out of the DNS.";
            (Finding::warning(CHECK, what, fix), true)
        }
        Ok(_) => (Finding::ok(CHECK, format!("{issuer} answers at {remote} within {}", told(begun.elapsed()))), true),
    }
}

/// What proxies answer in place of a server that they do not reach; Keyward's own 503 is a problem document.
fn is_proxys(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}
