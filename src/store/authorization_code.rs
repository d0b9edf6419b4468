//! Authorization codes: single use by compare-and-set; rows outlive their use, so that a replay is seen.

use diesel::prelude::*;

use super::{
    Conn, Error, Tx, connection::per_backend, from_json, grant::Details, schema::authorization_code, sql::Sql, to_json,
    won,
};
use crate::model::{scope::Scope, secret::SecretHash, time::Timestamp};

/// How long a used code's row is kept, so that a replay is seen.
pub const KEPT: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// An authorization code, without its value.
#[derive(Clone, Debug)]
pub struct AuthorizationCode {
    /// SHA-256 of the value.
    pub hash: SecretHash,
    /// The grant that its redemption makes.
    pub grant_id: String,
    /// For whom.
    pub client_id: String,
    /// In whose name.
    pub principal_id: String,
    /// In which browser session.
    pub session_id: String,
    /// Where it was sent.
    pub redirect_uri: String,
    /// Whether the authorization request named the redirect URI, so that the token request must too.
    pub redirect_uri_sent: bool,
    /// What for.
    pub scope: Scope,
    /// RFC 7636.
    pub code_challenge: Option<String>,
    /// The rest of the request.
    pub details: Details,
    /// When the person had proved who they are.
    pub auth_time: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// When it was redeemed.
    pub used_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = authorization_code, treat_none_as_default_value = false)]
struct Row {
    hash: String,
    grant_id: String,
    client_id: String,
    principal_id: String,
    session_id: String,
    redirect_uri: String,
    redirect_uri_sent: bool,
    scope: String,
    code_challenge: Option<String>,
    details: String,
    auth_time: i64,
    created_at: i64,
    expires_at: i64,
    used_at: Option<i64>,
    purge_at: i64,
}

impl TryFrom<Row> for AuthorizationCode {
    type Error = Error;

    fn try_from(row: Row) -> Result<AuthorizationCode, Error> {
        Ok(AuthorizationCode {
            scope: Scope::written(&row.scope),
            details: from_json("authorization_code.details", &row.details)?,
            hash: SecretHash::stored(row.hash),
            grant_id: row.grant_id,
            client_id: row.client_id,
            principal_id: row.principal_id,
            session_id: row.session_id,
            redirect_uri: row.redirect_uri,
            redirect_uri_sent: row.redirect_uri_sent,
            code_challenge: row.code_challenge,
            auth_time: Timestamp::from_millis(row.auth_time),
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            used_at: row.used_at.map(Timestamp::from_millis),
        })
    }
}

/// Adds a code; its row is kept for [`KEPT`] after it expires.
pub fn insert(tx: &mut Tx<'_>, code: &AuthorizationCode) -> Result<(), Error> {
    let purge_at = code.expires_at + KEPT;
    per_backend!(&mut **tx, conn => diesel::insert_into(authorization_code::table)
        .values(Row {
            hash: code.hash.as_str().to_owned(),
            grant_id: code.grant_id.clone(),
            client_id: code.client_id.clone(),
            principal_id: code.principal_id.clone(),
            session_id: code.session_id.clone(),
            redirect_uri: code.redirect_uri.clone(),
            redirect_uri_sent: code.redirect_uri_sent,
            scope: code.scope.to_string(),
            code_challenge: code.code_challenge.clone(),
            details: to_json(&code.details)?,
            auth_time: code.auth_time.millis(),
            created_at: code.created_at.millis(),
            expires_at: code.expires_at.millis(),
            used_at: code.used_at.map(Timestamp::millis),
            purge_at: purge_at.millis(),
        })
        .execute(conn))?;
    Ok(())
}

/// The code with this hash, used or not.
pub fn find(conn: &mut Conn, hash: &SecretHash) -> Result<Option<AuthorizationCode>, Error> {
    let row = per_backend!(conn, conn => authorization_code::table
        .find(hash.as_str())
        .select(Row::as_select())
        .get_result(conn))
    .optional()?;
    row.map(AuthorizationCode::try_from).transpose()
}

/// Voids what a principal has granted to a client and the client has not redeemed yet. What is being redeemed at this
/// moment is waited for, so that a revocation of grants afterwards finds it.
pub fn void_of(tx: &mut Tx<'_>, principal_id: &str, client_id: &str, now: Timestamp) -> Result<usize, Error> {
    let rows = per_backend!(&mut **tx, conn => diesel::update(
        authorization_code::table
            // the index; the same as: not expired yet
            .filter(authorization_code::purge_at.gt((now + KEPT).millis()))
            .filter(authorization_code::principal_id.eq(principal_id))
            .filter(authorization_code::client_id.eq(client_id))
            .filter(authorization_code::used_at.is_null()),
    )
    .set(authorization_code::used_at.eq(now.millis()))
    .execute(conn))?;
    Ok(rows)
}

/// Marks a code as used; true for exactly one of all callers, whatever their number.
pub fn redeem(tx: &mut Tx<'_>, hash: &SecretHash, now: Timestamp) -> Result<bool, Error> {
    let rows = Sql::kept("UPDATE authorization_code SET used_at = ? WHERE hash = ? AND used_at IS NULL")
        .number(now.millis())
        .text(hash.as_str())
        .execute(tx)?;
    Ok(won(rows))
}

/// Makes the codes of a client worthless that nobody has redeemed yet. Rare: it looks at all codes of a day.
pub fn spend_of_client(tx: &mut Tx<'_>, client_id: &str, now: Timestamp) -> Result<usize, Error> {
    Ok(per_backend!(&mut **tx, conn => diesel::update(
        authorization_code::table
            .filter(authorization_code::client_id.eq(client_id))
            .filter(authorization_code::used_at.is_null())
            .filter(authorization_code::expires_at.gt(now.millis())),
    )
    .set(authorization_code::used_at.eq(now.millis()))
    .execute(conn))?)
}

/// Deletes the codes of a client that is gone, whose replays need not be seen. Rare: it looks at all codes of a day.
pub fn forget_of_client(tx: &mut Tx<'_>, client_id: &str) -> Result<usize, Error> {
    Ok(diesel::delete(authorization_code::table.filter(authorization_code::client_id.eq(client_id)))
        .execute(&mut **tx)?)
}
