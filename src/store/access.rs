//! What identities may do, compiled and kept in memory; exact after every write, on every node.
//!
//! Each use reads two versions by primary key, the identity's own and that of all roles, which every write that changes
//! what somebody may do raises in its own transaction. Only what was compiled under the same two is used.

use std::sync::Arc;

use moka::sync::Cache;

use super::{Conn, Error, client, client::Client, generation, identity, principal, principal::Principal};
use crate::{
    metrics::{CacheCounts, Caches},
    model::permission::Permissions,
};

/// An identity's roles and what they and its own list allow.
#[derive(Clone, Debug)]
pub struct Access {
    /// The keys of its roles, in order.
    pub roles: Vec<String>,
    /// What it may do.
    pub permissions: Permissions,
}

impl Access {
    /// What this principal may do now.
    pub fn of_principal(conn: &mut Conn, principal: &Principal) -> Result<Access, Error> {
        let (roles, permissions) =
            identity::permissions(conn, &principal.id, &principal.acl, &principal.access_attributes)?;
        // A person holds what concerns the person by nature; a token's scopes limit it.
        Ok(Access { roles, permissions: permissions.and(&Permissions::by_nature()) })
    }

    /// What this client may do now.
    pub fn of_client(conn: &mut Conn, client: &Client) -> Result<Access, Error> {
        let (roles, permissions) = identity::permissions(conn, &client.id, &client.acl, &client.access_attributes)?;
        Ok(Access { roles, permissions })
    }
}

/// The most identities that are kept.
const CAPACITY: u64 = 50_000;

/// The cache. Cheap to clone.
#[derive(Clone)]
pub struct AccessCache(Cache<String, Compiled>, CacheCounts);

#[derive(Clone)]
struct Compiled {
    version: (i64, i64),
    access: Arc<Access>,
}

impl Default for AccessCache {
    fn default() -> AccessCache {
        AccessCache(Cache::new(CAPACITY), CacheCounts::default())
    }
}

impl AccessCache {
    /// What this principal may do now.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub fn of_principal(&self, conn: &mut Conn, principal: &Principal) -> Result<Arc<Access>, Error> {
        self.get(conn, &principal.id, |conn| {
            // read again: the row in hand may be older than the versions
            let now = principal::find(conn, &principal.id)?;
            Access::of_principal(conn, now.as_ref().unwrap_or(principal))
        })
    }

    /// What this client may do now.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub fn of_client(&self, conn: &mut Conn, client: &Client) -> Result<Arc<Access>, Error> {
        self.get(conn, &client.id, |conn| {
            let now = client::find(conn, &client.id)?;
            Access::of_client(conn, now.as_ref().unwrap_or(client))
        })
    }

    /// Shows the cache among the others.
    pub fn register(&self, caches: &Caches) {
        let entries = self.0.clone();
        caches.add("access", &self.1, move || entries.entry_count());
    }

    fn get(
        &self,
        conn: &mut Conn,
        id: &str,
        compile: impl FnOnce(&mut Conn) -> Result<Access, Error>,
    ) -> Result<Arc<Access>, Error> {
        // before the rows: what is newer than its versions is only compiled once more than needed
        let Some(version) = generation::of_access(conn, id)? else { return Ok(Arc::new(compile(conn)?)) };
        if let Some(kept) = self.0.get(id).filter(|kept| kept.version == version) {
            self.1.hit();
            return Ok(kept.access);
        }
        self.1.miss();
        let access = Arc::new(compile(conn)?);
        self.0.insert(id.to_owned(), Compiled { version, access: access.clone() });
        Ok(access)
    }
}

impl std::fmt::Debug for AccessCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessCache").field("entries", &self.0.entry_count()).finish()
    }
}
