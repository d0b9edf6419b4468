//! The worker: takes what is due, delivers it, and notes what became of it.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use super::{
    Mailer,
    transport::{Failure, Line, Transport},
};
use crate::{
    clock::Clock,
    model::{secret::fill_random, time::Timestamp},
    store::{
        self, Store, mail_pace,
        sending::{self, Claimed},
    },
};

/// How often the queue is looked at without being told; by the watch on the wall, whatever the clock says.
const POLL: Duration = Duration::from_secs(1);
/// How long a connection is kept for the next mail.
const KEPT: Duration = Duration::from_secs(10);
/// By how much a lease is longer than what it is for may take.
const MARGIN: Duration = Duration::from_secs(60);
/// How many mails are considered at once: others may be faster with the first ones.
const CANDIDATES: i64 = 10;
/// How long it is tried again and again to note that a mail was sent. Later it would be sent twice, so it is long.
const NOTING: Duration = Duration::from_secs(60);

/// Why nothing was taken.
enum Untaken {
    /// Mails have left as fast as they may.
    TooFast,
    Store(store::Error),
}

impl From<store::Error> for Untaken {
    fn from(error: store::Error) -> Untaken {
        Untaken::Store(error)
    }
}

impl store::Failure for Untaken {
    fn as_store(&self) -> Option<&store::Error> {
        match self {
            Untaken::TooFast => None,
            Untaken::Store(error) => Some(error),
        }
    }
}

/// What became of an attempt, as it is noted.
enum Noted {
    Sent,
    Failed(String),
    Retry(String, Timestamp),
}

impl Mailer {
    /// Delivers until it is told to [stop](Mailer::stop), on as many connections as configured. Ends at once where no mail
    /// is configured: what an earlier configuration left waits.
    pub async fn run(self, store: Store, clock: Clock) {
        let Some(transport) = &self.0.transport else { return };
        let lanes = (0..self.0.options.connections).map(|_| Worker {
            mailer: &self,
            transport,
            store: &store,
            clock: &clock,
            line: Line::default(),
            stopping: self.0.stopping.subscribe(),
        });
        join_all(lanes.map(Worker::run)).await;
    }
}

/// One connection's worth of work.
struct Worker<'m> {
    mailer: &'m Mailer,
    transport: &'m Transport,
    store: &'m Store,
    clock: &'m Clock,
    line: Line,
    stopping: watch::Receiver<bool>,
}

impl Worker<'_> {
    async fn run(mut self) {
        while !*self.stopping.borrow_and_update() {
            match self.take().await {
                Ok(Some(claimed)) => {
                    // where there was one there may be more, for another worker meanwhile
                    self.mailer.wake();
                    self.deliver(claimed).await;
                    continue;
                }
                Ok(None) | Err(Untaken::TooFast) => {}
                Err(Untaken::Store(error)) => tracing::warn!(%error, "the mail queue could not be read"),
            }
            self.line.rest(KEPT);
            tokio::select! {
                () = self.mailer.0.wake.notified() => {}
                () = tokio::time::sleep(POLL) => {}
                _ = self.stopping.changed() => {}
            }
        }
        self.line.hang_up();
    }

    /// Takes the mail that has been due for longest, if any is and another one may leave now.
    async fn take(&self) -> Result<Option<Claimed>, Untaken> {
        let now = self.clock.now();
        let due = self.store.read(move |conn| sending::due(conn, now, CANDIDATES)).await?;
        let options = &self.mailer.0.options;
        let (lease, rate) = (options.timeout + MARGIN, options.rate);
        for id in due {
            let claimed = self.store.write(move |tx| {
                let Some(claimed) = sending::claim(tx, &id, lease, now)? else { return Ok(None) };
                match mail_pace::take(tx, mail_pace::TRANSPORT, 1, rate, now)? {
                    Ok(()) => Ok(Some(claimed)),
                    // rolls back, so that the mail waits where it was
                    Err(_) => Err(Untaken::TooFast),
                }
            });
            if let Some(claimed) = claimed.await? {
                return Ok(Some(claimed));
            }
        }
        Ok(None)
    }

    async fn deliver(&mut self, claimed: Claimed) {
        let Some(content) = self.mailer.open(&claimed.id, &claimed.sealed_content) else {
            tracing::error!(sending = claimed.id, "the content of a mail cannot be read");
            let unreadable = Failure { permanent: true, message: "its content cannot be read any more".to_owned() };
            return self.note(&claimed, Err(unreadable)).await;
        };
        let prepared = tokio::select! {
            prepared = self.transport.prepare(&mut self.line, &content) => Some(prepared),
            _ = self.stopping.wait_for(|stopping| *stopping) => None,
        };
        let Some(prepared) = prepared else { return self.give_back(claimed).await };
        if let Err(failure) = prepared {
            return self.note(&claimed, Err(failure)).await;
        }
        // After this the mail may be accepted: nobody else may have taken it, and nobody may until the answer is there.
        if !self.keeps(&claimed).await {
            return self.line.cut();
        }
        let handed_over = self.transport.hand_over(&mut self.line, &claimed.id, content).await;
        self.note(&claimed, handed_over).await;
    }

    async fn give_back(&mut self, claimed: Claimed) {
        self.line.cut();
        let (id, now) = (claimed.id.clone(), self.clock.now());
        if let Err(error) = self.store.write(move |tx| sending::release(tx, &claimed, now)).await {
            tracing::warn!(%error, sending = id, "a mail waits for the end of its lease");
        }
    }

    async fn keeps(&self, claimed: &Claimed) -> bool {
        let (claimed, now) = (claimed.clone(), self.clock.now());
        let id = claimed.id.clone();
        let lease = self.mailer.0.options.acceptance_timeout + NOTING + MARGIN;
        match self.store.write(move |tx| sending::renew(tx, &claimed, lease, now)).await {
            Ok(true) => true,
            Ok(false) => {
                tracing::warn!(sending = id, "another worker has taken a mail whose lease was over");
                false
            }
            Err(error) => {
                tracing::warn!(%error, sending = id, "a mail was not sent, because that could not be noted");
                false
            }
        }
    }

    async fn note(&self, claimed: &Claimed, outcome: Result<(), Failure>) {
        let (options, now) = (&self.mailer.0.options, self.clock.now());
        let delay = usize::try_from(claimed.retry_count).ok().and_then(|at| options.retry_delays.get(at));
        let noted = match (outcome, delay) {
            (Ok(()), _) => Noted::Sent,
            (Err(Failure { permanent: false, message }), Some(delay)) => Noted::Retry(message, now + jittered(*delay)),
            (Err(failure), _) => Noted::Failed(failure.message),
        };
        self.mailer.0.attempts.count([match &noted {
            Noted::Sent => "sent",
            Noted::Retry(..) => "retry",
            Noted::Failed(_) => "failed",
        }]);
        // recipients are in the record, where permissions guard them, not in the log
        let id = &claimed.id;
        match &noted {
            Noted::Sent => tracing::debug!(sending = id, "a mail was sent"),
            Noted::Failed(_) => tracing::warn!(sending = id, "a mail has failed for good; its record says why"),
            Noted::Retry(_, at) => {
                tracing::info!(sending = id, next = at.rfc3339(), "a mail was not accepted and will be tried again");
            }
        }
        let noted = std::sync::Arc::new(noted);
        let retention = options.retention;
        let begun = tokio::time::Instant::now();
        loop {
            let (claimed, noted) = (claimed.clone(), noted.clone());
            let written = self.store.write(move |tx| match &*noted {
                Noted::Sent => sending::finish(tx, &claimed, None, retention, now),
                Noted::Failed(error) => sending::finish(tx, &claimed, Some(error), retention, now),
                Noted::Retry(error, next) => sending::retry(tx, &claimed, error, *next, now),
            });
            match written.await {
                Ok(true) => return,
                Ok(false) => return tracing::warn!(sending = id, "a mail was sent or tried by two workers"),
                Err(error) if begun.elapsed() > NOTING => {
                    return tracing::error!(%error, sending = id, "what became of a mail could not be noted");
                }
                Err(error) => tracing::warn!(%error, sending = id, "what became of a mail is to be noted once more"),
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Up to a quarter longer, so that what failed together does not come back together.
fn jittered(delay: Duration) -> Duration {
    let mut random = [0u8; 2];
    fill_random(&mut random);
    delay + delay.mul_f64(0.25 * f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_comes_in_time_and_at_most_a_quarter_later() {
        let delay = Duration::from_secs(60);
        for _ in 0..1000 {
            assert!((delay..=delay.mul_f64(1.25)).contains(&jittered(delay)));
        }
    }
}
