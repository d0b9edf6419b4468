//! Clocks that should agree: the server's, the database's, this machine's.

use std::time::Duration;

use chrono::DateTime;
use reqwest::header::DATE;

use super::{
    finding::{Finding, told},
    wire::{Answer, Wire},
};
use crate::{app::App, clock::Clock, model::time::Timestamp, store::diagnosis};

const SERVER: &str = "clock_server";
const DATABASE: &str = "clock_database";
/// From here on applications refuse some tokens.
const MUCH: Duration = Duration::from_secs(5);
/// From here on they refuse most.
const TOO_MUCH: Duration = Duration::from_secs(60);

/// A clock beside this machine's, at the same moment.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// What the other one showed; to the second.
    pub theirs: Timestamp,
    /// What this machine's showed.
    pub ours: Timestamp,
}

impl Pair {
    /// How far they are apart, the second that is cut off not counted.
    fn apart(self) -> Duration {
        let ahead = self.theirs.since(self.ours);
        // a time in whole seconds is up to one too early
        let behind = self.ours.since(self.theirs).saturating_sub(Duration::from_secs(1));
        ahead.max(behind)
    }
}

/// The time that answers of the server carry (RFC 9110 §6.6.1).
pub async fn of_answers(wire: &Wire, clock: &Clock) -> Option<Pair> {
    let answer = wire.get(&wire.below("/.well-known/openid-configuration")).await.ok()?;
    of_answer(&answer, clock.now())
}

fn of_answer(answer: &Answer, now: Timestamp) -> Option<Pair> {
    let date = DateTime::parse_from_rfc2822(answer.header(DATE)?).ok()?;
    Some(Pair { theirs: Timestamp::from_millis(date.timestamp_millis()), ours: now })
}

/// Judges the server by the dates of its answers, which a proxy may have written, and of the tokens that it signed.
pub fn server(answers: Option<Pair>, tokens: Option<Pair>) -> Finding {
    let pairs = [("its answers", answers), ("the tokens that it signs", tokens)];
    let seen: Vec<_> = pairs.into_iter().filter_map(|(what, pair)| Some((what, pair?))).collect();
    match seen.iter().max_by_key(|(_, pair)| pair.apart()) {
        Some((what, pair)) => judge(SERVER, &format!("the server's clock, by {what},"), *pair),
        None => Finding::warning(
            SERVER,
            "the server's answers have no Date",
            "See what takes the header Date away on the way: caches need it.",
        ),
    }
}

/// Judges the database server's clock; the embedded database has none of its own.
pub async fn database(app: &App) -> Finding {
    let asked = app.clock.now();
    let theirs = app.store.read(diagnosis::clock).await;
    let answered = app.clock.now();
    match theirs {
        Ok(Some(theirs)) => {
            let ours = asked + answered.since(asked) / 2;
            judge(DATABASE, "the database server's clock", Pair { theirs, ours })
        }
        Ok(None) => Finding::ok(DATABASE, "the embedded database has the clock of this machine"),
        Err(error) => Finding::problem(DATABASE, format!("{error}"), "Look into the log of the database."),
    }
}

fn judge(check: &'static str, whose: &str, pair: Pair) -> Finding {
    let apart = pair.apart();
    let which = if pair.theirs > pair.ours { "ahead of" } else { "behind" };
    let what = format!("{whose} is {} {which} this machine's", told(apart));
    let fix = "Have a time service (chrony, systemd-timesyncd) set the clocks of all machines: tokens and codes hold only \
               for a time.";
    match apart {
        apart if apart > TOO_MUCH => Finding::problem(check, format!("{what}; expected at most {}", told(MUCH)), fix),
        apart if apart > MUCH => Finding::warning(check, format!("{what}; expected at most {}", told(MUCH)), fix),
        _ => Finding::ok(check, format!("{whose} agrees with this machine's, within {} s", apart.as_secs() + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Status;

    #[test]
    fn clocks_that_are_apart_are_told() {
        let pair =
            |theirs, ours| Some(Pair { theirs: Timestamp::from_millis(theirs), ours: Timestamp::from_millis(ours) });
        for (theirs, ours, expected) in [
            (100_000, 100_900, Status::Ok),
            (100_000, 105_900, Status::Ok),
            (100_000, 106_100, Status::Warning),
            (106_000, 100_000, Status::Warning),
            (200_000, 100_000, Status::Problem),
            (0, 100_000, Status::Problem),
        ] {
            assert_eq!(server(pair(theirs, ours), None).status, expected, "{theirs} {ours}");
            assert_eq!(server(pair(5000, 5000), pair(theirs, ours)).status, expected, "{theirs} {ours}");
        }
        assert_eq!(server(None, None).status, Status::Warning);
    }
}
