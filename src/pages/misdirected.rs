//! What a person sees who opened the server under an address that is not its own.

use actix_web::{
    Error,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::Next,
    web,
};
use url::{Host, Url};

use super::view::Misdirected;
use crate::{
    app::App,
    web::{
        host::misdirected,
        page::{FormTargets, html},
        view::frame,
    },
};

/// Middleware: answers 421 with a page that names the right address, where a person opened a page under another one
/// (RFC 9110 §15.5.20).
pub async fn guard<B: MessageBody>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let app = req.app_data::<web::Data<App>>().cloned();
    let wrong = app.and_then(|app| misdirected(&req, &app.config).map(|opened| (app, opened)));
    let Some((app, opened)) = wrong else {
        return next.call(req).await.map(ServiceResponse::map_into_left_body);
    };
    let page = Misdirected {
        frame: frame(&app, req.request()),
        setting: format!("KEYWARD_ISSUER={}", as_issuer(&opened)),
        opened,
        expected: app.config.issuer().to_owned(),
    };
    let response = html(StatusCode::MISDIRECTED_REQUEST, &page, FormTargets::OwnPages);
    Ok(req.into_response(response).map_into_right_body())
}

/// The address as an issuer may have it: plain http is only for loopback hosts.
fn as_issuer(opened: &str) -> String {
    let loopback = Url::parse(opened).is_ok_and(|url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    });
    match opened.strip_prefix("http://") {
        Some(rest) if !loopback => format!("https://{rest}"),
        _ => opened.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::as_issuer;

    #[test]
    fn the_setting_that_is_shown_is_one_that_is_accepted() {
        for (opened, setting) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://localhost:9090", "http://localhost:9090"),
            ("http://192.168.0.5:8080", "https://192.168.0.5:8080"),
            ("https://login.example.com", "https://login.example.com"),
        ] {
            assert_eq!(as_issuer(opened), setting);
        }
    }
}
