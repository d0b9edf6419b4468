//! Where a principal is signed in.

use serde_json::{Value, json};

use super::{Stored, note};
use crate::{
    directory::{
        Actor, Refusal, guard,
        session::{self, SessionList},
    },
    model::time::Timestamp,
    store::{self, Conn, Tx},
};

/// The resource that permissions name; they are held against the principal's attributes.
const RESOURCE: &str = "iam/sessions";

/// Where the principal is signed in.
///
/// # Errors
/// [`Code::NotFound`](crate::model::problem::Code::NotFound), the permission's.
pub fn list(conn: &mut Conn, actor: &Actor, id: &str, now: Timestamp) -> Result<SessionList, Refusal> {
    let stored = Stored::of(conn, actor, id, RESOURCE, "read")?;
    Ok(session::list(conn, &stored.principal.id, None, now)?)
}

/// Ends one session, with what was granted in it.
///
/// # Errors
/// [`Code::NotFound`](crate::model::problem::Code::NotFound) also for a session that is over or another's, the
/// permission's, escalation.
pub fn end(tx: &mut Tx<'_>, actor: &Actor, id: &str, session_id: &str, now: Timestamp) -> Result<(), Refusal> {
    tx.raise()?;
    let stored = Stored::of(tx, actor, id, RESOURCE, "delete")?;
    let holdings = stored.holdings(tx)?;
    guard::may_touch(actor, &holdings)?;
    session::end(tx, actor, &stored.principal.id, session_id, now)
}

/// Ends all sessions, and all grants, also those that outlive sessions.
///
/// # Errors
/// [`Code::NotFound`](crate::model::problem::Code::NotFound), the permission's, escalation.
pub fn end_all(tx: &mut Tx<'_>, actor: &Actor, id: &str, now: Timestamp) -> Result<(), Refusal> {
    tx.raise()?;
    let stored = Stored::of(tx, actor, id, RESOURCE, "delete")?;
    let holdings = stored.holdings(tx)?;
    guard::may_touch(actor, &holdings)?;
    let live = store::session::live_of(tx, &stored.principal.id, now)?;
    let ended: Vec<&str> = live.iter().map(|session| session.id.as_str()).collect();
    store::session::end_all_of(tx, &stored.principal.id, None, now)?;
    let before = json!({ "sessions": ended });
    note(tx, actor, "principal.sessions.end", &stored.principal.id, &before, &Value::Null, now)?;
    Ok(())
}
