//! What a browser does with pages, redirects and cookies, as far as signing in needs it.

use reqwest::{
    Method, RequestBuilder, StatusCode,
    header::{ACCEPT, COOKIE, HeaderName, LOCATION, ORIGIN, RETRY_AFTER},
};
use serde_json::Value;
use url::Url;

use super::person::{CALLBACK, SIGNED_OUT};
use crate::{
    cli::{
        doctor::{
            proxy::FORGED_ADDRESS,
            wire::{Answer, Wire},
        },
        forms::{self, Form},
    },
    model::id::shown,
};

/// More redirects than any sign-in has.
const MOST_STEPS: usize = 12;

/// What comes of a step, or why it does not go on.
pub type Walked<T> = Result<T, String>;

/// A browser.
pub struct Browser {
    wire: Wire,
    jar: Vec<(String, String)>,
    /// All cookies that were set, as they came.
    pub cookies: Vec<String>,
    /// The seconds that the server wants it to wait.
    pub throttled: Option<String>,
}

/// Where a browser came to rest.
pub enum Arrived {
    /// At a page of the server.
    Page(Url, Answer),
    /// The application's own address.
    Away(Url),
}

impl Browser {
    /// One that was never used.
    pub fn new(wire: Wire) -> Browser {
        Browser { wire, jar: Vec::new(), cookies: Vec::new(), throttled: None }
    }

    /// Asks, and expects a page with this form.
    pub async fn expect_form(
        &mut self,
        method: Method,
        url: Url,
        fields: Option<Vec<(String, String)>>,
        form: &str,
    ) -> Walked<(Url, Form)> {
        match self.follow(method, url, fields).await? {
            Arrived::Away(url) => {
                let error = url.query_pairs().find(|(name, _)| name.starts_with("error"));
                let error = error.map(|(_, error)| shown(&error)).unwrap_or_default();
                Err(format!("the server sends the person back to the application: {error}"))
            }
            Arrived::Page(url, answer) => match Form::find(&answer.body, form) {
                Some(found) => Ok((url, found)),
                None => Err(unexpected(&format!("a page with the {form}"), &answer)),
            },
        }
    }

    /// Asks as a browser, and goes where it is sent, but to nobody else.
    pub async fn follow(
        &mut self,
        mut method: Method,
        mut url: Url,
        fields: Option<Vec<(String, String)>>,
    ) -> Walked<Arrived> {
        let mut fields = fields;
        for _ in 0..MOST_STEPS {
            let mut request = self.request(method, &url);
            if let Some(fields) = fields.take() {
                let origin = self.wire.issuer.origin().ascii_serialization();
                request = request.header(ORIGIN, origin).form(&fields);
            }
            let answer = self.wire.send(request).await?;
            self.keep(&answer);
            if !matches!(answer.status, StatusCode::FOUND | StatusCode::SEE_OTHER) {
                if answer.status == StatusCode::TOO_MANY_REQUESTS {
                    self.throttled = Some(answer.header(RETRY_AFTER).unwrap_or("some").to_owned());
                }
                return Ok(Arrived::Page(url, answer));
            }
            let location = answer.header(LOCATION).ok_or("a redirect to nowhere")?;
            url = url.join(location).map_err(|_| format!("a redirect to {}", shown(location)))?;
            if [CALLBACK, SIGNED_OUT].iter().any(|own| url.as_str().starts_with(own)) {
                return Ok(Arrived::Away(url));
            }
            if url.origin() != self.wire.issuer.origin() {
                return Err(format!("a redirect to another server, {}", shown(&url.origin().ascii_serialization())));
            }
            method = Method::GET;
        }
        Err(format!("too many redirects, the last one to {}", shown(url.path())))
    }

    /// With what a client could invent, which nobody should believe.
    fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        let request = self.wire.request(method, url.as_str()).header(ACCEPT, "text/html");
        let request = request.header("x-forwarded-for", FORGED_ADDRESS);
        if self.jar.is_empty() {
            return request;
        }
        let pairs: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request.header(COOKIE, pairs.join("; "))
    }

    fn keep(&mut self, answer: &Answer) {
        for cookie in answer.cookies() {
            let pair = cookie.split(';').next().and_then(|pair| pair.split_once('='));
            if let Some((name, value)) = pair {
                self.jar.retain(|(known, _)| known != name);
                if !value.is_empty() {
                    self.jar.push((name.to_owned(), value.to_owned()));
                }
            }
            self.cookies.push(cookie);
        }
    }
}

/// Where a form is posted, and what.
pub fn filled<const N: usize>(
    on: &Url,
    form: Form,
    typed: [(&str, String); N],
) -> Walked<(Url, Vec<(String, String)>)> {
    let url = on.join(&form.action).map_err(|_| "the form leads nowhere".to_owned())?;
    let mut fields = form.hidden;
    fields.extend(typed.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Ok((url, fields))
}

/// What came instead. Of a body only what an error is called and titled: the rest may hold tokens.
pub fn unexpected(expected: &str, answer: &Answer) -> String {
    let error = answer.json().and_then(|body| {
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(shown);
        Some(format!("{} ({})", text("error")?, text("error_description").unwrap_or_default()))
    });
    let what = error.unwrap_or_else(|| format!("the page '{}'", shown(&forms::title(&answer.body))));
    let request = answer.header(HeaderName::from_static("x-request-id")).map(shown);
    let request = request.map(|id| format!(", request {id}")).unwrap_or_default();
    format!("expected {expected}, got {}: {what}{request}", answer.status)
}
