//! The endpoints, one file each, and the table that mounts them.

use actix_cors::Cors;
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
    web,
};

use super::error::{Code, OAuthError};
use crate::web::methods::resource;

mod authorize;
mod discovery;
mod introspect;
mod jwks;
mod logout;
mod revoke;
mod token;
mod userinfo;

/// Mounts the endpoints below the issuer's path.
pub fn routes(cfg: &mut web::ServiceConfig) {
    let get = || Method::GET;
    let post = || Method::POST;
    cfg.service(resource(
        "/oauth/authorize",
        vec![(get(), web::to(authorize::get)), (post(), web::to(authorize::post))],
        refuse,
    ));
    cfg.service(resource("/oauth/token", vec![(post(), web::to(token::post))], refuse).wrap(cors()));
    cfg.service(resource("/oauth/introspect", vec![(post(), web::to(introspect::post))], refuse));
    cfg.service(resource("/oauth/revoke", vec![(post(), web::to(revoke::post))], refuse).wrap(cors()));
    cfg.service(
        resource(
            "/oauth/userinfo",
            vec![(get(), web::to(userinfo::answer)), (post(), web::to(userinfo::answer))],
            refuse,
        )
        .wrap(cors()),
    );
    cfg.service(resource("/oauth/jwks", vec![(get(), web::to(jwks::get))], refuse).wrap(cors()));
    cfg.service(resource(
        "/oauth/logout",
        vec![(get(), web::to(logout::get)), (post(), web::to(logout::post))],
        refuse,
    ));
    // OpenID Connect Discovery §4: the well-known path follows the issuer's
    cfg.service(
        resource("/.well-known/openid-configuration", vec![(get(), web::to(discovery::get))], refuse).wrap(cors()),
    );
}

/// Mounts what RFC 8414 §3.1 puts at the root of the host, before the issuer's path.
pub fn well_known(cfg: &mut web::ServiceConfig, base: &str) {
    let mut mount = |path: String| {
        cfg.service(resource(&path, vec![(Method::GET, web::to(discovery::get))], refuse).wrap(cors()));
    };
    mount(format!("/.well-known/oauth-authorization-server{base}"));
    if !base.is_empty() {
        mount(format!("/.well-known/openid-configuration{base}"));
    }
}

/// Browsers' public clients may read these answers, from anywhere, and never with cookies.
fn cors() -> Cors {
    Cors::default()
        .allow_any_origin()
        .send_wildcard()
        .allowed_methods(["GET", "POST"])
        .allowed_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT])
        .expose_headers([header::WWW_AUTHENTICATE, header::RETRY_AFTER, header::ETAG])
        .max_age(3600)
}

/// 405, as this face says it.
fn refuse(req: &HttpRequest, allow: &str) -> HttpResponse {
    let mut error =
        OAuthError::new(Code::InvalidRequest, format!("expected the method {allow}, got {}", req.method().as_str()));
    error.status = Some(StatusCode::METHOD_NOT_ALLOWED);
    error.respond(req)
}
