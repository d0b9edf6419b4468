//! The cookies: the session, the browser that anti-forgery tokens are bound to, and the known device.
//!
//! On https the names carry `__Host-`, so that no other host and no plain http can set them (RFC 6265bis §4.1.3.2).
//! On http, which is loopback, they carry the port, since cookies do not tell the ports of one host apart (§8.5 there).

use std::time::Duration;

use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time},
    http::header,
};

use crate::{
    config::Config,
    model::secret::{Kind, Secret},
};

/// How long a device is known.
const DEVICE: Duration = Duration::from_secs(180 * 24 * 3600);
/// How long a browser keeps what its anti-forgery tokens are bound to.
const BROWSER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What the session cookie holds; nothing says that it is a session's secret.
pub fn session_cookie(req: &HttpRequest, config: &Config) -> Option<String> {
    read(req, &name("session", config))
}

/// The cookie that carries the session's secret. Without `persistent_for` it ends with the browser.
pub fn set_session(config: &Config, secret: &Secret, persistent_for: Option<Duration>) -> Cookie<'static> {
    cookie("session", config, secret.reveal().to_owned(), persistent_for)
}

/// The cookie that makes the browser forget its session.
pub fn clear_session(config: &Config) -> Cookie<'static> {
    cookie("session", config, String::new(), Some(Duration::ZERO))
}

/// What the known-device cookie holds; it is sealed, and only opening it tells whether it is right.
pub fn device_cookie(req: &HttpRequest, config: &Config) -> Option<String> {
    read(req, &name("device", config))
}

/// The known-device cookie with this sealed text (base64url), for 180 days.
pub fn set_device(config: &Config, sealed: String) -> Cookie<'static> {
    cookie("device", config, sealed, Some(DEVICE))
}

/// The secret of the browser, which survives signing in and out, if it has one.
pub fn known_browser(req: &HttpRequest, config: &Config) -> Option<Secret> {
    read(req, &name("browser", config)).and_then(|text| Secret::presented(Kind::Browser, &text))
}

/// The secret of the browser; where it has none, a new one and the cookie to set.
pub fn browser(req: &HttpRequest, config: &Config) -> (Secret, Option<Cookie<'static>>) {
    match known_browser(req, config) {
        Some(secret) => (secret, None),
        None => {
            let secret = Secret::generate(Kind::Browser);
            let cookie = cookie("browser", config, secret.reveal().to_owned(), Some(BROWSER));
            (secret, Some(cookie))
        }
    }
}

fn name(what: &str, config: &Config) -> String {
    if config.secure() {
        return format!("__Host-keyward_{what}");
    }
    format!("keyward_{what}_{}", config.port())
}

fn cookie(what: &str, config: &Config, value: String, lives: Option<Duration>) -> Cookie<'static> {
    // Lax, not Strict: applications send people here by cross-site redirects, and they are signed in then.
    let mut cookie = Cookie::build(name(what, config), value)
        .path("/")
        .http_only(true)
        .secure(config.secure())
        .same_site(SameSite::Lax)
        .finish();
    if let Some(lives) = lives {
        cookie.set_max_age(time::Duration::seconds(i64::try_from(lives.as_secs()).unwrap_or(i64::MAX)));
    }
    cookie
}

/// The value of a cookie; none if it is empty. Read here and not by the framework, which loses all cookies over one that is malformed; on
/// `localhost` others leave such cookies.
pub fn read(req: &HttpRequest, name: &str) -> Option<String> {
    req.headers()
        .get_all(header::COOKIE)
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| std::str::from_utf8(pair).ok()?.trim_matches([' ', '\t']).split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value.to_owned())
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn config(issuer: &str) -> Config {
        let mut config = Config::defaults();
        config.issuer = Some(issuer.to_owned());
        config
    }

    fn with(cookies: &str) -> HttpRequest {
        TestRequest::get().insert_header((header::COOKIE, cookies)).to_http_request()
    }

    #[test]
    fn on_https_cookies_belong_to_the_host_alone() {
        let config = config("https://login.example.com");
        let secret = Secret::generate(Kind::Session);
        assert_eq!(
            set_session(&config, &secret, None).to_string(),
            format!("__Host-keyward_session={}; HttpOnly; SameSite=Lax; Secure; Path=/", secret.reveal())
        );
        assert_eq!(
            set_device(&config, "sealed".to_owned()).to_string(),
            "__Host-keyward_device=sealed; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=15552000"
        );
        let (_, cookie) = browser(&with(""), &config);
        assert!(cookie.unwrap().to_string().starts_with("__Host-keyward_browser=kwbr_"));
    }

    #[test]
    fn on_http_the_ports_of_one_host_do_not_share_cookies() {
        for (issuer, expected) in [
            ("http://localhost:8080", "keyward_session_8080"),
            ("http://localhost:9090", "keyward_session_9090"),
            ("http://localhost", "keyward_session_80"),
        ] {
            let cookie = set_session(&config(issuer), &Secret::generate(Kind::Session), Some(Duration::from_secs(60)));
            assert_eq!(cookie.name(), expected);
            assert!(!cookie.to_string().contains("Secure"));
            assert!(cookie.to_string().ends_with("; HttpOnly; SameSite=Lax; Path=/; Max-Age=60"), "{cookie}");
        }
        assert_eq!(session_cookie(&with("keyward_session_8080=a"), &config("http://localhost:9090")), None);
    }

    #[test]
    fn signing_out_ends_the_cookie() {
        assert_eq!(
            clear_session(&config("http://localhost:8080")).to_string(),
            "keyward_session_8080=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0"
        );
    }

    #[test]
    fn other_cookies_do_not_disturb() {
        let config = config("http://localhost:8080");
        for cookies in [
            "keyward_session_8080=abc",
            "theme=dark; keyward_session_8080=abc; x=y",
            "malformed; =; %%%; keyward_session_8080=abc",
            "bad=%FF%FE;keyward_session_8080=abc",
        ] {
            assert_eq!(session_cookie(&with(cookies), &config).as_deref(), Some("abc"), "{cookies}");
        }
        for cookies in ["", "keyward_session_8080=", "xkeyward_session_8080=abc", "KEYWARD_SESSION_8080=abc"] {
            assert_eq!(session_cookie(&with(cookies), &config), None, "{cookies}");
        }
    }

    #[test]
    fn a_browser_keeps_its_secret() {
        let config = config("http://localhost:8080");
        let (first, cookie) = browser(&with(""), &config);
        let cookie = cookie.unwrap();
        let (again, none) = browser(&with(&format!("{}={}", cookie.name(), cookie.value())), &config);
        assert_eq!(first.reveal(), again.reveal());
        assert!(none.is_none());
        let (other, some) = browser(&with("keyward_browser_8080=kwbr_short"), &config);
        assert_ne!(first.reveal(), other.reveal());
        assert!(some.is_some());
    }
}
