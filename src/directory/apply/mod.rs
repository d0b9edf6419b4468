//! A file of roles, clients and principals is made true: what is not there is made, what differs is changed, what is the
//! same is left alone, all in one transaction.
//!
//! The difference is found by doing it: each entry goes through the same act as a single change would, with its rules
//! and its audit event, so that applying a file twice writes nothing the second time. Members that an entry does not name
//! stay as they are. Secrets and passwords are no members, so a file cannot hold them.
//!
//! Other administrators wait for it, so it is to be short: entries are read, made and noted some hundred at a time
//! (within a savepoint), and one by one only where one of them is refused, which tells which. A dry run is the same,
//! rolled back, but waits for nobody and lets nobody wait ([`store::Tx::rehearse`]); so it may differ from what is done
//! afterwards.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Actor, Refusal, client::Policy};
use crate::{
    model::{
        problem::{Code, Problem},
        time::Timestamp,
    },
    store::{self, Failure, Store, Tx},
};

mod act;
mod file;
mod plan;
mod portable;

pub use file::{ApplyInput, Wanted};
pub use portable::{Kind, portable};

/// The most entries of one file, and the most objects that one file deletes.
pub const MAX_ENTRIES: usize = 5_000;

/// How it is to be done.
#[derive(Clone, Debug)]
pub struct Options {
    /// Undo everything at the end: only the difference is wanted.
    pub dry_run: bool,
    /// Delete what is there, but not in the file, of the sections that the file has.
    pub prune: bool,
    /// What the configuration says about clients.
    pub policy: Policy,
    /// The time.
    pub now: Timestamp,
}

/// What is told after each entry that is done with: how many of how many.
pub type Progress = Arc<dyn Fn(usize, usize) + Send + Sync>;

/// What was done, or would be
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// Whether nothing was written
    pub dry_run: bool,
    /// How many objects were made
    pub created: usize,
    /// How many were changed
    pub changed: usize,
    /// How many were deleted
    pub deleted: usize,
    /// How many are in the file as they were
    pub unchanged: usize,
    /// What was done, in order
    pub changes: Vec<AppliedChange>,
}

/// What was done to an object
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AppliedChange {
    /// `role`, `client` or `principal`
    #[serde(rename = "type")]
    #[schema(example = "role")]
    pub kind: &'static str,
    /// Its id or key
    pub id: String,
    /// `created`, `changed` or `deleted`
    #[schema(example = "changed")]
    pub action: &'static str,
    /// Its email or name, for people
    pub label: Option<String>,
    /// Which of its members were changed
    pub members: Vec<MemberChange>,
}

/// A member that was changed
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MemberChange {
    /// Which (RFC 6901)
    pub path: String,
    /// What it was; null if it was not there
    pub from: Value,
    /// What it is now; null if it is not there any more
    pub to: Value,
}

/// Makes a file true, or refuses all of it with everything that is wrong with it. `progress` may begin anew, since a
/// transaction may.
///
/// # Errors
/// What the acts refuse, at `/section/index/member`; [`Code::UnknownField`] for sections that there are not,
/// [`Code::TooMany`] beyond [`MAX_ENTRIES`].
pub async fn run(
    store: &Store,
    actor: Actor,
    file: Map<String, Value>,
    options: Options,
    progress: Progress,
) -> Result<Applied, Refusal> {
    let wanted = Wanted::read(file, options.policy.max_bytes)?;
    let written = store.write(move |tx| {
        let applied = plan::carry_out(tx, &actor, &wanted, &options, &progress)?;
        match options.dry_run {
            true => Err(Undone::DryRun(applied)),
            false => Ok(applied),
        }
    });
    match written.await {
        Ok(applied) => Ok(applied),
        Err(Undone::DryRun(applied)) => Ok(Applied { dry_run: true, ..applied }),
        Err(Undone::Refused(refusal)) => Err(refusal),
    }
}

/// Why nothing was kept.
#[derive(Debug)]
enum Undone {
    /// Only the difference was wanted.
    DryRun(Applied),
    /// It cannot be done.
    Refused(Refusal),
}

impl From<Refusal> for Undone {
    fn from(refusal: Refusal) -> Undone {
        Undone::Refused(refusal)
    }
}

impl From<store::Error> for Undone {
    fn from(error: store::Error) -> Undone {
        Undone::Refused(error.into())
    }
}

impl Failure for Undone {
    fn as_store(&self) -> Option<&store::Error> {
        match self {
            Undone::DryRun(_) => None,
            Undone::Refused(refusal) => refusal.as_store(),
        }
    }
}

fn too_many(what: &str) -> Refusal {
    Problem::new(Code::TooMany, format!("expected at most {MAX_ENTRIES} {what}; split the file")).into()
}

/// An owner ends the set-up, so that no link makes another one.
fn end_setup(tx: &mut Tx<'_>, id: &str, roles: &Value, now: Timestamp) -> Result<(), Refusal> {
    let owner = roles.as_array().is_some_and(|roles| roles.iter().any(|r| r == crate::model::role_key::OWNER));
    if owner && !store::setup::is_done(tx)? {
        store::setup::complete(tx, id, now)?;
    }
    Ok(())
}
