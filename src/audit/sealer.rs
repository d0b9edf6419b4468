//! Gives committed events their places in the chain, and signs checkpoints: one server at a time, after the writers'
//! commits.

use std::time::Duration;

use serde_json::json;

use super::{
    CHECKPOINT, Error,
    chain::{self, BEGIN, Checkpoint},
};
use crate::{
    clock::Clock,
    keys::{AuditKeys, MasterKey},
    model::{secret::random_text, time::Timestamp},
    store::{
        self, Store,
        audit_chain::{Head, Link, Signed, Stored},
    },
};

/// A checkpoint is signed after so many events,
pub const CHECKPOINT_EVENTS: i64 = 1000;
/// and after this time, if there were any.
pub const CHECKPOINT_AFTER: Duration = Duration::from_secs(5 * 60);
/// How often it is looked for new events; by the watch on the wall, whatever the clock says.
const POLL: Duration = Duration::from_secs(1);
/// Events that one transaction seals.
const BATCH: i64 = 250;

/// One server's sealer. Cheap to clone.
#[derive(Clone)]
pub struct Sealer {
    pub(super) store: Store,
    pub(super) master: MasterKey,
    clock: Clock,
    /// How long events stay.
    pub(super) kept: Duration,
    /// Tells this server from others.
    pub(super) node: String,
}

/// What became of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// So many events were sealed; there are no more.
    Sealed(usize),
    /// Another server seals.
    Elsewhere,
}

impl Sealer {
    /// A sealer for this process; `kept` is how long events stay in the log.
    pub fn new(store: Store, master: MasterKey, clock: Clock, kept: Duration) -> Sealer {
        Sealer { store, master, clock, kept, node: random_text::<16>() }
    }

    /// Seals what is committed, about every second, and every minute cuts what need not be kept. Runs until it is dropped.
    pub async fn run(self) {
        let mut tick = tokio::time::interval(POLL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for round in 0u64.. {
            tick.tick().await;
            if let Err(error) = self.round().await {
                tracing::warn!(%error, "events of the audit log could not be sealed");
            }
            if round % 60 == 0
                && let Err(error) = self.cut().await
            {
                tracing::warn!(%error, "old events of the audit log could not be removed");
            }
        }
    }

    /// Now.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Seals everything that is committed, and signs what is due, unless another server does.
    ///
    /// # Errors
    /// The database's, or a key that does not open. What was not sealed is, the next time.
    pub async fn round(&self) -> Result<Round, Error> {
        let mut sealed = 0;
        loop {
            let read = |conn: &mut store::Conn| {
                Ok::<_, store::Error>((store::audit_chain::head(conn)?, store::audit_chain::unsealed(conn, BATCH)?))
            };
            let (head, events) = self.store.read(read).await?;
            if !events.is_empty() && !self.seal(&head, &events).await? {
                return Ok(Round::Elsewhere);
            }
            sealed += events.len();
            if !self.checkpoint().await? {
                return Ok(Round::Elsewhere);
            }
            if (events.len() as i64) < BATCH {
                return Ok(Round::Sealed(sealed));
            }
        }
    }

    /// Seals one batch after this head: whether that was for this server to do.
    async fn seal(&self, head: &Head, events: &[Stored]) -> Result<bool, Error> {
        let now = self.now();
        if head.is_held_against(&self.node, now) {
            return Ok(false);
        }
        let (mut position, mut hash) = (head.position, head.hash.clone());
        let mut links = Vec::with_capacity(events.len());
        for event in events {
            position += 1;
            hash = chain::hash(&hash, position, event);
            links.push(Link { id: event.id.clone(), position, hash: hash.clone() });
        }
        let (node, head) = (self.node.clone(), head.clone());
        let write = move |tx: &mut store::Tx<'_>| {
            let after = (position, hash.as_str());
            if !store::audit_chain::advance(tx, &node, &head, after, now)? {
                return Ok(false);
            }
            match store::audit_chain::link(tx, &links)? {
                rows if rows == links.len() => Ok(true),
                rows => {
                    let gone = links.len() - rows;
                    Err(store::Error::Internal(format!("{gone} events vanished while they were being sealed")))
                }
            }
        };
        Ok(self.store.write(write).await?)
    }

    /// Signs a checkpoint if one is due: whether that was for this server to do, or there was none to sign.
    async fn checkpoint(&self) -> Result<bool, Error> {
        let now = self.now();
        let read = |conn: &mut store::Conn| {
            let head = store::audit_chain::head(conn)?;
            let last = store::audit_chain::last_checkpoint(conn)?;
            Ok::<_, store::Error>((head, last, store::audit_chain::last_cut(conn)?))
        };
        let (head, last, cut) = self.store.read(read).await?;
        let (previous, at) = last.as_ref().map_or((0, None), |last| (last.position, Some(last.at)));
        let since = head.position - previous;
        // one that was signed by a clock that was ahead delays none
        let is_old = at.map(Timestamp::from_millis).is_none_or(|at| now < at || at + CHECKPOINT_AFTER <= now);
        if since <= 0 || (since < CHECKPOINT_EVENTS && !is_old) {
            return Ok(true);
        }
        if head.is_held_against(&self.node, now) {
            return Ok(false);
        }
        let keys = self.keys().await?;
        // from what was signed last, be it that or what was cut
        let place = match (&last, &cut) {
            (Some(last), cut) if cut.as_ref().is_none_or(|cut| cut.position <= last.position) => keys
                .verify(&last.token, CHECKPOINT)
                .ok()
                .and_then(chain::claims::<Checkpoint>)
                .map(|claims| (claims.position, claims.hash)),
            (_, Some(cut)) => keys
                .verify(&cut.token, super::CUT)
                .ok()
                .and_then(chain::claims::<chain::Cut>)
                .map(|claims| (claims.position, claims.hash)),
            _ => Some((0, BEGIN.to_owned())),
        };
        let intact = match place {
            Some(place) => self.is_intact(place, &head).await?,
            None => false,
        };
        let (position, hash) = (head.position, head.hash.clone());
        let claims = Checkpoint { position, hash, previous, at: now.rfc3339(), intact };
        let token = keys.sign(CHECKPOINT, &json!(claims))?;
        let (node, before) = (self.node.clone(), head.clone());
        let write = move |tx: &mut store::Tx<'_>| {
            let same = (before.position, before.hash.as_str());
            let ours = store::audit_chain::advance(tx, &node, &before, same, now)?;
            if ours {
                let checkpoint = Signed { position, at: now.millis(), token: token.clone() };
                store::audit_chain::insert_checkpoint(tx, &checkpoint)?;
            }
            Ok::<_, store::Error>(ours)
        };
        let ours = self.store.write(write).await?;
        if ours {
            // kept elsewhere, these lines show what was removed together with its checkpoints
            tracing::info!(position, hash = head.hash, "audit checkpoint");
        }
        if ours && !intact {
            tracing::error!(position, "the audit log is not as it was sealed: run keyward audit verify");
        }
        Ok(ours)
    }

    /// Whether what follows a place up to the head is as it was sealed.
    async fn is_intact(&self, mut place: (i64, String), head: &Head) -> Result<bool, Error> {
        while place.0 < head.position {
            let (after, until) = (place.0, head.position);
            let events = self.store.read(move |conn| store::audit_chain::sealed(conn, after, until, BATCH)).await?;
            if events.is_empty() {
                return Ok(false);
            }
            let intact;
            (place, intact) = chain::follows(place, &events);
            if !intact {
                return Ok(false);
            }
        }
        Ok(place == (head.position, head.hash.clone()))
    }

    /// The keys; the first is made where there is none.
    pub(super) async fn keys(&self) -> Result<AuditKeys, Error> {
        let records = self.store.read(store::audit_chain::keys).await?;
        if !records.is_empty() {
            return Ok(AuditKeys::open(records, &self.master)?);
        }
        let key = AuditKeys::generate(&self.master, self.now())?;
        let inserted = key.clone();
        self.store.write(move |tx| store::audit_chain::insert_key(tx, &inserted)).await?;
        Ok(AuditKeys::open(vec![key], &self.master)?)
    }
}
