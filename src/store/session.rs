//! Sessions of people. `id` is what tokens call `sid`; the cookie's value is stored as its hash. Those of the
//! application-server face stand here, too, so that they are listed and ended as all others; the cookie that would fit
//! theirs was never given to anybody (see [`super::appserver_session`]).

use diesel::prelude::*;

use super::{
    Conn, Error, Tx,
    connection::per_backend,
    from_json, grant,
    schema::session,
    sql::{Count, Sql},
    to_json, won,
};
use crate::model::{secret::SecretHash, time::Timestamp};

/// A browser session.
#[derive(Clone, Debug)]
pub struct Session {
    /// The `sid` of tokens; not a secret.
    pub id: String,
    /// Who signed in.
    pub principal_id: String,
    /// SHA-256 of the cookie's value.
    pub secret_hash: SecretHash,
    /// When the person last proved who they are (OpenID Connect Core §2).
    pub auth_time: Timestamp,
    /// How (RFC 8176).
    pub amr: Vec<String>,
    /// How strongly.
    pub acr: String,
    /// Whether it outlives the browser.
    pub persistent: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_active_at: Timestamp,
    /// When it ends unless it is used.
    pub idle_expires_at: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
    /// Where it began.
    pub ip_address: Option<String>,
    /// In which browser.
    pub user_agent: Option<String>,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
}

impl Session {
    /// Whether it is neither ended nor expired.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.idle_expires_at && now < self.expires_at
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = session, treat_none_as_default_value = false)]
struct Row {
    id: String,
    principal_id: String,
    secret_hash: String,
    auth_time: i64,
    amr: String,
    acr: String,
    persistent: bool,
    created_at: i64,
    last_active_at: i64,
    idle_expires_at: i64,
    expires_at: i64,
    ip_address: Option<String>,
    user_agent: Option<String>,
    ended_at: Option<i64>,
}

impl TryFrom<Row> for Session {
    type Error = Error;

    fn try_from(row: Row) -> Result<Session, Error> {
        Ok(Session {
            amr: from_json("session.amr", &row.amr)?,
            id: row.id,
            principal_id: row.principal_id,
            secret_hash: SecretHash::stored(row.secret_hash),
            auth_time: Timestamp::from_millis(row.auth_time),
            acr: row.acr,
            persistent: row.persistent,
            created_at: Timestamp::from_millis(row.created_at),
            last_active_at: Timestamp::from_millis(row.last_active_at),
            idle_expires_at: Timestamp::from_millis(row.idle_expires_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            ip_address: row.ip_address,
            user_agent: row.user_agent,
            ended_at: row.ended_at.map(Timestamp::from_millis),
        })
    }
}

/// The session with this `sid`.
pub fn find(conn: &mut Conn, id: &str) -> Result<Option<Session>, Error> {
    let row =
        per_backend!(conn, conn => session::table.find(id).select(Row::as_select()).get_result(conn)).optional()?;
    row.map(Session::try_from).transpose()
}

/// The same, locked until this transaction ends: whoever ends the session meanwhile waits, and then finds what was
/// granted in it. The embedded database has one writer.
pub fn find_locked(tx: &mut Tx<'_>, id: &str) -> Result<Option<Session>, Error> {
    let session = session::table.find(id);
    let row: Option<Row> = match &mut **tx {
        Conn::Sqlite(conn) => session.select(Row::as_select()).get_result(conn).optional()?,
        Conn::Postgres(conn) => session.select(Row::as_select()).for_share().get_result(conn).optional()?,
    };
    row.map(Session::try_from).transpose()
}

/// How many sessions are live: of the first `most` that have not reached their end, so that the work has one.
pub fn count_live(conn: &mut Conn, now: Timestamp, most: i64) -> Result<i64, Error> {
    let sql = Sql::new(
        "SELECT COUNT(*) AS n FROM (SELECT idle_expires_at, ended_at FROM session WHERE expires_at > ? \
         ORDER BY expires_at LIMIT ?) AS first WHERE ended_at IS NULL AND idle_expires_at > ?",
    );
    let counted = sql.number(now.millis()).number(most).number(now.millis()).load::<Count>(conn)?;
    Ok(counted.first().map_or(0, |count| count.n))
}

/// The session with this cookie.
pub fn find_by_secret(conn: &mut Conn, hash: &SecretHash) -> Result<Option<Session>, Error> {
    let row = per_backend!(conn, conn => session::table
        .filter(session::secret_hash.eq(hash.as_str()))
        .select(Row::as_select())
        .get_result(conn))
    .optional()?;
    row.map(Session::try_from).transpose()
}

/// A principal's live sessions, the youngest first.
pub fn live_of(conn: &mut Conn, principal_id: &str, now: Timestamp) -> Result<Vec<Session>, Error> {
    let rows: Vec<Row> = session::table
        .filter(session::principal_id.eq(principal_id))
        .filter(session::ended_at.is_null())
        .filter(session::idle_expires_at.gt(now.millis()))
        .filter(session::expires_at.gt(now.millis()))
        .order(session::created_at.desc())
        .limit(1000)
        .select(Row::as_select())
        .load(conn)?;
    rows.into_iter().map(Session::try_from).collect()
}

/// Whether the principal has or had a session that is still kept.
pub fn has_any(conn: &mut Conn, principal_id: &str) -> Result<bool, Error> {
    let found: Vec<String> =
        session::table.filter(session::principal_id.eq(principal_id)).limit(1).select(session::id).load(conn)?;
    Ok(!found.is_empty())
}

/// Whether the principal has or had a session that is still kept, from this address in this program.
pub fn has_any_from(
    conn: &mut Conn,
    principal_id: &str,
    ip_address: Option<&str>,
    user_agent: Option<&str>,
) -> Result<bool, Error> {
    let mut theirs =
        session::table.filter(session::principal_id.eq(principal_id)).select(session::id).limit(1).into_boxed();
    theirs = match ip_address {
        Some(address) => theirs.filter(session::ip_address.eq(address)),
        None => theirs.filter(session::ip_address.is_null()),
    };
    theirs = match user_agent {
        Some(agent) => theirs.filter(session::user_agent.eq(agent)),
        None => theirs.filter(session::user_agent.is_null()),
    };
    let found: Vec<String> = theirs.load(conn)?;
    Ok(!found.is_empty())
}

/// Adds a session.
pub fn insert(tx: &mut Tx<'_>, session: &Session) -> Result<(), Error> {
    per_backend!(&mut **tx, conn => diesel::insert_into(session::table)
        .values(Row {
            id: session.id.clone(),
            principal_id: session.principal_id.clone(),
            secret_hash: session.secret_hash.as_str().to_owned(),
            auth_time: session.auth_time.millis(),
            amr: to_json(&session.amr)?,
            acr: session.acr.clone(),
            persistent: session.persistent,
            created_at: session.created_at.millis(),
            last_active_at: session.last_active_at.millis(),
            idle_expires_at: session.idle_expires_at.millis(),
            expires_at: session.expires_at.millis(),
            ip_address: session.ip_address.clone(),
            user_agent: session.user_agent.clone(),
            ended_at: session.ended_at.map(Timestamp::millis),
        })
        .execute(conn))?;
    Ok(())
}

/// The same person proved again who they are: the session goes on under a new cookie. False if it was not live.
pub fn renew(tx: &mut Tx<'_>, session: &Session, now: Timestamp) -> Result<bool, Error> {
    let rows = diesel::update(session::table.find(&session.id).filter(session::ended_at.is_null()))
        .set((
            session::secret_hash.eq(session.secret_hash.as_str()),
            session::auth_time.eq(session.auth_time.millis()),
            session::amr.eq(to_json(&session.amr)?),
            session::acr.eq(&session.acr),
            session::persistent.eq(session.persistent),
            session::last_active_at.eq(now.millis()),
            session::idle_expires_at.eq(session.idle_expires_at.millis()),
            session::expires_at.eq(session.expires_at.millis()),
        ))
        .execute(&mut **tx)?;
    Ok(won(rows))
}

/// Notes that a live session was used.
pub fn touch(tx: &mut Tx<'_>, id: &str, now: Timestamp, idle_expires_at: Timestamp) -> Result<(), Error> {
    Sql::kept("UPDATE session SET last_active_at = ?, idle_expires_at = ? WHERE id = ? AND ended_at IS NULL")
        .number(now.millis())
        .number(idle_expires_at.millis())
        .text(id)
        .execute(tx)?;
    Ok(())
}

/// Ends a session because another person has signed in in its browser. What it granted beyond itself stays. False if it
/// had ended before.
pub fn replace(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<bool, Error> {
    let rows = diesel::update(session::table.find(id).filter(session::ended_at.is_null()))
        .set(session::ended_at.eq(now.millis()))
        .execute(&mut **tx)?;
    tx.changes_known();
    Ok(won(rows))
}

/// Ends a session and revokes all that was granted in it: signing out. False if it had ended before.
pub fn end(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<bool, Error> {
    tx.changes_known();
    let rows = per_backend!(&mut **tx, conn => diesel::update(session::table.find(id).filter(session::ended_at.is_null()))
        .set(session::ended_at.eq(now.millis()))
        .execute(conn))?;
    grant::revoke_of_session(tx, id, now)?;
    Ok(won(rows))
}

/// Ends a principal's sessions, but for `keep`, and revokes all that was granted but for what was granted in `keep`.
pub fn end_all_of(tx: &mut Tx<'_>, principal_id: &str, keep: Option<&str>, now: Timestamp) -> Result<usize, Error> {
    tx.changes_known();
    let keep = keep.unwrap_or("");
    let rows = diesel::update(
        session::table
            .filter(session::principal_id.eq(principal_id))
            .filter(session::ended_at.is_null())
            .filter(session::id.ne(keep)),
    )
    .set(session::ended_at.eq(now.millis()))
    .execute(&mut **tx)?;
    grant::revoke_of_principal(tx, principal_id, keep, now)?;
    Ok(rows)
}
