//! W1 to W4 and W8: requests that are made once and sent again and again, each beside the same server that answers them
//! with a constant.

use std::{cell::Cell, net::SocketAddr, rc::Rc};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::{
    http::{Connection, form, request},
    measure::{Measured, Step, Window, closed_loop, fault},
    place::{Credentials, Server},
};

/// The cryptography that a request cannot do without.
#[derive(Clone, Copy)]
pub enum Crypto {
    /// None.
    Nothing,
    /// A signature with this algorithm.
    Sign(&'static str),
    /// The verification of one.
    Verify(&'static str),
    /// The opening of a sealed token.
    Open,
}

impl Crypto {
    /// Its CPU in µs, by what `keyward dev costs` has said.
    pub fn cost(self, costs: &Value) -> f64 {
        let cost = match self {
            Crypto::Nothing => return 0.0,
            Crypto::Sign(algorithm) => &costs["sign"][algorithm],
            Crypto::Verify(algorithm) => &costs["verify"][algorithm],
            Crypto::Open => &costs["open"],
        };
        cost.as_f64().unwrap_or(0.0)
    }
}

/// A workload.
pub struct Workload {
    /// `W1` and so on.
    pub id: &'static str,
    /// What is done.
    pub name: &'static str,
    /// What of cryptography belongs to its ceiling.
    pub crypto: Crypto,
    /// What at least the ratio should be.
    pub ratio_aim: Option<f64>,
    /// What at most it should cost of the server's CPU, in µs.
    pub cpu_aim: Option<f64>,
    requests: Rc<Vec<Vec<u8>>>,
    ceiling: Rc<Vec<Vec<u8>>>,
    next: Rc<Cell<usize>>,
    status: u16,
    /// Bodies of good answers have at least so many bytes.
    least: usize,
    /// Whether scripts of other origins may read it.
    cors: bool,
    /// The path, with a pattern where it differs.
    path: String,
    updates: Option<Rc<Updates>>,
}

/// Principals that are changed, each by one caller.
struct Updates {
    paths: Vec<String>,
    authorization: String,
}

/// One caller of it.
struct Caller {
    connection: Option<Connection>,
    address: SocketAddr,
    requests: Rc<Vec<Vec<u8>>>,
    next: Rc<Cell<usize>>,
    status: u16,
    least: usize,
}

impl Step for Caller {
    async fn step(&mut self) -> anyhow::Result<()> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.address).await?,
        };
        let at = self.next.get();
        self.next.set((at + 1) % self.requests.len());
        let answer = connection.exchange(&self.requests[at]).await?;
        let (status, length) = (answer.status, answer.body.len());
        self.connection = Some(connection);
        ensure!(status == self.status && length >= self.least, "status {status} with {length} bytes");
        Ok(())
    }
}

/// One caller that changes a principal.
struct Updater {
    connection: Connection,
    host: String,
    path: String,
    updates: Rc<Updates>,
    version: String,
    turn: u64,
}

impl Step for Updater {
    async fn step(&mut self) -> anyhow::Result<()> {
        let authorization = [("Authorization", self.updates.authorization.as_str())];
        if self.version.is_empty() {
            let answer = self.connection.exchange(&request("GET", &self.path, &self.host, &authorization, "")).await?;
            self.version = answer.header("etag").context("no version")?.to_owned();
        }
        self.turn += 1;
        let body = format!("{{\"name\":\"Update {:09}\"}}", self.turn);
        let headers =
            [authorization[0], ("Content-Type", "application/json"), ("If-Match", &std::mem::take(&mut self.version))];
        let answer = self.connection.exchange(&request("PUT", &self.path, &self.host, &headers, &body)).await?;
        ensure!(answer.status == 200, "status {} {}", answer.status, answer.text());
        self.version = answer.header("etag").context("no version")?.to_owned();
        Ok(())
    }
}

/// The same bytes for another path of the same length.
fn elsewhere(request: &[u8], mark: u8) -> Vec<u8> {
    let mut request = request.to_vec();
    if let Some(first) = request.iter().position(|byte| *byte == b'/').and_then(|slash| request.get_mut(slash + 1)) {
        *first = mark;
    }
    request
}

impl Workload {
    /// Lets so many callers do it.
    pub async fn measure(&self, server: &Server, callers: usize, window: Window) -> anyhow::Result<Measured> {
        let Some(updates) = &self.updates else {
            return self.loops(server, &self.requests, callers, window).await;
        };
        let mut steps = Vec::new();
        for path in updates.paths.iter().cycle().take(callers.min(updates.paths.len())) {
            steps.push(Updater {
                connection: Connection::open(server.address).await?,
                host: server.host.clone(),
                path: path.clone(),
                updates: updates.clone(),
                version: String::new(),
                turn: 0,
            });
        }
        Ok(closed_loop(server, steps, window).await)
    }

    /// Lets as many callers ask for the constant.
    pub async fn ceiling(&self, server: &Server, callers: usize, window: Window) -> anyhow::Result<Measured> {
        self.loops(server, &self.ceiling, callers, window).await
    }

    async fn loops(
        &self,
        server: &Server,
        requests: &Rc<Vec<Vec<u8>>>,
        callers: usize,
        window: Window,
    ) -> anyhow::Result<Measured> {
        let mut steps = Vec::new();
        for _ in 0..callers {
            steps.push(Caller {
                connection: Some(Connection::open(server.address).await?),
                address: server.address,
                requests: requests.clone(),
                next: self.next.clone(),
                status: self.status,
                least: self.least,
            });
        }
        Ok(closed_loop(server, steps, window).await)
    }

    /// Asks once; what the server of constants has to answer in its place.
    async fn capture(&self, server: &Server) -> anyhow::Result<Value> {
        const OF_THE_SERVER: [&str; 8] = [
            "content-length",
            "date",
            "connection",
            "x-request-id",
            "x-content-type-options",
            "vary",
            "access-control-allow-origin",
            "strict-transport-security",
        ];
        let mut connection = Connection::open(server.address).await?;
        let first = self.requests.first().context("no requests")?;
        let answer = connection.exchange(first).await?;
        if answer.status != self.status || answer.body.len() < self.least {
            bail!("{} {}: status {} {}", self.id, self.name, answer.status, answer.text());
        }
        let headers: Vec<(&str, &str)> =
            answer.headers().filter(|(name, _)| !OF_THE_SERVER.contains(&name.to_lowercase().as_str())).collect();
        Ok(json!({
            "path": self.path, "status": answer.status, "headers": headers, "body": answer.text(), "cors": self.cors,
        }))
    }

    /// Says where the constant is no answer of the same size.
    async fn compare(&self, server: &Server, ceiling: &Server) -> anyhow::Result<()> {
        let mut connections = (Connection::open(server.address).await?, Connection::open(ceiling.address).await?);
        let real = connections.0.exchange(&self.requests[0]).await?;
        let constant = connections.1.exchange(&self.ceiling[0]).await?;
        if constant.status != self.status || constant.size().abs_diff(real.size()) > 16 {
            let (real, constant) = (real.size(), constant.size());
            fault(&format!("{} {}: the ceiling's answer has {constant} bytes for {real}", self.id, self.name));
        }
        Ok(())
    }
}

/// What the server of constants has to answer for these, as its command reads it.
pub async fn capture(workloads: &[Workload], server: &Server) -> anyhow::Result<String> {
    let mut answers = Vec::new();
    for workload in workloads {
        answers.push(workload.capture(server).await?);
    }
    Ok(Value::Array(answers).to_string())
}

/// Says where constants are no answers of the same size.
pub async fn compare(workloads: &[Workload], server: &Server, ceiling: &Server) -> anyhow::Result<()> {
    for workload in workloads {
        workload.compare(server, ceiling).await?;
    }
    Ok(())
}

struct Maker<'m> {
    host: &'m str,
    made: Vec<Workload>,
}

impl Maker<'_> {
    /// Adds a workload. `path`: with a pattern where the requests' paths differ.
    fn add(&mut self, id: &'static str, name: &'static str, path: &str, requests: Vec<Vec<u8>>) -> &mut Workload {
        let mark = b'A' + u8::try_from(self.made.len()).unwrap_or(0);
        let ceiling = requests.iter().map(|request| elsewhere(request, mark)).collect();
        self.made.push(Workload {
            id,
            name,
            crypto: Crypto::Nothing,
            ratio_aim: None,
            cpu_aim: None,
            requests: Rc::new(requests),
            ceiling: Rc::new(ceiling),
            next: Rc::default(),
            status: 200,
            least: 50,
            cors: false,
            path: String::from_utf8_lossy(&elsewhere(path.as_bytes(), mark)).into_owned(),
            updates: None,
        });
        let last = self.made.len() - 1;
        &mut self.made[last]
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
        request("GET", path, self.host, headers, "")
    }
}

/// A workload of these requests, in turn, without a ceiling.
pub fn in_turn(id: &'static str, name: &'static str, requests: Vec<Vec<u8>>) -> anyhow::Result<Workload> {
    let mut make = Maker { host: "", made: Vec::new() };
    make.add(id, name, "/", requests);
    make.made.pop().filter(|made| !made.requests.is_empty()).context("no requests")
}

/// All of them, with what the server has been filled with.
pub async fn workloads(server: &Server, credentials: &Credentials) -> anyhow::Result<Vec<Workload>> {
    let mut connection = Connection::open(server.address).await?;
    let mut make = Maker { host: &server.host, made: Vec::new() };

    for (algorithm, name, client) in [
        ("ES256", "token ES256", "load-ES256"),
        ("EdDSA", "token EdDSA", "load-EdDSA"),
        ("RS256", "token RS256", "load-RS256"),
    ] {
        let authorization = credentials.basic(client)?;
        let headers = [("Authorization", authorization.as_str())];
        let one = request("POST", "/oauth/token", make.host, &headers, "grant_type=client_credentials");
        let workload = make.add("W1", name, "/oauth/token", vec![one]);
        (workload.crypto, workload.cors, workload.ratio_aim) = (Crypto::Sign(algorithm), true, Some(0.6));
        workload.cpu_aim = (algorithm == "ES256").then_some(52.0);
    }

    let gateway = credentials.basic("load-gateway")?;
    for (kind, many, one, crypto) in [
        ("jwt", "introspect JWTs in turn", "introspect one JWT", Crypto::Verify("ES256")),
        ("opaque", "introspect opaque in turn", "introspect one opaque", Crypto::Open),
    ] {
        let ask = |token: &String| {
            let headers = [("Authorization", gateway.as_str())];
            request("POST", "/oauth/introspect", &server.host, &headers, &form(&[("token", token)]))
        };
        let tokens: Vec<Vec<u8>> = credentials.all(kind).iter().map(ask).collect();
        let first = tokens.first().context("no tokens")?.clone();
        let workload = make.add("W2", many, "/oauth/introspect", tokens);
        (workload.crypto, workload.ratio_aim) = (crypto, Some(0.6));
        let workload = make.add("W2", one, "/oauth/introspect", vec![first]);
        (workload.ratio_aim, workload.cpu_aim) = (Some(0.65), Some(27.0));
    }

    const DISCOVERY: &str = "/.well-known/openid-configuration";
    let discovery = make.get(DISCOVERY, &[]);
    let jwks = make.get("/oauth/jwks", &[]);
    let mut asked = vec![("discovery", DISCOVERY, discovery.clone(), 200), ("JWKS", "/oauth/jwks", jwks.clone(), 200)];
    for (name, path, ask) in
        [("discovery, If-None-Match", DISCOVERY, discovery), ("JWKS, If-None-Match", "/oauth/jwks", jwks)]
    {
        // older servers give no version of the metadata
        if let Some(version) = connection.exchange(&ask).await?.header("etag") {
            asked.push((name, path, make.get(path, &[("If-None-Match", version)]), 304));
        }
    }
    for (name, path, ask, status) in asked {
        let workload = make.add("W3", name, path, vec![ask]);
        (workload.status, workload.cors, workload.ratio_aim) = (status, true, Some(0.9));
        workload.least = if status == 304 { 0 } else { 50 };
    }

    let bearer = |token: &String| format!("Bearer {token}");
    let people: Vec<Vec<u8>> =
        credentials.all("jwt").iter().map(|t| make.get("/oauth/userinfo", &[("Authorization", &bearer(t))])).collect();
    let workload = make.add("W4", "userinfo", "/oauth/userinfo", people);
    (workload.crypto, workload.cors, workload.ratio_aim) = (Crypto::Verify("ES256"), true, Some(0.6));

    let headers = [("Authorization", credentials.basic("load-admin")?)];
    let headers = [(headers[0].0, headers[0].1.as_str())];
    let ask = request("POST", "/oauth/token", make.host, &headers, "grant_type=client_credentials");
    let token = connection.exchange(&ask).await?.member("access_token").context("no token for IAM")?.to_owned();
    let authorization = bearer(&token);
    let paths: Vec<String> =
        credentials.all("principal").iter().map(|id| format!("/resources/iam/principals/{id}")).collect();
    let read = paths.iter().map(|path| make.get(path, &[("Authorization", &authorization)])).collect();
    let workload = make.add("W8", "IAM read", "/resources/iam/principals/{id}", read);
    (workload.crypto, workload.ratio_aim) = (Crypto::Verify("ES256"), Some(0.5));
    let list = make.get("/resources/iam/principals?limit=50", &[("Authorization", &authorization)]);
    let workload = make.add("W8", "IAM page of 50", "/resources/iam/principals", vec![list]);
    (workload.crypto, workload.ratio_aim) = (Crypto::Verify("ES256"), Some(0.5));
    // the first answer is to no condition, and of the same size
    let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
    let conditional = [headers[0], headers[1], ("If-Match", "*")];
    let body = "{\"name\":\"Update 000000000\"}";
    let first = request("PUT", paths.first().context("no principals")?, make.host, &conditional, body);
    let workload = make.add("W8", "IAM update with ETag", "/resources/iam/principals/{id}", vec![first]);
    workload.crypto = Crypto::Verify("ES256");
    workload.updates = Some(Rc::new(Updates { paths, authorization }));
    Ok(make.made)
}
