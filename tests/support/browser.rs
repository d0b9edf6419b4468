//! A person's browser: keeps cookies, reads forms and posts them, and goes where it is sent, step by step.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use reqwest::{
    Method, RequestBuilder, StatusCode, Url,
    cookie::{CookieStore, Jar},
    header::{self, HeaderMap},
    redirect::Policy,
};
use scraper::{ElementRef, Html, Selector};

use super::{PASSWORD, TestApp};

/// What browsers accept where they open a page.
const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// An HTTP client that follows nothing and finds the servers of the tests.
pub fn http() -> reqwest::ClientBuilder {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // the port of the URL counts; only the address is given here
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    reqwest::Client::builder().redirect(Policy::none()).resolve("localhost", here).no_proxy()
}

/// A browser with its cookies.
#[derive(Clone)]
pub struct Browser {
    http: reqwest::Client,
    jar: Arc<Jar>,
}

impl Default for Browser {
    fn default() -> Browser {
        Browser::new()
    }
}

impl Browser {
    /// A browser that was never used.
    pub fn new() -> Browser {
        let jar = Arc::new(Jar::default());
        Browser { http: http().cookie_provider(jar.clone()).build().unwrap(), jar }
    }

    /// A request of this browser, for whoever wants to change it before it is sent.
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.http.request(method, url).header(header::ACCEPT, HTML)
    }

    /// Sends a request and reads the answer.
    pub async fn send(&self, request: RequestBuilder) -> Page {
        let response = request.send().await.unwrap();
        let (status, url, headers) = (response.status(), response.url().clone(), response.headers().clone());
        Page { status, url, headers, body: response.text().await.unwrap() }
    }

    /// Opens an address and does not follow where it leads.
    pub async fn get(&self, url: &str) -> Page {
        self.send(self.request(Method::GET, url)).await
    }

    /// Opens an address and follows up to a page, or to the first redirect to another host.
    pub async fn open(&self, url: &str) -> Page {
        let page = self.get(url).await;
        self.follow(page).await
    }

    /// Posts a form's fields and does not follow where it leads.
    pub async fn post(&self, url: &str, fields: &[(&str, &str)]) -> Page {
        self.send(self.request(Method::POST, url).form(fields)).await
    }

    /// Fills fields of the form with this button, presses it, and does not follow where it leads.
    pub async fn submit(&self, page: &Page, button: &str, fields: &[(&str, &str)]) -> Page {
        let form = page.form_of(button).filled(fields);
        self.send(self.form_request(&form)).await
    }

    /// Fills fields of the form with this button, presses it, and follows up to a page or another host.
    pub async fn press(&self, page: &Page, button: &str, fields: &[(&str, &str)]) -> Page {
        let next = self.submit(page, button, fields).await;
        self.follow(next).await
    }

    /// The request that sending a form makes.
    pub fn form_request(&self, form: &Form) -> RequestBuilder {
        match form.method {
            Method::GET => self.request(Method::GET, form.action.as_str()).query(&form.fields),
            _ => self.request(Method::POST, form.action.as_str()).form(&form.fields),
        }
    }

    /// Follows redirects within one host.
    pub async fn follow(&self, mut page: Page) -> Page {
        for _ in 0..20 {
            match page.location() {
                Some(next) if next.origin() == page.url.origin() => page = self.get(next.as_str()).await,
                _ => return page,
            }
        }
        panic!("redirected without end at {}", page.url);
    }

    /// Signs in without an application: ends at the account.
    pub async fn sign_in(&self, app: &TestApp, username: &str, password: &str) -> Page {
        let login = self.open(&app.url("/login")).await;
        self.press(&login, "sign-in", &[("username", username), ("password", password)]).await
    }

    /// Answers the pages between an authorization request and the application as a willing person does, with
    /// [`PASSWORD`].
    pub async fn agree(&self, mut page: Page, username: &str) -> Page {
        for _ in 0..5 {
            page = if page.has("#sign-in") {
                self.press(&page, "sign-in", &[("username", username), ("password", PASSWORD)]).await
            } else if page.has("#allow") {
                self.press(&page, "allow", &[]).await
            } else {
                return page;
            };
        }
        panic!("asked without end at {}: {}", page.url, page.text("main"));
    }

    /// The value of a cookie by the beginning of its name (`keyward_session`), if there is one.
    pub fn cookie(&self, app: &TestApp, name: &str) -> Option<String> {
        self.cookie_at(&app.issuer, name)
    }

    /// The same of a server that runs on its own.
    pub fn cookie_at(&self, issuer: &str, name: &str) -> Option<String> {
        let cookies = self.jar.cookies(&issuer.parse().unwrap())?;
        let cookies = cookies.to_str().unwrap().to_owned();
        cookies
            .split("; ")
            .filter_map(|pair| pair.split_once('='))
            .find(|(found, value)| found.starts_with(name) && !value.is_empty())
            .map(|(_, value)| value.to_owned())
    }

    /// Puts a cookie into the browser, as `name=value`.
    pub fn set_cookie(&self, app: &TestApp, cookie: &str) {
        self.jar.add_cookie_str(cookie, &app.issuer.parse().unwrap());
    }
}

/// An answer: a page, or a redirect.
#[derive(Clone, Debug)]
pub struct Page {
    /// The status.
    pub status: StatusCode,
    /// From where it came.
    pub url: Url,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Page {
    /// A header's value; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where it redirects to.
    pub fn location(&self) -> Option<Url> {
        let location = self.headers.get(header::LOCATION)?.to_str().unwrap();
        Some(self.url.join(location).unwrap())
    }

    /// The text of the first element that fits, with blanks made one; empty if there is none.
    pub fn text(&self, selector: &str) -> String {
        let (html, selector) = (Html::parse_document(&self.body), parsed(selector));
        let text = html.select(&selector).next().map(|element| element.text().collect::<String>()).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Whether an element fits.
    pub fn has(&self, selector: &str) -> bool {
        Html::parse_document(&self.body).select(&parsed(selector)).next().is_some()
    }

    /// An attribute of the first element that fits.
    pub fn attribute(&self, selector: &str, name: &str) -> Option<String> {
        let html = Html::parse_document(&self.body);
        let element = html.select(&parsed(selector)).next()?;
        element.value().attr(name).map(str::to_owned)
    }

    /// The form with the button of this id, as it is sent when that button is pressed.
    pub fn form_of(&self, button: &str) -> Form {
        let html = Html::parse_document(&self.body);
        let pressed = html.select(&parsed(&format!("button#{button}"))).next();
        let pressed = pressed.unwrap_or_else(|| panic!("no button {button} on {}: {}", self.url, self.text("main")));
        let form = pressed.ancestors().filter_map(ElementRef::wrap).find(|element| element.value().name() == "form");
        let form = form.expect("a button within a form");
        let mut fields = Vec::new();
        for input in form.select(&parsed("input[name]")) {
            let value = |name: &str| input.value().attr(name).map(str::to_owned);
            let ticked = value("type").as_deref() != Some("checkbox") || value("checked").is_some();
            if ticked {
                fields.push((value("name").unwrap(), value("value").unwrap_or_default()));
            }
        }
        if let Some(name) = pressed.value().attr("name") {
            fields.push((name.to_owned(), pressed.value().attr("value").unwrap_or_default().to_owned()));
        }
        let action = self.url.join(form.value().attr("action").unwrap_or_default()).unwrap();
        let method = form.value().attr("method").unwrap_or("get").to_ascii_uppercase().parse().unwrap();
        Form { action, method, fields }
    }

    /// What an application receives from this answer, by redirect or by the form of the form-post page.
    pub fn callback(&self) -> Callback {
        if let Some(location) = self.location() {
            assert_eq!(self.status, StatusCode::SEE_OTHER);
            assert_ne!(location.origin(), self.url.origin(), "still at {location}");
            return Callback { parameters: pairs(&location), form_post: false, url: location };
        }
        assert!(
            self.has("#response-form"),
            "neither a redirect nor a form for the application: {} {} {}",
            self.status,
            self.url,
            self.text("main")
        );
        let form = self.form_of("continue");
        assert_eq!(form.method, Method::POST);
        Callback { url: form.action, parameters: form.fields.into_iter().collect(), form_post: true }
    }
}

/// A form as it is sent.
#[derive(Clone, Debug)]
pub struct Form {
    /// Where to.
    pub action: Url,
    /// How.
    pub method: Method,
    /// Names and values; the pressed button is among them.
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// The form with other values; a field that is not there is added, as ticking a box does.
    pub fn filled(mut self, fields: &[(&str, &str)]) -> Form {
        for (name, value) in fields {
            match self.fields.iter_mut().find(|(known, _)| known == name) {
                Some(field) => field.1 = (*value).to_owned(),
                None => self.fields.push(((*name).to_owned(), (*value).to_owned())),
            }
        }
        self
    }
}

/// What an application receives.
#[derive(Clone, Debug)]
pub struct Callback {
    /// To which address.
    pub url: Url,
    /// The parameters.
    pub parameters: HashMap<String, String>,
    /// Whether they came in a form instead of the query.
    pub form_post: bool,
}

impl Callback {
    /// A parameter; empty if it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// The code of a good answer.
    pub fn code(&self) -> &str {
        assert_eq!(self.get("error"), "", "{}", self.get("error_description"));
        assert_ne!(self.get("code"), "", "{}", self.url);
        self.get("code")
    }
}

fn pairs(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

fn parsed(selector: &str) -> Selector {
    Selector::parse(selector).unwrap_or_else(|error| panic!("{selector}: {error}"))
}
