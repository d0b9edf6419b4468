//! The demo application's pages.

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    cookie::{Cookie, SameSite},
    http::{StatusCode, header},
    web,
};
use askama::Template;

use super::{Demo, paths, relying_party::Callback, resource};
use crate::{
    app::App,
    pages::view::{DemoHome, DemoResult, DemoUser, Message},
    web::{
        page::{FormTargets, html},
        view::{self, Link, frame},
    },
};

/// Mounts the application.
pub fn routes(config: &mut web::ServiceConfig, demo: &Demo) {
    config
        .app_data(web::Data::new(demo.clone()))
        .service(web::resource(paths::HOME).get(home))
        .service(web::resource(paths::SIGN_IN).get(sign_in))
        .service(web::resource(paths::CALLBACK).get(callback))
        .service(web::resource(paths::RESULT).get(result))
        .service(web::resource(paths::REFRESH).post(refresh))
        .service(web::resource(paths::SIGN_OUT).get(sign_out))
        .service(web::resource(paths::RESOURCE).get(resource::read));
}

type Data<T> = web::Data<T>;

/// `GET /`: who can sign in, and the same by hand.
async fn home(req: HttpRequest, app: Data<App>, demo: Data<Demo>) -> impl Responder {
    let session = cookie(&req, &demo).and_then(|cookie| demo.visitors.session(&cookie));
    let mut curl_lines = demo.curl_lines(session.as_ref().map(|session| session.access_token.as_str()));
    // after the command that keeps a token
    curl_lines.insert(2, demo.resource_line());
    show(&DemoHome {
        frame: frame(&app, &req),
        email: demo.seeded.email.clone(),
        password: demo.seeded.password().to_owned(),
        sign_in_url: paths::SIGN_IN.to_owned(),
        signed_in: session.map(|session| DemoUser {
            display: session.display_name,
            result_url: paths::RESULT.to_owned(),
            sign_out_url: paths::SIGN_OUT.to_owned(),
        }),
        curl_lines,
    })
}

/// `GET /demo/sign-in`: sends the browser to the server.
async fn sign_in(req: HttpRequest, app: Data<App>, demo: Data<Demo>) -> HttpResponse {
    let (pending, url) = match demo.begin().await {
        Ok(begun) => begun,
        Err(error) => return failed(&app, &req, &error),
    };
    let known = cookie(&req, &demo);
    let value = demo.visitors.begin(known.as_deref(), pending, demo.clock.now());
    let cookie = Cookie::build(demo.cookie.clone(), value)
        .path(paths::HOME)
        .http_only(true)
        // Lax, since the browser comes back from the server by a link
        .same_site(SameSite::Lax)
        .finish();
    let mut response = see_other(&url);
    if let Err(error) = response.add_cookie(&cookie) {
        tracing::error!(%error, "the demo's cookie");
    }
    response
}

/// `GET /demo/callback`: the redirect URI.
async fn callback(req: HttpRequest, app: Data<App>, demo: Data<Demo>, query: web::Query<Callback>) -> HttpResponse {
    let callback = query.into_inner();
    let begun = cookie(&req, &demo).and_then(|cookie| {
        let pending = demo.visitors.take(&cookie, callback.state.as_deref()?)?;
        Some((cookie, pending))
    });
    let Some((cookie, pending)) = begun else {
        return failed(&app, &req, &anyhow::anyhow!("this answer belongs to no sign-in that this browser began"));
    };
    let came_to = req.uri().path_and_query().map_or("", |target| target.as_str());
    let declined = callback.error.as_deref() == Some("access_denied");
    match demo.finish(pending, callback, came_to).await {
        Ok(session) => {
            demo.visitors.set_session(&cookie, Some(session));
            see_other(paths::RESULT)
        }
        Err(_) if declined => you_declined(&app, &req),
        Err(error) => failed(&app, &req, &error),
    }
}

/// `GET /demo/result`: what went over the wire.
async fn result(req: HttpRequest, app: Data<App>, demo: Data<Demo>) -> HttpResponse {
    let Some(session) = cookie(&req, &demo).and_then(|cookie| demo.visitors.session(&cookie)) else {
        return see_other(paths::HOME);
    };
    show(&DemoResult {
        frame: frame(&app, &req),
        tokens: session.tokens(),
        userinfo_json: super::wire::pretty(&session.userinfo),
        display_name: session.display_name,
        hops: session.hops,
        refresh_action: paths::REFRESH.to_owned(),
        sign_in_again_url: paths::SIGN_IN.to_owned(),
        sign_out_url: paths::SIGN_OUT.to_owned(),
    })
}

/// `POST /demo/refresh`: new tokens. The cookie is Lax, so no other site's form comes with it.
async fn refresh(req: HttpRequest, app: Data<App>, demo: Data<Demo>) -> HttpResponse {
    let signed_in = cookie(&req, &demo).and_then(|cookie| {
        let session = demo.visitors.session(&cookie)?;
        Some((cookie, session))
    });
    let Some((cookie, session)) = signed_in else {
        return see_other(paths::HOME);
    };
    match demo.refresh(session).await {
        Ok(session) => {
            demo.visitors.set_session(&cookie, Some(session));
            see_other(paths::RESULT)
        }
        Err(error) => failed(&app, &req, &error),
    }
}

/// `GET /demo/sign-out`: forgets the person, and sends the browser to the server to sign out there as well.
async fn sign_out(req: HttpRequest, app: Data<App>, demo: Data<Demo>) -> HttpResponse {
    let signed_in = cookie(&req, &demo).and_then(|cookie| {
        let session = demo.visitors.session(&cookie)?;
        demo.visitors.set_session(&cookie, None);
        Some(session)
    });
    match signed_in.map(|session| demo.sign_out_url(&session)) {
        Some(Ok(url)) => see_other(&url),
        Some(Err(error)) => failed(&app, &req, &error),
        None => see_other(paths::HOME),
    }
}

fn cookie(req: &HttpRequest, demo: &Demo) -> Option<String> {
    req.cookie(&demo.cookie).map(|cookie| cookie.value().to_owned())
}

fn see_other(url: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, url))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

fn show(page: &impl Template) -> HttpResponse {
    html(StatusCode::OK, page, FormTargets::OwnPages)
}

/// The page after somebody declined, which is an answer like any other.
fn you_declined(app: &App, req: &HttpRequest) -> HttpResponse {
    show(&Message {
        frame: frame(app, req),
        heading: "You declined".to_owned(),
        paragraphs: vec![
            "The demo application was told error=access_denied, and learned nothing about you.".to_owned(),
        ],
        link: Some(Link { label: "Go to the start page".to_owned(), href: paths::HOME.to_owned() }),
        form: None,
    })
}

/// The page that says why it did not work.
fn failed(app: &App, req: &HttpRequest, error: &anyhow::Error) -> HttpResponse {
    tracing::warn!("the demo application could not go on: {error:#}");
    let page = view::Error {
        frame: frame(app, req),
        title: "The demo application could not go on".to_owned(),
        explanation: vec!["It did not accept what came back, or was refused itself.".to_owned()],
        details: vec![("Reason".to_owned(), format!("{error:#}"))],
        link: Some(Link { label: "Go to the start page".to_owned(), href: paths::HOME.to_owned() }),
    };
    html(StatusCode::BAD_REQUEST, &page, FormTargets::OwnPages)
}
