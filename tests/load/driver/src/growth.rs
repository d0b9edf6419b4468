//! `--growth`: what becomes of the cost where there is a thousand times as much, and what is felt of a purge.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

use crate::{
    args::Args,
    http::{Connection, form, request},
    login::{Bystander, People},
    measure::{Callers, Measured, Window},
    place::{Cpu, Credentials, Place, Server, Setting},
    refresh::Tokens,
    report::{Aim, Report},
    stateless::{Workload, in_turn},
};

/// Between two requests of a bystander.
const PACE: Duration = Duration::from_millis(4);
/// Between two refreshes: more of them would be load of their own.
const SLOW: Duration = Duration::from_millis(10);
/// No purge takes longer.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Runs it.
pub async fn run(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let databases: &[bool] = if args.setting.postgres.is_some() { &[false, true] } else { &[false] };
    for postgres in databases {
        if args.wants("COSTS") {
            costs(args, report, *postgres).await?;
        }
        if args.wants("PURGE") {
            purge(args, report, *postgres).await?;
        }
    }
    Ok(())
}

/// A server with much or with little.
struct Size {
    name: String,
    server: Server,
    tokens: Tokens,
    people: People,
    /// W1 and W2: clients that ask in turn, and tokens that are asked about in turn.
    workloads: [Workload; 2],
}

impl Size {
    async fn open(args: &Args, name: &str, postgres: bool, principals: &str, more: &[&str]) -> anyhow::Result<Size> {
        let place = Place::new(&args.setting, name, postgres)?;
        // as many are used of both: what is kept in memory is as much
        let filled = [&["--principals", principals, "--services", "1000", "--known", "1000"], more].concat();
        let credentials = place.fill(&args.setting, &filled)?;
        let server = place.serve().await?;
        let workloads = [services(&server, &credentials)?, introspections(&server, &credentials)?];
        let (tokens, people) = (Tokens::new(&credentials)?, People::new(&credentials)?);
        Ok(Size { name: format!("{principals} principals"), server, tokens, people, workloads })
    }

    async fn measure(&self, what: usize, window: Window) -> anyhow::Result<Measured> {
        match what {
            0 | 1 => self.workloads[what].measure(&self.server, 8, window).await,
            2 => self.tokens.measure(&self.server, 32, window).await,
            _ => self.people.measure(&self.server, 8, window.at_least(2)).await,
        }
    }
}

/// Every service that the place has, in turn.
fn services(server: &Server, credentials: &Credentials) -> anyhow::Result<Workload> {
    let services = credentials.clients.iter().filter(|(id, _)| id.starts_with("load-service-"));
    let requests = services.map(|(id, secret)| {
        let headers = [("Authorization", crate::http::basic(id, secret))];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        request("POST", "/oauth/token", &server.host, &headers, "grant_type=client_credentials")
    });
    in_turn("W1", "token ES256 of services in turn", requests.collect())
}

fn introspections(server: &Server, credentials: &Credentials) -> anyhow::Result<Workload> {
    let gateway = credentials.basic("load-gateway")?;
    let requests = credentials.all("jwt").iter().map(|token| {
        request("POST", "/oauth/introspect", &server.host, &[("Authorization", &gateway)], &form(&[("token", token)]))
    });
    in_turn("W2", "introspect JWTs in turn", requests.collect())
}

/// What W1, W2, W5 and W6 cost with little and with much.
async fn costs(args: &Args, report: &mut Report, postgres: bool) -> anyhow::Result<()> {
    let (many, sessions) = (args.many.to_string(), (args.many / 10).to_string());
    let few = ["--clients", "10", "--sessions", "1000", "--refresh-tokens", "1000"];
    let small = Size::open(args, "small", postgres, "1000", &few).await?;
    let much = ["--clients", "9000", "--sessions", &sessions, "--refresh-tokens", &many];
    let large = Size::open(args, "large", postgres, &many, &much).await?;
    let database = if postgres { "postgres" } else { "sqlite" };
    const WHAT: [(&str, &str, usize); 4] = [
        ("W1", "token ES256 of services in turn", 8),
        ("W2", "introspect JWTs in turn", 8),
        ("W5", "refresh", 32),
        ("W6", "login", 8),
    ];
    for round in 0..=args.rounds.min(10) {
        for (what, (id, name, callers)) in WHAT.into_iter().enumerate() {
            let little = small.measure(what, args.window(1.0)).await?;
            let much = large.measure(what, args.window(1.0)).await?;
            // the first time fills what is kept in memory
            if round == 0 {
                continue;
            }
            for (size, measured) in [(&small, little), (&large, much)] {
                let name = format!("{name}, {}", size.name);
                report.row(id, &name, database, callers).rounds.push((measured, None));
            }
            let name = format!("{id} {name}: CPU with {many} principals over 1000, {database}");
            report.fact("growth", &name, "times", Some(Aim::AtMost(1.3)), much.cpu / little.cpu.max(1.0));
        }
    }
    small.server.stop().await?;
    large.server.stop().await
}

/// Somebody who introspects, somebody who takes tokens, somebody who refreshes.
struct Bystanders([Callers; 3]);

impl Bystanders {
    async fn open(server: &Server, credentials: &Credentials) -> anyhow::Result<Bystanders> {
        let token = credentials.all("jwt").first().context("no token")?;
        let ask = async |client: &str, path: &str, body: &str| {
            let headers = [("Authorization", credentials.basic(client)?)];
            let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
            let connection = Connection::open(server.address).await?;
            let request = request("POST", path, &server.host, &headers, body);
            anyhow::Ok(Callers::start(vec![Bystander { connection, request }], Some(PACE)))
        };
        let introspect = ask("load-gateway", "/oauth/introspect", &format!("token={token}")).await?;
        let take = ask("load-ES256", "/oauth/token", "grant_type=client_credentials").await?;
        let refresh = Callers::start(Tokens::new(credentials)?.callers(server, 1).await?, Some(SLOW));
        Ok(Bystanders([introspect, take, refresh]))
    }

    fn begin(&self) {
        self.0.iter().for_each(Callers::begin);
    }

    fn end(&self, seconds: f64) -> [Measured; 3] {
        self.0.each_ref().map(|callers| callers.end(seconds, Cpu::default()))
    }
}

/// What others feel while expired rows are purged. A server purges when it starts, and says at the level debug when it
/// is done.
async fn purge(args: &Args, report: &mut Report, postgres: bool) -> anyhow::Result<()> {
    let setting = Setting { log: "warn,keyward::app=debug".to_owned(), ..args.setting.clone() };
    let place = Place::new(&setting, "purge", postgres)?;
    let expired = args.many.to_string();
    let live = ["--principals", "10000", "--sessions", "1000", "--refresh-tokens", "1000", "--expired", &expired];
    let credentials = place.fill(&setting, &live)?;
    let begun = Instant::now();
    let server = place.serve().await?;
    let bystanders = Bystanders::open(&server, &credentials).await?;
    bystanders.begin();
    let purged = || fs::read_to_string(&server.log).is_ok_and(|log| log.contains("purged expired rows"));
    while !purged() {
        ensure!(begun.elapsed() < PATIENCE, "the purge did not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = begun.elapsed();
    let busy = bystanders.end(took.as_secs_f64());
    tokio::time::sleep(Duration::from_secs(1)).await;
    bystanders.begin();
    let calm = Duration::from_secs(10).max(took.min(Duration::from_secs(60)));
    tokio::time::sleep(calm).await;
    let idle = bystanders.end(calm.as_secs_f64());

    let database = place.database;
    report.fact("growth", &format!("purge of {expired} rows, {database}"), "s", None, took.as_secs_f64());
    for (at, what) in ["introspection", "token", "refresh"].into_iter().enumerate() {
        let name = |when: &str| format!("{what}: p99 {when}, {database}");
        report.fact("growth", &name("while nothing is purged"), "µs", None, idle[at].p99);
        report.fact("growth", &name("during the purge"), "µs", None, busy[at].p99);
        let name = format!("{what}: p99 during the purge over that without, {database}");
        report.fact("growth", &name, "times", Some(Aim::AtMost(2.0)), busy[at].p99 / idle[at].p99.max(1.0));
    }
    let longest = busy[2].max / 1000.0;
    report.fact(
        "growth",
        &format!("longest refresh during the purge, {database}"),
        "ms",
        Some(Aim::AtMost(50.0)),
        longest,
    );
    let name = format!("longest refresh while nothing is purged, {database}");
    report.fact("growth", &name, "ms", None, idle[2].max / 1000.0);
    drop(bystanders);
    server.stop().await
}
