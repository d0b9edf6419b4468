//! A client as it is answered.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Registered;
use crate::{
    model::{
        client_auth::AuthMethod,
        grant_type::GrantType,
        key::SigningAlgorithm,
        permission::{Acl, Attributes},
    },
    store::client::AccessTokenFormat,
};

/// A client, as it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientDocument {
    /// The `client_id`: a UUID or a slug
    #[schema(example = "store-front", pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
    pub id: String,
    /// Always `client`
    #[serde(rename = "type")]
    #[schema(value_type = String, pattern = "^client$", example = "client")]
    pub kind: &'static str,
    /// What people are told it is called
    #[schema(example = "Store front")]
    pub name: String,
    /// What it is for
    pub description: Option<String>,
    /// Where authorization responses may go
    #[schema(example = json!(["https://shop.example/callback"]))]
    pub redirect_uris: Vec<String>,
    /// Where people may be sent after signing out
    pub post_logout_redirect_uris: Vec<String>,
    /// The resources that it serves (RFC 8707), in order
    pub resource_uris: Vec<String>,
    /// The grants that it may use
    pub grant_types: Vec<GrantType>,
    /// The scopes that it may ask for: OpenID Connect's, or permissions
    #[schema(example = json!(["openid", "profile", "iam/principals:read"]))]
    pub scopes: Vec<String>,
    /// The keys of its roles, in order
    #[schema(example = json!(["support:agent"]))]
    pub roles: Vec<String>,
    /// What it may do besides what its roles allow
    pub acl: Acl,
    /// Attributes that conditional permissions compare
    #[schema(value_type = std::collections::BTreeMap<String, Vec<String>>, example = json!({"region": ["eu"]}))]
    pub access_attributes: Attributes,
    /// How it proves who it is
    pub token_endpoint_auth_method: AuthMethod,
    /// Page about it
    pub client_uri: Option<String>,
    /// Its logo
    pub logo_uri: Option<String>,
    /// Its privacy policy
    pub policy_uri: Option<String>,
    /// Its terms of service
    pub tos_uri: Option<String>,
    /// Its public keys, a JWK Set
    #[schema(value_type = Option<Object>)]
    pub jwks: Option<Value>,
    /// Where its public keys are
    pub jwks_uri: Option<String>,
    /// The algorithm of its ID tokens; null: RS256
    #[schema(value_type = Option<SigningAlgorithm>)]
    pub id_token_signed_response_alg: Option<String>,
    /// The algorithm with which userinfo is signed; null: not signed
    #[schema(value_type = Option<SigningAlgorithm>)]
    pub userinfo_signed_response_alg: Option<String>,
    /// The algorithm of its access tokens; null: ES256, where the server has a key for it
    #[schema(value_type = Option<SigningAlgorithm>)]
    pub access_token_signed_response_alg: Option<String>,
    /// The form of its access tokens
    pub access_token_format: AccessTokenFormat,
    /// Seconds for which its access tokens hold; null: as configured
    #[schema(minimum = 1, maximum = 86_400)]
    pub access_token_lifetime: Option<u64>,
    /// Whether it may do without PKCE
    pub pkce_optional: bool,
    /// Whether its assertions may name the token endpoint as audience
    pub assertion_audience_token_endpoint: bool,
    /// Whether its ID tokens always hold auth_time
    pub require_auth_time: bool,
    /// The max_age of its requests that name none, in seconds
    #[schema(minimum = 0, maximum = 315_360_000)]
    pub default_max_age: Option<u64>,
    /// Belongs to the house: nobody is asked for consent
    pub first_party: bool,
    /// The same once more, and custom keys
    pub properties: ClientProperties,
    /// Since when it may do nothing (RFC 3339)
    #[schema(format = "date-time")]
    pub suspended_at: Option<String>,
    /// Built in, and protected
    pub system_client: bool,
    /// When it was made (RFC 3339)
    #[schema(format = "date-time")]
    pub created_at: String,
    /// Its version
    pub e_tag: String,
}

/// Members that stand flat, too, beside custom keys
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientProperties {
    /// As outside
    pub name: String,
    /// As outside
    pub description: Option<String>,
    /// As outside
    pub redirect_uris: Vec<String>,
    /// As outside
    pub post_logout_redirect_uris: Vec<String>,
    /// As outside
    pub grant_types: Vec<GrantType>,
    /// As outside
    pub scopes: Vec<String>,
    /// As outside
    pub token_endpoint_auth_method: AuthMethod,
    /// Whatever else was given
    #[serde(flatten)]
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    pub custom: Map<String, Value>,
}

/// A client as it is answered.
pub fn document(found: &Registered) -> ClientDocument {
    let Registered { client, resources, roles } = found;
    let metadata = &client.metadata;
    let scopes: Vec<String> = client.scopes.iter().map(str::to_owned).collect();
    ClientDocument {
        id: client.id.clone(),
        kind: "client",
        name: client.name.clone(),
        description: client.description.clone(),
        redirect_uris: client.redirect_uris.clone(),
        post_logout_redirect_uris: client.post_logout_redirect_uris.clone(),
        resource_uris: resources.clone(),
        grant_types: client.grant_types.clone(),
        scopes: scopes.clone(),
        roles: roles.clone(),
        acl: client.acl.clone(),
        access_attributes: client.access_attributes.clone(),
        token_endpoint_auth_method: client.auth_method,
        client_uri: metadata.client_uri.clone(),
        logo_uri: metadata.logo_uri.clone(),
        policy_uri: metadata.policy_uri.clone(),
        tos_uri: metadata.tos_uri.clone(),
        jwks: metadata.jwks.clone(),
        jwks_uri: metadata.jwks_uri.clone(),
        id_token_signed_response_alg: metadata.id_token_signed_response_alg.clone(),
        userinfo_signed_response_alg: metadata.userinfo_signed_response_alg.clone(),
        access_token_signed_response_alg: metadata.access_token_signed_response_alg.clone(),
        access_token_format: metadata.access_token_format,
        access_token_lifetime: metadata.access_token_lifetime,
        pkce_optional: metadata.pkce_optional,
        assertion_audience_token_endpoint: metadata.assertion_audience_token_endpoint,
        require_auth_time: metadata.require_auth_time,
        default_max_age: metadata.default_max_age,
        first_party: client.first_party,
        properties: ClientProperties {
            name: client.name.clone(),
            description: client.description.clone(),
            redirect_uris: client.redirect_uris.clone(),
            post_logout_redirect_uris: client.post_logout_redirect_uris.clone(),
            grant_types: client.grant_types.clone(),
            scopes,
            token_endpoint_auth_method: client.auth_method,
            custom: metadata.properties.clone(),
        },
        suspended_at: client.suspended_at.map(|at| at.rfc3339()),
        system_client: client.system_client,
        created_at: client.created_at.rfc3339(),
        e_tag: client.etag.clone(),
    }
}
