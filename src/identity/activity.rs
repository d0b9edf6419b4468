//! That somebody was active: written down at most once a minute, and nobody waits for it.

use crate::{
    app::Parts,
    model::time::Timestamp,
    store::{self, principal::Principal},
};

/// Notes that a person has done something with a token.
pub fn note(app: &Parts, principal: &Principal, now: Timestamp) {
    if !app.activity.is_due(&principal.id, principal.last_active_at, now) {
        return;
    }
    let (store, id) = (app.store.clone(), principal.id.clone());
    tokio::spawn(async move {
        if let Err(error) = store.note(move |tx| store::principal::touch(tx, &id, now)).await {
            tracing::warn!(%error, "that somebody was active could not be noted");
        }
    });
}
