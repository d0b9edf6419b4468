//! Where nodes lie: tables, and what of them their fields are.

use crate::model::graph::Node;

/// A table whose rows are nodes. Statements name its row by its [`Table::alias`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Principal,
    Client,
    Sending,
    Role,
    Session,
    Event,
}

/// How a text was folded before it was stored, or is when it is read: what it is compared to is folded alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    /// Not at all.
    No,
    /// Lower case, as Unicode has it.
    Unicode,
    /// Lower case of ASCII letters.
    Ascii,
}

/// What a field is in a table. Expressions have `{C}` where PostgreSQL is to compare bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// It has no value there.
    Absent,
    /// All rows have the same text.
    Text(&'static str),
    /// All rows have the same truth.
    Truth(bool),
    /// What is shown, and what is compared.
    Stored { shown: &'static str, compared: &'static str, fold: Fold },
    /// The keys of the roles that an identity holds.
    Roles,
    /// A JSON array of texts.
    Array(&'static str),
}

const fn plain(shown: &'static str) -> Column {
    Column::Stored { shown, compared: shown, fold: Fold::No }
}

const fn folded(shown: &'static str, compared: &'static str, fold: Fold) -> Column {
    Column::Stored { shown, compared, fold }
}

impl Table {
    /// The tables of a node, in the order of registration.
    pub(super) fn of(node: Node) -> &'static [Table] {
        match node {
            Node::Identity => &[Table::Principal, Table::Client],
            Node::Sending => &[Table::Sending],
            Node::Role => &[Table::Role],
            Node::Session => &[Table::Session],
            Node::ActivityLog => &[Table::Event],
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Table::Principal => "principal",
            Table::Client => "client",
            Table::Sending => "sending",
            Table::Role => "role",
            Table::Session => "session",
            Table::Event => "audit_event",
        }
    }

    /// What statements call its row.
    pub(super) const fn alias(self) -> &'static str {
        match self {
            Table::Principal | Table::Client => "p",
            Table::Sending => "m",
            Table::Role => "r",
            Table::Session => "s",
            Table::Event => "e",
        }
    }

    /// The column that tells rows apart and has them in the order of registration (roles: of their keys).
    pub(super) const fn tie(self) -> &'static str {
        match self {
            Table::Principal | Table::Client => "p.seq",
            Table::Sending => "m.id",
            Table::Role => "r.key",
            Table::Session => "s.id",
            Table::Event => "e.id",
        }
    }

    /// Whether that column is a number.
    pub(super) const fn is_numbered(self) -> bool {
        matches!(self, Table::Principal | Table::Client)
    }

    /// Its place among the tables of its node.
    pub(super) const fn number(self) -> i64 {
        match self {
            Table::Client => 1,
            _ => 0,
        }
    }

    /// The names of the counts of its rows that are kept.
    pub(super) const fn tallies(self) -> &'static [&'static str] {
        match self {
            Table::Principal => &["principal", "principal.suspended"],
            Table::Client => &["client", "client.suspended"],
            Table::Role => &["role"],
            _ => &[],
        }
    }

    /// What a field of its node is here. `narrowed`: of an event only what is the owner's own (see `navigation`).
    pub(super) fn column(self, field: &str, narrowed: bool) -> Column {
        let column = match self {
            Table::Principal => principal(field),
            Table::Client => client(field),
            Table::Sending => sending(field),
            Table::Role => role(field),
            Table::Session => session(field),
            Table::Event if narrowed => own_event(field).or_else(|| event(field)),
            Table::Event => event(field),
        };
        column.unwrap_or(Column::Absent)
    }
}

fn principal(field: &str) -> Option<Column> {
    Some(match field {
        "identityId" => plain("p.id"),
        "type" => Column::Text("principal"),
        "name" | "properties.name" => folded("p.name", "p.name_key", Fold::Unicode),
        "email" | "properties.email" => folded("p.email", "p.email_key", Fold::Unicode),
        "phone" | "properties.phone" => plain("p.phone"),
        "roles" => Column::Roles,
        "createdAt" => plain("p.created_at"),
        "lastModified" => plain("p.updated_at"),
        "lastActiveAt" => plain("p.last_active_at"),
        "suspendedAt" => plain("p.suspended_at"),
        "systemClient" => Column::Truth(false),
        _ => return None,
    })
}

fn client(field: &str) -> Option<Column> {
    Some(match field {
        "identityId" => plain("p.id"),
        "type" => Column::Text("client"),
        "name" | "properties.name" => folded("p.name", "p.name_key", Fold::Unicode),
        "description" => folded("p.description", "lower(p.description{C})", Fold::Ascii),
        "roles" => Column::Roles,
        "createdAt" => plain("p.created_at"),
        "lastModified" => plain("p.updated_at"),
        "suspendedAt" => plain("p.suspended_at"),
        "systemClient" => Column::Truth(false),
        _ => return None,
    })
}

fn sending(field: &str) -> Option<Column> {
    Some(match field {
        "sendingId" => plain("m.id"),
        "category" => plain("m.category"),
        "createdAt" => plain("m.created_at"),
        "recipient" => folded("m.recipient", "lower(m.recipient{C})", Fold::Ascii),
        "status" => plain("m.status"),
        "retryCount" => plain("m.retry_count"),
        "errorMessage" => folded("m.error_message", "lower(m.error_message{C})", Fold::Ascii),
        "processedAt" => plain("m.processed_at"),
        "sentAt" => plain("m.sent_at"),
        "transport" => plain("m.transport"),
        "dynamic" => plain("m.dynamic"),
        "lastModified" => plain("m.last_modified"),
        _ => return None,
    })
}

fn role(field: &str) -> Option<Column> {
    Some(match field {
        "key" => plain("r.key"),
        "description" => folded("r.description", "lower(r.description{C})", Fold::Ascii),
        "system" => plain("r.system"),
        "createdAt" => plain("r.created_at"),
        "lastModified" => plain("r.updated_at"),
        _ => return None,
    })
}

fn session(field: &str) -> Option<Column> {
    Some(match field {
        "sessionId" => plain("s.id"),
        "createdAt" => plain("s.created_at"),
        "lastActiveAt" => plain("s.last_active_at"),
        "expiresAt" => plain("CASE WHEN s.idle_expires_at < s.expires_at THEN s.idle_expires_at ELSE s.expires_at END"),
        "ipAddress" => plain("s.ip_address"),
        "userAgent" => folded("s.user_agent", "lower(s.user_agent{C})", Fold::Ascii),
        "authenticationMethods" => Column::Array("s.amr"),
        _ => return None,
    })
}

fn event(field: &str) -> Option<Column> {
    Some(match field {
        "eventId" => plain("e.id"),
        "at" => plain("e.at"),
        "action" => plain("e.action"),
        "outcome" => plain("e.outcome"),
        "code" => plain("e.code"),
        "actorKind" => plain("e.actor_kind"),
        "actorId" => plain("e.actor_id"),
        "clientId" => plain("e.client_id"),
        "ipAddress" => plain("e.ip_address"),
        "requestId" => plain("e.request_id"),
        "targetKind" => plain("e.target_kind"),
        "targetId" => plain("e.target_id"),
        "occurrences" => plain("e.occurrences"),
        _ => return None,
    })
}

/// Who sees only some identities' events sees of others, who acted or were acted on, neither id nor address.
fn own_event(field: &str) -> Option<Column> {
    Some(match field {
        "actorId" => plain("CASE WHEN e.actor_id = e.owner THEN e.actor_id END"),
        "clientId" => plain("CASE WHEN e.actor_id = e.owner THEN e.client_id END"),
        "ipAddress" => plain("CASE WHEN e.actor_id = e.owner THEN e.ip_address END"),
        "requestId" => plain("CASE WHEN e.actor_id = e.owner THEN e.request_id END"),
        "targetId" => plain("CASE WHEN e.target_id = e.owner THEN e.target_id END"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_catalogue_lies_somewhere() {
        for node in Node::ALL {
            for field in node.fields() {
                let lies = |table: &Table| table.column(field.name, false) != Column::Absent;
                assert!(Table::of(node).iter().any(lies), "{} of {}", field.name, node.name());
            }
        }
    }
}
