//! Whether a client is who it says, by its secret (RFC 6749 §2.3.1).

use std::{sync::Arc, time::Duration};

use crate::{
    model::{secret::SecretHash, time::Timestamp},
    store::{self, KnownClient, Store, client_secret::ClientSecret},
};

/// How exactly it is known when a secret last worked.
const NOTED_EVERY: Duration = Duration::from_secs(3600);

/// The client with this id, if this is a secret of it that has not expired and the client is not suspended; with that
/// secret. Nothing is noted yet: see [`note_use`].
///
/// # Errors
/// The database cannot be asked.
pub async fn by_secret(
    store: &Store,
    id: &str,
    secret: &str,
    now: Timestamp,
) -> Result<Option<(Arc<KnownClient>, ClientSecret)>, store::Error> {
    let presented = SecretHash::of(secret);
    let Some(client) = store.client(id).await? else { return Ok(None) };
    if let Some(proof) = proof(&client, &presented, now) {
        return Ok(Some((client, proof)));
    }
    store.doubt(id);
    let Some(client) = store.client(id).await? else { return Ok(None) };
    Ok(proof(&client, &presented, now).map(|proof| (client, proof)))
}

/// The client's secret that this is, unless it has expired or the client is suspended.
fn proof(client: &KnownClient, presented: &SecretHash, now: Timestamp) -> Option<ClientSecret> {
    // every secret is compared, so that time does not tell which one it was
    let proof = client
        .secrets
        .iter()
        .filter(|secret| secret.expires_at.is_none_or(|expires| now < expires))
        .fold(None, |proof, secret| if secret.hash.matches(presented) { Some(secret) } else { proof });
    proof.filter(|_| client.suspended_at.is_none()).cloned()
}

/// The client with this id, if it is not suspended.
///
/// # Errors
/// The database cannot be asked.
pub async fn active(store: &Store, id: &str) -> Result<Option<Arc<KnownClient>>, store::Error> {
    let Some(client) = store.client(id).await? else { return Ok(None) };
    if client.suspended_at.is_none() {
        return Ok(Some(client));
    }
    store.doubt(id);
    Ok(store.client(id).await?.filter(|client| client.suspended_at.is_none()))
}

/// Writes down that a secret has worked, once in a while and beside the answer, which does not wait for it.
pub fn note_use(store: &Store, secret: &ClientSecret, now: Timestamp) {
    let last = now - NOTED_EVERY;
    if secret.last_used_at.is_some_and(|used| used >= last) {
        return;
    }
    let (store, id) = (store.clone(), secret.id.clone());
    tokio::spawn(async move {
        let noted = store.note(move |tx| store::client_secret::used(tx, &id, now, last)).await;
        if let Err(error) = noted {
            tracing::debug!(%error, "the use of a client secret was not noted");
        }
    });
}
