//! Adds many rows at once, for trying out how lists and searches behave with them.

use super::{
    Error, Tx, client,
    client::Client,
    connection::per_backend,
    identity::{self, IdentityKind},
    principal,
    principal::Principal,
};

/// Statements stay below the number of values that a database takes.
const ROWS: usize = 1000;

/// Adds principals with the keys of their roles; the ids must be fresh and the roles there.
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

/// Tells the database's planner how many rows of which kind there are now.
pub fn analyze(tx: &mut Tx<'_>) -> Result<(), Error> {
    use diesel::RunQueryDsl;
    per_backend!(&mut **tx, conn => diesel::sql_query("ANALYZE").execute(conn))?;
    Ok(())
}
