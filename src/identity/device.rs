//! The cookie of a browser that has signed in to an account before: guesses from elsewhere do not lock it out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    keys::Sealer,
    model::{secret::random_text, time::Timestamp},
    store::principal::Principal,
};

/// How long a browser is known after it signed in.
pub const LIFETIME: Duration = Duration::from_secs(180 * 24 * 3600);

const CONTEXT: &[u8] = b"known device";
/// Longer than any that was issued.
const MAX_LENGTH: usize = 512;

/// A browser in which the principal has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Who signed in; nobody else profits from it.
    pub principal_id: String,
    /// Which browser it is; random, and the same at each sign-in.
    pub device_id: String,
    /// When the password with which the principal signed in had been chosen.
    pub password_changed_at: Option<Timestamp>,
}

impl Device {
    /// Whether this principal signed in here with the password that holds now: a new password makes every browser
    /// unknown, a thief's too.
    pub fn is_of(&self, principal: &Principal) -> bool {
        self.principal_id == principal.id && self.password_changed_at == principal.password_changed_at
    }
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    principal: String,
    device: String,
    issued: Timestamp,
    password: Option<Timestamp>,
}

/// The cookie's value for a browser in which this principal has just signed in; it stays valid for [`LIFETIME`]. A
/// browser that was known before stays the one it was, so that signing in often gives no more guesses.
pub fn issue(sealer: &Sealer, principal: &Principal, before: Option<Device>, now: Timestamp) -> String {
    let same = before.filter(|device| device.principal_id == principal.id).map(|device| device.device_id);
    let sealed = Sealed {
        principal: principal.id.clone(),
        device: same.unwrap_or_else(random_text::<16>),
        issued: now,
        password: principal.password_changed_at,
    };
    // Texts and numbers always have a JSON form.
    let plain = serde_json::to_vec(&sealed).unwrap_or_default();
    sealer.seal_text(CONTEXT, &plain)
}

/// What a cookie's value says; `None` if it was not issued here or has expired.
pub fn open(sealer: &Sealer, text: &str, now: Timestamp) -> Option<Device> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let sealed: Sealed = serde_json::from_slice(&sealer.open_text(CONTEXT, text)?).ok()?;
    (now.since(sealed.issued) < LIFETIME).then_some(Device {
        principal_id: sealed.principal,
        device_id: sealed.device,
        password_changed_at: sealed.password,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::MasterKey;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn a_device_is_known_for_half_a_year_and_only_where_it_was_issued() {
        let master = MasterKey::from_secret("a master secret for tests, 0123456789").unwrap();
        let sealer = master.sealer("known device");
        let mut ada = Principal::new("0190a3c2-7b00-7000-8000-000000000001".to_owned(), None, NOW);
        let text = issue(&sealer, &ada, None, NOW);
        assert!(text.len() <= MAX_LENGTH);
        let device = open(&sealer, &text, NOW + LIFETIME - Duration::from_secs(1)).unwrap();
        assert_eq!(device.principal_id, "0190a3c2-7b00-7000-8000-000000000001");
        assert!(open(&sealer, &text, NOW + LIFETIME).is_none());
        assert!(open(&master.sealer("password ticket"), &text, NOW).is_none());
        let other = open(&sealer, &issue(&sealer, &ada, None, NOW), NOW).unwrap();
        assert_ne!(other.device_id, device.device_id);
        let again = open(&sealer, &issue(&sealer, &ada, Some(device.clone()), NOW), NOW).unwrap();
        assert_eq!(again.device_id, device.device_id);
        assert!(again.is_of(&ada));
        ada.password_changed_at = Some(NOW);
        assert!(!again.is_of(&ada), "a new password makes every browser unknown");
        for bad in ["", "x", &"A".repeat(100_000)] {
            assert!(open(&sealer, bad, NOW).is_none());
        }
    }
}
