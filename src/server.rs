//! From an [`App`] to a server that answers: listeners, TLS, limits, the faces, background tasks, a graceful stop.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::Duration,
};

use actix_web::{
    Error, HttpRequest, HttpServer, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{ServerHandle, ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
    middleware::{Next, from_fn},
    web,
};
use rustls::{
    CipherSuite, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::{TLS12, TLS13},
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::task::JoinHandle;

use crate::{
    app::App,
    config::Config,
    oauth, pages,
    web::{assets, health, problem::problem, request},
};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may idle: longer than the minute after which the usual proxies give theirs up, so that none of
/// them sends into a connection that is being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take to end a connection.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The most bytes that the path, the query and the headers of a request may have together.
const MAX_HEAD: usize = 65_536;

/// Sockets that listen, for a server that does not answer yet.
#[derive(Debug)]
pub struct Listeners(Vec<TcpListener>);

impl Listeners {
    /// The addresses; where port 0 was asked for, with the port that the system chose.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }
}

/// Listens on every configured address. The twin on `[::1]` that the configuration adds may fail silently.
///
/// # Errors
/// One of the configured addresses cannot be listened on; the message says which.
pub fn bind(config: &Config) -> io::Result<Listeners> {
    let addresses = config.listen_addresses();
    let mut listeners = Vec::new();
    for &(address, mandatory) in &addresses {
        // The IPv6 wildcard takes IPv4 along, unless somebody else listens there.
        let taken = addresses.iter().any(|(other, _)| other.is_ipv4() && other.port() == address.port());
        match listen(address, taken) {
            Ok(listener) => listeners.push(listener),
            Err(error) if mandatory => {
                return Err(io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")));
            }
            Err(error) => tracing::debug!(%address, %error, "not listening on the IPv6 twin"),
        }
    }
    Ok(Listeners(listeners))
}

fn listen(address: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if let IpAddr::V6(ip) = address.ip() {
        socket.set_only_v6(only_v6 || !ip.is_unspecified())?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// A server that answers. It stops when this is dropped.
pub struct Running {
    /// The addresses on which it answers.
    pub addresses: Vec<SocketAddr>,
    /// The framework's handle.
    pub handle: ServerHandle,
    draining: health::Draining,
    server: Option<JoinHandle<io::Result<()>>>,
    background: Vec<JoinHandle<()>>,
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
        self.background.iter().for_each(JoinHandle::abort);
        if self.server.is_some() {
            // sends the command at once; nobody waits for the answer
            drop(self.handle.stop(false));
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

/// As [`start`], with routes of the caller's, which come before the pages: theirs is `/`, if they have it.
///
/// # Errors
/// As [`start`].
pub fn start_with(
    app: App,
    listeners: Listeners,
    routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> io::Result<Running> {
    let tls = tls(&app.config)?;
    let addresses = listeners.addresses();
    let draining = health::Draining::default();
    let timeout = app.config.shutdown_timeout.as_millis().div_ceil(1000);

    let workers = app.config.workers;
    let data = (web::Data::new(app.clone()), web::Data::new(draining.clone()));
    let mut server = HttpServer::new(move || {
        let (app, draining) = data.clone();
        let body = app.config.limits.body_bytes;
        let secure = app.config.secure();
        let base = app.config.base_path().to_owned();
        actix_web::App::new()
            .app_data(app)
            .app_data(draining)
            .app_data(web::PayloadConfig::new(body))
            .app_data(web::FormConfig::default().limit(body).error_handler(refused))
            .app_data(web::JsonConfig::default().limit(body).error_handler(refused))
            .app_data(web::QueryConfig::default().error_handler(refused))
            .app_data(web::PathConfig::default().error_handler(refused))
            .configure(health::routes)
            .configure(|cfg| oauth::well_known(cfg, &base))
            .service(
                web::scope(&base)
                    .route("/static/{file}", web::get().to(assets::asset))
                    .configure(oauth::routes)
                    .configure(routes.clone())
                    .configure(pages::routes),
            )
            .default_service(web::to(pages::not_found::not_found))
            // the last one sees the request first
            .wrap(from_fn(pages::misdirected::guard))
            .wrap(from_fn(limit_head))
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
    for listener in listeners.0 {
        server = match &tls {
            Some(tls) => server.listen_rustls_0_23(listener, tls.clone())?,
            None => server.listen(listener)?,
        };
    }

    let server = server.run();
    let handle = server.handle();
    let background = vec![tokio::spawn(app.clone().follow_changes()), tokio::spawn(app.purge_expired())];
    Ok(Running { addresses, handle, draining, server: Some(tokio::spawn(server)), background })
}

/// What is answered where a body, query or path cannot be read and the handler does not say itself.
fn refused<E: ResponseError + 'static>(error: E, req: &HttpRequest) -> Error {
    let response = problem(error.status_code(), &error.to_string(), &request::request_id(req));
    InternalError::from_response(error, response).into()
}

async fn limit_head<B: MessageBody>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let target = req.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target + size(req.headers()) <= MAX_HEAD {
        return next.call(req).await.map(ServiceResponse::map_into_left_body);
    }
    let detail = format!("expected at most {MAX_HEAD} bytes of path, query and headers");
    // RFC 6585 §5
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    let response = problem(status, &detail, &request::request_id(req.request()));
    Ok(req.into_response(response).map_into_right_body())
}

fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
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

fn tls(config: &Config) -> io::Result<Option<ServerConfig>> {
    let (Some(certificate), Some(key)) = (&config.tls_certificate, &config.tls_key) else { return Ok(None) };
    let unusable = |path: &Path, why: String| io::Error::other(format!("{}: {why}", path.display()));
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, error.to_string()))?;
    let built = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| unusable(certificate, error.to_string()))?;
    Ok(Some(built))
}

/// The certificates of a PEM file, in its order.
///
/// # Errors
/// The file cannot be read, or holds none.
pub fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let unusable = |why: String| io::Error::other(format!("{}: {why}", path.display()));
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = read.map_err(|error| unusable(error.to_string()))?;
    match chain.is_empty() {
        true => Err(unusable("expected at least one certificate, got none".to_owned())),
        false => Ok(chain),
    }
}

/// TLS 1.3 as it is, and of TLS 1.2 what has forward secrecy and AES-GCM (RFC 9325 §4.2).
pub fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| {
        suite.tls13().is_some()
            || matches!(
                suite.suite(),
                CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
                    | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                    | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
                    | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
            )
    });
    provider
}
