//! The database: whether it can be opened without changing it, and how quick it is.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::finding::{Finding, told};
use crate::{
    app::{App, target},
    clock::Clock,
    config::{Config, DatabaseTarget},
    store::{self, Target, diagnosis, migrate, signing_key, snapshot},
};

const CHECK: &str = "database";
const LATENCY: &str = "database_latency";
/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many reads and writes are timed.
const TIMES: usize = 7;
/// Slower reads and writes than these are felt, and than those hardly borne.
const SLOW: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(150));
const TOO_SLOW: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(1));
/// The database for commands needs no more connections.
const POOL: u32 = 2;

/// The database, opened.
pub struct Opened {
    /// The program's parts.
    pub app: App,
    /// How the file kept its journal before this program opened it.
    pub journal_mode: Option<String>,
}

/// Opens the database, unless that would change it: a doctor brings no schema up to date and makes no keys.
pub async fn open(config: &Config, clock: &Clock) -> (Finding, Option<Opened>) {
    let shown = config.database().to_string();
    let problem = |what: String, fix: &str| (Finding::problem(CHECK, format!("{shown}: {what}"), fix), None);
    if let DatabaseTarget::Sqlite(path) = config.database()
        && !path.exists()
    {
        return problem(
            "there is no database".to_owned(),
            "Run this in the directory where the server was started, or with its configuration (--config, --data-dir, \
             --database-url).",
        );
    }
    let looked = look(target(config)).await;
    let (versions, algorithms, journal_mode) = match looked {
        Ok(looked) => looked,
        Err(error) => {
            let fix = "See that the database runs, that its address, user and password are right (database_url), and that \
                       this user may read its files.";
            return problem(error, fix);
        }
    };
    let missing = migrate::STEPS.iter().filter(|step| !versions.iter().any(|done| done == step.version)).count();
    if missing > 0 {
        let what = format!("the schema lacks {missing} steps of this program's ({})", migrate::newest());
        return problem(what, "Start the server of this program's version anew, or run `keyward migrate`.");
    }
    if versions.len() > migrate::STEPS.len() {
        let what = "the schema has steps that this program does not know".to_owned();
        return problem(what, "Run the doctor of the newer program that the servers run.");
    }
    let mut config = config.clone();
    config.database_pool = config.database_pool.min(POOL);
    // what is missing is told with the keys, and not made here
    config.keys.signing_algorithms.retain(|algorithm| algorithms.contains(algorithm));
    match timeout(PATIENCE, Box::pin(App::open(config, clock.clone()))).await {
        Ok(Ok(app)) => {
            let fine = format!("{shown} is open; its schema is this program's ({})", migrate::newest());
            (Finding::ok(CHECK, fine), Some(Opened { app, journal_mode }))
        }
        Ok(Err(error)) => problem(format!("{error:#}"), "Put right what it says: the server would not start either."),
        Err(_) => problem(
            format!("it does not open within {}", told(PATIENCE)),
            "See what keeps the database busy, and how far away it is.",
        ),
    }
}

type Looked = (Vec<String>, Vec<crate::model::key::SigningAlgorithm>, Option<String>);

async fn look(target: Target) -> Result<Looked, String> {
    let look = tokio::task::spawn_blocking(move || {
        let mut conn = snapshot::connect(&target, false)?;
        let versions = migrate::versions(&mut conn)?;
        let keys = if versions.is_empty() { Vec::new() } else { signing_key::all(&mut conn)? };
        let algorithms = keys.into_iter().map(|key| key.algorithm).collect();
        Ok::<_, store::Error>((versions, algorithms, diagnosis::journal_mode(&mut conn)?))
    });
    match timeout(PATIENCE, look).await {
        Ok(Ok(looked)) => looked.map_err(|error| error.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("it does not answer within {}", told(PATIENCE))),
    }
}

/// How long reads and writes take: the median of some.
pub async fn latency(app: &App) -> Finding {
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let begun = Instant::now();
        let read = app.store.read(store::generation::current).await.map(drop);
        reads.push(begun.elapsed());
        let (begun, now) = (Instant::now(), app.clock.now());
        let written = app.store.write(move |tx| diagnosis::write_nothing(tx, now)).await;
        writes.push(begun.elapsed());
        if let Err(error) = read.and(written) {
            let fix =
                "Look into the log of the database; see whether its disk is full or read-only, and who holds locks.";
            return Finding::problem(LATENCY, error.to_string(), fix);
        }
    }
    judge_latency(median(reads), median(writes))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn judge_latency(read: Duration, write: Duration) -> Finding {
    let shown = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    let what = format!("a read takes {}, a write {} (medians of {TIMES})", shown(read), shown(write));
    let wanted = format!("{what}; expected less than {} and {}", shown(SLOW.0), shown(SLOW.1));
    let fix = "See whether the disk of the database is slow or busy (an fsync each write), and whether the database is \
               near: every sign-in makes some ten such trips.";
    match () {
        () if read >= TOO_SLOW.0 || write >= TOO_SLOW.1 => Finding::problem(LATENCY, wanted, fix),
        () if read >= SLOW.0 || write >= SLOW.1 => Finding::warning(LATENCY, wanted, fix),
        () => Finding::ok(LATENCY, what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Status;

    #[test]
    fn a_slow_database_is_told() {
        let judged = |read, write| judge_latency(Duration::from_millis(read), Duration::from_millis(write)).status;
        assert_eq!(judged(1, 10), Status::Ok);
        assert_eq!(judged(60, 10), Status::Warning);
        assert_eq!(judged(1, 200), Status::Warning);
        assert_eq!(judged(1, 1000), Status::Problem);
        assert_eq!(judged(500, 1), Status::Problem);
        assert_eq!(median([9, 1, 5].map(Duration::from_millis).to_vec()), Duration::from_millis(5));
    }
}
