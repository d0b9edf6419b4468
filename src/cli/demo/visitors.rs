//! The browsers that the demo application knows, by a random cookie; in memory, and bounded.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::relying_party::{Pending, Session};
use crate::model::{secret::random_text, time::Timestamp};

/// The most browsers that are known; the one that was seen longest ago is forgotten.
const MOST: usize = 200;
/// The most sign-ins that one browser may have begun, as in several tabs.
const MOST_PENDING: usize = 5;

/// The known browsers.
#[derive(Debug, Default)]
pub struct Visitors(Mutex<HashMap<String, Visitor>>);

#[derive(Debug)]
struct Visitor {
    /// The newest at the end.
    pending: Vec<Pending>,
    session: Option<Session>,
    seen_at: Timestamp,
}

impl Visitors {
    /// Keeps a sign-in that was begun; the cookie to set, which is `cookie` itself where it is known.
    pub fn begin(&self, cookie: Option<&str>, pending: Pending, now: Timestamp) -> String {
        self.with(|visitors| {
            let cookie = match cookie {
                Some(known) if visitors.contains_key(known) => known.to_owned(),
                _ => random_text::<32>(),
            };
            if visitors.len() >= MOST && !visitors.contains_key(&cookie) {
                let oldest = visitors.iter().min_by_key(|(_, visitor)| visitor.seen_at).map(|(key, _)| key.clone());
                oldest.and_then(|oldest| visitors.remove(&oldest));
            }
            let fresh = || Visitor { pending: Vec::new(), session: None, seen_at: now };
            let visitor = visitors.entry(cookie.clone()).or_insert_with(fresh);
            visitor.seen_at = now;
            visitor.pending.push(pending);
            if visitor.pending.len() > MOST_PENDING {
                visitor.pending.remove(0);
            }
            cookie
        })
    }

    /// Takes the sign-in with this `state` that this browser began; each can be taken once.
    pub fn take(&self, cookie: &str, state: &str) -> Option<Pending> {
        self.with(|visitors| {
            let visitor = visitors.get_mut(cookie)?;
            let at = visitor.pending.iter().position(|pending| pending.state == state)?;
            Some(visitor.pending.remove(at))
        })
    }

    /// Who is signed in with this browser.
    pub fn session(&self, cookie: &str) -> Option<Session> {
        self.with(|visitors| visitors.get(cookie)?.session.clone())
    }

    /// Signs in or out.
    pub fn set_session(&self, cookie: &str, session: Option<Session>) {
        self.with(|visitors| {
            if let Some(visitor) = visitors.get_mut(cookie) {
                visitor.session = session;
            }
        });
    }

    fn with<T>(&self, f: impl FnOnce(&mut HashMap<String, Visitor>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn a_sign_in_is_taken_once_and_by_the_browser_that_began_it() {
        let visitors = Visitors::default();
        let (one, two) = (Pending::for_tests("s1"), Pending::for_tests("s2"));
        let ada = visitors.begin(Some("chosen by somebody"), one, at(0));
        assert_ne!(ada, "chosen by somebody");
        assert_eq!(visitors.begin(Some(&ada), two, at(0)), ada);
        let eve = visitors.begin(None, Pending::for_tests("s3"), at(0));
        assert!(visitors.take(&eve, "s1").is_none());
        assert!(visitors.take("nobody", "s1").is_none());
        assert!(visitors.take(&ada, "s1").is_some());
        assert!(visitors.take(&ada, "s1").is_none());
        assert!(visitors.take(&ada, "s2").is_some());
    }

    #[test]
    fn memory_is_bounded() {
        let visitors = Visitors::default();
        let first = visitors.begin(None, Pending::for_tests("s"), at(0));
        for n in 1..=MOST as i64 {
            visitors.begin(None, Pending::for_tests("s"), at(n));
        }
        assert_eq!(visitors.0.lock().unwrap().len(), MOST);
        assert!(visitors.take(&first, "s").is_none());
        let last = visitors.begin(None, Pending::for_tests("s0"), at(1000));
        for n in 1..=MOST_PENDING {
            visitors.begin(Some(&last), Pending::for_tests(&format!("s{n}")), at(1000));
        }
        assert!(visitors.take(&last, "s0").is_none());
        assert!(visitors.take(&last, "s1").is_some());
    }
}
