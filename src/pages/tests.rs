//! The pages as a browser meets them: it keeps cookies, reads forms and sends what they hold.

use std::{cell::RefCell, collections::BTreeMap, pin::Pin, rc::Rc, time::Duration};

use actix_web::{
    dev::ServiceResponse,
    http::{Method, StatusCode, header},
    test::{self, TestRequest},
    web,
};
use scraper::{Html, Selector};

use super::routes;
use crate::{
    app::App,
    clock::Clock,
    config::Config,
    model::{client_auth::AuthMethod, email::Email, key::SigningAlgorithm, secret::Kind, time::Timestamp},
    store::{self, client::Client, principal::Principal, session::Session},
    web::continuation::{ConsentQuestion, Pending, PendingAuthorization, PendingLogout, Unsealed},
};

const NOW: Timestamp = Timestamp::from_seconds(1_795_293_390);
const PASSWORD: &str = "Correct-horse-42";
const ADA: &str = "ada@example.com";

struct Place {
    app: App,
    dir: Rc<tempfile::TempDir>,
}

impl Place {
    async fn new() -> Place {
        Place::at("http://localhost:8080").await
    }

    async fn at(issuer: &str) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::defaults();
        config.issuer = Some(issuer.to_owned());
        config.data_dir = dir.path().to_owned();
        config.keys.signing_algorithms = vec![SigningAlgorithm::ES256];
        config.passwords.answer_floor = Duration::ZERO;
        config.passwords.argon2_memory_kib = 8;
        config.passwords.argon2_iterations = 1;
        Place { app: App::open(config, Clock::fixed(NOW)).await.unwrap(), dir: Rc::new(dir) }
    }

    /// The same data after a restart.
    async fn restarted(&self) -> Place {
        let app = App::open(self.app.config.clone(), self.app.clock.clone()).await.unwrap();
        Place { app, dir: self.dir.clone() }
    }

    async fn person(&self, email: &str, change: impl FnOnce(&mut Principal)) -> String {
        let mut person = Principal::new(crate::model::id::generate(NOW), Some(&email.parse::<Email>().unwrap()), NOW);
        person.name = Some("Ada Lovelace".to_owned());
        person.password_hash = Some(self.app.hasher.hash(PASSWORD.into()).await.unwrap());
        change(&mut person);
        let id = person.id.clone();
        self.app.store.write(move |tx| store::principal::insert(tx, &person)).await.unwrap();
        id
    }

    async fn client(&self) {
        let client = Client::new("ledger".to_owned(), "Ledger".to_owned(), AuthMethod::None, NOW);
        self.app.store.write(move |tx| store::client::insert(tx, &client)).await.unwrap();
    }

    /// A request of an application, as the authorization endpoint would seal it.
    fn request(&self, change: impl FnOnce(&mut PendingAuthorization)) -> String {
        let now = self.app.clock.now();
        let mut request = PendingAuthorization {
            parameters: vec![("client_id".to_owned(), "ledger".to_owned()), ("state".to_owned(), "<x>".to_owned())],
            client_id: "ledger".to_owned(),
            redirect_uri: "https://ledger.example/cb".to_owned(),
            login_hint: None,
            requested_at: now,
            expires_at: now + Duration::from_secs(3600),
            offer_account: false,
            authenticated: None,
            chosen: None,
            consent: None,
            consented: None,
            denied: false,
        };
        change(&mut request);
        request.seal(&self.app.seals.authorization_request)
    }

    /// The request that an answer takes back to the authorization endpoint.
    fn resumed(&self, page: &Page) -> PendingAuthorization {
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.html);
        let marker = format!("{}/oauth/authorize?continue=", self.app.config.base_path());
        let sealed = page.location.strip_prefix(&marker).unwrap_or_else(|| panic!("{}", page.location));
        match PendingAuthorization::unseal(&self.app.seals.authorization_request, sealed, self.app.clock.now()) {
            Unsealed::Fresh(request) => request,
            other => panic!("{other:?}"),
        }
    }

    async fn sessions(&self, principal: &str) -> Vec<Session> {
        let (id, now) = (principal.to_owned(), self.app.clock.now());
        self.app.store.read(move |conn| store::session::live_of(conn, &id, now)).await.unwrap()
    }
}

struct Page {
    status: StatusCode,
    location: String,
    html: String,
    headers: header::HeaderMap,
}

impl Page {
    fn has(&self, selector: &str) -> bool {
        Html::parse_document(&self.html).select(&Selector::parse(selector).unwrap()).next().is_some()
    }

    fn text(&self, selector: &str) -> String {
        let page = Html::parse_document(&self.html);
        let found = page.select(&Selector::parse(selector).unwrap()).next();
        let text = found.map(|element| element.text().collect::<String>()).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The form with this id: where it goes, and its fields with their values.
    fn form(&self, id: &str) -> (String, Vec<(String, String)>) {
        let page = Html::parse_document(&self.html);
        let form = page.select(&Selector::parse(&format!("form#{id}")).unwrap()).next();
        let form = form.unwrap_or_else(|| panic!("no form {id}: {} {}", self.status, self.html));
        let fields = form
            .select(&Selector::parse("input").unwrap())
            .filter(|input| input.attr("type") != Some("checkbox") || input.attr("checked").is_some())
            .map(|input| (input.attr("name").unwrap().to_owned(), input.attr("value").unwrap_or_default().to_owned()))
            .collect();
        (form.attr("action").unwrap().to_owned(), fields)
    }
}

type Answer = Pin<Box<dyn Future<Output = ServiceResponse>>>;

struct Browser {
    ask: Box<dyn Fn(TestRequest) -> Answer>,
    cookies: RefCell<BTreeMap<String, String>>,
}

impl Browser {
    /// A browser that has visited nothing yet.
    async fn new(place: &Place) -> Browser {
        let pages = web::scope(place.app.config.base_path()).configure(routes);
        let app = actix_web::App::new().app_data(web::Data::new(place.app.clone())).service(pages);
        let service = Rc::new(test::init_service(app).await);
        let ask = move |request: TestRequest| -> Answer {
            let service = service.clone();
            Box::pin(async move { test::call_service(&*service, request.to_request()).await })
        };
        Browser { ask: Box::new(ask), cookies: RefCell::default() }
    }

    async fn send(&self, request: TestRequest) -> Page {
        let cookies: Vec<String> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = (self.ask)(request.insert_header((header::COOKIE, cookies.join("; ")))).await;
        for cookie in response.response().cookies() {
            if cookie.max_age().is_some_and(|age| age.is_zero()) {
                self.cookies.borrow_mut().remove(cookie.name());
            } else {
                self.cookies.borrow_mut().insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let location = headers.get(header::LOCATION).map_or("", |value| value.to_str().unwrap()).to_owned();
        let html = String::from_utf8(test::read_body(response).await.to_vec()).unwrap();
        Page { status, location, html, headers }
    }

    async fn get(&self, uri: &str) -> Page {
        self.send(TestRequest::get().uri(uri)).await
    }

    /// Sends a page's form with these fields set or added.
    async fn submit(&self, page: &Page, form: &str, set: &[(&str, &str)]) -> Page {
        let (action, mut fields) = page.form(form);
        for (name, value) in set {
            fields.retain(|(field, _)| field != name);
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        self.send(TestRequest::post().uri(&action).set_form(fields)).await
    }

    async fn sign_in(&self, page: &Page, email: &str, password: &str) -> Page {
        self.submit(page, "login-form", &[("username", email), ("password", password), ("sign_in", "true")]).await
    }

    fn session_cookie(&self) -> Option<String> {
        self.cookies.borrow().iter().find(|(name, _)| name.contains("session")).map(|(_, value)| value.clone())
    }

    fn forget(&self, what: &str) {
        self.cookies.borrow_mut().retain(|name, _| !name.contains(what));
    }
}

fn login(request: &str) -> String {
    format!("/login?request={request}")
}

#[actix_web::test]
async fn the_first_owner_is_made_with_the_link_and_is_signed_in() {
    let place = Place::new().await;
    let browser = Browser::new(&place).await;
    assert_eq!(browser.get("/").await.location, "/setup");
    assert!(browser.get("/setup").await.html.contains("keyward setup-link"));
    let link = crate::identity::setup::mint_link(&place.app.store, NOW).await.unwrap();
    let wrong = crate::model::secret::Secret::generate(Kind::SetupLink);
    for bad in [wrong.reveal(), "x"] {
        assert_eq!(browser.get(&format!("/setup?token={bad}")).await.status, StatusCode::FORBIDDEN);
    }

    let page = browser.get(&format!("/setup?token={}", link.reveal())).await;
    assert_eq!(page.status, StatusCode::OK);
    let fill = |password, confirmation| {
        [("name", "Ada Lovelace"), ("email", ADA), ("new_password", password), ("password_confirmation", confirmation)]
    };
    let again = browser.submit(&page, "setup-form", &fill(PASSWORD, "another")).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(again.has("#password_confirmation-error"));
    let again = browser.submit(&again, "setup-form", &fill("short", "short")).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(again.text("#new_password-error").contains("at least 8"));
    browser.forget("browser");
    let again = browser.submit(&again, "setup-form", &fill(PASSWORD, PASSWORD)).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);

    let done = browser.submit(&again, "setup-form", &fill(PASSWORD, PASSWORD)).await;
    assert_eq!((done.status, done.location.as_str()), (StatusCode::SEE_OTHER, "/account"));
    assert_eq!(browser.get("/account").await.text("h1"), "Hello, Ada Lovelace");
    assert_eq!(browser.get("/").await.location, "/account");
    // a second click or the back button leads on too; for others it is closed
    let address = format!("/setup?token={}", link.reveal());
    assert_eq!(browser.get(&address).await.location, "/account");
    assert_eq!(browser.submit(&again, "setup-form", &fill(PASSWORD, PASSWORD)).await.location, "/account");
    browser.forget("session");
    assert_eq!(browser.get(&address).await.status, StatusCode::GONE);
    assert_eq!(browser.submit(&again, "setup-form", &fill(PASSWORD, PASSWORD)).await.status, StatusCode::GONE);
}

#[actix_web::test]
async fn signing_in_goes_on_to_the_application_however_often_it_is_sent() {
    let place = Place::new().await;
    let ada = place.person(ADA, |_| {}).await;
    place.client().await;
    let browser = Browser::new(&place).await;
    let page = browser.get(&login(&place.request(|r| r.login_hint = Some(ADA.to_owned())))).await;
    assert_eq!(page.headers.get(header::CACHE_CONTROL).unwrap(), "no-store");
    assert!(page.has(&format!("#username[value='{ADA}']")) && page.html.contains("Ledger"));

    let wrong = browser.sign_in(&page, ADA, "Wrong-horse-42").await;
    let unknown = browser.sign_in(&page, "nobody@example.com", PASSWORD).await;
    for refused in [&wrong, &unknown] {
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(!refused.headers.contains_key(header::WWW_AUTHENTICATE));
        assert_eq!(refused.text("#error-summary"), "The email or the password is not right.");
    }
    assert!(browser.session_cookie().is_none());

    let done = browser.sign_in(&wrong, ADA, PASSWORD).await;
    let request = place.resumed(&done);
    let [session] = &place.sessions(&ada).await[..] else { panic!("one session") };
    assert_eq!(request.authenticated.as_ref(), Some(&session.id));
    assert_eq!(request.chosen.as_ref(), Some(&session.id));
    assert_eq!((session.amr.join(" "), session.acr.as_str()), ("pwd".to_owned(), "keyward:password"));
    assert!(!session.persistent);

    // the back button, and the form once more
    let request = place.resumed(&browser.sign_in(&page, ADA, PASSWORD).await);
    assert_eq!(request.authenticated.as_ref(), Some(&session.id));
    assert_eq!(browser.get("/login").await.location, "/account");
}

#[actix_web::test]
async fn a_browser_without_its_cookie_gets_a_fresh_page_that_works() {
    let place = Place::new().await;
    place.person(ADA, |_| {}).await;
    let browser = Browser::new(&place).await;
    let page = browser.get(&login(&place.request(|_| {}))).await;
    browser.forget("browser");
    let again = browser.sign_in(&page, ADA, PASSWORD).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert!(again.has("#notice") && again.has(&format!("#username[value='{ADA}']")));
    assert!(browser.session_cookie().is_none());
    place.resumed(&browser.sign_in(&again, ADA, PASSWORD).await);

    // another site's form
    let (action, fields) = again.form("login-form");
    let forged = TestRequest::post().uri(&action).insert_header((header::ORIGIN, "https://evil.example"));
    assert_eq!(browser.send(forged.set_form(fields)).await.status, StatusCode::FORBIDDEN);
}

#[actix_web::test]
async fn a_page_from_before_a_restart_still_works() {
    let place = Place::new().await;
    place.person(ADA, |_| {}).await;
    let before = Browser::new(&place).await;
    let page = before.get(&login(&place.request(|_| {}))).await;
    let place = place.restarted().await;
    let after = Browser { cookies: before.cookies, ..Browser::new(&place).await };
    place.resumed(&after.sign_in(&page, ADA, PASSWORD).await);
    assert_eq!(after.get("/account").await.status, StatusCode::OK);
}

#[actix_web::test]
async fn a_request_that_waited_too_long_starts_again_and_a_foreign_one_does_not() {
    let place = Place::new().await;
    place.person(ADA, |_| {}).await;
    let browser = Browser::new(&place).await;
    let page = browser.get(&login(&place.request(|_| {}))).await;
    place.app.clock.advance(Duration::from_secs(3600));
    let expired = browser.sign_in(&page, ADA, PASSWORD).await;
    assert_eq!(expired.status, StatusCode::BAD_REQUEST);
    let (action, fields) = expired.form("restart-form");
    assert_eq!(action, "/oauth/authorize");
    let parameters = [("client_id", "ledger"), ("state", "<x>")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    assert_eq!(fields, parameters);
    assert!(browser.session_cookie().is_none());
    for bad in ["x", &"A".repeat(60_000), "%00", "%ff"] {
        let page = browser.get(&login(bad)).await;
        assert_eq!((page.status, page.has("#request-id")), (StatusCode::BAD_REQUEST, true), "{bad:.9}");
    }
}

#[actix_web::test]
async fn declining_goes_back_to_the_application() {
    let place = Place::new().await;
    let browser = Browser::new(&place).await;
    let page = browser.get(&login(&place.request(|_| {}))).await;
    let request = place.resumed(&browser.submit(&page, "login-form", &[("cancel", "true")]).await);
    assert!(request.denied && request.authenticated.is_none());
}

#[actix_web::test]
async fn the_account_button_goes_on_with_the_account_that_it_names() {
    let place = Place::new().await;
    let ada = place.person(ADA, |_| {}).await;
    place.person("bob@example.com", |person| person.name = Some("Bob".to_owned())).await;
    let browser = Browser::new(&place).await;
    let offer = login(&place.request(|request| request.offer_account = true));
    assert!(!browser.get(&offer).await.has("#account-form"));
    browser.sign_in(&browser.get("/login").await, ADA, PASSWORD).await;
    let page = browser.get(&offer).await;
    assert_eq!(page.text("#continue"), "Continue as Ada Lovelace");
    let press = [("account", "continue")];
    let request = place.resumed(&browser.submit(&page, "account-form", &press).await);
    assert_eq!((request.chosen, request.authenticated), (Some(place.sessions(&ada).await[0].id.clone()), None));

    // where a fresh proof is wanted, there is no such button, and pressing it anyway is none
    let sid = &place.sessions(&ada).await[0].id;
    let proof = login(&place.request(|r| r.parameters.push(("prompt".to_owned(), "login".to_owned()))));
    let proof = browser.get(&proof).await;
    assert!(!proof.has("#account-form") && proof.has("#notice"));
    let pressed = browser.submit(&proof, "login-form", &[("account", "continue"), ("session", sid)]).await;
    assert_eq!((pressed.status, pressed.has("#login-form")), (StatusCode::OK, true));

    // another tab: somebody else signs in, and then nobody is
    let login_page = browser.get(&login(&place.request(|_| {}))).await;
    browser.sign_in(&login_page, "bob@example.com", PASSWORD).await;
    let other = browser.submit(&page, "account-form", &press).await;
    assert_eq!((other.status, other.text("#continue").as_str()), (StatusCode::OK, "Continue as Bob"));
    browser.forget("session");
    assert!(!browser.submit(&other, "account-form", &press).await.has("#account-form"));
}

#[actix_web::test]
async fn too_many_guesses_have_to_wait() {
    let place = Place::new().await;
    place.person(ADA, |_| {}).await;
    let browser = Browser::new(&place).await;
    let page = browser.get("/login").await;
    let mut last = browser.sign_in(&page, ADA, "Wrong-horse-42").await;
    for _ in 0..10 {
        last = browser.sign_in(&page, ADA, "Wrong-horse-42").await;
    }
    assert_eq!(last.status, StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = last.headers.get(header::RETRY_AFTER).unwrap().to_str().unwrap().parse().unwrap();
    assert!(seconds > 0 && last.text("#error-summary").contains("Please wait"));
    assert_eq!(browser.sign_in(&last, ADA, PASSWORD).await.status, StatusCode::TOO_MANY_REQUESTS);
    place.app.clock.advance(Duration::from_secs(seconds));
    assert_eq!(browser.sign_in(&last, ADA, PASSWORD).await.location, "/account");
}

const NEW: &str = "Another-staple-77";

#[actix_web::test]
async fn a_temporary_password_opens_nothing_until_it_is_replaced() {
    let place = Place::new().await;
    let ada = place.person(ADA, |person| person.password_temporary = true).await;
    let browser = Browser::new(&place).await;
    let page = browser.get(&login(&place.request(|_| {}))).await;
    let forced = browser.sign_in(&page, ADA, PASSWORD).await;
    assert!(forced.location.starts_with("/password?ticket="), "{} {}", forced.status, forced.location);
    assert!(browser.session_cookie().is_none() && place.sessions(&ada).await.is_empty());

    let page = browser.get(&forced.location).await;
    assert!(!page.has("#current_password") && page.has(&format!("#username[value='{ADA}']")));
    let fill = |password| [("new_password", password), ("password_confirmation", password)];
    for bad in ["short", PASSWORD] {
        let again = browser.submit(&page, "password-form", &fill(bad)).await;
        assert_eq!((again.status, again.has("#new_password-error")), (StatusCode::UNPROCESSABLE_ENTITY, true));
    }

    // the link is worth nothing in another browser
    let other = Browser::new(&place).await;
    assert!(other.get(&forced.location).await.has("#login-form"));

    let done = browser.submit(&page, "password-form", &fill(NEW)).await;
    let request = place.resumed(&done);
    assert_eq!(request.authenticated, Some(place.sessions(&ada).await[0].id.clone()));
    // sent twice: the ticket is void, and the same request goes on from the login page
    let twice = browser.submit(&page, "password-form", &fill("Yet-another-99x")).await;
    assert_eq!(twice.text("#notice"), "Your password was changed. Sign in with the new one.");
    place.resumed(&browser.sign_in(&twice, ADA, NEW).await);
}

#[actix_web::test]
async fn a_ticket_does_not_last() {
    let place = Place::new().await;
    place.person(ADA, |person| person.password_temporary = true).await;
    let browser = Browser::new(&place).await;
    let forced = browser.sign_in(&browser.get("/login").await, ADA, PASSWORD).await;
    place.app.clock.advance(Duration::from_secs(15 * 60));
    assert!(browser.get(&forced.location).await.has("#login-form"));
    assert_eq!(browser.get("/password?ticket=x").await.status, StatusCode::BAD_REQUEST);
}

#[actix_web::test]
async fn an_own_password_is_changed_with_the_present_one_and_ends_other_sessions() {
    let place = Place::new().await;
    let ada = place.person(ADA, |_| {}).await;
    let (browser, elsewhere) = (Browser::new(&place).await, Browser::new(&place).await);
    assert_eq!(browser.get("/password").await.location, "/login");
    for browser in [&browser, &elsewhere] {
        browser.sign_in(&browser.get("/login").await, ADA, PASSWORD).await;
    }
    let before = browser.session_cookie();
    let page = browser.get("/password").await;
    let fill = |current| [("current_password", current), ("new_password", NEW), ("password_confirmation", NEW)];
    let wrong = browser.submit(&page, "password-form", &fill("Wrong-horse-42")).await;
    assert_eq!((wrong.status, wrong.has("#current_password-error")), (StatusCode::UNPROCESSABLE_ENTITY, true));
    let done = browser.submit(&page, "password-form", &fill(PASSWORD)).await;
    assert_eq!(done.location, "/account?password=changed");
    assert!(browser.get(&done.location).await.html.contains("Your password was changed"));
    assert_ne!(browser.session_cookie(), before);
    assert_eq!(place.sessions(&ada).await.len(), 1);
    assert_eq!(elsewhere.get("/account").await.location, "/login");
}

#[actix_web::test]
async fn consent_is_bound_to_who_gave_it() {
    let place = Place::new().await;
    let ada = place.person(ADA, |_| {}).await;
    place.client().await;
    let browser = Browser::new(&place).await;
    browser.sign_in(&browser.get("/login").await, ADA, PASSWORD).await;
    let session = place.sessions(&ada).await.remove(0);
    let question = |auth_time| ConsentQuestion {
        session_id: session.id.clone(),
        auth_time,
        scope: "openid email registry:read".parse().unwrap(),
        remembered: "openid".parse().unwrap(),
    };
    let ask = |auth_time| {
        format!("/consent?request={}", place.request(|request| request.consent = Some(question(auth_time))))
    };
    let page = browser.get(&ask(session.auth_time)).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.html.contains("ledger.example") && page.html.contains("Read “registry” for you"));
    assert!(page.text("li:nth-child(2)").contains("New") && !page.text("li:nth-child(1)").contains("New"));

    let denied = place.resumed(&browser.submit(&page, "consent-form", &[("decision", "deny")]).await);
    assert!(denied.denied && denied.consented.is_none());
    let switched = browser.submit(&page, "consent-form", &[("decision", "switch")]).await;
    assert!(switched.location.starts_with("/login?request="));
    let consented = place.resumed(&browser.submit(&page, "consent-form", &[("decision", "allow")]).await);
    let consented = consented.consented.unwrap();
    assert_eq!((&consented.session_id, consented.auth_time), (&session.id, session.auth_time));
    let remembered = place
        .app
        .store
        .read(move |conn| store::consent::find(conn, &ada, "ledger", "https://ledger.example"))
        .await
        .unwrap();
    assert_eq!(remembered.to_string(), "openid email registry:read");

    // the form of a page from before the person proved again who they are, or of somebody else's session
    place.app.clock.advance(Duration::from_secs(60));
    let login_page = browser.get(&login(&place.request(|_| {}))).await;
    browser.sign_in(&login_page, ADA, PASSWORD).await;
    let stale = place.resumed(&browser.submit(&page, "consent-form", &[("decision", "allow")]).await);
    assert!(stale.consented.is_none() && !stale.denied);
    assert!(place.resumed(&browser.get(&ask(session.auth_time)).await).consented.is_none());
    // and without the cookie it is asked again
    browser.forget("browser");
    let again = browser.submit(&page, "consent-form", &[("decision", "allow")]).await;
    assert!(again.location.starts_with("/consent?request="));
}

#[actix_web::test]
async fn signing_out_is_the_persons_decision() {
    let place = Place::new().await;
    let ada = place.person(ADA, |_| {}).await;
    place.client().await;
    let browser = Browser::new(&place).await;
    let request = PendingLogout {
        client_id: Some("ledger".to_owned()),
        return_to: Some("https://ledger.example/bye?state=1".to_owned()),
        expires_at: NOW + Duration::from_secs(60),
    };
    let asked = format!("/logout?request={}", request.seal(&place.app.seals.logout_request));
    assert_eq!(browser.get(&asked).await.location, "https://ledger.example/bye?state=1");
    assert_eq!(browser.get("/logout").await.text("h1"), "You are signed out");

    let login_page = browser.get("/login").await;
    browser.sign_in(&login_page, ADA, PASSWORD).await;
    let page = browser.get(&asked).await;
    assert!(page.text(".lead").contains("Ledger"));
    let stay = browser.submit(&page, "sign-out-form", &[("decision", "stay")]).await;
    assert_eq!((stay.location.as_str(), place.sessions(&ada).await.len()), ("/account", 1));
    let (action, fields) = page.form("sign-out-form");
    let forged = TestRequest::post().uri(&action).insert_header(("sec-fetch-site", "cross-site")).set_form(fields);
    assert_eq!(browser.send(forged).await.location, asked);
    assert_eq!(place.sessions(&ada).await.len(), 1);

    let out = browser.submit(&page, "sign-out-form", &[("decision", "sign-out")]).await;
    assert_eq!(out.location, "https://ledger.example/bye?state=1");
    assert!(browser.session_cookie().is_none() && place.sessions(&ada).await.is_empty());

    // by oneself, from the account
    browser.sign_in(&login_page, ADA, PASSWORD).await;
    let account = browser.get("/account").await;
    let out = browser.submit(&account, "sign-out-form", &[("decision", "sign-out")]).await;
    assert_eq!(browser.get(&out.location).await.text("h1"), "You are signed out");
    // an old request asks for nothing, but does not keep anybody from signing out
    browser.sign_in(&login_page, ADA, PASSWORD).await;
    place.app.clock.advance(Duration::from_secs(60));
    let old = browser.get(&asked).await;
    let out = browser.submit(&old, "sign-out-form", &[("decision", "sign-out")]).await;
    assert_eq!(out.location, "/logout");
}

#[actix_web::test]
async fn everything_stays_under_the_base_path() {
    let place = Place::at("http://localhost:8080/auth").await;
    place.person(ADA, |_| {}).await;
    place.client().await;
    let browser = Browser::new(&place).await;
    assert_eq!(browser.get("/login").await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/auth").await.location, "/auth/setup");
    let request = place.request(|_| {});
    let mut pages =
        vec![browser.get("/auth/setup").await, browser.get(&format!("/auth/login?request={request}")).await];
    place.resumed(&browser.sign_in(&pages[1], ADA, PASSWORD).await);
    for path in ["/auth/account", "/auth/password", "/auth/logout", "/auth/login?request=x"] {
        pages.push(browser.get(path).await);
    }
    assert_eq!(browser.get("/auth/").await.location, "/auth/account");
    for page in &pages {
        let html = Html::parse_document(&page.html);
        for element in html.select(&Selector::parse("[href], [src], [action]").unwrap()) {
            let address = ["href", "src", "action"].into_iter().find_map(|name| element.attr(name)).unwrap();
            assert!(address.starts_with("/auth/"), "{address}");
        }
    }
}

#[actix_web::test]
async fn what_is_no_form_of_ours_is_answered_with_a_page() {
    let place = Place::new().await;
    let browser = Browser::new(&place).await;
    let form = |body: &'static str| {
        TestRequest::post()
            .uri("/login")
            .insert_header((header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8"))
            .set_payload(body)
    };
    assert_eq!(browser.send(form("username=%ff")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(browser.send(form("username=a&unknown=1")).await.status, StatusCode::FORBIDDEN);
    let long = "a=".to_owned() + &"x".repeat(70_000);
    let long = form("").set_payload(long);
    assert_eq!(browser.send(long).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let json = TestRequest::post().uri("/login").set_json(["x"]);
    assert!(browser.send(json).await.has("#request-id"));
    let put = browser.send(TestRequest::default().method(Method::PUT).uri("/login")).await;
    assert_eq!(put.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(put.headers.get(header::ALLOW).unwrap(), "GET, HEAD, POST");
}
