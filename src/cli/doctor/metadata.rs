//! What the server says of itself: whether it is ready, and whether it is the one that is configured here.

use reqwest::StatusCode;
use serde_json::Value;

use super::{
    finding::{Fault, Finding, told},
    wire::{Answer, Wire},
};
use crate::{config::Config, model::id::shown};

const READY: &str = "ready";
const CHECK: &str = "metadata";
/// The members that name addresses of this server (RFC 8414 §2, RP-Initiated Logout §2.1).
const ENDPOINTS: [&str; 7] = [
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "introspection_endpoint",
    "revocation_endpoint",
    "end_session_endpoint",
];

/// Whether the server says that it can serve.
pub async fn ready(wire: &Wire) -> Finding {
    let answer = match wire.get(&wire.at_root("/health/ready")).await {
        Ok(answer) => answer,
        Err(error) => {
            let fix = "Look into the server's log, and at the checks of the database.";
            return Finding::problem(READY, format!("/health/ready: {error}"), fix);
        }
    };
    let said = answer.json().and_then(|body| Some(body.get("status")?.as_str()?.to_owned()));
    match (answer.status, said) {
        (StatusCode::OK, Some(said)) if said == "ready" => {
            Finding::ok(READY, format!("the server is ready; it said so within {}", told(answer.took)))
        }
        (StatusCode::SERVICE_UNAVAILABLE, said) => {
            let said = said.map(|said| format!(": {}", shown(&said))).unwrap_or_default();
            let fix = "Look into the server's log. A server that is stopping needs to be started again; one without its \
                       database needs that.";
            Finding::problem(READY, format!("the server is not ready{said}"), fix)
        }
        (status, _) => {
            let what = format!("the proxy does not pass /health/ready on (it answers {status})");
            Finding::skipped(READY, what, "Ask on the machine itself with `keyward healthcheck`, or pass that path on.")
        }
    }
}

/// Whether the metadata are those of this configuration; only then it is the server that is meant.
pub async fn examine(wire: &Wire, config: &Config) -> (Finding, bool) {
    let openid = wire.below("/.well-known/openid-configuration");
    let mut faults = match wire.get(&openid).await {
        Ok(answer) => judge(&openid, &answer, config),
        Err(error) => vec![Fault::problem(format!("{openid}: {error}"), "Look into the logs of server and proxy.")],
    };
    let right = faults.is_empty();
    // RFC 8414 §3.1: in front of the issuer's path
    let oauth = wire.at_root(&format!("/.well-known/oauth-authorization-server{}", config.base_path()));
    let answered = wire.get(&oauth).await.is_ok_and(|answer| judge(&oauth, &answer, config).is_empty());
    if right && !answered {
        let fix = "Have the proxy pass /.well-known/ of the host on: OAuth clients look there.";
        faults.push(Fault::warning(format!("{oauth} does not answer with the same metadata"), fix));
    }
    let fine = format!("the metadata name {} and endpoints below it", config.issuer());
    (Finding::of_faults(CHECK, faults, fine), right)
}

fn judge(url: &str, answer: &Answer, config: &Config) -> Vec<Fault> {
    let issuer = config.issuer();
    if answer.status != StatusCode::OK {
        let what = format!("{url} answers {}, expected 200", answer.status);
        return vec![Fault::problem(what, "Have the proxy pass everything below the issuer on to Keyward, as it is.")];
    }
    let Some(body) = answer.json() else {
        let what = format!("{url} answers no JSON object: something else is there");
        return vec![Fault::problem(what, "See what answers at the issuer, and have the proxy pass it on to Keyward.")];
    };
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    match text("issuer") {
        Some(named) if named == issuer => {}
        named => {
            let what = format!("the server calls itself {}, expected {issuer}", shown(named.unwrap_or("nothing")));
            let fix = "Give the server and this command the same `issuer`, and start the server anew.";
            return vec![Fault::problem(what, fix)];
        }
    }
    let below = |url: &str| url.strip_prefix(issuer).is_some_and(|rest| rest.starts_with('/'));
    let astray = ENDPOINTS.iter().filter(|name| !text(name).is_some_and(below)).copied().collect::<Vec<_>>();
    match astray.is_empty() {
        true => Vec::new(),
        false => {
            let what = format!("{} of the metadata are not below {issuer}", astray.join(", "));
            vec![Fault::problem(what, "See what rewrites answers on the way: nothing between may change them.")]
        }
    }
}
