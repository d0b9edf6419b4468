//! What of a document says something on another server, too: without versions, times and what stands there twice.

use serde_json::{Map, Value};

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Roles.
    Role,
    /// Clients.
    Client,
    /// Principals.
    Principal,
}

impl Kind {
    /// All of them, in the order in which they can be made.
    pub const ALL: [Kind; 3] = [Kind::Role, Kind::Client, Kind::Principal];

    /// Its name in addresses, lists and files.
    pub const fn plural(self) -> &'static str {
        match self {
            Kind::Role => "roles",
            Kind::Client => "clients",
            Kind::Principal => "principals",
        }
    }

    /// One of them.
    pub const fn singular(self) -> &'static str {
        match self {
            Kind::Role => "role",
            Kind::Client => "client",
            Kind::Principal => "principal",
        }
    }

    /// What permissions call them.
    pub(super) const fn resource(self) -> &'static str {
        match self {
            Kind::Role => "iam/roles",
            Kind::Client => "iam/clients",
            Kind::Principal => "iam/principals",
        }
    }

    /// The member of a document by which it is found.
    pub const fn key(self) -> &'static str {
        match self {
            Kind::Role => "key",
            Kind::Client | Kind::Principal => "id",
        }
    }
}

/// Members that belong to the server.
const SERVERS: [&str; 9] = [
    "type",
    "system",
    "systemClient",
    "createdAt",
    "lastActiveAt",
    "eTag",
    "passwordLogin",
    "passwordExpiresAt",
    "suspendedAt",
];

/// The entry of a file that says what this document says. `suspended` is there and true where the object is suspended.
/// What is false by nature, and lists and objects that are empty by nature, may stay out of it, null may not: it clears.
pub fn portable(mut document: Map<String, Value>) -> Map<String, Value> {
    let suspended = document.get("suspendedAt").is_some_and(|at| !at.is_null());
    document.retain(|name, _| !SERVERS.contains(&name.as_str()));
    let flat: Vec<String> = document.keys().filter(|name| *name != "properties").cloned().collect();
    if let Some(properties) = document.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, value| {
            let unproven = matches!(name.as_str(), "email_verified" | "phone_number_verified") && *value == false;
            !flat.contains(name) && !unproven
        });
        if properties.is_empty() {
            document.remove("properties");
        }
    }
    if suspended {
        document.insert("suspended".to_owned(), Value::Bool(true));
    }
    document
}

/// Whether everything that an entry says is so already. It may say no where only the form differs.
pub(super) fn says_nothing_new(entry: &Map<String, Value>, stored: &Map<String, Value>) -> bool {
    let null = Value::Null;
    entry.iter().all(|(name, value)| match (name.as_str(), value) {
        ("properties", Value::Object(said)) => {
            let stored = stored.get("properties").and_then(Value::as_object);
            said.iter().all(|(name, value)| stored.and_then(|s| s.get(name)).unwrap_or(&null) == value)
        }
        ("suspended", _) => (*value == true) == stored.contains_key("suspended"),
        _ => stored.get(name) == Some(value),
    })
}
