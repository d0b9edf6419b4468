//! Adds many rows at once.

use diesel::{connection::SimpleConnection, prelude::*};

use super::{
    Conn, Error, Tx, client,
    client::Client,
    connection::per_backend,
    grant::Grant,
    identity::{self, IdentityKind},
    principal,
    principal::Principal,
    role,
    role::Role,
    schema::{oauth_grant, refresh_token, session},
    session::Session,
    to_json,
};
use crate::model::{secret::SecretHash, time::Timestamp};

/// Statements stay below the number of values that a database takes.
const ROWS: usize = 1000;

/// Adds principals with the keys of their roles, which must be there. `Conflict("id")` if an id is or was taken,
/// `Conflict("email")` if an email is.
pub fn principals(tx: &mut Tx<'_>, all: &[(Principal, Vec<String>)]) -> Result<(), Error> {
    for some in all.chunks(ROWS) {
        let rows: Vec<Principal> = some.iter().map(|(principal, _)| principal.clone()).collect();
        identity::claim_many(tx, IdentityKind::Principal, &rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>())?;
        principal::insert_many(tx, &rows)?;
        give(tx, some.iter().map(|(row, roles)| (&row.id, roles)))?;
    }
    Ok(())
}

/// Adds clients with the keys of their roles; the ids must be fresh and the roles there.
pub fn clients(tx: &mut Tx<'_>, all: &[(Client, Vec<String>)]) -> Result<(), Error> {
    for some in all.chunks(ROWS) {
        let rows: Vec<Client> = some.iter().map(|(client, _)| client.clone()).collect();
        identity::claim_many(tx, IdentityKind::Client, &rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>())?;
        client::insert_many(tx, &rows)?;
        give(tx, some.iter().map(|(row, roles)| (&row.id, roles)))?;
    }
    Ok(())
}

fn give<'a>(tx: &mut Tx<'_>, held: impl Iterator<Item = (&'a String, &'a Vec<String>)>) -> Result<(), Error> {
    let held: Vec<(String, String)> =
        held.flat_map(|(id, keys)| keys.iter().map(|key| (id.clone(), key.clone()))).collect();
    if held.is_empty() { Ok(()) } else { identity::give_many(tx, &held) }
}

/// Adds sessions that have not ended; their principals must be there.
pub fn sessions(tx: &mut Tx<'_>, all: &[Session]) -> Result<(), Error> {
    for some in all.chunks(ROWS) {
        let rows = some.iter().map(|row| {
            Ok((
                session::id.eq(&row.id),
                session::principal_id.eq(&row.principal_id),
                session::secret_hash.eq(row.secret_hash.as_str()),
                session::auth_time.eq(row.auth_time.millis()),
                session::amr.eq(to_json(&row.amr)?),
                session::acr.eq(&row.acr),
                session::persistent.eq(row.persistent),
                session::created_at.eq(row.created_at.millis()),
                session::last_active_at.eq(row.last_active_at.millis()),
                session::idle_expires_at.eq(row.idle_expires_at.millis()),
                session::expires_at.eq(row.expires_at.millis()),
            ))
        });
        let rows = rows.collect::<Result<Vec<_>, Error>>()?;
        per_backend!(&mut **tx, conn => diesel::insert_into(session::table).values(&rows).execute(conn))?;
    }
    Ok(())
}

/// Adds grants that were not revoked; what they name must be there.
pub fn grants(tx: &mut Tx<'_>, all: &[Grant]) -> Result<(), Error> {
    for some in all.chunks(ROWS) {
        let rows = some.iter().map(|row| {
            Ok((
                oauth_grant::id.eq(&row.id),
                oauth_grant::client_id.eq(&row.client_id),
                oauth_grant::principal_id.eq(&row.principal_id),
                oauth_grant::session_id.eq(row.session_id.as_deref()),
                oauth_grant::scope.eq(row.scope.to_string()),
                oauth_grant::details.eq(to_json(&row.details)?),
                oauth_grant::auth_time.eq(row.auth_time.millis()),
                oauth_grant::offline.eq(row.offline),
                oauth_grant::created_at.eq(row.created_at.millis()),
                oauth_grant::expires_at.eq(row.expires_at.millis()),
            ))
        });
        let rows = rows.collect::<Result<Vec<_>, Error>>()?;
        per_backend!(&mut **tx, conn => diesel::insert_into(oauth_grant::table).values(&rows).execute(conn))?;
    }
    Ok(())
}

/// Adds refresh tokens that nothing has replaced: hash, grant, and the times at which each was made and expires.
pub fn refresh_tokens(tx: &mut Tx<'_>, all: &[(SecretHash, String, Timestamp, Timestamp)]) -> Result<(), Error> {
    for some in all.chunks(ROWS) {
        let rows = some.iter().map(|(hash, grant, made, expires)| {
            (
                refresh_token::hash.eq(hash.as_str()),
                refresh_token::grant_id.eq(grant),
                refresh_token::created_at.eq(made.millis()),
                refresh_token::expires_at.eq(expires.millis()),
            )
        });
        let rows: Vec<_> = rows.collect();
        per_backend!(&mut **tx, conn => diesel::insert_into(refresh_token::table).values(&rows).execute(conn))?;
    }
    Ok(())
}

/// Adds roles where they are not there yet.
pub fn roles(tx: &mut Tx<'_>, all: &[Role]) -> Result<(), Error> {
    for one in all {
        role::insert_if_absent(tx, one)?;
    }
    tx.raise()
}

/// To be called before many rows are added.
pub fn begin(tx: &mut Tx<'_>) -> Result<(), Error> {
    match &mut **tx {
        // the indexes are written in random places: keep them in memory, as long as this program runs
        Conn::Sqlite(conn) => conn.batch_execute("PRAGMA cache_size = -400000")?,
        // PostgreSQL builds this index many times faster than it extends it
        Conn::Postgres(conn) => conn.batch_execute(
            "DROP INDEX IF EXISTS principal_search_by_grams; DROP INDEX IF EXISTS client_search_by_grams;",
        )?,
    }
    Ok(())
}

/// To be called when they are there: builds what [`begin`] took away, and tells the planner what there is now.
pub fn finish(tx: &mut Tx<'_>) -> Result<(), Error> {
    match &mut **tx {
        Conn::Sqlite(conn) => conn.batch_execute(
            "INSERT INTO principal_grams (principal_grams) VALUES ('optimize');
            INSERT INTO client_grams (client_grams) VALUES ('optimize');
            ANALYZE;",
        )?,
        Conn::Postgres(conn) => conn.batch_execute(
            "SET LOCAL statement_timeout = 0; SET LOCAL maintenance_work_mem = '512MB';
            CREATE INDEX IF NOT EXISTS principal_search_by_grams
                ON principal_search USING gin (list_grams(seq, content)) WITH (fastupdate = off);
            CREATE INDEX IF NOT EXISTS client_search_by_grams
                ON client_search USING gin (list_grams(seq, content)) WITH (fastupdate = off);
            ANALYZE;",
        )?,
    }
    Ok(())
}
