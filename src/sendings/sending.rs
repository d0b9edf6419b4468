//! `/resources/sendings/{id}`

use actix_web::{HttpResponse, http::StatusCode, web};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::{
    app::App,
    directory::{
        Refusal,
        audit::{self, Target},
    },
    model::{permission::Attributes, problem::Code},
    store::sending::{self, Sending, Status},
    web::{
        answer,
        caller::{
            Caller,
            need::{SendingsRead, SendingsWrite},
        },
        problem::Declined,
    },
};

/// What became of a mail; never what it says
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendingDocument {
    /// Its id
    pub sending_id: String,
    /// What kind of mail it is
    pub category: Option<String>,
    /// When it was handed in (RFC 3339)
    #[schema(format = "date-time")]
    pub created_at: String,
    /// The addresses in To
    pub recipient: String,
    /// What has become of it
    #[schema(pattern = "^(pending|sent|failed|cancelled)$")]
    pub status: &'static str,
    /// How many attempts follow the first one
    pub retry_count: i64,
    /// Why the last attempt failed
    pub error_message: Option<String>,
    /// When an attempt last began (RFC 3339)
    #[schema(format = "date-time")]
    pub processed_at: Option<String>,
    /// When the next server accepted it (RFC 3339)
    #[schema(format = "date-time")]
    pub sent_at: Option<String>,
    /// `smtp` or `directory`
    pub transport: String,
    /// Facts of the caller's
    pub dynamic: Option<Map<String, Value>>,
    /// When anything of this last changed (RFC 3339)
    #[schema(format = "date-time")]
    pub last_modified: String,
}

impl From<Sending> for SendingDocument {
    fn from(sending: Sending) -> SendingDocument {
        SendingDocument {
            sending_id: sending.id,
            category: sending.category,
            created_at: sending.created_at.rfc3339(),
            recipient: sending.recipient,
            status: sending.status.as_str(),
            retry_count: sending.retry_count,
            error_message: sending.error_message,
            processed_at: sending.processed_at.map(|at| at.rfc3339()),
            sent_at: sending.sent_at.map(|at| at.rfc3339()),
            transport: sending.transport,
            dynamic: sending.dynamic,
            last_modified: sending.last_modified.rfc3339(),
        }
    }
}

/// What became of a mail
#[utoipa::path(
    get, path = "/resources/sendings/{id}", tag = "sendings",
    params(("id" = String, Path, description = "The id of the answer to the request that it be sent")),
    responses((status = 200, body = SendingDocument)),
    security(("oauth" = ["sendings:read"]))
)]
pub async fn get(
    caller: Caller<SendingsRead>,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    caller.actor.must("sendings", "read", &Attributes::new())?;
    let id = id.into_inner();
    let asked = id.clone();
    let found = app.store.read(move |conn| sending::find(conn, &asked)).await?;
    let sending = found.ok_or_else(|| Refusal::not_found("sending", &id))?;
    Ok(answer::value(StatusCode::OK, &SendingDocument::from(sending)))
}

/// Takes a mail back that was not sent yet
#[utoipa::path(
    delete, path = "/resources/sendings/{id}", operation_id = "cancelSending", tag = "sendings",
    params(("id" = String, Path, description = "The id of the answer to the request that it be sent")),
    responses((status = 204, description = "It will not be sent"), (status = 409)),
    security(("oauth" = ["sendings:write"]))
)]
pub async fn delete(
    caller: Caller<SendingsWrite>,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let (actor, id, now) = (caller.actor, id.into_inner(), app.clock.now());
    actor.must("sendings", "write", &Attributes::new())?;
    let retention = app.config.mail.retention;
    app.store
        .write(move |tx| {
            let found = sending::find(tx, &id)?.ok_or_else(|| Refusal::not_found("sending", &id))?;
            if found.created_by.is_none() {
                // a notice of a theft is not the thief's to stop
                let detail = "expected a mail that a caller has handed in, got one of the server's own";
                return Err(Refusal::new(Code::PermissionMissing, detail));
            }
            if !sending::cancel(tx, &id, retention, now)? {
                let status = match found.status {
                    Status::Pending => "being delivered",
                    status => status.as_str(),
                };
                return Err(Refusal::new(Code::SendingNotPending, format!("expected a pending mail, it is {status}")));
            }
            let target = Target { kind: "sending", id: &id };
            let (before, after) = (json!({ "status": "pending" }), json!({ "status": "cancelled" }));
            audit::note(tx, &actor, "sending.cancel", target, &before, &after, now)?;
            Ok(())
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
