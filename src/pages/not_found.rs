//! What is answered where there is nothing: a page for people, a problem document for programs.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use super::error::error_page;
use crate::{
    app::App,
    web::{host::is_person, problem::problem, request::request_id},
};

/// 404 for the path of this request.
pub async fn not_found(req: HttpRequest, app: web::Data<App>) -> HttpResponse {
    if !is_person(&req) {
        return problem(StatusCode::NOT_FOUND, "there is nothing at this path", &request_id(&req));
    }
    let explanation = "The address may be mistyped, or the link that led here is outdated.";
    error_page(&app, &req, StatusCode::NOT_FOUND, "This page does not exist", &[explanation], Vec::new())
}
