//! What slows down the guessing of passwords.
//!
//! A guess is counted before it is checked, so that guesses in parallel cannot slip past; what was no failure is
//! taken back afterwards. Counted are the account, by what was typed, and the address. A browser that is known to the
//! account has a counter of its own instead of both, so that neither an attacker nor a neighbour locks a person out.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use super::device::Device;
use crate::{
    config::Login,
    model::{email, secret::SecretHash, time::Timestamp},
    store::{
        self, Store, Tx,
        throttle::{self, Counter},
    },
};

/// The counters of a guess.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    hash: String,
    scope: Scope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    /// An account, or a device of it.
    Account,
    Address,
}

impl Keys {
    /// The counters of a guess at this account (whether or not it exists) from this address.
    pub fn new(username: &str, address: Option<IpAddr>) -> Keys {
        let mut keys = vec![Key::new(Scope::Account, &format!("account {}", email::key(username)))];
        keys.extend(address.map(|address| Key::new(Scope::Address, &network(address))));
        // Transactions that lock several rows lock them in one order, so that they cannot wait for each other in a ring.
        keys.sort();
        Keys(keys)
    }

    /// The counter of a guess at an entry of a directory, however its name was spelt.
    pub fn of_entry(dn: &str) -> Keys {
        Keys(vec![Key::new(Scope::Account, &format!("entry {dn}"))])
    }

    /// The counter of a guess at a secret that was mailed: its own, so that neither way of guessing blocks the other.
    pub fn of_verification(address: Option<IpAddr>) -> Keys {
        let key = |address| Key::new(Scope::Address, &format!("verification {}", network(address)));
        Keys(address.map(key).into_iter().collect())
    }

    /// The counter of a guess from a browser that is known; the caller has checked that it is known to this account.
    pub fn of_device(device: &Device) -> Keys {
        Keys(vec![Key::new(Scope::Account, &format!("device {} {}", device.principal_id, device.device_id))])
    }
}

impl Key {
    fn new(scope: Scope, text: &str) -> Key {
        Key { hash: SecretHash::of(text).as_str().to_owned(), scope }
    }
}

/// Who holds one address of IPv6 holds the whole /64; an IPv4 address in IPv6's clothing is that IPv4 address.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("address {}/32", Ipv4Addr::from_bits(address.to_bits())),
        IpAddr::V6(address) => format!("address {}/64", Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

/// The guess may be checked. It is counted as a failure until [`succeeded`] or [`withdraw`] says otherwise.
#[derive(Clone, Debug)]
#[must_use]
pub struct Allowed(Vec<Counted>);

#[derive(Clone, Debug)]
struct Counted {
    key: Key,
    before: Counter,
    after: Counter,
}

/// The guess must not be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// When the next guess may be checked.
    pub retry_after: Duration,
}

/// Counts a guess, unless one of its counters is blocked: then nothing is counted, so that knocking prolongs no block.
pub async fn begin(
    store: &Store,
    config: &Login,
    now: Timestamp,
    keys: Keys,
) -> Result<Result<Allowed, Throttled>, store::Error> {
    let config = config.clone();
    store.note(move |tx| count(tx, &config, now, &keys)).await
}

fn count(
    tx: &mut Tx<'_>,
    config: &Login,
    now: Timestamp,
    keys: &Keys,
) -> Result<Result<Allowed, Throttled>, store::Error> {
    let hashes: Vec<&str> = keys.0.iter().map(|key| key.hash.as_str()).collect();
    let before = throttle::lock(tx, &hashes, now)?;
    if let Some(retry_after) = before.iter().filter_map(|counter| blocked_for(config, now, counter)).max() {
        return Ok(Err(Throttled { retry_after }));
    }
    let counted = keys.0.iter().zip(before).map(|(key, before)| {
        let after = failed(config, now, key.scope, &before);
        Counted { key: key.clone(), before, after }
    });
    let counted: Vec<Counted> = counted.collect();
    let after: Vec<(&str, Counter)> =
        counted.iter().map(|counted| (counted.key.hash.as_str(), counted.after)).collect();
    throttle::store(tx, &after)?;
    Ok(Ok(Allowed(counted)))
}

/// How long a counter is still blocked.
fn blocked_for(config: &Login, now: Timestamp, counter: &Counter) -> Option<Duration> {
    let left = counter.blocked_until.since(now);
    // No block is longer than the longest: one that seems so was made while the clock stood wrong.
    (!left.is_zero() && left <= config.max_delay).then_some(left)
}

/// The counter after one failure more.
fn failed(config: &Login, now: Timestamp, scope: Scope, before: &Counter) -> Counter {
    let free = match scope {
        Scope::Account => config.free_attempts,
        Scope::Address => config.free_attempts_address,
    };
    let failures = before.failures.saturating_add(1);
    let beyond = failures - i64::from(free);
    let doublings = beyond.clamp(0, 31) as u32;
    let delay = if beyond < 0 { Duration::ZERO } else { config.first_delay.saturating_mul(1 << doublings) };
    let delay = delay.min(config.max_delay);
    // A guess that is still free blocks nobody, not even who looked at the clock a moment before and is counted after.
    let blocked_until = if delay.is_zero() { before.blocked_until.min(now) } else { now + delay };
    Counter { failures, blocked_until, expires_at: now + delay.max(config.forget_after) }
}

/// The password was right: the account's or device's failures are forgotten. The address only has this one count taken
/// back, or an account of one's own would be a way to guess at others'.
pub fn succeeded(tx: &mut Tx<'_>, now: Timestamp, allowed: &Allowed) -> Result<(), store::Error> {
    settle(tx, now, allowed, |key| key.scope == Scope::Account)
}

/// The guess was not checked after all: it is not counted.
pub async fn withdraw(store: &Store, now: Timestamp, allowed: Allowed) -> Result<(), store::Error> {
    store.note(move |tx| settle(tx, now, &allowed, |_| false)).await
}

/// Takes a guess back, and with it all guesses of the counters that are forgotten.
fn settle(
    tx: &mut Tx<'_>,
    now: Timestamp,
    allowed: &Allowed,
    is_forgotten: impl Fn(&Key) -> bool,
) -> Result<(), store::Error> {
    let hashes: Vec<&str> = allowed.0.iter().map(|counted| counted.key.hash.as_str()).collect();
    let (mut stored, mut cleared) = (Vec::new(), Vec::new());
    // also those that are forgotten, so that they are locked in the same order as ever
    for (counted, current) in allowed.0.iter().zip(throttle::lock(tx, &hashes, now)?) {
        let left = taken_back(counted, current);
        if left.failures == 0 || is_forgotten(&counted.key) {
            cleared.push(counted.key.hash.as_str());
        } else {
            stored.push((counted.key.hash.as_str(), left));
        }
    }
    throttle::clear(tx, &cleared)?;
    throttle::store(tx, &stored)
}

/// A counter without the guess. The block and the expiry that another guess caused meanwhile stay.
fn taken_back(counted: &Counted, current: Counter) -> Counter {
    let mine =
        |current: Timestamp, after: Timestamp, before: Timestamp| if current == after { before } else { current };
    Counter {
        failures: (current.failures - 1).max(0),
        blocked_until: mine(current.blocked_until, counted.after.blocked_until, counted.before.blocked_until),
        expires_at: mine(current.expires_at, counted.after.expires_at, counted.before.expires_at),
    }
}

#[cfg(test)]
#[path = "throttle_tests.rs"]
mod tests;
