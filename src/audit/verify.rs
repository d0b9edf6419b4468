//! Whether the audit log is what was sealed; and if not, where it is not.

use std::{collections::BTreeMap, time::Duration};

use super::{
    CHECKPOINT, CUT, Error,
    chain::{self, BEGIN, Checkpoint, Cut},
    sealer::CHECKPOINT_AFTER,
};
use crate::{
    keys::AuditKeys,
    model::{id::shown, time::Timestamp},
    store::{
        self, Store,
        audit_chain::{Signed, Stored},
    },
};

/// Events that are in memory at a time.
const PAGE: i64 = 1000;
/// Faults that are told; more are counted.
const MAX_FAULTS: usize = 100;
/// Changed events that are kept to see whether they have only changed places.
const MAX_CHANGED: usize = 16;
/// An event that was sealed later than a checkpoint is not older than that checkpoint by more than this. Transactions are
/// shorter; what remains are clocks.
const TOLERANCE: Duration = Duration::from_secs(10 * 60);

/// What is wrong at some place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Events are missing between others.
    Deleted,
    /// An event is not what was sealed.
    Edited,
    /// An event stands where another one was sealed.
    Reordered,
    /// An event was put in afterwards.
    Inserted,
    /// Events are missing at the end.
    Truncated,
    /// Hashes were computed anew, but do not lead to what was signed.
    Rewritten,
    /// A signed record is missing, or was not signed by this server.
    Record,
}

/// Something that is wrong.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// What.
    pub kind: Kind,
    /// Where in the chain.
    pub position: i64,
    /// The event there, if there is one.
    pub event: Option<String>,
    /// When it happened, as it says itself (RFC 3339).
    pub at: Option<String>,
    /// In plain words.
    pub message: String,
}

/// What the log is.
#[derive(Clone, Debug, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether nothing is wrong.
    pub intact: bool,
    /// Events that were verified.
    pub events: u64,
    /// The last position.
    pub position: i64,
    /// The hash there.
    pub hash: String,
    /// Committed events that are not sealed yet,
    pub unsealed: i64,
    /// and when the first of them happened (RFC 3339).
    pub unsealed_since: Option<String>,
    /// Checkpoints whose signature holds and that the chain has come by.
    pub checkpoints: u64,
    /// The position up to which a checkpoint covers the log.
    pub signed_until: i64,
    /// What went by the retention policy: the last record of it.
    pub cut: Option<Cut>,
    /// Expected positions that lie before the last cut: nothing is left that could be held to them.
    pub unchecked: Vec<i64>,
    /// What is wrong, by position.
    pub faults: Vec<Fault>,
    /// Faults beyond those that are told.
    pub more_faults: u64,
}

/// Verifies the whole log, page by page. `expected` are hashes that somebody has kept elsewhere, with their positions;
/// `progress` is told how many events of how many were verified.
///
/// # Errors
/// It cannot be read. What is wrong with it is in the report.
pub async fn verify(
    store: &Store,
    keys: &AuditKeys,
    expected: &[(i64, String)],
    mut progress: impl FnMut(u64, u64),
) -> Result<Report, Error> {
    loop {
        let cut = store.read(store::audit_chain::last_cut).await?;
        let report = Verification {
            keys,
            expected,
            report: Report::default(),
            changed: Vec::new(),
            late: Vec::new(),
            more_late: BTreeMap::new(),
            unsigned: None,
        }
        .run(store, &mut progress)
        .await?;
        // what was cut meanwhile looks like something that is missing
        if report.intact || store.read(store::audit_chain::last_cut).await? == cut {
            return Ok(report);
        }
    }
}

struct Verification<'v> {
    keys: &'v AuditKeys,
    expected: &'v [(i64, String)],
    report: Report,
    /// Events that are not what was sealed at their place, with the hash before them.
    changed: Vec<(String, Stored)>,
    /// Events that are older than the checkpoint before them, with its time. A later checkpoint that is older than that,
    /// too, shows that the clock was wrong.
    late: Vec<(Timestamp, Fault)>,
    /// How many more of them there are, by that time.
    more_late: BTreeMap<Timestamp, u64>,
    /// The time of the last checkpoint or, where there is none, of the first event after it; and of the last event.
    unsigned: Option<(Timestamp, Timestamp)>,
}

/// How far the chain was followed.
struct Place {
    position: i64,
    hash: String,
    /// The event there.
    event: Option<(String, i64)>,
}

impl Verification<'_> {
    async fn run(mut self, store: &Store, progress: &mut impl FnMut(u64, u64)) -> Result<Report, Error> {
        let head = store.read(store::audit_chain::head).await?;
        let (unsealed, since) = store.list(store::audit_chain::count_unsealed).await?;
        (self.report.unsealed, self.report.unsealed_since) = (unsealed, since.map(time));
        let cuts = store.list(store::audit_chain::cuts).await?;
        let mut place = self.begin(&cuts);
        let begin = place.position;
        self.expect(&place);
        self.report.unchecked = self.expected.iter().map(|(at, _)| *at).filter(|at| *at < begin).collect();
        let total = u64::try_from(head.position - begin).unwrap_or(0);
        // checkpoints before the cut may not have gone yet
        let mut marks = Marks { next: begin - 1, page: Vec::new(), at: 0, previous: None };
        while place.position < head.position {
            let (after, until) = (place.position, head.position);
            let events = store.list(move |conn| store::audit_chain::sealed(conn, after, until, PAGE)).await?;
            if events.is_empty() {
                break;
            }
            for event in events {
                self.event(&mut place, event, &marks);
                self.expect(&place);
                while let Some(mark) = marks.peek(store).await?.filter(|mark| mark.position <= place.position) {
                    self.checkpoint(&mark, &mut marks, Some(&place), begin);
                }
            }
            self.report.events = u64::try_from(place.position - begin).unwrap_or(0);
            progress(self.report.events, total);
        }
        let mut signed = None;
        while let Some(mark) = marks.peek(store).await? {
            // read after the checkpoint, so that an honest one is never ahead
            let now = store.read(store::audit_chain::head).await?;
            if place.position == head.position && mark.position <= now.position {
                break; // signed while this went on
            }
            signed = self.checkpoint(&mark, &mut marks, None, begin).or(signed);
        }
        let last = store.read(store::audit_chain::last_position).await?;
        let now = store.read(store::audit_chain::head).await?;
        self.end(&place, head.position, &head.hash, signed);
        if last > now.position {
            let message = format!("an event has the position {last}, but the server has sealed only {}", now.position);
            self.fault(Kind::Inserted, last, None, message);
        }
        self.strays(store).await?;
        if let Some((signed, last)) = self.unsigned
            && signed + CHECKPOINT_AFTER + TOLERANCE < last
            // none was signed meanwhile
            && store.read(store::audit_chain::last_checkpoint).await?.map_or(0, |mark| mark.position) <= place.position
        {
            let (from, to) = (self.report.signed_until.max(begin) + 1, place.position);
            let message = format!(
                "nothing is signed of the positions {from} to {to}, up to {}, though a checkpoint is due every {} seconds and \
                 the last one is of {}: checkpoints are missing",
                last.rfc3339(),
                CHECKPOINT_AFTER.as_secs(),
                signed.rfc3339()
            );
            self.fault(Kind::Record, from, None, message);
        }
        for (_, fault) in std::mem::take(&mut self.late) {
            self.add(fault);
        }
        self.report.more_faults += self.more_late.values().sum::<u64>();
        for (position, hash) in self.expected.iter().filter(|(position, _)| *position > place.position) {
            let message = format!("there was a position {position} with the hash {hash}; the log ends before");
            self.fault(Kind::Truncated, *position, None, message);
        }
        self.moved();
        (self.report.position, self.report.hash) = (place.position, place.hash);
        self.report.faults.sort_by_key(|fault| fault.position);
        self.report.intact = self.report.faults.is_empty();
        Ok(self.report)
    }

    /// Where the chain begins, by the records of what was cut.
    fn begin(&mut self, cuts: &[Signed]) -> Place {
        let mut place = Place { position: 0, hash: BEGIN.to_owned(), event: None };
        for row in cuts {
            let position = row.position;
            let cut = self.keys.verify(&row.token, CUT).ok().and_then(chain::claims::<Cut>);
            let Some(cut) = cut.filter(|cut| cut.position == position) else {
                let message = format!("the record that everything up to position {position} was cut is not genuine");
                self.fault(Kind::Record, position, None, message);
                continue;
            };
            if cut.previous != place.position {
                let message = format!("the record of the cut up to position {} is missing", cut.previous);
                self.fault(Kind::Record, cut.previous, None, message);
            }
            if !cut.intact {
                let message = format!(
                    "when positions {} to {position} were cut at {}, they were not what had been sealed",
                    cut.previous + 1,
                    cut.at
                );
                self.fault(Kind::Edited, position, None, message);
            }
            place = Place { position, hash: cut.hash.clone(), event: None };
            self.report.cut = Some(cut);
        }
        place
    }

    fn event(&mut self, place: &mut Place, event: Stored, marks: &Marks) {
        let position = event.position.unwrap_or_default();
        let stored = event.hash.clone().unwrap_or_default();
        let whole = Some((event.id.clone(), event.at));
        if position != place.position + 1 {
            let (from, to) = (place.position + 1, position - 1);
            let what = if from == to {
                format!("the event at position {from} is")
            } else {
                format!("the events at positions {from} to {to} are")
            };
            let before = match &place.event {
                Some((id, at)) => format!("between {id} ({}) and", time(*at)),
                None => "before".to_owned(),
            };
            let message = format!("{what} missing, {before} {} ({})", shown(&event.id), time(event.at));
            self.fault(Kind::Deleted, from, None, message);
            // without what was there it cannot be said what this one should have
        } else if chain::hash(&place.hash, position, &event) != stored {
            let message = format!(
                "the event {} of {} is not what was sealed at position {position}, or what was stored of the one before \
                 was changed",
                shown(&event.id),
                time(event.at)
            );
            self.fault(Kind::Edited, position, whole.clone(), message);
            if self.changed.len() < MAX_CHANGED {
                self.changed.push((place.hash.clone(), event.clone()));
            }
        } else if let Some((mark, at)) = marks.previous
            && Timestamp::from_millis(event.at) + TOLERANCE < Timestamp::from_millis(at)
        {
            let message = format!(
                "the event {} says that it happened at {}, but came into the log only after position {mark}, which was \
                 signed at {}: it was put in afterwards, or a clock was wrong",
                shown(&event.id),
                time(event.at),
                time(at)
            );
            let at = Timestamp::from_millis(at);
            if self.late.len() < MAX_FAULTS {
                self.late.push((at, fault(Kind::Inserted, position, whole.clone(), message)));
            } else {
                *self.more_late.entry(at).or_default() += 1;
            }
        }
        let at = Timestamp::from_millis(event.at);
        let (signed, last) = self.unsigned.unwrap_or((at, at));
        self.unsigned = Some((signed, last.max(at)));
        *place = Place { position, hash: stored, event: whole };
    }

    /// Holds the chain to what somebody else has kept.
    fn expect(&mut self, place: &Place) {
        for (position, hash) in self.expected {
            if *position == place.position && *hash != place.hash {
                let message = format!("expected the hash {hash} at position {position}, the log has {}", place.hash);
                self.fault(Kind::Rewritten, *position, place.event.clone(), message);
            }
        }
    }

    /// Holds the chain to a checkpoint; its claims, if they are genuine. Without a place the chain ends before it.
    fn checkpoint(
        &mut self,
        mark: &Signed,
        marks: &mut Marks,
        place: Option<&Place>,
        begin: i64,
    ) -> Option<Checkpoint> {
        marks.at += 1;
        let position = mark.position;
        let genuine = self.keys.verify(&mark.token, CHECKPOINT).ok().and_then(chain::claims::<Checkpoint>);
        let Some(claims) = genuine.filter(|claims| claims.position == position) else {
            let message = format!("the checkpoint at position {position} was not signed by this server");
            self.fault(Kind::Record, position, None, message);
            marks.previous = Some((position, i64::MIN));
            return None;
        };
        let before = marks.previous.map_or(begin, |(position, _)| position);
        if claims.previous > before {
            let message = format!("the checkpoint at position {} is missing", claims.previous);
            self.fault(Kind::Record, claims.previous, None, message);
        }
        if !claims.intact && position > begin {
            let (from, at) = (claims.previous + 1, &claims.at);
            let message =
                format!("when positions {from} to {position} were signed at {at}, they had been changed already");
            self.fault(Kind::Edited, position, None, message);
        }
        let at = Timestamp::from_rfc3339(&claims.at).unwrap_or(Timestamp::from_millis(mark.at));
        self.late.retain(|(signed, _)| *signed <= at + TOLERANCE);
        self.more_late.retain(|signed, _| *signed <= at + TOLERANCE);
        self.unsigned = Some((at, at));
        marks.previous = Some((position, at.millis()));
        match place {
            Some(place) if place.position == position && place.hash == claims.hash => {
                self.report.checkpoints += 1;
                self.report.signed_until = position;
            }
            Some(place) if place.position == position => {
                let message = format!(
                    "the chain does not lead to the checkpoint that was signed at {} for position {position}: events after \
                     position {before} and up to there were changed, and the hashes computed anew",
                    claims.at
                );
                self.fault(Kind::Rewritten, position, place.event.clone(), message);
            }
            // an event that is missing there is told by itself; those that were cut need no checkpoint
            _ => {}
        }
        Some(claims)
    }

    /// Whether the chain ends where it was said to.
    fn end(&mut self, place: &Place, head: i64, hash: &str, signed: Option<Checkpoint>) {
        let last = match &place.event {
            Some((id, at)) => format!("the last one is {id} ({}) at position {}", time(*at), place.position),
            None => format!("it ends at position {}", place.position),
        };
        if let Some(signed) = signed.filter(|signed| signed.position > place.position) {
            let (position, at) = (signed.position, &signed.at);
            let missing = position - place.position;
            let message = format!(
                "{missing} events are missing at the end: when it was signed at {at} the log had come to position \
                 {position}, {last}"
            );
            self.fault(Kind::Truncated, place.position + 1, None, message);
        } else if head > place.position {
            let missing = head - place.position;
            let message = format!("{missing} events are missing at the end: position {head} was sealed, {last}");
            self.fault(Kind::Truncated, place.position + 1, None, message);
        } else if head == place.position && hash != place.hash {
            let message = format!("the event at the last position {head} is not the one that was sealed there");
            self.fault(Kind::Edited, head, place.event.clone(), message);
        }
    }

    /// Says of changed events which are only not where they were.
    fn moved(&mut self) {
        let hashes: Vec<String> = self.changed.iter().filter_map(|(_, event)| event.hash.clone()).collect();
        let befores: Vec<&String> = self.changed.iter().map(|(before, _)| before).chain(&hashes).collect();
        let mut found = Vec::new();
        for (_, event) in &self.changed {
            for (_, there) in &self.changed {
                let (Some(position), Some(now)) = (there.position, event.position) else { continue };
                if position != now
                    && befores.iter().any(|before| hashes.contains(&chain::hash(before, position, event)))
                {
                    found.push((now, position));
                }
            }
        }
        for (now, position) in found {
            for fault in self.report.faults.iter_mut().filter(|f| f.kind == Kind::Edited && f.position == now) {
                fault.kind = Kind::Reordered;
                fault.message = format!(
                    "the event {} of {} stands at position {now}, but was sealed at position {position}",
                    shown(fault.event.as_deref().unwrap_or_default()),
                    fault.at.as_deref().unwrap_or_default()
                );
            }
        }
    }

    /// Events beside the chain: it does not come by them, or not as lists do.
    async fn strays(&mut self, store: &Store) -> Result<(), Error> {
        let most = MAX_FAULTS as i64;
        for stray in store.list(move |conn| store::audit_chain::before_the_first(conn, most)).await? {
            let position = stray.position.unwrap_or_default();
            let message = format!("the event {} has the position {position}, before the first one", shown(&stray.id));
            self.fault(Kind::Inserted, position, None, message);
        }
        for stray in store.list(move |conn| store::audit_chain::of_other_types(conn, most)).await? {
            let message = format!(
                "the event {} has values of another type than the server writes: they read alike, but are not found by \
                 filters",
                shown(&stray.id)
            );
            self.fault(Kind::Edited, stray.position.unwrap_or_default(), None, message);
        }
        Ok(())
    }

    fn fault(&mut self, kind: Kind, position: i64, event: Option<(String, i64)>, message: String) {
        self.add(fault(kind, position, event, message));
    }

    fn add(&mut self, fault: Fault) {
        if self.report.faults.len() >= MAX_FAULTS {
            self.report.more_faults += 1;
            return;
        }
        self.report.faults.push(fault);
    }
}

fn fault(kind: Kind, position: i64, event: Option<(String, i64)>, message: String) -> Fault {
    let (event, at) = event.map_or((None, None), |(id, at)| (Some(id), Some(time(at))));
    Fault { kind, position, event, at, message }
}

/// The checkpoints in their order, page by page.
struct Marks {
    next: i64,
    page: Vec<Signed>,
    at: usize,
    /// Position and time of the last genuine one.
    previous: Option<(i64, i64)>,
}

impl Marks {
    async fn peek(&mut self, store: &Store) -> Result<Option<Signed>, Error> {
        if self.at >= self.page.len() {
            let after = self.next;
            self.page = store.list(move |conn| store::audit_chain::checkpoints(conn, after, PAGE)).await?;
            self.at = 0;
            self.next = self.page.last().map_or(after, |mark| mark.position);
        }
        Ok(self.page.get(self.at).cloned())
    }
}

fn time(millis: i64) -> String {
    Timestamp::from_millis(millis).rfc3339()
}
