//! What people read when something went wrong.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};

use super::view;
use crate::{
    app::App,
    store,
    web::{
        continuation::PendingAuthorization,
        page::{self, FormTargets},
        view::{Link, frame},
    },
};

/// Why a page cannot do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The posted form cannot be read: of another type, or not UTF-8.
    #[error("the form cannot be read")]
    Form,
    /// The posted form has more bytes than are read.
    #[error("the form is too long")]
    TooLong,
    /// The sealed request was not sealed here, or was altered.
    #[error("the sealed request cannot be opened")]
    Request,
    /// The sealed request was open for too long.
    #[error("the sealed request has expired")]
    Expired(Box<PendingAuthorization>),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Something in this program failed.
    #[error("{0}")]
    Internal(String),
}

/// The answer, or the page that says why there is none. The cause goes to the log here and nowhere else.
pub fn or_page(app: &App, req: &HttpRequest, answer: Result<HttpResponse, PageError>) -> HttpResponse {
    let error = match answer {
        Ok(answer) => return answer,
        Err(error) => error,
    };
    match error {
        PageError::Form => error_page(
            app,
            req,
            StatusCode::BAD_REQUEST,
            "This form could not be read",
            &["What was sent is not what this page's form sends. Go back and try again."],
            Vec::new(),
        ),
        PageError::TooLong => error_page(
            app,
            req,
            StatusCode::PAYLOAD_TOO_LARGE,
            "This form is too long",
            &["More was sent than this page's form can need. Go back and try again with less."],
            Vec::new(),
        ),
        PageError::Request => error_page(
            app,
            req,
            StatusCode::BAD_REQUEST,
            "This link does not work",
            &[
                "It is incomplete, or it was made by another server.",
                "Go back to the application that you came from and start again there.",
            ],
            Vec::new(),
        ),
        PageError::Expired(request) => expired(app, req, *request),
        PageError::Store(store::Error::Unavailable(cause) | store::Error::Repeat(cause)) => {
            tracing::error!(%cause, "the database is not available");
            unavailable(app, req)
        }
        PageError::Store(store::Error::Conflict(what)) => internal(app, req, &format!("unexpected conflict: {what}")),
        PageError::Store(store::Error::Internal(cause)) | PageError::Internal(cause) => internal(app, req, &cause),
    }
}

// One button begins again with the parameters of the request. 400: what was sent could not be acted upon.
fn expired(app: &App, req: &HttpRequest, request: PendingAuthorization) -> HttpResponse {
    let frame = frame(app, req);
    let action = format!("{}/oauth/authorize", frame.base);
    let page = view::Expired { frame, action, fields: request.parameters };
    page::html(StatusCode::BAD_REQUEST, &page, FormTargets::LeadsToApplication)
}

fn unavailable(app: &App, req: &HttpRequest) -> HttpResponse {
    let mut page = error_page(
        app,
        req,
        StatusCode::SERVICE_UNAVAILABLE,
        "Please try again in a moment",
        &["The server is busy or being repaired. Nothing was changed; reload this page in a moment."],
        Vec::new(),
    );
    page.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
    page
}

fn internal(app: &App, req: &HttpRequest, cause: &str) -> HttpResponse {
    tracing::error!(%cause, "a page failed");
    error_page(
        app,
        req,
        StatusCode::INTERNAL_SERVER_ERROR,
        "Something went wrong here",
        &["This is not your fault. The reason is in the server's log."],
        Vec::new(),
    )
}

/// A page that says what is wrong: a title, sentences, and terms with values for whoever repairs it.
pub fn error_page(
    app: &App,
    req: &HttpRequest,
    status: StatusCode,
    title: &str,
    explanation: &[&str],
    details: Vec<(String, String)>,
) -> HttpResponse {
    let frame = frame(app, req);
    let link = Some(Link { label: "Go to the start page".to_owned(), href: format!("{}/", frame.base) });
    let explanation = explanation.iter().map(|text| (*text).to_owned()).collect();
    let page = view::Error { frame, title: title.to_owned(), explanation, details, link };
    page::html(status, &page, FormTargets::OwnPages)
}
