//! What was measured, as a table for people, as JSON for programs, and as a plot.

use std::{fmt::Write, fs, path::Path};

use serde_json::{Value, json};

use crate::measure::{Measured, Spread};

/// One workload with so many callers, and its ceiling in the same rounds.
pub struct Row {
    /// `W1` to `W8`.
    pub id: &'static str,
    /// What is done.
    pub name: String,
    /// `sqlite` or `postgres`.
    pub database: &'static str,
    /// How many do it at the same time.
    pub callers: usize,
    /// What at least the ratio should be.
    pub ratio_aim: Option<f64>,
    /// What at most it should cost of the server's CPU, in µs.
    pub cpu_aim: Option<f64>,
    /// By round: what was measured, and the ceiling's rate.
    pub rounds: Vec<(Measured, Option<f64>)>,
}

/// A figure of another kind.
pub struct Fact {
    /// `W5` to `W9`, or `growth`.
    pub id: &'static str,
    /// What it says.
    pub name: String,
    /// What it is measured in.
    pub unit: &'static str,
    /// What it should be.
    pub aim: Option<Aim>,
    /// By round.
    pub rounds: Vec<f64>,
}

/// A bound of a figure.
#[derive(Clone, Copy)]
pub enum Aim {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

/// All of it.
#[derive(Default)]
pub struct Report {
    /// About the run: machine, settings.
    pub about: Vec<(String, String)>,
    /// Workloads.
    pub rows: Vec<Row>,
    /// Other figures.
    pub facts: Vec<Fact>,
}

impl Row {
    fn spread(&self, figure: impl Fn(&Measured) -> f64) -> Spread {
        self.rounds.iter().map(|(measured, _)| figure(measured)).collect()
    }

    fn ceiling(&self) -> Option<Spread> {
        let all: Vec<f64> = self.rounds.iter().filter_map(|(_, ceiling)| *ceiling).collect();
        (!all.is_empty()).then(|| all.into_iter().collect())
    }

    /// Round by round, so that a busy moment of the machine is in both.
    fn ratio(&self) -> Option<Spread> {
        let ratio = |(measured, ceiling): &(Measured, Option<f64>)| Some(measured.rate / (*ceiling)?);
        let all: Vec<f64> = self.rounds.iter().filter_map(ratio).collect();
        (!all.is_empty()).then(|| all.into_iter().collect())
    }

    fn failed(&self) -> u64 {
        self.rounds.iter().map(|(measured, _)| measured.failed).sum()
    }
}

fn verdict(met: bool) -> &'static str {
    if met { "ok" } else { "BELOW" }
}

impl Fact {
    fn verdict(&self) -> &'static str {
        let value = self.rounds.iter().copied().collect::<Spread>().median;
        match self.aim {
            Some(Aim::AtMost(most)) => verdict(value <= most),
            Some(Aim::AtLeast(least)) => verdict(value >= least),
            None => "",
        }
    }

    fn aim(&self) -> String {
        match self.aim {
            Some(Aim::AtMost(most)) => format!("<= {}", short(most)),
            Some(Aim::AtLeast(least)) => format!(">= {}", short(least)),
            None => String::new(),
        }
    }
}

/// A number with three digits that count.
fn short(number: f64) -> String {
    match number.abs() {
        n if n >= 100.0 => format!("{number:.0}"),
        n if n >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

fn range(spread: Spread) -> String {
    format!("{} ({}-{})", short(spread.median), short(spread.min), short(spread.max))
}

impl Report {
    /// The row with this name and number of callers, which is made where it is not there yet.
    pub fn row(&mut self, id: &'static str, name: &str, database: &'static str, callers: usize) -> &mut Row {
        let same = |row: &Row| row.id == id && row.name == name && row.database == database && row.callers == callers;
        let at = self.rows.iter().position(same).unwrap_or_else(|| {
            let (ratio_aim, cpu_aim, rounds) = (None, None, Vec::new());
            self.rows.push(Row { id, name: name.to_owned(), database, callers, ratio_aim, cpu_aim, rounds });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    /// Adds a round to a figure.
    pub fn fact(&mut self, id: &'static str, name: &str, unit: &'static str, aim: Option<Aim>, value: f64) {
        match self.facts.iter_mut().find(|fact| fact.id == id && fact.name == name) {
            Some(fact) => fact.rounds.push(value),
            None => self.facts.push(Fact { id, name: name.to_owned(), unit, aim, rounds: vec![value] }),
        }
    }

    /// The table.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.about {
            let _ = writeln!(text, "{name:12} {value}");
        }
        let longest = |names: &mut dyn Iterator<Item = &String>| names.map(|name| name.chars().count()).max();
        let width = longest(&mut self.rows.iter().map(|row| &row.name)).unwrap_or(0);
        if !self.rows.is_empty() {
            let _ = writeln!(
                text,
                "\n{:3} {:width$} {:8} {:>7} {:>24} {:>24} {:>17} {:>5} {:5} {:>21} {:>5} {:5} {:>8} {:>8}  failed",
                "",
                "workload",
                "database",
                "callers",
                "per second",
                "ceiling",
                "ratio",
                "aim",
                "",
                "CPU µs",
                "aim",
                "",
                "p50 µs",
                "p99 µs"
            );
        }
        for row in &self.rows {
            let (rate, cpu) = (row.spread(|m| m.rate), row.spread(|m| m.cpu));
            let ratio = row.ratio();
            let told = |spread: Option<Spread>| spread.map_or_else(String::new, range);
            let aim = |aim: Option<f64>| aim.map_or_else(String::new, short);
            let met = |met: Option<bool>| met.map_or("", verdict);
            let _ = writeln!(
                text,
                "{:3} {:width$} {:8} {:7} {:>24} {:>24} {:>17} {:>5} {:5} {:>21} {:>5} {:5} {:>8.0} {:>8.0}  {}",
                row.id,
                row.name,
                row.database,
                row.callers,
                range(rate),
                told(row.ceiling()),
                told(ratio),
                aim(row.ratio_aim),
                met(row.ratio_aim.and_then(|aim| Some(ratio?.median >= aim))),
                range(cpu),
                aim(row.cpu_aim),
                met(row.cpu_aim.map(|aim| cpu.median <= aim && rate.median > 0.0)),
                row.spread(|m| m.p50).median,
                row.spread(|m| m.p99).median,
                if row.failed() == 0 { String::new() } else { row.failed().to_string() }
            );
        }
        if !self.facts.is_empty() {
            text.push('\n');
        }
        let width = longest(&mut self.facts.iter().map(|fact| &fact.name)).unwrap_or(0);
        for fact in &self.facts {
            let value = range(fact.rounds.iter().copied().collect());
            let (aim, verdict) = (fact.aim(), fact.verdict());
            let _ =
                writeln!(text, "{:6} {:width$} {value:>24} {:6} {aim:>10} {verdict}", fact.id, fact.name, fact.unit);
        }
        text
    }

    /// The same with every round.
    pub fn json(&self) -> Value {
        let about: serde_json::Map<String, Value> =
            self.about.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let spread = |s: Spread| json!({ "median": s.median, "min": s.min, "max": s.max });
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let rounds = row.rounds.iter().map(|(m, ceiling)| {
                    json!({
                        "rate": m.rate, "ceiling": ceiling, "cpu_us": m.cpu, "p50_us": m.p50, "p99_us": m.p99,
                        "max_us": m.max, "failed": m.failed,
                    })
                });
                json!({
                    "id": row.id, "name": row.name, "database": row.database, "callers": row.callers,
                    "rate": spread(row.spread(|m| m.rate)), "ceiling": row.ceiling().map(spread),
                    "ratio": row.ratio().map(spread), "ratio_aim": row.ratio_aim,
                    "cpu_us": spread(row.spread(|m| m.cpu)), "cpu_aim_us": row.cpu_aim,
                    "p50_us": spread(row.spread(|m| m.p50)), "p99_us": spread(row.spread(|m| m.p99)),
                    "failed": row.failed(), "rounds": rounds.collect::<Vec<_>>(),
                })
            })
            .collect();
        let facts: Vec<Value> = self
            .facts
            .iter()
            .map(|fact| {
                json!({
                    "id": fact.id, "name": fact.name, "unit": fact.unit, "aim": fact.aim(),
                    "met": match fact.verdict() { "" => Value::Null, verdict => json!(verdict == "ok") },
                    "value": spread(fact.rounds.iter().copied().collect()), "rounds": fact.rounds,
                })
            })
            .collect();
        json!({ "about": about, "workloads": rows, "figures": facts })
    }

    /// Bars: the ratio of each workload, with its least and most, and where it should end.
    fn plot(&self) -> String {
        const LINE: usize = 16;
        const LEFT: usize = 330;
        const WIDTH: usize = 500;
        let rows: Vec<(&Row, Spread)> = self.rows.iter().filter_map(|row| Some((row, row.ratio()?))).collect();
        let height = 60 + rows.len() * LINE;
        let x = |ratio: f64| LEFT as f64 + ratio.clamp(0.0, 1.2) / 1.2 * WIDTH as f64;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{height}\" viewBox=\"0 0 {w} {height}\" \
             font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <text x=\"10\" y=\"18\" font-size=\"13\">Rate beside its ceiling: median, least and most of the rounds; \
             the black mark is the aim</text>\n",
            w = LEFT + WIDTH + 60
        );
        for tenth in (0..=12).step_by(2) {
            let (at, bottom) = (x(f64::from(tenth) / 10.0), height - 14);
            let _ = writeln!(
                svg,
                "<path d=\"M{at:.0} 32V{bottom}\" stroke=\"#ddd\"/><text x=\"{at:.0}\" y=\"{}\" fill=\"#555\" \
                 text-anchor=\"middle\">{} %</text>",
                height - 2,
                tenth * 10
            );
        }
        for (at, (row, ratio)) in rows.iter().enumerate() {
            let y = 34 + at * LINE;
            let fill = match row.ratio_aim {
                Some(aim) if ratio.median < aim => "#d9734e",
                Some(_) => "#4e9d6b",
                None => "#8a9bb0",
            };
            let (zero, median, middle) = (x(0.0), x(ratio.median), y + 6);
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{} {}, {}, {} callers</text>\
                 <rect x=\"{zero:.0}\" y=\"{y}\" width=\"{:.1}\" height=\"12\" fill=\"{fill}\"/>\
                 <path d=\"M{:.1} {middle}H{:.1}\" stroke=\"#333\"/>",
                LEFT - 8,
                y + 10,
                row.id,
                row.name.replace('&', "&amp;").replace('<', "&lt;"),
                row.database,
                row.callers,
                median - zero,
                x(ratio.min),
                x(ratio.max)
            );
            if let Some(aim) = row.ratio_aim {
                let _ = writeln!(svg, "<path d=\"M{:.1} {y}v12\" stroke=\"#000\" stroke-width=\"2\"/>", x(aim));
            }
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Leaves all of it in a directory.
    pub fn write(&self, directory: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(directory)?;
        fs::write(directory.join("results.txt"), self.text())?;
        fs::write(directory.join("results.json"), format!("{:#}\n", self.json()))?;
        fs::write(directory.join("plot.svg"), self.plot())?;
        Ok(())
    }
}
