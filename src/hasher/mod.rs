//! Password hashing on threads of its own, so that logins neither stall other requests nor exhaust the memory.
//!
//! As many threads as there are cores, each with one block of memory that it uses again; before them a queue with an
//! end and a deadline. Threads start when there is work and end when there was none for a while, which gives their
//! memory back.

use std::{
    collections::VecDeque,
    fmt,
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use argon2::Params;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

mod argon;
#[cfg(target_os = "linux")]
mod cores;

use crate::{
    config::Passwords,
    metrics::{Counters, Gauge, Histogram, Registry},
    model::{password::MAX_LENGTH, secret::random_text},
};
use argon::{Memory, OutOfMemory};

/// How long a thread waits for work before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// When those who found the queue full may come again.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Hashes and verifies passwords. Cheap to clone; the threads end with the last clone.
#[derive(Clone)]
pub struct Hasher(Arc<Pool>);

/// The outcome of comparing a password with a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// It is the password.
    pub matches: bool,
    /// The hash was made with other parameters than those configured now.
    pub outdated: bool,
}

/// There is more to hash than can be hashed in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// When it is worth trying again.
    pub retry_after: Duration,
}

const BUSY: Busy = Busy { retry_after: RETRY_AFTER };

impl Hasher {
    /// A hasher with these parameters. It takes neither threads nor memory before it is used.
    pub fn new(config: &Passwords) -> Hasher {
        let (memory, lanes) = (config.argon2_memory_kib, config.argon2_parallelism);
        // Configurations that were checked never fall back.
        let params = Params::new(memory, config.argon2_iterations, lanes, Some(32)).unwrap_or_default();
        let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
        let max_threads = config.hash_threads.unwrap_or_else(cores);
        let queue = Queue {
            state: Mutex::new(State { places: (0..max_threads).rev().collect(), ..State::default() }),
            wake: Condvar::new(),
            capacity: config.hash_queue,
            deadline: config.hash_deadline,
            max_threads,
            idle: IDLE,
            numbers: Numbers::default(),
        };
        Hasher(Arc::new(Pool { params, queue: Arc::new(queue) }))
    }

    /// Adds what is counted here to the names that can be read.
    pub fn register(&self, registry: &mut Registry) {
        let Numbers { waiting, wait, work, refused } = self.0.queue.numbers.clone();
        registry.register("keyward_password_hashes_waiting", "Hashes that wait for a thread", waiting);
        registry.register("keyward_password_hash_wait_seconds", "Time that hashes waited for a thread", wait);
        registry.register("keyward_password_hash_seconds", "Time that computing a hash took", work);
        registry.register(
            "keyward_password_hash_refusals",
            "Hashes that were not computed: too many waited, or they had waited too long",
            refused,
        );
    }

    /// Hashes a password; the PHC string to store. What is too long to be accepted as a password gets a hash that
    /// nothing matches.
    pub async fn hash(&self, password: SecretString) -> Result<String, Busy> {
        let password = if is_too_long(&password) { SecretString::from(random_text::<32>()) } else { password };
        let params = self.0.params.clone();
        self.run(move |memory| argon::hash(&params, password.expose_secret().as_bytes(), memory)).await
    }

    /// Compares a password with a stored hash. Where there is none, or a text that cannot be used, the work is the same
    /// and the verdict is no.
    pub async fn verify(&self, password: SecretString, phc: Option<String>) -> Result<Verdict, Busy> {
        let (password, phc) = if is_too_long(&password) { (SecretString::from("long"), None) } else { (password, phc) };
        let params = self.0.params.clone();
        self.run(move |memory| argon::verify(&params, password.expose_secret().as_bytes(), phc.as_deref(), memory))
            .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> Result<T, OutOfMemory> + Send + 'static,
    ) -> Result<T, Busy> {
        let (answer, answered) = oneshot::channel();
        let queue = Arc::downgrade(&self.0.queue);
        let job = Box::new(move |memory: &mut Memory| {
            // Nobody waits any more for those whose connection is gone.
            if !answer.is_closed() {
                let begun = Instant::now();
                let done = work(memory);
                // counted before it is told
                if let Some(queue) = queue.upgrade() {
                    queue.took(begun.elapsed());
                }
                let _ = answer.send(done);
            }
        });
        self.0.queue.push(job)?;
        match answered.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(OutOfMemory)) => {
                tracing::error!("there is not enough memory to hash a password");
                Err(BUSY)
            }
            // The job was dropped: its deadline had passed.
            Err(_) => Err(BUSY),
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("params", &self.0.params).finish_non_exhaustive()
    }
}

fn is_too_long(password: &SecretString) -> bool {
    password.expose_secret().len() > MAX_LENGTH
}

/// What the clones of a hasher share; its end is the end of the threads.
struct Pool {
    params: Params,
    queue: Arc<Queue>,
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.state().closed = true;
        self.queue.wake.notify_all();
    }
}

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    capacity: usize,
    deadline: Duration,
    max_threads: usize,
    idle: Duration,
    numbers: Numbers,
}

/// What is counted and measured.
#[derive(Clone)]
struct Numbers {
    waiting: Gauge,
    wait: Histogram,
    work: Histogram,
    refused: Counters<1>,
}

impl Default for Numbers {
    fn default() -> Numbers {
        Numbers {
            waiting: Gauge::default(),
            wait: Histogram::of_times(),
            work: Histogram::of_times(),
            refused: Counters::new(["reason"], [["full"], ["late"]]),
        }
    }
}

#[derive(Default)]
struct State {
    jobs: VecDeque<(Instant, Job)>,
    /// Those that no thread has; there is one for each of the most threads.
    places: Vec<usize>,
    waiting: usize,
    closed: bool,
    /// How long a hash takes of late.
    lately: Duration,
}

impl State {
    /// How long one that comes now is likely to wait.
    fn likely_wait(&self, threads: usize) -> Duration {
        let before = u32::try_from(self.jobs.len()).unwrap_or(u32::MAX);
        self.lately.saturating_mul(before) / u32::try_from(threads.max(1)).unwrap_or(u32::MAX)
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(self: &Arc<Queue>, job: Job) -> Result<(), Busy> {
        let mut state = self.state();
        // told at once, instead of after having waited in vain
        let late = state.likely_wait(self.max_threads) > self.deadline;
        if late || state.jobs.len() >= self.capacity {
            self.numbers.refused.count([if late { "late" } else { "full" }]);
            return Err(BUSY);
        }
        state.jobs.push_back((Instant::now(), job));
        self.numbers.waiting.set(state.jobs.len() as i64);
        if state.jobs.len() > state.waiting
            && let Some(place) = state.places.pop()
        {
            let (queue, thread) = (self.clone(), std::thread::Builder::new().name("keyward-hasher".to_owned()));
            if let Err(error) = thread.spawn(move || queue.work(place)) {
                tracing::error!(%error, "a thread to hash passwords could not be started");
                state.places.push(place);
                if state.places.len() == self.max_threads {
                    state.jobs.clear();
                    return Err(BUSY);
                }
            }
        }
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// A thread's life.
    fn work(&self, place: usize) {
        #[cfg(target_os = "linux")]
        if let Err(error) = cores::settle(place, self.max_threads) {
            tracing::debug!(%error, "hashing goes on as threads usually do");
        }
        let mut memory = Memory::default();
        while let Some((queued, job)) = self.next(place) {
            let waited = queued.elapsed();
            self.numbers.wait.time(waited);
            if waited > self.deadline {
                self.numbers.refused.count(["late"]);
                continue;
            }
            if catch_unwind(AssertUnwindSafe(|| job(&mut memory))).is_err() {
                // Its caller is told that nothing came of it; the thread is still needed.
                memory = Memory::default();
            }
        }
    }

    /// Notes how long a hash took.
    fn took(&self, took: Duration) {
        self.numbers.work.time(took);
        let lately = &mut self.state().lately;
        *lately = if lately.is_zero() { took } else { (*lately * 7 + took) / 8 };
    }

    /// The next job; `None` when it is time to end, and then the thread is counted out already, so that no job is left
    /// to a thread that is about to go.
    fn next(&self, place: usize) -> Option<(Instant, Job)> {
        let until = Instant::now() + self.idle;
        let mut state = self.state();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let job = state.jobs.pop_front();
            self.numbers.waiting.set(state.jobs.len() as i64);
            match job {
                Some(job) if !state.closed => return Some(job),
                None if !state.closed && !left.is_zero() => {}
                _ => {
                    state.places.push(place);
                    return None;
                }
            }
            state.waiting += 1;
            state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
    }
}

#[cfg(test)]
mod tests;
