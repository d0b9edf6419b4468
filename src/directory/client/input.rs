//! What can be said about a client.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    directory::document,
    model::{
        client_auth::AuthMethod,
        grant_type::GrantType,
        key::SigningAlgorithm,
        permission::{Acl, AclInput, Attributes},
    },
    store::client::AccessTokenFormat,
};

/// The members that describe the registration: they can be given flat or inside `properties`.
pub(super) const REGISTRATION: [&str; 24] = [
    "name",
    "description",
    "redirectUris",
    "postLogoutRedirectUris",
    "resourceUris",
    "grantTypes",
    "scopes",
    "tokenEndpointAuthMethod",
    "clientUri",
    "logoUri",
    "policyUri",
    "tosUri",
    "jwks",
    "jwksUri",
    "idTokenSignedResponseAlg",
    "userinfoSignedResponseAlg",
    "accessTokenSignedResponseAlg",
    "accessTokenFormat",
    "accessTokenLifetime",
    "pkceOptional",
    "assertionAudienceTokenEndpoint",
    "requireAuthTime",
    "defaultMaxAge",
    "firstParty",
];

/// What can be said about a client: what is given replaces, what is absent stays; null means the default.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClientInput {
    /// What people are told it is called [default: its id]
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, example = "Store front")]
    pub name: Option<Option<String>>,
    /// What it is for
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<String>, max_length = 1000)]
    pub description: Option<Option<String>>,
    /// Where authorization responses may go: https, http on loopback, or an application's own scheme
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<Vec<String>>, max_items = 100, example = json!(["https://shop.example/callback"]))]
    pub redirect_uris: Option<Option<Vec<String>>>,
    /// Where people may be sent after signing out
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<Vec<String>>, max_items = 100, example = json!(["https://shop.example/"]))]
    pub post_logout_redirect_uris: Option<Option<Vec<String>>>,
    /// The resources that it serves (RFC 8707); each has one client only
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<Vec<String>>, max_items = 100, example = json!(["https://api.example/"]))]
    pub resource_uris: Option<Option<Vec<String>>>,
    /// The grants that it may use [default: authorization_code and refresh_token with a redirect URI or where it is
    /// public, else client_credentials]
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<Vec<GrantType>>, max_items = 20)]
    pub grant_types: Option<Option<Vec<String>>>,
    /// The scopes that it may ask for: OpenID Connect's, or permissions [default: openid profile email, plus
    /// offline_access with refresh tokens, where people sign in; else none]
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<Vec<String>>, max_items = 100, example = json!(["openid", "iam/principals:read"]))]
    pub scopes: Option<Option<Vec<String>>>,
    /// The keys of its roles
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<Vec<String>>, max_items = 100, example = json!([]))]
    pub roles: Option<Option<Vec<String>>>,
    /// What it may do besides what its roles allow
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<AclInput>)]
    pub acl: Option<Option<Acl>>,
    /// Attributes that conditional permissions compare
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, Vec<String>>>, example = json!({"region": ["eu"]}))]
    pub access_attributes: Option<Option<Attributes>>,
    /// How it proves who it is [default: client_secret_basic]; its secrets go with a method that has none
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<AuthMethod>)]
    pub token_endpoint_auth_method: Option<Option<String>>,
    /// Page about it: https, or http on loopback
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<String>, max_length = 2000, example = "https://shop.example/")]
    pub client_uri: Option<Option<String>>,
    /// Its logo: https, or http on loopback
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<String>, max_length = 2000, example = "https://shop.example/logo.png")]
    pub logo_uri: Option<Option<String>>,
    /// Its privacy policy: https, or http on loopback
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<String>, max_length = 2000, example = "https://shop.example/privacy")]
    pub policy_uri: Option<Option<String>>,
    /// Its terms of service: https, or http on loopback
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<String>, max_length = 2000, example = "https://shop.example/terms")]
    pub tos_uri: Option<Option<String>>,
    /// Its public keys, a JWK Set (RFC 7517 §5), for private_key_jwt
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<Object>)]
    pub jwks: Option<Option<Value>>,
    /// Where its public keys are, instead of jwks: https
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<String>, max_length = 2000, example = json!(null))]
    pub jwks_uri: Option<Option<String>>,
    /// The algorithm of its ID tokens, one that the server has keys for [default: RS256]
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<SigningAlgorithm>)]
    pub id_token_signed_response_alg: Option<Option<String>>,
    /// The algorithm with which userinfo is signed [default: not signed]
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<SigningAlgorithm>)]
    pub userinfo_signed_response_alg: Option<Option<String>>,
    /// The algorithm of its access tokens [default: ES256, where the server has a key for it]
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<SigningAlgorithm>)]
    pub access_token_signed_response_alg: Option<Option<String>>,
    /// The form of its access tokens [default: jwt]
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<AccessTokenFormat>)]
    pub access_token_format: Option<Option<String>>,
    /// Seconds for which its access tokens hold [default: as configured]
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 86_400)]
    pub access_token_lifetime: Option<Option<u64>>,
    /// Whether it may do without PKCE; not for public clients [default: false]
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<bool>)]
    pub pkce_optional: Option<Option<bool>>,
    /// Whether its assertions may name the token endpoint as audience [default: false]
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<bool>)]
    pub assertion_audience_token_endpoint: Option<Option<bool>>,
    /// Whether its ID tokens always hold auth_time [default: false]
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<bool>)]
    pub require_auth_time: Option<Option<bool>>,
    /// The max_age of its requests that name none, in seconds
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 315_360_000)]
    pub default_max_age: Option<Option<u64>>,
    /// Belongs to the house: nobody is asked for consent [default: false]
    #[serde(default, deserialize_with = "document::given")]
    #[schema(value_type = Option<bool>)]
    pub first_party: Option<Option<bool>>,
    /// Custom keys, each by itself: what is given replaces, null removes; members of the registration can be given here
    /// instead of flat
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"costCentre": "4711"}))]
    pub properties: Option<Map<String, Value>>,
    /// The version that is to be replaced, as in If-Match
    #[serde(default, rename = "etag")]
    #[allow(dead_code)] // taken out before, here for the description
    etag: Option<String>,
}
