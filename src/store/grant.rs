//! Grants: what a principal has allowed a client. Every token names its grant, and revocation acts on it.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Conn, Error, Tx,
    connection::per_backend,
    from_json,
    schema::{oauth_grant, refresh_token},
    to_json, won,
};
use crate::model::{scope::Scope, time::Timestamp};

/// What rides from the authorization request through code and refresh tokens to each token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// OpenID Connect Core §3.1.2.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// How strongly the person was authenticated.
    pub acr: String,
    /// How the person was authenticated (RFC 8176).
    pub amr: Vec<String>,
    /// The audiences of access tokens (RFC 8707); empty means this server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Names of claims asked for in the ID token by the `claims` parameter (OpenID Connect Core §5.5).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub id_token_claims: Vec<String>,
    /// Names of claims asked for at userinfo by the `claims` parameter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub userinfo_claims: Vec<String>,
    /// The host to which the authorization response went.
    pub redirect_host: String,
}

/// A grant.
#[derive(Clone, Debug)]
pub struct Grant {
    /// What tokens carry to name it.
    pub id: String,
    /// Who may act.
    pub client_id: String,
    /// In whose name.
    pub principal_id: String,
    /// The browser session in which it was given.
    pub session_id: Option<String>,
    /// What for.
    pub scope: Scope,
    /// The rest of the request.
    pub details: Details,
    /// When the person had proved who they are.
    pub auth_time: Timestamp,
    /// Whether it outlives the session (OpenID Connect Core §11).
    pub offline: bool,
    /// When it was given.
    pub created_at: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = oauth_grant, treat_none_as_default_value = false)]
struct Row {
    id: String,
    client_id: String,
    principal_id: String,
    session_id: Option<String>,
    scope: String,
    details: String,
    auth_time: i64,
    offline: bool,
    created_at: i64,
    expires_at: i64,
    revoked_at: Option<i64>,
}

impl TryFrom<Row> for Grant {
    type Error = Error;

    fn try_from(row: Row) -> Result<Grant, Error> {
        Ok(Grant {
            scope: Scope::written(&row.scope),
            details: from_json("oauth_grant.details", &row.details)?,
            id: row.id,
            client_id: row.client_id,
            principal_id: row.principal_id,
            session_id: row.session_id,
            auth_time: Timestamp::from_millis(row.auth_time),
            offline: row.offline,
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            revoked_at: row.revoked_at.map(Timestamp::from_millis),
        })
    }
}

/// The grant with this id.
pub fn find(conn: &mut Conn, id: &str) -> Result<Option<Grant>, Error> {
    let row =
        per_backend!(conn, conn => oauth_grant::table.find(id).select(Row::as_select()).get_result(conn)).optional()?;
    row.map(Grant::try_from).transpose()
}

/// Whether the grant is there and was not taken back.
pub fn is_unrevoked(conn: &mut Conn, id: &str) -> Result<bool, Error> {
    let found: Option<String> = per_backend!(conn, conn => oauth_grant::table
        .find(id)
        .filter(oauth_grant::revoked_at.is_null())
        .select(oauth_grant::id)
        .get_result(conn))
    .optional()?;
    Ok(found.is_some())
}

/// Which clients hold something that was granted in one of these sessions and still holds: session and client.
pub fn clients_of_sessions(
    conn: &mut Conn,
    sessions: &[String],
    now: Timestamp,
) -> Result<Vec<(String, String)>, Error> {
    let pairs: Vec<(Option<String>, String)> = oauth_grant::table
        .filter(oauth_grant::session_id.eq_any(sessions))
        .filter(oauth_grant::revoked_at.is_null())
        .filter(oauth_grant::expires_at.gt(now.millis()))
        .select((oauth_grant::session_id, oauth_grant::client_id))
        .distinct()
        .order((oauth_grant::session_id, oauth_grant::client_id))
        .load(conn)?;
    Ok(pairs.into_iter().filter_map(|(session, client)| session.map(|session| (session, client))).collect())
}

/// Adds a grant.
pub fn insert(tx: &mut Tx<'_>, grant: &Grant) -> Result<(), Error> {
    per_backend!(&mut **tx, conn => diesel::insert_into(oauth_grant::table)
        .values(Row {
            id: grant.id.clone(),
            client_id: grant.client_id.clone(),
            principal_id: grant.principal_id.clone(),
            session_id: grant.session_id.clone(),
            scope: grant.scope.to_string(),
            details: to_json(&grant.details)?,
            auth_time: grant.auth_time.millis(),
            offline: grant.offline,
            created_at: grant.created_at.millis(),
            expires_at: grant.expires_at.millis(),
            revoked_at: grant.revoked_at.map(Timestamp::millis),
        })
        .execute(conn))?;
    Ok(())
}

/// Takes a grant back; false if that had been done before, or if it never was.
pub fn revoke(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<bool, Error> {
    let rows = per_backend!(&mut **tx, conn => diesel::update(oauth_grant::table.find(id).filter(oauth_grant::revoked_at.is_null()))
        .set(oauth_grant::revoked_at.eq(now.millis()))
        .execute(conn))?;
    tx.changes_known();
    Ok(won(rows))
}

/// Takes back what was granted in a session.
pub fn revoke_of_session(tx: &mut Tx<'_>, session_id: &str, now: Timestamp) -> Result<usize, Error> {
    let rows = diesel::update(
        oauth_grant::table.filter(oauth_grant::session_id.eq(session_id)).filter(oauth_grant::revoked_at.is_null()),
    )
    .set(oauth_grant::revoked_at.eq(now.millis()))
    .execute(&mut **tx)?;
    tx.changes_known();
    Ok(rows)
}

/// Takes back what a principal has granted to one client.
pub fn revoke_of_principal_and_client(
    tx: &mut Tx<'_>,
    principal_id: &str,
    client_id: &str,
    now: Timestamp,
) -> Result<usize, Error> {
    let rows = diesel::update(
        oauth_grant::table
            .filter(oauth_grant::principal_id.eq(principal_id))
            .filter(oauth_grant::client_id.eq(client_id))
            .filter(oauth_grant::revoked_at.is_null()),
    )
    .set(oauth_grant::revoked_at.eq(now.millis()))
    .execute(&mut **tx)?;
    tx.changes_known();
    Ok(rows)
}

/// Takes back whatever anybody has granted to a client.
pub fn revoke_of_client(tx: &mut Tx<'_>, client_id: &str, now: Timestamp) -> Result<usize, Error> {
    let rows = diesel::update(
        oauth_grant::table.filter(oauth_grant::client_id.eq(client_id)).filter(oauth_grant::revoked_at.is_null()),
    )
    .set(oauth_grant::revoked_at.eq(now.millis()))
    .execute(&mut **tx)?;
    tx.changes_known();
    Ok(rows)
}

/// Deletes whatever anybody has granted to a client, with its refresh tokens.
pub(super) fn delete_of_client(tx: &mut Tx<'_>, client_id: &str) -> Result<(), Error> {
    let grants = oauth_grant::table.filter(oauth_grant::client_id.eq(client_id)).select(oauth_grant::id);
    diesel::delete(refresh_token::table.filter(refresh_token::grant_id.eq_any(grants))).execute(&mut **tx)?;
    diesel::delete(oauth_grant::table.filter(oauth_grant::client_id.eq(client_id))).execute(&mut **tx)?;
    Ok(())
}

/// Takes back what a principal has granted outside the session `keep`.
pub(super) fn revoke_of_principal(
    tx: &mut Tx<'_>,
    principal_id: &str,
    keep: &str,
    now: Timestamp,
) -> Result<usize, Error> {
    let elsewhere = oauth_grant::session_id.is_null().or(oauth_grant::session_id.ne(keep));
    Ok(diesel::update(
        oauth_grant::table
            .filter(oauth_grant::principal_id.eq(principal_id))
            .filter(elsewhere)
            .filter(oauth_grant::revoked_at.is_null()),
    )
    .set(oauth_grant::revoked_at.eq(now.millis()))
    .execute(&mut **tx)?)
}
