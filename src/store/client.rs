//! Clients: the applications and services that ask for tokens.

use std::collections::HashMap;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Conn, Error, Tx,
    connection::per_backend,
    from_json, identity,
    schema::{client, client_resource},
    to_json, won,
};
use crate::model::{
    client_auth::AuthMethod,
    grant_type::GrantType,
    permission::{Acl, Attributes},
    scope::Scope,
    time::Timestamp,
};

/// The form of a client's access tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessTokenFormat {
    /// A signed JWT (RFC 9068).
    #[default]
    Jwt,
    /// The same claims, sealed: only introspection tells what they are.
    Opaque,
}

/// Client metadata beyond what the columns hold (OpenID Connect Dynamic Registration §2, and settings of our own).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metadata {
    /// Page about the application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// Its logo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// Its privacy policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// Its terms of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// Its public keys, a JWK Set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<serde_json::Value>,
    /// Where its public keys are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// The algorithm of its ID tokens; RS256 unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_signed_response_alg: Option<String>,
    /// Where set, userinfo answers are signed with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<String>,
    /// The algorithm of its access tokens; ES256 unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token_signed_response_alg: Option<String>,
    /// The form of its access tokens.
    pub access_token_format: AccessTokenFormat,
    /// Lifetime of its access tokens in seconds, where it differs from the configured one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token_lifetime: Option<u64>,
    /// A confidential client that cannot do PKCE.
    pub pkce_optional: bool,
    /// Its assertions may name the token endpoint as audience instead of the issuer.
    pub assertion_audience_token_endpoint: bool,
    /// Whether ID tokens always hold auth_time.
    pub require_auth_time: bool,
    /// The max_age of requests that name none, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u64>,
    /// Custom keys.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub properties: serde_json::Map<String, serde_json::Value>,
    /// The client's own tokens hold only from here on: those before it was suspended do not come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_since: Option<Timestamp>,
}

/// A client.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// A UUID or slug; the `client_id`.
    pub id: String,
    /// What people are told it is called.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Where authorization responses may go.
    pub redirect_uris: Vec<String>,
    /// Where people may be sent after signing out.
    pub post_logout_redirect_uris: Vec<String>,
    /// The grants it may use.
    pub grant_types: Vec<GrantType>,
    /// The scopes it may ask for.
    pub scopes: Scope,
    /// How it proves who it is.
    pub auth_method: AuthMethod,
    /// Belongs to the house: nobody is asked for consent.
    pub first_party: bool,
    /// The rest.
    pub metadata: Metadata,
    /// What it may do besides what the roles give.
    pub acl: Acl,
    /// Attributes that conditional permissions compare.
    pub access_attributes: Attributes,
    /// Since when it may do nothing.
    pub suspended_at: Option<Timestamp>,
    /// Built in, and protected.
    pub system_client: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Its version.
    pub etag: String,
}

impl Client {
    /// A client with nothing registered yet.
    pub fn new(id: String, name: String, auth_method: AuthMethod, now: Timestamp) -> Client {
        Client {
            id,
            name,
            description: None,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            grant_types: Vec::new(),
            scopes: Scope::empty(),
            auth_method,
            first_party: false,
            metadata: Metadata::default(),
            acl: Acl::default(),
            access_attributes: Attributes::new(),
            suspended_at: None,
            system_client: false,
            created_at: now,
            updated_at: now,
            etag: crate::model::secret::random_text::<12>(),
        }
    }

    /// Whether it cannot keep a secret (RFC 6749 §2.1).
    pub fn is_public(&self) -> bool {
        self.auth_method == AuthMethod::None
    }

    /// Whether it may use this grant.
    pub fn may(&self, grant: GrantType) -> bool {
        self.grant_types.contains(&grant)
    }

    /// Whether its authorization requests must carry a code challenge (RFC 9700 §2.1.1).
    pub fn requires_pkce(&self) -> bool {
        self.is_public() || !self.metadata.pkce_optional
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = client, treat_none_as_default_value = false)]
struct Row {
    id: String,
    name: String,
    description: Option<String>,
    redirect_uris: String,
    post_logout_redirect_uris: String,
    grant_types: String,
    scopes: String,
    token_endpoint_auth_method: String,
    first_party: bool,
    metadata: String,
    acl: String,
    access_attributes: String,
    suspended_at: Option<i64>,
    system_client: bool,
    created_at: i64,
    updated_at: i64,
    etag: String,
    name_key: Option<String>,
}

impl TryFrom<Row> for Client {
    type Error = Error;

    fn try_from(row: Row) -> Result<Client, Error> {
        Ok(Client {
            redirect_uris: from_json("client.redirect_uris", &row.redirect_uris)?,
            post_logout_redirect_uris: from_json("client.post_logout_redirect_uris", &row.post_logout_redirect_uris)?,
            grant_types: from_json("client.grant_types", &row.grant_types)?,
            scopes: Scope::written(&row.scopes),
            auth_method: row.token_endpoint_auth_method.parse().map_err(Error::Internal)?,
            metadata: from_json("client.metadata", &row.metadata)?,
            acl: from_json("client.acl", &row.acl)?,
            access_attributes: from_json("client.access_attributes", &row.access_attributes)?,
            id: row.id,
            name: row.name,
            description: row.description,
            first_party: row.first_party,
            suspended_at: row.suspended_at.map(Timestamp::from_millis),
            system_client: row.system_client,
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
            etag: row.etag,
        })
    }
}

fn row(client: &Client) -> Result<Row, Error> {
    Ok(Row {
        id: client.id.clone(),
        name: client.name.clone(),
        description: client.description.clone(),
        redirect_uris: to_json(&client.redirect_uris)?,
        post_logout_redirect_uris: to_json(&client.post_logout_redirect_uris)?,
        grant_types: to_json(&client.grant_types)?,
        scopes: client.scopes.to_string(),
        token_endpoint_auth_method: client.auth_method.as_str().to_owned(),
        first_party: client.first_party,
        metadata: to_json(&client.metadata)?,
        acl: to_json(&client.acl)?,
        access_attributes: to_json(&client.access_attributes)?,
        suspended_at: client.suspended_at.map(Timestamp::millis),
        system_client: client.system_client,
        created_at: client.created_at.millis(),
        updated_at: client.updated_at.millis(),
        etag: client.etag.clone(),
        name_key: Some(client.name.to_lowercase()),
    })
}

/// The clients with these numbers of registration, in no order; those that are gone are left out.
pub(super) fn by_seq(conn: &mut Conn, seqs: &[i64]) -> Result<Vec<(i64, Client)>, Error> {
    let rows: Vec<(Option<i64>, Row)> =
        client::table.filter(client::seq.eq_any(seqs)).select((client::seq, Row::as_select())).load(conn)?;
    rows.into_iter().map(|(seq, row)| Ok((seq.unwrap_or_default(), row.try_into()?))).collect()
}

/// Adds many new clients with few statements; their ids must be fresh.
pub(super) fn insert_many(tx: &mut Tx<'_>, clients: &[Client]) -> Result<(), Error> {
    let rows = clients.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    per_backend!(&mut **tx, conn => diesel::insert_into(client::table).values(&rows).execute(conn))?;
    tx.raise()
}

/// The client with this id.
pub fn find(conn: &mut Conn, id: &str) -> Result<Option<Client>, Error> {
    let row =
        per_backend!(conn, conn => client::table.find(id).select(Row::as_select()).get_result(conn)).optional()?;
    row.map(Client::try_from).transpose()
}

/// The clients with these ids, in no order; those that are not there are left out.
pub fn by_ids(conn: &mut Conn, ids: &[&str]) -> Result<Vec<Client>, Error> {
    let rows: Vec<Row> = client::table.filter(client::id.eq_any(ids)).select(Row::as_select()).load(conn)?;
    rows.into_iter().map(Client::try_from).collect()
}

/// Adds a client: `Conflict("id")` if the id is or was taken.
pub fn insert(tx: &mut Tx<'_>, client: &Client) -> Result<(), Error> {
    identity::claim(tx, &client.id, identity::IdentityKind::Client)?;
    diesel::insert_into(client::table).values(row(client)?).execute(&mut **tx).map_err(Error::conflict("id"))?;
    tx.raise()
}

/// Replaces what is registered of a client, if it is still in the version `etag` (compare-and-set); false if it is not.
pub fn update(tx: &mut Tx<'_>, client: &Client, etag: &str) -> Result<bool, Error> {
    let row = row(client)?;
    let rows = diesel::update(client::table.find(&client.id).filter(client::etag.eq(etag)))
        .set((
            client::name.eq(&row.name),
            client::name_key.eq(&row.name_key),
            client::description.eq(&row.description),
            client::redirect_uris.eq(&row.redirect_uris),
            client::post_logout_redirect_uris.eq(&row.post_logout_redirect_uris),
            client::grant_types.eq(&row.grant_types),
            client::scopes.eq(&row.scopes),
            client::token_endpoint_auth_method.eq(&row.token_endpoint_auth_method),
            client::first_party.eq(row.first_party),
            client::metadata.eq(&row.metadata),
            client::acl.eq(&row.acl),
            client::access_attributes.eq(&row.access_attributes),
            client::suspended_at.eq(row.suspended_at),
            client::updated_at.eq(row.updated_at),
            client::etag.eq(&row.etag),
        ))
        .execute(&mut **tx)?;
    super::generation::raise_access(tx, &client.id)?;
    tx.raise()?;
    Ok(won(rows))
}

/// Deletes a client with all that hangs on it: secrets, resources, roles, consents, grants, codes and refresh tokens.
/// False if there is none; its id stays taken.
pub fn delete(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<bool, Error> {
    super::client_secret::delete_all(tx, id)?;
    set_resources(tx, id, &[])?;
    identity::clear_roles(tx, id)?;
    super::consent::delete_of_client(tx, id)?;
    super::authorization_code::spend_of_client(tx, id, now)?;
    super::grant::delete_of_client(tx, id)?;
    let rows = diesel::delete(client::table.find(id)).execute(&mut **tx)?;
    identity::delete(tx, id, now)?;
    Ok(won(rows))
}

/// The client that serves this resource (RFC 8707).
pub fn resource_owner(conn: &mut Conn, uri: &str) -> Result<Option<String>, Error> {
    Ok(client_resource::table.find(uri).select(client_resource::client_id).get_result(conn).optional()?)
}

/// The resources that a client serves.
pub fn resources(conn: &mut Conn, client_id: &str) -> Result<Vec<String>, Error> {
    Ok(per_backend!(conn, conn => client_resource::table
        .filter(client_resource::client_id.eq(client_id))
        .order(client_resource::uri)
        .select(client_resource::uri)
        .load(conn))?)
}

/// The resources that each of some clients serves; clients that serve none are left out.
pub fn resources_of(conn: &mut Conn, ids: &[&str]) -> Result<HashMap<String, Vec<String>>, Error> {
    let rows: Vec<(String, String)> = client_resource::table
        .filter(client_resource::client_id.eq_any(ids))
        .order(client_resource::uri)
        .select((client_resource::client_id, client_resource::uri))
        .load(conn)?;
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    for (client, uri) in rows {
        found.entry(client).or_default().push(uri);
    }
    Ok(found)
}

/// Replaces the resources that a client serves; `Conflict("resource_uri")` if one is another client's.
pub fn set_resources(tx: &mut Tx<'_>, client_id: &str, uris: &[String]) -> Result<(), Error> {
    diesel::delete(client_resource::table.filter(client_resource::client_id.eq(client_id))).execute(&mut **tx)?;
    for uri in uris {
        diesel::insert_into(client_resource::table)
            .values((client_resource::uri.eq(uri), client_resource::client_id.eq(client_id)))
            .execute(&mut **tx)
            .map_err(Error::conflict("resource_uri"))?;
    }
    tx.raise()
}
