//! From an [`App`] to a server that answers: limits, the faces, background tasks, a graceful stop.

use std::{fmt, io, net::SocketAddr, time::Duration};

use actix_web::{
    Error, HttpRequest, HttpResponse, HttpServer, ResponseError,
    body::MessageBody,
    dev::{ServerHandle, ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        Method, StatusCode,
        header::{self, HeaderValue},
    },
    middleware::{DefaultHeaders, Next, from_fn},
    web,
};
use tokio::task::JoinHandle;

use crate::{
    app::App,
    appserver,
    audit::sealer::Sealer,
    graph, iam, me, oauth, openapi, pages, sendings,
    store::Following,
    web::{assets, health, methods, problem::problem, refusals, request},
};

mod body;
mod head;
mod listen;
mod metrics;
mod tls;

pub use listen::{Listeners, bind};
pub use tls::{certificates, check, provider};

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may idle: longer than the minute after which the usual proxies give theirs up, so that none of
/// them sends into a connection that is being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take to end a connection.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A server that answers. It stops when this is dropped.
pub struct Running {
    /// The addresses on which it answers.
    pub addresses: Vec<SocketAddr>,
    /// The one at which it tells what is counted and measured.
    pub metrics_address: Option<SocketAddr>,
    /// The framework's handle.
    pub handle: ServerHandle,
    draining: health::Draining,
    refusals: (refusals::Refusals, App),
    server: Option<JoinHandle<io::Result<()>>>,
    /// Answers until nothing else does any more.
    metrics: Option<ServerHandle>,
    /// Ends by itself once the mailer was told to stop.
    mail: Option<JoinHandle<()>>,
    background: Vec<JoinHandle<()>>,
    /// What is kept in memory is used for as long as this is there.
    _following: Following,
}

impl Running {
    /// Says that the server is about to stop: it is not ready any more, but still answers.
    pub fn drain(&self) {
        self.draining.begin();
    }

    /// Stops, and returns when nothing runs any more. Gracefully: requests that have begun are finished within the
    /// configured time; otherwise they are cut off.
    pub async fn stop(mut self, graceful: bool) {
        self.drain();
        self.handle.stop(graceful).await;
        if let Some(server) = self.server.take() {
            let _ = server.await;
        }
        let app = &self.refusals.1;
        self.refusals.0.flush(app).await;
        app.mail.stop();
        if let Some(mut mail) = self.mail.take() {
            let patience = if graceful { app.config.shutdown_timeout } else { Duration::ZERO };
            if tokio::time::timeout(patience, &mut mail).await.is_err() {
                mail.abort();
            }
        }
        if let Some(traces) = &app.traces {
            traces.stop().await;
        }
        if let Some(metrics) = self.metrics.take() {
            metrics.stop(false).await;
        }
    }

    /// Returns when the server ends by itself, which is a failure.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn ended(&mut self) -> io::Result<()> {
        match self.server.as_mut() {
            Some(server) => server.await.map_err(io::Error::other)?,
            None => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.background.iter().chain(&self.mail).for_each(JoinHandle::abort);
        if self.server.is_some() {
            // sends the command at once; nobody waits for the answer
            drop(self.handle.stop(false));
        }
        if let Some(metrics) = self.metrics.take() {
            drop(metrics.stop(false));
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Starts to answer on these sockets. To be called within a Tokio runtime.
///
/// # Errors
/// The certificate or its key cannot be used, or a socket cannot.
pub fn start(app: App, listeners: Listeners) -> io::Result<Running> {
    start_with(app, listeners, |_| {})
}

/// As [`start`], with routes of the caller's, which come before all others below the issuer's path: theirs is `/`, if they
/// have it.
///
/// # Errors
/// As [`start`].
pub fn start_with(
    app: App,
    listeners: Listeners,
    routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> io::Result<Running> {
    let (tls, certificate) = tls::open(&app.config)?.unzip();
    let (addresses, metrics_address) = (listeners.addresses(), listeners.metrics_address());
    let (sockets, metrics_socket) = listeners.into_sockets();
    let draining = health::Draining::default();
    let timeout = app.config.shutdown_timeout.as_millis().div_ceil(1000);

    let workers = app.config.workers;
    let refusals = refusals::Refusals::default();
    let viewer = web::Data::new(openapi::Viewer::new(app.config.issuer()));
    let data = (web::Data::new(app.clone()), web::Data::new(draining.clone()), web::Data::new(refusals.clone()));
    let mut server = HttpServer::new(move || {
        let (app, draining, refusals) = data.clone();
        let docs = app.config.iam.docs;
        let body = app.config.limits.body_bytes;
        let mail_bytes = app.config.mail.max_bytes;
        let secure = app.config.secure();
        let base = app.config.base_path().to_owned();
        let application_server = app.config.appserver.clone();
        actix_web::App::new()
            .app_data(app)
            .app_data(draining)
            .app_data(refusals)
            .app_data(viewer.clone())
            .app_data(web::PayloadConfig::new(body))
            .app_data(web::FormConfig::default().limit(body).error_handler(refused))
            .app_data(web::JsonConfig::default().limit(body).error_handler(refused))
            .app_data(web::QueryConfig::default().error_handler(refused))
            .app_data(web::PathConfig::default().error_handler(refused))
            .configure(health::routes)
            .configure(|cfg| oauth::well_known(cfg, &base))
            .service(
                web::scope(&base)
                    .configure(routes.clone())
                    .configure(oauth::routes)
                    .configure(pages::routes)
                    .configure(iam::mount)
                    .configure(me::mount)
                    .configure(|cfg| sendings::mount(cfg, mail_bytes))
                    .configure(|cfg| appserver::mount(cfg, &application_server))
                    .configure(graph::mount)
                    .configure(|cfg| openapi::mount(cfg, docs))
                    // paths are compared one after the other, and patterns cost more than texts
                    .service(methods::resource(
                        "/static/{file}",
                        vec![(Method::GET, web::to(assets::asset))],
                        wrong_method,
                    ))
                    .wrap(from_fn(refusals::note)),
            )
            .default_service(web::to(pages::not_found::not_found))
            // the last one sees the request first
            .wrap(from_fn(pages::misdirected::guard))
            .wrap(DefaultHeaders::new().add((header::X_CONTENT_TYPE_OPTIONS, "nosniff")))
            .wrap(from_fn(body::bound))
            .wrap(from_fn(head::check))
            .wrap(from_fn(move |req, next| strict_transport(secure, req, next)))
            .wrap(from_fn(request::observe))
    })
    .client_request_timeout(HEAD_TIMEOUT)
    .tls_handshake_timeout(HANDSHAKE_TIMEOUT)
    .client_disconnect_timeout(DISCONNECT_TIMEOUT)
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(u64::try_from(timeout).unwrap_or(u64::MAX))
    // whoever starts the server decides what signals mean
    .disable_signals();
    if let Some(workers) = workers {
        server = server.workers(workers);
    }
    for listener in sockets {
        server = match &tls {
            Some(tls) => server.listen_rustls_0_23(listener, tls.clone())?,
            None => server.listen(listener)?,
        };
    }

    let server = server.run();
    let handle = server.handle();
    let mut background = vec![
        tokio::spawn(app.clone().follow_keys()),
        tokio::spawn(refusals.clone().follow(app.clone())),
        tokio::spawn(app.clone().purge_expired()),
        tokio::spawn(sealer(&app).run()),
    ];
    background.extend(certificate.map(|certificate| tokio::spawn(certificate.follow())));
    let following = app.store.follow().map_err(io::Error::other)?;
    let mail = Some(tokio::spawn(app.mail.clone().run(app.store.clone(), app.clock.clone())));
    let metrics = metrics_socket.map(|socket| metrics::start(app.clone(), socket)).transpose()?;
    Ok(Running {
        addresses,
        metrics_address,
        handle,
        draining,
        refusals: (refusals, app),
        server: Some(tokio::spawn(server)),
        metrics,
        mail,
        background,
        _following: following,
    })
}

/// What seals the audit log of this server's database.
pub fn sealer(app: &App) -> Sealer {
    let (store, master, clock) = (app.store.clone(), app.seals.master.clone(), app.clock.clone());
    Sealer::new(store, master, clock, app.config.iam.audit_retention)
}

fn wrong_method(req: &HttpRequest, allow: &str) -> HttpResponse {
    problem(StatusCode::METHOD_NOT_ALLOWED, &format!("expected {allow}"), &request::request_id(req))
}

/// What is answered where a body, query or path cannot be read and the handler does not say itself.
fn refused<E: ResponseError + 'static>(error: E, req: &HttpRequest) -> Error {
    let response = problem(error.status_code(), &error.to_string(), &request::request_id(req));
    InternalError::from_response(error, response).into()
}

/// Whoever came by https once comes by https for a year (RFC 6797 §7.1).
async fn strict_transport(
    secure: bool,
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(req).await?;
    if secure {
        let value = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use reqwest::{Client, StatusCode, header};

    use super::{head::MAX_HEAD, *};
    use crate::{clock::Clock, config::Config};

    struct Test {
        running: Running,
        base: String,
        _directory: tempfile::TempDir,
    }

    /// A server on a port that the system chose.
    async fn spawn(change: impl FnOnce(&mut Config)) -> Test {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::defaults();
        config.listen = vec![([127, 0, 0, 1], 0).into()];
        config.data_dir = directory.path().to_owned();
        config.workers = Some(1);
        config.issuer = None;
        change(&mut config);
        let listeners = bind(&config).unwrap();
        let addresses = listeners.addresses();
        assert_eq!(addresses.len(), 1, "no twin for port 0");
        assert_ne!(addresses[0].port(), 0);
        let base = format!("http://localhost:{}", addresses[0].port());
        config.issuer.get_or_insert_with(|| base.clone());
        let app = App::open(config, Clock::System).await.unwrap();
        Test { running: start(app, listeners).unwrap(), base, _directory: directory }
    }

    fn client() -> Client {
        let _ = provider().install_default();
        Client::builder().no_proxy().build().unwrap()
    }

    #[tokio::test]
    async fn a_server_answers_drains_and_stops() {
        let test = spawn(|_| {}).await;
        let (client, base) = (client(), &test.base);
        let ready = client.get(format!("{base}/health/ready")).send().await.unwrap();
        assert_eq!(ready.status(), StatusCode::OK);
        assert_eq!(ready.headers()["x-request-id"].len(), 16);
        assert!(!ready.headers().contains_key(header::STRICT_TRANSPORT_SECURITY));

        test.running.drain();
        let ready = client.get(format!("{base}/health/ready")).send().await.unwrap();
        assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ready.text().await.unwrap(), r#"{"status":"stopping"}"#);
        let live = client.get(format!("{base}/health/live")).send().await.unwrap();
        assert_eq!(live.status(), StatusCode::OK);

        // an idle connection does not hold it up
        tokio::time::timeout(Duration::from_secs(5), test.running.stop(true)).await.unwrap();
        assert!(client.get(format!("{base}/health/live")).send().await.is_err());
    }

    #[tokio::test]
    async fn nothing_is_answered_in_the_language_of_who_asks() {
        let test = spawn(|_| {}).await;
        let (client, base) = (client(), &test.base);
        let page = client.get(format!("{base}/nothing")).header("accept", "text/html").send().await.unwrap();
        assert_eq!(page.status(), StatusCode::NOT_FOUND);
        assert_eq!(page.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        let id = page.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert!(page.text().await.unwrap().contains(&id));
        for request in [client.get(format!("{base}/nothing")), client.post(format!("{base}/health/live/"))] {
            let problem = request.send().await.unwrap();
            assert_eq!(problem.status(), StatusCode::NOT_FOUND);
            assert_eq!(problem.headers()[header::CONTENT_TYPE], "application/problem+json");
        }
        let asset = client.head(format!("{base}/static/keyward.css")).send().await.unwrap();
        assert_eq!(asset.status(), StatusCode::OK);
        let wrong = client.post(format!("{base}/static/keyward.css")).send().await.unwrap();
        assert_eq!(
            (wrong.status(), &wrong.headers()[header::ALLOW]),
            (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap())
        );
        test.running.stop(false).await;
    }

    #[tokio::test]
    async fn a_person_at_another_address_reads_the_right_one() {
        let test = spawn(|_| {}).await;
        let wrong = test.base.replace("localhost", "127.0.0.1");
        let client = client();
        let page = client.get(format!("{wrong}/login")).header("accept", "text/html").send().await.unwrap();
        assert_eq!(page.status(), StatusCode::MISDIRECTED_REQUEST);
        let text = page.text().await.unwrap();
        for part in [wrong.as_str(), test.base.as_str(), &format!("KEYWARD_ISSUER={wrong}")] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let ready = client.get(format!("{wrong}/health/ready")).header("accept", "text/html").send().await.unwrap();
        assert_eq!(ready.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_refused() {
        let test = spawn(|_| {}).await;
        let client = client();
        for size in [MAX_HEAD, 2 * MAX_HEAD] {
            let request = client.get(format!("{}/health/live", test.base)).header("x-large", "x".repeat(size));
            let status = request.send().await.unwrap().status();
            assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "{size}");
        }
    }

    #[tokio::test]
    async fn behind_https_browsers_are_told_to_stay_there() {
        let test = spawn(|config| config.issuer = Some("https://login.example.com".to_owned())).await;
        let live = client().get(format!("{}/health/live", test.base)).send().await.unwrap();
        assert_eq!(live.headers()[header::STRICT_TRANSPORT_SECURITY], "max-age=31536000");
    }
}
