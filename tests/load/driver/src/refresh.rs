//! W5: refresh tokens that are replaced at each use. The ceiling are the same statements without HTTP, client and
//! signature, by `keyward dev bench-refresh` on data of its own that was filled alike.

use std::{cell::Cell, rc::Rc};

use anyhow::{Context, ensure};

use crate::{
    http::{Connection, form, request},
    measure::{Measured, Step, Window, closed_loop},
    place::{Credentials, Place, Server, Setting},
};

/// Callers at the same time.
pub const CALLERS: [usize; 3] = [1, 32, 256];

/// Refresh tokens that nobody has used yet.
#[derive(Clone)]
pub struct Tokens {
    all: Rc<Vec<String>>,
    next: Rc<Cell<usize>>,
    authorization: Rc<str>,
}

impl Tokens {
    /// Those that the fill command has made.
    pub fn new(credentials: &Credentials) -> anyhow::Result<Tokens> {
        let authorization = credentials.basic("load-jwt")?.into();
        Ok(Tokens { all: Rc::new(credentials.all("refresh").to_vec()), next: Rc::default(), authorization })
    }

    /// So many callers, each with a token of its own.
    pub async fn callers(&self, server: &Server, callers: usize) -> anyhow::Result<Vec<Refresher>> {
        let mut steps = Vec::new();
        for _ in 0..callers {
            let at = self.next.replace(self.next.get() + 1);
            steps.push(Refresher {
                connection: Connection::open(server.address).await?,
                host: server.host.clone(),
                authorization: self.authorization.clone(),
                token: self.all.get(at).context("there are not enough refresh tokens")?.clone(),
            });
        }
        Ok(steps)
    }

    /// Lets so many callers refresh.
    pub async fn measure(&self, server: &Server, callers: usize, window: Window) -> anyhow::Result<Measured> {
        Ok(closed_loop(server, self.callers(server, callers).await?, window).await)
    }
}

/// A caller that presents each time what it got the last time.
pub struct Refresher {
    connection: Connection,
    host: String,
    authorization: Rc<str>,
    token: String,
}

impl Step for Refresher {
    async fn step(&mut self) -> anyhow::Result<()> {
        let body = form(&[("grant_type", "refresh_token"), ("refresh_token", &self.token)]);
        let ask = request("POST", "/oauth/token", &self.host, &[("Authorization", &self.authorization)], &body);
        let answer = self.connection.exchange(&ask).await?;
        ensure!(answer.status == 200, "refresh: status {} {}", answer.status, answer.text());
        self.token = answer.member("refresh_token").context("no refresh token")?.to_owned();
        Ok(())
    }
}

/// How often the statements alone run in a second, for so many callers.
pub fn raw(setting: &Setting, place: &Place, principals: &str, callers: usize, window: Window) -> anyhow::Result<f64> {
    let (callers, seconds) = (callers.to_string(), window.length.as_secs_f64().to_string());
    let args = ["dev", "bench-refresh", "--principals", principals, "--callers", &callers, "--seconds", &seconds];
    place.ask(setting, &args)?["rate"].as_f64().context("no rate")
}
