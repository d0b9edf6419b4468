//! Personal access tokens: what people make for their own scripts. The value is stored as its hash.

use std::time::Duration;

use diesel::prelude::*;

use super::{Conn, Error, Tx, schema::personal_access_token, won};
use crate::model::{scope::Scope, secret::SecretHash, time::Timestamp};

/// Use is noted to the minute.
pub const NOTED_EVERY: Duration = Duration::from_secs(60);

/// A personal access token, without its value.
#[derive(Clone, Debug)]
pub struct PersonalAccessToken {
    /// Its id.
    pub id: String,
    /// SHA-256 of the value.
    pub hash: SecretHash,
    /// In whose name it acts.
    pub principal_id: String,
    /// The application through which it was made.
    pub client_id: String,
    /// What its person calls it.
    pub name: String,
    /// What it is for: permissions only.
    pub scope: Scope,
    /// The value's last characters, to tell it from others.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// When it last worked, to the minute.
    pub last_used_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = personal_access_token)]
struct Row {
    id: String,
    hash: String,
    principal_id: String,
    client_id: String,
    name: String,
    scope: String,
    hint: String,
    created_at: i64,
    expires_at: i64,
    last_used_at: Option<i64>,
}

impl From<Row> for PersonalAccessToken {
    fn from(row: Row) -> PersonalAccessToken {
        PersonalAccessToken {
            id: row.id,
            hash: SecretHash::stored(row.hash),
            principal_id: row.principal_id,
            client_id: row.client_id,
            name: row.name,
            scope: Scope::written(&row.scope),
            hint: row.hint,
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            last_used_at: row.last_used_at.map(Timestamp::from_millis),
        }
    }
}

/// The token with this value, expired or not.
pub fn find_by_hash(conn: &mut Conn, hash: &SecretHash) -> Result<Option<PersonalAccessToken>, Error> {
    let row: Option<Row> = personal_access_token::table
        .filter(personal_access_token::hash.eq(hash.as_str()))
        .select(Row::as_select())
        .get_result(conn)
        .optional()?;
    Ok(row.map(PersonalAccessToken::from))
}

/// A principal's tokens that have not expired, the youngest first.
pub fn live_of(conn: &mut Conn, principal_id: &str, now: Timestamp) -> Result<Vec<PersonalAccessToken>, Error> {
    let rows: Vec<Row> = personal_access_token::table
        .filter(personal_access_token::principal_id.eq(principal_id))
        .filter(personal_access_token::expires_at.gt(now.millis()))
        .order((personal_access_token::created_at.desc(), personal_access_token::id.desc()))
        .select(Row::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(PersonalAccessToken::from).collect())
}

/// Adds a token. The caller has locked the principal, so that nobody suspends or deletes it meanwhile.
pub fn insert(tx: &mut Tx<'_>, token: &PersonalAccessToken) -> Result<(), Error> {
    diesel::insert_into(personal_access_token::table)
        .values(Row {
            id: token.id.clone(),
            hash: token.hash.as_str().to_owned(),
            principal_id: token.principal_id.clone(),
            client_id: token.client_id.clone(),
            name: token.name.clone(),
            scope: token.scope.to_string(),
            hint: token.hint.clone(),
            created_at: token.created_at.millis(),
            expires_at: token.expires_at.millis(),
            last_used_at: token.last_used_at.map(Timestamp::millis),
        })
        .execute(&mut **tx)?;
    Ok(())
}

/// Ends a token of this principal; false if it has none with this id.
pub fn delete(tx: &mut Tx<'_>, principal_id: &str, id: &str) -> Result<bool, Error> {
    let rows = diesel::delete(
        personal_access_token::table.find(id).filter(personal_access_token::principal_id.eq(principal_id)),
    )
    .execute(&mut **tx)?;
    Ok(won(rows))
}

/// Ends all tokens of a principal; how many there were.
pub fn delete_all_of(tx: &mut Tx<'_>, principal_id: &str) -> Result<usize, Error> {
    let rows =
        diesel::delete(personal_access_token::table.filter(personal_access_token::principal_id.eq(principal_id)))
            .execute(&mut **tx)?;
    Ok(rows)
}

/// Ends what a principal made through one application; how many there were.
pub fn delete_of_client(tx: &mut Tx<'_>, principal_id: &str, client_id: &str) -> Result<usize, Error> {
    let rows = diesel::delete(
        personal_access_token::table
            .filter(personal_access_token::principal_id.eq(principal_id))
            .filter(personal_access_token::client_id.eq(client_id)),
    )
    .execute(&mut **tx)?;
    Ok(rows)
}

/// Notes that a token was used, at most once a minute whoever asks.
pub fn touch(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<(), Error> {
    let before = (now - NOTED_EVERY).millis();
    let due = personal_access_token::last_used_at.is_null().or(personal_access_token::last_used_at.le(before));
    diesel::update(personal_access_token::table.filter(personal_access_token::id.eq(id)).filter(due))
        .set(personal_access_token::last_used_at.eq(now.millis()))
        .execute(&mut **tx)?;
    Ok(())
}
