//! By email and password, as on the sign-in page: the same counters, the same work, the same least time.

use super::{Login, SignedIn};
use crate::{
    app::Parts,
    appserver::{
        error::{AppserverError, Code},
        session,
    },
    identity::{
        appserver_session::Proof,
        authenticate::{Attempt, Kept, Outcome, PasswordFault, authenticate, set_password},
        device,
        session::{ACR_PASSWORD, AMR_PASSWORD},
    },
    store::{self, principal::Principal},
    web::{browser, forwarded::client_address},
};

/// Signs in a person, or only a system user. With `NewPassword` the password is replaced on the way, which a temporary one
/// has to be.
pub(super) async fn sign_in(login: &Login<'_>, system_user: bool) -> Result<SignedIn, AppserverError> {
    let Parts { store, hasher, config, seals, .. } = &**login.app;
    let (user, password) = (login.required("User")?, login.required("Password")?);
    let known =
        browser::device_cookie(login.req, config).and_then(|text| device::open(&seals.known_device, &text, login.now));
    let attempt = Attempt {
        username: user.to_owned(),
        password: password.to_owned().into(),
        address: client_address(login.req, config),
        device: known.clone(),
    };
    let (mut principal, temporary) = match authenticate(store, hasher, config, login.now, attempt).await? {
        Outcome::Authenticated { principal, password_temporary, .. } => (principal, password_temporary),
        Outcome::Refused | Outcome::Throttled { .. } => return Err(AppserverError::login_failed()),
        Outcome::Busy { retry_after } => return Err(AppserverError::busy(retry_after)),
    };
    if system_user && !principal.system_user {
        return Err(AppserverError::login_failed());
    }
    login.must_have_access(&principal).await?;
    match login.given.get("NewPassword") {
        Some(new) => principal = replace(login, principal, new).await?,
        None if temporary => {
            let message = "The password has expired: send another one as NewPassword.";
            return Err(AppserverError::new(Code::PasswordExpired, message));
        }
        None => {}
    }
    let proof = Proof {
        auth_time: login.now,
        amr: vec![AMR_PASSWORD.to_owned()],
        acr: ACR_PASSWORD.to_owned(),
        password: principal.password_hash.clone(),
    };
    let is_known = known.as_ref().is_some_and(|device| device.is_of(&principal));
    let mut signed_in = login.open(&principal, proof, !is_known).await?;
    let sealed = device::issue(&seals.known_device, &principal, known, login.now);
    signed_in.cookies.push(browser::set_device(config, sealed));
    Ok(signed_in)
}

/// The principal with the new password.
async fn replace(login: &Login<'_>, principal: Principal, new: &str) -> Result<Principal, AppserverError> {
    let Parts { store, hasher, config, .. } = &**login.app;
    let (current, origin) = (principal.password_hash.clone(), session::origin(login.app, login.req));
    let (id, now, kept) = (principal.id.clone(), login.now, Kept::session(None));
    let set = set_password(store, hasher, config, now, &id, current, new.to_owned().into(), kept, origin);
    let refused = |message: String| Err(AppserverError::new(Code::PasswordRefused, format!("NewPassword: {message}")));
    match set.await? {
        Ok(_) => {}
        Err(PasswordFault::Policy(rules)) => return refused(rules.join(" ")),
        Err(PasswordFault::SameAsOld) => return refused("expected another password than the present one".to_owned()),
        // somebody else was faster: the password that was presented is not the password any more
        Err(PasswordFault::Changed) => return Err(AppserverError::login_failed()),
        Err(PasswordFault::Busy(busy)) => return Err(AppserverError::busy(busy.retry_after)),
    }
    let changed = store.read(move |conn| store::principal::find(conn, &id)).await?;
    changed.ok_or_else(AppserverError::login_failed)
}
