//! `/resources/iam/audit`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    app::App,
    directory::{Refusal, actor},
    model::{id::shown, permission::Visibility, problem::Code, time::Timestamp},
    store::{
        self,
        audit::{Event, Filter},
    },
    web::{
        answer,
        caller::{Caller, need::AuditRead},
        listing::{EVENTS, ListQuery, PageOf, PageParameters},
        problem::Declined,
    },
};

/// An event of the audit log, as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventDocument {
    /// Events lie in the order of their ids
    #[schema(format = "uuid")]
    pub id: String,
    /// When it happened (RFC 3339)
    #[schema(format = "date-time")]
    pub at: String,
    /// What was done: `principal.update`, `client.secret.create`, `session.begin`, …; `request.refuse` for a refusal
    #[schema(example = "principal.update")]
    pub action: String,
    /// `succeeded` or `refused`
    pub outcome: String,
    /// Why it was refused; null if it was done
    pub code: Option<String>,
    /// Who did it
    pub actor: ActorDocument,
    /// By which client's token
    pub client_id: Option<String>,
    /// From where
    pub ip_address: Option<String>,
    /// In which request; empty outside of requests
    pub request_id: String,
    /// On what it was done
    pub target: TargetDocument,
    /// What was changed, without secrets
    pub changes: Vec<ChangeDocument>,
    /// How often; refusals that repeat within a minute are one event
    pub occurrences: i64,
}

/// Who did something.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActorDocument {
    /// `principal`, `client`, `commandLine` or `system`
    pub r#type: String,
    /// The identity; null where it is none
    pub id: Option<String>,
}

/// On what something was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetDocument {
    /// `principal`, `client`, `role`, `session`, …
    pub r#type: String,
    /// Its id
    pub id: Option<String>,
}

/// A member that was changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeDocument {
    /// Which (RFC 6901)
    pub path: String,
    /// What it was; null if it was not there
    pub from: Value,
    /// What it is now; null if it is not there any more
    pub to: Value,
}

/// A page of events, as it is answered.
#[derive(Debug, ToSchema)]
#[allow(dead_code)] // what describes the answer; the envelope writes it
#[serde(rename_all = "camelCase")]
pub struct EventList {
    events: Vec<EventDocument>,
    #[schema(inline)]
    #[serde(flatten)]
    page: PageOf,
}

/// Who changed what, and who was refused; the newest first unless `orderBy=at asc`
#[utoipa::path(
    get, path = "/resources/iam/audit", tag = "audit", operation_id = "listEvents",
    params(
        ("actor" = Option<String>, Query, description = "By this identity", max_length = 200),
        ("client" = Option<String>, Query, description = "By this client's token", max_length = 200),
        ("action" = Option<String>, Query, description = "This action, or with a `.` at its end all that begin so",
            max_length = 200),
        ("target" = Option<String>, Query, description = "On the object with this id", max_length = 200),
        ("targetType" = Option<String>, Query, description = "On this kind of object", max_length = 200),
        ("outcome" = Option<String>, Query, description = "`succeeded` or `refused`"),
        ("since" = Option<String>, Query, description = "Not before this time (RFC 3339)"),
        ("until" = Option<String>, Query, description = "Before this time (RFC 3339)"),
        PageParameters,
    ),
    responses((status = 200, body = EventList)),
    security(("oauth" = ["iam/audit:read"]))
)]
pub async fn list(caller: Caller<AuditRead>, req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Declined> {
    // events carry no attributes: a permission under a condition shows none of them
    if caller.actor.permissions.visibility("iam/audit", "read") != Visibility::All {
        return Err(actor::missing("iam/audit", "read").into());
    }
    let sealer = &app.seals.cursor;
    let query = ListQuery::parse(req.query_string(), &EVENTS, sealer)?;
    let filter = filter(&query)?;
    let page = query.page.clone();
    let listed = app.store.list(move |conn| store::audit::list(conn, &filter, &page)).await?;
    Ok(answer::value(StatusCode::OK, &query.answer(listed.map(document), sealer)))
}

fn filter(query: &ListQuery) -> Result<Filter, Refusal> {
    let time = |name: &str| match query.text(name) {
        None => Ok(None),
        Some(text) => Timestamp::from_rfc3339(&text).map(Some).ok_or_else(|| {
            let detail = format!("expected {name} as 2026-01-31T12:00:00Z (RFC 3339), got '{}'", shown(&text));
            Refusal::new(Code::ParameterInvalid, detail)
        }),
    };
    let refused = match query.text("outcome").as_deref() {
        None => None,
        Some("refused") => Some(true),
        Some("succeeded") => Some(false),
        Some(other) => {
            let detail = format!("expected outcome to be succeeded or refused, got '{}'", shown(other));
            return Err(Refusal::new(Code::ParameterInvalid, detail));
        }
    };
    Ok(Filter {
        action: query.text("action"),
        actor_id: query.text("actor"),
        client_id: query.text("client"),
        target_id: query.text("target"),
        target_kind: query.text("targetType"),
        refused,
        since: time("since")?,
        until: time("until")?,
    })
}

fn document(event: Event) -> EventDocument {
    EventDocument {
        id: event.id,
        at: event.at.rfc3339(),
        action: event.action,
        outcome: if event.refused.is_some() { "refused" } else { "succeeded" }.to_owned(),
        code: event.refused,
        actor: ActorDocument { r#type: event.actor_kind, id: event.actor_id },
        client_id: event.client_id,
        ip_address: event.ip_address,
        request_id: event.request_id,
        target: TargetDocument { r#type: event.target_kind, id: event.target_id },
        changes: event
            .changes
            .into_iter()
            .map(|change| ChangeDocument { path: change.path, from: change.from, to: change.to })
            .collect(),
        occurrences: event.occurrences,
    }
}
