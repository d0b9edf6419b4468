//! The audit log as a chain: which events are sealed, up to where, by whom, and what was signed of it.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use diesel::{
    prelude::*,
    sql_types::{BigInt, Nullable, Text},
};

use super::{
    Conn, Error, Tx,
    connection::per_backend,
    schema::{audit_checkpoint, audit_cut, audit_event, audit_key, audit_seal},
    won,
};
use crate::model::{key::AuditKeyRecord, time::Timestamp};

/// An event exactly as it is stored.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = audit_event)]
#[allow(missing_docs)] // as the columns
pub struct Stored {
    pub id: String,
    pub at: i64,
    pub action: String,
    pub outcome: String,
    pub code: Option<String>,
    pub actor_kind: String,
    pub actor_id: Option<String>,
    pub client_id: Option<String>,
    pub ip_address: Option<String>,
    pub request_id: String,
    pub target_kind: String,
    pub target_id: Option<String>,
    pub changes: String,
    pub occurrences: i64,
    pub position: Option<i64>,
    pub hash: Option<String>,
}

/// Up to where the log is sealed, and who seals it.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = audit_seal)]
pub struct Head {
    /// The last position; 0 before the first.
    pub position: i64,
    /// The hash there.
    pub hash: String,
    /// The server that seals.
    pub holder: Option<String>,
    held_until: i64,
}

/// For how long nobody else seals, if a server that has begun to is not heard of any more.
pub const LEASE: Duration = Duration::from_secs(15);

/// A lease that ends later than this was given by a clock that is wrong, and holds against nobody: which server seals is
/// decided by the head's row, whoever holds it.
fn latest_lease(now: Timestamp) -> Timestamp {
    now + 2 * LEASE
}

impl Head {
    /// Whether another server than this one seals at this time.
    pub fn is_held_against(&self, node: &str, now: Timestamp) -> bool {
        let holds = now.millis() < self.held_until && self.held_until <= latest_lease(now).millis();
        holds && self.holder.as_deref().is_some_and(|holder| holder != node)
    }
}

/// Something signed: a checkpoint or a cut.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = audit_checkpoint)]
pub struct Signed {
    /// The position that it is about.
    pub position: i64,
    /// When it was signed, in milliseconds.
    pub at: i64,
    /// The JWS.
    pub token: String,
}

/// A place in the chain for an event.
#[derive(Clone, Debug)]
pub struct Link {
    /// The event.
    pub id: String,
    /// Its position.
    pub position: i64,
    /// The hash there.
    pub hash: String,
}

/// Up to where the log is sealed.
///
/// # Errors
/// Only the database's.
pub fn head(conn: &mut Conn) -> Result<Head, Error> {
    Ok(audit_seal::table.find(1).select(Head::as_select()).get_result(conn)?)
}

/// Events that are committed and not sealed, in the order of their ids; at most `limit`.
///
/// # Errors
/// Only the database's.
pub fn unsealed(conn: &mut Conn, limit: i64) -> Result<Vec<Stored>, Error> {
    Ok(audit_event::table
        .filter(audit_event::position.is_null())
        .order(audit_event::id)
        .limit(limit)
        .select(Stored::as_select())
        .load(conn)?)
}

/// How many events are not sealed, and when the first of them happened, in milliseconds.
///
/// # Errors
/// Only the database's.
pub fn count_unsealed(conn: &mut Conn) -> Result<(i64, Option<i64>), Error> {
    use diesel::dsl::{count_star, min};
    let unsealed = audit_event::table.filter(audit_event::position.is_null());
    Ok(unsealed.select((count_star(), min(audit_event::at))).get_result(conn)?)
}

/// Takes or keeps the lease of sealing for `node`, and moves the head, where it still is `before`: whether that is so.
/// This one row decides between servers, however long they were away.
///
/// # Errors
/// Only the database's.
pub fn advance(tx: &mut Tx<'_>, node: &str, before: &Head, after: (i64, &str), now: Timestamp) -> Result<bool, Error> {
    let free = audit_seal::holder
        .is_null()
        .or(audit_seal::holder.eq(node))
        .or(audit_seal::held_until.le(now.millis()))
        .or(audit_seal::held_until.gt(latest_lease(now).millis()));
    let rows = diesel::update(
        audit_seal::table
            .find(1)
            .filter(audit_seal::position.eq(before.position))
            .filter(audit_seal::hash.eq(&before.hash))
            .filter(free.assume_not_null()),
    )
    .set((
        audit_seal::position.eq(after.0),
        audit_seal::hash.eq(after.1),
        audit_seal::holder.eq(node),
        audit_seal::held_until.eq((now + LEASE).millis()),
    ))
    .execute(&mut **tx)?;
    Ok(won(rows))
}

/// By the events' ids: the sign keeps SQLite from walking along all that is not sealed.
const LINK_SQLITE: &str = "UPDATE audit_event SET position = link.value ->> 1, hash = link.value ->> 2 \
    FROM json_each(?) AS link WHERE audit_event.id = link.value ->> 0 AND +audit_event.position IS NULL";

/// Gives events their places; how many there still were without one.
///
/// # Errors
/// Only the database's.
pub fn link(tx: &mut Tx<'_>, links: &[Link]) -> Result<usize, Error> {
    use diesel::sql_types::Array;
    match &mut **tx {
        Conn::Sqlite(conn) => {
            let rows: Vec<_> = links.iter().map(|link| (&link.id, link.position, &link.hash)).collect();
            let text = super::to_json(&rows)?;
            Ok(diesel::sql_query(LINK_SQLITE).bind::<Text, _>(text).execute(conn)?)
        }
        Conn::Postgres(conn) => {
            let ids: Vec<&str> = links.iter().map(|link| link.id.as_str()).collect();
            let positions: Vec<i64> = links.iter().map(|link| link.position).collect();
            let hashes: Vec<&str> = links.iter().map(|link| link.hash.as_str()).collect();
            let update = "UPDATE audit_event AS e SET position = link.position, hash = link.hash \
                          FROM unnest($1, $2, $3) AS link (id, position, hash) \
                          WHERE e.id = link.id AND e.position IS NULL";
            let query = diesel::sql_query(update).bind::<Array<Text>, _>(ids).bind::<Array<BigInt>, _>(positions);
            Ok(query.bind::<Array<Text>, _>(hashes).execute(conn)?)
        }
    }
}

/// Sealed events after a position and up to another one, in their order; at most `limit`.
///
/// # Errors
/// Only the database's.
pub fn sealed(conn: &mut Conn, after: i64, until: i64, limit: i64) -> Result<Vec<Stored>, Error> {
    Ok(audit_event::table
        .filter(audit_event::position.gt(after))
        .filter(audit_event::position.le(until))
        .order(audit_event::position)
        .limit(limit)
        .select(Stored::as_select())
        .load(conn)?)
}

/// The last position that an event has, whatever the head says.
///
/// # Errors
/// Only the database's.
pub fn last_position(conn: &mut Conn) -> Result<i64, Error> {
    let last: Option<Option<i64>> = audit_event::table
        .filter(audit_event::position.is_not_null())
        .order(audit_event::position.desc())
        .select(audit_event::position)
        .first(conn)
        .optional()?;
    Ok(last.flatten().unwrap_or(0))
}

/// An event that no walk along the chain comes by as lists do.
#[derive(Clone, Debug, QueryableByName)]
pub struct Stray {
    /// The event.
    #[diesel(sql_type = Text)]
    pub id: String,
    /// Its position, if that is a number.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub position: Option<i64>,
}

/// Events whose place lies before the first one; at most `limit`.
///
/// # Errors
/// Only the database's.
pub fn before_the_first(conn: &mut Conn, limit: i64) -> Result<Vec<Stray>, Error> {
    let query = "SELECT CAST(id AS TEXT) AS id, position FROM audit_event WHERE position < 1 ORDER BY position LIMIT ";
    Ok(diesel::sql_query(format!("{query}{limit}")).load(conn)?)
}

/// Events with values of another type than their column has; at most `limit`. SQLite keeps what it is given, compares by
/// type, and converts when it is read: such an event reads as the one that was sealed, and filters do not find it.
///
/// # Errors
/// Only the database's.
pub fn of_other_types(conn: &mut Conn, limit: i64) -> Result<Vec<Stray>, Error> {
    const TEXTS: [&str; 7] = ["id", "action", "outcome", "actor_kind", "request_id", "target_kind", "changes"];
    const OPTIONAL_TEXTS: [&str; 6] = ["code", "actor_id", "client_id", "ip_address", "target_id", "hash"];
    let Conn::Sqlite(conn) = conn else { return Ok(Vec::new()) };
    let is_text = TEXTS.map(|column| format!("typeof({column}) = 'text'"));
    let is_text_or_null = OPTIONAL_TEXTS.map(|column| format!("typeof({column}) IN ('text', 'null')"));
    let is_number = ["at", "occurrences"].map(|column| format!("typeof({column}) = 'integer'"));
    let is_position = "typeof(position) IN ('integer', 'null')".to_owned();
    let right = [&is_text[..], &is_text_or_null, &is_number, &[is_position]].concat().join(" AND ");
    Ok(diesel::sql_query(format!(
        "SELECT CAST(id AS TEXT) AS id, iif(typeof(position) = 'integer', position, NULL) AS position \
         FROM audit_event WHERE NOT ({right}) LIMIT {limit}"
    ))
    .load(conn)?)
}

/// Every key that checkpoints and cuts are or were signed with.
///
/// # Errors
/// Only the database's.
pub fn keys(conn: &mut Conn) -> Result<Vec<AuditKeyRecord>, Error> {
    let rows: Vec<(String, String, i64)> =
        audit_key::table.select((audit_key::kid, audit_key::sealed_private, audit_key::created_at)).load(conn)?;
    let record = |(kid, sealed, created_at): (String, String, i64)| {
        let sealed_private = STANDARD_NO_PAD.decode(&sealed).map_err(|e| Error::Internal(e.to_string()))?;
        Ok(AuditKeyRecord { kid, sealed_private, created_at: Timestamp::from_millis(created_at) })
    };
    rows.into_iter().map(record).collect()
}

/// Adds a key.
///
/// # Errors
/// Only the database's.
pub fn insert_key(tx: &mut Tx<'_>, key: &AuditKeyRecord) -> Result<(), Error> {
    let row = (
        audit_key::kid.eq(&key.kid),
        audit_key::sealed_private.eq(STANDARD_NO_PAD.encode(&key.sealed_private)),
        audit_key::created_at.eq(key.created_at.millis()),
    );
    diesel::insert_into(audit_key::table).values(row).execute(&mut **tx)?;
    Ok(())
}

/// The last checkpoint.
///
/// # Errors
/// Only the database's.
pub fn last_checkpoint(conn: &mut Conn) -> Result<Option<Signed>, Error> {
    let query = audit_checkpoint::table.order(audit_checkpoint::position.desc());
    Ok(query.select(Signed::as_select()).first(conn).optional()?)
}

/// The checkpoints after a position, in their order; at most `limit`.
///
/// # Errors
/// Only the database's.
pub fn checkpoints(conn: &mut Conn, after: i64, limit: i64) -> Result<Vec<Signed>, Error> {
    Ok(audit_checkpoint::table
        .filter(audit_checkpoint::position.gt(after))
        .order(audit_checkpoint::position)
        .limit(limit)
        .select(Signed::as_select())
        .load(conn)?)
}

/// Adds a checkpoint, unless there is one at its position.
///
/// # Errors
/// Only the database's.
pub fn insert_checkpoint(tx: &mut Tx<'_>, checkpoint: &Signed) -> Result<(), Error> {
    per_backend!(&mut **tx, conn => diesel::insert_into(audit_checkpoint::table)
        .values(checkpoint)
        .on_conflict_do_nothing()
        .execute(conn))?;
    Ok(())
}

/// The cuts, the oldest first.
///
/// # Errors
/// Only the database's.
pub fn cuts(conn: &mut Conn) -> Result<Vec<Signed>, Error> {
    let columns = (audit_cut::position, audit_cut::at, audit_cut::token);
    Ok(audit_cut::table.order(audit_cut::position).select(columns).load(conn)?)
}

/// The last cut.
///
/// # Errors
/// Only the database's.
pub fn last_cut(conn: &mut Conn) -> Result<Option<Signed>, Error> {
    let columns = (audit_cut::position, audit_cut::at, audit_cut::token);
    Ok(audit_cut::table.order(audit_cut::position.desc()).select(columns).first(conn).optional()?)
}

/// Adds a cut.
///
/// # Errors
/// Only the database's.
pub fn insert_cut(tx: &mut Tx<'_>, cut: &Signed) -> Result<(), Error> {
    let row = (audit_cut::position.eq(cut.position), audit_cut::at.eq(cut.at), audit_cut::token.eq(&cut.token));
    diesel::insert_into(audit_cut::table).values(row).execute(&mut **tx)?;
    Ok(())
}

/// Deletes events and checkpoints up to a position that was cut: one batch, of at most `limit` events; how many rows
/// went.
///
/// # Errors
/// Only the database's.
pub fn delete_cut(tx: &mut Tx<'_>, until: i64, limit: i64) -> Result<usize, Error> {
    let events: Vec<Option<i64>> = audit_event::table
        .filter(audit_event::position.le(until))
        .order(audit_event::position)
        .limit(limit)
        .select(audit_event::position)
        .load(&mut **tx)?;
    let mut gone = 0;
    if let Some(Some(last)) = events.last() {
        gone += diesel::delete(audit_event::table.filter(audit_event::position.le(*last))).execute(&mut **tx)?;
    }
    let checkpoints: Vec<i64> = audit_checkpoint::table
        .filter(audit_checkpoint::position.lt(until))
        .order(audit_checkpoint::position)
        .limit(limit)
        .select(audit_checkpoint::position)
        .load(&mut **tx)?;
    if let Some(last) = checkpoints.last() {
        let old = audit_checkpoint::table.filter(audit_checkpoint::position.le(*last));
        gone += diesel::delete(old).execute(&mut **tx)?;
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{connection, migrate};

    #[test]
    fn a_million_events_are_sealed_as_quickly_as_ten() {
        #[derive(QueryableByName)]
        struct Step {
            #[diesel(sql_type = Text)]
            detail: String,
        }
        let mut conn = Conn::Sqlite(connection::sqlite_writer(":memory:").unwrap());
        migrate::run(&mut conn).unwrap();
        let columns = "id, at, changes, position, hash";
        for (statement, wanted) in [
            (LINK_SQLITE, "SEARCH audit_event USING INDEX sqlite_autoindex_audit_event_1 (id=?)"),
            (
                &format!("SELECT {columns} FROM audit_event WHERE position IS NULL ORDER BY id LIMIT 250"),
                "SCAN audit_event USING INDEX audit_event_unsealed",
            ),
            (
                &format!(
                    "SELECT {columns} FROM audit_event WHERE position > 1 AND position <= 9 ORDER BY position LIMIT 9"
                ),
                "SEARCH audit_event USING INDEX audit_event_by_position (position>? AND position<?)",
            ),
        ] {
            let plan: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load(&mut conn).unwrap();
            let plan: Vec<String> = plan.into_iter().map(|step| step.detail).collect();
            assert!(plan.iter().any(|step| step == wanted), "{statement}: {plan:#?}");
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{statement}: {plan:#?}");
        }
    }
}
