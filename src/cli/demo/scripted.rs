//! A scripted sign-in: the way of a person through the pages, without a browser. It proves before anybody comes that
//! the whole path works.

use anyhow::{Context, bail, ensure};
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, COOKIE, LOCATION, ORIGIN, SET_COOKIE},
};
use url::Url;

use super::{
    Demo, paths,
    relying_party::Session,
    seed::{APPLICATION, Seeded},
};
use crate::{
    app::App,
    cli::forms::{self, Form},
    store,
};

/// More redirects or pages than any sign-in has.
const MOST_STEPS: usize = 12;

/// Signs in to the demo application through the sign-in page and the consent page; the application's session.
///
/// # Errors
/// The page at which it did not go on.
pub async fn sign_in(demo: &Demo) -> anyhow::Result<Session> {
    Browser::new(demo).sign_in().await
}

/// Makes the server forget what the scripted sign-in agreed to, so that the person who comes next is asked. Its tokens
/// go on working.
///
/// # Errors
/// If the store fails.
pub async fn forget_consent(app: &App, demo: &Demo) -> Result<(), store::Error> {
    let principal = demo.seeded.principal_id.clone();
    app.store.write(move |tx| store::consent::withdraw(tx, &principal, APPLICATION)).await.map(|_| ())
}

/// What a browser does with pages, redirects and cookies, as far as signing in needs it.
pub(super) struct Browser<'a> {
    demo: &'a Demo,
    cookies: Vec<(String, String)>,
}

pub(super) struct Page {
    pub url: Url,
    pub status: StatusCode,
    pub body: String,
}

impl Browser<'_> {
    pub fn new(demo: &Demo) -> Browser<'_> {
        Browser { demo, cookies: Vec::new() }
    }

    pub async fn sign_in(&mut self) -> anyhow::Result<Session> {
        let Seeded { email, .. } = &self.demo.seeded;
        let password = self.demo.seeded.password();
        let (mut page, mut was_asked) = (self.open(&self.demo.url(paths::SIGN_IN)).await?, false);
        for _ in 0..MOST_STEPS {
            ensure!(page.status == StatusCode::OK, "{} answered {}: {}", page.url.path(), page.status, page.title());
            if page.url.path() == paths::RESULT {
                ensure!(was_asked, "the consent page was not shown");
                let cookie = self.cookie(&self.demo.cookie).unwrap_or_default();
                return self.demo.visitors.session(cookie).context("the demo application forgot who signed in");
            }
            page = if let Some(form) = Form::find(&page.body, "login-form") {
                self.send(&page.url, form, &[("username", email), ("password", password), ("sign_in", "true")]).await?
            } else if let Some(form) = Form::find(&page.body, "consent-form") {
                was_asked = true;
                self.send(&page.url, form, &[("decision", "allow")]).await?
            } else {
                bail!("{} shows neither a sign-in nor a consent page: {}", page.url.path(), page.title());
            };
        }
        bail!("the sign-in does not end; the last page was {}", page.url.path())
    }

    /// Presses the button of a form that has no more than hidden fields.
    #[cfg(test)]
    pub async fn press(&mut self, page: &Page, form: &str) -> anyhow::Result<Page> {
        let form = Form::find(&page.body, form).context("the page has no such form")?;
        self.send(&page.url, form, &[]).await
    }

    pub async fn open(&mut self, url: &str) -> anyhow::Result<Page> {
        self.follow(Method::GET, Url::parse(url)?, None).await
    }

    async fn send(&mut self, on: &Url, form: Form, more: &[(&str, &str)]) -> anyhow::Result<Page> {
        let mut fields = form.hidden;
        fields.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.follow(Method::POST, on.join(&form.action)?, Some(fields)).await
    }

    /// Asks, and goes where it is sent.
    async fn follow(
        &mut self,
        mut method: Method,
        mut url: Url,
        mut form: Option<Vec<(String, String)>>,
    ) -> anyhow::Result<Page> {
        for _ in 0..MOST_STEPS {
            let mut request = self.demo.wire.request(method, url.as_str()).header(ACCEPT, "text/html");
            if !self.cookies.is_empty() {
                let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
                request = request.header(COOKIE, pairs.join("; "));
            }
            if let Some(form) = form.take() {
                request = request.header(ORIGIN, self.demo.issuer.as_str()).form(&form);
            }
            let exchange = self.demo.wire.send(request).await?;
            for cookie in exchange.headers.get_all(SET_COOKIE) {
                self.keep(cookie.to_str()?);
            }
            if !matches!(exchange.status, StatusCode::FOUND | StatusCode::SEE_OTHER) {
                return Ok(Page { url, status: exchange.status, body: exchange.body });
            }
            let location = exchange.headers.get(LOCATION).context("a redirect to nowhere")?;
            url = url.join(location.to_str()?)?;
            ensure!(url.as_str().starts_with(self.demo.issuer.as_str()), "a redirect to another server: {url}");
            method = Method::GET;
        }
        bail!("too many redirects, the last one to {}", url.path())
    }

    fn keep(&mut self, cookie: &str) {
        let pair = cookie.split(';').next().unwrap_or_default();
        if let Some((name, value)) = pair.split_once('=') {
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Page {
    pub fn title(&self) -> String {
        forms::title(&self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::tests::demo;

    #[test]
    fn cookies_are_replaced_and_removed() {
        let demo = demo();
        let mut browser = Browser::new(&demo);
        browser.keep("a=1; Path=/; HttpOnly");
        browser.keep("b=2");
        browser.keep("a=3=; Max-Age=5");
        assert_eq!((browser.cookie("a"), browser.cookie("b")), (Some("3="), Some("2")));
        browser.keep("a=; Max-Age=0");
        assert_eq!(browser.cookie("a"), None);
    }
}
