//! Requests by endpoint: how many, what came of them, and how long they took.
//!
//! Whoever answers looks up a [`Route`] once and keeps it; so there are as many as the server has routes, whatever
//! paths anybody asks for.

use std::{
    fmt,
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet},
    metrics::MetricType,
};

use super::Histogram;

/// The error codes of the protocol face; an outcome is one of these, or the class of a status.
pub const ERRORS: [&str; 19] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
    "invalid_scope",
    "invalid_target",
    "access_denied",
    "login_required",
    "consent_required",
    "request_not_supported",
    "request_uri_not_supported",
    "registration_not_supported",
    "unmet_authentication_requirements",
    "invalid_token",
    "insufficient_scope",
    "temporarily_unavailable",
    "server_error",
];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
/// Methods that no endpoint has are told apart from those, not from each other: anybody can make them up.
const OTHER: &str = "other";
/// What there is no route for.
const UNMATCHED: &str = "unmatched";

/// The error code of an answer, for whoever looks at it on its way out; an extension of the response.
#[derive(Clone, Copy, Debug)]
pub struct ErrorCode(pub &'static str);

/// The numbers of all routes. Clones share them.
#[derive(Clone, Debug)]
pub struct Requests(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    routes: RwLock<Vec<Arc<Route>>>,
    unmatched: Arc<Route>,
}

/// The numbers of one route.
#[derive(Debug)]
pub struct Route {
    endpoint: String,
    /// As in [`METHODS`], and one more for others. They take their memory at the first request.
    methods: [OnceLock<Numbers>; METHODS.len() + 1],
}

#[derive(Debug)]
struct Numbers {
    classes: [AtomicU64; CLASSES.len()],
    errors: [AtomicU64; ERRORS.len()],
    took: Histogram,
}

impl Default for Requests {
    fn default() -> Requests {
        let unmatched = Arc::new(Route::new(UNMATCHED));
        Requests(Arc::new(Inner { routes: RwLock::new(vec![unmatched.clone()]), unmatched }))
    }
}

impl Requests {
    /// The numbers of the route with this pattern, such as `/oauth/token`. To be asked for once and kept.
    pub fn route(&self, endpoint: &str) -> Arc<Route> {
        let mut routes = self.0.routes.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = routes.iter().find(|route| route.endpoint == endpoint) {
            return route.clone();
        }
        let route = Arc::new(Route::new(endpoint));
        routes.push(route.clone());
        route
    }

    /// The numbers of requests for what is not there.
    pub fn unmatched(&self) -> &Route {
        &self.0.unmatched
    }
}

impl Route {
    fn new(endpoint: &str) -> Route {
        Route { endpoint: endpoint.to_owned(), methods: Default::default() }
    }

    /// The route's pattern.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Counts an answer: the request's method, the answer's status and error code, and how long it took.
    pub fn answered(&self, method: &str, status: u16, error: Option<&str>, took: Duration) {
        // whoever tries a method that is not there may try them all
        let known = METHODS.iter().position(|known| *known == method).filter(|_| status != 405);
        let numbers = self.methods[known.unwrap_or(METHODS.len())].get_or_init(Numbers::default);
        let error = error.and_then(|error| ERRORS.iter().position(|known| *known == error));
        let counter = match error {
            Some(error) => &numbers.errors[error],
            None => &numbers.classes[usize::from(status / 100).clamp(1, CLASSES.len()) - 1],
        };
        counter.fetch_add(1, Ordering::Relaxed);
        numbers.took.time(took);
    }

    fn used(&self) -> impl Iterator<Item = (&'static str, &Numbers)> {
        let names = METHODS.into_iter().chain([OTHER]);
        names.zip(&self.methods).filter_map(|(name, numbers)| Some((name, numbers.get()?)))
    }
}

impl Default for Numbers {
    fn default() -> Numbers {
        Numbers {
            classes: Default::default(),
            errors: std::array::from_fn(|_| AtomicU64::new(0)),
            took: Histogram::of_times(),
        }
    }
}

impl Collector for Requests {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let routes = self.0.routes.read().unwrap_or_else(PoisonError::into_inner);
        let used =
            || routes.iter().flat_map(|route| route.used().map(move |(method, numbers)| (route, method, numbers)));
        let help = "Requests answered, by the pattern of their route, and by error code or class of the status.";
        let mut counter = encoder.encode_descriptor("keyward_http_requests", help, None, MetricType::Counter)?;
        for (route, method, numbers) in used() {
            let outcomes = CLASSES.iter().zip(&numbers.classes).chain(ERRORS.iter().zip(&numbers.errors));
            for (outcome, count) in outcomes {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = [("method", method), ("endpoint", route.endpoint.as_str()), ("outcome", outcome)];
                    counter.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
                }
            }
        }
        let help = "Time from the head of a request to its answer.";
        let name = "keyward_http_request_duration_seconds";
        let mut histogram = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (route, method, numbers) in used() {
            let labels = [("method", method), ("endpoint", route.endpoint.as_str())];
            numbers.took.encode(histogram.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_route_has_one_set_of_numbers_whoever_asks() {
        let requests = Requests::default();
        let (first, second) = (requests.route("/a"), requests.clone().route("/a"));
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(requests.unmatched().endpoint(), "unmatched");
    }

    #[test]
    fn nobody_makes_up_labels() {
        let route = Route::new("/a");
        for method in ["GET", "BREW", "get", "TRACE"] {
            route.answered(method, 405, None, Duration::ZERO);
        }
        route.answered("GET", 999, Some("made_up"), Duration::ZERO);
        route.answered("GET", 0, None, Duration::ZERO);
        let seen: Vec<&str> = route.used().map(|(method, _)| method).collect();
        assert_eq!(seen, ["GET", "other"]);
        let counts = |numbers: &Numbers| numbers.classes.each_ref().map(|count| count.load(Ordering::Relaxed));
        assert_eq!(
            route.used().map(|(_, numbers)| counts(numbers)).collect::<Vec<_>>(),
            [[1, 0, 0, 0, 1], [0, 0, 0, 4, 0]]
        );
    }

    /// Not a test of speed, which no machine promises: prints what one answer costs, with `--nocapture` and `--release`.
    #[test]
    fn what_counting_costs_can_be_measured() {
        let route = Requests::default().route("/oauth/token");
        let rounds = if cfg!(debug_assertions) { 10_000 } else { 10_000_000 };
        for threads in [1, 2] {
            let begun = Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        for n in 0..rounds {
                            let took = Duration::from_micros(std::hint::black_box(n % 20_000));
                            std::hint::black_box(&route).answered("POST", 200, None, took);
                        }
                    });
                }
            });
            let each = begun.elapsed().as_nanos() as f64 / rounds as f64;
            println!("{threads} threads: {each:.1} ns for each answer");
        }
        assert_eq!(route.used().map(|(_, numbers)| numbers.took.count()).collect::<Vec<_>>(), [3 * rounds]);
    }
}
