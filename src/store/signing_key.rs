//! Signing keys, and the check value of the master key that seals them.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use diesel::prelude::*;

use super::{
    Conn, Error, Tx,
    connection::per_backend,
    schema::{master_key, signing_key},
};
use crate::model::{key::SigningKeyRecord, time::Timestamp};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = signing_key)]
struct Row {
    kid: String,
    algorithm: String,
    public_jwk: String,
    sealed_private: String,
    created_at: i64,
    activates_at: i64,
}

/// Every key.
pub fn all(conn: &mut Conn) -> Result<Vec<SigningKeyRecord>, Error> {
    let rows: Vec<Row> =
        signing_key::table.order((signing_key::activates_at, signing_key::kid)).select(Row::as_select()).load(conn)?;
    rows.into_iter()
        .map(|row| {
            Ok(SigningKeyRecord {
                algorithm: row.algorithm.parse().map_err(Error::Internal)?,
                sealed_private: STANDARD_NO_PAD
                    .decode(&row.sealed_private)
                    .map_err(|e| Error::Internal(e.to_string()))?,
                kid: row.kid,
                public_jwk: row.public_jwk,
                created_at: Timestamp::from_millis(row.created_at),
                activates_at: Timestamp::from_millis(row.activates_at),
            })
        })
        .collect()
}

/// Adds a key.
pub fn insert(tx: &mut Tx<'_>, key: &SigningKeyRecord) -> Result<(), Error> {
    diesel::insert_into(signing_key::table)
        .values(Row {
            kid: key.kid.clone(),
            algorithm: key.algorithm.as_str().to_owned(),
            public_jwk: key.public_jwk.clone(),
            sealed_private: STANDARD_NO_PAD.encode(&key.sealed_private),
            created_at: key.created_at.millis(),
            activates_at: key.activates_at.millis(),
        })
        .execute(&mut **tx)?;
    tx.raise()
}

/// Adds a first key of its algorithm, unless another node has done so meanwhile.
pub fn insert_first(tx: &mut Tx<'_>, key: &SigningKeyRecord) -> Result<bool, Error> {
    // the row that all nodes contend for
    tx.raise()?;
    let there: i64 =
        signing_key::table.filter(signing_key::algorithm.eq(key.algorithm.as_str())).count().get_result(&mut **tx)?;
    if there > 0 {
        return Ok(false);
    }
    insert(tx, key)?;
    Ok(true)
}

/// Removes keys that nothing can need any more.
pub fn delete(tx: &mut Tx<'_>, kids: &[String]) -> Result<usize, Error> {
    let rows = diesel::delete(signing_key::table.filter(signing_key::kid.eq_any(kids))).execute(&mut **tx)?;
    tx.raise()?;
    Ok(rows)
}

/// Takes the master key's check value the first time, and answers the one that holds.
pub fn master_fingerprint(tx: &mut Tx<'_>, fingerprint: &str) -> Result<String, Error> {
    per_backend!(&mut **tx, conn => diesel::insert_into(master_key::table)
        .values((master_key::id.eq(1), master_key::fingerprint.eq(fingerprint)))
        .on_conflict_do_nothing()
        .execute(conn))?;
    Ok(master_key::table.find(1).select(master_key::fingerprint).get_result(&mut **tx)?)
}
