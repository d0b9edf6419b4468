//! The server's own mails. Each is a text and the same as HTML, in `templates/mail`. Their links begin with the configured
//! issuer: what a request says its host is has no place in a mail.

use std::time::Duration;

use askama::Template;

use super::{Draft, Mailer};
use crate::{
    config::duration,
    model::{
        problem::{Code, Problem},
        time::Timestamp,
    },
    store::sending::NewSending,
};

/// The texts of a mail.
struct Texts {
    subject: String,
    category: &'static str,
    plain: askama::Result<String>,
    html: askama::Result<String>,
}

/// A mail's templates, from the same values.
macro_rules! mails {
    ($($(#[doc = $doc:literal])+ $name:ident($text:literal, $html:literal) { $($field:ident,)+ })+) => {$(
        $(#[doc = $doc])+
        mod $name {
            #[derive(askama::Template)]
            #[template(path = $text)]
            pub(super) struct Text<'t> { $(pub $field: &'t str,)+ }

            #[derive(askama::Template)]
            #[template(path = $html)]
            pub(super) struct Html<'t> { $(pub $field: &'t str,)+ }
        }
    )+};
}

mails! {
    /// Is this address yours?
    verify_email("mail/verify_email.txt", "mail/verify_email.html") { brand, link, lifetime, }
    /// Was that you?
    new_device("mail/new_device.txt", "mail/new_device.html") { brand, when, browser, address, link, }
    /// Did you want this?
    email_changed("mail/email_changed.txt", "mail/email_changed.html") { brand, when, }
    /// Does mail arrive?
    test("mail/test.txt", "mail/test.html") { brand, issuer, }
}

impl Mailer {
    /// The mail that verifies an address: whoever opens the link has read it. `path` is the page with its query, such as
    /// `/verify-email?token=…`, and begins with a slash; `lifetime` is for how long the link works.
    ///
    /// # Errors
    /// [`Code::MailNotConfigured`]; [`Code::FieldInvalid`] for an address that cannot be written to.
    pub fn email_verification(
        &self,
        to: &str,
        path: &str,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<NewSending, Problem> {
        let (brand, link) = (self.0.brand.as_str(), self.link(path));
        let (link, lifetime) = (link.as_str(), in_words(lifetime));
        let lifetime = lifetime.as_str();
        let texts = Texts {
            subject: format!("Confirm your email address for {brand}"),
            category: "system:email_verification",
            plain: verify_email::Text { brand, link, lifetime }.render(),
            html: verify_email::Html { brand, link, lifetime }.render(),
        };
        self.own(to, texts, now)
    }

    /// The mail that tells somebody that they signed in with a browser that was not known. Of what the browser says of
    /// itself only known words are repeated: whoever has stolen a password writes nothing into this mail.
    ///
    /// # Errors
    /// As [`Mailer::email_verification`].
    pub fn new_device(
        &self,
        to: &str,
        user_agent: Option<&str>,
        address: Option<&str>,
        now: Timestamp,
    ) -> Result<NewSending, Problem> {
        let (brand, browser) = (self.0.brand.as_str(), described(user_agent.unwrap_or_default()));
        let (when, link) = (now.rfc3339(), self.link("/account"));
        let (when, link, browser) = (when.as_str(), link.as_str(), browser.as_str());
        let address = address.unwrap_or("an unknown address");
        let texts = Texts {
            subject: format!("New sign-in to your {brand} account"),
            category: "system:new_device",
            plain: new_device::Text { brand, when, browser, address, link }.render(),
            html: new_device::Html { brand, when, browser, address, link }.render(),
        };
        self.own(to, texts, now)
    }

    /// The mail that tells an address that it no longer belongs to an account. The new one is not told: whoever reads the
    /// old mailbox need not be the person any more.
    ///
    /// # Errors
    /// As [`Mailer::email_verification`].
    pub fn email_changed(&self, to: &str, now: Timestamp) -> Result<NewSending, Problem> {
        let (brand, when) = (self.0.brand.as_str(), now.rfc3339());
        let when = when.as_str();
        let texts = Texts {
            subject: format!("Your {brand} account has another email address"),
            category: "system:email_changed",
            plain: email_changed::Text { brand, when }.render(),
            html: email_changed::Html { brand, when }.render(),
        };
        self.own(to, texts, now)
    }

    /// The mail by which an operator sees that mail arrives.
    ///
    /// # Errors
    /// As [`Mailer::email_verification`].
    pub fn test(&self, to: &str, now: Timestamp) -> Result<NewSending, Problem> {
        let (brand, issuer) = (self.0.brand.as_str(), self.0.issuer.as_str());
        let texts = Texts {
            subject: format!("Test mail of {brand}"),
            category: "system:test",
            plain: test::Text { brand, issuer }.render(),
            html: test::Html { brand, issuer }.render(),
        };
        self.own(to, texts, now)
    }

    fn link(&self, path: &str) -> String {
        format!("{}{path}", self.0.issuer)
    }

    fn own(&self, to: &str, texts: Texts, now: Timestamp) -> Result<NewSending, Problem> {
        let broken = |error: askama::Error| Problem::new(Code::Internal, error.to_string());
        // a name that the operator chose for pages may hold what a subject cannot
        let subject = texts.subject.chars().filter(|c| !c.is_control()).take(200).collect();
        let draft = Draft {
            to: vec![to.to_owned()],
            subject,
            plain: Some(texts.plain.map_err(broken)?),
            html: Some(texts.html.map_err(broken)?),
            category: Some(texts.category.to_owned()),
            ..Draft::default()
        };
        self.write(&draft, now)
    }
}

/// `24 hours`, `30 minutes`.
fn in_words(lifetime: Duration) -> String {
    let minutes = lifetime.as_secs() / 60;
    match minutes {
        0 => duration::format(lifetime),
        1 => "1 minute".to_owned(),
        60 => "1 hour".to_owned(),
        hours if hours % 60 == 0 => format!("{} hours", hours / 60),
        minutes => format!("{minutes} minutes"),
    }
}

/// `Firefox on Linux`: the first word of each list that the browser's name for itself contains.
fn described(user_agent: &str) -> String {
    // those that also claim to be another one come first
    const BROWSERS: [(&str, &str); 6] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chromium/", "Chromium"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 6] = [
        ("Android", "Android"),
        ("iPhone", "an iPhone"),
        ("iPad", "an iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "a Mac"),
        ("Linux", "Linux"),
    ];
    let find =
        |list: &[(&str, &'static str)]| list.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name);
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => format!("a browser on {system}"),
        (None, None) => "a browser or program".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_described_in_words_of_ours() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        assert_eq!(described(firefox), "Firefox on Linux");
        let edge =
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML) Chrome/140.0 Safari/537.36 Edg/140";
        assert_eq!(described(edge), "Edge on Windows");
        assert_eq!(described("click https://evil.example <b>now</b>"), "a browser or program");
    }

    #[test]
    fn lifetimes_are_said_in_words() {
        let minutes = |minutes: u64| in_words(Duration::from_secs(minutes * 60));
        assert_eq!(
            [minutes(1), minutes(30), minutes(60), minutes(24 * 60)],
            ["1 minute", "30 minutes", "1 hour", "24 hours"]
        );
    }
}
