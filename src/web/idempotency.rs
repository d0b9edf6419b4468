//! `Idempotency-Key`: a request that is made again, because its answer was lost, gets the same answer and does nothing
//! (draft-ietf-httpapi-idempotency-key-header). For what would otherwise make a second secret, or a second password.
//!
//! The answer holds the secret, so it is kept sealed, for a day, and found only by the same caller at the same address
//! with a token that allows the same.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{body::Body, problem::Declined};
use crate::{
    app::App,
    directory::{Actor, Refusal},
    keys::Sealer,
    model::{problem::Code, secret::SecretHash, time::Timestamp},
    store::{
        self, Tx,
        idempotency::{self, Kept},
    },
};

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// The most characters of a key.
const MAX_KEY: usize = 255;

/// An answer that holds a secret: it is given once, and again only to the same request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The new version of the object, where it has one.
    pub etag: Option<String>,
    /// The body.
    pub body: Value,
}

/// The key of a request, if it has one.
#[derive(Clone)]
pub struct Once {
    key: Option<Key>,
    sealer: Sealer,
    now: Timestamp,
}

#[derive(Clone)]
struct Key {
    hash: String,
    request: String,
}

enum Outcome {
    Done(Reply),
    Again(Kept),
}

impl Once {
    /// Reads the key of a request.
    ///
    /// # Errors
    /// [`Code::HeaderInvalid`] where it is not 1 to 255 visible characters, or there are several.
    pub fn of(app: &App, req: &HttpRequest, actor: &Actor, body: &Body) -> Result<Once, Declined> {
        let mut headers = req.headers().get_all("idempotency-key");
        let key = match (headers.next(), headers.next()) {
            (None, _) => None,
            (Some(value), None) => Some(read(value)?),
            _ => return Err(Refusal::new(Code::HeaderInvalid, "expected one Idempotency-Key, got several").into()),
        };
        let key = key.map(|key| {
            let caller = (actor.id.as_deref().unwrap_or_default(), actor.client_id.as_deref().unwrap_or_default());
            // lengths, so that no two different lists of texts are the same text
            // what the caller may do is part of it: an answer is not given again to who would not get it now
            let allowed = SecretHash::of(&format!("{:?}", actor.permissions));
            let parts = [caller.0, caller.1, allowed.as_str(), req.method().as_str(), req.path(), &key];
            let text: String = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
            Key { hash: SecretHash::of(&text).as_str().to_owned(), request: digest(&body.bytes) }
        });
        Ok(Once { key, sealer: app.seals.idempotency.clone(), now: app.clock.now() })
    }

    /// The answer that was given before, so that nothing costly has to be prepared for it.
    ///
    /// # Errors
    /// [`Code::IdempotencyKeyReused`], or the database cannot be asked.
    pub async fn before(&self, app: &App) -> Result<Option<HttpResponse>, Declined> {
        let Some(key) = self.key.clone() else { return Ok(None) };
        let now = self.now;
        let hash = key.hash.clone();
        let kept = app.store.read(move |conn| idempotency::find(conn, &hash, now)).await?;
        match kept {
            Some(kept) => Ok(Some(self.again(&key, &kept)?)),
            None => Ok(None),
        }
    }

    /// Does `act` in one transaction with keeping its answer; where the answer is there already, gives that one.
    ///
    /// # Errors
    /// The act's, [`Code::IdempotencyKeyReused`], or the database failed.
    pub async fn run<F>(self, app: &App, act: F) -> Result<HttpResponse, Declined>
    where
        F: Fn(&mut Tx<'_>) -> Result<Reply, Refusal> + Send + 'static,
    {
        let (once, now) = (self.clone(), self.now);
        let outcome = app
            .store
            .write(move |tx| {
                let Some(key) = &once.key else { return act(tx).map(Outcome::Done) };
                // the same request, made twice at once, waits here and then finds the answer
                tx.raise()?;
                if let Some(kept) = idempotency::find(tx, &key.hash, now)? {
                    return Ok(Outcome::Again(kept));
                }
                let reply = act(tx)?;
                let plain = serde_json::to_vec(&reply).map_err(|e| store::Error::Internal(e.to_string()))?;
                let kept = Kept {
                    hash: key.hash.clone(),
                    request: key.request.clone(),
                    sealed_answer: once.sealer.seal_text(key.hash.as_bytes(), &plain),
                    expires_at: now + KEPT,
                };
                idempotency::insert(tx, &kept, now)?;
                Ok::<_, Refusal>(Outcome::Done(reply))
            })
            .await?;
        match (outcome, &self.key) {
            (Outcome::Again(kept), Some(key)) => self.again(key, &kept),
            (Outcome::Done(reply), _) => Ok(respond(&reply, false)),
            (Outcome::Again(_), None) => Err(Refusal::new(Code::Internal, "an answer without a key").into()),
        }
    }

    fn again(&self, key: &Key, kept: &Kept) -> Result<HttpResponse, Declined> {
        if kept.request != key.request {
            return Err(Refusal::new(
                Code::IdempotencyKeyReused,
                "expected the body that came with this Idempotency-Key before, got another one",
            )
            .into());
        }
        let reply = self
            .sealer
            .open_text(key.hash.as_bytes(), &kept.sealed_answer)
            .and_then(|plain| serde_json::from_slice::<Reply>(&plain).ok())
            .ok_or_else(|| store::Error::Internal("a kept answer does not open".to_owned()))?;
        Ok(respond(&reply, true))
    }
}

fn read(value: &header::HeaderValue) -> Result<String, Declined> {
    let text = value.to_str().unwrap_or_default();
    // the draft has it as a quoted string; most clients send it bare
    let key = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    if (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(key.to_owned());
    }
    Err(Refusal::new(Code::HeaderInvalid, format!("expected Idempotency-Key to be 1 to {MAX_KEY} visible characters"))
        .into())
}

fn digest(bytes: &[u8]) -> String {
    SecretHash::of_bytes(bytes).as_str().to_owned()
}

fn respond(reply: &Reply, again: bool) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    if let Some(etag) = &reply.etag {
        response.insert_header((header::ETAG, format!("\"{etag}\"")));
    }
    if again {
        response.insert_header(("idempotency-replayed", "true"));
    }
    response.json(&reply.body)
}
