//! What a refresh token names, looked up before the transaction that replaces it.

use std::sync::Arc;

use crate::{
    app::App,
    model::{
        secret::{Kind, Secret},
        time::Timestamp,
    },
    store::{self, KnownPrincipal, client::Client, grant::Grant, refresh_token::RefreshToken},
};

/// What a refresh token names, read before the transaction that replaces it: its row from the database, the rest from
/// memory where it is kept there. The transaction asks only for what may have ended it, and replaces the token if nobody
/// has.
#[derive(Clone, Debug)]
pub struct Beforehand {
    pub(super) token: RefreshToken,
    pub(super) grant: Arc<Grant>,
    pub(super) principal: Arc<KnownPrincipal>,
    /// Whether it is to be written down that the person is active.
    pub(super) is_note_due: bool,
}

impl Beforehand {
    /// `None` where this is not a refresh as it should be: then the transaction has to look at everything, and says what
    /// is wrong.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn read(
        app: &App,
        client: &Client,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<Beforehand>, store::Error> {
        let Some(hash) = Secret::presented(Kind::RefreshToken, token).map(|token| token.hash()) else {
            return Ok(None);
        };
        let found = app.store.read(move |conn| store::refresh_token::find(conn, &hash)).await?;
        let Some(token) = found.filter(|token| token.used_at.is_none() && now < token.expires_at) else {
            return Ok(None);
        };
        let Some(grant) = app.store.grant(&token.grant_id).await? else { return Ok(None) };
        let Some(principal) = app.store.principal(&grant.principal_id).await? else { return Ok(None) };
        // what was just given on another server is not in this one's memory yet
        if principal.suspended_at.is_some() || principal.access.grant(&grant.scope, client, true) != grant.scope {
            return Ok(None);
        }
        let is_note_due = app.activity.is_due(&principal.id, principal.last_active_at, now);
        Ok(Some(Beforehand { token, grant, principal, is_note_due }))
    }
}
