//! Sessions of the application-server face: what a session id stands for, and with what it ends.

use diesel::prelude::*;

use super::{Conn, Error, Tx, schema::appserver_session, won};
use crate::model::{scope::Scope, secret::SecretHash, time::Timestamp};

/// A session of the application-server face.
#[derive(Clone, Debug)]
pub struct AppserverSession {
    /// Its id; that of the person's session where there is one.
    pub id: String,
    /// SHA-256 of the session id that the client has.
    pub secret_hash: SecretHash,
    /// The authentication module that opened it.
    pub module: String,
    /// The person's session; none where a client acts for itself.
    pub session_id: Option<String>,
    /// The client that acts for itself, or whose code or token it was opened with.
    pub client_id: Option<String>,
    /// The client secret that was presented; the session ends with it.
    pub client_secret_id: Option<String>,
    /// The grant of the code or token; the session ends with it.
    pub grant_id: Option<String>,
    /// The access token, and when it was issued; the session ends with it.
    pub token: Option<(String, Timestamp)>,
    /// What narrows it; none where nothing does.
    pub scope: Option<Scope>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
}

impl AppserverSession {
    /// Whether it is neither ended nor expired by itself; what it hangs on is looked at besides.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = appserver_session, treat_none_as_default_value = false)]
struct Row {
    id: String,
    secret_hash: String,
    module: String,
    session_id: Option<String>,
    client_id: Option<String>,
    client_secret_id: Option<String>,
    grant_id: Option<String>,
    token_jti: Option<String>,
    token_issued_at: Option<i64>,
    scope: Option<String>,
    created_at: i64,
    expires_at: i64,
    ended_at: Option<i64>,
}

/// The session with this session id, live or not.
pub fn find_by_secret(conn: &mut Conn, hash: &SecretHash) -> Result<Option<AppserverSession>, Error> {
    let row: Option<Row> = appserver_session::table
        .filter(appserver_session::secret_hash.eq(hash.as_str()))
        .select(Row::as_select())
        .get_result(conn)
        .optional()?;
    Ok(row.map(|row| AppserverSession {
        id: row.id,
        secret_hash: SecretHash::stored(row.secret_hash),
        module: row.module,
        session_id: row.session_id,
        client_id: row.client_id,
        client_secret_id: row.client_secret_id,
        grant_id: row.grant_id,
        token: row.token_jti.zip(row.token_issued_at.map(Timestamp::from_millis)),
        scope: row.scope.as_deref().map(Scope::written),
        created_at: Timestamp::from_millis(row.created_at),
        expires_at: Timestamp::from_millis(row.expires_at),
        ended_at: row.ended_at.map(Timestamp::from_millis),
    }))
}

/// Adds a session; `Conflict("appserver_session")` where there is one with this session id already.
pub fn insert(tx: &mut Tx<'_>, session: &AppserverSession) -> Result<(), Error> {
    let token = session.token.as_ref();
    diesel::insert_into(appserver_session::table)
        .values(Row {
            id: session.id.clone(),
            secret_hash: session.secret_hash.as_str().to_owned(),
            module: session.module.clone(),
            session_id: session.session_id.clone(),
            client_id: session.client_id.clone(),
            client_secret_id: session.client_secret_id.clone(),
            grant_id: session.grant_id.clone(),
            token_jti: token.map(|(jti, _)| jti.clone()),
            token_issued_at: token.map(|(_, issued_at)| issued_at.millis()),
            scope: session.scope.as_ref().map(Scope::to_string),
            created_at: session.created_at.millis(),
            expires_at: session.expires_at.millis(),
            ended_at: session.ended_at.map(Timestamp::millis),
        })
        .execute(&mut **tx)
        .map_err(Error::conflict("appserver_session"))?;
    Ok(())
}

/// Ends a session; false if it had ended before. A person's is ended in `session` besides.
pub fn end(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<bool, Error> {
    let rows = diesel::update(appserver_session::table.find(id).filter(appserver_session::ended_at.is_null()))
        .set(appserver_session::ended_at.eq(now.millis()))
        .execute(&mut **tx)?;
    Ok(won(rows))
}
