//! The authentication modules of One Identity Manager's application server that there are here.

use std::{fmt, str::FromStr};

/// A module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthModule {
    /// A person's account in a directory, by name and password; permissions from roles.
    RoleBasedManualAds,
    /// A person's account in a directory.
    AdsAccount,
    /// A person's account in a directory; permissions from roles.
    RoleBasedAdsAccount,
    /// A principal that is marked as a system user, by email and password.
    DialogUser,
    /// A principal by email and password; permissions from roles.
    RoleBasedPerson,
    /// A principal by email and password.
    DynamicPerson,
    /// An authorization code or an access token of this server; permissions from roles.
    OAuthRoleBased,
    /// An authorization code or an access token of this server.
    OAuth,
    /// Whom a trusted proxy names in a header.
    HttpHeader,
    /// Whom a trusted proxy names in a header; permissions from roles.
    RoleBasedHttpHeader,
    /// A client that acts for itself.
    ComponentAuthenticator,
}

/// How a module finds out who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// This server's password of a person; `system_user`: only of those who are marked as such.
    Password {
        /// Only of principals that are marked so.
        system_user: bool,
    },
    /// The directory's password.
    Directory,
    /// A code or token of this server.
    OAuth,
    /// What a trusted proxy says.
    Header,
    /// A client's secret.
    Client,
}

/// A property of an authentication string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// What client programs do with what is typed; `Password` hides it.
    pub kind: Option<&'static str>,
    /// The key of its caption.
    pub caption: &'static str,
    /// Whether it proves anything: then no configuration holds it, or anybody could sign in.
    pub secret: bool,
}

const fn property(name: &'static str, kind: Option<&'static str>, caption: &'static str, secret: bool) -> Property {
    Property { name, kind, caption, secret }
}

const USER: Property = property("User", None, "VI.DB_USER", false);
const PASSWORD: Property = property("Password", Some("Password"), "VI.DB_Password", true);
const CLIENT_ID: Property = property("ClientId", None, "VI.DB_ClientId", false);

const BY_PASSWORD: [Property; 2] = [USER, PASSWORD];
const BY_CLIENT: [Property; 2] = [CLIENT_ID, property("ClientSecret", Some("Password"), "VI.DB_ClientSecret", true)];
const BY_OAUTH: [Property; 6] = [
    CLIENT_ID,
    // it is the application's and nobody types it: the module is not one with a password
    property("ClientSecret", Some("Secret"), "VI.DB_ClientSecret", true),
    property("RedirectUri", None, "VI.DB_RedirectUri", false),
    property("CodeVerifier", Some("Secret"), "VI.DB_CodeVerifier", true),
    property("Code", Some("Secret"), "VI.DB_Code", true),
    property("AccessToken", Some("Secret"), "VI.DB_AccessToken", true),
];

impl AuthModule {
    /// All of them.
    pub const ALL: [AuthModule; 11] = [
        AuthModule::RoleBasedManualAds,
        AuthModule::AdsAccount,
        AuthModule::RoleBasedAdsAccount,
        AuthModule::DialogUser,
        AuthModule::RoleBasedPerson,
        AuthModule::DynamicPerson,
        AuthModule::OAuthRoleBased,
        AuthModule::OAuth,
        AuthModule::HttpHeader,
        AuthModule::RoleBasedHttpHeader,
        AuthModule::ComponentAuthenticator,
    ];

    /// Those that are activated unless the configuration says otherwise: system users, clients, and what is role based.
    pub const USUAL: [AuthModule; 7] = [
        AuthModule::RoleBasedManualAds,
        AuthModule::RoleBasedAdsAccount,
        AuthModule::DialogUser,
        AuthModule::RoleBasedPerson,
        AuthModule::OAuthRoleBased,
        AuthModule::RoleBasedHttpHeader,
        AuthModule::ComponentAuthenticator,
    ];

    /// Its id.
    pub const fn as_str(self) -> &'static str {
        match self {
            AuthModule::RoleBasedManualAds => "RoleBasedManualADS",
            AuthModule::AdsAccount => "ADSAccount",
            AuthModule::RoleBasedAdsAccount => "RoleBasedADSAccount",
            AuthModule::DialogUser => "DialogUser",
            AuthModule::RoleBasedPerson => "RoleBasedPerson",
            AuthModule::DynamicPerson => "DynamicPerson",
            AuthModule::OAuthRoleBased => "OAuthRoleBased",
            AuthModule::OAuth => "OAuth",
            AuthModule::HttpHeader => "HTTPHeader",
            AuthModule::RoleBasedHttpHeader => "RoleBasedHTTPHeader",
            AuthModule::ComponentAuthenticator => "ComponentAuthenticator",
        }
    }

    /// What people are told it is called.
    pub const fn caption(self) -> &'static str {
        match self {
            AuthModule::RoleBasedManualAds => "Active Directory user account (manual input/role based)",
            AuthModule::AdsAccount => "Active Directory user account",
            AuthModule::RoleBasedAdsAccount => "Active Directory user account (role based)",
            AuthModule::DialogUser => "System user",
            AuthModule::RoleBasedPerson => "Employee (role based)",
            AuthModule::DynamicPerson => "Employee (dynamic)",
            AuthModule::OAuthRoleBased => "OAuth 2.0 (role based)",
            AuthModule::OAuth => "OAuth 2.0",
            AuthModule::HttpHeader => "HTTP header",
            AuthModule::RoleBasedHttpHeader => "HTTP header (role based)",
            AuthModule::ComponentAuthenticator => "Component Authenticator",
        }
    }

    /// How it finds out who somebody is.
    pub const fn proof(self) -> Proof {
        match self {
            AuthModule::RoleBasedManualAds | AuthModule::AdsAccount | AuthModule::RoleBasedAdsAccount => {
                Proof::Directory
            }
            AuthModule::DialogUser => Proof::Password { system_user: true },
            AuthModule::RoleBasedPerson | AuthModule::DynamicPerson => Proof::Password { system_user: false },
            AuthModule::OAuthRoleBased | AuthModule::OAuth => Proof::OAuth,
            AuthModule::HttpHeader | AuthModule::RoleBasedHttpHeader => Proof::Header,
            AuthModule::ComponentAuthenticator => Proof::Client,
        }
    }

    /// What it asks for.
    pub const fn properties(self) -> &'static [Property] {
        match self.proof() {
            Proof::Password { .. } | Proof::Directory => &BY_PASSWORD,
            Proof::OAuth => &BY_OAUTH,
            Proof::Header => &[],
            Proof::Client => &BY_CLIENT,
        }
    }

    /// Whether people type a password for it.
    pub fn is_password_based(self) -> bool {
        self.properties().iter().any(|property| property.kind == Some("Password"))
    }
}

/// By its id, without regard to case.
impl FromStr for AuthModule {
    type Err = ();

    fn from_str(text: &str) -> Result<AuthModule, ()> {
        AuthModule::ALL.into_iter().find(|module| module.as_str().eq_ignore_ascii_case(text)).ok_or(())
    }
}

impl fmt::Display for AuthModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
