//! Browser sessions, as they are shown and ended.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    Actor, Refusal,
    audit::{self, Target},
};
use crate::{
    model::time::Timestamp,
    store::{self, Conn, Tx, session::Session},
};

/// A browser session that is live, as it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionDocument {
    /// Its id, the `sid` of tokens
    #[schema(example = "0190a3c2-7b00-7000-8000-00000000000a")]
    pub id: String,
    /// The applications that were granted something in it and still hold it
    #[schema(example = json!(["shop"]))]
    pub client_ids: Vec<String>,
    /// When the person signed in first (RFC 3339)
    #[schema(format = "date-time")]
    pub created_at: String,
    /// When it was last used, to the minute (RFC 3339)
    #[schema(format = "date-time")]
    pub last_active_at: String,
    /// When it ends unless it is used (RFC 3339)
    #[schema(format = "date-time")]
    pub expires_at: String,
    /// Where it began
    #[schema(required, example = "203.0.113.7")]
    pub ip_address: Option<String>,
    /// In which browser
    #[schema(required)]
    pub user_agent: Option<String>,
    /// How the person proved who they are (RFC 8176)
    #[schema(example = json!(["pwd"]))]
    pub authentication_methods: Vec<String>,
    /// Whether the access token that asks was given in it; only in self service
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<bool>,
}

/// A principal's live sessions, the youngest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionList {
    /// The sessions
    pub sessions: Vec<SessionDocument>,
    /// How many there are
    pub total_count: usize,
    /// Null: the list has one page
    #[schema(required)]
    pub first_cursor: Option<String>,
    /// Null: the list has one page
    #[schema(required)]
    pub last_cursor: Option<String>,
}

/// The live sessions of a principal; `asking` is the session of the person who looks at their own.
///
/// # Errors
/// The database cannot be asked.
pub fn list(
    conn: &mut Conn,
    principal_id: &str,
    asking: Option<Option<&str>>,
    now: Timestamp,
) -> Result<SessionList, store::Error> {
    let live = store::session::live_of(conn, principal_id, now)?;
    let ids: Vec<String> = live.iter().map(|session| session.id.clone()).collect();
    let mut clients: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (session, client) in store::grant::clients_of_sessions(conn, &ids, now)? {
        clients.entry(session).or_default().push(client);
    }
    let sessions: Vec<SessionDocument> = live
        .into_iter()
        .map(|session| {
            let client_ids = clients.remove(&session.id).unwrap_or_default();
            let current = asking.map(|asking| asking == Some(session.id.as_str()));
            document(session, client_ids, current)
        })
        .collect();
    Ok(SessionList { total_count: sessions.len(), sessions, first_cursor: None, last_cursor: None })
}

fn document(session: Session, client_ids: Vec<String>, current: Option<bool>) -> SessionDocument {
    SessionDocument {
        created_at: session.created_at.rfc3339(),
        last_active_at: session.last_active_at.rfc3339(),
        expires_at: session.idle_expires_at.min(session.expires_at).rfc3339(),
        id: session.id,
        client_ids,
        ip_address: session.ip_address,
        user_agent: session.user_agent,
        authentication_methods: session.amr,
        current,
    }
}

/// Ends a session of this principal, with all that was granted in it.
///
/// # Errors
/// [`NotFound`](crate::model::problem::Code::NotFound) where the principal has no live session with this id.
pub fn end(tx: &mut Tx<'_>, actor: &Actor, principal_id: &str, id: &str, now: Timestamp) -> Result<(), Refusal> {
    tx.raise()?;
    let session = store::session::find(tx, id)?;
    let session = session.filter(|session| session.principal_id == principal_id && session.is_live(now));
    // of several who end it at once exactly one does
    if session.is_none() || !store::session::end(tx, id, now)? {
        return Err(Refusal::not_found("session", id));
    }
    let before = json!({ "principalId": principal_id });
    audit::note(tx, actor, "session.end", Target { kind: "session", id }, &before, &Value::Null, now)?;
    Ok(())
}
