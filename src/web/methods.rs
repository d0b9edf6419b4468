//! Resources by table: a method that a resource does not have answers 405 and says which it has (RFC 9110 §15.5.6).

use actix_web::{
    HttpRequest, HttpResponse, Resource, Route, guard,
    http::{
        Method,
        header::{self, HeaderValue},
    },
    web,
};

use super::metered::Slot;

/// The resource at `path`. Routes are handlers without a method, `web::to(handler)`; the method comes from the table,
/// and whoever has GET has HEAD too (RFC 9110 §9.1). Any other method is answered by `refuse`, the face's own way to
/// say 405, which gets the value of the Allow header; the header itself is added here.
pub fn resource(
    path: &str,
    routes: Vec<(Method, Route)>,
    refuse: fn(&HttpRequest, allow: &str) -> HttpResponse,
) -> Resource {
    let mut names: Vec<&str> = Vec::new();
    for (method, _) in &routes {
        names.push(method.as_str());
        if method == Method::GET && !routes.iter().any(|(other, _)| other == Method::HEAD) {
            names.push("HEAD");
        }
    }
    let allow = names.join(", ");
    let gives_head = names.contains(&"HEAD") && !routes.iter().any(|(method, _)| method == Method::HEAD);

    let mut resource = web::resource(path).app_data(Slot::default());
    for (method, route) in routes {
        let route = match gives_head && method == Method::GET {
            true => route.guard(guard::Any(guard::Get()).or(guard::Head())),
            false => route.guard(guard::Method(method)),
        };
        resource = resource.route(route);
    }
    resource.default_service(web::to(move |req: HttpRequest| {
        let mut response = refuse(&req, &allow);
        if let Ok(value) = HeaderValue::from_str(&allow) {
            response.headers_mut().insert(header::ALLOW, value);
        }
        std::future::ready(response)
    }))
}

/// Paths with their methods and handlers.
pub type Table = Vec<(&'static str, Vec<(Method, Route)>)>;

/// Mounts a table of [`resource`]s.
pub fn mount(cfg: &mut web::ServiceConfig, table: Table, refuse: fn(&HttpRequest, allow: &str) -> HttpResponse) {
    for (path, routes) in table {
        cfg.service(resource(path, routes, refuse));
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App,
        http::StatusCode,
        test::{TestRequest, call_service, init_service},
    };

    use super::*;

    async fn ok() -> &'static str {
        "ok"
    }

    #[actix_web::test]
    async fn a_method_that_is_not_there_is_told_which_are() {
        let refuse = |_: &HttpRequest, _: &str| HttpResponse::MethodNotAllowed().finish();
        let app = init_service(
            App::new()
                .service(resource("/both", vec![(Method::GET, web::to(ok)), (Method::POST, web::to(ok))], refuse))
                .service(resource("/post", vec![(Method::POST, web::to(ok))], refuse)),
        )
        .await;
        for (method, path, status, allow) in [
            (Method::GET, "/both", 200, None),
            (Method::HEAD, "/both", 200, None),
            (Method::POST, "/both", 200, None),
            (Method::PUT, "/both", 405, Some("GET, HEAD, POST")),
            (Method::POST, "/post", 200, None),
            (Method::GET, "/post", 405, Some("POST")),
            (Method::HEAD, "/post", 405, Some("POST")),
            (Method::OPTIONS, "/post", 405, Some("POST")),
            (Method::POST, "/post/", 404, None),
        ] {
            let request = TestRequest::default().method(method.clone()).uri(path).to_request();
            let response = call_service(&app, request).await;
            assert_eq!(response.status(), StatusCode::from_u16(status).unwrap(), "{method} {path}");
            let got = response.headers().get(header::ALLOW).map(|value| value.to_str().unwrap());
            assert_eq!(got, allow, "{method} {path}");
        }
    }
}
