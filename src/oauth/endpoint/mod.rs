//! The endpoints, one file each, and the table that mounts them.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode},
    web,
};

use super::error::{Code, OAuthError};
use crate::web::{cors, methods::resource};

mod authorize;
mod discovery;
mod document;
mod introspect;
mod jwks;
mod logout;
mod refusal;
mod revoke;
mod token;
mod userinfo;

/// Mounts the endpoints below the issuer's path.
pub fn routes(cfg: &mut web::ServiceConfig) {
    let get = || Method::GET;
    let post = || Method::POST;
    cfg.app_data(authorize::ONWARD);
    cfg.service(resource(
        "/oauth/authorize",
        vec![(get(), web::to(authorize::get)), (post(), web::to(authorize::post))],
        refuse,
    ));
    cfg.service(resource("/oauth/token", vec![(post(), web::to(token::post))], refuse).wrap(cors::public()));
    cfg.service(resource("/oauth/introspect", vec![(post(), web::to(introspect::post))], refuse));
    cfg.service(resource("/oauth/revoke", vec![(post(), web::to(revoke::post))], refuse).wrap(cors::public()));
    cfg.service(
        resource(
            "/oauth/userinfo",
            vec![(get(), web::to(userinfo::answer)), (post(), web::to(userinfo::answer))],
            refuse,
        )
        .wrap(cors::public()),
    );
    cfg.service(resource("/oauth/jwks", vec![(get(), web::to(jwks::get))], refuse).wrap(cors::public()));
    cfg.service(resource(
        "/oauth/logout",
        vec![(get(), web::to(logout::get)), (post(), web::to(logout::post))],
        refuse,
    ));
    // OpenID Connect Discovery §4: the well-known path follows the issuer's
    cfg.service(
        resource("/.well-known/openid-configuration", vec![(get(), web::to(discovery::get))], refuse)
            .app_data(web::Data::new(discovery::Made::default()))
            .wrap(cors::public()),
    );
}

/// Mounts what RFC 8414 §3.1 puts at the root of the host, before the issuer's path.
pub fn well_known(cfg: &mut web::ServiceConfig, base: &str) {
    let mut mount = |path: String| {
        cfg.service(
            resource(&path, vec![(Method::GET, web::to(discovery::get))], refuse)
                .app_data(web::Data::new(discovery::Made::default()))
                .wrap(cors::public()),
        );
    };
    mount(format!("/.well-known/oauth-authorization-server{base}"));
    if !base.is_empty() {
        mount(format!("/.well-known/openid-configuration{base}"));
    }
}

/// 405, as this face says it.
fn refuse(req: &HttpRequest, allow: &str) -> HttpResponse {
    let mut error =
        OAuthError::new(Code::InvalidRequest, format!("expected the method {allow}, got {}", req.method().as_str()));
    error.status = Some(StatusCode::METHOD_NOT_ALLOWED);
    error.respond(req)
}
