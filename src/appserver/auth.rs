//! `auth` and `auth/logout`: who is signed in, and not any more.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{
    answer::{Done, LoginAnswer, ok},
    error::AppserverError,
    session,
};
use crate::{app::App, identity::appserver_session};

/// `GET auth`: what the login was answered with.
pub async fn get(app: web::Data<App>, req: HttpRequest) -> Result<HttpResponse, AppserverError> {
    let (current, secret, module) = session::current(&app, &req).await?;
    Ok(ok(&LoginAnswer::new(module, &current.whose, &secret)))
}

/// `POST auth/logout`: the session ends, if there is one.
pub async fn logout(app: web::Data<App>, req: HttpRequest) -> Result<HttpResponse, AppserverError> {
    session::same_origin(&app, &req)?;
    // whoever sends both wants neither any more
    let presented = [session::presented(&app, &req, false).await?, session::of_cookie(&req)];
    for secret in presented.into_iter().flatten() {
        let origin = session::origin(&app, &req);
        appserver_session::end(&app.store, &secret.hash(), origin, app.clock.now()).await?;
    }
    let mut response = ok(&Done::default());
    super::login::add_cookie(&mut response, &session::clear_cookie(&app.config));
    Ok(response)
}
