//! `/resources/me/email/change` and `/resources/me/email/validate`

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use crate::{
    app::App,
    directory::{
        Refusal, document,
        email::{self, EmailChangeDocument, EmailChangeInput, EmailValidationInput},
        profile,
    },
    model::{
        email::Email,
        problem::{Code, Problem},
        secret::{Kind, Secret},
        time::Timestamp,
    },
    store::{
        self, Tx, mail_pace,
        sending::{self, NewSending},
    },
    web::{
        body::Body,
        caller::{Caller, need::EmailWrite},
        email_proof::{self, NotProven},
        idempotency::{Once, Reply},
        problem::Declined,
    },
};

/// How many mails one person has sent to new addresses in a minute.
const PER_MINUTE: u32 = 3;
/// What an application itself must hold to be told the secret, and to send it to the new address.
const RESOURCE: &str = "me/email";
const ACTION: &str = "verify";

/// Asks for another email address, which holds once it is proven. The answer is the same whether or not somebody has that
/// address. What waited before is forgotten.
///
/// This server mails a link to the new address, where it has mail configured; the secret is null then. An application that
/// itself holds `me/email:verify`, by its own roles or list, is told the secret and sends it instead: whoever reads the
/// secret is believed to read that mail. Without both the answer is 403.
#[utoipa::path(
    post, path = "/resources/me/email/change", tag = "me",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same body gets the same secret")),
    request_body = EmailChangeInput,
    responses((status = 200, body = EmailChangeDocument)),
    security(("oauth" = ["me/email:write"]))
)]
pub async fn change(
    caller: Caller<EmailWrite>,
    req: HttpRequest,
    body: Body,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    caller.signed_in()?;
    let once = Once::of(&app, &req, &caller.actor, &body)?;
    let input: EmailChangeInput = document::read(Value::Object(body.object()?))?;
    let email: Email = input.email.parse().map_err(|fault: String| Refusal::at(Code::FieldInvalid, "/email", fault))?;
    let trusted = is_trusted(&app, caller.bearer.client_id.clone()).await?;
    if let Some(before) = once.before(&app).await? {
        return Ok(before);
    }
    let (id, actor, grant) = (caller.person()?.id.clone(), caller.actor, caller.bearer.grant_id);
    let (secret, now) = (Secret::generate(Kind::EmailVerification), app.clock.now());
    let delivery = delivery(&app, trusted, &id, &email, &secret, now)?;
    let act = move |tx: &mut Tx<'_>| {
        email::begin(tx, &actor, &id, &email, &secret.hash(), now)?;
        profile::grant_holds(tx, grant.as_deref())?;
        let told = match &delivery {
            Delivery::ByClient => Some(secret.reveal().to_owned()),
            Delivery::ByMail(mail) => {
                hand_in(tx, &id, mail, now)?;
                None
            }
        };
        let document = EmailChangeDocument { identity_id: id.clone(), secret: told, email: email.to_string() };
        Ok(Reply { status: 200, etag: None, body: json!(document) })
    };
    let answer = once.run(&app, act).await?;
    app.mail.wake();
    Ok(answer)
}

/// How the secret comes to the new address.
enum Delivery {
    /// The application is told, and sends it.
    ByClient,
    /// This server sends it, in this mail.
    ByMail(Box<NewSending>),
}

/// How the secret will come to the new address: the one place that knows. An application that does not hold the
/// permission is never told, or any program with a person's token could prove an address that is not the person's.
fn delivery(
    app: &App,
    trusted: bool,
    id: &str,
    email: &Email,
    secret: &Secret,
    now: Timestamp,
) -> Result<Delivery, Refusal> {
    if trusted {
        return Ok(Delivery::ByClient);
    }
    if !app.mail.is_configured() {
        return Err(Refusal::new(
            Code::PermissionMissing,
            format!(
                "expected the permission {RESOURCE}:{ACTION} of the application itself, which then sends the link; \
                 this server has no outgoing mail configured and cannot send it"
            ),
        ));
    }
    match app.mail.email_verification(email.as_str(), &email_proof::link(id, secret), email::LIFETIME, now) {
        Ok(mail) => Ok(Delivery::ByMail(Box::new(mail))),
        // the only thing in it that comes from outside
        Err(problem) if problem.code == Code::FieldInvalid => {
            let fault = problem.errors.first().map_or(problem.detail.as_str(), |fault| fault.message.as_str());
            Err(Refusal::at(Code::FieldInvalid, "/email", fault))
        }
        Err(problem) => Err(problem.into()),
    }
}

/// Whether the application itself may be told secrets.
async fn is_trusted(app: &App, client_id: Option<String>) -> Result<bool, store::Error> {
    let Some(client_id) = client_id else { return Ok(false) };
    let cache = app.access.clone();
    let trusted = app.store.read(move |conn| {
        let Some(client) = store::client::find(conn, &client_id)? else { return Ok(false) };
        Ok::<_, store::Error>(cache.of_client(conn, &client)?.permissions.allows(RESOURCE, ACTION))
    });
    trusted.await
}

/// Puts the mail into the queue, unless this person has had too many sent: they go to addresses that nobody has proven.
fn hand_in(tx: &mut Tx<'_>, id: &str, mail: &NewSending, now: Timestamp) -> Result<(), Refusal> {
    if let Err(wait) = mail_pace::take(tx, &mail_pace::of_verification(id), 1, PER_MINUTE, now)? {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let detail =
            format!("expected at most {PER_MINUTE} mails to new addresses in a minute; come back in {seconds} s");
        return Err(Problem::new(Code::TooManyRequests, detail).with(json!({ "retryAfter": seconds })).into());
    }
    Ok(sending::insert(tx, mail)?)
}

/// Proves a new email address, which holds from then on. Needs no access token: the secret is the proof, and works once.
#[utoipa::path(
    post, path = "/resources/me/email/validate", tag = "me",
    request_body = EmailValidationInput,
    responses((status = 204, description = "The address is the person's, and verified"), (status = 409)),
    security(())
)]
pub async fn validate(req: HttpRequest, body: Body, app: web::Data<App>) -> Result<HttpResponse, Declined> {
    let input: EmailValidationInput = document::read(Value::Object(body.object()?))?;
    match email_proof::prove(&app, &req, &input.identity_id, &input.secret).await {
        Ok(()) => Ok(HttpResponse::NoContent().finish()),
        Err(NotProven::Refused(refusal)) => Err(refusal.into()),
        Err(NotProven::Throttled { retry_after }) => {
            let detail = "there were too many attempts with wrong secrets; this one was not looked at";
            Err(Declined::from(Refusal::new(Code::TooManyRequests, detail)).retry_after(retry_after))
        }
    }
}
