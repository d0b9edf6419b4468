//! The closed loop: so many callers, each with its next request as soon as it has its answer.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::task::{JoinHandle, spawn_local};

use crate::place::{Cpu, Server};

/// What one caller does again and again.
pub trait Step {
    /// Does it once. What went wrong is counted, and the caller goes on.
    fn step(&mut self) -> impl Future<Output = anyhow::Result<()>>;
}

/// For how long.
#[derive(Clone, Copy)]
pub struct Window {
    /// Before anything is counted.
    pub warm_up: Duration,
    /// While it is counted.
    pub length: Duration,
}

impl Window {
    /// The same, and no shorter than so many seconds, after half as long to warm up: for what takes long where many do it.
    pub fn at_least(self, seconds: u64) -> Window {
        let least = Duration::from_secs(seconds);
        Window { warm_up: self.warm_up.max(least / 2), length: self.length.max(least) }
    }
}

/// What was measured in a window.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    /// Answers in a second.
    pub rate: f64,
    /// The server's CPU for one, in µs,
    pub cpu: f64,
    /// and that of it which hashed a password.
    pub hashing: f64,
    /// How long one took, in µs: the median,
    pub p50: f64,
    /// the 99th percentile,
    pub p99: f64,
    /// and the longest.
    pub max: f64,
    /// How many went wrong.
    pub failed: u64,
}

/// Callers at work. They stop when this is dropped.
pub struct Callers {
    shared: Rc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    counting: Cell<bool>,
    took: RefCell<Vec<u32>>,
    failed: Cell<u64>,
}

thread_local! {
    /// The first of each kind of what went wrong, to be told at the end.
    static FAULTS: RefCell<HashMap<String, u64>> = RefCell::default();
}

/// What went wrong so far, and how often.
pub fn faults() -> Vec<(String, u64)> {
    FAULTS.with_borrow(|faults| faults.iter().map(|(what, count)| (what.clone(), *count)).collect())
}

/// Notes that something went wrong.
pub fn fault(what: &str) {
    let what: String = what.lines().next().unwrap_or_default().chars().take(160).collect();
    FAULTS.with_borrow_mut(|faults| {
        if faults.len() < 20 || faults.contains_key(&what) {
            *faults.entry(what).or_default() += 1;
        }
    });
}

impl Callers {
    /// Starts them. `pause` is the time between the beginnings of two requests of one caller; none: at once.
    pub fn start<S: Step + 'static>(steps: Vec<S>, pause: Option<Duration>) -> Callers {
        let shared = Rc::new(Shared::default());
        let tasks = steps.into_iter().map(|mut step| {
            let shared = shared.clone();
            spawn_local(async move {
                loop {
                    let begun = Instant::now();
                    let outcome = step.step().await;
                    let took = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
                    match outcome {
                        Ok(()) if shared.counting.get() => shared.took.borrow_mut().push(took),
                        Ok(()) => {}
                        Err(error) => {
                            shared.failed.set(shared.failed.get() + 1);
                            fault(&format!("{error:#}"));
                            // whoever fails at once would do nothing else
                            tokio::time::sleep(Duration::from_millis(10)).await;
                        }
                    }
                    if let Some(pause) = pause {
                        tokio::time::sleep_until((begun + pause).into()).await;
                    }
                }
            })
        });
        let tasks = tasks.collect();
        Callers { shared, tasks }
    }

    /// Begins to count.
    pub fn begin(&self) {
        self.shared.took.borrow_mut().clear();
        self.shared.failed.set(0);
        self.shared.counting.set(true);
    }

    /// What was counted since, within so many seconds, while the server used this CPU.
    pub fn end(&self, seconds: f64, cpu: Cpu) -> Measured {
        self.shared.counting.set(false);
        let mut took = self.shared.took.borrow_mut();
        took.sort_unstable();
        let count = took.len();
        let at = |part: usize| took.get(count * part / 100).map_or(0.0, |took| f64::from(*took));
        Measured {
            rate: count as f64 / seconds,
            cpu: cpu.all as f64 / count.max(1) as f64,
            hashing: cpu.hashing as f64 / count.max(1) as f64,
            p50: at(50),
            p99: at(99),
            max: took.last().map_or(0.0, |took| f64::from(*took)),
            failed: self.shared.failed.get(),
        }
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Lets these callers work for this window; what the server did meanwhile.
pub async fn closed_loop<S: Step + 'static>(server: &Server, steps: Vec<S>, window: Window) -> Measured {
    let callers = Callers::start(steps, None);
    tokio::time::sleep(window.warm_up).await;
    callers.begin();
    let (begun, cpu) = (Instant::now(), server.cpu());
    tokio::time::sleep(window.length).await;
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), server.cpu() - cpu);
    callers.end(seconds, cpu)
}

/// The middle of some numbers, the least and the most.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl FromIterator<f64> for Spread {
    fn from_iter<I: IntoIterator<Item = f64>>(numbers: I) -> Spread {
        let mut all: Vec<f64> = numbers.into_iter().collect();
        all.sort_unstable_by(f64::total_cmp);
        let half = all.len() / 2;
        let median = match all.len() {
            0 => return Spread::default(),
            even if even % 2 == 0 => f64::midpoint(all[half - 1], all[half]),
            _ => all[half],
        };
        Spread { median, min: all[0], max: all[all.len() - 1] }
    }
}
