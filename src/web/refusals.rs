//! Refusals of callers who are known go to the audit log: the first at once, further ones of the same kind within a minute
//! as one event with their number, so that nobody floods the log.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::Next,
    web,
};

use super::problem::DeclinedWith;
use crate::{
    app::App,
    directory::{Actor, audit},
    model::{problem::Code, time::Timestamp},
    store::{self, audit::Event},
};

/// Refusals of one kind within this time are one event.
const WINDOW: Duration = Duration::from_secs(60);
/// The most kinds that are counted; what is beyond is counted together.
const MAX_KINDS: usize = 10_000;
/// The most characters of an address that an event shows.
const MAX_PATH: usize = 256;

/// Who was refused what: the actor, the client, method and route, and the reason. Routes are few, so that nobody has many.
type What = (String, String, String, &'static str);

/// The refusals of the last minute. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Mutex<HashMap<What, Seen>>>);

#[derive(Debug)]
struct Seen {
    until: Timestamp,
    /// The event of those that came after the first.
    more: Event,
}

impl Refusals {
    /// What is to be written now.
    fn count(&self, what: What, event: Event) -> Vec<Event> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let what = match kinds.len() >= MAX_KINDS && !kinds.contains_key(&what) {
            true => (String::new(), String::new(), String::new(), Code::PermissionMissing.as_str()),
            false => what,
        };
        if let Some(seen) = kinds.get_mut(&what).filter(|seen| event.at < seen.until) {
            let occurrences = seen.more.occurrences + 1;
            seen.more = Event { occurrences, ..event };
            return Vec::new();
        }
        let more = Event { occurrences: 0, ..event.clone() };
        let before = kinds.insert(what, Seen { until: event.at + WINDOW, more });
        before.map(|seen| seen.more).filter(|more| more.occurrences > 0).into_iter().chain([event]).collect()
    }

    /// What has been counted and whose minute is over, or all of it.
    fn take(&self, now: Option<Timestamp>) -> Vec<Event> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = kinds.extract_if(|_, seen| now.is_none_or(|now| seen.until <= now));
        over.map(|(_, seen)| seen.more).filter(|more| more.occurrences > 0).collect()
    }

    /// Writes what has been counted, now and then. Runs until it is dropped.
    pub async fn follow(self, app: App) {
        let mut tick = tokio::time::interval(Duration::from_secs(5));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            write(&app, self.take(Some(app.clock.now()))).await;
        }
    }

    /// Writes all that has been counted, as before the server ends.
    pub async fn flush(&self, app: &App) {
        write(app, self.take(None)).await;
    }
}

async fn write(app: &App, events: Vec<Event>) {
    if events.is_empty() {
        return;
    }
    let written = app.store.write(move |tx| {
        events.iter().try_for_each(|event| {
            // one that was counted is written when it is, so that the log stays in the order of time
            store::audit::insert(tx, event)
        })
    });
    let written: Result<(), store::Error> = written.await;
    if let Err(error) = written {
        tracing::warn!(%error, "refusals could not be written to the audit log");
    }
}

/// Notes that this actor was refused this request, for the reason that `code` names.
pub async fn tell(request: &HttpRequest, app: &App, actor: &Actor, code: &'static str) {
    let Some(refusals) = request.app_data::<web::Data<Refusals>>() else { return };
    let route = format!("{} {}", request.method(), request.match_pattern().unwrap_or_default());
    let path: String = format!("{} {}", request.method(), request.path()).chars().take(MAX_PATH).collect();
    let mut event = audit::event(actor, "request.refuse", "request", Some(&path), app.clock.now());
    event.refused = Some(code.to_owned());
    let who = |id: &Option<String>| id.clone().unwrap_or_default();
    write(app, refusals.count((who(&actor.id), who(&actor.client_id), route, code), event)).await;
}

/// Middleware: notes what a caller who is known was refused (403).
pub async fn note(
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let response = next.call(req).await?;
    if response.status() == StatusCode::FORBIDDEN {
        let request = response.request();
        let actor = request.extensions().get::<Actor>().cloned();
        if let (Some(actor), Some(app)) = (actor, request.app_data::<web::Data<App>>()) {
            let code = response.response().extensions().get::<DeclinedWith>().map_or(Code::PermissionMissing, |c| c.0);
            tell(request, app, &actor, code.as_str()).await;
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_two_events() {
        let refusals = Refusals::default();
        let at = Timestamp::from_seconds;
        let refuse = |who: &str, seconds| {
            let event = audit::event(&Actor::command_line(), "request.refuse", "request", None, at(seconds));
            let what = (who.to_owned(), String::new(), "GET /".to_owned(), "PERMISSION_MISSING");
            refusals.count(what, event).iter().map(|event| event.occurrences).collect::<Vec<_>>()
        };
        assert_eq!(refuse("a", 0), [1]);
        for _ in 0..1000 {
            assert!(refuse("a", 30).is_empty());
        }
        assert_eq!(refuse("b", 30), [1]);
        // another minute: what was counted, and a new first one
        assert_eq!(refuse("a", 60), [1000, 1]);
        assert!(refuse("a", 61).is_empty());
        assert!(refusals.take(Some(at(90))).is_empty());
        assert_eq!(refusals.take(Some(at(120))).iter().map(|event| event.occurrences).sum::<i64>(), 1);
        assert!(refusals.take(None).is_empty());
    }
}
