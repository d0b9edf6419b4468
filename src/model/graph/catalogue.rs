//! The nodes of the graph and their fields.

use super::Operator;

/// A kind of node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Node {
    /// A principal or a client.
    Identity,
    /// An outgoing mail.
    Sending,
    /// A role.
    Role,
    /// A principal's session.
    Session,
    /// An event of the audit log.
    ActivityLog,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text that is compared as it is.
    Text,
    /// A text that is compared without regard to case; but for names and email addresses of identities, that of ASCII
    /// letters only.
    Caseless,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A set of texts.
    Set,
    /// A whole number.
    Number,
    /// Yes or no.
    Bool,
    /// A point in time.
    Time,
    /// Data of any shape, which can be shown only.
    Data,
}

impl Kind {
    /// How it can be compared.
    pub fn operators(self) -> &'static [Operator] {
        use Operator::{
            AllOf, AnyOf, Contains, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual, StartsWith,
        };
        match self {
            Kind::Text | Kind::Caseless => {
                &[Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual, AnyOf, Contains, StartsWith]
            }
            Kind::Word(_) => &[Equal, NotEqual, AnyOf],
            Kind::Set => &[AnyOf, AllOf, Contains, StartsWith],
            Kind::Number | Kind::Time => &[Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual, AnyOf],
            Kind::Bool => &[Equal, NotEqual],
            Kind::Data => &[],
        }
    }
}

/// A field of a node.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// What it is called, parts separated by dots.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Which tests an index answers; others look at rows one by one.
    pub indexed: &'static [Operator],
    /// Whether nodes can be ordered by it.
    pub ordered: bool,
    /// What it says.
    pub meaning: &'static str,
}

/// An edge from a node to others.
#[derive(Debug, PartialEq, Eq)]
pub struct Edge {
    /// What it is called.
    pub name: &'static str,
    /// Where it leads.
    pub node: Node,
    /// Which ones are there.
    pub meaning: &'static str,
}

const fn field(
    name: &'static str,
    kind: Kind,
    indexed: &'static [Operator],
    ordered: bool,
    meaning: &'static str,
) -> Field {
    Field { name, kind, indexed, ordered, meaning }
}

const EXACT: &[Operator] = &[Operator::Equal, Operator::AnyOf];
const PART: &[Operator] = &[Operator::Equal, Operator::AnyOf, Operator::Contains, Operator::StartsWith];
/// What the table tells in which a node lies.
const DECIDED: &[Operator] = &[Operator::Equal, Operator::NotEqual, Operator::AnyOf];
const BEGINNING: &[Operator] = &[Operator::Equal, Operator::AnyOf, Operator::StartsWith];
const MEMBER: &[Operator] = &[Operator::AnyOf, Operator::AllOf, Operator::Contains, Operator::StartsWith];
const RANGE: &[Operator] = &[
    Operator::Equal,
    Operator::Less,
    Operator::LessOrEqual,
    Operator::Greater,
    Operator::GreaterOrEqual,
    Operator::AnyOf,
];

const IDENTITY: &[Field] = &[
    field("identityId", Kind::Text, EXACT, false, "The identifier"),
    field("type", Kind::Word(&["principal", "client"]), DECIDED, false, "A person or an application"),
    field("name", Kind::Caseless, PART, true, "The name"),
    field("email", Kind::Caseless, PART, true, "The email address, of principals"),
    field("phone", Kind::Text, PART, false, "The phone number, of principals"),
    field("description", Kind::Caseless, &[], false, "The description, of clients"),
    field("roles", Kind::Set, MEMBER, false, "The keys of the roles that it holds"),
    field("properties.name", Kind::Caseless, PART, false, "The name"),
    field("properties.email", Kind::Caseless, PART, false, "The email address, of principals"),
    field("properties.phone", Kind::Text, PART, false, "The phone number, of principals"),
    field("createdAt", Kind::Time, RANGE, true, "When it was registered"),
    field("lastModified", Kind::Time, &[], false, "When it was last changed"),
    field("lastActiveAt", Kind::Time, RANGE, true, "When it was last active, of principals"),
    field("suspendedAt", Kind::Time, RANGE, false, "Since when it is suspended"),
    field(
        "systemClient",
        Kind::Bool,
        &[Operator::Equal, Operator::NotEqual],
        false,
        "Whether it is a client of the server itself, which are not shown",
    ),
];

const STATUS: Kind = Kind::Word(&["pending", "sent", "failed", "cancelled"]);

const SENDING: &[Field] = &[
    field("sendingId", Kind::Text, EXACT, false, "The identifier"),
    field("category", Kind::Text, EXACT, false, "What it is for"),
    field("createdAt", Kind::Time, RANGE, true, "When it was asked for"),
    field("recipient", Kind::Caseless, EXACT, false, "The addresses in To, separated by a comma and a space"),
    field("status", STATUS, EXACT, false, "How far it came"),
    field("retryCount", Kind::Number, &[], false, "How often it was tried again"),
    field("errorMessage", Kind::Caseless, &[], false, "Why it could not be sent"),
    field("processedAt", Kind::Time, &[], false, "When it was last tried"),
    field("sentAt", Kind::Time, &[], false, "When it was handed to the mail server"),
    field("transport", Kind::Text, &[], false, "By which way"),
    field("dynamic", Kind::Data, &[], false, "What the sender noted"),
    field("lastModified", Kind::Time, &[], false, "When its state changed"),
];

const ROLE: &[Field] = &[
    field("key", Kind::Text, BEGINNING, true, "The key"),
    field("description", Kind::Caseless, &[], false, "The description"),
    field("system", Kind::Bool, &[], false, "Whether it is built in"),
    field("createdAt", Kind::Time, &[], false, "When it was made"),
    field("lastModified", Kind::Time, &[], false, "When it was last changed"),
];

const SESSION: &[Field] = &[
    field("sessionId", Kind::Text, &[], false, "The identifier"),
    field("createdAt", Kind::Time, &[], true, "When it began"),
    field("lastActiveAt", Kind::Time, &[], false, "When it was last used"),
    field("expiresAt", Kind::Time, &[], false, "When it ends by itself"),
    field("ipAddress", Kind::Text, &[], false, "From which address it began"),
    field("userAgent", Kind::Caseless, &[], false, "With which browser it began"),
    field("authenticationMethods", Kind::Set, &[], false, "How its person signed in (RFC 8176)"),
];

const ACTIVITY_LOG: &[Field] = &[
    field("eventId", Kind::Text, &[], false, "The identifier"),
    field("at", Kind::Time, &[], true, "When it happened"),
    field("action", Kind::Text, &[], false, "What was done, such as principal.update"),
    field("outcome", Kind::Word(&["succeeded", "refused"]), &[], false, "Whether it was done"),
    field("code", Kind::Text, &[], false, "Why it was refused"),
    field("actorKind", Kind::Text, &[], false, "What acted"),
    field("actorId", Kind::Text, &[], false, "Which identity acted"),
    field("clientId", Kind::Text, &[], false, "By which client's token"),
    field("ipAddress", Kind::Text, &[], false, "From which address"),
    field("requestId", Kind::Text, &[], false, "In which request"),
    field("targetKind", Kind::Text, &[], false, "What it was done to"),
    field("targetId", Kind::Text, &[], false, "Which one it was done to"),
    field("occurrences", Kind::Number, &[], false, "How often it happened; refusals that repeat are one event"),
];

impl Node {
    /// All of them.
    pub const ALL: [Node; 5] = [Node::Identity, Node::Sending, Node::Role, Node::Session, Node::ActivityLog];

    /// Its name, as in permissions (`graph/<name>:read`) and in the structured form's `resource`.
    pub const fn name(self) -> &'static str {
        match self {
            Node::Identity => "identity",
            Node::Sending => "sending",
            Node::Role => "role",
            Node::Session => "session",
            Node::ActivityLog => "activityLog",
        }
    }

    /// The set of all of them, where a query can begin.
    pub const fn root(self) -> Option<&'static str> {
        match self {
            Node::Identity => Some("identities"),
            Node::Sending => Some("sendings"),
            Node::Role => Some("roles"),
            Node::Session | Node::ActivityLog => None,
        }
    }

    /// Its fields; the first is its identifier.
    pub const fn fields(self) -> &'static [Field] {
        match self {
            Node::Identity => IDENTITY,
            Node::Sending => SENDING,
            Node::Role => ROLE,
            Node::Session => SESSION,
            Node::ActivityLog => ACTIVITY_LOG,
        }
    }

    /// The field of this name.
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    /// Its edges.
    pub const fn edges(self) -> &'static [Edge] {
        match self {
            Node::Identity => &[
                Edge { name: "sessions", node: Node::Session, meaning: "A principal's active sessions" },
                Edge { name: "roles", node: Node::Role, meaning: "The roles that it holds" },
                Edge {
                    name: "activityLogs",
                    node: Node::ActivityLog,
                    meaning: "What it did and what was done to it, latest first",
                },
            ],
            Node::Sending | Node::Role | Node::Session | Node::ActivityLog => &[],
        }
    }
}
