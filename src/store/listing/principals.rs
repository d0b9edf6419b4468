//! Lists of principals.

use super::{
    Listed, Order, Page, Version,
    search::{Cell, Wanted, arranged},
    texts::Needle,
};
use crate::{
    model::permission::Visibility,
    store::{Conn, Error, identity, principal, principal::Principal},
};

/// What principals can be ordered by.
pub const ORDERS: [Order; 4] = [Order::CreatedAt, Order::Name, Order::Email, Order::LastActiveAt];

/// Which principals are asked for; all that is given must be met.
#[derive(Clone, Debug)]
pub struct PrincipalFilter {
    /// The name contains this, in whatever case.
    pub name: Option<String>,
    /// The email contains this, in whatever case.
    pub email: Option<String>,
    /// Name, email or phone contains this.
    pub q: Option<String>,
    /// This role is held.
    pub role: Option<String>,
    /// One of these roles is held; any, if there are none.
    pub roles: Vec<String>,
    /// A role is held whose key begins like this.
    pub role_prefix: Option<String>,
    /// Suspended principals as well.
    pub include_suspended: bool,
    /// What the caller may see.
    pub visibility: Visibility,
}

impl PrincipalFilter {
    /// Everybody who is not suspended.
    pub fn new(visibility: Visibility) -> PrincipalFilter {
        PrincipalFilter {
            name: None,
            email: None,
            q: None,
            role: None,
            roles: Vec::new(),
            role_prefix: None,
            include_suspended: false,
            visibility,
        }
    }

    fn wanted(&self) -> Wanted {
        let mut cells = vec![Cell { condition: "p.suspended = FALSE", tally: "principal" }];
        let mut hidden = Vec::new();
        if self.include_suspended {
            cells.push(Cell { condition: "p.suspended = TRUE", tally: "principal.suspended" });
        } else {
            hidden.push("p.suspended = FALSE");
        }
        let texts: [(&Option<String>, &'static [&'static str]); 3] = [
            (&self.name, &["p.name_key"]),
            (&self.email, &["p.email_key"]),
            (&self.q, &["p.name_key", "p.email_key", "lower(p.phone)"]),
        ];
        let needles = texts.into_iter().filter_map(|(text, columns)| {
            let text = text.as_deref().filter(|text| !text.is_empty())?;
            Some(Needle { columns, text: text.to_lowercase() })
        });
        Wanted {
            table: "principal",
            cells,
            hidden,
            needles: needles.collect(),
            role: self.role.clone(),
            roles: self.roles.clone(),
            role_prefix: self.role_prefix.clone().filter(|prefix| !prefix.is_empty()),
            visibility: self.visibility.clone(),
        }
    }
}

/// A principal with the keys of its roles.
pub type WithRoles = (Principal, Vec<String>);

/// A page of principals, each with the keys of its roles.
pub fn list(conn: &mut Conn, filter: &PrincipalFilter, page: &Page) -> Result<Listed<WithRoles>, Error> {
    let (keys, total) = filter.wanted().page(conn, page)?;
    let seqs: Vec<i64> = keys.iter().map(|key| key.seq).collect();
    Ok(arranged(keys, with_roles(conn, &seqs)?, total))
}

/// What [`list`] would show, but only which version of each.
pub fn versions(conn: &mut Conn, filter: &PrincipalFilter, page: &Page) -> Result<Listed<Version>, Error> {
    let wanted = filter.wanted();
    if let Some(listed) = wanted.versions(conn, page)? {
        return Ok(listed);
    }
    let (keys, total) = wanted.page(conn, page)?;
    let seqs: Vec<i64> = keys.iter().map(|key| key.seq).collect();
    let versions = principal::versions(conn, &seqs)?;
    Ok(arranged(keys, versions.into_iter().map(|version| (version.seq, version)).collect(), total))
}

/// The principals with these numbers of registration, each with the keys of its roles, in no order.
pub fn with_roles(conn: &mut Conn, seqs: &[i64]) -> Result<Vec<(i64, WithRoles)>, Error> {
    let rows = principal::by_seq(conn, seqs)?;
    let ids: Vec<&str> = rows.iter().map(|(_, row)| row.id.as_str()).collect();
    let mut roles = identity::roles_of(conn, &ids)?;
    let rows = rows.into_iter().map(|(seq, row)| {
        let held = roles.remove(&row.id).unwrap_or_default();
        (seq, (row, held))
    });
    Ok(rows.collect())
}
