//! What is counted and measured, for Prometheus: `GET /metrics` on an address of its own, which nobody outside reaches.

use std::{io, net::TcpListener, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::{Method, StatusCode, header},
    web,
};
use tokio::sync::Mutex;

use super::{DISCONNECT_TIMEOUT, HEAD_TIMEOUT, KEEP_ALIVE};
use crate::{
    app::App,
    model::time::Timestamp,
    store,
    web::{methods, problem::problem},
};

/// OpenMetrics, and how it is called.
const OPEN: (&str, &str) =
    ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8");
/// Prometheus's own format.
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How long the database may take to answer at all.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it may take to count.
const COUNTING: Duration = Duration::from_secs(3);
/// How often it is asked to, whoever reads.
const AGAIN: Duration = Duration::from_secs(15);
/// The most sessions that are looked at.
const SESSIONS: i64 = 20_000;
/// The most mails.
const MAILS: i64 = 10_000;

/// When the database was last asked to count.
type Counted = Mutex<Option<Timestamp>>;

/// Begins to answer on this socket, on one thread of its own, so that it answers when the others are busy.
///
/// # Errors
/// The socket cannot be used.
pub(super) fn start(app: App, socket: TcpListener) -> io::Result<ServerHandle> {
    let data = (web::Data::new(app), web::Data::new(Counted::default()));
    let server = HttpServer::new(move || {
        let (app, counted) = data.clone();
        let get = vec![(Method::GET, web::to(metrics))];
        actix_web::App::new()
            .app_data(app)
            .app_data(counted)
            .service(methods::resource("/metrics", get, |_, allow| {
                problem(StatusCode::METHOD_NOT_ALLOWED, &format!("expected {allow}"), "")
            }))
            .default_service(web::to(async || problem(StatusCode::NOT_FOUND, "there is only /metrics here", "")))
    })
    .workers(1)
    .client_request_timeout(HEAD_TIMEOUT)
    .client_disconnect_timeout(DISCONNECT_TIMEOUT)
    .keep_alive(KEEP_ALIVE)
    .disable_signals()
    .listen(socket)?
    .run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(handle)
}

/// `GET /metrics`: in the format that is asked for.
async fn metrics(req: HttpRequest, app: web::Data<App>, counted: web::Data<Counted>) -> HttpResponse {
    measure(&app, &counted).await;
    let accept = req.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let open = accept.is_some_and(|accept| accept.contains(OPEN.0));
    match app.metrics.text(open) {
        Ok(text) => HttpResponse::Ok().content_type(if open { OPEN.1 } else { CLASSIC }).body(text),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "the numbers could not be written", ""),
    }
}

/// Measures what is not counted as it happens. Where the database does not answer, what it said last is shown again.
async fn measure(app: &App, counted: &Counted) {
    let (measured, now) = (&app.metrics.measured, app.clock.now());
    measured.key_ages.clear();
    for key in app.keys.load().state(now) {
        let labels = vec![
            ("alg", key.algorithm.as_str().to_owned()),
            ("phase", key.phase.as_str().to_owned()),
            ("kid", key.kid),
        ];
        let age = i64::try_from(now.since(key.created_at).as_secs()).unwrap_or(i64::MAX);
        measured.key_ages.get_or_create(&labels).set(age);
    }

    let asked = tokio::time::timeout(PATIENCE, app.store.read(store::generation::current)).await;
    let is_up = matches!(asked, Ok(Ok(_)));
    measured.database_up.set(i64::from(is_up));
    let mut last = counted.lock().await;
    if !is_up || last.is_some_and(|last| now.since(last) < AGAIN) {
        return;
    }
    let count = app.store.list(move |conn| {
        let sessions = store::session::count_live(conn, now, SESSIONS)?;
        let unsealed = store::audit_chain::unsealed(conn, 1)?.first().map(|event| Timestamp::from_millis(event.at));
        Ok::<_, store::Error>((sessions, store::sending::pending(conn, MAILS)?, unsealed))
    });
    match tokio::time::timeout(COUNTING, count).await {
        Ok(Ok((sessions, (mails, oldest), unsealed))) => {
            let age =
                |of: Option<Timestamp>| i64::try_from(of.map_or(0, |of| now.since(of).as_secs())).unwrap_or(i64::MAX);
            measured.sessions.set(sessions);
            measured.mails_pending.set(mails);
            measured.mail_overdue.set(age(oldest));
            measured.audit_unsealed.set(age(unsealed));
            *last = Some(now);
        }
        Ok(Err(error)) => tracing::warn!(%error, "sessions and mails could not be counted"),
        Err(_) => tracing::warn!("sessions and mails could not be counted in time"),
    }
}
