//! Retention: what is older than the policy goes, from the beginning of the chain, and a signed record says what went.

use std::time::Duration;

use serde_json::json;

use super::{
    CUT, Error,
    chain::{self, BEGIN, Cut},
    sealer::Sealer,
};
use crate::{
    model::time::Timestamp,
    store::{self, audit_chain::Signed},
};

/// At most one record of a cut in this time.
const EVERY: Duration = Duration::from_secs(24 * 3600);
/// Events that are looked at together.
const PAGE: i64 = 500;
/// Events that one transaction deletes: they lie together, in the order of time.
const BATCH: i64 = 100;
/// Between two of them others write.
const PAUSE: Duration = Duration::from_millis(5);

impl Sealer {
    /// Signs what has to go, if a day has passed since the last time, and deletes what was signed to be gone; how many
    /// rows went. Only what is sealed goes, and nothing that lies behind an event that has to stay.
    ///
    /// # Errors
    /// The database's, or a key that does not open.
    pub async fn cut(&self) -> Result<usize, Error> {
        let last = self.store.read(store::audit_chain::last_cut).await?;
        let now = self.now();
        let at = last.as_ref().map(|last| Timestamp::from_millis(last.at));
        // one that was signed by a clock that was ahead delays none
        if at.is_none_or(|at| now < at || at + EVERY <= now) {
            self.sign_cut(last, now).await?;
        }
        let Some(last) = self.store.read(store::audit_chain::last_cut).await? else { return Ok(0) };
        // only what the record is about, by its signature: a forged row would have all of it deleted
        let keys = self.keys().await?;
        let Some(cut) = keys.verify(&last.token, CUT).ok().and_then(chain::claims::<Cut>) else {
            tracing::error!("the record of what was cut from the audit log is not genuine: run keyward audit verify");
            return Ok(0);
        };
        let mut total = 0;
        loop {
            let rows = self.store.write(move |tx| store::audit_chain::delete_cut(tx, cut.position, BATCH)).await?;
            if rows == 0 {
                return Ok(total);
            }
            total += rows;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn sign_cut(&self, last: Option<Signed>, now: Timestamp) -> Result<(), Error> {
        let limit = now - self.kept;
        let head = self.store.read(store::audit_chain::head).await?;
        let begin = last.as_ref().map_or(0, |last| last.position);
        if head.position <= begin || head.is_held_against(&self.node, now) {
            return Ok(());
        }
        let mut place: Option<(i64, String)> = None;
        let mut intact = true;
        loop {
            let (after, until) = (place.as_ref().map_or(begin, |place| place.0), head.position);
            let mut events = self.store.read(move |conn| store::audit_chain::sealed(conn, after, until, PAGE)).await?;
            let whole = events.len() as i64 == PAGE;
            let found = events.len();
            let stays = events.iter().position(|event| event.at >= limit.millis()).unwrap_or(found);
            events.truncate(stays);
            if events.is_empty() {
                break;
            }
            let from = match place.take() {
                Some(place) => place,
                None => self.begin_of(&last).await?,
            };
            let (end, follows) = chain::follows(from, &events);
            intact &= follows;
            place = Some(end);
            if stays < found || !whole {
                break;
            }
        }
        let Some((position, hash)) = place else { return Ok(()) };
        if !intact {
            tracing::error!(position, "what is cut from the audit log is not as it was sealed");
        }
        let (at, before) = (now.rfc3339(), limit.rfc3339());
        let cut = Cut { position, hash, previous: begin, events: position - begin, at, before, intact };
        let token = self.keys().await?.sign(CUT, &json!(cut))?;
        let node = self.node.clone();
        let write = move |tx: &mut store::Tx<'_>| {
            // the head's row orders cuts, too
            let same = (head.position, head.hash.as_str());
            let ours = store::audit_chain::advance(tx, &node, &head, same, now)?;
            let latest = store::audit_chain::last_cut(tx)?.map_or(0, |cut| cut.position);
            if ours && latest == begin {
                store::audit_chain::insert_cut(tx, &Signed { position, at: now.millis(), token: token.clone() })?;
            }
            Ok::<_, store::Error>(ours && latest == begin)
        };
        if self.store.write(write).await? {
            tracing::info!(position, events = position - begin, "audit cut");
        }
        Ok(())
    }

    /// Where the chain goes on after a cut; a place that nothing follows where the record is not genuine.
    async fn begin_of(&self, last: &Option<Signed>) -> Result<(i64, String), Error> {
        let Some(last) = last else { return Ok((0, BEGIN.to_owned())) };
        let cut = self.keys().await?.verify(&last.token, CUT).ok().and_then(chain::claims::<Cut>);
        Ok(cut.map_or((last.position, String::new()), |cut| (cut.position, cut.hash)))
    }
}
