//! One step after the other, until all are done or none of those that are left can be.

use std::collections::{HashMap, HashSet};

use super::{
    Applied, AppliedChange, Kind, MAX_ENTRIES, Options, Progress, Wanted,
    act::{self, Step},
    file::{Entry, at},
    too_many,
};
use crate::{
    directory::{Actor, Refusal, actor::missing, client, principal, role},
    model::{
        email, id,
        permission::Visibility,
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

/// How many steps of one kind are taken together.
const TOGETHER: usize = 200;
/// Emails that are looked for together.
const EMAILS: usize = 1000;

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
    permitted(actor, wanted)?;
    match options.dry_run {
        // what is not kept holds up nobody
        true => tx.rehearse()?,
        // before the first savepoint: administrators' writes wait for this one, and what one step undoes is not this
        false => tx.raise()?,
    }
    tx.gather_events();
    let mut pending = puts(tx, actor, wanted, options)?;
    if options.prune {
        let superfluous = superfluous(tx, actor, wanted, &pending)?;
        pending.extend(superfluous);
    }
    let total = pending.len();
    let mut applied = Applied::default();
    for pass in 1.. {
        let (mut left, mut faults, mut lasting) = (Vec::new(), Vec::new(), false);
        let before = pending.len();
        for steps in pending.chunk_by(Step::is_like).flat_map(|alike| alike.chunks(TOGETHER)) {
            for (step, outcome) in steps.iter().zip(together(tx, actor, steps, options)?) {
                match outcome {
                    Ok(Some(change)) => {
                        match change.action {
                            "created" => applied.created += 1,
                            "deleted" => applied.deleted += 1,
                            _ => applied.changed += 1,
                        }
                        applied.changes.push(change);
                    }
                    Ok(None) => applied.unchanged += 1,
                    Err(problem) => {
                        lasting |= !may_pass(problem.code);
                        faults.extend(placed(step, problem));
                        left.push(step.clone());
                    }
                }
            }
            progress(applied.changes.len() + applied.unchanged, total);
        }
        if left.is_empty() {
            break;
        }
        // an email that another entry gives up, an owner who is made after another one goes: once more
        let stuck = left.len() == before && !release_emails(tx, &left)?;
        if lasting || stuck || pass >= MAX_PASSES {
            faults.truncate(MAX_FAULTS);
            return Err(Problem::of(faults).into());
        }
        pending = left;
    }
    tx.write_events()?;
    Ok(applied)
}

/// Takes the emails away from principals that get another one, and hold one that another of these steps gives: they may
/// wait for each other in a circle. Whether there was any. Each is written by its own step, or nothing is.
fn release_emails(tx: &mut Tx<'_>, left: &[Step<'_>]) -> Result<bool, Refusal> {
    let wanted: HashMap<&str, String> = left
        .iter()
        .filter_map(|step| match step {
            Step::Put(entry, id) if entry.kind == Kind::Principal => {
                Some((id.as_str(), entry.email()?.parse::<email::Email>().ok()?.key()))
            }
            _ => None,
        })
        .collect();
    let given: HashSet<&String> = wanted.values().collect();
    let (ids, mut any) = (wanted.keys().copied().collect::<Vec<_>>(), false);
    for some in ids.chunks(EMAILS) {
        let found = principal::Stored::find_many(tx, some, &[])?;
        let held = found.iter().filter_map(|stored| Some((stored.id(), email::key(stored.email()?))));
        let held = held.filter(|(id, key)| given.contains(key) && wanted.get(id) != Some(key));
        any |= store::principal::release_emails(tx, &held.map(|(id, _)| id).collect::<Vec<_>>())? > 0;
    }
    Ok(any)
}

/// What became of each of some steps of one kind.
type Outcomes = Vec<Result<Option<AppliedChange>, Problem>>;

/// Takes some steps at once; where one of them is refused, each by itself.
fn together(tx: &mut Tx<'_>, actor: &Actor, steps: &[Step<'_>], options: &Options) -> Result<Outcomes, Refusal> {
    match tx.attempt(|tx| act::take(tx, actor, steps, options)) {
        Ok(changes) => return Ok(changes.into_iter().map(Ok).collect()),
        Err(Refusal::Problem(problem)) if steps.len() == 1 => return Ok(vec![Err(*problem)]),
        Err(Refusal::Problem(_)) => {}
        Err(store) => return Err(store),
    }
    let mut outcomes = Vec::with_capacity(steps.len());
    for step in steps.chunks(1) {
        outcomes.append(&mut together(tx, actor, step, options)?);
    }
    Ok(outcomes)
}

/// Whether the actor may read what the file is about. Asked before anything is looked for: otherwise what is answered
/// would tell who is there.
fn permitted(actor: &Actor, wanted: &Wanted) -> Result<(), Refusal> {
    let sees = |kind: &Kind| actor.permissions.visibility(kind.resource(), "read") != Visibility::None;
    let faults: Vec<Fault> = wanted
        .sections
        .iter()
        .filter(|kind| !sees(kind))
        .map(|kind| {
            let message = missing(kind.resource(), "read").problem().detail;
            at(Code::PermissionMissing, format!("/{}", kind.plural()), message)
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(Problem::of(faults).into()) }
}

/// Whether what refuses a step may be gone when the others are done.
fn may_pass(code: Code) -> bool {
    matches!(code, Code::EmailInUse | Code::ResourceUriInUse | Code::LastOwner | Code::RoleInUse | Code::UnknownRole)
}

/// The entries with their ids: what they say, or that of the principal with their email, or a new one. Somebody whom the
/// actor may not see is not found.
fn puts<'w>(tx: &mut Tx<'_>, actor: &Actor, wanted: &'w Wanted, options: &Options) -> Result<Vec<Step<'w>>, Refusal> {
    let nameless = wanted.entries.iter().filter(|entry| entry.id.is_none());
    let emails: Vec<&str> = nameless.filter_map(Entry::email).collect();
    let mut known = HashMap::new();
    for some in emails.chunks(EMAILS) {
        let found = principal::Stored::find_many(tx, &[], some)?;
        let seen = found.into_iter().filter(|stored| stored.seen(actor).is_some());
        known.extend(seen.filter_map(|stored| Some((email::key(stored.email()?), stored.id().to_owned()))));
    }
    let id = |entry: &Entry| match (&entry.id, entry.email()) {
        (Some(id), _) => id.clone(),
        (None, Some(address)) if known.contains_key(&email::key(address)) => known[&email::key(address)].clone(),
        _ => id::generate(options.now),
    };
    Ok(wanted.entries.iter().map(|entry| Step::Put(entry, id(entry))).collect())
}

/// The faults of a step at their place in the file.
fn placed(step: &Step<'_>, problem: Problem) -> Vec<Fault> {
    let (place, what) = match step {
        // by what the file calls it
        Step::Put(entry, id) => {
            let called = entry.id.as_deref().or(entry.email()).unwrap_or(id);
            (entry.place.clone(), format!("{} {}", entry.kind.singular(), id::shown(called)))
        }
        Step::Delete(kind, id) => {
            (format!("/{}", kind.plural()), format!("deleting {} {}", kind.singular(), id::shown(id)))
        }
    };
    // what helps where one object is deleted by itself is of no use here
    let here = |message: &str| match (problem.code, step) {
        (Code::RoleInUse, _) => format!("{}; the file has to take it from them, or to name it", without_force(message)),
        (Code::LastOwner, Step::Delete(..)) => format!("{message}; the file has to name one"),
        _ => message.to_owned(),
    };
    if problem.errors.is_empty() {
        return vec![at(problem.code, place, format!("{what}: {}", here(&problem.detail)))];
    }
    let faults = problem.errors.iter().cloned().map(|fault| Fault {
        message: format!("{what}: {}", here(&fault.message)),
        pointer: Some(format!("{place}{}", fault.pointer.unwrap_or_default())),
        ..fault
    });
    faults.collect()
}

fn without_force(message: &str) -> &str {
    message.strip_suffix(role::FORCE).unwrap_or(message)
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
