//! `POST /resources/sendings/email`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::{
    app::App,
    directory::{
        Refusal,
        audit::{self, Target},
        document,
    },
    mail::Draft,
    model::{
        permission::Attributes,
        problem::{Code, Problem},
    },
    store::{mail_pace, sending},
    web::{
        body::Body,
        caller::{Caller, need::SendingsWrite},
        idempotency::{Once, Reply},
        problem::Declined,
    },
};

/// One address or several
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected an email address or a list of them")]
pub enum Addresses {
    /// One
    One(String),
    /// Several
    Several(Vec<String>),
}

impl From<Option<Addresses>> for Addresses {
    fn from(addresses: Option<Addresses>) -> Addresses {
        addresses.unwrap_or(Addresses::Several(Vec::new()))
    }
}

impl Addresses {
    fn is_one(&self) -> bool {
        matches!(self, Addresses::One(_))
    }

    fn list(self) -> Vec<String> {
        match self {
            Addresses::One(address) => vec![address],
            Addresses::Several(addresses) => addresses,
        }
    }
}

/// What a mail says; one of the two at least
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BodyInput {
    /// As plain text
    pub plain_text: Option<String>,
    /// As HTML
    pub html: Option<String>,
}

/// A mail that is to be sent
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EmailInput {
    /// To whom
    pub to: Addresses,
    /// What it is about: one line
    pub subject: String,
    /// What it says
    pub body: BodyInput,
    /// To whom for information
    pub cc: Option<Addresses>,
    /// To whom without the others knowing
    pub bcc: Option<Addresses>,
    /// The sender's address, in a domain that the server is configured for; absent means the configured address
    pub from: Option<String>,
    /// The sender's name; absent means the configured name
    pub from_name: Option<String>,
    /// Where answers go
    pub reply_to: Option<String>,
    /// What kind of mail it is; `system:…` is reserved
    #[schema(example = "onboarding")]
    pub category: Option<String>,
    /// Facts that are kept with it and can be queried
    pub dynamic: Option<Map<String, Value>>,
}

/// A mail that waits to be sent
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// By which it can be asked what became of it
    pub sending_id: String,
}

/// Has a mail sent
#[utoipa::path(
    post, path = "/resources/sendings/email", operation_id = "sendEmail", tag = "sendings",
    request_body = EmailInput,
    responses((status = 202, description = "It is in the queue", body = Accepted)),
    security(("oauth" = ["sendings:write"]))
)]
pub async fn post(
    caller: Caller<SendingsWrite>,
    req: HttpRequest,
    body: Body,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let (actor, now) = (caller.actor, app.clock.now());
    actor.must("sendings", "write", &Attributes::new())?;
    let once = Once::of(&app, &req, &actor, &body)?;
    if let Some(answer) = once.before(&app).await? {
        return Ok(answer);
    }
    let input: EmailInput = document::read(Value::Object(body.object()?))?;
    let (to, cc, bcc) = (input.to, Addresses::from(input.cc), Addresses::from(input.bcc));
    let alone = [("/to/0", to.is_one()), ("/cc/0", cc.is_one()), ("/bcc/0", bcc.is_one())];
    let draft = Draft {
        to: to.list(),
        cc: cc.list(),
        bcc: bcc.list(),
        from: input.from,
        from_name: input.from_name,
        reply_to: input.reply_to,
        subject: input.subject,
        plain: input.body.plain_text,
        html: input.body.html,
        category: input.category,
        dynamic: input.dynamic,
        created_by: actor.id.clone(),
    };
    let recipients = u32::try_from(draft.to.len() + draft.cc.len() + draft.bcc.len()).unwrap_or(u32::MAX);
    let new = app.mail.compose(&draft, now).map_err(|problem| as_given(problem, &alone))?;
    let rate = app.config.mail.caller_rate;
    let written = once.run(&app, move |tx| {
        let bucket = mail_pace::of_caller(actor.id.as_deref().unwrap_or_default());
        if let Err(wait) = mail_pace::take(tx, &bucket, recipients, rate, now)? {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let detail = format!("expected at most {rate} recipients in a minute; come back in {seconds} s");
            return Err(Problem::new(Code::TooManyRequests, detail).with(json!({ "retryAfter": seconds })).into());
        }
        sending::insert(tx, &new)?;
        let after = json!({ "category": new.category, "recipient": new.recipient });
        let target = Target { kind: "sending", id: &new.id };
        audit::note(tx, &actor, "sending.create", target, &Value::Null, &after, now)?;
        let body = json!(Accepted { sending_id: new.id.clone() });
        Ok::<_, Refusal>(Reply { status: StatusCode::ACCEPTED.as_u16(), etag: None, body })
    });
    let answer = written.await?;
    app.mail.wake();
    Ok(answer)
}

/// The places as the body has them: an address that stood alone is no member of a list.
fn as_given(problem: Problem, alone: &[(&str, bool)]) -> Problem {
    let mut errors = problem.errors.clone();
    for pointer in errors.iter_mut().filter_map(|fault| fault.pointer.as_mut()) {
        if alone.iter().any(|(place, is_one)| *is_one && place == pointer) {
            pointer.truncate(pointer.len() - "/0".len());
        }
    }
    if errors.is_empty() { problem } else { Problem::of(errors) }
}
