//! The hash of an event in its place, and what checkpoints and cuts say.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::store::audit_chain::Stored;

/// Where the chain begins.
pub const BEGIN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What a checkpoint says: that the chain had this hash at this position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The last position that it covers.
    pub position: i64,
    /// The hash there.
    pub hash: String,
    /// The position of the checkpoint before; 0 for the first.
    pub previous: i64,
    /// When it was signed (RFC 3339).
    pub at: String,
    /// Whether what lies between the two was as it had been sealed.
    pub intact: bool,
}

/// What a cut says: that everything up to a position went by the retention policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The last position that went.
    pub position: i64,
    /// The hash there.
    pub hash: String,
    /// The position of the cut before; 0 for the first.
    pub previous: i64,
    /// How many events went with this one.
    pub events: i64,
    /// When it was signed (RFC 3339).
    pub at: String,
    /// What happened before this time was to go (RFC 3339).
    pub before: String,
    /// Whether what went was as it had been sealed.
    pub intact: bool,
}

/// The claims as a value of their type; none where they are not.
pub(super) fn claims<T: serde::de::DeserializeOwned>(claims: Map<String, Value>) -> Option<T> {
    serde_json::from_value(Value::Object(claims)).ok()
}

/// The hash of an event at a position after the hash of the one before, as base64url.
pub fn hash(previous: &str, position: i64, event: &Stored) -> String {
    // all columns are named, so that none can be forgotten
    let Stored {
        id,
        at,
        action,
        outcome,
        code,
        actor_kind,
        actor_id,
        client_id,
        ip_address,
        request_id,
        target_kind,
        target_id,
        changes,
        occurrences,
        position: _,
        hash: _,
    } = event;
    let mut bytes = Vec::with_capacity(512);
    bytes.extend_from_slice(b"keyward audit event 1");
    // what is no hash yields one that fits nowhere
    bytes.extend_from_slice(&URL_SAFE_NO_PAD.decode(previous).unwrap_or_default());
    bytes.extend_from_slice(&position.to_be_bytes());
    text(&mut bytes, Some(id));
    bytes.extend_from_slice(&at.to_be_bytes());
    text(&mut bytes, Some(action));
    text(&mut bytes, Some(outcome));
    text(&mut bytes, code.as_deref());
    text(&mut bytes, Some(actor_kind));
    text(&mut bytes, actor_id.as_deref());
    text(&mut bytes, client_id.as_deref());
    text(&mut bytes, ip_address.as_deref());
    text(&mut bytes, Some(request_id));
    text(&mut bytes, Some(target_kind));
    text(&mut bytes, target_id.as_deref());
    text(&mut bytes, Some(changes));
    bytes.extend_from_slice(&occurrences.to_be_bytes());
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &bytes))
}

fn text(bytes: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => bytes.push(0),
        Some(text) => {
            bytes.push(1);
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
}

/// Whether events that begin after a place in the chain are what was sealed; the place where they end. An event that is
/// missing, or one without its place, is not.
pub(super) fn follows(mut place: (i64, String), events: &[Stored]) -> ((i64, String), bool) {
    let mut intact = true;
    for event in events {
        let (position, stored) = (event.position.unwrap_or(0), event.hash.clone().unwrap_or_default());
        intact &= position == place.0 + 1 && hash(&place.1, position, event) == stored;
        place = (position, stored);
    }
    (place, intact)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Stored {
        Stored {
            id: "0199c0de-0000-7000-8000-00000000ada0".to_owned(),
            at: 1_795_262_400_000,
            action: "role.update".to_owned(),
            outcome: "succeeded".to_owned(),
            code: None,
            actor_kind: "principal".to_owned(),
            actor_id: Some("ada".to_owned()),
            client_id: None,
            ip_address: Some("127.0.0.1".to_owned()),
            request_id: String::new(),
            target_kind: "role".to_owned(),
            target_id: Some("a:b".to_owned()),
            changes: "[]".to_owned(),
            occurrences: 1,
            position: None,
            hash: None,
        }
    }

    #[test]
    fn every_field_the_place_and_what_was_before_count() {
        let whole = hash(BEGIN, 1, &event());
        let changes: [fn(&mut Stored); 15] = [
            |e| e.id.push('x'),
            |e| e.at += 1,
            |e| e.action.push('x'),
            |e| e.outcome.push('x'),
            |e| e.code = Some(String::new()),
            |e| e.actor_kind.push('x'),
            |e| e.actor_id = None,
            |e| e.client_id = Some(String::new()),
            |e| e.ip_address = None,
            |e| e.request_id.push('x'),
            |e| e.target_kind.push('x'),
            |e| e.target_id = Some("a:c".to_owned()),
            |e| e.changes.push(' '),
            |e| e.occurrences += 1,
            // from one field to the next
            |e| (e.action, e.outcome) = ("role.updates".to_owned(), "ucceeded".to_owned()),
        ];
        for (n, change) in changes.iter().enumerate() {
            let mut changed = event();
            change(&mut changed);
            assert_ne!(hash(BEGIN, 1, &changed), whole, "{n}");
        }
        assert_ne!(hash(BEGIN, 2, &event()), whole);
        assert_ne!(hash(&whole, 1, &event()), whole);
    }

    #[test]
    fn the_hash_stays_what_it_is() {
        // what is stored somewhere must be verified by every later version
        assert_eq!(hash(BEGIN, 1, &event()), "j9yADrvBZ7QKsr2x34cwHOVnFvQv_oF0ng16vIY1pJk");
    }
}
