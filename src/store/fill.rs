//! Adds many rows at once.

use diesel::connection::SimpleConnection;

use super::{
    Conn, Error, Tx, client,
    client::Client,
    identity::{self, IdentityKind},
    principal,
    principal::Principal,
    role,
    role::Role,
};

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
