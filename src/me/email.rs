//! `/resources/me/email/change` and `/resources/me/email/validate`

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use crate::{
    app::App,
    directory::{
        Actor, Refusal, document,
        email::{self, EmailChangeDocument, EmailChangeInput, EmailValidationInput},
        profile,
    },
    identity::throttle::{self, Keys, Throttled},
    model::{
        email::Email,
        id,
        problem::Code,
        secret::{Kind, Secret},
    },
    store::{self, Tx},
    web::{
        body::Body,
        caller::{Caller, need::EmailWrite},
        forwarded::client_address,
        idempotency::{Once, Reply},
        problem::Declined,
        request::request_id,
    },
};

/// What an application itself must hold to send the secret to the new address.
const RESOURCE: &str = "me/email";
const ACTION: &str = "verify";

/// Asks for another email address, which holds once it is proven. The answer is the same whether or not somebody has that
/// address. What waited before is forgotten.
///
/// The application that asks sends the secret to the new address, and must hold `me/email:verify` itself, by its own roles
/// or list: whoever reads the secret is believed to read that mail.
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
    let delivery = delivery(&app, caller.bearer.client_id.clone()).await?;
    if let Some(before) = once.before(&app).await? {
        return Ok(before);
    }
    let (id, actor, grant) = (caller.person()?.id.clone(), caller.actor, caller.bearer.grant_id);
    let (secret, now) = (Secret::generate(Kind::EmailVerification), app.clock.now());
    let act = move |tx: &mut Tx<'_>| {
        email::begin(tx, &actor, &id, &email, &secret.hash(), now)?;
        profile::grant_holds(tx, grant.as_deref())?;
        let told = match delivery {
            Delivery::ByClient => Some(secret.reveal().to_owned()),
        };
        let document = EmailChangeDocument { identity_id: id.clone(), secret: told, email: email.to_string() };
        Ok(Reply { status: 200, etag: None, body: json!(document) })
    };
    once.run(&app, act).await
}

/// How the secret comes to the new address.
#[derive(Clone, Copy)]
enum Delivery {
    /// The application is told, and sends it.
    ByClient,
}

/// How the secret will come to the new address: the one place that knows. An application that does not hold the
/// permission is never told, or any program with a person's token could prove an address that is not the person's.
async fn delivery(app: &App, client_id: Option<String>) -> Result<Delivery, Refusal> {
    let cache = app.access.clone();
    let trusted = app.store.read(move |conn| {
        let Some(client_id) = client_id else { return Ok(false) };
        let Some(client) = store::client::find(conn, &client_id)? else { return Ok(false) };
        Ok::<_, store::Error>(cache.of_client(conn, &client)?.permissions.allows(RESOURCE, ACTION))
    });
    match trusted.await? {
        true => Ok(Delivery::ByClient),
        false => Err(Refusal::new(
            Code::PermissionMissing,
            format!(
                "expected the permission {RESOURCE}:{ACTION} of the application itself, which then sends the link; \
                 this server has no outgoing mail configured and cannot send it"
            ),
        )),
    }
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
    let (address, now) = (client_address(&req, &app.config), app.clock.now());
    let allowed = match throttle::begin(&app.store, &app.config.login, now, Keys::of_verification(address)).await {
        Ok(Ok(allowed)) => allowed,
        Ok(Err(Throttled { retry_after })) => {
            let detail = "there were too many attempts with wrong secrets; this one was not looked at";
            return Err(Declined::from(Refusal::new(Code::TooManyRequests, detail)).retry_after(retry_after));
        }
        Err(error) => return Err(error.into()),
    };
    let presented = Secret::presented(Kind::EmailVerification, &input.secret);
    let (Some(secret), Ok(id)) = (presented, id::principal(&input.identity_id)) else {
        return Err(email::invalid().into());
    };
    let (actor, hash) = (Actor::person(&id, address, request_id(&req)), secret.hash());
    app.store
        .write(move |tx| {
            email::validate(tx, &actor, &id, &hash, now)?;
            Ok::<_, Refusal>(throttle::succeeded(tx, now, &allowed)?)
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
