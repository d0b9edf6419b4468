use std::sync::{
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use super::*;
use crate::config::Config;

fn passwords() -> Passwords {
    let mut passwords = Config::defaults().passwords;
    passwords.argon2_memory_kib = 8;
    passwords.argon2_iterations = 1;
    passwords.hash_threads = Some(1);
    passwords
}

/// Keeps the one thread busy until the sender is dropped.
fn block(hasher: &Hasher) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let job = move |_: &mut Memory| {
        let _ = begin.send(());
        let _ = released.recv();
    };
    hasher.0.queue.push(Box::new(job)).unwrap();
    begun.recv().unwrap();
    release
}

fn threads(hasher: &Hasher) -> usize {
    hasher.0.queue.max_threads - hasher.0.queue.state().places.len()
}

#[tokio::test]
async fn a_password_matches_its_own_hash_only() {
    let hasher = Hasher::new(&passwords());
    let hash = hasher.hash("Correct-horse-42".into()).await.unwrap();
    let verdict = hasher.verify("Correct-horse-42".into(), Some(hash.clone())).await.unwrap();
    assert_eq!(verdict, Verdict { matches: true, outdated: false });
    for wrong in ["correct-horse-42", "", "Correct-horse-42 "] {
        assert!(!hasher.verify(wrong.into(), Some(hash.clone())).await.unwrap().matches);
    }
    assert!(!hasher.verify("Correct-horse-42".into(), None).await.unwrap().matches);
    assert!(!hasher.verify("x".into(), Some("x".into())).await.unwrap().matches);
}

#[tokio::test]
async fn what_is_too_long_for_a_password_is_hashed_by_nobody() {
    let hasher = Hasher::new(&passwords());
    let long = SecretString::from("Aa1".repeat(MAX_LENGTH));
    let hash = hasher.hash(long.clone()).await.unwrap();
    assert!(!hasher.verify(long, Some(hash)).await.unwrap().matches);
    let hash = hasher.hash("long".into()).await.unwrap();
    assert!(!hasher.verify("A".repeat(MAX_LENGTH + 1).into(), Some(hash)).await.unwrap().matches);
}

#[tokio::test]
async fn a_full_queue_is_busy_at_once() {
    let hasher = Hasher::new(&Passwords { hash_queue: 1, ..passwords() });
    let release = block(&hasher);
    let waiting = tokio::spawn({
        let hasher = hasher.clone();
        async move { hasher.hash("a".into()).await }
    });
    while hasher.0.queue.state().jobs.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(hasher.hash("b".into()).await, Err(BUSY));
    drop(release);
    assert!(waiting.await.unwrap().is_ok());
    assert!(hasher.hash("b".into()).await.is_ok());
}

#[tokio::test]
async fn what_waited_past_the_deadline_is_busy() {
    let hasher = Hasher::new(&Passwords { hash_deadline: Duration::from_millis(20), ..passwords() });
    let release = block(&hasher);
    let (late, ()) = tokio::join!(hasher.hash("a".into()), async move {
        tokio::time::sleep(Duration::from_millis(60)).await;
        drop(release);
    });
    assert_eq!(late, Err(BUSY));
    assert!(hasher.hash("a".into()).await.is_ok());
}

#[tokio::test]
async fn who_has_left_costs_nothing() {
    let hasher = Hasher::new(&passwords());
    let release = block(&hasher);
    let done = Arc::new(AtomicUsize::new(0));
    {
        let done = done.clone();
        let left = hasher.run(move |_| Ok(done.fetch_add(1, Ordering::SeqCst)));
        assert!(tokio::time::timeout(Duration::from_millis(5), left).await.is_err());
    }
    drop(release);
    assert!(hasher.hash("a".into()).await.is_ok());
    assert_eq!(done.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_panic_costs_one_answer_and_no_thread() {
    let hasher = Hasher::new(&passwords());
    assert!(hasher.run(|_| -> Result<(), OutOfMemory> { panic!("a test's own panic") }).await.is_err());
    assert!(hasher.hash("a".into()).await.is_ok());
    assert_eq!(threads(&hasher), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_threads_than_configured_and_none_when_idle() {
    let mut hasher = Hasher::new(&Passwords { hash_threads: Some(3), hash_queue: 1000, ..passwords() });
    assert_eq!(threads(&hasher), 0);
    let pool = Arc::get_mut(&mut hasher.0).unwrap();
    Arc::get_mut(&mut pool.queue).unwrap().idle = Duration::from_millis(1);
    for _ in 0..20 {
        let all: Vec<_> = (0..40)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.hash("a".into()).await })
            })
            .collect();
        for one in all {
            assert!(one.await.unwrap().is_ok());
            assert!(threads(&hasher) <= 3);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if threads(&hasher) == 0 {
            return;
        }
    }
    panic!("threads remain");
}

#[tokio::test]
async fn the_threads_end_with_the_last_clone() {
    let hasher = Hasher::new(&passwords());
    let clone = hasher.clone();
    clone.hash("a".into()).await.unwrap();
    let queue = Arc::downgrade(&hasher.0.queue);
    drop(hasher);
    clone.hash("a".into()).await.unwrap();
    drop(clone);
    for _ in 0..200 {
        if queue.strong_count() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("a thread remains");
}
