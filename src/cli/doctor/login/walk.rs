//! The way of a person and an application through the whole code flow, as a browser and a server of theirs go it.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

use super::{
    browser::{Arrived, Browser, Walked, filled, unexpected},
    person::{CALLBACK, SCOPE, SIGNED_OUT, Throwaway},
};
use crate::{
    app::App,
    cli::{
        demo::id_token::{self, Expected},
        doctor::{
            clocks::Pair,
            finding::Step,
            wire::{Answer, Wire},
        },
        forms::Form,
    },
    keys::verify_with_jwks,
    model::{id::shown, secret::random_text, time::Timestamp},
    store,
};

/// What was seen on the way, however far it went.
#[derive(Debug, Default)]
pub struct Record {
    /// What was done, and how long it took.
    pub steps: Vec<Step>,
    /// All cookies that were set, as they came.
    pub cookies: Vec<String>,
    /// The address that the server noted with the session, once there is one.
    pub address: Option<Option<IpAddr>>,
    /// When the server signed the tokens, and when they arrived.
    pub signed: Option<Pair>,
}

/// Why it does not go on.
#[derive(Debug)]
pub enum Stuck {
    /// There were too many failed sign-ins from this address.
    Throttled(String),
    /// At this step, for this reason.
    At(&'static str, String),
}

/// A walk.
pub struct Walk {
    app: App,
    wire: Wire,
    who: Throwaway,
    browser: Browser,
    record: Record,
}

struct Tokens {
    access: String,
    refresh: String,
    id: String,
}

impl Walk {
    /// At the beginning.
    pub fn new(app: App, wire: Wire, who: Throwaway) -> Walk {
        Walk { browser: Browser::new(wire.clone()), app, wire, who, record: Record::default() }
    }

    /// Goes all the way.
    pub async fn go(mut self) -> (Record, Result<(), Stuck>) {
        let mut at = "authorize";
        let outcome = self.all(&mut at).await;
        let outcome = outcome.map_err(|why| match self.browser.throttled.take() {
            Some(retry) => Stuck::Throttled(retry),
            None => Stuck::At(at, why),
        });
        self.record.cookies = self.browser.cookies;
        (self.record, outcome)
    }

    async fn all(&mut self, at: &mut &'static str) -> Walked<()> {
        let (state, nonce, verifier) = (random_text::<16>(), random_text::<16>(), random_text::<32>());
        let mut begun = Instant::now();
        let mut next = |walk: &mut Walk, step: &'static str| {
            walk.record.steps.push(Step { step: at, milliseconds: millis(begun.elapsed()) });
            (*at, begun) = (step, Instant::now());
        };
        let login = self.authorize(&state, &nonce, &verifier).await?;
        next(self, "sign_in");
        let consent = self.sign_in(login).await?;
        next(self, "consent");
        let code = self.consent(consent, &state).await?;
        next(self, "token");
        let tokens = self.redeem(&code, &verifier).await?;
        next(self, "verify");
        let session = self.verify(&tokens, Some(&nonce)).await?;
        next(self, "userinfo");
        self.userinfo(&tokens.access).await?;
        next(self, "introspect");
        self.introspect(&tokens.access).await?;
        next(self, "refresh");
        let renewed = self.refresh(&tokens.refresh).await?;
        self.verify(&renewed, None).await?;
        next(self, "sign_out");
        self.sign_out(&renewed.id, &session).await?;
        next(self, "");
        Ok(())
    }

    /// To the page to sign in.
    async fn authorize(&mut self, state: &str, nonce: &str, verifier: &str) -> Walked<(Url, Form)> {
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        let mut url = self.url("/oauth/authorize")?;
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.who.client_id),
            ("redirect_uri", CALLBACK),
            ("scope", SCOPE),
            ("state", state),
            ("nonce", nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        self.browser.expect_form(Method::GET, url, None, "login-form").await
    }

    /// Types email and password; on to the page that asks for consent.
    async fn sign_in(&mut self, (url, form): (Url, Form)) -> Walked<(Url, Form)> {
        let typed = [
            ("username", self.who.email.clone()),
            ("password", self.who.password.expose_secret().to_owned()),
            ("sign_in", "true".to_owned()),
        ];
        let (url, fields) = filled(&url, form, typed)?;
        self.browser.expect_form(Method::POST, url, Some(fields), "consent-form").await
    }

    /// Allows it; the code (RFC 6749 §4.1.2), having checked `state` and `iss` (RFC 9207).
    async fn consent(&mut self, (url, form): (Url, Form), state: &str) -> Walked<String> {
        let (url, fields) = filled(&url, form, [("decision", "allow".to_owned())])?;
        let url = match self.browser.follow(Method::POST, url, Some(fields)).await? {
            Arrived::Away(url) => url,
            Arrived::Page(_, answer) => return Err(unexpected("a redirect to the application", &answer)),
        };
        let answer =
            |name: &str| url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
        if answer("state").as_deref() != Some(state) {
            return Err("the state came back changed".to_owned());
        }
        if answer("iss").as_deref() != Some(self.app.config.issuer()) {
            return Err("iss of the answer is not the issuer".to_owned());
        }
        answer("code").ok_or_else(|| format!("no code, but {}", shown(&answer("error").unwrap_or_default())))
    }

    async fn redeem(&mut self, code: &str, verifier: &str) -> Walked<Tokens> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", verifier),
        ];
        self.tokens(&form).await
    }

    async fn refresh(&mut self, token: &str) -> Walked<Tokens> {
        self.tokens(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    async fn tokens(&mut self, form: &[(&str, &str)]) -> Walked<Tokens> {
        let body = self.post("/oauth/token", form).await?;
        let text = |name: &str| {
            let value = body.get(name).and_then(Value::as_str).map(str::to_owned);
            value.ok_or_else(|| format!("the answer has no {name}"))
        };
        Ok(Tokens { access: text("access_token")?, refresh: text("refresh_token")?, id: text("id_token")? })
    }

    /// Verifies the tokens under the published keys, as their application and a resource would; the session's id.
    async fn verify(&mut self, tokens: &Tokens, nonce: Option<&str>) -> Walked<String> {
        let now = self.app.clock.now();
        let answer = self.wire.get(&self.wire.below("/oauth/jwks")).await?;
        let jwks = answer.json().ok_or_else(|| unexpected("a key set", &answer))?;
        let expected = Expected {
            issuer: self.app.config.issuer(),
            client_id: &self.who.client_id,
            nonce,
            access_token: &tokens.access,
            now,
        };
        let claims = id_token::verify(&tokens.id, &jwks, expected).map_err(|error| format!("{error:#}"))?;
        verify_with_jwks(&tokens.access, &jwks).map_err(|error| format!("the access token's signature: {error}"))?;
        if claims.get("sub").and_then(Value::as_str) != Some(&self.who.principal_id) {
            return Err("the ID token is about somebody else".to_owned());
        }
        let issued = claims.get("iat").and_then(Value::as_i64).map(Timestamp::from_seconds);
        self.record.signed = issued.map(|theirs| Pair { theirs, ours: now });
        let sid = claims.get("sid").and_then(Value::as_str).unwrap_or_default().to_owned();
        let id = sid.clone();
        let session = self.app.store.read(move |conn| store::session::find(conn, &id)).await;
        let session = session.map_err(|error| error.to_string())?;
        let session = session.ok_or("the session is not in this database: the server uses another one")?;
        self.record.address.get_or_insert(session.ip_address.and_then(|address| address.parse().ok()));
        Ok(sid)
    }

    async fn userinfo(&mut self, access: &str) -> Walked<()> {
        let request = self.wire.request(Method::GET, &self.wire.below("/oauth/userinfo")).bearer_auth(access);
        let body = json(&self.wire.send(request).await?)?;
        let told = |name: &str, value: &str| body.get(name).and_then(Value::as_str) == Some(value);
        match told("sub", &self.who.principal_id) && told("email", &self.who.email) {
            true => Ok(()),
            false => Err("it tells of somebody else".to_owned()),
        }
    }

    async fn introspect(&mut self, access: &str) -> Walked<()> {
        let body = self.post("/oauth/introspect", &[("token", access)]).await?;
        match body.get("active") == Some(&Value::Bool(true)) {
            true => Ok(()),
            false => Err("the access token is not active".to_owned()),
        }
    }

    /// Signs out as the application asks for it (RP-Initiated Logout §2); the session is over then.
    async fn sign_out(&mut self, id_token: &str, session: &str) -> Walked<()> {
        let mut url = self.url("/oauth/logout")?;
        url.query_pairs_mut()
            .append_pair("id_token_hint", id_token)
            .append_pair("post_logout_redirect_uri", SIGNED_OUT);
        match self.browser.follow(Method::GET, url, None).await? {
            Arrived::Away(url) if url.as_str() == SIGNED_OUT => {}
            Arrived::Away(url) => return Err(format!("leads to {}", shown(url.as_str()))),
            Arrived::Page(_, answer) => return Err(unexpected("a redirect to the application", &answer)),
        }
        let id = session.to_owned();
        let session = self.app.store.read(move |conn| store::session::find(conn, &id)).await;
        match session.map_err(|error| error.to_string())?.is_some_and(|session| session.ended_at.is_none()) {
            true => Err("the session goes on".to_owned()),
            false => Ok(()),
        }
    }

    fn url(&self, path: &str) -> Walked<Url> {
        Url::parse(&self.wire.below(path)).map_err(|error| error.to_string())
    }

    /// A request of the application itself.
    async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Walked<Value> {
        let request = self.wire.request(Method::POST, &self.wire.below(path)).form(form);
        let request = request.basic_auth(&self.who.client_id, Some(self.who.secret.reveal()));
        json(&self.wire.send(request).await?)
    }
}

fn json(answer: &Answer) -> Walked<Value> {
    match answer.json() {
        Some(body) if answer.status == StatusCode::OK => Ok(body),
        _ => Err(unexpected("200 with JSON", answer)),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
