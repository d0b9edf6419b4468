//! Principals: the humans who sign in.

use diesel::prelude::*;
use serde_json::{Map, Value};

use super::{
    Conn, Error, Tx,
    connection::per_backend,
    from_json, generation, identity,
    listing::Version,
    one_of::OneOf,
    schema::{consent, identity_role, oauth_grant, principal, refresh_token, session},
    sql::Sql,
    to_json, won,
};
use crate::model::{
    email::Email,
    permission::{Acl, Attributes},
    time::Timestamp,
};

/// A principal.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    /// A UUID; the `sub` of tokens.
    pub id: String,
    /// The username, as typed.
    pub email: Option<String>,
    /// Whether it was proven to be theirs.
    pub email_verified: bool,
    /// Full name.
    pub name: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Whether it was proven to be theirs.
    pub phone_verified: bool,
    /// A picture's URL.
    pub picture: Option<String>,
    /// The other OpenID Connect standard claims and custom keys.
    pub properties: Map<String, Value>,
    /// The person's own settings.
    pub settings: Map<String, Value>,
    /// What the person may do besides what the roles give.
    pub acl: Acl,
    /// Attributes that conditional permissions compare.
    pub access_attributes: Attributes,
    /// A system user (an account of a person for administration, listed by the application-server module).
    pub system_user: bool,
    /// The password, as a PHC string.
    pub password_hash: Option<String>,
    /// When the password was last changed.
    pub password_changed_at: Option<Timestamp>,
    /// Whether the password signs in only as far as the page that replaces it.
    pub password_temporary: bool,
    /// When the password stops working.
    pub password_expires_at: Option<Timestamp>,
    /// Since when the principal may do nothing.
    pub suspended_at: Option<Timestamp>,
    /// Last authenticated activity.
    pub last_active_at: Option<Timestamp>,
    /// When the principal was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Its version.
    pub etag: String,
}

impl Principal {
    /// A principal with an email and nothing else.
    pub fn new(id: String, email: Option<&Email>, now: Timestamp) -> Principal {
        Principal {
            id,
            email: email.map(|email| email.as_str().to_owned()),
            email_verified: false,
            name: None,
            phone: None,
            phone_verified: false,
            picture: None,
            properties: Map::new(),
            settings: Map::new(),
            acl: Acl::default(),
            access_attributes: Attributes::new(),
            system_user: false,
            password_hash: None,
            password_changed_at: None,
            password_temporary: false,
            password_expires_at: None,
            suspended_at: None,
            last_active_at: None,
            created_at: now,
            updated_at: now,
            etag: crate::model::secret::random_text::<12>(),
        }
    }

    /// What pages call the person.
    pub fn display_name(&self) -> &str {
        self.name.as_deref().or(self.email.as_deref()).unwrap_or(&self.id)
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = principal, treat_none_as_default_value = false)]
struct Row {
    id: String,
    email: Option<String>,
    email_key: Option<String>,
    email_verified: bool,
    name: Option<String>,
    phone: Option<String>,
    phone_verified: bool,
    picture: Option<String>,
    properties: String,
    settings: String,
    acl: String,
    access_attributes: String,
    system_user: bool,
    password_hash: Option<String>,
    password_changed_at: Option<i64>,
    password_temporary: bool,
    password_expires_at: Option<i64>,
    suspended_at: Option<i64>,
    last_active_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
    etag: String,
    name_key: Option<String>,
}

impl TryFrom<Row> for Principal {
    type Error = Error;

    fn try_from(row: Row) -> Result<Principal, Error> {
        Ok(Principal {
            properties: from_json("principal.properties", &row.properties)?,
            settings: from_json("principal.settings", &row.settings)?,
            acl: from_json("principal.acl", &row.acl)?,
            access_attributes: from_json("principal.access_attributes", &row.access_attributes)?,
            id: row.id,
            email: row.email,
            email_verified: row.email_verified,
            name: row.name,
            phone: row.phone,
            phone_verified: row.phone_verified,
            picture: row.picture,
            system_user: row.system_user,
            password_hash: row.password_hash,
            password_changed_at: row.password_changed_at.map(Timestamp::from_millis),
            password_temporary: row.password_temporary,
            password_expires_at: row.password_expires_at.map(Timestamp::from_millis),
            suspended_at: row.suspended_at.map(Timestamp::from_millis),
            last_active_at: row.last_active_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
            etag: row.etag,
        })
    }
}

fn row(principal: &Principal) -> Result<Row, Error> {
    Ok(Row {
        id: principal.id.clone(),
        email: principal.email.clone(),
        email_key: principal.email.as_deref().map(crate::model::email::key),
        email_verified: principal.email_verified,
        name: principal.name.clone(),
        phone: principal.phone.clone(),
        phone_verified: principal.phone_verified,
        picture: principal.picture.clone(),
        properties: to_json(&principal.properties)?,
        settings: to_json(&principal.settings)?,
        acl: to_json(&principal.acl)?,
        access_attributes: to_json(&principal.access_attributes)?,
        system_user: principal.system_user,
        password_hash: principal.password_hash.clone(),
        password_changed_at: principal.password_changed_at.map(Timestamp::millis),
        password_temporary: principal.password_temporary,
        password_expires_at: principal.password_expires_at.map(Timestamp::millis),
        suspended_at: principal.suspended_at.map(Timestamp::millis),
        last_active_at: principal.last_active_at.map(Timestamp::millis),
        created_at: principal.created_at.millis(),
        updated_at: principal.updated_at.millis(),
        etag: principal.etag.clone(),
        name_key: principal.name.as_deref().map(str::to_lowercase),
    })
}

/// The principals with these numbers of registration, in no order; those that are gone are left out.
pub(super) fn by_seq(conn: &mut Conn, seqs: &[i64]) -> Result<Vec<(i64, Principal)>, Error> {
    let rows: Vec<(Option<i64>, Row)> = match conn {
        Conn::Sqlite(conn) => principal::table
            .filter(OneOf::new(principal::seq, seqs)?)
            .select((principal::seq, Row::as_select()))
            .load(conn)?,
        Conn::Postgres(conn) => principal::table
            .filter(principal::seq.eq_any(seqs))
            .select((principal::seq, Row::as_select()))
            .load(conn)?,
    };
    rows.into_iter().map(|(seq, row)| Ok((seq.unwrap_or_default(), row.try_into()?))).collect()
}

/// The versions of the principals with these numbers of registration, in no order.
pub(super) fn versions(conn: &mut Conn, seqs: &[i64]) -> Result<Vec<Version>, Error> {
    let rows = principal::table.select((principal::seq, principal::etag, principal::last_active_at));
    let rows: Vec<(Option<i64>, String, Option<i64>)> = match conn {
        Conn::Sqlite(conn) => rows.filter(OneOf::new(principal::seq, seqs)?).load(conn)?,
        Conn::Postgres(conn) => rows.filter(principal::seq.eq_any(seqs)).load(conn)?,
    };
    let version = |(seq, etag, active): (Option<i64>, String, Option<i64>)| Version {
        seq: seq.unwrap_or_default(),
        etag,
        last_active_at: active.map(Timestamp::from_millis),
    };
    Ok(rows.into_iter().map(version).collect())
}

/// Adds many new principals with few statements; their ids are claimed already. `Conflict("email")` if an email is taken.
pub(super) fn insert_many(tx: &mut Tx<'_>, principals: &[Principal]) -> Result<(), Error> {
    let rows = principals.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    per_backend!(&mut **tx, conn => diesel::insert_into(principal::table).values(&rows).execute(conn))
        .map_err(Error::conflict("email"))?;
    tx.raise()
}

/// The principal with this id.
pub fn find(conn: &mut Conn, id: &str) -> Result<Option<Principal>, Error> {
    let row =
        per_backend!(conn, conn => principal::table.find(id).select(Row::as_select()).get_result(conn)).optional()?;
    row.map(Principal::try_from).transpose()
}

/// The principal with this id and the keys of its roles, in order, as they are at one moment.
pub fn find_with_roles(conn: &mut Conn, id: &str) -> Result<Option<(Principal, Vec<String>)>, Error> {
    let rows: Vec<(Row, Option<String>)> = per_backend!(conn, conn => principal::table
        .left_join(identity_role::table.on(identity_role::identity_id.eq(principal::id)))
        .filter(principal::id.eq(id))
        .order(identity_role::role_key)
        .select((Row::as_select(), identity_role::role_key.nullable()))
        .load(conn))?;
    let mut rows = rows.into_iter();
    let Some((row, first)) = rows.next() else { return Ok(None) };
    let roles = first.into_iter().chain(rows.filter_map(|(_, role)| role)).collect();
    Ok(Some((row.try_into()?, roles)))
}

/// The principals with these ids, in no order; those that are not there are left out.
pub fn by_ids(conn: &mut Conn, ids: &[&str]) -> Result<Vec<Principal>, Error> {
    let rows: Vec<Row> = principal::table.filter(principal::id.eq_any(ids)).select(Row::as_select()).load(conn)?;
    rows.into_iter().map(Principal::try_from).collect()
}

/// The principals with these emails, in whatever case they were typed, in no order.
pub fn by_emails(conn: &mut Conn, emails: &[&str]) -> Result<Vec<Principal>, Error> {
    let keys: Vec<String> = emails.iter().map(|email| crate::model::email::key(email)).collect();
    let rows: Vec<Row> =
        principal::table.filter(principal::email_key.eq_any(keys)).select(Row::as_select()).load(conn)?;
    rows.into_iter().map(Principal::try_from).collect()
}

/// The principal with this email, in whatever case it was typed.
pub fn find_by_email(conn: &mut Conn, email: &str) -> Result<Option<Principal>, Error> {
    let key = crate::model::email::key(email);
    let row = per_backend!(conn, conn => principal::table
            .filter(principal::email_key.eq(key))
            .select(Row::as_select())
            .get_result(conn))
    .optional()?;
    row.map(Principal::try_from).transpose()
}

/// Adds a principal: `Conflict("id")` if the id is or was taken, `Conflict("email")` if the email is.
pub fn insert(tx: &mut Tx<'_>, principal: &Principal) -> Result<(), Error> {
    identity::claim(tx, &principal.id, identity::IdentityKind::Principal)?;
    diesel::insert_into(principal::table)
        .values(row(principal)?)
        .execute(&mut **tx)
        .map_err(Error::conflict("email"))?;
    tx.raise()
}

/// Lets go of the emails of these principals, so that others can get them; how many had one. Each is to be replaced with
/// [`update`] in the same transaction: until then its email is shown, and nobody is found by it.
pub fn release_emails(tx: &mut Tx<'_>, ids: &[&str]) -> Result<usize, Error> {
    let holding = principal::table.filter(principal::id.eq_any(ids)).filter(principal::email_key.is_not_null());
    Ok(diesel::update(holding).set(principal::email_key.eq(None::<String>)).execute(&mut **tx)?)
}

/// Sets a password that the person chose, if it is still `current` (compare-and-set); false if it is not.
pub fn change_password(
    tx: &mut Tx<'_>,
    id: &str,
    current: Option<&str>,
    hash: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    tx.raise()?;
    let set = (
        principal::password_hash.eq(hash),
        principal::password_changed_at.eq(now.millis()),
        principal::password_temporary.eq(false),
        principal::password_expires_at.eq(None::<i64>),
        principal::updated_at.eq(now.millis()),
        principal::etag.eq(crate::model::secret::random_text::<12>()),
    );
    let row = principal::table.filter(principal::id.eq(id));
    let rows = match current {
        Some(current) => {
            diesel::update(row.filter(principal::password_hash.eq(current))).set(set).execute(&mut **tx)?
        }
        None => diesel::update(row.filter(principal::password_hash.is_null())).set(set).execute(&mut **tx)?,
    };
    Ok(won(rows))
}

/// Replaces what is said of a principal, if it is still in the version `etag` (compare-and-set); false if it is not.
/// Password and activity are not among it: others write them. `Conflict("email")` if the email is another's.
pub fn update(tx: &mut Tx<'_>, principal: &Principal, etag: &str) -> Result<bool, Error> {
    let row = row(principal)?;
    let rows = diesel::update(principal::table.find(&principal.id).filter(principal::etag.eq(etag)))
        .set((
            principal::email.eq(&row.email),
            principal::email_key.eq(&row.email_key),
            principal::email_verified.eq(row.email_verified),
            principal::name.eq(&row.name),
            principal::name_key.eq(&row.name_key),
            principal::phone.eq(&row.phone),
            principal::phone_verified.eq(row.phone_verified),
            principal::picture.eq(&row.picture),
            principal::properties.eq(&row.properties),
            principal::settings.eq(&row.settings),
            principal::acl.eq(&row.acl),
            principal::access_attributes.eq(&row.access_attributes),
            principal::system_user.eq(row.system_user),
            principal::suspended_at.eq(row.suspended_at),
            principal::updated_at.eq(row.updated_at),
            principal::etag.eq(&row.etag),
        ))
        .execute(&mut **tx)
        .map_err(Error::conflict("email"))?;
    generation::raise_access(tx, &principal.id)?;
    tx.raise()?;
    Ok(won(rows))
}

/// Sets a password that signs in only as far as the page that replaces it, until `expires_at`, if the principal is still
/// in the version `etag` (compare-and-set), which becomes `next`; false if it is not.
pub fn set_temporary_password(
    tx: &mut Tx<'_>,
    principal: &Principal,
    hash: &str,
    expires_at: Timestamp,
    next: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let rows = diesel::update(principal::table.find(&principal.id).filter(principal::etag.eq(&principal.etag)))
        .set((
            principal::password_hash.eq(hash),
            principal::password_changed_at.eq(now.millis()),
            principal::password_temporary.eq(true),
            principal::password_expires_at.eq(expires_at.millis()),
            principal::updated_at.eq(now.millis()),
            principal::etag.eq(next),
        ))
        .execute(&mut **tx)?;
    tx.raise()?;
    Ok(won(rows))
}

/// Deletes a principal in the version `etag` (compare-and-set) with all that is theirs: sessions, grants with their
/// refresh tokens, consents, roles; false if it is in another. The id stays taken. Codes that were not redeemed are worth
/// nothing without their session, and are purged.
pub fn delete(tx: &mut Tx<'_>, id: &str, etag: &str, now: Timestamp) -> Result<bool, Error> {
    if let Conn::Postgres(conn) = &mut **tx {
        // whoever is just signing in holds a key-share lock on the row; from here on they wait, and then find nobody
        let row = principal::table.find(id).select(principal::id).for_update();
        row.get_result::<String>(conn).optional()?;
    }
    let current: Option<String> = principal::table.find(id).select(principal::etag).get_result(&mut **tx).optional()?;
    if current.as_deref() != Some(etag) {
        return Ok(false);
    }
    disarm(tx, id, now)?;
    let theirs = oauth_grant::table.filter(oauth_grant::principal_id.eq(id)).select(oauth_grant::id);
    diesel::delete(refresh_token::table.filter(refresh_token::grant_id.eq_any(theirs))).execute(&mut **tx)?;
    diesel::delete(oauth_grant::table.filter(oauth_grant::principal_id.eq(id))).execute(&mut **tx)?;
    diesel::delete(session::table.filter(session::principal_id.eq(id))).execute(&mut **tx)?;
    diesel::delete(consent::table.filter(consent::principal_id.eq(id))).execute(&mut **tx)?;
    identity::clear_roles(tx, id)?;
    diesel::delete(principal::table.find(id)).execute(&mut **tx)?;
    identity::delete(tx, id, now)?;
    tx.raise()?;
    Ok(true)
}

/// Replaces the hash of an unchanged password, as after a change of the hashing parameters.
pub fn rehash(tx: &mut Tx<'_>, id: &str, old: &str, new: &str) -> Result<bool, Error> {
    let rows = diesel::update(principal::table.filter(principal::id.eq(id)).filter(principal::password_hash.eq(old)))
        .set(principal::password_hash.eq(new))
        .execute(&mut **tx)?;
    tx.changes_known();
    Ok(won(rows))
}

/// The principal with this id, locked until this transaction ends: whoever changes, suspends or deletes it meanwhile
/// waits. The embedded database has one writer.
pub fn lock(tx: &mut Tx<'_>, id: &str) -> Result<Option<Principal>, Error> {
    let principal = principal::table.find(id);
    let row: Option<Row> = match &mut **tx {
        Conn::Sqlite(conn) => principal.select(Row::as_select()).get_result(conn).optional()?,
        Conn::Postgres(conn) => principal.select(Row::as_select()).for_update().get_result(conn).optional()?,
    };
    row.map(Principal::try_from).transpose()
}

/// Replaces what is the person's own (name, phone, picture, settings), if the principal is still in the version `etag`
/// (compare-and-set); false if it is not.
pub fn set_own(tx: &mut Tx<'_>, principal: &Principal, etag: &str) -> Result<bool, Error> {
    let row = principal::table.filter(principal::id.eq(&principal.id)).filter(principal::etag.eq(etag));
    let rows = diesel::update(row)
        .set((
            principal::name.eq(&principal.name),
            principal::name_key.eq(principal.name.as_deref().map(str::to_lowercase)),
            principal::phone.eq(&principal.phone),
            principal::phone_verified.eq(principal.phone_verified),
            principal::picture.eq(&principal.picture),
            principal::settings.eq(to_json(&principal.settings)?),
            principal::updated_at.eq(principal.updated_at.millis()),
            principal::etag.eq(&principal.etag),
        ))
        .execute(&mut **tx)?;
    tx.changes_known();
    Ok(won(rows))
}

/// Sets an email that was proven to be the person's; `Conflict("email")` if another principal has it.
pub fn set_verified_email(tx: &mut Tx<'_>, id: &str, email: &Email, now: Timestamp) -> Result<(), Error> {
    diesel::update(principal::table.find(id))
        .set((
            principal::email.eq(email.as_str()),
            principal::email_key.eq(email.key()),
            principal::email_verified.eq(true),
            principal::updated_at.eq(now.millis()),
            principal::etag.eq(crate::model::secret::random_text::<12>()),
        ))
        .execute(&mut **tx)
        .map_err(Error::conflict("email"))?;
    tx.changes_known();
    Ok(())
}

/// Gives the principal a new version, where something changed that is shown with it and lies elsewhere.
pub fn renew_etag(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<(), Error> {
    diesel::update(principal::table.find(id))
        .set((principal::updated_at.eq(now.millis()), principal::etag.eq(crate::model::secret::random_text::<12>())))
        .execute(&mut **tx)?;
    tx.changes_known();
    Ok(())
}

/// Notes that the principal did something; no time that was noted before is taken back.
pub fn touch(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<(), Error> {
    Sql::kept(
        "UPDATE principal SET last_active_at = ? WHERE id = ? AND (last_active_at IS NULL OR last_active_at < ?)",
    )
    .number(now.millis())
    .text(id)
    .number(now.millis())
    .execute(tx)?;
    Ok(())
}

/// Notes that the principal signs in with the password of this stored hash, and locks the row until the transaction ends;
/// false if they may not (any more), or the password is another one by now.
pub fn begin(tx: &mut Tx<'_>, id: &str, password: Option<&str>, now: Timestamp) -> Result<bool, Error> {
    let sql = match password {
        Some(hash) => Sql::kept(
            "UPDATE principal SET last_active_at = ? WHERE id = ? AND suspended_at IS NULL AND password_hash = ?",
        )
        .number(now.millis())
        .text(id)
        .text(hash),
        None => Sql::kept(
            "UPDATE principal SET last_active_at = ? WHERE id = ? AND suspended_at IS NULL AND password_hash IS NULL",
        )
        .number(now.millis())
        .text(id),
    };
    Ok(won(sql.execute(tx)?))
}

/// As [`begin`], for somebody who proved elsewhere who they are: no password was looked at.
pub fn begin_elsewhere(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<bool, Error> {
    let rows = Sql::kept("UPDATE principal SET last_active_at = ? WHERE id = ? AND suspended_at IS NULL")
        .number(now.millis())
        .text(id)
        .execute(tx)?;
    Ok(won(rows))
}

/// Ends all by which a principal acts, for good: sessions and what was granted, personal access tokens, a change of email
/// that waits.
pub fn disarm(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<(), Error> {
    super::session::end_all_of(tx, id, None, now)?;
    super::personal_access_token::delete_all_of(tx, id)?;
    super::email_change::forget(tx, id)
}

/// Suspends or unsuspends; what the principal acts by is the caller's second step in the same transaction ([`disarm`]).
pub fn set_suspended(tx: &mut Tx<'_>, id: &str, since: Option<Timestamp>) -> Result<(), Error> {
    tx.raise()?;
    diesel::update(principal::table.find(id))
        .set((
            principal::suspended_at.eq(since.map(Timestamp::millis)),
            principal::etag.eq(crate::model::secret::random_text::<12>()),
        ))
        .execute(&mut **tx)?;
    Ok(())
}
