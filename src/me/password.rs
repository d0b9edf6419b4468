//! `/resources/me/password`

use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    app::App,
    directory::{Refusal, document},
    identity::authenticate::{Attempt, Kept, Outcome, PasswordFault, authenticate, set_password},
    model::problem::{Code, Fault, Problem},
    store::principal::Principal,
    web::{
        body::Body,
        caller::{Caller, need::PasswordWrite},
        forwarded::client_address,
        problem::Declined,
    },
};

/// A new password in the place of the present one.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PasswordInput {
    /// The present password
    #[schema(value_type = String, format = Password, max_length = 1024)]
    current_password: SecretString,
    /// The new one: long enough, with capital and small letters and digits, and not easily guessed
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 1024)]
    new_password: SecretString,
    /// Whether other sessions go on, with what was granted in them; usually they end
    #[serde(default)]
    keep_sessions: bool,
    /// Whether all personal access tokens end; usually they go on
    #[serde(default)]
    revoke_personal_access_tokens: bool,
}

/// Chooses a new password. A wrong present one counts as a failed login.
#[utoipa::path(
    post, path = "/resources/me/password", tag = "me",
    request_body = PasswordInput,
    responses((status = 204, description = "Changed; other sessions have ended unless they were to be kept")),
    security(("oauth" = ["me/password:write"]))
)]
pub async fn post(
    caller: Caller<PasswordWrite>,
    req: HttpRequest,
    body: Body,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    caller.signed_in()?;
    let input: PasswordInput = document::read(Value::Object(body.object()?))?;
    let now = app.clock.now();
    let principal = prove(&app, &req, caller.person()?, input.current_password).await?;

    let kept = Kept {
        session: caller.bearer.session_id,
        all_sessions: input.keep_sessions,
        personal_access_tokens: !input.revoke_personal_access_tokens,
    };
    let (hash, new, origin) = (principal.password_hash.clone(), input.new_password, caller.actor.origin());
    let set = set_password(&app.store, &app.hasher, &app.config, now, &principal.id, hash, new, kept, origin);
    match set.await.map_err(Refusal::from)? {
        Ok(_) => Ok(HttpResponse::NoContent().finish()),
        Err(fault) => Err(refused(fault)),
    }
}

/// The person as of the moment when the password was found right: a guess like any other, or a stolen token could guess
/// without end.
async fn prove(
    app: &App,
    req: &HttpRequest,
    person: &Principal,
    password: SecretString,
) -> Result<Principal, Declined> {
    let Some(username) = person.email.clone().filter(|_| person.password_hash.is_some()) else {
        let message = "this account has no password; an administrator can give it a temporary one";
        return Err(Refusal::at(Code::PasswordWrong, "/currentPassword", message).into());
    };
    let attempt = Attempt { username, password, address: client_address(req, &app.config), device: None };
    let proven = authenticate(&app.store, &app.hasher, &app.config, app.clock.now(), attempt);
    match proven.await.map_err(Refusal::from)? {
        Outcome::Authenticated { principal, .. } if principal.id == person.id => Ok(principal),
        Outcome::Authenticated { .. } | Outcome::Refused => {
            Err(wrong("expected the present password, got another one").into())
        }
        Outcome::Throttled { retry_after } => {
            let detail = "there were too many attempts with wrong passwords; this one was not looked at";
            Err(Declined::from(Refusal::new(Code::TooManyRequests, detail)).retry_after(retry_after))
        }
        Outcome::Busy { retry_after } => Err(busy().retry_after(retry_after)),
    }
}

fn wrong(message: &str) -> Refusal {
    Refusal::at(Code::PasswordWrong, "/currentPassword", message)
}

fn busy() -> Declined {
    Refusal::new(Code::Unavailable, "there are too many passwords to check at this moment; try again soon").into()
}

fn refused(fault: PasswordFault) -> Declined {
    match fault {
        PasswordFault::Policy(rules) => policy(rules).into(),
        PasswordFault::SameAsOld => policy(vec!["Choose another password than the present one.".to_owned()]).into(),
        // somebody else was faster
        PasswordFault::Changed => wrong("the password was changed meanwhile; nothing was changed now").into(),
        PasswordFault::Busy(full) => busy().retry_after(full.retry_after),
    }
}

/// One error for each rule that is broken.
fn policy(rules: Vec<String>) -> Refusal {
    let fault = |message: String| Fault {
        code: Code::PasswordPolicy,
        message,
        pointer: Some("/newPassword".to_owned()),
        details: None,
    };
    Problem::of(rules.into_iter().map(fault).collect()).into()
}
