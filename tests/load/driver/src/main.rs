//! The load test's driver; see tests/load/README.md.

use std::{process::ExitCode, rc::Rc, time::Duration};

mod args;
mod growth;
mod http;
mod login;
mod measure;
mod memory;
mod place;
mod rates;
mod refresh;
mod report;
mod stateless;

/// How long servers are left alone after they were stopped or started.
pub(crate) const BREATH: Duration = Duration::from_millis(300);

fn main() -> ExitCode {
    let outcome = args::Args::parse(std::env::args().skip(1)).and_then(|args| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, run(Rc::new(args)))
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tests/load/run: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether no request went wrong.
async fn run(args: Rc<args::Args>) -> anyhow::Result<bool> {
    let mut report = report::Report { about: args.about(), ..report::Report::default() };
    let measured = match args.growth {
        true => growth::run(&args, &mut report).await,
        false => rates::run(&args, &mut report).await,
    };
    let faults = measure::faults();
    for (what, count) in &faults {
        report.about.push(("WENT WRONG".to_owned(), format!("{count} times: {what}")));
    }
    // what was measured until something failed may tell why
    report.write(&args.results)?;
    println!("{}", report.text());
    measured?;
    Ok(faults.is_empty())
}
