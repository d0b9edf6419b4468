//! W9: memory, and how long a start takes.

use std::{fs, time::Instant};

use crate::{
    BREATH,
    args::Args,
    http::{Connection, form, request},
    place::{Place, Server},
    report::{Aim, Report},
};

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// Notes the memory after a round of everything.
pub fn after_round(server: &Server, report: &mut Report, database: &str, round: usize, rounds: usize) {
    let memory = mib(server.memory());
    report.fact("W9", &format!("memory after each round, {database}"), "MiB", None, memory);
    report.fact("W9", &format!("of it not backed by a file, {database}"), "MiB", None, mib(server.own_memory()));
    let name = format!("memory after the last round over that after the first, {database}");
    let first = report.facts.iter().find(|fact| fact.name == format!("memory after each round, {database}"));
    let first = first.and_then(|fact| fact.rounds.first()).copied().unwrap_or(memory);
    if round == rounds && rounds > 1 {
        report.fact("W9", &name, "times", Some(Aim::AtMost(1.1)), memory / first);
    }
}

/// Starts on data that is there, some times; then the memory of a server that has nothing to do.
pub async fn start(args: &Args, place: &Place, report: &mut Report) -> anyhow::Result<()> {
    for _ in 0..5 {
        let begun = Instant::now();
        let server = place.serve().await?;
        let took = begun.elapsed().as_secs_f64() * 1000.0;
        let name = format!("start to first answer on data that is there, {}", place.database);
        report.fact("W9", &name, "ms", Some(Aim::AtMost(60.0)), took);
        tokio::time::sleep(BREATH * 3).await;
        let name = format!("memory of a server that has nothing to do, {}", place.database);
        report.fact("W9", &name, "MiB", Some(Aim::AtMost(15.0)), mib(server.memory()));
        let name = format!("of it not backed by files, {}", place.database);
        report.fact("W9", &name, "MiB", None, mib(server.own_memory()));
        server.stop().await?;
    }
    if place.database == "sqlite" {
        let size = fs::metadata(&args.setting.keyward)?.len() / 1024;
        report.fact("W9", "size of the program", "MiB", None, mib(size));
    }
    Ok(())
}

/// The memory with many live sessions, each of which was used.
pub async fn sessions(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let count = if args.quick { "20000" } else { "100000" };
    let place = Place::new(&args.setting, "sessions", false)?;
    let filled = ["--principals", "10000", "--clients", "100", "--sessions", count, "--known", count];
    let credentials = place.fill(&args.setting, &filled)?;
    let server = place.serve().await?;
    let gateway = credentials.basic("load-gateway")?;
    let mut connection = Connection::open(server.address).await?;
    for token in credentials.all("jwt") {
        let body = form(&[("token", token)]);
        let ask = request("POST", "/oauth/introspect", &server.host, &[("Authorization", &gateway)], &body);
        let answer = connection.exchange(&ask).await?;
        anyhow::ensure!(answer.body.len() > 50, "a session of {} is not live: {}", place.name, answer.text());
    }
    report.fact(
        "W9",
        &format!("memory after tokens of {count} live sessions were used"),
        "MiB",
        None,
        mib(server.memory()),
    );
    server.stop().await
}
