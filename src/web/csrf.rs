//! Forms of this server are posted by its own pages only.
//!
//! Each form carries a token that is bound to the browser, by a cookie that survives signing in, and to the form by its
//! name. What browsers say themselves about where a request came from is heeded as well.

use actix_web::{HttpRequest, http::header};
use url::Url;

use crate::{app::App, config::Config, keys::MasterKey, model::secret::Secret, web::browser};

const PURPOSE: &str = "csrf";

/// Why a form is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsrfFault {
    /// The browser says that another site sent the form.
    #[error("another site sent this form")]
    CrossSite,
    /// The browser did not send the cookie that tokens are bound to: it blocks cookies, or the page is older than a
    /// year.
    #[error("the browser sent no cookie")]
    NoCookie,
    /// The token is not one for this form and browser.
    #[error("the form's token does not fit the browser")]
    Token,
}

/// The token that the form named `form` carries in the browser with this secret.
pub fn token(app: &App, browser: &Secret, form: &str) -> String {
    mint(&app.seals.master, browser, form)
}

/// Whether a posted form came from this server's page in this browser: `presented` is the token that came with it.
pub fn check(app: &App, req: &HttpRequest, form: &str, presented: &str) -> Result<(), CsrfFault> {
    verify(&app.seals.master, &app.config, req, form, presented)
}

/// Whether what the browser says about where a request came from allows it: not from another site, and from no other
/// origin. For requests that carry no token.
pub fn same_origin(req: &HttpRequest, config: &Config) -> Result<(), CsrfFault> {
    // Fetch Metadata §2.2; older browsers do not send it
    let elsewhere = |site: &header::HeaderValue| !matches!(site.as_bytes(), b"same-origin" | b"none");
    if req.headers().get("sec-fetch-site").is_some_and(elsewhere) {
        return Err(CsrfFault::CrossSite);
    }
    // RFC 6454 §7.3: `null` hides the origin, which privacy settings do; the token decides then
    let origin = req.headers().get(header::ORIGIN).map(header::HeaderValue::as_bytes);
    match origin.filter(|origin| *origin != b"null") {
        Some(origin) if origin != own_origin(config).as_bytes() => Err(CsrfFault::CrossSite),
        _ => Ok(()),
    }
}

fn own_origin(config: &Config) -> String {
    Url::parse(config.issuer()).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

fn mint(master: &MasterKey, browser: &Secret, form: &str) -> String {
    master.mac_text(PURPOSE, &[browser.reveal().as_bytes(), form.as_bytes()])
}

fn verify(
    master: &MasterKey,
    config: &Config,
    req: &HttpRequest,
    form: &str,
    presented: &str,
) -> Result<(), CsrfFault> {
    same_origin(req, config)?;
    let browser = browser::known_browser(req, config).ok_or(CsrfFault::NoCookie)?;
    let parts: [&[u8]; 2] = [browser.reveal().as_bytes(), form.as_bytes()];
    match master.mac_matches(PURPOSE, &parts, presented) {
        true => Ok(()),
        false => Err(CsrfFault::Token),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::model::secret::Kind;

    fn master() -> MasterKey {
        MasterKey::from_secret("a master secret for tests, 0123456789").unwrap()
    }

    fn config(issuer: &str) -> Config {
        let mut config = Config::defaults();
        config.issuer = Some(issuer.to_owned());
        config
    }

    fn post(browser: &Secret) -> TestRequest {
        TestRequest::post().insert_header((header::COOKIE, format!("keyward_browser_8080={}", browser.reveal())))
    }

    #[test]
    fn a_token_fits_one_form_in_one_browser() {
        let (master, config) = (master(), config("http://localhost:8080"));
        let (ada, eve) = (Secret::generate(Kind::Browser), Secret::generate(Kind::Browser));
        let token = mint(&master, &ada, "login");
        let check = |browser: &Secret, form: &str, token: &str| {
            verify(&master, &config, &post(browser).to_http_request(), form, token)
        };
        assert_eq!(check(&ada, "login", &token), Ok(()));
        assert_eq!(check(&ada, "consent", &token), Err(CsrfFault::Token));
        assert_eq!(check(&eve, "login", &token), Err(CsrfFault::Token));
        assert_eq!(check(&ada, "login", ""), Err(CsrfFault::Token));
        assert_eq!(check(&ada, "login", &token.to_lowercase()), Err(CsrfFault::Token));
        let no_cookie = TestRequest::post().to_http_request();
        assert_eq!(verify(&master, &config, &no_cookie, "login", &token), Err(CsrfFault::NoCookie));
    }

    #[test]
    fn a_right_token_from_elsewhere_is_refused() {
        let master = master();
        let ada = Secret::generate(Kind::Browser);
        let token = mint(&master, &ada, "login");
        for (name, value, expected) in [
            ("sec-fetch-site", "cross-site", Err(CsrfFault::CrossSite)),
            // a sibling host may have planted the cookie that the token fits
            ("sec-fetch-site", "same-site", Err(CsrfFault::CrossSite)),
            ("sec-fetch-site", "same-origin", Ok(())),
            ("sec-fetch-site", "none", Ok(())),
            ("origin", "http://localhost:8080", Ok(())),
            ("origin", "null", Ok(())),
            ("origin", "http://localhost:8081", Err(CsrfFault::CrossSite)),
            ("origin", "http://localhost", Err(CsrfFault::CrossSite)),
            ("origin", "https://localhost:8080", Err(CsrfFault::CrossSite)),
            ("origin", "http://localhost:8080.evil.example", Err(CsrfFault::CrossSite)),
            ("origin", "", Err(CsrfFault::CrossSite)),
        ] {
            let request = post(&ada).insert_header((name, value)).to_http_request();
            let got = verify(&master, &config("http://localhost:8080"), &request, "login", &token);
            assert_eq!(got, expected, "{name}: {value}");
        }
    }

    #[test]
    fn an_issuer_with_a_path_has_an_origin_without() {
        assert_eq!(own_origin(&config("https://example.com/auth")), "https://example.com");
        assert_eq!(own_origin(&config("https://example.com:8443")), "https://example.com:8443");
    }
}
