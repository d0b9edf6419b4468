//! Lists of clients.

use super::{
    Listed, Order, Page,
    search::{Cell, Wanted, arranged},
    texts::Needle,
};
use crate::{
    model::permission::Visibility,
    store::{Conn, Error, client, client::Client, identity},
};

/// What clients can be ordered by.
pub const ORDERS: [Order; 3] = [Order::CreatedAt, Order::Name, Order::Id];

/// Which clients are asked for; all that is given must be met.
#[derive(Clone, Debug)]
pub struct ClientFilter {
    /// The name contains this, in whatever case.
    pub name: Option<String>,
    /// Name or identifier contains this, in whatever case.
    pub q: Option<String>,
    /// This role is held.
    pub role: Option<String>,
    /// One of these roles is held; any, if there are none.
    pub roles: Vec<String>,
    /// A role is held whose key begins like this.
    pub role_prefix: Option<String>,
    /// Suspended clients as well.
    pub include_suspended: bool,
    /// System clients as well.
    pub include_system: bool,
    /// What the caller may see.
    pub visibility: Visibility,
}

impl ClientFilter {
    /// All clients that are neither suspended nor the system's.
    pub fn new(visibility: Visibility) -> ClientFilter {
        ClientFilter {
            name: None,
            q: None,
            role: None,
            roles: Vec::new(),
            role_prefix: None,
            include_suspended: false,
            include_system: false,
            visibility,
        }
    }

    fn wanted(&self) -> Wanted {
        let groups: [(bool, Cell); 4] = [
            (true, Cell { condition: "p.suspended = FALSE AND p.system_client = FALSE", tally: "client" }),
            (
                self.include_suspended,
                Cell { condition: "p.suspended = TRUE AND p.system_client = FALSE", tally: "client.suspended" },
            ),
            (
                self.include_system,
                Cell { condition: "p.suspended = FALSE AND p.system_client = TRUE", tally: "client.system" },
            ),
            (
                self.include_suspended && self.include_system,
                Cell { condition: "p.suspended = TRUE AND p.system_client = TRUE", tally: "client.system.suspended" },
            ),
        ];
        let hidden =
            [(self.include_suspended, "p.suspended = FALSE"), (self.include_system, "p.system_client = FALSE")];
        let texts: [(&Option<String>, &'static [&'static str]); 2] =
            [(&self.name, &["p.name_key"]), (&self.q, &["p.name_key", "lower(p.id)"])];
        let needles = texts.into_iter().filter_map(|(text, columns)| {
            let text = text.as_deref().filter(|text| !text.is_empty())?;
            Some(Needle { columns, text: text.to_lowercase() })
        });
        Wanted {
            table: "client",
            cells: groups.into_iter().filter(|(shown, _)| *shown).map(|(_, cell)| cell).collect(),
            hidden: hidden.into_iter().filter(|(shown, _)| !shown).map(|(_, condition)| condition).collect(),
            needles: needles.collect(),
            role: self.role.clone(),
            roles: self.roles.clone(),
            role_prefix: self.role_prefix.clone().filter(|prefix| !prefix.is_empty()),
            visibility: self.visibility.clone(),
        }
    }
}

/// A client with the keys of its roles.
pub type WithRoles = (Client, Vec<String>);

/// A page of clients, each with the keys of its roles.
pub fn list(conn: &mut Conn, filter: &ClientFilter, page: &Page) -> Result<Listed<WithRoles>, Error> {
    let (keys, total) = filter.wanted().page(conn, page)?;
    if keys.is_empty() {
        return Ok(Listed { total, ..Listed::empty() });
    }
    let seqs: Vec<i64> = keys.iter().map(|key| key.seq).collect();
    let rows = client::by_seq(conn, &seqs)?;
    let ids: Vec<&str> = rows.iter().map(|(_, row)| row.id.as_str()).collect();
    let mut roles = identity::roles_of(conn, &ids)?;
    let rows = rows.into_iter().map(|(seq, row)| {
        let held = roles.remove(&row.id).unwrap_or_default();
        (seq, (row, held))
    });
    Ok(arranged(keys, rows.collect(), total))
}
