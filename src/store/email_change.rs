//! Changes of email that wait for a proof, at most one for each principal.

use diesel::prelude::*;

use super::{Conn, Error, Tx, schema::email_change, won};
use crate::model::{secret::SecretHash, time::Timestamp};

/// A change that waits.
#[derive(Clone, Debug)]
pub struct EmailChange {
    /// Whose email it will be.
    pub principal_id: String,
    /// The new address, as typed.
    pub email: String,
    /// SHA-256 of the secret that proves it.
    pub hash: SecretHash,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it can be proven no more.
    pub expires_at: Timestamp,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = email_change)]
struct Row {
    principal_id: String,
    email: String,
    hash: String,
    created_at: i64,
    expires_at: i64,
}

/// The change that waits for this principal's proof, if it can still be given.
pub fn pending(conn: &mut Conn, principal_id: &str, now: Timestamp) -> Result<Option<EmailChange>, Error> {
    let row: Option<Row> = email_change::table
        .filter(email_change::principal_id.eq(principal_id))
        .filter(email_change::expires_at.gt(now.millis()))
        .select(Row::as_select())
        .get_result(conn)
        .optional()?;
    Ok(row.map(|row| EmailChange {
        principal_id: row.principal_id,
        email: row.email,
        hash: SecretHash::stored(row.hash),
        created_at: Timestamp::from_millis(row.created_at),
        expires_at: Timestamp::from_millis(row.expires_at),
    }))
}

/// Puts a change in the place of the one before. The caller has locked the principal.
pub fn replace(tx: &mut Tx<'_>, change: &EmailChange) -> Result<(), Error> {
    forget(tx, &change.principal_id)?;
    diesel::insert_into(email_change::table)
        .values(Row {
            principal_id: change.principal_id.clone(),
            email: change.email.clone(),
            hash: change.hash.as_str().to_owned(),
            created_at: change.created_at.millis(),
            expires_at: change.expires_at.millis(),
        })
        .execute(&mut **tx)?;
    Ok(())
}

/// Uses a change up; true for exactly one of all who present its secret in time.
pub fn take(tx: &mut Tx<'_>, principal_id: &str, hash: &SecretHash, now: Timestamp) -> Result<bool, Error> {
    let rows = diesel::delete(
        email_change::table
            .filter(email_change::principal_id.eq(principal_id))
            .filter(email_change::hash.eq(hash.as_str()))
            .filter(email_change::expires_at.gt(now.millis())),
    )
    .execute(&mut **tx)?;
    Ok(won(rows))
}

/// Drops what waits, if anything does.
pub fn forget(tx: &mut Tx<'_>, principal_id: &str) -> Result<(), Error> {
    diesel::delete(email_change::table.find(principal_id)).execute(&mut **tx)?;
    Ok(())
}
