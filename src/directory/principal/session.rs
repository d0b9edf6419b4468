//! Where a principal is signed in.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Stored, note};
use crate::{
    directory::{Actor, Refusal, guard},
    model::time::Timestamp,
    store::{self, Conn, Tx, session::Session},
};

/// The resource that permissions name; they are held against the principal's attributes.
const RESOURCE: &str = "iam/sessions";

/// A session in a browser, as it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(title = "Session")]
pub struct SessionDocument {
    /// The `sid` of tokens
    #[schema(format = "uuid")]
    pub id: String,
    /// The clients that hold grants of this session
    #[schema(example = json!(["shop"]))]
    pub client_ids: Vec<String>,
    /// When it began (RFC 3339)
    #[schema(format = "date-time")]
    pub created_at: String,
    /// When it was last used, to the minute (RFC 3339)
    #[schema(format = "date-time")]
    pub last_active_at: String,
    /// When it ends in any case (RFC 3339); unused, it ends sooner
    #[schema(format = "date-time")]
    pub expires_at: String,
    /// From where it was begun
    #[schema(example = "192.0.2.7")]
    pub ip_address: Option<String>,
    /// In which browser
    #[schema(example = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")]
    pub user_agent: Option<String>,
    /// How the person proved who they are (RFC 8176)
    #[schema(example = json!(["pwd"]))]
    pub authentication_methods: Vec<String>,
}

/// Sessions, the youngest first.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionList {
    /// At most a thousand
    pub sessions: Vec<SessionDocument>,
    /// How many there are
    pub total_count: usize,
    /// Where the page begins; null while there is one page
    pub first_cursor: Option<String>,
    /// Where the page ends; null while there is one page
    pub last_cursor: Option<String>,
}

/// A session, with the clients that hold grants of it, as it is answered.
pub fn document(session: &Session, client_ids: Vec<String>) -> SessionDocument {
    SessionDocument {
        id: session.id.clone(),
        client_ids,
        created_at: session.created_at.rfc3339(),
        last_active_at: session.last_active_at.rfc3339(),
        expires_at: session.expires_at.rfc3339(),
        ip_address: session.ip_address.clone(),
        user_agent: session.user_agent.clone(),
        authentication_methods: session.amr.clone(),
    }
}

/// These sessions of one principal as they are answered; one query finds the clients of all.
///
/// # Errors
/// The database cannot be asked.
pub fn documents(
    conn: &mut Conn,
    principal_id: &str,
    sessions: &[Session],
    now: Timestamp,
) -> Result<Vec<SessionDocument>, store::Error> {
    let mut clients: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (session, client) in store::grant::clients_by_session(conn, principal_id, now)? {
        clients.entry(session.unwrap_or_default()).or_default().push(client);
    }
    Ok(sessions.iter().map(|session| document(session, clients.remove(&session.id).unwrap_or_default())).collect())
}

/// Where the principal is signed in.
///
/// # Errors
/// [`Code::NotFound`](crate::model::problem::Code::NotFound), the permission's.
pub fn list(conn: &mut Conn, actor: &Actor, id: &str, now: Timestamp) -> Result<SessionList, Refusal> {
    let stored = Stored::of(conn, actor, id, RESOURCE, "read")?;
    let sessions = store::session::live_of(conn, &stored.principal.id, now)?;
    let sessions = documents(conn, &stored.principal.id, &sessions, now)?;
    Ok(SessionList { total_count: sessions.len(), sessions, first_cursor: None, last_cursor: None })
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
    let theirs = |session: &Session| session.principal_id == stored.principal.id && session.is_live(now);
    let session = store::session::find(tx, session_id)?
        .filter(theirs)
        .ok_or_else(|| Refusal::not_found("session", session_id))?;
    store::session::end(tx, &session.id, now)?;
    let before = json!({"sessions": [session.id]});
    note(tx, actor, "principal.sessions.end", &stored.principal.id, &before, &Value::Null, now)?;
    Ok(())
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
