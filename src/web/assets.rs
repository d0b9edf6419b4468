//! The files that pages refer to: style, script, logo. They are part of the binary.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, EntityTag, Header, IfNoneMatch},
    web,
};

/// A file in the binary.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    body: &'static [u8],
    hash: u64,
}

impl Asset {
    const fn new(name: &'static str, content_type: &'static str, body: &'static [u8]) -> Asset {
        Asset { name, content_type, body, hash: fnv1a(body) }
    }

    fn version(&self) -> String {
        shown(self.hash)
    }
}

static ASSETS: [Asset; 4] = [
    Asset::new("api-docs.js", "text/javascript; charset=utf-8", include_bytes!("../../static/api-docs.js")),
    Asset::new("keyward.css", "text/css; charset=utf-8", include_bytes!("../../static/keyward.css")),
    Asset::new("form-post.js", "text/javascript; charset=utf-8", include_bytes!("../../static/form-post.js")),
    Asset::new("favicon.svg", "image/svg+xml", include_bytes!("../../static/favicon.svg")),
];

/// FNV-1a with 64 bits: it tells one release's file from another's, and nobody else can bring a file.
const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

fn shown(hash: u64) -> String {
    format!("{hash:016x}")
}

/// The version of a file, as the query `v=…` of its address and its ETag say it.
pub fn version(body: &[u8]) -> String {
    shown(fnv1a(body))
}

fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// The address of a file, with its content's hash: `/static/keyward.css?v=…`, under the path `base` (empty, or as
/// `/auth`). A name that does not exist gets an address that answers 404.
pub fn url(base: &str, name: &str) -> String {
    match find(name) {
        Some(asset) => format!("{base}/static/{name}?v={}", asset.version()),
        None => format!("{base}/static/{name}"),
    }
}

/// `GET /static/{file}`: the file, 304 if the browser has it, or 404.
pub async fn asset(path: web::Path<String>, req: HttpRequest) -> HttpResponse {
    let Some(asset) = find(&path) else {
        return HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("There is no such file.\n");
    };
    let body = web::Bytes::from_static(asset.body);
    respond(&req, &asset.version(), "no-cache", asset.content_type, body)
}

/// A file in this version, or 304 if the browser has it. `unversioned`: how long it may be kept under an address without
/// its version.
pub fn respond(
    req: &HttpRequest,
    version: &str,
    unversioned: &'static str,
    content_type: &str,
    body: web::Bytes,
) -> HttpResponse {
    // Only the address that carries this content's hash may be kept for good: while two releases run side by side, one
    // of them is asked for the other's version, and a year of the wrong style would follow.
    let exact = req.query_string().strip_prefix("v=") == Some(version);
    let cache = if exact { "public, max-age=31536000, immutable" } else { unversioned };
    let etag = EntityTag::new_strong(version.to_owned());
    // RFC 9110 §13.1.2: If-None-Match compares weakly, because a proxy that compresses weakens the tag.
    let unchanged = match IfNoneMatch::parse(req) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&etag)),
        Err(_) => false,
    };
    let mut response = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header(header::ETag(etag))
        .insert_header((header::CACHE_CONTROL, cache))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if unchanged {
        return response.finish();
    }
    // An image that is opened by itself is a document too.
    response.insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"));
    response.content_type(content_type).body(body)
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App,
        dev::ServiceResponse,
        http::{StatusCode, header::HeaderName},
        test,
    };

    use super::*;

    async fn get(uri: &str, if_none_match: Option<&str>) -> ServiceResponse {
        let app = test::init_service(App::new().route("/static/{file}", web::get().to(asset))).await;
        let mut request = test::TestRequest::get().uri(uri);
        if let Some(tag) = if_none_match {
            request = request.insert_header((header::IF_NONE_MATCH, tag));
        }
        test::call_service(&app, request.to_request()).await
    }

    fn header_of(response: &ServiceResponse, name: HeaderName) -> &str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[actix_web::test]
    async fn a_file_is_kept_for_good_under_the_address_with_its_hash() {
        for (name, kind) in [
            ("keyward.css", "text/css; charset=utf-8"),
            ("form-post.js", "text/javascript; charset=utf-8"),
            ("favicon.svg", "image/svg+xml"),
        ] {
            let response = get(&url("", name), None).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(header_of(&response, header::CONTENT_TYPE), kind);
            assert_eq!(header_of(&response, header::CACHE_CONTROL), "public, max-age=31536000, immutable");
            assert_eq!(header_of(&response, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
            assert_eq!(test::read_body(response).await, find(name).unwrap().body);
        }
    }

    #[actix_web::test]
    async fn another_release_or_no_version_is_asked_again() {
        for uri in ["/static/keyward.css", "/static/keyward.css?v=0123456789abcdef"] {
            let response = get(uri, None).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(header_of(&response, header::CACHE_CONTROL), "no-cache");
        }
    }

    #[actix_web::test]
    async fn what_the_browser_has_is_not_sent_again() {
        let tag = header_of(&get(&url("", "keyward.css"), None).await, header::ETAG).to_owned();
        assert!(tag.starts_with('"') && tag.len() == 18, "{tag}");
        for known in [tag.clone(), format!("W/{tag}"), format!("\"old\", {tag}"), "*".to_owned()] {
            let response = get(&url("", "keyward.css"), Some(&known)).await;
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(header_of(&response, header::ETAG), tag);
            assert!(test::read_body(response).await.is_empty());
        }
        assert_eq!(get(&url("", "keyward.css"), Some("\"old\"")).await.status(), StatusCode::OK);
    }

    #[actix_web::test]
    async fn nothing_else_is_served() {
        for uri in ["/static/nothing.css", "/static/..%2FCargo.toml", "/static/keyward.css%00", &url("", "absent")] {
            assert_eq!(get(uri, None).await.status(), StatusCode::NOT_FOUND, "{uri}");
        }
    }
}
