//! Refusals of callers who are known go to the audit log: the first at once, further ones of the same kind and on the same
//! target within a minute as one event with their number, so that nobody floods the log. Whoever tries many targets is
//! counted together from the hundredth on.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::Next,
    web,
};

use serde::Deserialize;
use serde_json::Value;

use super::problem::DeclinedWith;
use crate::{
    app::App,
    directory::{Actor, audit},
    model::{id, problem::Code, time::Timestamp},
    store::{
        self,
        audit::{Change, Event},
    },
};

/// Refusals of one kind within this time are one event.
const WINDOW: Duration = Duration::from_secs(60);
/// The most kinds that are counted; what is beyond is counted together.
const MAX_KINDS: usize = 10_000;
/// The most targets of one actor's refusals within that time that are told apart; the rest is counted together.
const MAX_TARGETS: usize = 100;
/// The most characters of an address or id that an event shows.
const MAX_PATH: usize = 256;
/// What events are about that routes name: the segment before an object's id, and the kind.
const KINDS: [(&str, &str); 4] =
    [("sessions", "session"), ("principals", "principal"), ("clients", "client"), ("roles", "role")];

/// Who was refused: the actor and the client.
type Who = (String, String);

/// Who was refused what: method and route, the target, and the reason. Routes are few, so that nobody has many of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct What {
    who: Who,
    route: String,
    /// Kind and id; none where the route names none, or where there are too many.
    target: Option<(&'static str, String)>,
    code: &'static str,
}

/// The refusals of the last minute. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Mutex<Lately>>);

#[derive(Debug, Default)]
struct Lately {
    kinds: HashMap<What, Seen>,
    /// How many targets somebody's refusals had, and until when they are counted.
    targets: HashMap<Who, (Timestamp, usize)>,
}

impl Lately {
    /// Whether this actor's refusals on one more target are told apart.
    fn has_room(&mut self, who: &Who, now: Timestamp) -> bool {
        if self.targets.len() >= MAX_KINDS && !self.targets.contains_key(who) {
            return false;
        }
        let (until, many) = self.targets.entry(who.clone()).or_insert((now + WINDOW, 0));
        if *until <= now {
            (*until, *many) = (now + WINDOW, 0);
        }
        *many += usize::from(*many < MAX_TARGETS + 1);
        *many <= MAX_TARGETS
    }
}

#[derive(Debug)]
struct Seen {
    until: Timestamp,
    /// The event of those that came after the first.
    more: Event,
}

impl Refusals {
    /// What is to be written now. `event` is about the request as such, and becomes one about the target.
    fn count(&self, mut what: What, mut event: Event) -> Vec<Event> {
        let mut lately = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if what.target.is_some() && !lately.kinds.contains_key(&what) && !lately.has_room(&what.who, event.at) {
            what.target = None;
        }
        if lately.kinds.len() >= MAX_KINDS && !lately.kinds.contains_key(&what) {
            let code = Code::PermissionMissing.as_str();
            what = What { who: Who::default(), route: String::new(), target: None, code };
        }
        if let Some((kind, id)) = &what.target {
            let request = event.target_id.replace(id.clone());
            event.target_kind = (*kind).to_owned();
            event.changes = vec![Change {
                path: "/request".to_owned(),
                from: Value::Null,
                to: request.map_or(Value::Null, Value::String),
            }];
        }
        let kinds = &mut lately.kinds;
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
        let mut lately = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lately.targets.retain(|_, (until, _)| now.is_some_and(|now| *until > now));
        let over = lately.kinds.extract_if(|_, seen| now.is_none_or(|now| seen.until <= now));
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
    let what = What { who: (who(&actor.id), who(&actor.client_id)), route, target: target(request).await, code };
    write(app, refusals.count(what, event)).await;
}

/// What routes call the ids of these objects.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Named {
    id: String,
    key: String,
    session_id: String,
}

/// What the address is about: the innermost object that the matched route names, its kind and id.
async fn target(request: &HttpRequest) -> Option<(&'static str, String)> {
    let pattern = request.match_pattern()?;
    let segments: Vec<&str> = pattern.split('/').collect();
    let (kind, parameter) = segments.windows(2).rev().find_map(|pair| {
        let parameter = pair[1].strip_prefix('{')?.strip_suffix('}')?;
        let (_, kind) = KINDS.iter().find(|(segment, _)| *segment == pair[0])?;
        Some((*kind, parameter))
    })?;
    let named = web::Path::<Named>::extract(request).await.ok()?.into_inner();
    let given = match parameter {
        "id" => named.id,
        "key" => named.key,
        "sessionId" => named.session_id,
        _ => return None,
    };
    // as the events of what was done call it
    let id = match kind {
        "principal" => id::principal(&given).unwrap_or(given),
        _ => given,
    };
    Some((kind, id.chars().take(MAX_PATH).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()))
}

/// Whether a refusal goes to the log: what somebody may not do, and what would have left nobody in charge. Not what was
/// said wrongly, nor versions that have passed.
fn is_noted(status: StatusCode, code: Option<Code>) -> bool {
    status == StatusCode::FORBIDDEN || code == Some(Code::LastOwner)
}

/// Middleware: notes what a caller who is known was refused.
pub async fn note(
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let response = next.call(req).await?;
    let code = response.response().extensions().get::<DeclinedWith>().map(|declined| declined.0);
    if is_noted(response.status(), code) {
        let request = response.request();
        let actor = request.extensions().get::<Actor>().cloned();
        if let (Some(actor), Some(app)) = (actor, request.app_data::<web::Data<App>>()) {
            tell(request, app, &actor, code.unwrap_or(Code::PermissionMissing).as_str()).await;
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(who: &str, target: Option<String>) -> What {
        let target = target.map(|id| ("principal", id));
        What { who: (who.to_owned(), String::new()), route: "GET /".to_owned(), target, code: "PERMISSION_MISSING" }
    }

    #[test]
    fn targets_are_told_apart_up_to_a_hundred() {
        let refusals = Refusals::default();
        let refuse = |who: &str, n: usize, seconds| {
            let (at, path) = (Timestamp::from_seconds(seconds), format!("GET /{n}"));
            let event = audit::event(&Actor::command_line(), "request.refuse", "request", Some(&path), at);
            refusals.count(what(who, Some(n.to_string())), event)
        };
        let first = refuse("a", 7, 0);
        assert_eq!((first[0].target_kind.as_str(), first[0].target_id.as_deref()), ("principal", Some("7")));
        assert_eq!(first[0].changes[0].to, "GET /7");
        let written: Vec<Event> = (0..1000).flat_map(|n| refuse("a", n, 1)).collect();
        // 7 was there before
        assert_eq!(written.iter().filter(|event| event.target_kind == "principal").count(), MAX_TARGETS - 1);
        let together: Vec<&Event> = written.iter().filter(|event| event.target_kind == "request").collect();
        assert_eq!((together.len(), together[0].target_id.as_deref()), (1, Some("GET /100")));
        assert_eq!(refuse("b", 900, 1).len(), 1, "others have their own");
        let rest = refusals.take(None);
        assert_eq!(rest.iter().map(|event| event.occurrences).sum::<i64>(), 1 + 899);
        assert_eq!(refuse("a", 900, 100)[0].target_kind, "principal", "another minute");
    }

    #[test]
    fn a_flood_is_two_events() {
        let refusals = Refusals::default();
        let at = Timestamp::from_seconds;
        let refuse = |who: &str, seconds| {
            let event = audit::event(&Actor::command_line(), "request.refuse", "request", None, at(seconds));
            refusals.count(what(who, None), event).iter().map(|event| event.occurrences).collect::<Vec<_>>()
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
