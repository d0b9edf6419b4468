//! Whether an access token holds now, and what it allows: asked by introspection, userinfo and every API of this
//! server. Nothing is stored per access token; what it names (subject, client, grant, session, its own `jti`) is looked
//! at on each use.

use serde_json::{Map, Value};

use super::access::AccessCache;
use crate::{
    app::Seals,
    keys::{self, KeyRing},
    model::{id, permission::Permissions, scope::Scope, time::Timestamp},
    store::{self, Conn, Store, client::Client, grant::Grant, principal::Principal},
};

/// The `typ` of access tokens (RFC 9068 §2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// An access token that holds now.
#[derive(Clone, Debug)]
pub struct ActiveToken {
    /// What it says.
    pub claims: Map<String, Value>,
    /// What of its scopes holds as of now.
    pub scope: Scope,
    /// Its own identifier.
    pub jti: String,
    /// When it expires.
    pub expires_at: Timestamp,
    /// To whom it was given.
    pub client: Client,
    /// In whose name; none if the client acts for itself.
    pub principal: Option<Principal>,
    /// The grant that it belongs to; none if the client acts for itself.
    pub grant: Option<Grant>,
    /// The subject's roles as of now.
    pub roles: Vec<String>,
    /// What it allows as of now: what the subject holds, narrowed by its scopes.
    pub permissions: Permissions,
}

impl ActiveToken {
    /// The audiences that it names.
    pub fn audiences(&self) -> Vec<&str> {
        audiences(&self.claims)
    }
}

/// The members of `aud`, which may be one or many (RFC 7519 §4.1.3).
pub fn audiences(claims: &Map<String, Value>) -> Vec<&str> {
    match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Reads an access token of this server, signed or sealed; `None` if it is anything else. Says nothing about whether
/// it still holds, but for its expiry.
pub fn read(keys: &KeyRing, seals: &Seals, issuer: &str, token: &str, now: Timestamp) -> Option<Map<String, Value>> {
    let claims = if token.starts_with(keys::OPAQUE_PREFIX) {
        keys::open_claims(&seals.access_token, token)?
    } else {
        keys.verify(token, &[ACCESS_TOKEN_TYPE]).ok()?.claims
    };
    let ours = claims.get("iss").and_then(Value::as_str) == Some(issuer);
    let expires = claims.get("exp").and_then(Value::as_i64)?;
    (ours && now.seconds() < expires).then_some(claims)
}

/// Whether this access token holds now; `None` if it does not, for whatever reason.
///
/// # Errors
/// Only if the database cannot be asked.
pub async fn verify(
    keys: &KeyRing,
    seals: &Seals,
    store: &Store,
    access: &AccessCache,
    issuer: &str,
    token: &str,
    now: Timestamp,
) -> Result<Option<ActiveToken>, store::Error> {
    match read(keys, seals, issuer, token, now) {
        Some(claims) => {
            let access = access.clone();
            store.read(move |conn| active(conn, &access, claims, now)).await
        }
        None => Ok(None),
    }
}

fn active(
    conn: &mut Conn,
    cache: &AccessCache,
    claims: Map<String, Value>,
    now: Timestamp,
) -> Result<Option<ActiveToken>, store::Error> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let (Some(subject), Some(client_id), Some(jti)) = (text("sub"), text("client_id"), text("jti")) else {
        return Ok(None);
    };
    let scope = Scope::written(text("scope").unwrap_or_default());
    let expires_at = Timestamp::from_seconds(claims.get("exp").and_then(Value::as_i64).unwrap_or(0));
    if store::revoked_token::contains(conn, jti)? {
        return Ok(None);
    }
    let Some(client) = store::client::find(conn, client_id)?.filter(|client| client.suspended_at.is_none()) else {
        return Ok(None);
    };
    let (principal, grant, access) = match text("grant_id") {
        Some(id) => {
            let Some(grant) = live_grant(conn, id, &client, now)? else { return Ok(None) };
            let Some(principal) = store::principal::find(conn, subject)?.filter(|p| p.suspended_at.is_none()) else {
                return Ok(None);
            };
            if grant.principal_id != principal.id {
                return Ok(None);
            }
            let access = cache.of_principal(conn, &principal)?;
            (Some(principal), Some(grant), access)
        }
        // the client acts for itself (RFC 9068 §2.2: sub is the client)
        None if subject == client.id => {
            // by its own id, which has milliseconds; iat has seconds
            let issued_at = id::made_at(jti).unwrap_or(Timestamp::from_seconds(0));
            if client.metadata.tokens_since.is_some_and(|since| issued_at < since) {
                return Ok(None);
            }
            (None, None, cache.of_client(conn, &client)?)
        }
        None => return Ok(None),
    };
    let whole = principal.is_none() && scope.is_empty() && client.scopes.is_empty();
    // what the client may not ask for any more, or the subject does not hold any more, is no scope of the token any more
    let scope = access.grant(&scope, &client, principal.is_some());
    let permissions = if whole { access.permissions.clone() } else { access.permissions.narrowed(&scope) };
    Ok(Some(ActiveToken {
        jti: jti.to_owned(),
        scope,
        expires_at,
        client,
        principal,
        grant,
        roles: access.roles.clone(),
        permissions,
        claims,
    }))
}

/// The grant, if it holds: this client's, not revoked, not expired, and its session not over unless it outlives sessions,
/// as the client must be registered for still.
pub fn live_grant(conn: &mut Conn, id: &str, client: &Client, now: Timestamp) -> Result<Option<Grant>, store::Error> {
    let holds = |grant: &Grant| grant.client_id == client.id && grant.revoked_at.is_none() && now < grant.expires_at;
    let Some(grant) = store::grant::find(conn, id)?.filter(holds) else { return Ok(None) };
    let offline = grant.offline && client.scopes.contains("offline_access");
    if let (false, Some(session_id)) = (offline, &grant.session_id) {
        let live = store::session::find(conn, session_id)?.is_some_and(|session| session.is_live(now));
        if !live {
            return Ok(None);
        }
    }
    Ok(Some(grant))
}
