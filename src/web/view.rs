//! The pages that more than one face shows, and what surrounds every page.
//!
//! The pages of people's journeys are in [`crate::pages::view`]; these few the protocol endpoints answer with as well,
//! where there is nobody but the person to tell.

use actix_web::HttpRequest;
use askama::Template;

use crate::app::App;

/// What every page shows around its content.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The name of the service, above the page and at the end of its title.
    pub brand: String,
    /// The path under which everything is mounted, without a slash at its end; mostly empty.
    pub base: String,
    /// The request's id; error pages show it, so that the operator finds the log lines.
    pub request_id: String,
}

impl Frame {
    /// The address of one of the files that pages refer to.
    pub fn asset(&self, name: &str) -> String {
        super::assets::url(&self.base, name)
    }
}

/// The frame of the page that answers `req`.
pub fn frame(app: &App, req: &HttpRequest) -> Frame {
    Frame {
        brand: app.config.branding.name.clone(),
        base: app.config.base_path().to_owned(),
        request_id: super::request::request_id(req),
    }
}

/// Somewhere to go.
#[derive(Clone, Debug)]
pub struct Link {
    /// What the link says.
    pub label: String,
    /// Where it leads; an address that would run code becomes `#`.
    pub href: String,
}

/// Something is wrong, and the application cannot be told.
#[derive(Template)]
#[template(path = "error.html")]
pub struct Error {
    /// What surrounds the page.
    pub frame: Frame,
    /// What is wrong, in plain words.
    pub title: String,
    /// Why, and what to do about it.
    pub explanation: Vec<String>,
    /// Terms and values for whoever repairs it, such as what was sent and what is registered.
    pub details: Vec<(String, String)>,
    /// Where to go on.
    pub link: Option<Link>,
}

/// A page was open for too long; one button starts again with the same request.
#[derive(Template)]
#[template(path = "expired.html")]
pub struct Expired {
    /// What surrounds the page.
    pub frame: Frame,
    /// Where to start again, by GET.
    pub action: String,
    /// The query parameters of the new start.
    pub fields: Vec<(String, String)>,
}

/// Carries the authorization response to the application (OAuth 2.0 Form Post Response Mode §2).
#[derive(Template)]
#[template(path = "form_post.html")]
pub struct FormPost {
    /// What surrounds the page.
    pub frame: Frame,
    /// The redirect URI.
    pub action: String,
    /// The response's parameters.
    pub fields: Vec<(String, String)>,
}

/// The templates' own filters.
pub(crate) mod filters {
    /// An address for `href` and `action`: itself, or `#` if a browser would run or open it as content of this page.
    ///
    /// A list of what is refused, because a native application's redirect URI has a scheme of its own (RFC 8252 §7.1).
    #[askama::filter_fn]
    pub(crate) fn href(address: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
        let address = address.to_string();
        // Browsers ignore control characters and blanks before the scheme, and tabs and line breaks within it.
        let scheme: String = address
            .chars()
            .filter(|c| !c.is_control() && !c.is_whitespace())
            .take_while(|c| *c != ':')
            .map(|c| c.to_ascii_lowercase())
            .collect();
        let refused =
            ["javascript", "vbscript", "data", "blob", "filesystem", "view-source"].contains(&scheme.as_str());
        Ok(if refused { "#".to_owned() } else { address })
    }
}
