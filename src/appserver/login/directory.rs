//! By an account in the directory (LDAP), whose entry names the principal by email.

use secrecy::SecretString;
use tokio::time::Instant;

use super::{ACR_DIRECTORY, Login, SignedIn};
use crate::{
    app::Parts,
    appserver::error::{AppserverError, Code},
    identity::{
        appserver_session::Proof,
        session::AMR_PASSWORD,
        throttle::{self, Allowed, Keys, Throttled},
    },
    ldap::{Ldap, Unavailable},
    model::email,
    store::{self, principal::Principal},
    web::forwarded::client_address,
};

/// Signs in a person. Guesses are counted here as well as there, and the answer takes the same least time whatever it is.
pub(super) async fn sign_in(login: &Login<'_>) -> Result<SignedIn, AppserverError> {
    let answer_at = Instant::now() + login.app.config.passwords.answer_floor;
    let checked = check(login).await;
    tokio::time::sleep_until(answer_at).await;
    let principal = checked?;
    login.must_have_access(&principal).await?;
    let proof = Proof {
        auth_time: login.now,
        amr: vec![AMR_PASSWORD.to_owned()],
        acr: ACR_DIRECTORY.to_owned(),
        password: None,
    };
    login.open(&principal, proof, true).await
}

async fn check(login: &Login<'_>) -> Result<Principal, AppserverError> {
    let Parts { store, config, ldap, .. } = &**login.app;
    let (user, password) = (login.required("User")?, login.required("Password")?);
    let unavailable = || AppserverError::new(Code::DirectoryUnavailable, "The directory cannot be asked now.");
    let ldap = ldap.as_ref().ok_or_else(unavailable)?;
    let keys = Keys::new(user, client_address(login.req, config));
    let allowed = match throttle::begin(store, &config.login, login.now, keys).await? {
        Ok(allowed) => allowed,
        Err(Throttled { .. }) => return Err(AppserverError::login_failed()),
    };
    let mut counted = vec![allowed];
    let emails = match ask(login, ldap, user, password, &mut counted).await? {
        Ok(emails) => emails,
        Err(error) => {
            tracing::warn!(%error, "the directory could not be asked");
            for allowed in counted {
                throttle::withdraw(store, login.now, allowed).await?;
            }
            return Err(unavailable());
        }
    };
    let now = login.now;
    let admitted = store.write(move |tx| {
        let mut found: Vec<Principal> = Vec::new();
        for email in emails.iter().filter(|email| !email.contains('\0')) {
            if let Some(principal) = store::principal::find_by_email(tx, &email::key(email))?
                && !found.iter().any(|known| known.id == principal.id)
            {
                found.push(principal);
            }
        }
        // an entry that means two people means nobody
        let [principal] = found.as_slice() else { return Ok(None) };
        if principal.suspended_at.is_some() {
            return Ok(None);
        }
        counted.iter().try_for_each(|allowed| throttle::succeeded(tx, now, allowed))?;
        Ok::<_, store::Error>(Some(principal.clone()))
    });
    admitted.await?.ok_or_else(AppserverError::login_failed)
}

/// The emails of the entry, if the password is right. Directories know one person by many spellings of a name; so guesses
/// are counted by the entry as well, before its password is compared.
async fn ask(
    login: &Login<'_>,
    ldap: &Ldap,
    user: &str,
    password: &str,
    counted: &mut Vec<Allowed>,
) -> Result<Result<Vec<String>, Unavailable>, AppserverError> {
    let Parts { store, config, .. } = &**login.app;
    let named = match ldap.find(user).await {
        Ok(named) => named,
        Err(error) => return Ok(Err(error)),
    };
    if let Some(dn) = named.dn() {
        match throttle::begin(store, &config.login, login.now, Keys::of_entry(dn)).await? {
            Ok(allowed) => counted.push(allowed),
            Err(Throttled { .. }) => return Err(AppserverError::login_failed()),
        }
    }
    Ok(ldap.bind(named, SecretString::from(password)).await.map(Option::unwrap_or_default))
}
