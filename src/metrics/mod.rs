//! What the server counts and measures, for Prometheus.
//!
//! A part of the server owns its numbers as handles that were found beforehand, and adds them to the [`Registry`] once.
//! To count is one relaxed atomic addition: no name is looked up, no text made, no lock taken. Text is made when somebody
//! reads. Registry, names and format are the official client library's; its histograms lock, so [`Histogram`] is our own,
//! and so is what has labels: the library finds those in a map behind a lock, [`Counters`] in a fixed list.

use std::fmt;

use prometheus_client::{encoding::text::encode, metrics::family::Family, registry::Registry as Names};

mod caches;
mod counters;
mod histogram;
mod process;
mod requests;
mod text;

pub use caches::{CacheCounts, Caches};
pub use counters::Counters;
pub use histogram::Histogram;
pub use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
pub use requests::{ERRORS, ErrorCode, Requests, Route};

/// Gauges by the values of their labels, for what is measured when somebody reads.
pub type Gauges = Family<Vec<(&'static str, String)>, Gauge>;

/// The numbers of one server, and all names.
pub struct Metrics {
    /// Requests by endpoint.
    pub requests: Requests,
    /// Successful answers of the token endpoint, by `grant_type`.
    pub tokens_issued: Counters<1>,
    /// Refusals of the token endpoint, by `error`.
    pub token_refusals: Counters<1>,
    /// Attempts to sign in, by where (`page`, `appserver`) and outcome.
    pub sign_ins: Counters<2>,
    /// The caches.
    pub caches: Caches,
    /// Measured when somebody reads.
    pub measured: Measured,
    names: Names,
}

/// What is measured when somebody reads.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// 1 if the database answers.
    pub database_up: Gauge,
    /// Sessions that are neither ended nor expired.
    pub sessions: Gauge,
    /// Mails that wait or are being delivered.
    pub mails_pending: Gauge,
    /// For how many seconds the oldest mail has been due.
    pub mail_overdue: Gauge,
    /// For how long an event of the audit log has waited to be sealed.
    pub audit_unsealed: Gauge,
    /// The age of signing keys in seconds, by `alg`, `phase` and `kid`.
    pub key_ages: Gauges,
}

/// Where somebody signs in.
const PLACES: [&str; 2] = ["page", "appserver"];
/// What comes of it.
const SIGN_INS: [&str; 5] = ["signed_in", "temporary_password", "refused", "throttled", "busy"];

impl Metrics {
    /// New numbers, all of them zero. `grants` are the values of `grant_type` that there are, `database` which one is used.
    pub fn new(grants: &[&'static str], database: &'static str) -> Metrics {
        let requests = Requests::default();
        let tokens_issued = Counters::new(["grant_type"], grants.iter().map(|grant| [*grant]));
        let token_refusals = Counters::new(["error"], ERRORS.iter().map(|error| [*error]));
        let sign_ins = PLACES.iter().flat_map(|place| SIGN_INS.iter().map(move |outcome| [*place, *outcome]));
        let sign_ins = Counters::new(["place", "outcome"], sign_ins);
        let (caches, measured) = (Caches::default(), Measured::default());

        let mut names = Names::default();
        let build = Gauges::default();
        let labels = vec![("version", env!("CARGO_PKG_VERSION").to_owned()), ("database", database.to_owned())];
        build.get_or_create(&labels).set(1);
        names.register("keyward_build_info", "1; the labels say what runs", build);
        names.register_collector(Box::new(requests.clone()));
        names.register(
            "keyward_tokens_issued",
            "Answers of the token endpoint that carried tokens",
            tokens_issued.clone(),
        );
        names.register(
            "keyward_token_refusals",
            "Refusals of the token endpoint, by their code (RFC 6749 section 5.2)",
            token_refusals.clone(),
        );
        names.register("keyward_sign_ins", "Attempts to sign in with a password, a directory or a proxy", {
            sign_ins.clone()
        });
        names.register_collector(Box::new(caches.clone()));
        let Measured { database_up, sessions, mails_pending, mail_overdue, audit_unsealed, key_ages } =
            measured.clone();
        names.register("keyward_database_up", "1 if the database answers within a second, else 0", database_up);
        names.register(
            "keyward_sessions_live",
            "Sessions of people that are neither ended nor expired; of the first 20000 that have not reached their end, \
             counted at most every 15 seconds",
            sessions,
        );
        names.register(
            "keyward_mails_pending",
            "Mails that wait or are being delivered, up to 10000, from all servers of the database",
            mails_pending,
        );
        names.register(
            "keyward_mail_overdue_seconds",
            "For how long the oldest mail has been due that nobody has taken; 0 if there is none",
            mail_overdue,
        );
        names.register(
            "keyward_audit_unsealed_seconds",
            "For how long the first event of the audit log that is not sealed has waited; 0 if there is none",
            audit_unsealed,
        );
        names.register("keyward_signing_key_age_seconds", "Age of the signing keys", key_ages);
        names.register_collector(Box::new(process::Process));
        Metrics { requests, tokens_issued, token_refusals, sign_ins, caches, measured, names }
    }

    /// Where parts of the server add their own; before anybody reads.
    pub fn registry(&mut self) -> &mut Registry {
        &mut self.names
    }

    /// All numbers as OpenMetrics 1.0 text, or in Prometheus's own text format, version 0.0.4.
    ///
    /// # Errors
    /// Never, as long as strings can be written to.
    pub fn text(&self, open_metrics: bool) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.names)?;
        Ok(if open_metrics { text } else { text::classic(&text) })
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_have_the_same_numbers() {
        let metrics = Metrics::new(&["client_credentials"], "sqlite");
        metrics.tokens_issued.count(["client_credentials"]);
        metrics.tokens_issued.count(["unheard_of"]);
        let route = metrics.requests.route("/oauth/token");
        route.answered("POST", 200, None, std::time::Duration::from_micros(700));
        route.answered("BREW", 400, Some("invalid_grant"), std::time::Duration::from_secs(60));
        metrics.measured.key_ages.get_or_create(&vec![("alg", "a\"b\\c\nd".to_owned())]).set(5);
        let (open, classic) = (metrics.text(true).unwrap(), metrics.text(false).unwrap());
        assert!(open.contains("# TYPE keyward_tokens_issued counter\n") && open.ends_with("# EOF\n"), "{open}");
        assert!(
            classic.contains("# TYPE keyward_tokens_issued_total counter\n") && !classic.contains("EOF"),
            "{classic}"
        );
        for line in [
            "keyward_tokens_issued_total{grant_type=\"client_credentials\"} 1",
            "keyward_http_requests_total{method=\"POST\",endpoint=\"/oauth/token\",outcome=\"2xx\"} 1",
            "keyward_http_requests_total{method=\"other\",endpoint=\"/oauth/token\",outcome=\"invalid_grant\"} 1",
            "keyward_http_request_duration_seconds_bucket{le=\"0.001\",method=\"POST\",endpoint=\"/oauth/token\"} 1",
            "keyward_http_request_duration_seconds_bucket{le=\"10.0\",method=\"other\",endpoint=\"/oauth/token\"} 0",
            "keyward_http_request_duration_seconds_bucket{le=\"+Inf\",method=\"other\",endpoint=\"/oauth/token\"} 1",
            "keyward_http_request_duration_seconds_sum{method=\"other\",endpoint=\"/oauth/token\"} 60.0",
            "keyward_signing_key_age_seconds{alg=\"a\\\"b\\\\c\\nd\"} 5",
        ] {
            for text in [&open, &classic] {
                assert!(text.lines().any(|other| other == line), "{line}\n{text}");
            }
        }
        let samples = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(samples(&open), samples(&classic));
    }
}
