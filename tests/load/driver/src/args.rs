//! What tests/load/run was asked for.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, bail};

use crate::{measure::Window, place::Setting};

/// The arguments.
pub struct Args {
    /// Programs and places.
    pub setting: Setting,
    /// Where results are left.
    pub results: PathBuf,
    /// How often all is measured.
    pub rounds: usize,
    /// How long each of it is.
    pub seconds: f64,
    /// A shorter run with fewer data.
    pub quick: bool,
    /// Measure growth instead.
    pub growth: bool,
    /// How many principals, refresh tokens and expired rows are many.
    pub many: u64,
    /// Only these workloads; empty: all.
    only: Vec<String>,
}

impl Args {
    /// Reads them: pairs of a name and a value.
    pub fn parse(mut given: impl Iterator<Item = String>) -> anyhow::Result<Args> {
        let (mut keyward, mut tools, mut scratch, mut results, mut postgres) = (None, None, None, None, None);
        let (mut rounds, mut seconds, mut quick, mut growth) = (None, None, false, false);
        let (mut only, mut log, mut many) = (Vec::new(), "warn".to_owned(), None);
        while let Some(name) = given.next() {
            match name.as_str() {
                "--quick" => quick = true,
                "--growth" => growth = true,
                _ => {
                    let value = given.next().with_context(|| format!("{name} has no value"))?;
                    match name.as_str() {
                        "--keyward" => keyward = Some(PathBuf::from(value)),
                        "--tools" => tools = Some(PathBuf::from(value)),
                        "--scratch" => scratch = Some(PathBuf::from(value)),
                        "--results" => results = Some(PathBuf::from(value)),
                        "--postgres" => postgres = Some(value),
                        "--rounds" => rounds = Some(value.parse::<usize>().context("--rounds")?.max(1)),
                        "--seconds" => seconds = Some(value.parse::<f64>().context("--seconds")?.clamp(0.1, 600.0)),
                        "--many" => many = Some(value.parse::<u64>().context("--many")?.max(1000)),
                        "--only" => only = value.split(',').map(str::to_uppercase).collect(),
                        "--log" => log = value,
                        _ => bail!("unknown: {name}"),
                    }
                }
            }
        }
        let keyward = keyward.context("--keyward is missing")?;
        let tools = tools.unwrap_or_else(|| keyward.clone());
        let scratch = scratch.context("--scratch is missing")?;
        Ok(Args {
            setting: Setting { keyward, tools, scratch, log, postgres },
            results: results.context("--results is missing")?,
            rounds: rounds.unwrap_or(if quick { 2 } else { 5 }),
            seconds: seconds.unwrap_or(if quick { 0.3 } else { 2.0 }),
            quick,
            growth,
            many: many.unwrap_or(if quick { 100_000 } else { 1_000_000 }),
            only,
        })
    }

    /// Whether a workload is wanted.
    pub fn wants(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == id)
    }

    /// How long something is measured that takes so many times as long as a request.
    pub fn window(&self, times: f64) -> Window {
        let seconds = self.seconds * times;
        Window { warm_up: Duration::from_secs_f64((seconds * 0.2).min(1.0)), length: Duration::from_secs_f64(seconds) }
    }

    /// What the report begins with.
    pub fn about(&self) -> Vec<(String, String)> {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let model = model.trim_start_matches([' ', '\t', ':']);
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or_default().to_owned();
        let (rounds, seconds) = (self.rounds, self.seconds);
        [
            ("machine", format!("{cores} cores for server and generator, {model}; load {load} at the beginning")),
            ("server", self.setting.keyward.display().to_string()),
            ("rounds", format!("{rounds} of {seconds} s each; median (least-most)")),
            ("logs", self.setting.log.clone()),
            ("data", filesystem(&self.setting.scratch)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

/// What data lie on.
fn filesystem(path: &Path) -> String {
    let told = Command::new("stat").args(["-f", "-c", "%T"]).arg(path).output();
    told.map(|told| String::from_utf8_lossy(&told.stdout).trim().to_owned()).unwrap_or_default()
}
