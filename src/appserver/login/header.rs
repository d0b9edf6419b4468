//! By what a trusted proxy says in a header. From anybody else the header is worth nothing.

use actix_web::http::header::HeaderName;

use super::{ACR_PROXY, Login, SignedIn};
use crate::{
    appserver::error::AppserverError,
    config::HeaderField,
    identity::appserver_session::Proof,
    model::{email, id},
    store,
};

/// The longest email address (RFC 5321 §4.5.3.1.3).
const MAX_VALUE: usize = 254;

/// Signs in whom the proxy names.
pub(super) async fn sign_in(login: &Login<'_>) -> Result<SignedIn, AppserverError> {
    let named = named(login).ok_or_else(AppserverError::login_failed)?;
    let field = login.app.config.appserver.header_field;
    let found = login.app.store.read(move |conn| match (field, id::principal(&named)) {
        (HeaderField::Email, _) => store::principal::find_by_email(conn, &email::key(&named)),
        (HeaderField::Id, Ok(id)) => store::principal::find(conn, &id),
        (HeaderField::Id, Err(_)) => Ok(None),
    });
    let found = found.await?.filter(|principal| principal.suspended_at.is_none());
    let principal = found.ok_or_else(AppserverError::login_failed)?;
    login.must_have_access(&principal).await?;
    // how the proxy has found out it does not say
    let proof = Proof { auth_time: login.now, amr: Vec::new(), acr: ACR_PROXY.to_owned(), password: None };
    login.open(&principal, proof, false).await
}

/// Whom the peer names, if it is one of the proxies that are believed. A second header may be the client's own.
fn named(login: &Login<'_>) -> Option<String> {
    let options = &login.app.config.appserver;
    let peer = login.req.peer_addr()?.ip().to_canonical();
    if !options.header_proxies.iter().any(|network| network.contains(&peer)) {
        return None;
    }
    let name = HeaderName::try_from(options.header.as_deref()?).ok()?;
    let mut values = login.req.headers().get_all(name);
    let (value, None) = (values.next()?, values.next()) else { return None };
    let text = std::str::from_utf8(value.as_bytes()).ok()?.trim();
    let sound = (1..=MAX_VALUE).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    sound.then(|| text.to_owned())
}
