//! What a person has allowed a client, remembered per place to which the answer goes.

use diesel::prelude::*;

use super::{Conn, Error, Tx, connection::per_backend, schema::consent};
use crate::model::{scope::Scope, time::Timestamp};

/// The scopes that were allowed; empty if none ever were.
pub fn find(conn: &mut Conn, principal_id: &str, client_id: &str, redirect_host: &str) -> Result<Scope, Error> {
    let scope: Option<String> = consent::table
        .find((principal_id, client_id, redirect_host))
        .select(consent::scope)
        .get_result(conn)
        .optional()?;
    Ok(Scope::written(&scope.unwrap_or_default()))
}

/// Adds to what was allowed.
pub fn allow(
    tx: &mut Tx<'_>,
    principal_id: &str,
    client_id: &str,
    redirect_host: &str,
    scope: &Scope,
    now: Timestamp,
) -> Result<(), Error> {
    let all = find(tx, principal_id, client_id, redirect_host)?.union(scope).to_string();
    per_backend!(&mut **tx, conn => diesel::insert_into(consent::table)
        .values((
            consent::principal_id.eq(principal_id),
            consent::client_id.eq(client_id),
            consent::redirect_host.eq(redirect_host),
            consent::scope.eq(&all),
            consent::created_at.eq(now.millis()),
            consent::updated_at.eq(now.millis()),
        ))
        .on_conflict((consent::principal_id, consent::client_id, consent::redirect_host))
        .do_update()
        .set((consent::scope.eq(&all), consent::updated_at.eq(now.millis())))
        .execute(conn))?;
    Ok(())
}

/// Forgets what anybody allowed a client.
pub(super) fn delete_of_client(tx: &mut Tx<'_>, client_id: &str) -> Result<(), Error> {
    diesel::delete(consent::table.filter(consent::client_id.eq(client_id))).execute(&mut **tx)?;
    Ok(())
}

/// Forgets what was allowed to a client; whether there was anything.
pub fn withdraw(tx: &mut Tx<'_>, principal_id: &str, client_id: &str) -> Result<bool, Error> {
    let rows = diesel::delete(
        consent::table.filter(consent::principal_id.eq(principal_id)).filter(consent::client_id.eq(client_id)),
    )
    .execute(&mut **tx)?;
    Ok(rows > 0)
}
