//! Who asks, and from where.

use std::net::IpAddr;

use super::Refusal;
use crate::{
    model::{
        permission::{Acl, Attributes, Permissions},
        problem::Code,
    },
    store::audit::Origin,
};

/// What kind of actor it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A human.
    Principal,
    /// A client that acts for itself.
    Client,
    /// Somebody at the machine's command line, who could write to the database anyway.
    CommandLine,
    /// The server itself.
    System,
}

impl Kind {
    /// The word in the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Principal => "principal",
            Kind::Client => "client",
            Kind::CommandLine => "commandLine",
            Kind::System => "system",
        }
    }
}

/// Who asks: an identity by an access token, or the command line.
#[derive(Clone, Debug)]
pub struct Actor {
    /// What it is.
    pub kind: Kind,
    /// Its identity; none for the command line.
    pub id: Option<String>,
    /// The client whose token it is.
    pub client_id: Option<String>,
    /// Whether it has the role that may do everything, and a token that was not narrowed.
    pub owner: bool,
    /// What it may do now, with this token.
    pub permissions: Permissions,
    /// From where.
    pub ip_address: Option<IpAddr>,
    /// The request in which it asks; empty outside of requests.
    pub request_id: String,
}

impl Actor {
    /// The command line: it may do everything.
    pub fn command_line() -> Actor {
        let everything = Acl::of(&["*:*"]).unwrap_or_default();
        Actor {
            kind: Kind::CommandLine,
            id: None,
            client_id: None,
            owner: true,
            permissions: Permissions::compile([&everything], &Attributes::new()),
            ip_address: None,
            request_id: String::new(),
        }
    }

    /// A person who acts for themselves without a token, as on a page or with a secret that was sent to them.
    pub fn person(id: &str, ip_address: Option<IpAddr>, request_id: String) -> Actor {
        Actor {
            kind: Kind::Principal,
            id: Some(id.to_owned()),
            client_id: None,
            owner: false,
            permissions: Permissions::default(),
            ip_address,
            request_id,
        }
    }

    /// A client that has proven who it is and acts without a token, as at the token endpoint.
    pub fn client(id: &str, ip_address: Option<IpAddr>, request_id: String) -> Actor {
        Actor { kind: Kind::Client, client_id: Some(id.to_owned()), ..Actor::person(id, ip_address, request_id) }
    }

    /// From where it acts, for the audit log.
    pub fn origin(&self) -> Origin {
        Origin {
            ip_address: self.ip_address.map(|address| address.to_string()),
            client_id: self.client_id.clone(),
            request_id: self.request_id.clone(),
        }
    }

    /// Whether this is the identity itself.
    pub fn is(&self, identity: &str) -> bool {
        self.id.as_deref() == Some(identity)
    }

    /// Whether `action` on `resource` is allowed for an object with these attributes.
    pub fn may(&self, resource: &str, action: &str, object: &Attributes) -> bool {
        self.permissions.allows_on(resource, action, object)
    }

    /// The same, as a refusal that names the permission.
    ///
    /// # Errors
    /// [`Code::PermissionMissing`].
    pub fn must(&self, resource: &str, action: &str, object: &Attributes) -> Result<(), Refusal> {
        if self.may(resource, action, object) {
            return Ok(());
        }
        Err(missing(resource, action))
    }
}

/// The refusal of whoever lacks a permission.
pub fn missing(resource: &str, action: &str) -> Refusal {
    Refusal::new(Code::PermissionMissing, format!("expected the permission {resource}:{action}, which the token lacks"))
}
