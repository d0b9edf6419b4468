//! One step after the other, until all are done or none of those that are left can be.

use std::collections::HashSet;

use super::{
    Applied, Kind, MAX_ENTRIES, Options, Progress, Wanted,
    act::{self, Step},
    file::{Entry, at},
    too_many,
};
use crate::{
    directory::{Actor, Refusal, client, principal},
    model::{
        id,
        problem::{Code, Fault, Problem},
        role_key,
    },
    store::{
        self, Tx,
        listing::{ClientFilter, MAX_LIMIT, Order, Page, PrincipalFilter, Side, clients, principals, roles},
    },
};

/// How often what could not be done is tried again after the rest.
const MAX_PASSES: usize = 4;
/// The most faults that are told.
const MAX_FAULTS: usize = 100;

/// Carries out what is wanted, in this transaction.
///
/// # Errors
/// Everything that is refused; the transaction is then to be rolled back.
pub(super) fn carry_out(
    tx: &mut Tx<'_>,
    actor: &Actor,
    wanted: &Wanted,
    options: &Options,
    progress: &Progress,
) -> Result<Applied, Refusal> {
    // before the first savepoint: administrators' writes wait for this one, and what one step undoes is not this
    tx.raise()?;
    let mut pending = Vec::with_capacity(wanted.entries.len());
    for entry in &wanted.entries {
        pending.push(Step::Put(entry, identified(tx, entry, options)?));
    }
    if options.prune {
        let superfluous = superfluous(tx, actor, wanted, &pending)?;
        pending.extend(superfluous);
    }
    let total = pending.len();
    let mut applied = Applied::default();
    for pass in 1.. {
        let (mut left, mut faults, mut lasting) = (Vec::new(), Vec::new(), false);
        let before = pending.len();
        for step in pending {
            match act::take(tx, actor, &step, options) {
                Ok(Some(change)) => {
                    match change.action {
                        "created" => applied.created += 1,
                        "deleted" => applied.deleted += 1,
                        _ => applied.changed += 1,
                    }
                    applied.changes.push(change);
                }
                Ok(None) => applied.unchanged += 1,
                Err(Refusal::Problem(problem)) => {
                    lasting |= !may_pass(problem.code);
                    faults.extend(placed(&step, *problem));
                    left.push(step);
                }
                Err(store) => return Err(store),
            }
            progress(total - left.len().min(total), total);
        }
        if left.is_empty() {
            break;
        }
        // an email that another entry gives up, an owner who is made after another one goes: once more
        if lasting || left.len() == before || pass >= MAX_PASSES {
            faults.truncate(MAX_FAULTS);
            return Err(Problem::of(faults).into());
        }
        pending = left;
    }
    Ok(applied)
}

/// Whether what refuses a step may be gone when the others are done.
fn may_pass(code: Code) -> bool {
    matches!(code, Code::EmailInUse | Code::ResourceUriInUse | Code::LastOwner | Code::RoleInUse | Code::UnknownRole)
}

/// The id of an entry: what it says, or that of the principal with its email, or a new one.
fn identified(tx: &mut Tx<'_>, entry: &Entry, options: &Options) -> Result<String, Refusal> {
    if let Some(id) = &entry.id {
        return Ok(id.clone());
    }
    let email = entry.body.get("email").and_then(|email| email.as_str()).unwrap_or_default();
    Ok(match store::principal::find_by_email(tx, email)? {
        Some(principal) => principal.id,
        None => id::generate(options.now),
    })
}

/// The faults of a step at their place in the file.
fn placed(step: &Step<'_>, problem: Problem) -> Vec<Fault> {
    let (place, what) = match step {
        Step::Put(entry, id) => (entry.place.clone(), format!("{} {}", entry.kind.singular(), id::shown(id))),
        Step::Delete(kind, id) => {
            (format!("/{}", kind.plural()), format!("deleting {} {}", kind.singular(), id::shown(id)))
        }
    };
    if problem.errors.is_empty() {
        return vec![at(problem.code, place, format!("{what}: {}", problem.detail))];
    }
    let faults = problem.errors.into_iter().map(|fault| Fault {
        message: format!("{what}: {}", fault.message),
        pointer: Some(format!("{place}{}", fault.pointer.unwrap_or_default())),
        ..fault
    });
    faults.collect()
}

/// What is there and may be seen, but is not in the file, of the sections that it has: identities before roles. Nothing
/// that is built in, and nobody who is doing this.
fn superfluous<'w>(
    tx: &mut Tx<'_>,
    actor: &Actor,
    wanted: &'w Wanted,
    puts: &[Step<'w>],
) -> Result<Vec<Step<'w>>, Refusal> {
    let kept: HashSet<(Kind, &str)> = puts
        .iter()
        .filter_map(|step| match step {
            Step::Put(entry, id) => Some((entry.kind, id.as_str())),
            Step::Delete(..) => None,
        })
        .collect();
    let mut steps = Vec::new();
    for kind in Kind::ALL.into_iter().rev().filter(|kind| wanted.sections.contains(kind)) {
        let order = if kind == Kind::Role { Order::Key } else { Order::CreatedAt };
        let mut page = Page::first(MAX_LIMIT, order);
        loop {
            let (ids, last) = ids(tx, actor, kind, &page)?;
            let full = ids.len() == MAX_LIMIT;
            for id in ids {
                let own = actor.is(&id) || actor.client_id.as_deref() == Some(id.as_str());
                let built_in = kind == Kind::Role && role_key::is_system(&id);
                if !kept.contains(&(kind, id.as_str())) && !own && !built_in {
                    steps.push(Step::Delete(kind, id));
                }
            }
            if steps.len() > MAX_ENTRIES {
                return Err(too_many("objects to delete"));
            }
            match last {
                Some(last) if full => page.position = Some((Side::After, last)),
                _ => break,
            }
        }
    }
    Ok(steps)
}

type Ids = (Vec<String>, Option<store::listing::Key>);

fn ids(tx: &mut Tx<'_>, actor: &Actor, kind: Kind, page: &Page) -> Result<Ids, Refusal> {
    Ok(match kind {
        Kind::Role => {
            let listed = roles::list(tx, "", page)?;
            (listed.items.into_iter().map(|role| role.key).collect(), listed.last)
        }
        Kind::Client => {
            let filter = ClientFilter { include_suspended: true, ..ClientFilter::new(client::visible(actor)) };
            let listed = clients::list(tx, &filter, page)?;
            (listed.items.into_iter().map(|(client, _)| client.id).collect(), listed.last)
        }
        Kind::Principal => {
            let filter = PrincipalFilter { include_suspended: true, ..PrincipalFilter::new(principal::visible(actor)) };
            let listed = principals::list(tx, &filter, page)?;
            (listed.items.into_iter().map(|(principal, _)| principal.id).collect(), listed.last)
        }
    })
}
