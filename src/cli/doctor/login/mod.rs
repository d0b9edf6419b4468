//! A sign-in from end to end, of a person and an application that are there for nothing else and gone afterwards,
//! however it ends.

use std::{net::IpAddr, pin::pin, time::Duration};

use tokio::{runtime::Handle, task::JoinSet, time::timeout};

use super::{
    clocks::Pair,
    finding::{Finding, told},
    wire::Wire,
};
use crate::{app::App, cli::out};

mod browser;
pub mod person;
mod walk;

use person::{LIFE, Throwaway};
use walk::{Record, Stuck, Walk};

const CHECK: &str = "login";
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of it, and what was seen on the way.
#[derive(Debug)]
pub struct Outcome {
    /// What came of it.
    pub finding: Finding,
    /// All cookies that were set, as they came.
    pub cookies: Vec<String>,
    /// The address that the server noted with the session, if it came to one.
    pub address: Option<Option<IpAddr>>,
    /// When the server signed tokens.
    pub signed: Option<Pair>,
}

/// Takes person and application away also where the one who made them is dropped in the middle.
struct Guard<'a> {
    app: &'a App,
    who: &'a Throwaway,
    armed: bool,
}

impl Guard<'_> {
    async fn end(mut self) -> anyhow::Result<()> {
        let ids = (vec![self.who.principal_id.clone()], vec![self.who.client_id.clone()]);
        person::remove(self.app, ids.0, ids.1).await?;
        self.armed = false;
        Ok(())
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let (true, Ok(runtime)) = (self.armed, Handle::try_current()) {
            let (app, who) = (self.app.clone(), self.who.clone());
            runtime.spawn(async move {
                let removed = person::remove(&app, vec![who.principal_id], vec![who.client_id]).await;
                removed.inspect_err(|error| out::note(&format!("the throw-away account was not removed: {error:#}")))
            });
        }
    }
}

/// Signs in, until `stop` ends, which is listened to from before anything is made.
pub async fn examine(app: &App, wire: &Wire, stop: impl Future<Output = ()>) -> Outcome {
    let mut stop = pin!(stop);
    let interrupted = tokio::select! {
        biased;
        () = &mut stop => true,
        () = std::future::ready(()) => false,
    };
    let without = |finding| Outcome { finding, cookies: Vec::new(), address: None, signed: None };
    if interrupted {
        return without(stopped());
    }
    let swept = person::sweep(app).await;
    let who = Throwaway::new(app.clock.now());
    let guard = Guard { app, who: &who, armed: true };
    // a write that has begun is waited for, so that what is removed is there
    let made = who.make(app).await;
    let (record, mut finding) = match made {
        Ok(()) => {
            // on its own, so that a panic does not keep us from cleaning up; it ends with the set
            let mut walking = JoinSet::new();
            walking.spawn(Walk::new(app.clone(), wire.clone(), who.clone()).go());
            tokio::select! {
                biased;
                () = &mut stop => (Record::default(), stopped()),
                walked = timeout(PATIENCE, walking.join_next()) => match walked {
                    Ok(Some(Ok((record, outcome)))) => {
                        let finding = judge(&record, outcome);
                        (record, finding)
                    }
                    Ok(Some(Err(error))) => (Record::default(), broken(&error.to_string())),
                    Ok(None) | Err(_) => {
                        (Record::default(), broken(&format!("it did not end within {}", told(PATIENCE))))
                    }
                },
            }
        }
        Err(error) => (Record::default(), broken(&format!("the throw-away account could not be made: {error:#}"))),
    };
    match (guard.end().await, swept) {
        (Err(error), _) => {
            let what = format!(
                "{}; and the throw-away account {} could not be removed: {error:#}",
                finding.summary, who.email
            );
            let fix = format!(
                "Run the doctor again after {}: it takes away what was left. Until then the account's password ends by \
                 itself.",
                told(LIFE)
            );
            finding = Finding::problem(CHECK, what, fix);
        }
        (Ok(()), Err(error)) => {
            let what = format!("{}; what earlier doctors left could not be looked for: {error:#}", finding.summary);
            finding = Finding::problem(CHECK, what, "Look into the log of the database.");
        }
        (Ok(()), Ok(left)) if left > 0 => {
            finding.summary.push_str("; what an earlier doctor left, having been killed, is gone");
        }
        (Ok(()), Ok(_)) => {}
    }
    finding.steps = record.steps;
    Outcome { finding, cookies: record.cookies, address: record.address, signed: record.signed }
}

fn stopped() -> Finding {
    Finding::problem(CHECK, "interrupted; nothing is left behind", "Run the doctor again.")
}

fn broken(why: &str) -> Finding {
    Finding::problem(CHECK, why, "See the checks above, and look into the server's log.")
}

fn judge(record: &Record, outcome: Result<(), Stuck>) -> Finding {
    match outcome {
        Ok(()) => {
            let total: u64 = record.steps.iter().map(|step| step.milliseconds).sum();
            let fine = format!("somebody signed in, was given tokens that hold, and signed out, within {total} ms");
            Finding::ok(CHECK, fine)
        }
        Err(Stuck::Throttled(seconds)) => Finding::warning(
            CHECK,
            format!("not gone through: too many sign-ins from this address failed; the next may be in {seconds} s"),
            "Wait for so long, and see the audit log for who guesses passwords from here. Where all people seem to come \
             from one address, see `trusted_proxies`.",
        ),
        Err(Stuck::At(step, why)) => Finding::problem(
            CHECK,
            format!("a sign-in fails at the step {step}: {why}"),
            "See the checks above, and look into the server's log for the request id.",
        ),
    }
}
