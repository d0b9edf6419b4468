//! Renders a page, with the headers that keep it safe.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use askama::Template;

/// Where a page's forms lead in the end. The browser applies `form-action` to every redirect that follows a form too,
/// so it cannot be said where an application comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormTargets {
    /// To pages of this server: the page belongs to no application's journey, such as setup and account.
    OwnPages,
    /// To an application's redirect URI, at once or after some redirects: sign-in, consent, a forced new password,
    /// a restart, an error page or a form-post response while an application waits.
    LeadsToApplication,
}

/// Styles, images and scripts are files of this server; nothing is inline and nothing is fetched from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";
const POLICY_OWN_FORMS: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; \
                                frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// The page as an answer: rendered, never cached, never framed. A template that cannot be rendered becomes a plain 500.
pub fn html(status: StatusCode, template: &impl Template, policy: FormTargets) -> HttpResponse {
    let body = match template.render() {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            return HttpResponse::InternalServerError()
                .content_type("text/plain; charset=utf-8")
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
                .body("This page could not be shown. The reason is in the server's log.\n");
        }
    };
    let (csp, opener) = match policy {
        FormTargets::OwnPages => (POLICY_OWN_FORMS, "same-origin"),
        // `same-origin`, and here `same-origin-allow-popups` as well, would cut the page off from an application that
        // opened it as a popup, and the application would never see its window come back. What an opener can do, move
        // the window elsewhere, it can do to any popup before; it reads nothing here.
        FormTargets::LeadsToApplication => (POLICY, "unsafe-none"),
    };
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_SECURITY_POLICY, csp))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // No path or query of ours, and so no setup link or sealed request, reaches anybody; the bare origin may.
        // `no-referrer` would turn the Origin header of our own forms into `null` and with it the check of that header
        // (Fetch §3.2); `same-origin` would do so to form-post responses, which strict applications then refuse.
        .insert_header((header::REFERRER_POLICY, "strict-origin"))
        .insert_header((
            header::PERMISSIONS_POLICY,
            "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
        ))
        .insert_header((header::CROSS_ORIGIN_OPENER_POLICY, opener))
        .body(body)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use actix_web::{body, http::header::HeaderMap};

    use super::*;

    #[derive(Template)]
    #[template(source = "<!doctype html><p>{{ text }}</p>", ext = "html")]
    struct Page {
        text: &'static str,
    }

    #[derive(Template)]
    #[template(source = "{{ broken }}", ext = "html")]
    struct Broken {
        broken: NeverShown,
    }

    struct NeverShown;

    impl std::fmt::Display for NeverShown {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }

    fn shown(headers: &HeaderMap) -> String {
        let mut lines: Vec<_> = headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        lines.sort();
        lines.into_iter().fold(String::new(), |mut text, line| {
            writeln!(text, "{line}").unwrap();
            text
        })
    }

    #[actix_web::test]
    async fn a_page_carries_its_security_headers() {
        let response = html(StatusCode::BAD_REQUEST, &Page { text: "<b>" }, FormTargets::OwnPages);
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        insta::assert_snapshot!(shown(response.headers()), @r"
        cache-control: no-store
        content-security-policy: default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'
        content-type: text/html; charset=utf-8
        cross-origin-opener-policy: same-origin
        permissions-policy: camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()
        referrer-policy: strict-origin
        x-content-type-options: nosniff
        x-frame-options: DENY
        ");
        let body = body::to_bytes(response.into_body()).await.unwrap();
        assert_eq!(body, "<!doctype html><p>&#60;b&#62;</p>");
    }

    #[actix_web::test]
    async fn a_form_may_lead_to_an_application_and_its_popup_keeps_its_opener() {
        let response = html(StatusCode::OK, &Page { text: "" }, FormTargets::LeadsToApplication);
        let csp = response.headers().get(header::CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap();
        assert!(!csp.contains("form-action"), "{csp}");
        assert!(POLICY_OWN_FORMS.starts_with(csp), "{csp}");
        assert_eq!(response.headers().get(header::CROSS_ORIGIN_OPENER_POLICY).unwrap(), "unsafe-none");
    }

    #[actix_web::test]
    async fn a_page_that_cannot_be_rendered_is_a_plain_500() {
        let response = html(StatusCode::OK, &Broken { broken: NeverShown }, FormTargets::OwnPages);
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), "text/plain; charset=utf-8");
        let body = body::to_bytes(response.into_body()).await.unwrap();
        assert_eq!(body, "This page could not be shown. The reason is in the server's log.\n");
    }
}
