//! W6 and W7: people who sign in, from the application's first redirect to its tokens, and what others feel of it.

use std::{cell::Cell, rc::Rc, time::Duration};

use anyhow::{Context, ensure};

use crate::{
    http::{Answer, Connection, form, request},
    measure::{Callers, Measured, Step, Window, closed_loop},
    place::{Cpu, Credentials, Server},
};

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT_URI: &str = "https://load.example/cb";

/// People who can sign in.
#[derive(Clone)]
pub struct People {
    all: Rc<Vec<(String, String)>>,
    next: Rc<Cell<usize>>,
    authorization: Rc<str>,
}

impl People {
    /// Those whom the fill command has made.
    pub fn new(credentials: &Credentials) -> anyhow::Result<People> {
        let authorization = credentials.basic("load-jwt")?.into();
        Ok(People { all: Rc::new(credentials.people.clone()), next: Rc::default(), authorization })
    }

    /// So many people, each at a browser.
    pub async fn callers(&self, server: &Server, callers: usize) -> anyhow::Result<Vec<Visitor>> {
        let mut steps = Vec::new();
        for _ in 0..callers {
            let at = self.next.replace(self.next.get() + 1) % self.all.len();
            steps.push(Visitor {
                connection: Connection::open(server.address).await?,
                host: server.host.clone(),
                authorization: self.authorization.clone(),
                person: self.all[at].clone(),
            });
        }
        Ok(steps)
    }

    /// Lets so many of them sign in, again and again.
    pub async fn measure(&self, server: &Server, callers: usize, window: Window) -> anyhow::Result<Measured> {
        Ok(closed_loop(server, self.callers(server, callers).await?, window).await)
    }
}

/// A person with a browser that keeps nothing from one sign-in to the next.
pub struct Visitor {
    connection: Connection,
    host: String,
    authorization: Rc<str>,
    person: (String, String),
}

/// The value of a hidden field of the page's first form.
fn field(page: &str, name: &str) -> Option<String> {
    let input = page.split_once(&format!("name=\"{name}\" value=\""))?.1;
    Some(input.split_once('"')?.0.to_owned())
}

/// Where an answer leads, as a path of this server or as it is.
fn location(answer: &Answer<'_>, host: &str, what: &str) -> anyhow::Result<String> {
    let told = || format!("{what}: status {} {}", answer.status, answer.text().chars().take(300).collect::<String>());
    ensure!(matches!(answer.status, 302 | 303), told());
    let location = answer.header("location").with_context(told)?;
    Ok(location.strip_prefix(&format!("http://{host}")).unwrap_or(location).to_owned())
}

/// Keeps the cookies of an answer.
fn keep(cookies: &mut Vec<(String, String)>, answer: &Answer<'_>) {
    for (_, cookie) in answer.headers().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
        if let Some((name, value)) = cookie.split(';').next().and_then(|pair| pair.split_once('=')) {
            cookies.retain(|(known, _)| known != name);
            cookies.push((name.to_owned(), value.to_owned()));
        }
    }
}

fn header(cookies: &[(String, String)]) -> String {
    cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}

impl Step for Visitor {
    async fn step(&mut self) -> anyhow::Result<()> {
        let Visitor { connection, host, authorization, person } = self;
        let mut cookies: Vec<(String, String)> = Vec::new();
        let asked = form(&[
            ("response_type", "code"),
            ("client_id", "load-jwt"),
            ("redirect_uri", REDIRECT_URI),
            ("scope", "openid profile email"),
            ("state", "0123456789abcdef"),
            ("nonce", "0123456789abcdef"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let accept = ("Accept", "text/html");
        let first = request("GET", &format!("/oauth/authorize?{asked}"), host, &[accept], "");
        let answer = connection.exchange(&first).await?;
        keep(&mut cookies, &answer);
        // an older server leads to the page by a redirect
        let answer = if answer.status == 200 {
            answer
        } else {
            let login = location(&answer, host, "authorize")?;
            connection.exchange(&request("GET", &login, host, &[accept], "")).await?
        };
        ensure!(answer.status == 200, "login page: status {}", answer.status);
        keep(&mut cookies, &answer);
        let page = answer.text();
        let csrf = field(page, "csrf_token").context("a login page without token")?;
        let sealed = field(page, "request").context("a login page without request")?;

        let cookie = header(&cookies);
        let typed = form(&[
            ("csrf_token", &csrf),
            ("request", &sealed),
            ("username", &person.0),
            ("password", &person.1),
            ("sign_in", "true"),
        ]);
        let posted = request("POST", "/login", host, &[accept, ("Cookie", &cookie)], &typed);
        let answer = connection.exchange(&posted).await?;
        keep(&mut cookies, &answer);
        let mut back = location(&answer, host, "login")?;
        // as an older server does
        if back.starts_with('/') {
            let cookie = header(&cookies);
            let answer = connection.exchange(&request("GET", &back, host, &[accept, ("Cookie", &cookie)], "")).await?;
            back = location(&answer, host, "authorize again")?;
        }
        let code = back.split(['?', '&']).find_map(|pair| pair.strip_prefix("code="));
        let code = code.with_context(|| format!("no code in {back}"))?;

        let redeemed = form(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ]);
        let headers = [("Authorization", &**authorization)];
        let answer = connection.exchange(&request("POST", "/oauth/token", host, &headers, &redeemed)).await?;
        ensure!(answer.member("id_token").is_some(), "no tokens: status {} {}", answer.status, answer.text());
        Ok(())
    }
}

/// Somebody who asks the same at a slow pace, and is annoyed when it takes long.
pub struct Bystander {
    /// The connection.
    pub connection: Connection,
    /// What is asked.
    pub request: Vec<u8>,
}

impl Step for Bystander {
    async fn step(&mut self) -> anyhow::Result<()> {
        let answer = self.connection.exchange(&self.request).await?;
        ensure!(answer.status == 200 && answer.body.len() > 50, "status {} {}", answer.status, answer.text());
        Ok(())
    }
}

/// How long introspection and a token take: while nothing else happens, then while so many people sign in.
pub struct Disturbed {
    /// Before.
    pub idle: [Measured; 2],
    /// Meanwhile.
    pub busy: [Measured; 2],
}

/// Between two requests of a bystander.
const PACE: Duration = Duration::from_millis(4);

/// Measures it, each for this window.
pub async fn disturb(
    server: &Server,
    people: &People,
    asked: &[Vec<u8>; 2],
    callers: usize,
    window: Window,
) -> anyhow::Result<Disturbed> {
    let mut bystanders = Vec::new();
    for request in asked {
        let connection = Connection::open(server.address).await?;
        let one = Bystander { connection, request: request.clone() };
        bystanders.push(Callers::start(vec![one], Some(PACE)));
    }
    let count = async || {
        tokio::time::sleep(window.warm_up).await;
        bystanders.iter().for_each(Callers::begin);
        tokio::time::sleep(window.length).await;
        [0, 1].map(|at| bystanders[at].end(window.length.as_secs_f64(), Cpu::default()))
    };
    let idle = count().await;
    let visitors = Callers::start(people.callers(server, callers).await?, None);
    let busy = count().await;
    drop(visitors);
    Ok(Disturbed { idle, busy })
}
