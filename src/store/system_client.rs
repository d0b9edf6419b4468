//! Clients that are built in.

use super::{Error, Tx, client};
use crate::model::{client_auth::AuthMethod, grant_type::GrantType, secret::random_text, time::Timestamp};

/// The viewer of the API's description, as a client: it has no secret, acts for whoever signs in and allows it, and its
/// codes go nowhere but to the viewer itself.
pub const DOCS: &str = "keyward-docs";

/// Where the viewer's codes go.
pub fn docs_redirect_uri(issuer: &str) -> String {
    format!("{issuer}/resources/docs/oauth2-redirect.html")
}

/// What the viewer may ask for; who signs in gets no more than they hold.
const DOCS_SCOPES: &str = "iam:* me:* graph:* sendings:*";

/// Makes sure that [`DOCS`] is registered for this issuer, and suspended unless it is `enabled`. The answer is false where
/// somebody else's client has the id: it stays as it is.
pub fn ensure_docs(tx: &mut Tx<'_>, issuer: &str, enabled: bool, now: Timestamp) -> Result<bool, Error> {
    let stored = client::find(tx, DOCS)?;
    if stored.as_ref().is_some_and(|stored| !stored.system_client) {
        return Ok(false);
    }
    let name = "API documentation".to_owned();
    let mut wanted = client::Client::new(DOCS.to_owned(), name, AuthMethod::None, now);
    wanted.description = Some("The viewer of this server's API under /resources/docs".to_owned());
    wanted.redirect_uris = vec![docs_redirect_uri(issuer)];
    wanted.grant_types = vec![GrantType::AuthorizationCode];
    wanted.scopes = DOCS_SCOPES.parse().map_err(|_| Error::Internal("the scopes of a built-in client".to_owned()))?;
    wanted.system_client = true;
    let Some(stored) = stored else {
        if !enabled {
            return Ok(true);
        }
        return match client::insert(tx, &wanted) {
            Ok(()) => Ok(true),
            // a principal's, or one that was deleted
            Err(Error::Conflict(_)) => Ok(false),
            Err(error) => Err(error),
        };
    };
    wanted.suspended_at = if enabled { None } else { Some(stored.suspended_at.unwrap_or(now)) };
    wanted.created_at = stored.created_at;
    let same = stored.name == wanted.name
        && stored.description == wanted.description
        && stored.redirect_uris == wanted.redirect_uris
        && stored.grant_types == wanted.grant_types
        && stored.scopes == wanted.scopes
        && stored.auth_method == wanted.auth_method
        && !stored.first_party
        && stored.suspended_at == wanted.suspended_at;
    if !same {
        wanted.etag = random_text::<12>();
        // whoever came first has made it the same
        client::update(tx, &wanted, &stored.etag)?;
    }
    Ok(true)
}
