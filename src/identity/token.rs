//! Whether an access token holds now, and what it allows: asked by introspection, userinfo and every API of this
//! server. Nothing is stored per access token; what it names (subject, client, grant, session, its own `jti`) is looked
//! at on each use.

use std::sync::Arc;

use super::access::Access;
use crate::{
    app::Parts,
    model::{access_token::AccessToken, id, permission::Permissions, scope::Scope, time::Timestamp},
    store::{self, Conn, KnownClient, KnownPrincipal, Store, client::Client, grant::Grant},
};

/// An access token that holds now.
#[derive(Clone, Debug)]
pub struct ActiveToken {
    /// What it says.
    pub token: Arc<AccessToken>,
    /// What of its scopes holds as of now.
    pub scope: Scope,
    /// To whom it was given.
    pub client: Arc<KnownClient>,
    /// In whose name; none if the client acts for itself.
    pub principal: Option<Arc<KnownPrincipal>>,
    /// The grant that it belongs to; none if the client acts for itself.
    pub grant: Option<Arc<Grant>>,
    /// What the subject may do as of now.
    pub access: Arc<Access>,
}

impl ActiveToken {
    /// Whether `audience` is one of those that it names.
    pub fn is_for(&self, audience: &str) -> bool {
        self.token.audiences.iter().any(|named| **named == *audience)
    }

    /// The subject's roles as of now.
    pub fn roles(&self) -> &[String] {
        &self.access.roles
    }

    /// What it allows as of now: what the subject holds, narrowed by its scopes. A client's own token that names no scope,
    /// of a client that has none registered, holds whatever the client holds.
    pub fn permissions(&self) -> Permissions {
        let whole = self.principal.is_none() && self.client.scopes.is_empty() && self.token.scope.is_none();
        if whole { self.access.permissions.clone() } else { self.access.permissions.narrowed(&self.scope) }
    }
}

/// Whether this access token holds now; `None` if it does not, for whatever reason.
///
/// # Errors
/// Only if the database cannot be asked.
pub async fn verify(app: &Parts, presented: &str, now: Timestamp) -> Result<Option<ActiveToken>, store::Error> {
    let (keys, sealer) = (app.keys.load_full(), &app.seals.access_token);
    match app.tokens.read(&keys, sealer, app.config.issuer(), presented, now) {
        Some(token) => active(&app.store, token, now).await,
        None => Ok(None),
    }
}

async fn active(store: &Store, token: Arc<AccessToken>, now: Timestamp) -> Result<Option<ActiveToken>, store::Error> {
    if store.is_revoked(&token.jti, token.expires_at).await? {
        return Ok(None);
    }
    let Some(client) = store.client(&token.client_id).await?.filter(|client| client.suspended_at.is_none()) else {
        return Ok(None);
    };
    let (principal, grant, access) = match &token.grant_id {
        Some(id) => {
            let Some(grant) = store.grant(id).await?.filter(|grant| holds(grant, &client, now)) else {
                return Ok(None);
            };
            if let Some(session_id) = binding_session(&grant, &client)
                && !store.is_live_session(session_id, now).await?
            {
                return Ok(None);
            }
            let Some(principal) = store.principal(&token.subject).await?.filter(|p| p.suspended_at.is_none()) else {
                return Ok(None);
            };
            if grant.principal_id != principal.id {
                return Ok(None);
            }
            let access = principal.access.clone();
            (Some(principal), Some(grant), access)
        }
        // the client acts for itself (RFC 9068 §2.2: sub is the client)
        None if *token.subject == *client.id => {
            // by its own id, which has milliseconds; iat has seconds
            let issued_at = id::made_at(&token.jti).unwrap_or(Timestamp::from_seconds(0));
            if client.metadata.tokens_since.is_some_and(|since| issued_at < since) {
                return Ok(None);
            }
            (None, None, client.access.clone())
        }
        None => return Ok(None),
    };
    // what the client may not ask for any more, or the subject does not hold any more, is no scope of the token any more
    let scope = token.scope.as_ref().map(|scope| access.grant(scope, &client, principal.is_some()));
    Ok(Some(ActiveToken { scope: scope.unwrap_or_default(), token, client, principal, grant, access }))
}

/// Whether a grant is this client's, not revoked and not expired.
fn holds(grant: &Grant, client: &Client, now: Timestamp) -> bool {
    grant.client_id == client.id && grant.revoked_at.is_none() && now < grant.expires_at
}

/// The session that a grant ends with; none if it outlives sessions, as the client must be registered for still.
fn binding_session<'g>(grant: &'g Grant, client: &Client) -> Option<&'g str> {
    let offline = grant.offline && client.scopes.contains("offline_access");
    grant.session_id.as_deref().filter(|_| !offline)
}

/// The grant, if it holds: this client's, not revoked, not expired, and its session not over unless it outlives sessions,
/// as the client must be registered for still.
pub fn live_grant(conn: &mut Conn, id: &str, client: &Client, now: Timestamp) -> Result<Option<Grant>, store::Error> {
    let Some(grant) = store::grant::find(conn, id)?.filter(|grant| holds(grant, client, now)) else { return Ok(None) };
    Ok(is_in_live_session(conn, &grant, client, now)?.then_some(grant))
}

/// Whether a grant that is kept in memory holds, as [`live_grant`] has it: the database is asked only for what may end it.
pub fn still_holds(conn: &mut Conn, kept: &Grant, client: &Client, now: Timestamp) -> Result<bool, store::Error> {
    Ok(holds(kept, client, now)
        && store::grant::is_unrevoked(conn, &kept.id)?
        && is_in_live_session(conn, kept, client, now)?)
}

fn is_in_live_session(conn: &mut Conn, grant: &Grant, client: &Client, now: Timestamp) -> Result<bool, store::Error> {
    let Some(session_id) = binding_session(grant, client) else { return Ok(true) };
    Ok(store::session::find(conn, session_id)?.is_some_and(|session| session.is_live(now)))
}
