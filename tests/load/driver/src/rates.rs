//! The usual run: W1 to W9 on each database, in rounds in which everything is measured once beside its ceiling.

use anyhow::Context;
use serde_json::Value;

use crate::{
    args::Args,
    http::request,
    login::{self, People},
    memory,
    place::{Credentials, Place, Server, Setting},
    refresh::{self, Tokens},
    report::{Aim, Report},
    stateless::{self, Workload},
};

/// Callers at the same time, but for W5.
const CALLERS: [usize; 3] = [1, 8, 32];
const PRINCIPALS: &str = "10000";
/// What a quick run measures on PostgreSQL: what the database decides.
const QUICK_ON_POSTGRES: [&str; 1] = ["W5"];

/// Runs it.
pub async fn run(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    Stage::open(args, false).await?.run(args, report).await?;
    if args.setting.postgres.is_some() {
        Stage::open(args, true).await?.run(args, report).await?;
    }
    if args.wants("W9") {
        memory::sessions(args, report).await?;
    }
    Ok(())
}

/// Servers and data of one database.
struct Stage {
    place: Place,
    server: Server,
    ceiling: Server,
    /// Filled alike, for statements without a server.
    raw: Place,
    /// What is measured besides the workloads.
    wanted: Vec<&'static str>,
    workloads: Vec<Workload>,
    tokens: Tokens,
    people: People,
    /// Introspection and a token, for who stands by.
    asked: [Vec<u8>; 2],
}

/// What a place is filled with.
fn fill(setting: &Setting, place: &Place) -> anyhow::Result<Credentials> {
    let args = ["--principals", PRINCIPALS, "--clients", "100", "--sessions", "10000", "--refresh-tokens", "10000"];
    place.fill(setting, &args)
}

impl Stage {
    async fn open(args: &Args, postgres: bool) -> anyhow::Result<Stage> {
        let setting = &args.setting;
        let wanted = |id: &str| args.wants(id) && !(args.quick && postgres && !QUICK_ON_POSTGRES.contains(&id));
        let place = Place::new(setting, "main", postgres)?;
        let credentials = fill(setting, &place)?;
        let raw = Place::new(setting, "raw", postgres)?;
        if wanted("W5") {
            fill(setting, &raw)?;
        }
        let server = place.serve().await?;
        let mut workloads = stateless::workloads(&server, &credentials).await?;
        workloads.retain(|workload| wanted(workload.id));
        let beside = Place::new(setting, if postgres { "ceiling-postgres" } else { "ceiling" }, false)?;
        // the same server, on nothing; those who ask it call it by the name of the other
        let answers = beside.write("answers.json", &stateless::capture(&workloads, &server).await?)?;
        let beside = beside.named(&place)?.program(&setting.tools);
        let ceiling = beside.start(&["dev", "ceiling", "--answers", &answers]).await?;
        stateless::compare(&workloads, &server, &ceiling).await?;
        let gateway = credentials.basic("load-gateway")?;
        let service = credentials.basic("load-ES256")?;
        let token = credentials.all("jwt").first().context("no token")?;
        let asked = [
            ("/oauth/introspect", gateway, format!("token={token}")),
            ("/oauth/token", service, "grant_type=client_credentials".to_owned()),
        ]
        .map(|(path, basic, body)| request("POST", path, &server.host, &[("Authorization", &basic)], &body));
        let (tokens, people) = (Tokens::new(&credentials)?, People::new(&credentials)?);
        let wanted = ["W5", "W6", "W7", "W9"].into_iter().filter(|id| wanted(id)).collect();
        Ok(Stage { place, server, ceiling, raw, wanted, workloads, tokens, people, asked })
    }

    async fn run(self, args: &Args, report: &mut Report) -> anyhow::Result<()> {
        // once without counting: caches fill, pages are read
        for workload in &self.workloads {
            workload.measure(&self.server, 8, args.window(0.3)).await?;
            workload.ceiling(&self.ceiling, 8, args.window(0.1)).await?;
        }
        for round in 1..=args.rounds {
            eprintln!("{}: round {round} of {}", self.place.name, args.rounds);
            let costs = self.place.ask(&args.setting, &["dev", "costs"])?;
            self.stateless(args, report, &costs).await?;
            if self.wanted.contains(&"W5") {
                self.refresh(args, report, &costs).await?;
            }
            if self.wanted.contains(&"W6") {
                self.logins(args, report).await?;
            }
            if self.wanted.contains(&"W7") {
                self.bystanders(args, report).await?;
            }
            if self.wanted.contains(&"W9") {
                memory::after_round(&self.server, report, self.place.database, round, args.rounds);
            }
        }
        let (place, ceiling, wanted) = (self.place, self.ceiling, self.wanted);
        ceiling.stop().await?;
        self.server.stop().await?;
        if wanted.contains(&"W9") {
            memory::start(args, &place, report).await?;
        }
        Ok(())
    }

    async fn stateless(&self, args: &Args, report: &mut Report, costs: &Value) -> anyhow::Result<()> {
        let database = self.place.database;
        for workload in &self.workloads {
            for callers in CALLERS {
                let window = args.window(1.0);
                let measured = workload.measure(&self.server, callers, window).await?;
                let http = workload.ceiling(&self.ceiling, callers, window).await?;
                let ceiling = ceiling(http.rate, workload.crypto.cost(costs), callers, costs);
                let row = report.row(workload.id, workload.name, database, callers);
                (row.ratio_aim, row.cpu_aim) = (workload.ratio_aim, workload.cpu_aim);
                row.rounds.push((measured, Some(ceiling)));
            }
        }
        Ok(())
    }

    async fn refresh(&self, args: &Args, report: &mut Report, costs: &Value) -> anyhow::Result<()> {
        let database = self.place.database;
        let mut alone = None;
        for callers in refresh::CALLERS {
            let window = args.window(1.5).at_least(1);
            let measured = self.tokens.measure(&self.server, callers, window).await?;
            let raw = refresh::raw(&args.setting, &self.raw, PRINCIPALS, callers, window)?;
            let row = report.row("W5", "refresh", database, callers);
            row.ratio_aim = Some(0.6);
            row.rounds.push((measured, Some(raw)));
            let signed = ceiling(raw, costs["sign"]["ES256"].as_f64().unwrap_or(0.0), callers, costs);
            report.row("W5", "refresh, ceiling signs too", database, callers).rounds.push((measured, Some(signed)));
            let one = *alone.get_or_insert(measured.rate);
            if let Some(least) =
                [(32, 8.0), (256, 15.0)].iter().find_map(|(at, times)| (*at == callers).then_some(*times))
            {
                let name = format!("refresh: rate of {callers} callers over that of one, {database}");
                report.fact("W5", &name, "times", Some(Aim::AtLeast(least)), measured.rate / one.max(1.0));
            }
        }
        Ok(())
    }

    async fn logins(&self, args: &Args, report: &mut Report) -> anyhow::Result<()> {
        let database = self.place.database;
        for callers in CALLERS {
            let window = args.window(1.5).at_least(3);
            // hashes take all of the memory's width, and what is left of it to this machine changes within minutes
            let costs = self.place.ask(&args.setting, &["dev", "costs", "--hashing", "--millis", "1000"])?;
            let number = |name: &str| costs[name].as_f64().unwrap_or(0.0);
            let measured = self.people.measure(&self.server, callers, window).await?;
            // one caller keeps one core busy with hashes
            let limit = if callers == 1 { 1000.0 / number("argon2_ms") } else { number("hashes_per_second") };
            let row = report.row("W6", "login", database, callers);
            // the limit is that of cores that are busy
            row.ratio_aim = (callers > 1).then_some(0.85);
            row.rounds.push((measured, Some(limit)));
            if measured.rate == 0.0 {
                continue;
            }
            let name = format!("login: CPU besides the hash, {callers} callers, {database}");
            report.fact("W6", &name, "ms", Some(Aim::AtMost(3.0)), (measured.cpu - measured.hashing) / 1000.0);
        }
        Ok(())
    }

    async fn bystanders(&self, args: &Args, report: &mut Report) -> anyhow::Result<()> {
        let database = self.place.database;
        let window = args.window(2.0).at_least(2);
        let felt = login::disturb(&self.server, &self.people, &self.asked, 32, window).await?;
        for (at, what) in ["introspection", "token"].into_iter().enumerate() {
            let (idle, busy) = (felt.idle[at].p99, felt.busy[at].p99);
            let name = |when: &str| format!("{what}: p99 {when}, {database}");
            report.fact("W7", &name("idle"), "µs", None, idle);
            report.fact("W7", &name("while people sign in"), "µs", None, busy);
            let name = format!("{what}: p99 while people sign in over that of idle, {database}");
            report.fact("W7", &name, "times", Some(Aim::AtMost(3.0)), busy / idle.max(1.0));
        }
        Ok(())
    }
}

/// The most that could be answered in a second by who answers so many without cryptography, which costs so many µs more:
/// callers side by side share the cores.
fn ceiling(http: f64, crypto: f64, callers: usize, costs: &Value) -> f64 {
    let cores = costs["cores"].as_f64().unwrap_or(1.0).min(callers as f64);
    1.0 / (1.0 / http + crypto / 1e6 / cores)
}
