//! Counts what was answered, by the route that it was for.
//!
//! A resource of a worker has one [`Slot`], which finds the route's numbers at the resource's first request and keeps
//! them: later ones cost two look-ups by type and a few atomic additions.

use std::{cell::OnceCell, sync::Arc, time::Duration};

use actix_web::{HttpRequest, dev::ServiceResponse, web};

use crate::{
    app::App,
    metrics::{ErrorCode, Route},
};

/// Where the numbers of a resource's requests are; application data of each resource.
#[derive(Debug, Default)]
pub struct Slot(OnceCell<Option<Arc<Route>>>);

/// Counts an answer that took this long.
pub fn note<B>(response: &ServiceResponse<B>, took: Duration) {
    let request = response.request();
    let status = response.status().as_u16();
    // whatever the status: an error may have become a redirect, or a form
    let error = response.response().extensions().get::<ErrorCode>().map(|code| code.0);
    let method = request.method().as_str();
    match request.app_data::<Slot>() {
        Some(slot) => {
            if let Some(route) = slot.0.get_or_init(|| resolve(request)) {
                route.answered(method, status, error, took);
            }
        }
        None => {
            if let Some(app) = request.app_data::<web::Data<App>>() {
                app.metrics.requests.unmatched().answered(method, status, error, took);
            }
        }
    }
}

/// The pattern of the route that an answer is of, once it was [noted](note).
pub fn endpoint<B>(response: &ServiceResponse<B>) -> &str {
    let slot = response.request().app_data::<Slot>().and_then(|slot| slot.0.get()?.as_ref());
    slot.map_or("unmatched", |route| route.endpoint())
}

/// The numbers of the route that this request matched, called by its path below the issuer's.
fn resolve(request: &HttpRequest) -> Option<Arc<Route>> {
    let app = request.app_data::<web::Data<App>>()?;
    let pattern = request.match_pattern()?;
    let endpoint =
        pattern.strip_prefix(app.config.base_path()).filter(|rest| rest.starts_with('/')).unwrap_or(&pattern);
    Some(app.metrics.requests.route(endpoint))
}
