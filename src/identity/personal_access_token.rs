//! Whether a personal access token holds now, and what it allows.
//!
//! It is as strong as an access token with its scopes that its person would get at this moment through the application
//! with which it was made: never stronger than either, and refused while either is suspended. An application that was
//! thrown out leaves no token behind that goes on.

use std::sync::Arc;

use crate::{
    model::{permission::Permissions, scope::Scope, secret::Secret, time::Timestamp},
    store::{
        self, KnownPrincipal, Store,
        personal_access_token::{NOTED_EVERY, PersonalAccessToken},
    },
};

/// A personal access token that holds now.
#[derive(Clone, Debug)]
pub struct ActivePersonalAccessToken {
    /// What is stored of it.
    pub token: PersonalAccessToken,
    /// In whose name it acts.
    pub principal: Arc<KnownPrincipal>,
    /// What of its scopes holds.
    pub scope: Scope,
}

impl ActivePersonalAccessToken {
    /// The person's roles.
    pub fn roles(&self) -> &[String] {
        &self.principal.access.roles
    }

    /// What it allows: what the person holds, narrowed by its scopes.
    pub fn permissions(&self) -> Permissions {
        self.principal.access.permissions.narrowed(&self.scope)
    }
}

/// The token, if it holds now; `None` if not, for whatever reason. That it was used is noted at most once a minute, after
/// the answer.
///
/// # Errors
/// Only if the database cannot be asked.
pub async fn verify(
    store: &Store,
    presented: &Secret,
    now: Timestamp,
) -> Result<Option<ActivePersonalAccessToken>, store::Error> {
    let hash = presented.hash();
    let token = store.read(move |conn| store::personal_access_token::find_by_hash(conn, &hash)).await?;
    let Some(token) = token.filter(|token| now < token.expires_at) else { return Ok(None) };
    let principal = store.principal(&token.principal_id).await?;
    let Some(principal) = principal.filter(|principal| principal.suspended_at.is_none()) else { return Ok(None) };
    let client = store.client(&token.client_id).await?;
    let Some(client) = client.filter(|client| client.suspended_at.is_none()) else { return Ok(None) };
    let scope = principal.access.grant(&token.scope, &client, true);
    let active = ActivePersonalAccessToken { token, principal, scope };
    note_use(store, &active, now);
    Ok(Some(active))
}

/// Notes the use without making anybody wait.
fn note_use(store: &Store, active: &ActivePersonalAccessToken, now: Timestamp) {
    let due = |last: Option<Timestamp>| last.is_none_or(|last| now.since(last) >= NOTED_EVERY);
    if !due(active.token.last_used_at) {
        return;
    }
    let also_principal = due(active.principal.last_active_at);
    let (store, id, principal_id) = (store.clone(), active.token.id.clone(), active.principal.id.clone());
    tokio::spawn(async move {
        let noted = store.note(move |tx| {
            store::personal_access_token::touch(tx, &id, now)?;
            if also_principal {
                store::principal::touch(tx, &principal_id, now)?;
            }
            Ok::<_, store::Error>(())
        });
        if let Err(error) = noted.await {
            tracing::warn!(%error, "the use of a personal access token could not be noted");
        }
    });
}
