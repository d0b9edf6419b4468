//! `/resources/openapi.json`, and `/resources/docs`: Swagger UI, out of this binary, which calls the API with a token that
//! it gets by the code flow as a client of its own ([`system_client::DOCS`]).

use std::sync::{Arc, OnceLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{self, HeaderValue},
    },
    web::{self, Bytes},
};
use askama::Template;

use crate::{
    app::App,
    model::problem::{Code, Problem},
    store::system_client,
    web::{
        assets, cors,
        methods::resource,
        page::{self, FormTargets},
        problem,
        view::{Frame, frame},
    },
};

/// The files of Swagger UI that are used, of all that its crate has.
const FILES: [&str; 4] = ["swagger-ui.css", "swagger-ui-bundle.js", "oauth2-redirect.html", "oauth2-redirect.js"];

/// As of every page, but the script asks this server, its style has pictures inside, and it needs no forms.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; \
                      connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The document and the files of its viewer, made when they are first asked for: most servers never are. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Viewer {
    issuer: String,
    made: Arc<OnceLock<Made>>,
}

#[derive(Debug)]
struct Made {
    document: Served,
    files: Vec<(&'static str, Served)>,
}

#[derive(Clone, Debug)]
struct Served {
    content_type: String,
    version: String,
    /// Compressed.
    gzipped: bool,
    body: Bytes,
}

impl Served {
    fn new(content_type: &str, gzipped: bool, body: Bytes) -> Served {
        Served { content_type: content_type.to_owned(), version: assets::version(&body), gzipped, body }
    }

    fn answer(&self, req: &HttpRequest, unversioned: &'static str) -> HttpResponse {
        let mut response = assets::respond(req, &self.version, unversioned, &self.content_type, self.body.clone());
        if self.gzipped {
            // there is no other form of it, and every browser takes this one
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

impl Viewer {
    /// For the server of this issuer.
    pub fn new(issuer: &str) -> Viewer {
        Viewer { issuer: issuer.to_owned(), made: Arc::default() }
    }

    fn made(&self) -> &Made {
        self.made.get_or_init(|| Made::of(&self.issuer))
    }
}

impl Made {
    fn of(issuer: &str) -> Made {
        let document = super::document(issuer).to_string();
        let config = Arc::new(utoipa_swagger_ui::Config::default());
        let file = |name| {
            let file = utoipa_swagger_ui::serve(name, config.clone()).ok().flatten()?;
            let body = Bytes::from(file.bytes.into_owned());
            Some((name, Served::new(&file.content_type, file.gzpipped, body)))
        };
        Made {
            document: Served::new("application/json", false, document.into()),
            files: FILES.into_iter().filter_map(file).collect(),
        }
    }

    fn find(&self, name: &str) -> Option<&Served> {
        self.files.iter().find(|(known, _)| *known == name).map(|(_, file)| file)
    }

    /// The address of a file below the viewer's, with its content's hash.
    fn versioned(&self, name: &str) -> String {
        let version = self.find(name).map(|file| file.version.as_str()).unwrap_or_default();
        format!("{name}?v={version}")
    }
}

#[derive(Template)]
#[template(path = "api_docs.html")]
struct Docs {
    frame: Frame,
    style: String,
    script: String,
    document: String,
    redirect_uri: String,
    client_id: &'static str,
}

/// Mounts both below the issuer's path; without `docs` the document only. The application data must hold a [`Viewer`].
pub fn mount(cfg: &mut web::ServiceConfig, docs: bool) {
    let get = |route| vec![(Method::GET, route)];
    cfg.service(resource("/resources/openapi.json", get(web::to(document)), refuse).wrap(cors::public()));
    if docs {
        cfg.service(resource("/resources/docs", get(web::to(docs_page)), refuse));
        cfg.service(resource("/resources/docs/{file}", get(web::to(docs_file)), refuse));
    }
}

/// `GET /resources/openapi.json`
async fn document(viewer: web::Data<Viewer>, req: HttpRequest) -> HttpResponse {
    viewer.made().document.answer(&req, "public, max-age=300")
}

/// `GET /resources/docs`
async fn docs_page(viewer: web::Data<Viewer>, app: web::Data<App>, req: HttpRequest) -> HttpResponse {
    let frame = frame(&app, &req);
    let below = format!("{}/resources/docs", frame.base);
    let viewer = viewer.made();
    let docs = Docs {
        style: format!("{below}/{}", viewer.versioned("swagger-ui.css")),
        script: format!("{below}/{}", viewer.versioned("swagger-ui-bundle.js")),
        document: format!("{}/resources/openapi.json?v={}", frame.base, viewer.document.version),
        redirect_uri: system_client::docs_redirect_uri(app.config.issuer()),
        client_id: system_client::DOCS,
        frame,
    };
    protected(page::html(StatusCode::OK, &docs, FormTargets::OwnPages))
}

/// `GET /resources/docs/{file}`
async fn docs_file(viewer: web::Data<Viewer>, req: HttpRequest, name: web::Path<String>) -> HttpResponse {
    match viewer.made().find(&name) {
        Some(file) => protected(file.answer(&req, "no-cache")),
        None => problem::respond(&Problem::new(Code::NotFound, "there is no such file")),
    }
}

/// The sign-in window tells the page that opened it, so that they must not be cut off from each other.
fn protected(mut response: HttpResponse) -> HttpResponse {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("unsafe-none"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn refuse(req: &HttpRequest, allow: &str) -> HttpResponse {
    let detail = format!("expected {allow}, got {}", req.method().as_str());
    problem::respond(&Problem::new(Code::MethodNotAllowed, detail))
}
