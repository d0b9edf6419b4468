//! Client secrets: several live side by side, so that one can be replaced without an interruption.

use diesel::prelude::*;

use super::{Conn, Error, Tx, connection::per_backend, schema::client_secret, won};
use crate::model::{secret::SecretHash, time::Timestamp};

/// A client secret, without its value.
#[derive(Clone, Debug)]
pub struct ClientSecret {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub client_id: String,
    /// SHA-256 of the value.
    pub hash: SecretHash,
    /// The value's last characters, to tell it from others.
    pub hint: String,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it last worked, to the hour.
    pub last_used_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = client_secret)]
struct Row {
    id: String,
    client_id: String,
    hash: String,
    hint: String,
    description: Option<String>,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
}

/// The secrets of a client, expired ones included.
pub fn of_client(conn: &mut Conn, client_id: &str) -> Result<Vec<ClientSecret>, Error> {
    let rows = per_backend!(conn, conn => client_secret::table
        .filter(client_secret::client_id.eq(client_id))
        .order((client_secret::created_at, client_secret::id))
        .select(Row::as_select())
        .load(conn))?;
    Ok(rows
        .into_iter()
        .map(|row| ClientSecret {
            id: row.id,
            client_id: row.client_id,
            hash: SecretHash::stored(row.hash),
            hint: row.hint,
            description: row.description,
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: row.expires_at.map(Timestamp::from_millis),
            last_used_at: row.last_used_at.map(Timestamp::from_millis),
        })
        .collect())
}

/// Adds a secret.
pub fn insert(tx: &mut Tx<'_>, secret: &ClientSecret) -> Result<(), Error> {
    diesel::insert_into(client_secret::table)
        .values(Row {
            id: secret.id.clone(),
            client_id: secret.client_id.clone(),
            hash: secret.hash.as_str().to_owned(),
            hint: secret.hint.clone(),
            description: secret.description.clone(),
            created_at: secret.created_at.millis(),
            expires_at: secret.expires_at.map(Timestamp::millis),
            last_used_at: secret.last_used_at.map(Timestamp::millis),
        })
        .execute(&mut **tx)?;
    tx.raise()
}

/// Notes that a secret has worked, if that was not noted since `last`.
pub fn used(tx: &mut Tx<'_>, id: &str, now: Timestamp, last: Timestamp) -> Result<(), Error> {
    let before = client_secret::last_used_at.is_null().or(client_secret::last_used_at.lt(last.millis()));
    diesel::update(client_secret::table.find(id).filter(before))
        .set(client_secret::last_used_at.eq(now.millis()))
        .execute(&mut **tx)?;
    tx.changes_known();
    Ok(())
}

/// Removes all secrets of a client.
pub fn delete_all(tx: &mut Tx<'_>, client_id: &str) -> Result<(), Error> {
    diesel::delete(client_secret::table.filter(client_secret::client_id.eq(client_id))).execute(&mut **tx)?;
    tx.raise()
}

/// Removes a secret of this client; false if it has none with this id.
pub fn delete(tx: &mut Tx<'_>, client_id: &str, id: &str) -> Result<bool, Error> {
    let rows = diesel::delete(client_secret::table.find(id).filter(client_secret::client_id.eq(client_id)))
        .execute(&mut **tx)?;
    tx.raise()?;
    Ok(won(rows))
}
