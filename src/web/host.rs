//! Whether a person opened the server under the address that it is set up with. Under another one neither cookies nor
//! redirects would fit.

use actix_web::{
    HttpRequest,
    dev::ServiceRequest,
    http::{Method, header},
};
use url::Url;

use crate::{
    config::Config,
    web::forwarded::{nearest, through_trusted_proxy},
};

/// What programs ask for, whatever they say that they accept.
const PROGRAMS: [&str; 5] = ["/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/userinfo", "/oauth/jwks"];

/// Whether the request comes from somebody who reads HTML: a browser that opens a page.
pub fn is_person(req: &HttpRequest) -> bool {
    accepts_html(req.headers())
}

fn accepts_html(headers: &header::HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| range.split(';').next().is_some_and(|range| range.trim().eq_ignore_ascii_case("text/html")))
}

/// The address, as `http://host:port`, under which a person opened a page, where that is not the issuer's. `None` where
/// nothing is to be said: the address is right, or it is no page, or no person.
pub fn misdirected(req: &ServiceRequest, config: &Config) -> Option<String> {
    if req.method() != Method::GET || !accepts_html(req.headers()) || is_for_programs(req.path(), config) {
        return None;
    }
    let proxied = through_trusted_proxy(req.request().peer_addr(), config);
    let forwarded = |name| nearest(req.headers(), name).filter(|_| proxied);
    let host = forwarded("x-forwarded-host")
        .or_else(|| req.headers().get(header::HOST).and_then(|host| host.to_str().ok()))
        // HTTP/2 has no Host header but an authority (RFC 9113 §8.3.1)
        .or_else(|| req.uri().authority().map(|authority| authority.as_str()))?;
    if host.eq_ignore_ascii_case(config.authority()) {
        return None;
    }
    let issuer = Url::parse(config.issuer()).ok()?;
    let scheme = forwarded("x-forwarded-proto")
        .filter(|scheme| matches!(*scheme, "http" | "https"))
        .unwrap_or(if req.app_config().secure() { "https" } else { "http" });
    // The scheme of the issuer stands in where a proxy in front does not tell the one it was opened with: then the
    // default port is meant to be the issuer's.
    let opened = Url::parse(&format!("{}://{host}", issuer.scheme())).ok();
    let same = opened.is_some_and(|opened| {
        opened.host() == issuer.host() && opened.port_or_known_default() == issuer.port_or_known_default()
    });
    (!same).then(|| format!("{scheme}://{}", crate::model::id::shown(host)))
}

fn is_for_programs(path: &str, config: &Config) -> bool {
    let below = path.strip_prefix(config.base_path()).unwrap_or(path);
    let at_the_root = ["/health/", "/.well-known/"].iter().any(|prefix| path.starts_with(prefix));
    let prefixed = ["/.well-known/", "/static/"].iter().any(|prefix| below.starts_with(prefix));
    at_the_root || prefixed || PROGRAMS.contains(&below)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    fn opened(issuer: &str, path: &str, headers: &[(&str, &str)]) -> Option<String> {
        let mut config = Config::defaults();
        config.issuer = Some(issuer.to_owned());
        config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        let peer = headers.iter().find(|(name, _)| *name == "peer").map_or("203.0.113.9:5000", |(_, peer)| peer);
        let mut request = TestRequest::get().uri(path).peer_addr(peer.parse().unwrap());
        for (name, value) in headers.iter().filter(|(name, _)| *name != "peer") {
            request = request.insert_header((*name, *value));
        }
        misdirected(&request.to_srv_request(), &config)
    }

    #[test]
    fn a_person_at_another_address_is_told() {
        for (issuer, host, expected) in [
            ("http://localhost:8080", "localhost:8080", None),
            ("http://localhost:8080", "LOCALHOST:8080", None),
            ("http://localhost:8080", "127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("http://localhost:8080", "[::1]:8080", Some("http://[::1]:8080")),
            ("http://localhost:8080", "192.168.0.5:8080", Some("http://192.168.0.5:8080")),
            ("http://localhost:8080", "localhost", Some("http://localhost")),
            ("http://localhost", "localhost:80", None),
            ("https://login.example.com", "login.example.com", None),
            ("https://login.example.com", "login.example.com:443", None),
            ("https://login.example.com/auth", "login.example.com", None),
            ("https://login.example.com", "login.example.com:8443", Some("http://login.example.com:8443")),
            (
                "https://login.example.com",
                "login.example.com.evil.example",
                Some("http://login.example.com.evil.example"),
            ),
            ("https://login.example.com", "not a host", Some("http://not a host")),
        ] {
            assert_eq!(opened(issuer, "/account", &[("accept", HTML), ("host", host)]).as_deref(), expected, "{host}");
        }
    }

    #[test]
    fn programs_are_not_disturbed() {
        let host = ("host", "10.1.2.3:8080");
        for path in [
            "/health/ready",
            "/.well-known/openid-configuration",
            "/oauth/token",
            "/oauth/introspect",
            "/oauth/revoke",
            "/oauth/userinfo",
            "/oauth/jwks",
            "/static/keyward.css",
        ] {
            assert_eq!(opened("http://localhost:8080", path, &[("accept", HTML), host]), None, "{path}");
        }
        for path in
            ["/auth/oauth/jwks", "/auth/static/keyward.css", "/auth/.well-known/openid-configuration", "/health/live"]
        {
            assert_eq!(opened("https://example.com/auth", path, &[("accept", HTML), host]), None, "{path}");
        }
        for accept in ["application/json", "*/*", "text/htmlish"] {
            assert_eq!(opened("http://localhost:8080", "/account", &[("accept", accept), host]), None, "{accept}");
        }
        assert_eq!(opened("http://localhost:8080", "/account", &[host]), None);
        let post = TestRequest::post().uri("/login").insert_header(("accept", HTML)).insert_header(host);
        assert_eq!(misdirected(&post.to_srv_request(), &Config::defaults()), None);
        assert!(opened("http://localhost:8080", "/oauth/authorize", &[("accept", HTML), host]).is_some());
    }

    #[test]
    fn only_a_trusted_proxy_may_say_what_was_opened() {
        let issuer = "https://login.example.com";
        let (html, inside) = (("accept", HTML), ("host", "keyward:8080"));
        let outside = [("x-forwarded-host", "login.example.com"), ("x-forwarded-proto", "https")];
        let proxy = ("peer", "10.0.0.1:5000");
        assert_eq!(opened(issuer, "/", &[html, inside, outside[0], outside[1], proxy]), None);
        assert_eq!(
            opened(issuer, "/", &[html, inside, outside[0], outside[1]]).as_deref(),
            Some("http://keyward:8080"),
            "anybody can send the headers"
        );
        assert_eq!(
            opened(issuer, "/", &[html, inside, ("x-forwarded-host", "other.example"), outside[1], proxy]).as_deref(),
            Some("https://other.example")
        );
    }
}
