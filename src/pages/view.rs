//! What the pages show: one struct per page, whose template has the same name.
//!
//! A handler decides and fills a struct; [`crate::web::page::html`] renders it. Texts are escaped by the templates, so
//! every field takes what a person or a client program sent. Field names, ids and button values are a contract with
//! the handlers, with password managers and with people who script a sign-in: they do not change.

use std::time::Duration;

use askama::Template;

use crate::web::view::filters;
pub use crate::web::view::{Error, Expired, FormPost, Frame, Link};

/// Something to do: a form with one button.
#[derive(Clone, Debug)]
pub struct PostButton {
    /// What the button says.
    pub label: String,
    /// Where the form is posted.
    pub action: String,
    /// Hidden fields, the anti-forgery token among them.
    pub fields: Vec<(String, String)>,
}

/// A complaint about one field of a form.
#[derive(Clone, Debug)]
pub struct FieldError {
    /// The field's `name`, which is its `id` too.
    pub field: String,
    /// What is wrong and what to do, as a sentence.
    pub message: String,
}

impl FieldError {
    /// A complaint about `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> FieldError {
        FieldError { field: field.into(), message: message.into() }
    }
}

/// Sign in with email and password.
///
/// Posts `csrf_token`, `request`, `username`, `password`, `stay_signed_in=true` if ticked, and the pressed button:
/// `sign_in=true` or `cancel=true`. The account button posts `csrf_token`, `request`, `session` and
/// `account=continue`.
#[derive(Template)]
#[template(path = "login.html")]
pub struct Login {
    /// What surrounds the page.
    pub frame: Frame,
    /// Where the form is posted.
    pub action: String,
    /// The anti-forgery token.
    pub csrf_token: String,
    /// The sealed authorization request; empty if no application waits, and then there is no cancel button.
    pub request: String,
    /// Who waits: "to continue to …".
    pub client_name: Option<String>,
    /// The email address to begin with: a `login_hint`, or what was typed before.
    pub username: String,
    /// Whether the box is ticked.
    pub stay_signed_in: bool,
    /// Why the last attempt failed, as one sentence.
    pub error: Option<String>,
    /// How long to wait before the next attempt.
    pub retry_after_seconds: Option<u64>,
    /// Something to know beforehand that is no error, such as why a signed-in person has to sign in again.
    pub notice: Option<String>,
    /// Who is signed in already and may go on with one button.
    pub account: Option<SignedIn>,
}

/// The account that a browser is signed in with.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The name that the person recognises.
    pub display: String,
    /// The session, so that the button does not go on with somebody who signed in later.
    pub session: String,
    /// Where the button is posted.
    pub action: String,
}

impl Login {
    fn has_error(&self) -> bool {
        self.error.is_some() || self.retry_after_seconds.is_some()
    }

    fn waiting_time(&self) -> Option<String> {
        self.retry_after_seconds.map(|seconds| in_words(Duration::from_secs(seconds)))
    }

    // After a failure the focus stays on a field, whose description is the message: typing goes on at once, and a
    // screen reader reads why. With an account to continue with, the focus stays at the page's beginning.
    fn focus_username(&self) -> bool {
        self.username.is_empty() && self.account.is_none()
    }

    fn focus_password(&self) -> bool {
        !self.username.is_empty() && self.account.is_none()
    }
}

/// A waiting time in words: seconds up to one and a half minutes, then minutes; rounded up.
pub fn in_words(wait: Duration) -> String {
    match wait.as_secs() + u64::from(wait.subsec_nanos() > 0) {
        0 | 1 => "a second".to_owned(),
        seconds @ 2..90 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// May this application use the account?
///
/// Posts `csrf_token`, `request` and `decision`: `allow`, `deny` or `switch`.
#[derive(Template)]
#[template(path = "consent.html")]
pub struct Consent {
    /// What surrounds the page.
    pub frame: Frame,
    /// Where the form is posted.
    pub action: String,
    /// The anti-forgery token.
    pub csrf_token: String,
    /// The sealed authorization request.
    pub request: String,
    /// Who asks.
    pub client_name: String,
    /// The host of the redirect URI: a name can be chosen, this cannot.
    pub client_host: String,
    /// Who is asked.
    pub display_name: String,
    /// The address of who is asked.
    pub email: String,
    /// What is asked for.
    pub items: Vec<ConsentItem>,
    /// How long the permission lasts.
    pub lasts: Lasts,
    /// The application's privacy policy (`policy_uri`).
    pub policy_url: Option<String>,
    /// The application's terms of service (`tos_uri`).
    pub terms_url: Option<String>,
}

/// One thing that an application asks for.
#[derive(Clone, Debug)]
pub struct ConsentItem {
    /// What it would do, after "… asks to": "See your name".
    pub sentence: String,
    /// What that means exactly.
    pub detail: Option<String>,
    /// Whether an earlier permission did not cover it.
    pub new: bool,
}

/// How long an application keeps what it was allowed.
#[derive(Clone, Copy, Debug)]
pub enum Lasts {
    /// As long as the browser session.
    UntilSignOut,
    /// So many days, by refresh tokens.
    UpToDays(u32),
}

/// Creates the first owner from a one-time link.
///
/// Posts `csrf_token`, `token`, `name`, `email`, `new_password`, `password_confirmation`, `create_owner=true`.
#[derive(Template)]
#[template(path = "setup.html")]
pub struct Setup {
    /// What surrounds the page.
    pub frame: Frame,
    /// Where the form is posted.
    pub action: String,
    /// The anti-forgery token.
    pub csrf_token: String,
    /// The link's secret.
    pub token: String,
    /// What was typed before.
    pub name: String,
    /// What was typed before.
    pub email: String,
    /// What makes a password good enough.
    pub password_hint: String,
    /// What is wrong with the last attempt.
    pub errors: Vec<FieldError>,
}

impl Setup {
    fn error_for(&self, field: &str) -> Option<&str> {
        message_for(&self.errors, field)
    }

    fn focus_new_password(&self) -> bool {
        false
    }
}

/// Replaces a password: after a temporary one, or because its owner wants to.
///
/// Posts `csrf_token`, `ticket`, `username`, `current_password` if asked for, `new_password`,
/// `password_confirmation`, `save_password=true`. The username is there for password managers only; the ticket says
/// whose password it is.
#[derive(Template)]
#[template(path = "change_password.html")]
pub struct ChangePassword {
    /// What surrounds the page.
    pub frame: Frame,
    /// Where the form is posted.
    pub action: String,
    /// The anti-forgery token.
    pub csrf_token: String,
    /// The sealed proof of who may choose the password; may be empty.
    pub ticket: String,
    /// The address of whose password it is.
    pub username: String,
    /// Why this is asked, as a sentence.
    pub reason: Option<String>,
    /// Whether the present password has to be given.
    pub ask_current_password: bool,
    /// What makes a password good enough.
    pub password_hint: String,
    /// What is wrong with the last attempt.
    pub errors: Vec<FieldError>,
}

impl ChangePassword {
    fn error_for(&self, field: &str) -> Option<&str> {
        message_for(&self.errors, field)
    }

    fn focus_new_password(&self) -> bool {
        self.errors.is_empty() && !self.ask_current_password
    }
}

fn message_for<'a>(errors: &'a [FieldError], field: &str) -> Option<&'a str> {
    errors.iter().find(|error| error.field == field).map(|error| error.message.as_str())
}

/// Says something: a link that does not work, a setup that is over.
#[derive(Template)]
#[template(path = "message.html")]
pub struct Message {
    /// What surrounds the page.
    pub frame: Frame,
    /// The one thing to say.
    pub heading: String,
    /// The rest, in sentences.
    pub paragraphs: Vec<String>,
    /// Where to go on.
    pub link: Option<Link>,
    /// What to do about it; posts its hidden fields and `confirm=true`.
    pub form: Option<PostButton>,
}

/// Asks before signing out.
///
/// Posts `csrf_token`, `request` and `decision`: `sign-out` or `stay`.
#[derive(Template)]
#[template(path = "sign_out_confirm.html")]
pub struct SignOutConfirm {
    /// What surrounds the page.
    pub frame: Frame,
    /// Where the form is posted.
    pub action: String,
    /// The anti-forgery token.
    pub csrf_token: String,
    /// The sealed logout request; may be empty.
    pub request: String,
    /// Who is signed in.
    pub display_name: String,
    /// The application that asks, if one does.
    pub client_name: Option<String>,
}

/// Says that the browser is signed out.
#[derive(Template)]
#[template(path = "signed_out.html")]
pub struct SignedOut {
    /// What surrounds the page.
    pub frame: Frame,
    /// The application to return to: its name and its address.
    pub client: Option<Link>,
}

/// The server was opened under an address that is not its own.
#[derive(Template)]
#[template(path = "misdirected.html")]
pub struct Misdirected {
    /// What surrounds the page.
    pub frame: Frame,
    /// The address in the browser.
    pub opened: String,
    /// The address that the server is set up with.
    pub expected: String,
    /// The setting that would make the opened address right.
    pub setting: String,
}

/// The account of who is signed in, for whom no application waits.
///
/// The sign-out button posts `csrf_token` and `decision=sign-out`.
#[derive(Template)]
#[template(path = "account.html")]
pub struct Account {
    /// What surrounds the page.
    pub frame: Frame,
    /// Who is signed in.
    pub display_name: String,
    /// Their address.
    pub email: String,
    /// The anti-forgery token.
    pub csrf_token: String,
    /// Where the sign-out button is posted.
    pub sign_out_action: String,
    /// Where a new password is chosen.
    pub change_password_url: String,
    /// What there is to know, a sentence each.
    pub facts: Vec<String>,
}

/// The start page of a browser that nobody is signed in with.
#[derive(Template)]
#[template(path = "home.html")]
pub struct Home {
    /// What surrounds the page.
    pub frame: Frame,
    /// Where to sign in.
    pub sign_in_url: String,
}

/// The start page of the demo application.
#[derive(Template)]
#[template(path = "demo_home.html")]
pub struct DemoHome {
    /// What surrounds the page.
    pub frame: Frame,
    /// Who can sign in.
    pub email: String,
    /// Their password, in clear: it belongs to a throw-away account.
    pub password: String,
    /// Begins the sign-in.
    pub sign_in_url: String,
    /// Who is signed in to the demo application.
    pub signed_in: Option<DemoUser>,
    /// The same protocol by hand.
    pub curl_lines: Vec<DemoCommand>,
}

/// Who is signed in to the demo application.
#[derive(Clone, Debug)]
pub struct DemoUser {
    /// The name from the ID token.
    pub display: String,
    /// Shows the steps and the tokens.
    pub result_url: String,
    /// Begins the sign-out.
    pub sign_out_url: String,
}

/// A command to copy.
#[derive(Clone, Debug)]
pub struct DemoCommand {
    /// What it does.
    pub title: String,
    /// The command, line breaks included.
    pub command: String,
}

/// What went over the wire when somebody signed in to the demo application.
///
/// The refresh button posts `refresh=true`.
#[derive(Template)]
#[template(path = "demo_result.html")]
pub struct DemoResult {
    /// What surrounds the page.
    pub frame: Frame,
    /// Who signed in.
    pub display_name: String,
    /// The steps, in their order.
    pub hops: Vec<DemoHop>,
    /// The tokens that came back.
    pub tokens: Vec<DemoToken>,
    /// The answer of the userinfo endpoint.
    pub userinfo_json: String,
    /// Where the refresh button is posted.
    pub refresh_action: String,
    /// Begins another sign-in.
    pub sign_in_again_url: String,
    /// Begins the sign-out.
    pub sign_out_url: String,
}

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct DemoHop {
    /// What happens.
    pub title: String,
    /// Why it happens.
    pub explanation: String,
    /// The request as it was sent.
    pub request: String,
    /// The answer as it came.
    pub response: String,
}

/// A token, and what is in it.
#[derive(Clone, Debug)]
pub struct DemoToken {
    /// Which one it is.
    pub name: String,
    /// As it was sent.
    pub raw: String,
    /// Its header; empty for an opaque token.
    pub header_json: String,
    /// Its claims; empty for an opaque token.
    pub claims_json: String,
}

#[cfg(test)]
mod tests {
    use scraper::{ElementRef, Html, Selector};

    use super::*;

    const CSS: &str = include_str!("../../static/keyward.css");

    /// Every page, in the states that differ, under a name; `t` makes each text from an ordinary one.
    fn samples(t: &dyn Fn(&str) -> String) -> Vec<(&'static str, String)> {
        let frame = || Frame {
            brand: t("Keyward"),
            base: String::new(),
            request_id: t("0199f3a2-7c1e-7a40-9a65-3f1a2b4c5d6e"),
        };
        let pairs =
            |list: &[(&str, &str)]| -> Vec<(String, String)> { list.iter().map(|(a, b)| (t(a), t(b))).collect() };
        let sealed = "v1.".to_owned() + &"q8Zk3xW_".repeat(60);
        let login = || Login {
            frame: frame(),
            action: t("/login"),
            csrf_token: t("c3JmLXRva2VuLXdpdGgtMzItcmFuZG9tLWJ5dGVz"),
            request: t(&sealed),
            client_name: Some(t("Ledger")),
            username: String::new(),
            stay_signed_in: false,
            error: None,
            retry_after_seconds: None,
            notice: None,
            account: None,
        };
        let setup = |errors| Setup {
            frame: frame(),
            action: t("/setup"),
            csrf_token: t("csrf"),
            token: t("kwsu_secret"),
            name: t("Ada Lovelace"),
            email: t("ada@example.com"),
            password_hint: t("At least 12 characters. A few random words are easy to remember and hard to guess."),
            errors,
        };
        let change = |ask_current_password, errors| ChangePassword {
            frame: frame(),
            action: t("/password"),
            csrf_token: t("csrf"),
            ticket: t("v1.ticket"),
            username: t("ada@example.com"),
            reason: Some(t("The password that you used was temporary. Choose one that only you know.")),
            ask_current_password,
            password_hint: t("At least 12 characters. A few random words are easy to remember and hard to guess."),
            errors,
        };
        // The field of an error is the handlers' constant, never something that was sent.
        let wrong = |field: &str, message: &str| FieldError::new(field, t(message));
        let demo_user =
            || DemoUser { display: t("Ada Lovelace"), result_url: t("/demo/result"), sign_out_url: t("/demo/out") };
        let demo_home = |signed_in| DemoHome {
            frame: frame(),
            email: t("demo@example.com"),
            password: t("correct horse battery staple"),
            sign_in_url: t("/demo/sign-in"),
            signed_in,
            curl_lines: vec![
                DemoCommand {
                    title: t("Ask for a token"),
                    command: t(
                        "curl -u demo-service:kwcs_secret \\\n  -d grant_type=client_credentials \\\n  http://localhost:8080/oauth/token",
                    ),
                },
                DemoCommand {
                    title: t("What the server can do"),
                    command: t("curl http://localhost:8080/.well-known/openid-configuration"),
                },
            ],
        };
        let claims = "{\n  \"iss\": \"http://localhost:8080\",\n  \"sub\": \"0199f3a2-7c1e-7a40-9a65-3f1a2b4c5d6e\",\n  \
                      \"aud\": \"demo\",\n  \"exp\": 1795293390\n}";
        let pages: Vec<(&'static str, Box<dyn askama::DynTemplate>)> = vec![
            ("login", Box::new(login())),
            ("login_alone", Box::new(Login { client_name: None, request: String::new(), ..login() })),
            (
                "login_error",
                Box::new(Login {
                    username: t("ada@example.com"),
                    stay_signed_in: true,
                    error: Some(t("The email or the password is not right.")),
                    ..login()
                }),
            ),
            (
                "login_wait",
                Box::new(Login {
                    error: Some(t("That were too many attempts.")),
                    retry_after_seconds: Some(30),
                    ..login()
                }),
            ),
            (
                "login_account",
                Box::new(Login {
                    notice: Some(t("Choose how to go on.")),
                    account: Some(SignedIn {
                        display: t("Ada Lovelace"),
                        session: t("sid"),
                        action: t("/login/account"),
                    }),
                    ..login()
                }),
            ),
            (
                "consent",
                Box::new(Consent {
                    frame: frame(),
                    action: t("/consent"),
                    csrf_token: t("csrf"),
                    request: t(&sealed),
                    client_name: t("Ledger"),
                    client_host: t("ledger.example"),
                    display_name: t("Ada Lovelace"),
                    email: t("ada@example.com"),
                    items: vec![
                        ConsentItem { sentence: t("Know who you are"), detail: None, new: false },
                        ConsentItem {
                            sentence: t("See your profile"),
                            detail: Some(t("Your name and the language you prefer")),
                            new: false,
                        },
                        ConsentItem { sentence: t("See your email address"), detail: None, new: true },
                    ],
                    lasts: Lasts::UpToDays(180),
                    policy_url: Some(t("https://ledger.example/privacy")),
                    terms_url: Some(t("https://ledger.example/terms")),
                }),
            ),
            ("setup", Box::new(setup(vec![]))),
            (
                "setup_errors",
                Box::new(setup(vec![
                    wrong("email", "Enter an email address such as ada@example.com."),
                    wrong("new_password", "Choose a longer password: this one has 8 characters."),
                    wrong("password_confirmation", "Enter the same password twice."),
                ])),
            ),
            ("change_password", Box::new(change(false, vec![]))),
            (
                "change_password_errors",
                Box::new(change(true, vec![wrong("current_password", "The current password is not right.")])),
            ),
            (
                "message",
                Box::new(Message {
                    frame: frame(),
                    heading: t("This link does not work any more"),
                    paragraphs: vec![
                        t("A setup link works once and for a limited time."),
                        t("Ask for a new one on the machine that runs this server."),
                    ],
                    link: Some(Link { label: t("Go to the start page"), href: t("/") }),
                    form: Some(PostButton {
                        label: t("Try again"),
                        action: t("/again"),
                        fields: pairs(&[("csrf_token", "csrf")]),
                    }),
                }),
            ),
            (
                "sign_out_confirm",
                Box::new(SignOutConfirm {
                    frame: frame(),
                    action: t("/logout"),
                    csrf_token: t("csrf"),
                    request: t(&sealed),
                    display_name: t("Ada Lovelace"),
                    client_name: Some(t("Ledger")),
                }),
            ),
            (
                "signed_out",
                Box::new(SignedOut {
                    frame: frame(),
                    client: Some(Link { label: t("Ledger"), href: t("https://ledger.example/bye?state=1") }),
                }),
            ),
            (
                "error",
                Box::new(Error {
                    frame: frame(),
                    title: t("This application is not set up correctly"),
                    explanation: vec![
                        t(
                            "Ledger asked to send you to an address that it has not registered. To keep you safe, you were not sent there.",
                        ),
                        t("You can do nothing about it here; the people who run Ledger can."),
                    ],
                    details: pairs(&[
                        ("Sent redirect_uri", "https://ledger.example/callback/"),
                        ("Registered", "https://ledger.example/callback"),
                    ]),
                    link: Some(Link { label: t("Go to the start page"), href: t("/") }),
                }),
            ),
            (
                "expired",
                Box::new(Expired {
                    frame: frame(),
                    action: t("/oauth/authorize"),
                    fields: pairs(&[("client_id", "ledger"), ("scope", "openid profile")]),
                }),
            ),
            (
                "form_post",
                Box::new(FormPost {
                    frame: frame(),
                    action: t("https://ledger.example/callback"),
                    fields: pairs(&[("code", "kwac_code"), ("state", "xyz"), ("submit", "hides the form's own")]),
                }),
            ),
            (
                "misdirected",
                Box::new(Misdirected {
                    frame: frame(),
                    opened: t("http://192.168.0.5:8080"),
                    expected: t("http://localhost:8080"),
                    setting: t("KEYWARD_ISSUER=http://192.168.0.5:8080"),
                }),
            ),
            (
                "account",
                Box::new(Account {
                    frame: frame(),
                    display_name: t("Ada Lovelace"),
                    email: t("ada@example.com"),
                    csrf_token: t("csrf"),
                    sign_out_action: t("/logout"),
                    change_password_url: t("/password"),
                    facts: vec![
                        t("You are an owner of this server."),
                        t("Signed in since 21 November 2026, 20:36 UTC."),
                    ],
                }),
            ),
            ("home", Box::new(Home { frame: frame(), sign_in_url: t("/login") })),
            ("demo_home", Box::new(demo_home(None))),
            ("demo_home_signed_in", Box::new(demo_home(Some(demo_user())))),
            (
                "demo_result",
                Box::new(DemoResult {
                    frame: frame(),
                    display_name: t("Ada Lovelace"),
                    hops: (0..4)
                        .map(|_| DemoHop {
                            title: t("The application sends the browser to the server"),
                            explanation: t("The request names the application and carries the PKCE challenge."),
                            request: t(
                                "GET /oauth/authorize?response_type=code&client_id=demo HTTP/1.1\nHost: localhost:8080",
                            ),
                            response: t("HTTP/1.1 303 See Other\nLocation: http://localhost:8080/login"),
                        })
                        .collect(),
                    tokens: ["ID token", "Access token", "Refresh token"]
                        .iter()
                        .map(|name| DemoToken {
                            name: t(name),
                            raw: t(&"eyJhbGciOiJFUzI1NiJ9.".repeat(20)),
                            header_json: t("{\n  \"alg\": \"ES256\"\n}"),
                            claims_json: t(claims),
                        })
                        .collect(),
                    userinfo_json: t(claims),
                    refresh_action: t("/demo/refresh"),
                    sign_in_again_url: t("/demo/sign-in"),
                    sign_out_url: t("/demo/out"),
                }),
            ),
        ];
        pages.into_iter().map(|(name, page)| (name, page.dyn_render().unwrap())).collect()
    }

    fn ordinary() -> Vec<(&'static str, String)> {
        samples(&|text| text.to_owned())
    }

    fn all<'a>(page: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
        page.select(&Selector::parse(selector).unwrap()).collect()
    }

    fn text_of(element: ElementRef<'_>) -> String {
        element.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The tree of element and attribute names, without any text.
    fn skeleton(html: &str) -> Vec<String> {
        let page = Html::parse_document(html);
        all(&page, "*")
            .iter()
            .map(|element| {
                let mut names: Vec<_> = element.value().attrs().map(|(name, _)| name).collect();
                names.sort_unstable();
                format!("{}{names:?}", element.value().name())
            })
            .collect()
    }

    #[test]
    fn a_page_and_its_style_fit_into_20_kilobytes() {
        for (name, html) in ordinary() {
            let size = html.len() + CSS.len();
            assert!(size <= 20 * 1024, "{name}: {size} bytes");
        }
    }

    #[test]
    fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
        for (name, html) in ordinary() {
            let page = Html::parse_document(&html);
            assert_eq!(page.errors, Vec::<std::borrow::Cow<'static, str>>::new(), "{name}");
            assert!(all(&page, "style, [style], iframe, object, base").is_empty(), "{name}");
            for script in all(&page, "script") {
                assert!(script.attr("src").is_some() && script.inner_html().is_empty(), "{name}");
            }
            for element in all(&page, "*") {
                for (attribute, value) in element.value().attrs() {
                    assert!(!attribute.starts_with("on"), "{name}: {attribute}");
                    let fetched = attribute == "src" || (attribute == "href" && element.value().name() == "link");
                    assert!(!fetched || value.starts_with("/static/"), "{name}: {value}");
                }
            }
        }
        assert!(!CSS.contains("url(") && !CSS.contains("@import"));
    }

    #[test]
    fn only_the_form_post_page_has_a_script() {
        for (name, html) in ordinary() {
            assert_eq!(html.contains("<script"), name == "form_post", "{name}");
        }
    }

    #[test]
    fn a_page_has_a_language_a_title_a_heading_and_its_landmarks() {
        for (name, html) in ordinary() {
            let page = Html::parse_document(&html);
            assert_eq!(all(&page, "html[lang=en]").len(), 1, "{name}");
            assert_eq!(all(&page, "main").len(), 1, "{name}");
            assert_eq!(all(&page, "body > header").len(), 1, "{name}");
            let [heading] = all(&page, "h1")[..] else { panic!("{name}: one h1") };
            assert!(!text_of(heading).is_empty(), "{name}");
            let [title] = all(&page, "head > title")[..] else { panic!("{name}: one title") };
            assert!(text_of(title).ends_with(" · Keyward") && text_of(title).len() > 12, "{name}: {}", text_of(title));
        }
    }

    #[test]
    fn every_field_has_a_label_an_id_and_a_name() {
        for (name, html) in ordinary() {
            let page = Html::parse_document(&html);
            for input in all(&page, "input") {
                assert!(input.attr("name").is_some_and(|n| !n.is_empty()), "{name}: {}", input.html());
                assert!(input.attr("placeholder").is_none(), "{name}");
                if input.attr("type") != Some("hidden") {
                    let id = input.attr("id").unwrap();
                    assert_eq!(input.attr("name"), Some(id), "{name}");
                    assert_eq!(all(&page, &format!("label[for={id}]")).len(), 1, "{name}: {id}");
                }
            }
            for button in all(&page, "button") {
                assert_eq!(button.attr("type"), Some("submit"), "{name}");
                assert!(button.attr("id").is_some() && !text_of(button).is_empty(), "{name}");
                // The forms whose parameters are somebody else's stay without one.
                assert_eq!(button.attr("name").is_none(), ["expired", "form_post"].contains(&name), "{name}");
            }
            for form in all(&page, "form") {
                assert!(form.attr("method").is_some() && form.attr("action").is_some_and(|a| a != "#"), "{name}");
            }
            let mut ids: Vec<_> = all(&page, "[id]").iter().map(|e| e.attr("id").unwrap().to_owned()).collect();
            let count = ids.len();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), count, "{name}: an id twice");
            for element in all(&page, "[aria-describedby], [aria-labelledby]") {
                let named = element.attr("aria-describedby").or(element.attr("aria-labelledby")).unwrap();
                assert!(named.split(' ').all(|id| ids.iter().any(|i| i == id)), "{name}: {named}");
            }
            assert!(all(&page, "[autofocus]").len() <= 1, "{name}");
        }
    }

    #[test]
    fn password_managers_find_their_fields() {
        let pages = ordinary();
        let tokens = |name: &str| -> Vec<String> {
            let html = &pages.iter().find(|(n, _)| *n == name).unwrap().1;
            all(&Html::parse_document(html), "input[autocomplete]")
                .iter()
                .map(|i| format!("{} {}", i.attr("name").unwrap(), i.attr("autocomplete").unwrap()))
                .collect()
        };
        assert_eq!(tokens("login"), ["username username", "password current-password"]);
        let chosen = ["new_password new-password", "password_confirmation new-password"];
        assert_eq!(tokens("setup"), [&["name name", "email email"], &chosen[..]].concat());
        assert_eq!(tokens("change_password"), [&["username username"], &chosen[..]].concat());
        let forced = ["username username", "current_password current-password"];
        assert_eq!(tokens("change_password_errors"), [&forced, &chosen[..]].concat());
    }

    #[test]
    fn complaints_are_announced_and_lead_to_their_fields() {
        for (name, html) in ordinary() {
            let page = Html::parse_document(&html);
            let alerts = all(&page, "[role=alert]");
            assert_eq!(
                alerts.len(),
                usize::from(name.ends_with("_errors") || name == "login_error" || name == "login_wait")
            );
            for alert in alerts {
                assert_eq!(alert.attr("tabindex"), Some("-1"), "{name}");
                let title = text_of(all(&page, "title")[0]);
                assert!(title.starts_with("Error: "), "{name}: {title}");
            }
            for link in all(&page, "[role=alert] a") {
                let field = link.attr("href").unwrap().trim_start_matches('#');
                let [input] = all(&page, &format!("input#{field}"))[..] else { panic!("{name}: {field}") };
                assert_eq!(input.attr("aria-invalid"), Some("true"), "{name}");
                assert!(input.attr("aria-describedby").unwrap().contains(&format!("{field}-error")), "{name}");
            }
        }
    }

    #[test]
    fn the_focus_is_where_the_person_goes_on() {
        let pages = ordinary();
        let focused = |name: &str| -> Option<String> {
            let html = &pages.iter().find(|(n, _)| *n == name).unwrap().1;
            all(&Html::parse_document(html), "[autofocus]").first().map(|e| e.attr("id").unwrap().to_owned())
        };
        assert_eq!(focused("login").as_deref(), Some("username"));
        assert_eq!(focused("login_error").as_deref(), Some("password"));
        assert_eq!(focused("login_account"), None);
        assert_eq!(focused("setup").as_deref(), Some("name"));
        assert_eq!(focused("setup_errors").as_deref(), Some("error-summary"));
        assert_eq!(focused("change_password").as_deref(), Some("new_password"));
        assert_eq!(focused("change_password_errors").as_deref(), Some("error-summary"));
        assert_eq!(focused("consent"), None, "nothing is allowed by a stray key");
    }

    #[test]
    fn enter_signs_in_and_cancel_needs_no_fields() {
        let html = ordinary().swap_remove(0).1;
        let page = Html::parse_document(&html);
        let buttons: Vec<_> = all(&page, "#login-form button").iter().map(|b| b.attr("id").unwrap()).collect();
        // HTML, implicit submission: the first submit button of the form is the one that Enter presses.
        assert_eq!(buttons, ["sign-in", "cancel"]);
        assert_eq!(all(&page, "#cancel[formnovalidate]").len(), 1);
    }

    #[test]
    fn texts_from_outside_stay_texts() {
        let ordinary = ordinary();
        for attack in [
            "<script>alert(1)</script>",
            "\"><img src=x onerror=alert(1)>",
            "' autofocus onfocus='alert(1)",
            "</title></pre></code><svg onload=alert(1)>",
            "javascript:alert(1)",
            " \u{1}JaVa\tScRi\npt:alert(1)//",
            "data:text/html,<script>alert(1)</script>",
            "{{ 7 * 7 }}&lt;script&gt;<!-- -->",
        ] {
            for ((name, html), (_, harmless)) in
                samples(&|text| format!("{attack}{}", text.len())).iter().zip(&ordinary)
            {
                assert_eq!(skeleton(html), skeleton(harmless), "{name} with {attack}");
                let page = Html::parse_document(html);
                for element in all(&page, "[href], [action], [src], [formaction]") {
                    for attribute in ["href", "action", "src", "formaction"] {
                        let value = element.attr(attribute).unwrap_or_default();
                        let bare: String = value.chars().filter(|c| !c.is_control() && *c != ' ').collect();
                        let bare = bare.to_ascii_lowercase();
                        assert!(!bare.starts_with("javascript:") && !bare.starts_with("data:"), "{name}: {value}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_address_that_runs_code_leads_nowhere_and_others_stay() {
        for (address, shown) in [
            ("https://a.example/?a=1", "https://a.example/?a=1"),
            ("/login?next=javascript:1", "/login?next=javascript:1"),
            ("com.example.app:/callback", "com.example.app:/callback"),
            ("javascript:alert(1)", "#"),
            ("java\nscript:alert(1)", "#"),
            ("\u{0}\u{1f} VBScript:x", "#"),
            ("data:text/html,x", "#"),
        ] {
            let page = Home {
                frame: Frame { brand: "K".to_owned(), base: "/auth".to_owned(), request_id: "r".to_owned() },
                sign_in_url: address.to_owned(),
            }
            .render()
            .unwrap();
            let page = Html::parse_document(&page);
            assert_eq!(all(&page, "#sign-in")[0].attr("href"), Some(shown), "{address:?}");
        }
    }

    #[test]
    fn a_wait_is_told_in_words() {
        let told = [0, 1, 2, 89, 90, 121].map(|seconds| in_words(Duration::from_secs(seconds)));
        assert_eq!(told, ["a second", "a second", "2 seconds", "89 seconds", "2 minutes", "3 minutes"]);
    }
}
