//! What the audit log is told about passwords.

use serde_json::{Value, json};

use super::{
    Actor,
    audit::{self, Target},
};
use crate::{
    model::time::Timestamp,
    store::{self, Tx},
};

/// Notes that a person has chosen a new password, in the transaction that stores it.
///
/// # Errors
/// The database failed; the actor is nobody.
pub fn changed(tx: &mut Tx<'_>, actor: &Actor, now: Timestamp) -> Result<(), store::Error> {
    let Some(id) = &actor.id else { return Err(store::Error::Internal("nobody chose a password".to_owned())) };
    let after = json!({ "passwordChangedAt": now.rfc3339() });
    audit::note(tx, actor, "principal.password.change", Target { kind: "principal", id }, &Value::Null, &after, now)
}
