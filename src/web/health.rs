//! Whether the process lives, and whether it can serve. Answered without authentication under any address.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, http::header, web};

use crate::{
    app::App,
    store,
    web::{methods, problem::problem, request::request_id},
};

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether this server is about to stop. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// From now on the server is not ready.
    pub fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Mounts `/health/live` and `/health/ready`. The application data must hold an [`App`] and a [`Draining`].
pub fn routes(cfg: &mut web::ServiceConfig) {
    let get = |route| vec![(actix_web::http::Method::GET, route)];
    cfg.service(methods::resource("/health/live", get(web::to(live)), refuse));
    cfg.service(methods::resource("/health/ready", get(web::to(ready)), refuse));
}

/// `GET /health/live`: 200 as long as the process answers at all.
async fn live() -> HttpResponse {
    answer(StatusCode::OK, "live")
}

/// `GET /health/ready`: 200 if requests can be served, else 503.
async fn ready(app: web::Data<App>, draining: web::Data<Draining>) -> HttpResponse {
    if draining.has_begun() {
        return answer(StatusCode::SERVICE_UNAVAILABLE, "stopping");
    }
    match tokio::time::timeout(PATIENCE, app.store.read(store::generation::current)).await {
        Ok(Ok(_)) => answer(StatusCode::OK, "ready"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready");
            answer(StatusCode::SERVICE_UNAVAILABLE, "database unavailable")
        }
        Err(_) => {
            tracing::warn!("not ready: the database does not answer");
            answer(StatusCode::SERVICE_UNAVAILABLE, "database unavailable")
        }
    }
}

fn answer(status: StatusCode, what: &'static str) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(serde_json::json!({ "status": what }))
}

fn refuse(req: &HttpRequest, allow: &str) -> HttpResponse {
    problem(StatusCode::METHOD_NOT_ALLOWED, &format!("expected {allow}"), &request_id(req))
}
