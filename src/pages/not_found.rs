//! What is answered where there is nothing: a page for people, a problem document for programs.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use super::view::{self, Frame, Link};
use crate::{
    app::App,
    web::{
        host::is_person,
        page::{FormTargets, html},
        problem::problem,
        request::request_id,
    },
};

/// 404 for the path of this request.
pub async fn not_found(req: HttpRequest, app: web::Data<App>) -> HttpResponse {
    let id = request_id(&req);
    if !is_person(&req) {
        return problem(StatusCode::NOT_FOUND, "there is nothing at this path", &id);
    }
    let page = view::Error {
        frame: Frame::new(&app.config.branding.name, id),
        title: "This page does not exist".to_owned(),
        explanation: vec!["The address may be mistyped, or the link that led here is outdated.".to_owned()],
        details: Vec::new(),
        link: Some(Link { label: "Go to the start page".to_owned(), href: "/".to_owned() }),
    };
    html(StatusCode::NOT_FOUND, &page, FormTargets::OwnPages)
}
