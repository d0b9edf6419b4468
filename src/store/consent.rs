//! What a person has allowed a client, remembered per place to which the answer goes.

use diesel::prelude::*;

use super::{
    Conn, Error, Tx,
    connection::per_backend,
    schema::{client, consent},
};
use crate::model::{scope::Scope, time::Timestamp};

/// The scopes that were allowed; empty if none ever were.
pub fn find(conn: &mut Conn, principal_id: &str, client_id: &str, redirect_host: &str) -> Result<Scope, Error> {
    let scope: Option<String> = per_backend!(conn, conn => consent::table
        .find((principal_id, client_id, redirect_host))
        .select(consent::scope)
        .get_result(conn))
    .optional()?;
    Ok(Scope::written(&scope.unwrap_or_default()))
}

/// What was allowed to a client.
#[derive(Clone, Debug)]
pub struct Consent {
    /// The client.
    pub client_id: String,
    /// What it is called now.
    pub client_name: String,
    /// What was allowed.
    pub scope: Scope,
    /// When it first was.
    pub created_at: Timestamp,
    /// When it last was.
    pub updated_at: Timestamp,
}

/// What a principal has allowed, by client, from at most `limit` rows (one for each place to which answers go).
pub fn of_principal(conn: &mut Conn, principal_id: &str, limit: i64) -> Result<Vec<Consent>, Error> {
    let rows: Vec<(String, String, String, i64, i64)> = consent::table
        .inner_join(client::table.on(client::id.eq(consent::client_id)))
        .filter(consent::principal_id.eq(principal_id))
        .order((consent::client_id, consent::redirect_host))
        .limit(limit)
        .select((consent::client_id, client::name, consent::scope, consent::created_at, consent::updated_at))
        .load(conn)?;
    let mut consents: Vec<Consent> = Vec::new();
    for (client_id, client_name, scope, created_at, updated_at) in rows {
        let (scope, created_at) = (Scope::written(&scope), Timestamp::from_millis(created_at));
        let updated_at = Timestamp::from_millis(updated_at);
        match consents.last_mut().filter(|last| last.client_id == client_id) {
            Some(last) => {
                last.scope = last.scope.union(&scope);
                last.created_at = last.created_at.min(created_at);
                last.updated_at = last.updated_at.max(updated_at);
            }
            None => consents.push(Consent { client_id, client_name, scope, created_at, updated_at }),
        }
    }
    Ok(consents)
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
