//! Refresh tokens: rotated by compare-and-set, one living child per grant.

use diesel::prelude::*;

use super::{Conn, Error, Tx, connection::per_backend, schema::refresh_token, sql::Sql, won};
use crate::model::{secret::SecretHash, time::Timestamp};

/// A refresh token, without its value.
#[derive(Clone, Debug)]
pub struct RefreshToken {
    /// SHA-256 of the value.
    pub hash: SecretHash,
    /// What it refreshes.
    pub grant_id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working unless it is used.
    pub expires_at: Timestamp,
    /// When it was rotated.
    pub used_at: Option<Timestamp>,
    /// The hash of what replaced it.
    pub successor_hash: Option<SecretHash>,
    /// What replaced it, sealed; gone once the window is over.
    pub sealed_successor: Option<String>,
    /// Until when presenting it again is taken for a lost response.
    pub replay_until: Option<Timestamp>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = refresh_token, treat_none_as_default_value = false)]
struct Row {
    hash: String,
    grant_id: String,
    created_at: i64,
    expires_at: i64,
    used_at: Option<i64>,
    successor_hash: Option<String>,
    sealed_successor: Option<String>,
    replay_until: Option<i64>,
}

impl From<Row> for RefreshToken {
    fn from(row: Row) -> RefreshToken {
        RefreshToken {
            hash: SecretHash::stored(row.hash),
            grant_id: row.grant_id,
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            used_at: row.used_at.map(Timestamp::from_millis),
            successor_hash: row.successor_hash.map(SecretHash::stored),
            sealed_successor: row.sealed_successor,
            replay_until: row.replay_until.map(Timestamp::from_millis),
        }
    }
}

/// The token with this hash, rotated or not.
pub fn find(conn: &mut Conn, hash: &SecretHash) -> Result<Option<RefreshToken>, Error> {
    let row: Option<Row> =
        per_backend!(conn, conn => refresh_token::table.find(hash.as_str()).select(Row::as_select()).get_result(conn))
            .optional()?;
    Ok(row.map(RefreshToken::from))
}

/// Adds a token that nothing has replaced yet.
pub fn insert(
    tx: &mut Tx<'_>,
    hash: &SecretHash,
    grant_id: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), Error> {
    per_backend!(&mut **tx, conn => diesel::insert_into(refresh_token::table)
        .values(Row {
            hash: hash.as_str().to_owned(),
            grant_id: grant_id.to_owned(),
            created_at: now.millis(),
            expires_at: expires_at.millis(),
            used_at: None,
            successor_hash: None,
            sealed_successor: None,
            replay_until: None,
        })
        .execute(conn))?;
    Ok(())
}

/// What replaces a token.
pub struct Successor<'a> {
    /// SHA-256 of the new token.
    pub hash: &'a SecretHash,
    /// The new token, sealed so that only who presents the old one can open it.
    pub sealed: &'a str,
    /// Until when a lost response is recovered.
    pub replay_until: Timestamp,
    /// When the new token stops working unless it is used.
    pub expires_at: Timestamp,
}

/// Replaces a token by its successor; true for exactly one of all callers. What was sealed for a lost response stays until
/// its window is over ([`super::purge`]): once the successor was used, it opens nothing that is of use.
pub fn rotate(tx: &mut Tx<'_>, token: &RefreshToken, successor: &Successor<'_>, now: Timestamp) -> Result<bool, Error> {
    let rows = Sql::kept(
        "UPDATE refresh_token SET used_at = ?, successor_hash = ?, sealed_successor = ?, replay_until = ? \
         WHERE hash = ? AND used_at IS NULL",
    )
    .number(now.millis())
    .text(successor.hash.as_str())
    .text(successor.sealed)
    .number(successor.replay_until.millis())
    .text(token.hash.as_str())
    .execute(tx)?;
    if !won(rows) {
        return Ok(false);
    }
    insert(tx, successor.hash, &token.grant_id, now, successor.expires_at)?;
    Ok(true)
}
